//! What people are told of a webhook's health: a line, a counter, a notice, and a POST to `[shop] alert` where there is one.
//! Each once per incident. The POST is best effort: its own failure is a notice and nothing more.

use std::sync::Arc;
use std::time::Duration;

use http::Extensions;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::task::JoinError;

use super::Scheduler;
use crate::clock::Timestamp;
use crate::deliver::attempt;
use crate::deliver::flight::Means;
use crate::deliver::request::{self, Draft};
use crate::id::{EventUid, WebhookId};
use crate::model::record::LogEntry;
use crate::model::{DeliveryEnd, Event, Identity, Notice, NoticeKind, OverlayReason, Topic, Verdict, Webhook};

/// Alerts on their way at once; further ones are counted and only stand in the log.
const ALERTS_MAX: usize = 64;

/// Pauses before an alert is posted again.
const GAPS: [Duration; 3] = [Duration::from_secs(5), Duration::from_secs(30), Duration::from_mins(2)];

/// Limit of one POST of an alert.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What happened to a webhook that people should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The breaker opened.
    Opened,
    /// A probe succeeded, or something that was still out.
    Answers,
    /// A delivery was given up.
    Exhausted,
    /// Nothing has succeeded for [`crate::model::Incident::ALERT_AFTER`].
    Failing,
    /// It is disabled: by a delivery that ended so, or because it was out of reach for the whole schedule.
    Disabled(Option<DeliveryEnd>),
    /// It delivers again; people knew that it failed since then.
    Recovered(Timestamp),
}

/// How the POST of an alert went: for which webhook, and what failed.
#[derive(Debug)]
pub(super) struct Posted {
    webhook: WebhookId,
    topic: Topic,
    failure: Option<String>,
}

/// That so many of them failed, one and many of which are called so.
fn in_a_row(count: u32, [one, many]: [&str; 2], failure: &str) -> String {
    match count {
        1 => format!("1 {one} failed, with: {failure}"),
        _ => format!("{count} {many} failed in a row, the last with: {failure}"),
    }
}

impl Scheduler {
    /// Tells people. `failure` is the attempt's, where one failed.
    pub(super) fn tell(&mut self, webhook: &Arc<Webhook>, news: &News, failure: &str) {
        let (id, now) = (webhook.id, self.now());
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let (name, count) = (&webhook.name, slot.health.failure_count);
        let (topic, text) = match *news {
            News::Opened => {
                let failed = in_a_row(slot.health.failed_attempts, ["attempt", "attempts"], failure);
                let text = format!(
                    "webhook {name}: {failed}; \
                     its deliveries are held and only probes go out until one succeeds"
                );
                return self.notice(id, text);
            }
            News::Answers => {
                return self.notice(id, format!("webhook {name}: its receiver answers again; what was held goes out"));
            }
            News::Recovered(since) => {
                let failed = now.since(since).as_secs();
                ("webhook.recovered", format!("webhook {name} delivers again, {failed} s after its first failure"))
            }
            News::Exhausted | News::Failing => {
                let Some(since) = slot.health.alert(now) else { return };
                self.outbox.health.insert(id);
                let what = if *news == News::Exhausted {
                    "a delivery was given up".to_owned()
                } else {
                    format!("nothing was delivered since {since}")
                };
                ("webhook.failing", format!("webhook {name} is failing: {what}; the last failure: {failure}"))
            }
            News::Disabled(end) => {
                // Who knows that it is disabled need not be told that it fails.
                let _ = slot.health.alert(now);
                self.outbox.health.insert(id);
                if let Some(overlay) = &slot.health.overlay {
                    self.counters.count_disabled(overlay.reason);
                }
                let why = match end {
                    Some(DeliveryEnd::Gone) => "its receiver answered 410 Gone".to_owned(),
                    Some(_) => in_a_row(count, ["delivery", "deliveries"], failure),
                    None => format!(
                        "its receiver was out of reach for the whole retry schedule, the last probe failed with: {failure}"
                    ),
                };
                let text = format!("webhook {name} is disabled: {why}; its events are held until it is enabled");
                ("webhook.disabled", text)
            }
        };
        if matches!(news, News::Recovered(_)) {
            tracing::info!(webhook = %id, "{text}");
        } else {
            tracing::warn!(webhook = %id, "{text}");
        }
        self.keep_notice(id, text.clone());
        self.post(webhook, topic, &text);
    }

    /// Whether a webhook has failed for so long that people must know.
    pub(super) fn look_at_incident(&mut self, id: WebhookId) {
        let now = self.now();
        let Some(slot) = self.slots.get(&id) else { return };
        let (Some(webhook), Some(due)) = (slot.deliverable().cloned(), slot.health.alert_due()) else { return };
        if due > now {
            self.timers.insert((due, id));
            return;
        }
        self.tell(&webhook, &News::Failing, "see the attempts in the log");
    }

    fn post(&mut self, webhook: &Arc<Webhook>, topic: &'static str, text: &str) {
        self.counters.count_alert(topic);
        let (Some(alert), Ok(topic)) = (webhook.alert.clone(), topic.parse::<Topic>()) else { return };
        if self.alerts.len() >= ALERTS_MAX {
            return self.counters.count_alert_lost();
        }
        let slot = self.slots.get(&webhook.id);
        let overlay = slot.and_then(|slot| slot.health.overlay.as_ref());
        let body = json!({
            "event": topic.as_str(),
            "at": self.now().to_string(),
            "webhook": {
                "id": webhook.id,
                "name": webhook.name,
                "delivery_url": request::shown_url(&webhook.url),
                "status": slot.map(|slot| slot.health.status(webhook.status, &webhook.url)),
                "reason": overlay.map(|overlay: &crate::model::Overlay| overlay.reason as OverlayReason),
                "failure_count": slot.map(|slot| slot.health.failure_count),
            },
            "text": text,
        });
        let Ok(body) = RawValue::from_string(body.to_string()) else { return };
        // It goes out as a delivery would, to the operator instead of the receiver.
        let target = Webhook {
            secret: alert.secret.clone(),
            source: webhook.source.clone(),
            user_agent: webhook.user_agent.clone(),
            timeout: TIMEOUT,
            ..Webhook::new(webhook.id, &webhook.name, &alert.url)
        };
        let event = Event {
            uid: EventUid::random(),
            at: self.now(),
            topic,
            resource: "webhook".into(),
            id: Some(webhook.id.to_string()),
            key: serde_json::Map::new(),
            group: ("webhook".into(), Identity::None),
            body,
            rule: String::new(),
            webhooks: Vec::new(),
            source: String::new(),
        };
        self.alerts.spawn(post(self.means.clone(), target, event));
    }

    /// Shopbell stops: what is not posted now will not be.
    pub(super) fn give_up_alerts(&mut self) {
        while let Some(posted) = self.alerts.try_join_next() {
            self.posted(posted);
        }
        let left = self.alerts.len();
        if left == 0 {
            return;
        }
        for _ in 0..left {
            self.counters.count_alert_lost();
        }
        let plural = if left == 1 { "" } else { "s" };
        let text = format!(
            "{left} alert{plural} could not be posted to the address of `[shop] alert` before the stop; the log has what they say"
        );
        self.outbox.entries.push(LogEntry::Notice(Notice::new(self.now(), NoticeKind::Webhook, text)));
    }

    /// The POST of an alert has ended, well or not.
    pub(super) fn posted(&mut self, posted: Result<Posted, JoinError>) {
        match posted {
            Ok(Posted { failure: None, .. }) => {}
            Ok(Posted { webhook, topic, failure: Some(failure) }) => {
                self.counters.count_alert_lost();
                let text = format!("the alert {topic} could not be posted to the address of `[shop] alert`: {failure}");
                self.notice(webhook, text);
            }
            Err(error) => tracing::error!(%error, "posting an alert panicked"),
        }
    }
}

/// Posts an alert, a few times where that fails.
async fn post(means: Means, target: Webhook, event: Event) -> Posted {
    let id = request::delivery_id(&means.instance, event.uid, target.id, 0);
    let mut gaps = GAPS.iter();
    let draft = Draft::new(&target, &Extensions::new());
    let failure = loop {
        let sent = draft
            .as_ref()
            .map_err(Clone::clone)
            .and_then(|draft| draft.delivery(&target, &event, &id, means.clock.now()));
        let failure = match sent {
            Err(fault) => break Some(fault),
            Ok(request) => match attempt::run(means.client.clone(), request, target.timeout).await.verdict {
                Verdict::Ok => break None,
                Verdict::Failed { text, .. } => text,
            },
        };
        let Some(gap) = gaps.next() else { break Some(failure) };
        tokio::time::sleep(*gap).await;
    };
    Posted { webhook: target.id, topic: event.topic, failure }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_is_no_row() {
        assert_eq!(in_a_row(1, ["delivery", "deliveries"], "500"), "1 delivery failed, with: 500");
        let many = "5 attempts failed in a row, the last with: timeout";
        assert_eq!(in_a_row(5, ["attempt", "attempts"], "timeout"), many);
    }
}
