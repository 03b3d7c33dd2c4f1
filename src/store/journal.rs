//! A journal: partitions in order, the last of them written, the others closed.
//!
//! Only the writer thread appends, rolls and removes. Reads come from any thread and never wait for a write.

mod closed;
pub(super) mod rewrite;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, RwLock};

use super::StoreError;
use super::disk::Disk;
use super::partition::{Active, Sealed, directory_name};
use super::record::{Encoded, Stored};
use super::scan::{Found, Walk};
use crate::clock::{Clock, Timestamp};

pub(super) use closed::{Closed, Shelf, take};

/// Bytes of records one read gives at most (and at least one record).
const READ_BYTES: usize = 16 << 20;

/// Notes for the log kept until the writer takes them.
const MAX_NOTES: usize = 64;

/// One of the two journals.
#[derive(Debug)]
pub(super) struct Journal {
    /// `events` or `log`.
    pub(super) name: &'static str,
    dir: PathBuf,
    clock: Clock,
    /// The next sequence; all before it are durable.
    next: AtomicU64,
    /// First sequence and database of the partition that is written.
    view: RwLock<(u64, Option<Disk>)>,
    writing: Mutex<Writing>,
    shelf: Mutex<Shelf>,
    /// Told when a closed partition was compared with its seal.
    compared: Condvar,
    notes: Mutex<Vec<String>>,
}

/// The writer's side.
#[derive(Debug)]
enum Writing {
    /// Ready.
    Open(Active),
    /// A write failed: the partition that begins at `first` must be opened again, to go on at `next`.
    Broken { first: u64, next: u64 },
}

impl Journal {
    /// Puts together what opening found.
    pub(super) fn assemble(name: &'static str, dir: PathBuf, clock: Clock, active: Active, shelf: Shelf) -> Self {
        Self {
            name,
            dir,
            clock,
            next: AtomicU64::new(active.next),
            view: RwLock::new((active.first, Some(active.disk.clone()))),
            writing: Mutex::new(Writing::Open(active)),
            shelf: Mutex::new(shelf),
            compared: Condvar::new(),
            notes: Mutex::default(),
        }
    }

    /// The next sequence.
    pub(super) fn next(&self) -> u64 {
        self.next.load(Ordering::Acquire)
    }

    /// The first sequence that is kept.
    pub(super) fn first(&self) -> u64 {
        let closed = lock(&self.shelf).closed.keys().next().copied();
        closed.unwrap_or_else(|| self.active().0)
    }

    /// Retention removed all before this sequence.
    pub(super) fn kept_from(&self) -> u64 {
        lock(&self.shelf).ledger.kept_from
    }

    /// First sequences of the partitions, the one written last.
    pub(super) fn firsts(&self) -> Vec<u64> {
        let mut firsts: Vec<u64> = lock(&self.shelf).closed.keys().copied().collect();
        firsts.push(self.active().0);
        firsts
    }

    /// First sequence of the partition that is written.
    pub(super) fn writing(&self) -> u64 {
        self.active().0
    }

    /// The directory of the partition that begins at `first`.
    pub(super) fn partition_dir(&self, first: u64) -> PathBuf {
        self.dir.join(directory_name(first))
    }

    /// The sequence behind the last one of the partition that begins at `first`.
    pub(super) fn end_of(&self, first: u64) -> u64 {
        lock(&self.shelf).closed.get(&first).map_or_else(|| self.next(), |closed| closed.sealed.last + 1)
    }

    /// The closed partitions, oldest first.
    pub(super) fn closed(&self) -> Vec<Closed> {
        lock(&self.shelf).closed.values().cloned().collect()
    }

    /// Bytes on disk of all partitions.
    pub(super) fn bytes(&self) -> u64 {
        let closed: u64 = lock(&self.shelf).closed.values().map(|closed| closed.bytes).sum();
        closed + self.active().1.map_or(0, |disk| disk.bytes())
    }

    /// Appends records in one batch, durably; gives the first one's sequence. After an error nothing of it is kept.
    pub(super) fn append(&self, records: &[(Encoded, u16)], after: u64) -> Result<u64, StoreError> {
        let mut writing = lock(&self.writing);
        let active = self.ready(&mut writing)?;
        let first = active.next;
        if let Err(error) = active.append(records, after) {
            *writing = Writing::Broken { first: active.first, next: first };
            return Err(error);
        }
        self.next.store(active.next, Ordering::Release);
        Ok(first)
    }

    /// Opens the written partition again where a write failed: until then it may be read nowhere.
    pub(super) fn reopen(&self) -> Result<(), StoreError> {
        self.ready(&mut lock(&self.writing)).map(drop)
    }

    /// Whether a write failed, and the written partition was not opened again since.
    pub(super) fn is_broken(&self) -> bool {
        matches!(*lock(&self.writing), Writing::Broken { .. })
    }

    /// The written partition; after an error it is opened again, and what was not acknowledged is taken back.
    fn ready<'a>(&self, writing: &'a mut Writing) -> Result<&'a mut Active, StoreError> {
        if let Writing::Broken { first, next } = *writing {
            // The file stays locked until the last clone is gone.
            self.show(first, None);
            let (mut active, found) = Active::open(&self.dir, first, self.clock.now())?;
            if found.last_any >= next {
                active.cut(next)?;
            }
            if active.next != next {
                let text = format!("the {} journal lost records after {}: restart to mend it", self.name, active.next);
                return Err(StoreError::Unavailable(text));
            }
            self.show(first, Some(active.disk.clone()));
            *writing = Writing::Open(active);
        }
        match writing {
            Writing::Open(active) => Ok(active),
            Writing::Broken { .. } => Err(StoreError::Unavailable(format!("the {} journal is not open", self.name))),
        }
    }

    fn show(&self, first: u64, disk: Option<Disk>) {
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = (first, disk);
    }

    /// Whether the written partition is large or old enough to be closed, and has more in it than a checkpoint at
    /// its head.
    pub(super) fn wants_roll(&self, max_bytes: u64, max_age: std::time::Duration) -> bool {
        let mut writing = lock(&self.writing);
        let Writing::Open(active) = &mut *writing else { return false };
        let old = self.clock.now().since(active.begun) >= max_age;
        active.has_more_than(u64::from(self.name == "events" && active.first > 1))
            && (old || active.has_bytes(max_bytes))
    }

    /// Closes the written partition and begins the next.
    pub(super) fn roll(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let mut writing = lock(&self.writing);
        let old = self.ready(&mut writing)?;
        if old.is_empty() {
            return Ok(());
        }
        let sealed = old.seal(now)?;
        tracing::trace!(target: "shopbell::step", "partition sealed");
        let new = Active::create(&self.dir, old.next, now).inspect_err(|_| old.unseal(&self.dir))?;
        tracing::trace!(target: "shopbell::step", "partition begun");
        let mut shelf = lock(&self.shelf);
        // It is not kept open: all of it would stay in memory, and who keeps up reads the ring.
        let closed = Closed::new(&self.partition_dir(sealed.first), sealed, true);
        shelf.closed.insert(closed.sealed.first, closed);
        self.show(new.first, Some(new.disk.clone()));
        *writing = Writing::Open(new);
        Ok(())
    }

    /// Records from `from` on and before `to`, at most `limit` and a bounded number of bytes, and where to go on. What is
    /// not kept, or lost, is skipped. Where to go on is `to` (or the head, if that is before it) when there is no more.
    pub(super) fn read(&self, from: u64, to: u64, limit: usize) -> Result<(Vec<Stored>, u64), StoreError> {
        // Before the view: a view at least as new as the head holds all before the head, or begins after `from`.
        let head = self.next().min(to);
        let (mut from, mut records, mut bytes, mut suspected) = (from, Vec::new(), 0, 0);
        while from < head {
            let (disk, end, sealed) = match self.source(from)? {
                Source::Skip(next) => {
                    from = next;
                    continue;
                }
                Source::Disk(disk, end, sealed) => (disk, end.min(head), sealed),
            };
            let mut walk = Walk::new(&disk, from)?;
            let mut expected = from;
            loop {
                let found = walk.next()?;
                let seq = match &found {
                    Some(Found::Good(stored)) => stored.place.seq.min(end),
                    Some(Found::Bad(seq)) => (*seq).min(end),
                    None => end,
                };
                // A closed partition that has lost something since it was verified is looked at again, and mended.
                if let Some(sealed) = &sealed
                    && suspected != sealed.first
                    && (matches!(found, Some(Found::Bad(_))) || !sealed.explains(expected, seq))
                {
                    suspected = sealed.first;
                    self.suspect(sealed.first);
                    from = expected;
                    break;
                }
                match found {
                    Some(Found::Bad(seq)) => {
                        self.note(format!("record {seq} of the {} journal is damaged", self.name));
                        expected = seq + 1;
                    }
                    Some(Found::Good(stored)) if stored.place.seq < end => {
                        bytes += stored.len();
                        expected = stored.place.seq + 1;
                        records.push(stored);
                        if records.len() >= limit || bytes >= READ_BYTES {
                            return Ok((records, expected));
                        }
                    }
                    Some(Found::Good(_)) | None => {
                        from = end;
                        break;
                    }
                }
            }
        }
        Ok((records, from))
    }

    /// Takes what was noticed since the last call.
    pub(super) fn take_notes(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.notes))
    }

    /// Keeps a sentence for the log.
    pub(super) fn note(&self, text: String) {
        let mut notes = lock(&self.notes);
        if notes.len() < MAX_NOTES && !notes.contains(&text) {
            notes.push(text);
        }
    }

    fn active(&self) -> (u64, Option<Disk>) {
        self.view.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn source(&self, from: u64) -> Result<Source, StoreError> {
        let (first, disk) = self.active();
        if from >= first {
            let away = || StoreError::Unavailable(format!("the {} journal is being opened again", self.name));
            return Ok(Source::Disk(disk.ok_or_else(away)?, u64::MAX, None));
        }
        let mut shelf = lock(&self.shelf);
        let before = shelf.closed.range(..=from).next_back().map(|(_, closed)| closed.sealed.clone());
        let after = shelf.closed.range(from + 1..).next().map_or(first, |(after, _)| *after);
        let Some(sealed) = before.filter(|sealed| from <= sealed.last) else { return Ok(Source::Skip(after)) };
        shelf = self.compared(shelf, sealed.first);
        match self.open_closed(&mut shelf, sealed.first)? {
            Some(disk) => {
                let sealed = shelf.closed.get(&sealed.first).map_or(sealed, |closed| closed.sealed.clone());
                Ok(Source::Disk(disk, sealed.last + 1, Some(sealed)))
            }
            None => Ok(Source::Skip(after)),
        }
    }
}

enum Source {
    /// Here, up to before this sequence; with its seal if it is closed.
    Disk(Disk, u64, Option<Sealed>),
    /// Nothing before this sequence.
    Skip(u64),
}

/// Takes a lock; a panic of another holder left nothing half done that matters here.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// When something was set aside, as part of a name.
pub(super) fn aside_name(dir: &Path, now: Timestamp) -> PathBuf {
    let mut name = dir.as_os_str().to_owned();
    name.push(format!(".damaged-{}", now.as_millis()));
    name.into()
}
