//! A delivery: one event for one webhook, until it is delivered or given up.

use serde::{Deserialize, Serialize};

use super::{EventUid, Identity, Seq, Timestamp, Topic, WebhookId};

/// A delivery that was tried and is not yet due again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Attempts made so far.
    pub attempts: u32,
    /// When the next is due.
    pub due: Timestamp,
    /// The group whose later events wait behind it.
    pub group: (String, Identity),
}

/// How a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryEnd {
    /// The receiver took it.
    Delivered,
    /// Every attempt of the schedule failed.
    Exhausted,
    /// The receiver answered 410 Gone.
    Gone,
    /// The body could not be sent at all.
    Unencodable,
    /// The journal dropped it: the disk budget was spent.
    Dropped,
    /// The webhook was paused or removed, or somebody cancelled it.
    Cancelled,
}

impl DeliveryEnd {
    /// Whether it counts towards `failure_count`.
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Exhausted | Self::Gone | Self::Unencodable)
    }
}

/// The end of a delivery, as the log keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// When it ended.
    pub at: Timestamp,
    /// Whose delivery.
    pub webhook: WebhookId,
    /// Name of the webhook then.
    #[serde(default)]
    pub webhook_name: String,
    /// The event.
    pub event: Seq,
    /// Its uid.
    pub uid: EventUid,
    /// Its topic.
    pub topic: Topic,
    /// Resource and id, for the search.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// Id of the delivery.
    pub delivery: String,
    /// Attempts made.
    pub attempts: u32,
    /// How it ended.
    pub end: DeliveryEnd,
    /// The webhook's `failure_count` after it.
    pub failure_count: u32,
}
