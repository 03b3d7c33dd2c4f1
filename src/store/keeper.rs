//! The thread that has time: it compares closed partitions with their seals after a start, and makes the log's indexes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc::{Sender, WeakSender};
use tokio::sync::oneshot;

use super::StoreError;
use super::erase;
use super::index;
use super::shared::Shared;
use super::writer::{Request, SWEEP_MS};

/// Pause between two pieces of work.
const PAUSE: Duration = Duration::from_secs(1);

/// Works until it is told to stop (and unparked).
pub(super) fn run(shared: &Shared, queue: &WeakSender<Request>, stop: &AtomicBool) {
    if let Some(erase) = erase::unfinished(shared) {
        match erase::run(shared, &erase, &|| roll(queue.upgrade()), stop) {
            Ok(erased) => tracing::info!(events = erased.events, "an erase that was broken off is done"),
            Err(error) => {
                tracing::error!(%error, "an erase that was broken off is not done; it goes on at the next start");
            }
        }
    }
    let mut looked = shared.clock.now();
    let mut unverified = vec![&shared.log, &shared.events];
    loop {
        thread::park_timeout(PAUSE);
        if stop.load(Ordering::Relaxed) {
            return;
        }
        // What failed is opened again for readers, too, and not only when somebody writes.
        let failing = shared.state.is_failing() || shared.events.is_broken() || shared.log.is_broken();
        if failing || shared.state.is_gathering() {
            ask(queue, Request::Settle);
        }
        // A shop without traffic writes nothing, and the writer sleeps: what has become old goes all the same.
        let now = shared.clock.now();
        if now.as_millis().saturating_sub(looked.as_millis()) >= SWEEP_MS {
            looked = now;
            ask(queue, Request::Look);
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
        // Those closed since; what fails, for want of room, is tried again.
        for journal in [&shared.events, &shared.log] {
            if let Err(error) = journal.verify_next() {
                tracing::debug!(%error, journal = journal.name, "a partition that was closed could not be opened");
            }
        }
        if let Err(error) = index::build_next(shared) {
            tracing::warn!(%error, "an index of the log could not be made; it is tried again");
        }
    }
}

/// Asks the writer for something. A full queue is traffic, with which it does that anyway.
fn ask(queue: &WeakSender<Request>, request: Request) {
    if let Some(queue) = queue.upgrade() {
        drop(queue.try_send(request));
    }
}

/// Has the writer begin new partitions, and waits for it. Blocks.
pub(super) fn roll(queue: Option<Sender<Request>>) -> Result<(), StoreError> {
    let closed = || StoreError::Unavailable("the store is closed".to_owned());
    let (reply, answer) = oneshot::channel();
    queue.ok_or_else(closed)?.blocking_send(Request::Roll { reply }).map_err(|_| closed())?;
    answer.blocking_recv().unwrap_or_else(|_| Err(closed()))
}
