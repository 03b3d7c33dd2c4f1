//! The journal's records, schema version 1.
//!
//! Each record is JSON behind a head of version, kind and checksum (the store writes those). What is here is read for
//! years: fields are only ever added, with a default; a change of meaning is a new kind or a new version.

use serde::{Deserialize, Serialize};

use super::{
    Attempt, Event, Health, Identity, Notice, Outcome, Pending, Run, Seq, Settled, Timestamp, Waiting, WebhookName,
    Write,
};

/// A record of the events journal.
// Not flattened: serde's flattening buffers, and a body kept as raw JSON cannot be read through a buffer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EventRecord {
    /// What it says; nothing where an exchange only wrote state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<EventEntry>,
    /// State writes of the whole exchange; only its last record carries any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub writes: Vec<Write>,
}

/// What a record of the events journal says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventEntry {
    /// Something happened.
    Event(Box<Event>),
    /// A match waits.
    Pending(Box<Pending>),
    /// A pending match was settled.
    Settled(Settled),
    /// The delivery side's state at the head of a partition.
    Checkpoint(Box<Checkpoint>),
}

/// A record of the log journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogRecord {
    /// What it says; nothing where only state was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<LogEntry>,
    /// State writes of the group; only its last record carries any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub writes: Vec<Write>,
}

/// What a record of the log journal says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogEntry {
    /// One POST.
    Attempt(Box<Attempt>),
    /// The end of a delivery. Written by earlier versions only: see [`LogEntry::told`].
    Outcome(Box<Outcome>),
    /// Something else an operator should find.
    Notice(Notice),
}

impl LogEntry {
    /// What it tells, one by one: the last attempt of a delivery tells of the attempt and then of the delivery's end.
    pub fn told(self) -> impl Iterator<Item = Self> {
        let outcome = match &self {
            Self::Attempt(attempt) => attempt.outcome(),
            Self::Outcome(_) | Self::Notice(_) => None,
        };
        std::iter::once(self).chain(outcome.map(|outcome| Self::Outcome(Box::new(outcome))))
    }
}

/// All that deliveries need, so that state lost to damage is rebuilt from here forward.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// When it was taken.
    pub at: Timestamp,
    /// The log's next sequence then: the log is applied again from here.
    pub log_next: Seq,
    /// The next webhook id to give away.
    pub next_webhook: u64,
    /// The table of webhook names.
    pub names: Vec<WebhookName>,
    /// Webhook by webhook: cursor, finished above it, waiting, deferred, health.
    pub webhooks: Vec<WebhookCheckpoint>,
    /// Open matches that wait.
    pub pendings: Vec<Pending>,
    /// Runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<Run>,
    /// The next number of a run; 0 stands for 1.
    #[serde(default)]
    pub next_run: u32,
}

/// One webhook's part of a [`Checkpoint`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WebhookCheckpoint {
    /// Whose.
    pub webhook: u64,
    /// The next sequence to read.
    pub cursor: Seq,
    /// Done above the cursor.
    pub finished: Vec<Seq>,
    /// Tried and not yet due again.
    pub waiting: Vec<(Seq, Waiting)>,
    /// Behind a waiting head.
    pub deferred: Vec<(Seq, (String, Identity))>,
    /// How it is doing.
    pub health: Option<Health>,
}
