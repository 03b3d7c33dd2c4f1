//! Traffic for people to look at: recordings while somebody takes one, and the last exchanges that some rule cared about.
//!
//! Bounded in everything, and never in anybody's way: a recording that does not keep up misses exchanges, counted. While
//! nobody records, a request costs one atomic load.

mod filter;
mod ring;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, watch};

use crate::exchange::{Exchange, RequestHead};

pub use filter::RecordFilter;
pub use ring::Kept;
use ring::Ring;

/// Recordings at once.
const MAX_RECORDINGS: usize = 4;
/// Exchanges a recording may lag behind; further ones are missed. Each holds its bodies.
const LAG: usize = 64;

/// Hands exchanges to whoever records, and keeps the last that were near a rule; a clone is the same recorder.
#[derive(Clone, Debug)]
pub struct Recorder(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// How many recordings there are.
    active: AtomicUsize,
    recordings: Mutex<Vec<Listener>>,
    /// Number of the next recording.
    next: AtomicU64,
    ring: Mutex<Ring>,
    stopping: watch::Receiver<bool>,
}

#[derive(Debug)]
struct Listener {
    number: u64,
    filter: RecordFilter,
    sender: mpsc::Sender<Arc<Exchange>>,
    missed: Arc<AtomicU64>,
}

/// A recording that is being taken; it ends when this is dropped.
#[derive(Debug)]
pub struct Recording {
    recorder: Recorder,
    number: u64,
    missed: Arc<AtomicU64>,
    receiver: mpsc::Receiver<Arc<Exchange>>,
    stopping: watch::Receiver<bool>,
}

impl Recorder {
    /// Recordings end when `stopping` turns true.
    pub(super) fn new(stopping: watch::Receiver<bool>) -> Self {
        let (recordings, ring) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Inner { active: AtomicUsize::new(0), recordings, next: AtomicU64::new(1), ring, stopping }))
    }

    /// Begins a recording of what fits `filter`; `None` if there are too many already.
    pub fn record(&self, filter: RecordFilter) -> Option<Recording> {
        let (sender, receiver) = mpsc::channel(LAG);
        let missed = Arc::new(AtomicU64::new(0));
        let mut recordings = self.recordings();
        if recordings.len() >= MAX_RECORDINGS {
            return None;
        }
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        recordings.push(Listener { number, filter, sender, missed: Arc::clone(&missed) });
        self.0.active.store(recordings.len(), Ordering::Relaxed);
        Some(Recording { recorder: self.clone(), number, missed, receiver, stopping: self.0.stopping.clone() })
    }

    /// Ends the recording of that number: nothing more goes into it, and it gives what it was handed before. False if there
    /// is none such.
    pub fn end(&self, number: u64) -> bool {
        let mut recordings = self.recordings();
        let before = recordings.len();
        recordings.retain(|listener| listener.number != number);
        self.0.active.store(recordings.len(), Ordering::Relaxed);
        recordings.len() < before
    }

    /// The last exchanges that some rule cared about, oldest first; at most so many.
    pub fn last(&self, most: usize) -> Vec<Arc<Kept>> {
        self.ring().last(most)
    }

    /// Whether somebody records such a request.
    pub(super) fn wants(&self, request: &RequestHead) -> bool {
        self.0.active.load(Ordering::Relaxed) > 0
            && self.recordings().iter().any(|listener| listener.filter.fits(request))
    }

    /// Hands an exchange to those who record such.
    pub(super) fn take(&self, exchange: &Exchange) {
        let mut shared = None;
        for listener in self.recordings().iter().filter(|listener| listener.filter.fits(&exchange.request)) {
            let shared = shared.get_or_insert_with(|| Arc::new(exchange.clone()));
            if listener.sender.try_send(Arc::clone(shared)).is_err() {
                listener.missed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Keeps an exchange that some rule cared about, with what came of it.
    pub(super) fn keep(&self, kept: Kept) {
        self.ring().push(kept);
    }

    /// The same of one that no rule matches any more, on the visitor's path: where somebody else is at the ring, it is let go.
    pub(super) fn glance(&self, exchange: Exchange) {
        if let Ok(mut ring) = self.0.ring.try_lock() {
            ring.push(Kept::of(exchange, Vec::new(), Vec::new()));
        }
    }

    fn recordings(&self) -> MutexGuard<'_, Vec<Listener>> {
        // Each change is one push or one removal: a panic in between leaves nothing half done.
        self.0.recordings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recording {
    /// What [`Recorder::end`] ends it by.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The next exchange; `None` once it is ended and all is taken, or the process stops.
    pub async fn next(&mut self) -> Option<Arc<Exchange>> {
        tokio::select! {
            biased;
            exchange = self.receiver.recv() => exchange,
            _ = self.stopping.wait_for(|stopping| *stopping) => None,
        }
    }

    /// How many it has missed because it lagged behind.
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.recorder.end(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{CapturedBody, End, Timestamp};

    fn exchange(target: &str) -> Exchange {
        let request = http::Request::post(target).body(()).expect("a request").into_parts().0;
        Exchange {
            at: Timestamp::default(),
            request: RequestHead::of(&request),
            request_body: CapturedBody::whole("a=1"),
            response: None,
            response_body: CapturedBody::default(),
            end: End::Failed,
        }
    }

    #[tokio::test]
    async fn recordings_are_bounded_filtered_and_end() {
        let (stop, stopping) = watch::channel(false);
        let recorder = Recorder::new(stopping);
        assert!(!recorder.wants(&exchange("/a").request), "nobody records");
        let mut admin = recorder.record(RecordFilter::parse(&["POST /admin/**".to_owned()], false).unwrap()).unwrap();
        let rest: Vec<_> = (1..MAX_RECORDINGS).map(|_| recorder.record(RecordFilter::default()).unwrap()).collect();
        assert!(recorder.record(RecordFilter::default()).is_none(), "there are too many");
        drop(rest);
        assert!(recorder.wants(&exchange("/admin/x").request) && !recorder.wants(&exchange("/b").request));
        for n in 0..LAG + 3 {
            recorder.take(&exchange(&format!("/admin/{n}")));
            recorder.take(&exchange("/shop"));
        }
        assert_eq!(admin.missed(), 3);
        for n in 0..LAG {
            assert_eq!(admin.next().await.unwrap().request.path(), format!("/admin/{n}"));
        }
        stop.send(true).unwrap();
        assert!(admin.next().await.is_none(), "the process stops");
        drop(admin);
        assert!(!recorder.wants(&exchange("/admin/x").request));
    }

    #[tokio::test]
    async fn an_ended_recording_still_gives_what_it_was_handed() {
        let (_stop, stopping) = watch::channel(false);
        let recorder = Recorder::new(stopping);
        let mut recording = recorder.record(RecordFilter::default()).unwrap();
        recorder.take(&exchange("/before"));
        assert!(recorder.end(recording.number()) && !recorder.end(recording.number()));
        recorder.take(&exchange("/after"));
        assert_eq!(recording.next().await.unwrap().request.path(), "/before");
        assert!(recording.next().await.is_none());
    }
}
