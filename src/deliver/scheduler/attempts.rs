//! Starting attempts under the limits, and what their results mean.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::{self, JoinError};

use super::outbox::Reply;
use super::{FLIGHTS_MAX, STORE_PAUSE, Scheduler};
use crate::clock::Timestamp;
use crate::deliver::attempt::Report;
use crate::deliver::flight::{self, Cargo, Flight, Landing};
use crate::deliver::queue::{Ready, Settle, WAITING_MAX};
use crate::deliver::retry;
use crate::id::{Seq, WebhookId, fill_random};
use crate::model::record::LogEntry;
use crate::model::{Decision, DeliveryEnd, Event, Outcome, Webhook};

/// The pause before a delivery goes out again whose attempt panicked.
const PANIC_PAUSE: Duration = Duration::from_mins(1);

impl Scheduler {
    /// Starts what may go out, in turn: one attempt for each webhook, then the next round.
    pub(super) fn start_attempts(&mut self) {
        let now = self.now();
        while self.flights.len() + self.unsettled + self.outbox.releases.len() < FLIGHTS_MAX {
            let Some(id) = self.turns.pop_front() else { break };
            let Some(slot) = self.slots.get_mut(&id) else { continue };
            slot.has_turn = false;
            let Some(webhook) = slot.deliverable().cloned() else { continue };
            if slot.ping_due() {
                self.start_ping(id, None);
                self.give_turn(id);
                continue;
            }
            if slot.queue.busy() + slot.replays.busy() >= slot.allowance(&webhook) {
                continue;
            }
            if slot.replays.go_first() {
                self.start_replay(id, webhook);
                continue;
            }
            if let Some(ready) = slot.queue.next(now) {
                let (means, spelling) = (self.means.clone(), slot.spelling.clone());
                let task = self.running.spawn(flight::deliver(means, Arc::clone(&webhook), spelling, ready.clone(), 0));
                self.flights.insert(task.id(), Flight { webhook, at: now, cargo: Cargo::Delivery(ready) });
                self.give_turn(id);
                continue;
            }
            if slot.replays.waits() {
                self.start_replay(id, webhook);
                continue;
            }
            if let Some(due) = slot.queue.next_due() {
                self.timers.insert((due, id));
            }
            if slot.queue.set_aside().0 >= WAITING_MAX {
                self.counters.count_waiting_full();
            }
        }
        self.counters.set_in_flight(self.flights.len());
    }

    /// Starts a ping; `reply` is told how it went.
    pub(super) fn start_ping(&mut self, id: WebhookId, reply: Option<oneshot::Sender<Result<u16, String>>>) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let Some(webhook) = slot.webhook.clone() else { return };
        slot.pinging = true;
        let task = self.running.spawn(flight::ping(self.means.clone(), Arc::clone(&webhook), slot.spelling.clone()));
        let at = self.now();
        self.flights.insert(task.id(), Flight { webhook, at, cargo: Cargo::Ping(reply) });
    }

    /// Takes the result of an attempt or a ping in.
    pub(super) fn land(&mut self, landed: Result<(task::Id, Landing), JoinError>) {
        let (id, landing) = match landed {
            Ok((id, landing)) => (id, Some(landing)),
            Err(error) => {
                tracing::error!(%error, "an attempt panicked");
                (error.id(), None)
            }
        };
        let Some(mut flight) = self.flights.remove(&id) else { return };
        if matches!(flight.cargo, Cargo::Replay(_)) {
            self.replay_landed(flight.webhook.id);
        }
        match (&mut flight.cargo, landing) {
            (Cargo::Replay(replay), Some(Landing::Delivered { event, delivery, report })) => {
                let caller = replay.reply.take();
                self.replayed(&flight, caller, &event, delivery, *report);
            }
            // It panicked: whoever asked learns it by the missing answer.
            (Cargo::Replay(_), _) => {}
            (Cargo::Ping(reply), Some(Landing::Pinged(report))) => {
                let reply = reply.take();
                self.pinged(&flight, *report, reply);
            }
            // It panicked, and would again: `pinging` stays, so that it is not tried before the next start.
            (Cargo::Ping(_), _) => {}
            (Cargo::Delivery(ready), Some(Landing::Delivered { event, delivery, report })) => {
                let ready = ready.clone();
                self.attempted(&flight, &ready, &event, delivery, *report);
            }
            (Cargo::Delivery(ready), Some(Landing::Missing)) => {
                let (webhook, seq) = (&flight.webhook, ready.seq);
                let text = format!("webhook {}: the journal dropped event {seq} before it was delivered", webhook.name);
                self.notice(webhook.id, text);
                self.counters.ended(DeliveryEnd::Dropped);
                self.settle(webhook.id, seq, Settle::Done);
            }
            (Cargo::Delivery(ready), Some(Landing::NotRead(error))) => {
                tracing::error!(webhook = flight.webhook.name, event = %ready.seq, error, "an event cannot be read; trying again");
                self.counters.count_store_failure();
                self.later(flight.webhook.id, ready.seq, STORE_PAUSE);
            }
            (Cargo::Delivery(ready), _) => self.later(flight.webhook.id, ready.seq, PANIC_PAUSE),
        }
    }

    fn settle(&mut self, webhook: WebhookId, seq: Seq, settle: Settle) {
        if let Some(slot) = self.slots.get_mut(&webhook) {
            slot.queue.settle(seq, settle);
            self.outbox.touched.insert(webhook);
            self.outbox.releases.push((webhook, seq));
        }
    }

    fn later(&mut self, webhook: WebhookId, seq: Seq, pause: Duration) {
        let due = self.now().plus(pause);
        if let Some(slot) = self.slots.get_mut(&webhook) {
            slot.queue.settle(seq, Settle::Later(due));
            self.give_turn(webhook);
        }
    }

    fn pinged(&mut self, flight: &Flight, report: Report, reply: Option<oneshot::Sender<Result<u16, String>>>) {
        let Some(slot) = self.slots.get_mut(&flight.webhook.id) else { return };
        slot.pinging = false;
        slot.health.pinged(&flight.webhook.url, report.status == Some(200));
        self.outbox.health.insert(flight.webhook.id, slot.health.clone());
        if let Some(caller) = reply {
            let result = report.status.ok_or_else(|| report.failure().to_owned());
            self.outbox.replies.push(Reply::Ping(caller, result));
        }
        let attempt = flight.record(None, "", report, String::new());
        self.counters.attempt(&attempt);
        self.outbox.entries.push(LogEntry::Attempt(Box::new(attempt)));
        // The URL may have changed while the ping was under way.
        self.webhook_changed(flight.webhook.id);
    }

    fn attempted(&mut self, flight: &Flight, ready: &Ready, event: &Event, delivery: String, report: Report) {
        let (now, webhook) = (self.now(), &flight.webhook);
        let made = ready.attempts.saturating_add(1);
        let asked = report.retry_after.as_deref().and_then(|value| retry::retry_after(value, now));
        let gap = retry::gap(&webhook.retry, made, chance(), asked);
        let decision = Decision::after(&report.verdict, report.status, gap, now);
        let disabled = self.take_health(webhook, decision, &report, now);
        let failure_count = self.slots.get(&webhook.id).map_or(0, |slot| slot.health.failure_count);
        let end = match decision {
            Decision::Delivered => Some(DeliveryEnd::Delivered),
            Decision::GiveUp(end) => Some(end),
            Decision::Retry { .. } => None,
        };
        let mut text = decision_text(decision, report.status, made, now);
        if disabled {
            text.push_str("; the webhook is disabled");
        }
        let failure = report.failure().to_owned();
        let attempt = flight.record(Some(event), &delivery, report, text);
        self.counters.attempt(&attempt);
        self.outbox.entries.push(LogEntry::Attempt(Box::new(attempt)));
        if let Some(end) = end {
            self.counters.ended(end);
            let outcome = Outcome {
                at: now,
                webhook: webhook.id,
                webhook_name: webhook.name.clone(),
                event: ready.seq,
                uid: event.uid,
                topic: event.topic.clone(),
                about: flight::about(event),
                delivery,
                replay: 0,
                run: None,
                attempts: made,
                end,
                failure_count,
            };
            self.outbox.entries.push(LogEntry::Outcome(Box::new(outcome)));
        }
        if disabled {
            self.counters.count_disabled();
            let (name, count) = (&webhook.name, failure_count);
            let why = if end == Some(DeliveryEnd::Gone) {
                "its receiver answered 410 Gone".to_owned()
            } else {
                format!("{count} deliveries failed in a row, the last with: {failure}")
            };
            let text = format!("webhook {name} is disabled: {why}; its events are held until it is enabled");
            self.notice(webhook.id, text);
        }
        let settle = match decision {
            Decision::Retry { due } => Settle::Wait(due),
            Decision::Delivered | Decision::GiveUp(_) => Settle::Done,
        };
        self.settle(webhook.id, ready.seq, settle);
    }

    /// What the attempt says about the webhook. Gives whether it is disabled now. An answer of an address that is no
    /// longer the webhook's says nothing.
    pub(super) fn take_health(
        &mut self,
        webhook: &Webhook,
        decision: Decision,
        report: &Report,
        now: Timestamp,
    ) -> bool {
        let current = |table: &Arc<Webhook>| table.url == webhook.url;
        let Some(slot) = self.slots.get_mut(&webhook.id).filter(|slot| slot.webhook.as_ref().is_some_and(current))
        else {
            return false;
        };
        let disabled = match decision {
            Decision::Delivered => {
                slot.health.delivered(now);
                false
            }
            Decision::Retry { .. } => {
                slot.health.attempt_failed(now);
                false
            }
            Decision::GiveUp(end) => {
                slot.health.attempt_failed(now);
                slot.health.delivery_failed(webhook, end, now, report.failure())
            }
        };
        self.outbox.health.insert(webhook.id, slot.health.clone());
        disabled
    }
}

/// For people: what was decided after an attempt.
pub(super) fn decision_text(decision: Decision, status: Option<u16>, made: u32, now: Timestamp) -> String {
    match decision {
        Decision::Delivered if status.is_some_and(|status| status >= 300) => {
            "delivered; the redirect was not followed".to_owned()
        }
        Decision::Delivered => "delivered".to_owned(),
        Decision::Retry { due } => format!("retry in {} s", due.since(now).as_secs_f64().ceil()),
        Decision::GiveUp(DeliveryEnd::Gone) => "given up: the receiver is gone for good".to_owned(),
        Decision::GiveUp(_) => format!("given up after {made} attempt{}", if made == 1 { "" } else { "s" }),
    }
}

/// A number from 0 up to 1.
pub(super) fn chance() -> f64 {
    let mut bytes = [0; 4];
    fill_random(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}
