//! Partitions that are not written any more: opened when they are read, compared with their seals, mended, removed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{MutexGuard, PoisonError};

use super::super::StoreError;
use super::super::disk::{Disk, directory_bytes};
use super::super::ledger::Ledger;
use super::super::mend;
use super::super::partition::{Sealed, directory_name, failing};
use super::super::salvage::Image;
use super::super::scan::survey;
use super::{Journal, lock};

/// Closed partitions of one journal open at once. Each has a cache, of which the engine keeps the bounds only after some
/// 16,000 accesses: one that was read through is in memory as a whole.
const OPEN_CLOSED: usize = 1;

/// Cache of a closed partition, in bytes.
const CLOSED_CACHE: u64 = 2 << 20;

/// Closed partitions.
#[derive(Debug, Default)]
pub(in crate::store) struct Shelf {
    pub(in crate::store) closed: BTreeMap<u64, Closed>,
    /// Those open now, the last used at the end.
    pub(in crate::store) open: Vec<(u64, Disk)>,
    /// The one that is compared with its seal while the lock is free: nobody else may open it.
    comparing: Option<u64>,
    pub(in crate::store) ledger: Ledger,
}

/// One closed partition.
#[derive(Clone, Debug)]
pub(in crate::store) struct Closed {
    /// What `sealed.json` says.
    pub(in crate::store) sealed: Sealed,
    /// Bytes on disk.
    pub(in crate::store) bytes: u64,
    /// Whether this process has compared it with `sealed.json`.
    pub(in crate::store) verified: bool,
    /// Whether this process has opened it since it was closed. The first time, the engine writes a snapshot; from then on it
    /// can be read on a full disk, too.
    opened: bool,
    /// Length of its data file when it was last looked at: a shorter one has lost something since.
    data_bytes: u64,
}

impl Closed {
    /// The closed partition in `dir`.
    pub(in crate::store) fn new(dir: &Path, sealed: Sealed, verified: bool) -> Self {
        Self { sealed, bytes: directory_bytes(dir), verified, opened: false, data_bytes: data_bytes(dir) }
    }

    /// It was opened, and holds what was sealed.
    fn is_good(&mut self, dir: &Path) {
        (self.verified, self.opened, self.data_bytes) = (true, true, data_bytes(dir));
    }
}

impl Shelf {
    pub(super) fn put_open(&mut self, first: u64, disk: Disk) {
        self.open.push((first, disk));
        if self.open.len() > OPEN_CLOSED {
            self.open.remove(0);
        }
    }
}

impl Journal {
    /// Opens one closed partition that was not opened since it was closed, and compares it with its seal if this process has
    /// not. `false` when all have been. Only who reads that very partition waits for it.
    pub(in crate::store) fn verify_next(&self) -> Result<bool, StoreError> {
        let mut shelf = lock(&self.shelf);
        let due = shelf.closed.values().rev().find(|closed| !closed.verified || !closed.opened);
        let Some(Closed { sealed, verified, data_bytes: had, .. }) = due.cloned() else { return Ok(false) };
        shelf.comparing = Some(sealed.first);
        drop(shelf);
        // Dropped after the lock below.
        let _comparing = Comparing(self);
        let dir = self.dir.join(directory_name(sealed.first));
        let verified = verified && data_bytes(&dir) >= had;
        let image = if verified { None } else { Some(take(&dir)?) };
        let fits = open(&dir).and_then(|disk| Ok(verified || sealed.fits(&survey(&disk, sealed.first, |_| Ok(()))?)));
        let mut shelf = lock(&self.shelf);
        match fits {
            Ok(true) => {
                if let Some(closed) = shelf.closed.get_mut(&sealed.first) {
                    closed.is_good(&dir);
                }
            }
            Ok(false) | Err(StoreError::Corrupt { .. }) => {
                let image = image.map_or_else(|| take(&dir), Ok)?;
                // Retention may have removed it meanwhile.
                if shelf.closed.contains_key(&sealed.first) {
                    self.mend(&mut shelf, &sealed, &image)?;
                }
            }
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    /// Waits until nobody compares the partition that begins at `first`.
    pub(super) fn compared<'a>(&self, shelf: MutexGuard<'a, Shelf>, first: u64) -> MutexGuard<'a, Shelf> {
        let busy = |shelf: &mut Shelf| shelf.comparing == Some(first);
        self.compared.wait_while(shelf, busy).unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives back the memory of a closed partition that is not read again soon.
    pub(in crate::store) fn put_away(&self, first: u64) {
        lock(&self.shelf).open.retain(|(open, _)| *open != first);
    }

    /// Has a closed partition compared with its seal again when it is read next.
    pub(super) fn suspect(&self, first: u64) {
        let mut shelf = lock(&self.shelf);
        shelf.open.retain(|(open, _)| *open != first);
        if let Some(closed) = shelf.closed.get_mut(&first) {
            closed.verified = false;
        }
    }

    /// Removes the oldest closed partition; its directory is gone then, and its disk free.
    pub(in crate::store) fn remove_oldest(&self) -> Result<Option<Closed>, StoreError> {
        let mut shelf = lock(&self.shelf);
        let Some((first, closed)) = shelf.closed.first_key_value().map(|(first, closed)| (*first, closed.clone()))
        else {
            return Ok(None);
        };
        shelf.ledger.kept_from = shelf.ledger.kept_from.max(closed.sealed.last + 1);
        shelf.ledger.write(&self.dir)?;
        shelf.open.retain(|(open, _)| *open != first);
        shelf.closed.remove(&first);
        let dir = self.dir.join(directory_name(first));
        fs::remove_dir_all(&dir).map_err(|error| failing(&dir, &error))?;
        Ok(Some(closed))
    }

    /// Opens a closed partition, comparing it with its seal the first time; mends it where they differ. `None` if nothing
    /// of it could be saved.
    pub(super) fn open_closed(
        &self,
        shelf: &mut MutexGuard<'_, Shelf>,
        first: u64,
    ) -> Result<Option<Disk>, StoreError> {
        if let Some(at) = shelf.open.iter().position(|(open, _)| *open == first) {
            let entry = shelf.open.remove(at);
            shelf.open.push(entry.clone());
            return Ok(Some(entry.1));
        }
        let Some(closed) = shelf.closed.get(&first).cloned() else { return Ok(None) };
        let dir = self.dir.join(directory_name(first));
        // Before it is opened: the engine makes a short file longer again.
        let untouched = closed.verified && data_bytes(&dir) >= closed.data_bytes;
        let image = if untouched { None } else { Some(take(&dir)?) };
        let fits = open(&dir).and_then(|disk| {
            let whole = untouched || closed.sealed.fits(&survey(&disk, first, |_| Ok(()))?);
            Ok(whole.then_some(disk))
        });
        let disk = match fits {
            Ok(Some(disk)) => {
                if let Some(closed) = shelf.closed.get_mut(&first) {
                    closed.is_good(&dir);
                }
                disk
            }
            Ok(None) | Err(StoreError::Corrupt { .. }) => {
                let image = image.map_or_else(|| take(&dir), Ok)?;
                match self.mend(shelf, &closed.sealed, &image)? {
                    Some(disk) => disk,
                    None => return Ok(None),
                }
            }
            Err(error) => return Err(error),
        };
        shelf.put_open(first, disk.clone());
        Ok(Some(disk))
    }

    fn mend(&self, shelf: &mut Shelf, sealed: &Sealed, image: &Image) -> Result<Option<Disk>, StoreError> {
        let mended = mend::mend(&self.dir, sealed.first, sealed.last, image, self.clock.now())?;
        self.note(mended.text(self.name, sealed));
        let Some(new) = mended.sealed else {
            shelf.closed.remove(&sealed.first);
            shelf.ledger.gaps.push((sealed.first, sealed.last));
            shelf.ledger.write(&self.dir)?;
            return Ok(None);
        };
        let dir = self.dir.join(directory_name(sealed.first));
        let disk = Disk::open(&dir, CLOSED_CACHE)?;
        if new.last < sealed.last {
            shelf.ledger.gaps.push((new.last + 1, sealed.last));
            shelf.ledger.write(&self.dir)?;
        }
        shelf.closed.insert(sealed.first, Closed::new(&dir, new, true));
        Ok(Some(disk))
    }
}

/// While it lives, `Shelf::comparing` may be set.
struct Comparing<'a>(&'a Journal);

impl Drop for Comparing<'_> {
    fn drop(&mut self) {
        lock(&self.0.shelf).comparing = None;
        self.0.compared.notify_all();
    }
}

fn open(dir: &Path) -> Result<Disk, StoreError> {
    if !dir.is_dir() {
        return Err(gone(dir));
    }
    Disk::open(dir, CLOSED_CACHE).map_err(|error| match error {
        StoreError::Unavailable(text) => StoreError::Unavailable(format!(
            "{text} (a closed partition that is read for the first time takes a little room; others can be read)"
        )),
        other => other,
    })
}

/// What stands in the files before the engine sees them.
pub(in crate::store) fn take(dir: &Path) -> Result<Image, StoreError> {
    Image::take(dir).map_err(|error| failing(dir, &error))
}

fn data_bytes(dir: &Path) -> u64 {
    fs::metadata(dir.join("db")).map_or(0, |data| data.len())
}

fn gone(dir: &Path) -> StoreError {
    StoreError::Corrupt { place: dir.display().to_string(), text: "the directory is gone".to_owned() }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::super::super::{record, shelve};
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn only_who_reads_the_partition_that_is_compared_waits_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let journal = shelve::open("events", dir.path(), 0, Clock::System, &mut Vec::new()).unwrap();
        for _ in 0..3 {
            journal.append(&[(record::encode(1, &"text").unwrap(), 0)], 0).unwrap();
            journal.roll().unwrap();
        }
        lock(&journal.shelf).closed.values_mut().for_each(|closed| closed.verified = false);
        lock(&journal.shelf).comparing = Some(1);
        let comparing = Comparing(&journal);
        let read = |first: u64| journal.read(first, first + 1, 1).unwrap().0.len();
        assert_eq!(read(2), 1);
        std::thread::scope(|scope| {
            let (tell, told) = mpsc::channel();
            scope.spawn(move || tell.send(read(1)).unwrap());
            assert_eq!(read(3), 1);
            assert!(told.try_recv().is_err());
            drop(comparing);
            assert_eq!(told.recv(), Ok(1));
        });
        lock(&journal.shelf).closed.values_mut().for_each(|closed| closed.verified = false);
        lock(&journal.shelf).open.clear();
        let rounds = std::iter::from_fn(|| journal.verify_next().unwrap().then_some(())).count();
        assert!(rounds == 3 && journal.closed().iter().all(|closed| closed.verified));
        assert!(lock(&journal.shelf).open.is_empty(), "what is only compared is not kept open");
    }
}
