//! The only room on disk: two journals and the state, with their recovery, retention and limits.

mod query;

use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;

use crate::clock::{Clock, Timestamp};
use crate::id::{Seq, WebhookId};
use crate::model::record::{EventEntry, LogEntry};
use crate::model::{Event, Health, Identity, Known, Waiting, Write};

pub use query::{LogLine, LogQuery};

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
}

impl Default for Options {
    fn default() -> Self {
        Self {
            events_budget: 7 << 30,
            log_budget: 3 << 30,
            partition_bytes: 32 << 20,
            partition_age: std::time::Duration::from_secs(86_400),
            retention: std::time::Duration::from_secs(30 * 86_400),
        }
    }
}

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process owns the directory.
    #[error(
        "the data directory {0} is in use by another shopbell (its lock is held): stop that process, or give another --data"
    )]
    InUse(String),
    /// The directory cannot be made, read or written.
    #[error(
        "the data directory {path} cannot be used: {source}; check that it exists, is on a local disk and is writable"
    )]
    Directory {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The disk is full or failing: nothing was written; ask again later.
    #[error("the store cannot write: {0}")]
    Unavailable(String),
    /// Something on disk is not what was written there.
    #[error("damaged data in {place}: {text}")]
    Corrupt {
        /// Where.
        place: String,
        /// What.
        text: String,
    },
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

/// One row of the table of webhook names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookName {
    /// NAME of the table.
    pub name: String,
    /// Its id.
    pub id: WebhookId,
    /// When its table vanished.
    pub retired: Option<Timestamp>,
    /// The secret made for it.
    pub secret: Option<String>,
}

/// The store: cheap to clone, safe to share. Dropping the last clone stops the writer.
#[derive(Clone, Debug)]
pub struct Store {}

impl Store {
    /// Opens (or makes) the data directory, recovers, and starts the writer thread. Blocks.
    pub fn open(_data: &Path, _options: Options, _clock: Clock) -> Result<(Self, Recovery), StoreError> {
        todo!()
    }

    /// Puts one exchange's records into the events journal with its state writes (carried by the last record), durably.
    /// Gives the first record's sequence; the others follow without a gap.
    /// Returns once flushed and synced; the writes are then visible to reads.
    pub async fn commit(&self, _entries: Vec<EventEntry>, _writes: Vec<Write>) -> Result<Seq, StoreError> {
        todo!()
    }

    /// Puts records into the log journal with their state writes, durably. In a group, exchange commits go first.
    pub async fn log(&self, _entries: Vec<LogEntry>, _writes: Vec<Write>) -> Result<Seq, StoreError> {
        todo!()
    }

    /// The next sequence of the events journal; changes after every commit.
    pub fn head(&self) -> watch::Receiver<Seq> {
        todo!()
    }

    /// Events (no other records) from `from` on, at most `limit`, and where to go on. A sequence that retention removed is
    /// skipped: the first one kept is where reading starts.
    pub async fn events(&self, _from: Seq, _limit: usize) -> Result<(Vec<(Seq, Arc<Event>)>, Seq), StoreError> {
        todo!()
    }

    /// The events at these sequences; absent where retention removed them.
    pub async fn events_at(&self, _seqs: &[Seq]) -> Result<Vec<Option<Arc<Event>>>, StoreError> {
        todo!()
    }

    /// What is remembered of resources.
    pub async fn known(&self, _keys: &[(String, Identity)]) -> Result<Vec<Option<Known>>, StoreError> {
        todo!()
    }

    /// Ids that natural keys stand for: (resource, key, value).
    pub async fn aliases(&self, _keys: &[(String, String, String)]) -> Result<Vec<Option<String>>, StoreError> {
        todo!()
    }

    /// Health of webhooks; the default where nothing is remembered. Served from memory.
    pub fn health(&self, _webhook: WebhookId) -> Health {
        todo!()
    }

    /// One webhook's delivery state, at start.
    pub async fn webhook_state(&self, _webhook: WebhookId) -> Result<WebhookState, StoreError> {
        todo!()
    }

    /// The table of webhook names, and the next id to give away.
    pub async fn webhook_names(&self) -> Result<(Vec<WebhookName>, u64), StoreError> {
        todo!()
    }

    /// The key delivery ids are made with; made once per data directory (`data/instance`).
    pub fn instance_key(&self) -> [u8; 32] {
        todo!()
    }

    /// Events, attempts, outcomes and notices that fit, newest first.
    pub async fn search(&self, _query: LogQuery) -> Result<Vec<LogLine>, StoreError> {
        todo!()
    }

    /// Stops the writer after what is queued is on disk.
    pub async fn close(&self) {
        todo!()
    }
}
