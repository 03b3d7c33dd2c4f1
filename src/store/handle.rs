//! The store as other rooms see it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use tokio::sync::{mpsc, oneshot, watch};

use super::counters::{Counters, InProgress};
use super::erase::{self, Erase, Erased};
use super::index;
use super::journal::lock;
use super::keeper;
use super::kinds::{self, Ready};
use super::query::{self, LogLine, LogPage, LogPosition, LogQuery};
use super::ring::Held;
use super::shared::Shared;
use super::writer::{QUEUE, Request, Target, Writer};
use super::{Gone, Options, Recovery, StoreError, WebhookState};
use crate::clock::Clock;
use crate::id::{Seq, WebhookId};
use crate::model::record::{EventEntry, LogEntry};
use crate::model::{Event, Health, Identity, Known, Run, WebhookName, Write};

/// Records one read of events looks at, at most.
const MAX_READ: usize = 4_096;

/// The store: cheap to clone, safe to share. Dropping the last clone stops the writer after what is queued is on disk.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    /// Taken when the last clone is dropped.
    queue: Option<mpsc::Sender<Request>>,
    stop: Arc<AtomicBool>,
    writer: Mutex<Option<JoinHandle<()>>>,
    keeper: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    /// Opens (or makes) the data directory, recovers, and starts the writer thread. Blocks.
    pub fn open(data: &Path, options: Options, clock: Clock) -> Result<(Self, Recovery), StoreError> {
        let (shared, recovery) = Shared::open(data, options, clock)?;
        let (queue, requests) = mpsc::channel(QUEUE);
        let stop = Arc::new(AtomicBool::new(false));
        let fault = |source| StoreError::Directory { path: data.display().to_string(), source };
        let own = shared.clone();
        let writer = thread::Builder::new().name("store-writer".to_owned());
        // Simulated time is tokio's, and each runtime has its own.
        let runtime = tokio::runtime::Handle::try_current().ok().filter(|_| matches!(clock, Clock::Simulated { .. }));
        let simulated = runtime.clone();
        let write = move || {
            let _entered = runtime.as_ref().map(tokio::runtime::Handle::enter);
            Writer::new(own, requests).run();
        };
        let writer = writer.spawn(write).map_err(fault)?;
        let (own, stopped, weak) = (shared.clone(), stop.clone(), queue.downgrade());
        let keeper = thread::Builder::new().name("store-keeper".to_owned());
        let keep = move || {
            let _entered = simulated.as_ref().map(tokio::runtime::Handle::enter);
            keeper::run(&own, &weak, &stopped);
        };
        let keeper = keeper.spawn(keep).map_err(fault)?;
        let inner = Inner {
            shared,
            queue: Some(queue),
            stop,
            writer: Mutex::new(Some(writer)),
            keeper: Mutex::new(Some(keeper)),
        };
        Ok((Self { inner: Arc::new(inner) }, recovery))
    }

    /// Puts one exchange's records into the events journal with its state writes (carried by the last record), durably.
    /// Gives the first record's sequence; the others follow without a gap. Writes without entries take a record too.
    /// Returns once flushed and synced; the writes are then visible to reads.
    pub async fn commit(&self, entries: Vec<EventEntry>, writes: Vec<Write>) -> Result<Seq, StoreError> {
        self.submit(Target::Events, kinds::events(entries, writes)?).await
    }

    /// Puts records into the log journal with their state writes, durably. In a group, exchange commits go first.
    pub async fn log(&self, entries: Vec<LogEntry>, writes: Vec<Write>) -> Result<Seq, StoreError> {
        self.log_kept(&entries, writes).await
    }

    /// The same for a caller who keeps the entries, to try again with.
    pub async fn log_kept(&self, entries: &[LogEntry], writes: Vec<Write>) -> Result<Seq, StoreError> {
        self.submit(Target::Log, kinds::log(entries, writes)?).await
    }

    /// The next sequence of the events journal; changes after every commit.
    pub fn head(&self) -> watch::Receiver<Seq> {
        self.inner.shared.head.subscribe()
    }

    /// Events (no other records) from `from` on, at most `limit`, and where to go on. A sequence that retention removed is
    /// skipped: the first one kept is where reading starts. There may be more, even after none, until where to go on is
    /// the head.
    pub async fn events(&self, from: Seq, limit: usize) -> Result<(Vec<(Seq, Arc<Event>)>, Seq), StoreError> {
        let limit = limit.clamp(1, MAX_READ);
        match self.inner.shared.ring.range(from.0, limit) {
            Some(found) => Ok(found),
            None if from >= *self.inner.shared.head.borrow() => Ok((Vec::new(), from)),
            None => self.blocking(move |shared| shared.events_from(from.0, limit)).await,
        }
    }

    /// The events at these sequences; absent where retention removed them.
    pub async fn events_at(&self, seqs: &[Seq]) -> Result<Vec<Option<Arc<Event>>>, StoreError> {
        let held = |seq: &Seq| match self.inner.shared.ring.at(seq.0) {
            Held::Here(event) => Some(event),
            Held::NotHere => None,
        };
        if let Some(held) = seqs.iter().map(held).collect() {
            return Ok(held);
        }
        let seqs = seqs.to_vec();
        self.blocking(move |shared| seqs.iter().map(|seq| shared.event_at(seq.0)).collect()).await
    }

    /// Erases done since the start: events read before the last of them may hold what is to be forgotten.
    pub fn erases(&self) -> u64 {
        Counters::get(&self.inner.shared.counters.erases)
    }

    /// Why an event that was in the journal is not there any more.
    pub async fn why_gone(&self, seq: Seq) -> Result<Gone, StoreError> {
        self.blocking(move |shared| shared.why_gone(seq.0)).await
    }

    /// What is remembered of resources. One that was too large for its bound comes back with its dates only (`trimmed`).
    #[expect(clippy::unused_async, reason = "an engine behind a network, as design 12 foresees, waits here")]
    pub async fn known(&self, keys: &[(String, Identity)]) -> Result<Vec<Option<Known>>, StoreError> {
        let state = &self.inner.shared.state;
        keys.iter().map(|(resource, identity)| state.known(resource, identity)).collect()
    }

    /// Ids that natural keys stand for: (resource, key, value).
    #[expect(clippy::unused_async, reason = "an engine behind a network, as design 12 foresees, waits here")]
    pub async fn aliases(&self, keys: &[(String, String, String)]) -> Result<Vec<Option<String>>, StoreError> {
        let state = &self.inner.shared.state;
        keys.iter().map(|(resource, name, value)| state.alias(resource, name, value)).collect()
    }

    /// Health of webhooks; the default where nothing is remembered. Served from memory.
    pub fn health(&self, webhook: WebhookId) -> Health {
        self.inner.shared.state.health(webhook)
    }

    /// One webhook's delivery state, at start. A webhook without a cursor stands at sequence 0, before all that is kept.
    pub async fn webhook_state(&self, webhook: WebhookId) -> Result<WebhookState, StoreError> {
        self.blocking(move |shared| shared.state.webhook(webhook)).await
    }

    /// The table of webhook names, and the next id to give away.
    #[expect(clippy::unused_async, reason = "an engine behind a network, as design 12 foresees, waits here")]
    pub async fn webhook_names(&self) -> Result<(Vec<WebhookName>, u64), StoreError> {
        self.inner.shared.state.names()
    }

    /// The key delivery ids are made with; made once per data directory (`data/instance`).
    pub fn instance_key(&self) -> [u8; 32] {
        self.inner.shared.instance
    }

    /// Runs that send deliveries again, oldest first, and the next number to give away.
    #[expect(clippy::unused_async, reason = "an engine behind a network, as design 12 foresees, waits here")]
    pub async fn runs(&self) -> Result<(Vec<Run>, u32), StoreError> {
        self.inner.shared.state.runs()
    }

    /// The next sequence of the log; changes after every group.
    pub fn log_head(&self) -> watch::Receiver<Seq> {
        self.inner.shared.log_head.subscribe()
    }

    /// What the log tells from `from` on, in at most `limit` of its records, and where to go on, as [`Store::events`] gives
    /// events.
    pub async fn log_entries(&self, from: Seq, limit: usize) -> Result<(Vec<(Seq, LogEntry)>, Seq), StoreError> {
        let limit = limit.clamp(1, MAX_READ);
        self.blocking(move |shared| shared.log_from(from.0, limit)).await
    }

    /// Events, attempts, outcomes and notices that fit, newest first. Looks at the newest 50,000 records at most.
    pub async fn search(&self, query: LogQuery) -> Result<Vec<LogLine>, StoreError> {
        self.blocking(move |shared| query::search(shared, &query)).await
    }

    /// The same page by page, from `before` (`None`: the newest) backwards. Each page looks at 50,000 records at most, and
    /// may hold a few lines more than the query's limit, so that none is lost between two pages.
    pub async fn search_page(&self, query: LogQuery, before: Option<LogPosition>) -> Result<LogPage, StoreError> {
        self.blocking(move |shared| query::page(shared, &query, before)).await
    }

    /// Lines that fit, from `from` on forward, oldest first, and where to go on. Looks at a bounded number of records:
    /// there may be more, even after none, until where to go on is at both heads.
    pub async fn follow(&self, query: LogQuery, from: LogPosition) -> Result<(Vec<LogLine>, LogPosition), StoreError> {
        self.blocking(move |shared| query::follow(shared, &query, from)).await
    }

    /// All attempts and outcomes of the delivery with this id, oldest first. Looks into an index of each closed partition
    /// of the log, and through the one that is written.
    pub async fn delivery(&self, id: String) -> Result<Vec<(Seq, LogEntry)>, StoreError> {
        self.blocking(move |shared| index::entries(shared, &id)).await
    }

    /// Erases all that tells of one customer or order, in the journals and in the state; durable once begun: what a stop
    /// breaks off goes on at the next start. With `only_count` it tells what that would be, and changes nothing.
    pub async fn erase(&self, erase: Erase, only_count: bool) -> Result<Erased, StoreError> {
        if only_count {
            return self.blocking(move |shared| erase::count(shared, &erase)).await;
        }
        let (queue, stop) = (self.inner.queue.clone(), self.inner.stop.clone());
        let queue = queue.map(|queue| queue.downgrade());
        let roll = move || keeper::roll(queue.as_ref().and_then(mpsc::WeakSender::upgrade));
        self.blocking(move |shared| erase::run(shared, &erase, &roll, &stop)).await
    }

    /// What the store has done since it was opened.
    pub fn counters(&self) -> &Counters {
        &self.inner.shared.counters
    }

    /// Bytes on disk: both journals and the state. Looks at the file system.
    pub fn disk_bytes(&self) -> u64 {
        let shared = &self.inner.shared;
        shared.events.bytes() + shared.log.bytes() + shared.state.bytes()
    }

    /// The same by kind.
    pub fn disk_use(&self) -> [(&'static str, u64); 3] {
        let shared = &self.inner.shared;
        [("events", shared.events.bytes()), ("log", shared.log.bytes()), ("state", shared.state.bytes())]
    }

    /// What the journals may take, in bytes.
    pub fn budgets(&self) -> [(&'static str, u64); 2] {
        let options = &self.inner.shared.options;
        [("events", options.events_budget), ("log", options.log_budget)]
    }

    /// Stops the writer after what is queued is on disk. Reads go on; commits are refused.
    pub async fn close(&self) {
        let inner = self.inner.clone();
        if let Some(queue) = &inner.queue {
            // Already stopped if nobody takes it.
            drop(queue.send(Request::Close).await);
        }
        drop(tokio::task::spawn_blocking(move || inner.join()).await);
    }

    /// The state, for the reads of `visitors.rs`.
    pub(super) fn state(&self) -> &super::state::State {
        &self.inner.shared.state
    }

    async fn submit(&self, target: Target, ready: Ready) -> Result<Seq, StoreError> {
        let closed = || StoreError::Unavailable("the store is closed".to_owned());
        let queue = self.inner.queue.clone().ok_or_else(closed)?;
        let in_progress = InProgress::new(&self.inner.shared);
        let (reply, answer) = oneshot::channel();
        let request = Request::Write { target, ready, reply };
        if matches!(self.inner.shared.clock, Clock::Simulated { .. }) {
            // Paused time stands still only while a blocking thread of the runtime works.
            let waiting = in_progress.clone(); // also when the caller stops waiting
            let wait = move || {
                let _waiting = waiting;
                queue.blocking_send(request).ok()?;
                answer.blocking_recv().ok()
            };
            return tokio::task::spawn_blocking(wait).await.ok().flatten().unwrap_or_else(|| Err(closed()));
        }
        queue.send(request).await.map_err(|_| closed())?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let in_progress = InProgress::new(&self.inner.shared);
        let (shared, working) = (self.inner.shared.clone(), in_progress.clone()); // also when the caller stops waiting
        let work = move || {
            let _working = working;
            work(&shared)
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|error| Err(StoreError::Unavailable(format!("a read was broken off: {error}"))))
    }
}

impl Inner {
    fn join(&self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in [&self.writer, &self.keeper] {
            if let Some(thread) = lock(thread).take() {
                thread.thread().unpark();
                // A panic of the thread was told on stderr; there is nothing left to do for it.
                drop(thread.join());
            }
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue = None;
        self.join();
    }
}
