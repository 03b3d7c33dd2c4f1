//! What the store has done since the process started.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::shared::Shared;

/// Counters of a store; read them with [`Counters::get`].
#[derive(Debug, Default)]
pub struct Counters {
    /// Exchange commits acknowledged.
    pub commits: AtomicU64,
    /// Log groups acknowledged.
    pub log_groups: AtomicU64,
    /// Records written to both journals.
    pub records: AtomicU64,
    /// Bytes of these records, as stored.
    pub bytes: AtomicU64,
    /// Group commits: how often the disk was waited for.
    pub groups: AtomicU64,
    /// Microseconds of waiting for the disk in all, in appends to both journals.
    pub sync_us: AtomicU64,
    /// Known resources and natural keys that left because a bound was reached.
    pub evictions: AtomicU64,
    /// Partitions removed after they were finished.
    pub removed_partitions: AtomicU64,
    /// Partitions dropped unfinished because the disk budget was spent.
    pub dropped_partitions: AtomicU64,
    /// Deliveries lost with them.
    pub dropped_deliveries: AtomicU64,
    /// Times a journal came to four fifths of its budget.
    pub budget_warnings: AtomicU64,
    /// Groups refused because the disk was full or failing.
    pub sync_errors: AtomicU64,
    /// Places where damage was found.
    pub damages: AtomicU64,
    /// Erases done.
    pub erases: AtomicU64,
    /// Reads and writes somebody waits for now: a gauge.
    pub in_progress: AtomicU64,
}

impl Counters {
    /// The value of one of them.
    pub fn get(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }

    pub(super) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }
}

/// One read or write under way, counted as long as it lives.
#[derive(Debug)]
pub(super) struct InProgress(Arc<Shared>);

impl InProgress {
    pub(super) fn new(shared: &Arc<Shared>) -> Arc<Self> {
        Counters::add(&shared.counters.in_progress, 1);
        Arc::new(Self(shared.clone()))
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.counters.in_progress.fetch_sub(1, Ordering::Relaxed);
    }
}
