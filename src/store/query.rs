//! The log as people search it.

use serde::{Deserialize, Serialize};

use crate::id::Seq;
use crate::model::record::LogEntry;
use crate::model::{Event, Timestamp};

/// What to find. All given must fit.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LogQuery {
    /// At most so many lines; 0 stands for 50.
    pub limit: usize,
    /// Only older than this moment.
    pub before: Option<Timestamp>,
    /// Only this moment or newer.
    pub since: Option<Timestamp>,
    /// NAME or id of a webhook.
    pub webhook: Option<String>,
    /// Topic or pattern with `*`.
    pub topic: Option<String>,
    /// Id of the resource.
    pub id: Option<String>,
    /// Words that stand anywhere in the record.
    pub text: Option<String>,
    /// Only these kinds: `event`, `attempt`, `outcome`, `notice`.
    pub kinds: Vec<String>,
}

/// One line of the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLine {
    /// Something happened.
    Event {
        /// Its sequence.
        seq: Seq,
        /// It.
        event: Box<Event>,
    },
    /// An attempt, an outcome or a notice.
    Log {
        /// Its sequence in the log journal.
        seq: Seq,
        /// When.
        at: Timestamp,
        /// It.
        entry: LogEntry,
    },
}
