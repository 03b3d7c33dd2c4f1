//! What the delivery side counts, in the form the metrics page prints.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::gauges::{self, Gauges};
use crate::clock::Timestamp;
use crate::model::{Attempt, DeliveryEnd, FailureClass, OverlayReason, Phases, Trigger, Verdict};

/// Upper bounds of the buckets of times, in seconds: what is quick in fine steps, and the gaps of a schedule after it.
const SECONDS: [f64; 17] =
    [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 600.0, 3_600.0];

/// Kinds of attempts as labels.
const KINDS: [&str; 2] = ["delivery", "ping"];

/// How an attempt went as a label, where it went well; otherwise see [`word`].
const OK: &str = "ok";

/// Counters of the delivery side; clones count together.
#[derive(Clone, Debug)]
pub struct Counters {
    attempts: Family<AttemptLabels, Counter>,
    deliveries: Family<EndLabels, Counter>,
    in_flight: Gauge,
    resent: Counter,
    deferred_full: Counter,
    waiting_full: Counter,
    bounds: Family<BoundLabels, Counter>,
    disabled: Family<ReasonLabels, Counter>,
    alerts: Family<AlertLabels, Counter>,
    alerts_lost: Counter,
    store_failures: Counter,
    attempt_seconds: Family<PhaseLabels, Histogram, fn() -> Histogram>,
    to_first_attempt: Histogram,
    pub(super) gauges: Gauges,
}

/// What a webhook keeps beside its cursor, up to 10,000 each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Set {
    /// Between two attempts.
    Waiting,
    /// Behind one of these.
    Deferred,
}

/// A bound that keeps attempts from beginning for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Attempts of all webhooks at once.
    Flights,
    /// Attempts at once to one host.
    Host,
    /// Results of one webhook on their way to the disk.
    Busy,
    /// Results of all webhooks on their way to the disk.
    Unsettled,
}

impl Bound {
    const fn labels(self) -> BoundLabels {
        let bound = match self {
            Self::Flights => "flights",
            Self::Host => "host",
            Self::Busy => "busy",
            Self::Unsettled => "unsettled",
        };
        BoundLabels { bound }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BoundLabels {
    bound: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabels {
    phase: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    webhook: String,
    kind: &'static str,
    class: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AlertLabels {
    topic: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndLabels {
    end: &'static str,
}

impl Default for Counters {
    /// What a fixed list of labels tells apart stands at 0 from the start: a series that begins with its first count shows no
    /// increase by it, and an alert would miss it.
    fn default() -> Self {
        let counters = Self {
            attempts: Family::default(),
            deliveries: Family::default(),
            resent: Counter::default(),
            in_flight: Gauge::default(),
            deferred_full: Counter::default(),
            waiting_full: Counter::default(),
            bounds: Family::default(),
            disabled: Family::default(),
            alerts: Family::default(),
            alerts_lost: Counter::default(),
            store_failures: Counter::default(),
            attempt_seconds: Family::new_with_constructor(times),
            to_first_attempt: times(),
            gauges: Gauges::default(),
        };
        for end in ENDS {
            drop(counters.deliveries.get_or_create(&EndLabels { end: end_word(end) }));
        }
        for bound in [Bound::Flights, Bound::Host, Bound::Busy, Bound::Unsettled] {
            drop(counters.bounds.get_or_create(&bound.labels()));
        }
        // An operator's is none of ours.
        for reason in [OverlayReason::Failures, OverlayReason::Gone, OverlayReason::Unreachable] {
            drop(counters.disabled.get_or_create(&ReasonLabels { reason: gauges::overlay_word(reason) }));
        }
        for topic in ALERTS {
            drop(counters.alerts.get_or_create(&AlertLabels { topic }));
        }
        counters
    }
}

fn times() -> Histogram {
    Histogram::new(SECONDS)
}

impl Counters {
    /// Hands all of them to a registry, which may put a prefix before their names.
    pub fn register(&self, registry: &mut Registry) {
        let help = "attempts by webhook, kind and how they went; without a webhook those of webhooks that have no series of \
                    their own";
        registry.register("attempts", help, self.attempts.clone());
        let help = "attempts sent a second time at once, since the kept connection was closed";
        registry.register("attempts_resent", help, self.resent.clone());
        registry.register("deliveries", "deliveries by how they ended", self.deliveries.clone());
        registry.register("attempts_in_flight", "attempts being made now", self.in_flight.clone());
        registry.register("deferred_full", "times a full deferred set stopped a cursor", self.deferred_full.clone());
        registry.register("waiting_full", "times a full waiting set stopped new deliveries", self.waiting_full.clone());
        let help = "times a bound kept attempts from beginning; they began when there was room";
        registry.register("attempts_held_back", help, self.bounds.clone());
        let help = "attempts from their begin to the connection (connected, where it was new), to the answer's head \
                    (first_byte) and to their end (total), without pings";
        registry.register("attempt_seconds", help, self.attempt_seconds.clone());
        let help = "from an event to the begin of its first attempt; without probes, and deliveries sent again";
        registry.register("event_to_first_attempt_seconds", help, self.to_first_attempt.clone());
        registry.register_collector(Box::new(self.gauges.clone()));
        registry.register("webhooks_disabled", "webhooks disabled by failures", self.disabled.clone());
        registry.register("alerts", "alerts about webhooks, posted or not", self.alerts.clone());
        registry.register("alerts_lost", "alerts that could not be posted", self.alerts_lost.clone());
        registry.register(
            "delivery_store_failures",
            "results that had to be written again",
            self.store_failures.clone(),
        );
    }

    /// Deliveries that ended so.
    pub fn deliveries(&self, end: DeliveryEnd) -> u64 {
        self.deliveries.get_or_create(&EndLabels { end: end_word(end) }).get()
    }

    /// Attempts being made now.
    pub fn in_flight(&self) -> i64 {
        self.in_flight.get()
    }

    /// Times a full deferred set stopped a cursor.
    pub fn deferred_full(&self) -> u64 {
        self.deferred_full.get()
    }

    /// Takes note of an attempt; `event` is when its event was seen. `is_measured`: its webhook has series of its own.
    pub(super) fn attempt(&self, attempt: &Attempt, event: Option<Timestamp>, is_measured: bool) {
        let kind = KINDS[usize::from(attempt.trigger == Trigger::Ping)];
        let class = match &attempt.verdict {
            Verdict::Ok => OK,
            Verdict::Failed { class, .. } => word(*class),
        };
        let webhook = if is_measured { attempt.webhook_name.clone() } else { String::new() };
        self.attempts.get_or_create(&AttemptLabels { webhook, kind, class }).inc();
        self.resent.inc_by(u64::from(attempt.resent));
        if attempt.trigger != Trigger::Ping {
            self.phases(&attempt.phases);
        }
        if let Some(event) = event.filter(|_| attempt.trigger == Trigger::First) {
            self.to_first_attempt.observe(attempt.at.since(event).as_secs_f64());
        }
    }

    /// Takes away the series of a webhook that has none of its own any more.
    pub(super) fn forget(&self, webhook: &str) {
        for kind in KINDS {
            for class in CLASSES.into_iter().map(word).chain([OK]) {
                self.attempts.remove(&AttemptLabels { webhook: webhook.to_owned(), kind, class });
            }
        }
    }

    fn phases(&self, phases: &Phases) {
        let rows = [
            ("connected", phases.connected_us),
            ("first_byte", phases.first_byte_us),
            ("total", Some(phases.total_us)),
        ];
        for (phase, micros) in rows {
            if let Some(micros) = micros {
                let time = Duration::from_micros(micros).as_secs_f64();
                self.attempt_seconds.get_or_create(&PhaseLabels { phase }).observe(time);
            }
        }
    }

    /// Times this bound kept attempts from beginning.
    pub fn held_back(&self, bound: Bound) -> u64 {
        self.bounds.get_or_create(&bound.labels()).get()
    }

    pub(super) fn count_bound(&self, bound: Bound) {
        self.bounds.get_or_create(&bound.labels()).inc();
    }

    pub(super) fn ended(&self, end: DeliveryEnd) {
        self.deliveries.get_or_create(&EndLabels { end: end_word(end) }).inc();
    }

    pub(super) fn set_in_flight(&self, count: usize) {
        self.in_flight.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub(super) fn count_full(&self, set: Set) {
        match set {
            Set::Waiting => self.waiting_full.inc(),
            Set::Deferred => self.deferred_full.inc(),
        };
    }

    pub(super) fn count_disabled(&self, reason: OverlayReason) {
        self.disabled.get_or_create(&ReasonLabels { reason: gauges::overlay_word(reason) }).inc();
    }

    /// Alerts of this topic, one of `webhook.failing`, `webhook.disabled` and `webhook.recovered`.
    pub fn alerts(&self, topic: &'static str) -> u64 {
        self.alerts.get_or_create(&AlertLabels { topic }).get()
    }

    pub(super) fn count_alert(&self, topic: &'static str) {
        self.alerts.get_or_create(&AlertLabels { topic }).inc();
    }

    pub(super) fn count_alert_lost(&self) {
        self.alerts_lost.inc();
    }

    pub(super) fn count_store_failure(&self) {
        self.store_failures.inc();
    }
}

/// Every class of failure.
const CLASSES: [FailureClass; 11] = [
    FailureClass::Status,
    FailureClass::Dns,
    FailureClass::Connect,
    FailureClass::ConnectTimeout,
    FailureClass::Tls,
    FailureClass::Timeout,
    FailureClass::Reset,
    FailureClass::Protocol,
    FailureClass::Blocked,
    FailureClass::Unencodable,
    FailureClass::Shutdown,
];

/// Every end of a delivery.
const ENDS: [DeliveryEnd; 8] = [
    DeliveryEnd::Delivered,
    DeliveryEnd::Exhausted,
    DeliveryEnd::Gone,
    DeliveryEnd::Unencodable,
    DeliveryEnd::Dropped,
    DeliveryEnd::Erased,
    DeliveryEnd::Damaged,
    DeliveryEnd::Cancelled,
];

/// Topics of alerts.
const ALERTS: [&str; 3] = ["webhook.failing", "webhook.disabled", "webhook.recovered"];

const fn word(class: FailureClass) -> &'static str {
    match class {
        FailureClass::Status => "status",
        FailureClass::Dns => "dns",
        FailureClass::Connect => "connect",
        FailureClass::ConnectTimeout => "connect_timeout",
        FailureClass::Tls => "tls",
        FailureClass::Timeout => "timeout",
        FailureClass::Reset => "reset",
        FailureClass::Protocol => "protocol",
        FailureClass::Blocked => "blocked",
        FailureClass::Unencodable => "unencodable",
        FailureClass::Shutdown => "shutdown",
    }
}

const fn end_word(end: DeliveryEnd) -> &'static str {
    match end {
        DeliveryEnd::Delivered => "delivered",
        DeliveryEnd::Exhausted => "exhausted",
        DeliveryEnd::Gone => "gone",
        DeliveryEnd::Unencodable => "unencodable",
        DeliveryEnd::Dropped => "dropped",
        DeliveryEnd::Erased => "erased",
        DeliveryEnd::Damaged => "damaged",
        DeliveryEnd::Cancelled => "cancelled",
    }
}
