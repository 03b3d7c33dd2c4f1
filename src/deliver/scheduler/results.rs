//! What the result of an attempt means: for its delivery, for its webhook, and for people.

use std::sync::Arc;

use super::Scheduler;
use super::alerts::News;
use crate::clock::Timestamp;
use crate::deliver::attempt::Report;
use crate::deliver::flight::{Cargo, Flight};
use crate::deliver::queue::{Ready, Settle};
use crate::deliver::retry::{self, Wish};
use crate::id::{WebhookId, fill_random};
use crate::model::{Attempt, Decision, DeliveryEnd, Ended, Event, FailedAttempt, Status, Trip, Verdict, Webhook};

impl Scheduler {
    pub(super) fn attempted(
        &mut self,
        flight: &Flight,
        ready: &Ready,
        event: &Event,
        delivery: String,
        report: Report,
    ) {
        let (now, webhook) = (self.now(), &flight.webhook);
        let made = ready.attempts.saturating_add(1);
        let wish = Wish::of(report.status, &report.verdict, report.retry_after.as_deref(), now);
        // A probe is no attempt of the delivery: it never is the last one.
        let gap = match report.verdict {
            Verdict::Ok => None,
            Verdict::Failed { .. } => retry::gap(&webhook.retry, if ready.probe { 1 } else { made }, chance(), wish),
        };
        let decision = Decision::after(&report.verdict, report.status, gap, now);
        let news = self.take_health(flight, decision, &report, wish);
        let held = ready.probe && matches!(decision, Decision::Retry { .. });
        let mut text = decision_text(decision, report.status, made, now);
        let disabled = news.iter().any(|news| matches!(news, News::Disabled(..)));
        if held && disabled {
            "it waits".clone_into(&mut text);
        } else if held {
            text = match self.slots.get(&webhook.id).and_then(|slot| slot.health.probe_due()) {
                Some(due) => format!("next probe in {} s", seconds(due, now)),
                None => "the next attempt is one of its own".to_owned(),
            };
        }
        if disabled {
            text.push_str("; the webhook is disabled");
        } else if news.contains(&News::Opened) {
            text.push_str("; only probes go out until one succeeds");
        }
        let failure = report.failure().to_owned();
        let end = match decision {
            Decision::Delivered => Some(DeliveryEnd::Delivered),
            Decision::GiveUp(end) => Some(end),
            Decision::Retry { .. } => None,
        };
        let attempt = flight.record(Some(event), delivery, report, text);
        let ended = end.map(|end| self.ended(webhook.id, end, 0));
        self.record(Attempt { ended, ..attempt }, Some(event.at));
        for news in news {
            self.tell(webhook, &news, &failure);
        }
        match decision {
            Decision::Retry { .. } if held => self.later(webhook.id, ready.seq, std::time::Duration::ZERO),
            Decision::Retry { due } => {
                let asked = wish.retry_after.is_some();
                self.settle(webhook.id, ready.seq, Settle::Wait { uid: event.uid, since: now, due, asked });
            }
            Decision::Delivered | Decision::GiveUp(_) => self.settle(webhook.id, ready.seq, Settle::Done),
        }
    }

    /// Counts the end of a delivery, and gives what the record of its last attempt says of it.
    pub(super) fn ended(&self, webhook: WebhookId, end: DeliveryEnd, replay: u32) -> Ended {
        self.counters.ended(end);
        let failure_count = self.slots.get(&webhook).map_or(0, |slot| slot.health.failure_count);
        Ended { at: self.now(), end, replay, failure_count }
    }

    /// What the attempt says about the webhook, and what of it people should know. An answer of an address that is no
    /// longer the webhook's says nothing.
    pub(super) fn take_health(
        &mut self,
        flight: &Flight,
        decision: Decision,
        report: &Report,
        wish: Wish,
    ) -> Vec<News> {
        let (event, is_probe, is_replay) = match &flight.cargo {
            Cargo::Delivery(ready) => (ready.seq, ready.probe, false),
            Cargo::Replay(replay) => (replay.seq, replay.probe, true),
            Cargo::Ping(_) => return Vec::new(),
        };
        let (now, webhook) = (self.now(), &flight.webhook);
        let current = |table: &Arc<Webhook>| table.url == webhook.url;
        let Some(slot) = self.slots.get_mut(&webhook.id).filter(|slot| slot.webhook.as_ref().is_some_and(current))
        else {
            return Vec::new();
        };
        let mut news = Vec::new();
        if decision == Decision::Delivered {
            let active = slot.health.status(webhook.status, &webhook.url) == Status::Active;
            let open = active && slot.health.probe_due().is_some();
            let told = slot.health.delivered(now);
            news.extend(open.then_some(News::Answers));
            news.extend(told.map(|incident| News::Recovered(incident.since)));
        } else {
            let gap = |probes| retry::probe_gap(&webhook.retry, probes, chance(), wish);
            let attempt = FailedAttempt { at: now, event, is_probe, is_replay, detail: report.failure() };
            match slot.health.attempt_failed(webhook, attempt, gap) {
                Trip::Opened => news.push(News::Opened),
                Trip::Spent => news.push(News::Disabled(None)),
                Trip::Nothing => {}
            }
            if let Decision::GiveUp(end) = decision {
                let disabled = slot.health.delivery_failed(webhook, end, now, report.failure());
                if disabled {
                    // No probe goes out of a disabled webhook.
                    news.clear();
                }
                news.push(if disabled { News::Disabled(Some(end)) } else { News::Exhausted });
            }
            if let Some(due) = slot.health.alert_due() {
                self.timers.insert((due, webhook.id));
            }
        }
        slot.breaker_moved();
        self.outbox.health.insert(webhook.id);
        news
    }
}

/// For people: what was decided after an attempt.
pub(super) fn decision_text(decision: Decision, status: Option<u16>, made: u32, now: Timestamp) -> String {
    match decision {
        Decision::Delivered if status.is_some_and(|status| status >= 300) => {
            "delivered; the redirect was not followed".to_owned()
        }
        Decision::Delivered => "delivered".to_owned(),
        Decision::Retry { due } => format!("retry in {} s", seconds(due, now)),
        Decision::GiveUp(DeliveryEnd::Gone) => "given up: the receiver is gone for good".to_owned(),
        Decision::GiveUp(_) => format!("given up after {made} attempt{}", if made == 1 { "" } else { "s" }),
    }
}

fn seconds(due: Timestamp, now: Timestamp) -> f64 {
    due.since(now).as_secs_f64().ceil()
}

/// A number from 0 up to 1.
pub(super) fn chance() -> f64 {
    let mut bytes = [0; 4];
    fill_random(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}
