//! A run: deliveries that are sent again in the background, kept in state so that it survives every stop.

use serde::{Deserialize, Serialize};

use super::{DeliveryEnd, Seq, Timestamp, TopicPattern, WebhookId};

/// Which deliveries of a webhook a run is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Given up, dropped or cancelled.
    #[default]
    Failed,
    /// The receiver took it.
    Delivered,
    /// Not ended yet: it waits for its turn, for its next attempt, or for the webhook to be enabled.
    Held,
    /// Whatever became of it.
    Any,
}

impl DeliveryState {
    /// The word of the API and the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Delivered => "delivered",
            Self::Held => "held",
            Self::Any => "any",
        }
    }

    /// The state of a delivery that ended so.
    pub const fn of(end: DeliveryEnd) -> Self {
        match end {
            DeliveryEnd::Delivered => Self::Delivered,
            _ => Self::Failed,
        }
    }
}

/// What a run sends. All given must fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// Whose deliveries.
    pub webhook: WebhookId,
    /// In which state they were when the run was made.
    #[serde(default)]
    pub state: DeliveryState,
    /// Topic or pattern with `*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<TopicPattern>,
    /// Events of this moment or newer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Events older than this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Words that stand in the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Only the newest event of each resource, and only if it fits: one whose newest event was delivered is up to date.
    #[serde(default)]
    pub latest: bool,
    /// Only the delivery of this event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Seq>,
}

/// What a run does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// It sends.
    Running,
    /// Somebody stopped it for a while.
    Paused,
    /// All that fitted was sent.
    Done,
    /// Somebody ended it.
    Cancelled,
}

impl RunState {
    /// The word of the API and the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing follows any more.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Cancelled)
    }
}

/// How far a run is, in deliveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// Those that fitted when it was made.
    pub matched: u64,
    /// Taken by the receiver.
    pub delivered: u64,
    /// Given up.
    pub failed: u64,
    /// Not sent by the run: still in the webhook's own queue and made due there, or gone from the journal.
    pub left: u64,
}

/// A run. Its number is also the replay number of the new delivery ids it makes: no two runs share one, and after a crash a
/// run makes the same ids again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its number, from 1 on, never used again.
    pub id: u32,
    /// When it was made.
    pub created: Timestamp,
    /// Who asked for it, for people.
    #[serde(default)]
    pub actor: String,
    /// What it sends.
    pub selection: Selection,
    /// Deliveries a second at most; `None`: as fast as the webhook takes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
    /// What it does.
    pub state: RunState,
    /// All events before this one are done with.
    pub next: Seq,
    /// The journal's head when it was made: what came later is none of its business.
    pub end: Seq,
    /// The log's next sequence then: what ended later does not change the selection.
    pub log_end: Seq,
    /// How far it is.
    #[serde(default)]
    pub progress: Progress,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
}
