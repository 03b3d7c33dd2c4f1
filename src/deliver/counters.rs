//! What the delivery side counts, in the form the metrics page prints.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::model::{Attempt, DeliveryEnd, FailureClass, Trigger, Verdict};

/// Counters of the delivery side; clones count together.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    attempts: Family<AttemptLabels, Counter>,
    deliveries: Family<EndLabels, Counter>,
    in_flight: Gauge,
    deferred_full: Counter,
    waiting_full: Counter,
    disabled: Counter,
    alerts: Family<AlertLabels, Counter>,
    alerts_lost: Counter,
    store_failures: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    kind: &'static str,
    class: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AlertLabels {
    topic: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndLabels {
    end: &'static str,
}

impl Counters {
    /// Hands all of them to a registry, which may put a prefix before their names.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("attempts", "attempts by kind and how they went", self.attempts.clone());
        registry.register("deliveries", "deliveries by how they ended", self.deliveries.clone());
        registry.register("attempts_in_flight", "attempts being made now", self.in_flight.clone());
        registry.register("deferred_full", "times a full deferred set stopped a cursor", self.deferred_full.clone());
        registry.register("waiting_full", "times a full waiting set stopped new deliveries", self.waiting_full.clone());
        registry.register("webhooks_disabled", "webhooks disabled by failures", self.disabled.clone());
        registry.register("alerts", "alerts about webhooks, posted or not", self.alerts.clone());
        registry.register("alerts_lost", "alerts that could not be posted", self.alerts_lost.clone());
        registry.register(
            "delivery_store_failures",
            "results that had to be written again",
            self.store_failures.clone(),
        );
    }

    /// Attempts that ended with `class` (`None`: well), without pings.
    pub fn attempts(&self, class: Option<FailureClass>) -> u64 {
        let class = class.map_or("ok", word);
        self.attempts.get_or_create(&AttemptLabels { kind: "delivery", class }).get()
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

    pub(super) fn attempt(&self, attempt: &Attempt) {
        let kind = if attempt.trigger == Trigger::Ping { "ping" } else { "delivery" };
        let class = match &attempt.verdict {
            Verdict::Ok => "ok",
            Verdict::Failed { class, .. } => word(*class),
        };
        self.attempts.get_or_create(&AttemptLabels { kind, class }).inc();
    }

    pub(super) fn ended(&self, end: DeliveryEnd) {
        self.deliveries.get_or_create(&EndLabels { end: end_word(end) }).inc();
    }

    pub(super) fn set_in_flight(&self, count: usize) {
        self.in_flight.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub(super) fn count_deferred_full(&self) {
        self.deferred_full.inc();
    }

    pub(super) fn count_waiting_full(&self) {
        self.waiting_full.inc();
    }

    pub(super) fn count_disabled(&self) {
        self.disabled.inc();
    }

    /// Alerts of this topic (`webhook.failing`, `webhook.disabled`, `webhook.recovered`).
    pub fn alerts(&self, topic: &str) -> u64 {
        self.alerts.get_or_create(&AlertLabels { topic: topic.to_owned() }).get()
    }

    pub(super) fn count_alert(&self, topic: &str) {
        self.alerts.get_or_create(&AlertLabels { topic: topic.to_owned() }).inc();
    }

    pub(super) fn count_alert_lost(&self) {
        self.alerts_lost.inc();
    }

    pub(super) fn count_store_failure(&self) {
        self.store_failures.inc();
    }
}

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
        DeliveryEnd::Cancelled => "cancelled",
    }
}
