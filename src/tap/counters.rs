//! What the tap counts, and the guard that keeps our panics away from traffic.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Running totals since the layer was made, shared by all its clones. Read them with [`Ordering::Relaxed`].
#[derive(Debug, Default)]
pub struct Counters {
    /// Exchanges the observer wanted at the request's head.
    pub candidates: AtomicU64,
    /// Exchanges handed to the observer.
    pub observed: AtomicU64,
    /// Answers that waited for the observer's release.
    pub held: AtomicU64,
    /// Answers let go because the hold time ran out.
    pub hold_expired: AtomicU64,
    /// Bodies whose copy was cut, by the capture limit or the budget.
    pub captures_cut: AtomicU64,
    /// Bodies whose copy was cut because the budget over all captures was spent.
    pub budget_spent: AtomicU64,
    /// Panics that were caught: of the observer, of the executor, of our own code on the way.
    pub observer_panics: AtomicU64,
    /// Exchanges that ran on after the visitor had left.
    pub ran_on: AtomicU64,
    /// Memory held by captures now, in bytes: a gauge, given back when the observer drops the exchange's bodies.
    pub captured_bytes: AtomicUsize,
}

impl Counters {
    /// Calls foreign code: `None`, and one more panic counted, if it panics.
    ///
    /// What `call` borrows may be left half changed by a panic; callers throw it away then.
    pub(super) fn guard<T>(&self, call: impl FnOnce() -> T) -> Option<T> {
        let outcome = catch_unwind(AssertUnwindSafe(call)).ok();
        if outcome.is_none() {
            add(&self.observer_panics);
        }
        outcome
    }
}

/// One more.
pub(super) fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
