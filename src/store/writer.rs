//! The one thread that writes: it takes what is queued as a group, makes it durable with one wait for the disk per
//! journal, applies it to the state, and lets the waiters go.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::StoreError;
use super::checkpoint;
use super::counters::Counters;
use super::journal::lock;
use super::kinds::{self, Ready};
use super::notices::Notices;
use super::recovery::Replay;
use super::retention;
use super::shared::Shared;
use crate::clock::Timestamp;
use crate::id::Seq;
use crate::model::Notice;
use crate::model::record::{EventEntry, LogEntry};

/// Entries waiting for the writer at most; then callers wait.
pub(super) const QUEUE: usize = 4_096;

/// Entries of one group at most.
const GROUP_ENTRIES: usize = 512;

/// Bytes of one group at most, if it has more than one entry.
const GROUP_BYTES: usize = 8 << 20;

/// How often age is looked at, in milliseconds: partitions to remove, a file of a day to close.
pub(super) const SWEEP_MS: i64 = 600_000;

/// Pause after a partition could not be begun.
const ROLL_PAUSE: Duration = Duration::from_mins(1);

/// Which journal an entry goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Events,
    Log,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Events => "events",
            Self::Log => "log",
        })
    }
}

/// What the writer is asked.
pub(super) enum Request {
    /// Write this.
    Write { target: Target, ready: Ready, reply: Reply },
    /// Look whether something has become old.
    Look,
    /// Give the state's database what was gathered for it.
    Settle,
    /// Begin new partitions of both journals.
    Roll { reply: oneshot::Sender<Result<(), StoreError>> },
    /// Write what is queued, then stop.
    Close,
}

/// Where the answer goes: the first record's sequence.
pub(super) type Reply = oneshot::Sender<Result<Seq, StoreError>>;

/// The thread's own.
pub(super) struct Writer {
    shared: Arc<Shared>,
    queue: mpsc::Receiver<Request>,
    /// The state missed something that is in the journals.
    behind: bool,
    notices: Notices,
    swept: Timestamp,
    /// After a roll that failed: not before this moment again.
    roll_after: Timestamp,
}

struct Entry {
    ready: Ready,
    /// Nobody waits for our own notices.
    reply: Option<Reply>,
    notices: Vec<Notice>,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, queue: mpsc::Receiver<Request>) -> Self {
        let swept = shared.clock.now();
        Self { shared, queue, behind: false, notices: Notices::default(), swept, roll_after: swept }
    }

    /// Runs until it is told to close or nobody can ask any more.
    pub(super) fn run(mut self) {
        self.sweep();
        let mut open = true;
        while open {
            let Some(first) = self.queue.blocking_recv() else { break };
            open = self.group(first);
        }
        self.queue.close();
        while let Ok(request) = self.queue.try_recv() {
            self.group(request);
        }
        if let Err(error) = self.shared.state.sync() {
            tracing::error!(%error, "the state could not be written at the end; it is brought up to date at the next start");
        }
    }

    /// Takes what is queued behind `first`, within the limits of a group. `false` when told to close.
    fn group(&mut self, first: Request) -> bool {
        let (mut commits, mut logs, mut bytes, mut open) = (Vec::new(), Vec::new(), 0, true);
        let (mut rolls, mut settle) = (Vec::new(), false);
        let mut next = Some(first);
        while let Some(request) = next {
            match request {
                Request::Close => open = false,
                Request::Look => {}
                Request::Settle => settle = true,
                Request::Roll { reply } => rolls.push(reply),
                Request::Write { target, ready, reply } => {
                    bytes += ready.bytes;
                    let entry = Entry { ready, reply: Some(reply), notices: Vec::new() };
                    if target == Target::Events { commits.push(entry) } else { logs.push(entry) }
                }
            }
            let full = bytes >= GROUP_BYTES || commits.len() + logs.len() >= GROUP_ENTRIES;
            next = if full { None } else { self.queue.try_recv().ok() };
        }
        self.take_notices(&mut logs);
        tracing::trace!(target: "shopbell::step", "group taken");
        self.write(commits, logs);
        if settle && !self.behind {
            let settled = self.shared.state.settle();
            self.state_changed(settled);
        }
        self.housekeep();
        if !rolls.is_empty() {
            let rolled = self.roll_both().map_err(|error| error.to_string());
            for reply in rolls {
                // Whoever asked may have gone.
                drop(reply.send(rolled.clone().map_err(StoreError::Unavailable)));
            }
        }
        open
    }

    fn write(&mut self, commits: Vec<Entry>, logs: Vec<Entry>) {
        if let Err(error) = self.catch_up() {
            self.refuse(Target::Events, commits, &error);
            self.refuse(Target::Log, logs, &error);
            return;
        }
        // Visitors wait for events, and not for the log behind them.
        if let Some((first, entries)) = self.append(Target::Events, commits, 0) {
            tracing::trace!(target: "shopbell::step", "events durable");
            self.apply(&entries);
            Counters::add(&self.shared.counters.commits, entries.len() as u64);
            self.announce(first, entries);
            tracing::trace!(target: "shopbell::step", "announced");
        }
        // Log records are applied after the events journal as it stands now.
        if let Some((first, entries)) = self.append(Target::Log, logs, self.shared.events.next() - 1) {
            tracing::trace!(target: "shopbell::step", "log durable");
            self.apply(&entries);
            Counters::add(&self.shared.counters.log_groups, entries.len() as u64);
            self.answer_log(first, entries);
        }
    }

    /// Brings what has just become durable into the state.
    fn apply(&mut self, entries: &[Entry]) {
        let shared = self.shared.clone();
        let counters = &shared.counters;
        Counters::add(&counters.groups, 1);
        Counters::add(&counters.records, entries.iter().map(|entry| entry.ready.records.len() as u64).sum());
        Counters::add(&counters.bytes, entries.iter().map(|entry| entry.ready.bytes as u64).sum());
        if self.behind {
            return;
        }
        let writes = entries.iter().flat_map(|entry| &entry.ready.writes);
        let applied = shared.state.apply(writes, shared.events.next() - 1, shared.log.next() - 1);
        if let Some(evicted) = self.state_changed(applied) {
            Counters::add(&counters.evictions, evicted);
        }
        tracing::trace!(target: "shopbell::step", "state applied");
    }

    fn answer_log(&self, first: u64, entries: Vec<Entry>) {
        let shared = &self.shared;
        let mut seq = first;
        shared.log_head.send_replace(Seq(shared.log.next()));
        for entry in entries {
            let count = entry.ready.records.len() as u64;
            lock(&shared.written).add(shared.log.writing(), seq, entry.ready.deliveries);
            answer(entry.reply, Ok(Seq(seq)));
            seq += count;
        }
    }

    /// What is durable is acknowledged; where the state did not follow, it catches up before anything else is written.
    fn state_changed<T>(&mut self, changed: Result<T, StoreError>) -> Option<T> {
        if let Err(error) = &changed {
            tracing::error!(%error, "the state could not be changed; it is opened again");
            self.behind = true;
        }
        changed.ok()
    }

    /// Appends all entries in one batch; refuses them all where that fails.
    fn append(&mut self, target: Target, mut entries: Vec<Entry>, after: u64) -> Option<(u64, Vec<Entry>)> {
        let journal = if target == Target::Events { &self.shared.events } else { &self.shared.log };
        if entries.is_empty() {
            // Nobody writes, but readers wait for it; where it fails, it stays broken and is tried again.
            let _ = journal.reopen();
            return None;
        }
        let records: Vec<_> = entries.iter_mut().flat_map(|entry| std::mem::take(&mut entry.ready.records)).collect();
        let begun = tokio::time::Instant::now();
        let appended = journal.append(&records, after);
        let waited = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        Counters::add(&self.shared.counters.sync_us, waited);
        let mut records = records.into_iter();
        for entry in &mut entries {
            let count = entry.ready.events.len();
            entry.ready.records = records.by_ref().take(count).collect();
        }
        match appended {
            Ok(first) => {
                self.notices.took(target, self.shared.clock.now());
                Some((first, entries))
            }
            Err(error) => {
                self.refuse(target, entries, &error);
                None
            }
        }
    }

    /// New events: into the ring, then to the readers, then to those who wait.
    fn announce(&self, first: u64, entries: Vec<Entry>) {
        let (mut seq, mut replies) = (first, Vec::with_capacity(entries.len()));
        for entry in entries {
            replies.push((seq, entry.reply));
            for event in entry.ready.events {
                self.shared.ring.push(seq, event);
                seq += 1;
            }
        }
        self.shared.head.send_replace(Seq(seq));
        for (seq, reply) in replies {
            answer(reply, Ok(Seq(seq)));
        }
    }

    fn refuse(&mut self, target: Target, entries: Vec<Entry>, error: &StoreError) {
        let count = entries.iter().filter(|entry| entry.reply.is_some()).count() as u64;
        Counters::add(&self.shared.counters.sync_errors, count);
        // Without the state nothing is written, and nothing is observed that would have to be: that is told too.
        if count > 0 || self.behind {
            self.notices.refused(target, count, self.shared.clock.now(), &error.to_string());
        }
        let why = match error {
            StoreError::Unavailable(why) => why.clone(),
            other => other.to_string(),
        };
        for entry in entries {
            self.notices.give_back(entry.notices);
            answer(entry.reply, Err(StoreError::Unavailable(why.clone())));
        }
    }

    fn catch_up(&mut self) -> Result<(), StoreError> {
        self.behind |= self.shared.state.is_failing();
        if !self.behind {
            return Ok(());
        }
        let mut notes = Vec::new();
        let Shared { events, log, state, .. } = &*self.shared;
        // What is replayed is read from both, and nothing else opens them while the state is behind.
        events.reopen()?;
        log.reopen()?;
        state.reopen()?;
        Replay { events, log, state, notes: &mut notes }.catch_up()?;
        self.behind = false;
        for text in notes {
            self.notice(text);
        }
        Ok(())
    }

    /// Closes partitions that are large or old, takes checkpoints, and lets retention work.
    fn housekeep(&mut self) {
        let shared = self.shared.clone();
        let (bytes, age) = (shared.options.partition_bytes, shared.options.partition_age);
        let now = shared.clock.now();
        // A clock that was set back must not put off for hours what is due in minutes.
        self.roll_after = self.roll_after.min(now.plus(ROLL_PAUSE));
        let may = !self.behind && now >= self.roll_after;
        let events = may && shared.events.wants_roll(bytes, age);
        let log = may && shared.log.wants_roll(bytes, age);
        if events && let Err(error) = self.roll_events() {
            self.could_not_roll(Target::Events, &error);
        }
        if log && let Err(error) = shared.log.roll() {
            self.could_not_roll(Target::Log, &error);
        }
        let aged = now.as_millis().saturating_sub(self.swept.as_millis()) >= SWEEP_MS;
        if events || log || aged {
            self.sweep();
        }
    }

    fn sweep(&mut self) {
        self.swept = self.shared.clock.now();
        if self.behind {
            return;
        }
        let shared = self.shared.clone();
        let mut found = Vec::new();
        let mut swept = retention::sweep(&shared, &mut found);
        if matches!(swept, Ok(true)) {
            if let Err(error) = self.roll_events() {
                self.could_not_roll(Target::Events, &error);
            }
            swept = retention::sweep(&shared, &mut found);
        }
        for notice in found {
            self.notices.keep(notice);
        }
        if let Err(error) = swept {
            self.notice(format!("old partitions could not be removed: {error}"));
        }
    }

    /// Begins a new events partition with a checkpoint at its head.
    fn roll_events(&mut self) -> Result<(), StoreError> {
        let shared = self.shared.clone();
        shared.events.roll().and_then(|()| {
            let log_next = shared.log.next();
            let taken = checkpoint::take(&shared.state, shared.clock.now(), log_next)?;
            let ready = kinds::events(vec![EventEntry::Checkpoint(Box::new(taken))], Vec::new())?;
            let seq = shared.events.append(&ready.records, 0)?;
            tracing::trace!(target: "shopbell::step", "checkpoint durable");
            shared.ring.push(seq, None);
            shared.head.send_replace(Seq(seq + 1));
            shared.set_checkpoint_log(log_next);
            shared.state.apply([], seq, 0)?;
            tracing::trace!(target: "shopbell::step", "checkpoint applied");
            Ok(())
        })
    }

    /// Begins new partitions of both journals, whatever their size and age.
    fn roll_both(&mut self) -> Result<(), StoreError> {
        self.catch_up()?;
        self.shared.log.roll()?;
        self.roll_events()
    }

    fn could_not_roll(&mut self, target: Target, error: &StoreError) {
        self.roll_after = self.shared.clock.now().plus(ROLL_PAUSE);
        self.notice(format!(
            "the {target} journal could not begin a new partition, and goes on with the old one: {error}"
        ));
    }

    fn notice(&mut self, text: String) {
        self.notices.say(self.shared.clock.now(), text);
    }

    /// Our own notices go with the next group.
    fn take_notices(&mut self, logs: &mut Vec<Entry>) {
        let notes = [self.shared.events.take_notes(), self.shared.log.take_notes()].concat();
        Counters::add(&self.shared.counters.damages, notes.len() as u64);
        for text in notes {
            self.notice(text);
        }
        let notices = self.notices.take();
        if notices.is_empty() {
            return;
        }
        let entries: Vec<_> = notices.iter().cloned().map(LogEntry::Notice).collect();
        match kinds::log(&entries, Vec::new()) {
            Ok(ready) => logs.push(Entry { ready, reply: None, notices }),
            Err(error) => tracing::error!(%error, "notices of the store could not be written"),
        }
    }
}

fn answer(reply: Option<Reply>, result: Result<Seq, StoreError>) {
    // Whoever asked may have gone; what was written stays written.
    if let Some(reply) = reply {
        drop(reply.send(result));
    }
}
