//! The thread that has time: it compares closed partitions with their seals after a start, and makes the log's indexes.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::index;
use super::shared::Shared;

/// Pause between two pieces of work.
const PAUSE: Duration = Duration::from_secs(1);

/// Works until it is told to stop (and unparked).
pub(super) fn run(shared: &Shared, stop: &AtomicBool) {
    let (mut unverified, mut indexed) = (vec![&shared.log, &shared.events], HashSet::new());
    loop {
        thread::park_timeout(PAUSE);
        if stop.load(Ordering::Relaxed) {
            return;
        }
        if let Some(journal) = unverified.last() {
            match journal.verify_next() {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%error, journal = journal.name, "a partition could not be verified");
                }
            }
            unverified.pop();
            continue;
        }
        if let Err(error) = index::build_next(shared, &mut indexed) {
            tracing::warn!(%error, "an index of the log could not be made; it is tried again");
        }
    }
}
