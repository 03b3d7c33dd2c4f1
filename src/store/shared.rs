//! What readers, the writer thread and the verifier share.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::changes::Bounds;
use super::counters::Counters;
use super::index::Written;
use super::journal::Journal;
use super::recovery::{self, Replay};
use super::ring::{Held, Page, Ring};
use super::state::State;
use super::{Gone, Options, Recovery, StoreError, files, shelve};
use crate::clock::Clock;
use crate::id::Seq;
use crate::model::Event;
use crate::model::record::LogEntry;

/// Entries of the log with their sequences, and where to go on.
pub(super) type LogPage = (Vec<(Seq, LogEntry)>, Seq);

/// The open directory. Fields are dropped in order: the lock is given back last.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) events: Journal,
    pub(super) log: Journal,
    pub(super) state: State,
    pub(super) ring: Ring,
    pub(super) head: watch::Sender<Seq>,
    pub(super) log_head: watch::Sender<Seq>,
    pub(super) counters: Counters,
    pub(super) options: Options,
    pub(super) clock: Clock,
    pub(super) instance: [u8; 32],
    /// The directory.
    pub(super) data: PathBuf,
    /// Journals (events, log) that were told to come near their budget.
    pub(super) near_budget: [AtomicBool; 2],
    /// Held by whoever erases.
    pub(super) erasing: Mutex<()>,
    /// Closed partitions of the log that are known to have an index.
    pub(super) indexed: Mutex<HashSet<u64>>,
    /// What the writer noted for these indexes.
    pub(super) written: Mutex<Written>,
    /// The log's next sequence at the last checkpoint.
    checkpoint_log: AtomicU64,
    _lock: File,
}

impl Shared {
    /// Takes the directory and recovers.
    pub(super) fn open(data: &Path, options: Options, clock: Clock) -> Result<(Arc<Self>, Recovery), StoreError> {
        let lock = files::take(data)?;
        let mut notes = Vec::new();
        let used = data.join("instance").exists();
        let instance = files::instance_key(data, clock, &mut notes)?;
        let bounds = Bounds { count: options.known_count, bytes: options.known_bytes };
        let (mut state, damaged) = recovery::open_state(data, bounds, clock, &mut notes)?;
        let meta = state.meta();
        let journals = data.join("journal");
        let log = shelve::open("log", &journals.join("log"), meta.log, clock, &mut notes)?;
        // Where the state lost its mark together with the journal's end, the log still knows how far that was: no sequence is
        // used twice.
        let known = meta.events.max(recovery::events_behind(&log));
        let events = shelve::open("events", &journals.join("events"), known, clock, &mut notes)?;
        let blank = state.is_blank()?;
        if used && blank && events.next() == 1 && log.next() == 1 {
            // Damage at the very beginning of a database makes it look like a new one.
            notes
                .push("the data directory was in use before, but nothing in it can be read: it begins anew".to_owned());
        }
        if !used && (!blank || events.next() > 1 || log.next() > 1) {
            notes.push(files::MADE_ANEW.to_owned());
        }
        if blank && !damaged && (events.next() > 1 || log.next() > 1) {
            notes.push(recovery::BUILT_ANEW.to_owned());
        }
        // Retention removes nothing that the state on disk has not seen: such a state has lost its newer part.
        let stale = !blank && (meta.events + 1 < events.kept_from() || meta.log + 1 < log.kept_from());
        if stale {
            drop(state);
            let why = "the state is older than the kept journals";
            state = recovery::replace_state(data, bounds, clock, why, &mut notes)?;
        }
        let mut replay = Replay { events: &events, log: &log, state: &state, notes: &mut notes };
        if blank || stale {
            replay.rebuild()?;
        } else {
            replay.catch_up()?;
        }
        let checkpoint_log = AtomicU64::new(replay.last_checkpoint_log()?);
        state.sync()?;
        let head = watch::Sender::new(Seq(events.next()));
        let log_head = watch::Sender::new(Seq(log.next()));
        let (ring, counters) = (Ring::default(), Counters::default());
        let shared = Self {
            events,
            log,
            state,
            ring,
            head,
            log_head,
            counters,
            options,
            clock,
            instance,
            data: data.to_owned(),
            near_budget: <[AtomicBool; 2]>::default(),
            erasing: Mutex::default(),
            indexed: Mutex::default(),
            written: Mutex::default(),
            checkpoint_log,
            _lock: lock,
        };
        Ok((Arc::new(shared), Recovery { notes }))
    }

    /// Events from `from` on out of the journal.
    pub(super) fn events_from(&self, from: u64, limit: usize) -> Result<Page, StoreError> {
        let (records, next) = self.events.read(from, u64::MAX, limit)?;
        let mut events = Vec::with_capacity(records.len());
        for stored in &records {
            match stored.event() {
                Ok(Some(event)) => events.push((Seq(stored.place.seq), Arc::new(event))),
                Ok(None) => {}
                // One unreadable record must not keep a reader from all that follow.
                Err(error) => self.events.note(error.to_string()),
            }
        }
        Ok((events, Seq(next)))
    }

    /// What `limit` records of the log tell from `from` on.
    pub(super) fn log_from(&self, from: u64, limit: usize) -> Result<LogPage, StoreError> {
        let (records, next) = self.log.read(from, u64::MAX, limit)?;
        let mut entries = Vec::with_capacity(records.len());
        for stored in &records {
            match stored.log_entry() {
                Ok(Some(entry)) => entries.extend(entry.told().map(|entry| (Seq(stored.place.seq), entry))),
                Ok(None) => {}
                Err(error) => self.log.note(error.to_string()),
            }
        }
        Ok((entries, Seq(next)))
    }

    /// One event, from memory or from the journal.
    pub(super) fn event_at(&self, seq: u64) -> Result<Option<Arc<Event>>, StoreError> {
        if let Held::Here(event) = self.ring.at(seq) {
            return Ok(event);
        }
        let (records, _) = self.events.read(seq, seq.saturating_add(1), 1)?;
        let Some(stored) = records.first().filter(|stored| stored.place.seq == seq) else { return Ok(None) };
        Ok(stored.event()?.map(Arc::new))
    }

    /// Why the event of this sequence is not there. An erase leaves an empty record.
    pub(super) fn why_gone(&self, seq: u64) -> Result<Gone, StoreError> {
        if seq < self.events.first() {
            return Ok(Gone::Removed);
        }
        let (records, _) = self.events.read(seq, seq.saturating_add(1), 1)?;
        let is_there = records.first().is_some_and(|stored| stored.place.seq == seq);
        Ok(if is_there { Gone::Erased } else { Gone::Damaged })
    }

    pub(super) fn checkpoint_log(&self) -> u64 {
        self.checkpoint_log.load(Ordering::Relaxed)
    }

    pub(super) fn set_checkpoint_log(&self, log_next: u64) {
        self.checkpoint_log.store(log_next, Ordering::Relaxed);
    }
}
