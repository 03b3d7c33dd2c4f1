//! The only room on disk: two journals and the state, with their recovery, retention and limits.

mod changes;
mod checked;
mod checkpoint;
mod compact;
mod counters;
mod disk;
mod erase;
mod files;
mod handle;
mod hush;
mod index;
mod journal;
mod keeper;
mod keys;
mod kinds;
mod ledger;
mod mend;
#[cfg(test)]
mod noise;
mod notices;
mod overlay;
mod pack;
mod partition;
mod query;
mod record;
mod recovery;
mod retention;
mod ring;
mod rows;
mod salvage;
mod scan;
mod shared;
mod shelve;
mod state;
mod visitors;
mod writer;

use crate::id::Seq;
use crate::model::{Health, Identity, Waiting};

pub use counters::Counters;
pub use erase::{Erase, Erased};
pub use handle::Store;
pub use query::{LogLine, LogPage, LogPosition, LogQuery, StatusCodes};

/// Limits and switches of a store.
#[derive(Clone, Debug)]
pub struct Options {
    /// Disk for the events journal, in bytes.
    pub events_budget: u64,
    /// Disk for the log journal, in bytes.
    pub log_budget: u64,
    /// A partition is rolled at this size, in bytes.
    pub partition_bytes: u64,
    /// A partition is rolled at this age.
    pub partition_age: std::time::Duration,
    /// Finished partitions older than this are removed.
    pub retention: std::time::Duration,
    /// Known resources and natural keys remembered; the least recently changed leave first.
    pub known_count: u64,
    /// Bytes of them.
    pub known_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            events_budget: 7 << 30,
            log_budget: 3 << 30,
            partition_bytes: 32 << 20,
            partition_age: std::time::Duration::from_hours(24),
            retention: std::time::Duration::from_hours(30 * 24),
            known_count: 1_000_000,
            known_bytes: 512 << 20,
        }
    }
}

impl Options {
    /// The default with other budgets (bytes) and another retention. Whole partitions go, so they are made small and short
    /// enough that a budget and a retention hold several.
    pub fn within(events_budget: u64, log_budget: u64, retention: std::time::Duration) -> Self {
        let default = Self::default();
        let bytes = events_budget.min(log_budget) / PARTITIONS_PER_BUDGET;
        Self {
            events_budget,
            log_budget,
            retention,
            partition_bytes: bytes.clamp(MIN_PARTITION_BYTES, default.partition_bytes),
            partition_age: (retention / PARTITIONS_PER_RETENTION).min(default.partition_age),
            ..default
        }
    }

    /// The default without an end: for a look at a directory whose own settings are not known.
    pub fn keep_all() -> Self {
        Self { events_budget: u64::MAX, log_budget: u64::MAX, retention: std::time::Duration::MAX, ..Self::default() }
    }
}

/// Partitions that a budget holds at least.
const PARTITIONS_PER_BUDGET: u64 = 8;

/// Partitions that a retention holds at least, however few the records.
const PARTITIONS_PER_RETENTION: u32 = 8;

/// Bytes of a partition at least: each is a database with a cost of its own.
const MIN_PARTITION_BYTES: u64 = 1 << 20;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process owns the directory.
    #[error(
        "the data directory {0} is in use by another shopbell (its lock is held): stop that process, or give another --data"
    )]
    InUse(String),
    /// The directory cannot be made, read or written.
    #[error("the data directory {path} cannot be used: {source}; {}", what_to_do(source))]
    Directory {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The disk is full or failing: nothing was written; ask again later.
    #[error("the store cannot write: {0}")]
    Unavailable(String),
    /// One record is larger than any may be: nothing was written, and trying again does not help.
    #[error("a record of {bytes} bytes is larger than the store takes")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Something on disk is not what was written there.
    #[error("damaged data in {place}: {text}")]
    Corrupt {
        /// Where.
        place: String,
        /// What.
        text: String,
    },
}

fn what_to_do(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => "make room",
        _ => "check that it exists, is on a local disk and is writable",
    }
}

/// Why the journal no longer holds an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// Its partition was removed.
    Removed,
    /// Somebody had it erased.
    Erased,
    /// It stood where the disk is damaged.
    Damaged,
}

/// What opening found and mended, for the log.
#[derive(Debug, Default)]
pub struct Recovery {
    /// Sentences for an operator; empty after a clean stop.
    pub notes: Vec<String>,
}

/// One webhook's delivery state, as a scheduler needs it at start.
#[derive(Clone, Debug, Default)]
pub struct WebhookState {
    /// The next sequence to read.
    pub cursor: Seq,
    /// Done above the cursor.
    pub finished: Vec<Seq>,
    /// Tried and not yet due again.
    pub waiting: Vec<(Seq, Waiting)>,
    /// Behind a waiting head.
    pub deferred: Vec<(Seq, (String, Identity))>,
    /// How it is doing.
    pub health: Health,
}
