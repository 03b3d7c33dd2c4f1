//! How every webhook in force stands, as the metrics page shows it: measured when somebody looks, and shown as a whole.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use tokio::sync::watch;

use crate::id::Seq;
use crate::model::{Breaker, Health, Overlay, OverlayReason, Status, Webhook};

/// Webhooks with gauges of their own: those with the lowest ids. `webhooks_unmeasured` says how many more there are.
pub(super) const MEASURED_MAX: usize = 200;

/// Names of what [`Breaker`] says; closed where there is none.
const BREAKER_STATES: [&str; 3] = ["closed", "slow_start", "open"];

/// How one webhook stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// NAME of the webhook.
    pub(super) name: String,
    /// Deliveries between two attempts.
    pub(super) waiting: usize,
    /// Deliveries behind one that waits.
    pub(super) deferred: usize,
    /// Events of the journal from its cursor on, owed to it or not.
    pub(super) behind: u64,
    /// The oldest event still owed.
    pub(super) oldest: Option<Seq>,
    /// How old that is.
    pub(super) age: Option<Duration>,
    /// One of [`BREAKER_STATES`].
    pub(super) breaker: &'static str,
    /// The status in force, or `held`.
    pub(super) status: &'static str,
    /// Why it is not active; empty where it is.
    pub(super) reason: &'static str,
}

/// The state of a breaker as a label.
pub(super) const fn breaker(health: &Health) -> &'static str {
    match health.breaker {
        None => "closed",
        Some(Breaker::SlowStart { .. }) => "slow_start",
        Some(Breaker::Open { .. }) => "open",
    }
}

/// The status in force and why, as labels. `held`: it is active and has no secret it could sign with.
pub(super) fn status(webhook: &Webhook, health: &Health) -> (&'static str, &'static str) {
    // An overlay of an earlier file is no longer in force.
    let in_force = |overlay: &&Overlay| overlay.file_status == webhook.status && overlay.file_url == webhook.url;
    match health.status(webhook.status, &webhook.url) {
        Status::Active if webhook.held.is_some() => ("held", "secret"),
        Status::Active => ("active", ""),
        other => {
            let overlay = health.overlay.as_ref().filter(in_force);
            (other.as_str(), overlay.map_or("file", |overlay| overlay_word(overlay.reason)))
        }
    }
}

/// A reason as a label.
pub(super) const fn overlay_word(reason: OverlayReason) -> &'static str {
    match reason {
        OverlayReason::Failures => "failures",
        OverlayReason::Gone => "gone",
        OverlayReason::Unreachable => "unreachable",
        OverlayReason::Operator => "operator",
    }
}

/// What was measured last; clones share it.
#[derive(Clone, Debug)]
pub(super) struct Gauges(Arc<watch::Sender<Measured>>);

#[derive(Clone, Debug, Default)]
struct Measured {
    standings: Vec<Standing>,
    /// Webhooks in force beyond [`MEASURED_MAX`].
    left_out: usize,
}

impl Default for Gauges {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Measured::default())))
    }
}

impl Gauges {
    /// Takes a new measurement for the last one. Nothing measured is nothing shown: old values would be a lie.
    pub(super) fn set(&self, standings: Vec<Standing>, left_out: usize) {
        self.0.send_replace(Measured { standings, left_out });
    }
}

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let measured = self.0.borrow().clone();
        depth(&mut encoder, &measured.standings)?;
        oldest(&mut encoder, &measured.standings)?;
        breakers(&mut encoder, &measured.standings)?;
        statuses(&mut encoder, &measured.standings)?;
        let help = "Webhooks in force that have no gauges of their own because there are too many";
        let gauge = encoder.encode_descriptor("webhooks_unmeasured", help, None, MetricType::Gauge)?;
        ConstGauge::new(number(measured.left_out)).encode(gauge)
    }
}

fn depth(encoder: &mut DescriptorEncoder<'_>, standings: &[Standing]) -> fmt::Result {
    let help = "Deliveries between two attempts (waiting), behind one of these (deferred); events from the cursor on \
                (behind), owed to the webhook or not";
    let mut family = encoder.encode_descriptor("queue_depth", help, None, MetricType::Gauge)?;
    for standing in standings {
        let behind = i64::try_from(standing.behind).unwrap_or(i64::MAX);
        let rows = [("waiting", number(standing.waiting)), ("deferred", number(standing.deferred)), ("behind", behind)];
        for (set, value) in rows {
            let labels = [("webhook", standing.name.as_str()), ("set", set)];
            ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

fn oldest(encoder: &mut DescriptorEncoder<'_>, standings: &[Standing]) -> fmt::Result {
    let help = "Age of the oldest event still owed to the webhook; 0 where none is";
    let mut family = encoder.encode_descriptor("queue_oldest_seconds", help, None, MetricType::Gauge)?;
    for standing in standings {
        let age = standing.age.unwrap_or_default().as_secs_f64();
        ConstGauge::new(age).encode(family.encode_family(&[("webhook", standing.name.as_str())])?)?;
    }
    Ok(())
}

fn breakers(encoder: &mut DescriptorEncoder<'_>, standings: &[Standing]) -> fmt::Result {
    let help = "1 for the state the webhook's breaker is in";
    let mut family = encoder.encode_descriptor("breaker_state", help, None, MetricType::Gauge)?;
    for standing in standings {
        for state in BREAKER_STATES {
            let labels = [("webhook", standing.name.as_str()), ("state", state)];
            ConstGauge::new(i64::from(state == standing.breaker)).encode(family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

fn statuses(encoder: &mut DescriptorEncoder<'_>, standings: &[Standing]) -> fmt::Result {
    let help = "1 for the status in force, with the reason where it is not active";
    let mut family = encoder.encode_descriptor("webhook_status", help, None, MetricType::Gauge)?;
    for standing in standings {
        let labels = [("webhook", standing.name.as_str()), ("status", standing.status), ("reason", standing.reason)];
        ConstGauge::new(1_i64).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::model::{DeliveryEnd, WebhookId};

    #[test]
    fn a_status_comes_with_its_reason() {
        let at = Timestamp::default();
        let webhook = Webhook { max_delivery_failures: 1, ..Webhook::new(WebhookId(1), "erp", "https://erp.example/") };
        let fails = |end| {
            let mut health = Health::default();
            health.delivery_failed(&webhook, end, at, "500");
            status(&webhook, &health)
        };
        assert_eq!(status(&webhook, &Health::default()), ("active", ""));
        assert_eq!(fails(DeliveryEnd::Exhausted), ("disabled", "failures"));
        assert_eq!(fails(DeliveryEnd::Gone), ("disabled", "gone"));
        let mut health = Health::default();
        health.set_status(&webhook, Status::Paused, at, "cli");
        assert_eq!(status(&webhook, &health), ("paused", "operator"));
        let off = Webhook { status: Status::Disabled, ..webhook.clone() };
        assert_eq!(status(&off, &Health::default()), ("disabled", "file"));
        assert_eq!(status(&off, &health), ("disabled", "file"), "an overlay of an earlier file is no reason");
        let held = Webhook { held: Some("no secret".into()), ..webhook };
        assert_eq!(status(&held, &Health::default()), ("held", "secret"));
    }
}
