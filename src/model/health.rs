//! How a webhook is doing, beside what its file says. Kept in state.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Breaker, DeliveryEnd, Ordering, Seq, Status, Timestamp, Trip, Webhook};

/// Why the status in force differs from the file's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverlayReason {
    /// Too many consecutive failed deliveries.
    Failures,
    /// The receiver answered 410 Gone.
    Gone,
    /// The breaker was open for the whole retry schedule.
    Unreachable,
    /// Somebody said so (CLI, API or page).
    Operator,
}

/// A status that lies over the file's until somebody enables the webhook, or `status` or `url` in the file change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlay {
    /// The status in force.
    pub status: Status,
    /// Why.
    pub reason: OverlayReason,
    /// Since when.
    pub since: Timestamp,
    /// For people: the last failure, or who asked.
    #[serde(default)]
    pub detail: String,
    /// The file's status when the overlay was laid.
    pub file_status: Status,
    /// The file's URL when the overlay was laid.
    pub file_url: String,
}

/// A time of failures, from the first failed attempt to the next delivered one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// The first failed attempt.
    pub since: Timestamp,
    /// Whether people were told.
    #[serde(default)]
    pub alerted: bool,
}

impl Incident {
    /// Failures of so long are worth an alert.
    pub const ALERT_AFTER: Duration = Duration::from_hours(1);
}

/// An attempt that failed, as far as it tells how the receiver is.
#[derive(Clone, Copy, Debug)]
pub struct FailedAttempt<'a> {
    /// When.
    pub at: Timestamp,
    /// The event it delivered.
    pub event: Seq,
    /// It was the breaker's own.
    pub is_probe: bool,
    /// A run made it: what is sent again never disables the webhook.
    pub is_replay: bool,
    /// For people: what failed.
    pub detail: &'a str,
}

/// What is remembered of a webhook's deliveries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Consecutive failed deliveries.
    #[serde(default)]
    pub failure_count: u32,
    /// Consecutive failed attempts.
    #[serde(default)]
    pub failed_attempts: u32,
    /// The event that all of these were of; `None` where they were of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<Seq>,
    /// The ping has not succeeded yet (WooCommerce's field of the same name).
    #[serde(default)]
    pub pending_delivery: bool,
    /// The URL last pinged; a ping is due when it differs from the file's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinged_url: Option<String>,
    /// The status that lies over the file's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlay: Option<Overlay>,
    /// Last delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success: Option<Timestamp>,
    /// Last failed attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<Timestamp>,
    /// The breaker, where it is not closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<Breaker>,
    /// Failures that no success has ended yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<Incident>,
}

impl Health {
    /// The status in force over a file that says `file_status` and `file_url`.
    pub fn status(&self, file_status: Status, file_url: &str) -> Status {
        match &self.overlay {
            Some(overlay) if overlay.file_status == file_status && overlay.file_url == file_url => overlay.status,
            _ => file_status,
        }
    }

    /// Whether events of now are owed to the webhook: it is active, or it was disabled by failures (its events are held
    /// and delivered in order after re-activation), or it is paused and holds.
    pub fn wants(&self, file_status: Status, file_url: &str, hold_when_paused: bool) -> bool {
        match self.status(file_status, file_url) {
            Status::Active => true,
            Status::Paused => hold_when_paused,
            Status::Disabled => file_status != Status::Disabled && self.overlay.as_ref().is_some_and(Overlay::is_ours),
        }
    }

    /// Takes note of a failed attempt; the delivery may still succeed. `gap` gives the pause before the next probe when so
    /// many have failed. [`Trip::Spent`] has disabled the webhook as unreachable.
    pub fn attempt_failed(
        &mut self,
        webhook: &Webhook,
        attempt: FailedAttempt<'_>,
        gap: impl FnOnce(u32) -> Duration,
    ) -> Trip {
        let FailedAttempt { at, event, is_probe, is_replay, detail } = attempt;
        self.failing = if self.failed_attempts == 0 { Some(event) } else { self.failing.filter(|one| *one == event) };
        self.failed_attempts = self.failed_attempts.saturating_add(1);
        self.last_failure = Some(at);
        self.incident.get_or_insert(Incident { since: at, alerted: false });
        // One delivery that is refused again and again says nothing of the others, unless they all wait behind it.
        let counts = self.failing.is_none() || webhook.ordering == Ordering::Webhook;
        let failed = if counts { self.failed_attempts } else { 0 };
        let trip = Breaker::fail(&mut self.breaker, webhook, (at, failed), is_probe, gap);
        if trip == Trip::Spent {
            // Paused by an operator while the probe was out: nothing to disable.
            if is_replay || self.status(webhook.status, &webhook.url) != Status::Active {
                return Trip::Nothing;
            }
            self.overlay = Some(Overlay::over(webhook, Status::Disabled, OverlayReason::Unreachable, at, detail));
        }
        trip
    }

    /// Takes note of a delivery that the receiver took: the counts of consecutive failures start again. Gives the incident
    /// this ends, if people were told of it.
    pub fn delivered(&mut self, at: Timestamp) -> Option<Incident> {
        self.failure_count = 0;
        self.failed_attempts = 0;
        self.failing = None;
        self.last_success = Some(at);
        Breaker::succeed(&mut self.breaker);
        // What was still out when the webhook was disabled does not end that.
        if self.overlay.as_ref().is_some_and(|overlay| overlay.is_ours() && overlay.status == Status::Disabled) {
            return None;
        }
        self.incident.take().filter(|incident| incident.alerted)
    }

    /// Attempts the webhook may have at once; while the breaker is open that is one probe.
    pub fn allowance(&self, webhook: &Webhook) -> usize {
        let most = webhook.concurrency.max(1);
        match &self.breaker {
            Some(Breaker::Open { .. }) => 1,
            Some(Breaker::SlowStart { allowance }) => {
                usize::try_from(*allowance).map_or(most, |some| some.clamp(1, most))
            }
            // No schedule, no breaker: still a dead receiver must not hold the places of the others.
            None if self.failed_attempts >= Breaker::OPENS_AFTER => 1,
            None => most,
        }
    }

    /// Whether the breaker is open, and when the next probe may go out.
    pub fn probe_due(&self) -> Option<Timestamp> {
        match &self.breaker {
            Some(Breaker::Open { due, .. }) => Some(*due),
            _ => None,
        }
    }

    /// When people are to be told that the webhook fails, if nothing succeeds before; `None` where they were or nothing fails.
    pub fn alert_due(&self) -> Option<Timestamp> {
        let incident = self.incident.as_ref().filter(|incident| !incident.alerted)?;
        Some(incident.since.plus(Incident::ALERT_AFTER))
    }

    /// Takes note that people are told at `at` that the webhook fails or is disabled. Gives since when, unless they knew.
    pub fn alert(&mut self, at: Timestamp) -> Option<Timestamp> {
        let incident = self.incident.get_or_insert(Incident { since: at, alerted: false });
        let news = !std::mem::replace(&mut incident.alerted, true);
        news.then_some(incident.since)
    }

    /// Moves what lies ahead or is being measured by `millis`: the machine's clock was set.
    pub fn shift(&mut self, millis: i64) {
        if let Some(incident) = &mut self.incident {
            incident.since = incident.since.shifted(millis);
        }
        if let Some(Breaker::Open { since, due, .. }) = &mut self.breaker {
            (*since, *due) = (since.shifted(millis), due.shifted(millis));
        }
    }

    /// Takes note of a delivery that was given up. Gives `true` where this disables the webhook: at its
    /// `max_delivery_failures` (WooCommerce documents 5), or at once where the receiver is gone.
    pub fn delivery_failed(&mut self, webhook: &Webhook, end: DeliveryEnd, at: Timestamp, detail: &str) -> bool {
        self.failure_count = self.failure_count.saturating_add(1);
        let reason = match end {
            DeliveryEnd::Gone => OverlayReason::Gone,
            _ if self.failure_count >= webhook.max_delivery_failures => OverlayReason::Failures,
            _ => return false,
        };
        if self.status(webhook.status, &webhook.url) == Status::Disabled {
            return false;
        }
        self.overlay = Some(Overlay::over(webhook, Status::Disabled, reason, at, detail));
        true
    }

    /// Somebody (`actor`, for people) wants `status` in force. `Active` forgets the failures, so that the first failure
    /// after it does not disable the webhook again; WooCommerce keeps them and does.
    pub fn set_status(&mut self, webhook: &Webhook, status: Status, at: Timestamp, actor: &str) {
        if status == Status::Active {
            let troubled = self.breaker.is_some() || self.overlay.as_ref().is_some_and(Overlay::is_ours);
            self.forget_failures();
            // What was held goes out slowly at first: nobody knows how the receiver is.
            self.breaker = (troubled && !webhook.retry.0.is_empty()).then(Breaker::slow_start);
        }
        self.overlay = (status != webhook.status)
            .then(|| Overlay::over(webhook, status, OverlayReason::Operator, at, &format!("by {actor}")));
    }

    /// Drops an overlay that was laid over another `status` or `url` than the file has now, and the failures with it; and a
    /// breaker that opened for another URL. Gives whether there was an overlay, or `None` where nothing changed.
    pub fn follow_file(&mut self, webhook: &Webhook) -> Option<bool> {
        let stale = |overlay: &Overlay| overlay.file_status != webhook.status || overlay.file_url != webhook.url;
        let dropped = self.overlay.take_if(|overlay| stale(overlay)).is_some();
        let moved = matches!(&self.breaker, Some(Breaker::Open { url, .. }) if *url != webhook.url);
        // Without a schedule there is no breaker; what an earlier schedule opened must not stay open for ever.
        let unscheduled = self.breaker.is_some() && webhook.retry.0.is_empty();
        if dropped || moved || unscheduled {
            self.forget_failures();
        }
        (dropped || moved || unscheduled).then_some(dropped)
    }

    fn forget_failures(&mut self) {
        self.failure_count = 0;
        self.failed_attempts = 0;
        self.failing = None;
        self.breaker = None;
    }

    /// Whether a ping is due: the webhook is active and its URL was never pinged.
    pub fn ping_due(&self, webhook: &Webhook) -> bool {
        let active = self.status(webhook.status, &webhook.url) == Status::Active && webhook.held.is_none();
        active && self.pinged_url.as_deref() != Some(webhook.url.as_str())
    }

    /// Takes note of a ping to `url`; `answered`: it came back with status 200, and nothing else (WooCommerce's rule).
    pub fn pinged(&mut self, url: &str, answered: bool) {
        self.pending_delivery = !answered;
        self.pinged_url = Some(url.to_owned());
    }
}

impl Overlay {
    /// Whether we laid it because of failures, not an operator.
    fn is_ours(&self) -> bool {
        self.reason != OverlayReason::Operator
    }

    fn over(webhook: &Webhook, status: Status, reason: OverlayReason, since: Timestamp, detail: &str) -> Self {
        let (file_status, file_url) = (webhook.status, webhook.url.clone());
        Self { status, reason, since, detail: detail.to_owned(), file_status, file_url }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::WebhookId;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn webhook() -> Webhook {
        Webhook { max_delivery_failures: 3, ..Webhook::new(WebhookId(1), "erp", "https://erp.example/in") }
    }

    #[test]
    fn consecutive_failures_disable_and_activation_forgets_them() {
        let (webhook, mut health) = (webhook(), Health::default());
        let fail = |health: &mut Health| health.delivery_failed(&webhook, DeliveryEnd::Exhausted, NOW, "500");
        assert!(!fail(&mut health));
        health.delivered(NOW);
        assert!(!fail(&mut health));
        assert!(!fail(&mut health));
        assert_eq!(health.status(webhook.status, &webhook.url), Status::Active);
        assert!(fail(&mut health), "the third in a row");
        assert!(!fail(&mut health), "it is disabled only once");
        assert_eq!(health.status(webhook.status, &webhook.url), Status::Disabled);
        assert!(health.wants(webhook.status, &webhook.url, false), "its events are held");
        health.set_status(&webhook, Status::Active, NOW, "cli");
        assert_eq!((health.failure_count, health.overlay.as_ref()), (0, None));
    }

    #[test]
    fn one_delivery_alone_opens_no_breaker_unless_all_wait_behind_it() {
        let fail = |health: &mut Health, webhook: &Webhook, event, is_replay, is_probe| {
            let attempt = FailedAttempt { at: NOW, event: Seq(event), is_probe, is_replay, detail: "500" };
            health.attempt_failed(webhook, attempt, |_| Duration::ZERO)
        };
        let (any, mut health) = (webhook(), Health::default());
        for _ in 0..20 {
            assert_eq!(fail(&mut health, &any, 7, false, false), Trip::Nothing);
        }
        assert_eq!(fail(&mut health, &any, 8, false, false), Trip::Opened, "it is not the delivery");
        let (strict, mut health) = (Webhook { ordering: Ordering::Webhook, ..webhook() }, Health::default());
        let trips: Vec<_> = (0..5).map(|_| fail(&mut health, &strict, 7, false, false)).collect();
        assert_eq!(trips, [Trip::Nothing, Trip::Nothing, Trip::Nothing, Trip::Nothing, Trip::Opened]);
        // As old data has it: what the failures were of was not kept.
        let mut health = Health { failed_attempts: 4, ..Health::default() };
        assert_eq!(fail(&mut health, &any, 7, false, false), Trip::Opened);
        // A run's probe that is one too many disables nothing.
        let short = Webhook { retry: crate::model::RetrySchedule(vec![Duration::ZERO]), ..webhook() };
        let mut health = Health { failed_attempts: 4, ..Health::default() };
        assert_eq!(fail(&mut health, &short, 7, true, false), Trip::Opened);
        assert_eq!(fail(&mut health, &short, 7, true, true), Trip::Nothing);
        assert_eq!(health.status(short.status, &short.url), Status::Active);
        assert_eq!(fail(&mut health, &short, 7, false, true), Trip::Spent);
    }

    #[test]
    fn gone_disables_at_once() {
        let mut health = Health::default();
        assert!(health.delivery_failed(&webhook(), DeliveryEnd::Gone, NOW, "410"));
        assert_eq!(health.overlay.map(|overlay| overlay.reason), Some(OverlayReason::Gone));
    }

    #[test]
    fn an_overlay_ends_when_the_file_changes() {
        let (webhook, mut health) = (webhook(), Health::default());
        health.set_status(&webhook, Status::Paused, NOW, "cli");
        assert_eq!(health.follow_file(&webhook), None);
        assert_eq!(health.status(webhook.status, &webhook.url), Status::Paused);
        let moved = Webhook { url: "https://other.example/".into(), ..webhook };
        assert_eq!(health.status(moved.status, &moved.url), Status::Active);
        assert_eq!(health.follow_file(&moved), Some(true));
        assert_eq!(health.overlay, None);
    }

    #[test]
    fn a_ping_is_due_once_for_each_url() {
        let (mut webhook, mut health) = (webhook(), Health::default());
        assert!(health.ping_due(&webhook));
        health.pinged(&webhook.url, false);
        assert!(health.pending_delivery && !health.ping_due(&webhook));
        webhook.url = "https://other.example/".into();
        assert!(health.ping_due(&webhook));
        health.pinged(&webhook.url, true);
        assert!(!health.pending_delivery);
        webhook.status = Status::Paused;
        webhook.url = "https://third.example/".into();
        assert!(!health.ping_due(&webhook));
    }
}
