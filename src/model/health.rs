//! How a webhook is doing, beside what its file says. Kept in state.

use serde::{Deserialize, Serialize};

use super::{Status, Timestamp};

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

/// What is remembered of a webhook's deliveries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Consecutive failed deliveries.
    #[serde(default)]
    pub failure_count: u32,
    /// Consecutive failed attempts.
    #[serde(default)]
    pub failed_attempts: u32,
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
            Status::Disabled => {
                let by_us = |overlay: &Overlay| overlay.reason != OverlayReason::Operator;
                file_status != Status::Disabled && self.overlay.as_ref().is_some_and(by_us)
            }
        }
    }
}
