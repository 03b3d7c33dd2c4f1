//! Opening a journal: which partitions there are, what is missing, and where writing goes on.

use std::fs;
use std::path::Path;

use super::StoreError;
use super::checked::Content;
use super::journal::{Closed, Journal, Shelf, rewrite, take};
use super::ledger::Ledger;
use super::mend::{self, UNFINISHED};
use super::partition::{Active, Sealed, directory_name, failing, parse_directory_name, sync_directory};
use super::salvage::Image;
use super::scan::{Survey, survey};
use crate::clock::Clock;

/// Sequences left out where the end of a journal was lost: none that a receiver or a cursor has seen is used again.
const JUMP: u64 = 65_536;

/// Cache while a partition without a seal is walked over, in bytes.
const CACHE: u64 = 2 << 20;

/// Opens (or makes) the journal in `dir`. `applied` is the last of its records that the state has seen.
pub(super) fn open(
    name: &'static str,
    dir: &Path,
    applied: u64,
    clock: Clock,
    notes: &mut Vec<String>,
) -> Result<Journal, StoreError> {
    fs::create_dir_all(dir).map_err(|error| failing(dir, &error))?;
    let mut opening = Opening { name, dir, applied, clock, notes, shelf: Shelf::default() };
    opening.read_ledger()?;
    let mut firsts = opening.directories()?;
    let last = firsts.pop();
    let ends = firsts.iter().skip(1).copied().chain(last);
    for (first, next) in firsts.iter().zip(ends) {
        opening.shelve(*first, next)?;
    }
    let active = match last {
        Some(last) => opening.last(last)?,
        None => opening.begin(1)?,
    };
    opening.report_gaps(active.first)?;
    let shelf = opening.shelf;
    Ok(Journal::assemble(name, dir.to_owned(), clock, active, shelf))
}

struct Opening<'a> {
    name: &'static str,
    dir: &'a Path,
    applied: u64,
    clock: Clock,
    notes: &'a mut Vec<String>,
    shelf: Shelf,
}

impl Opening<'_> {
    /// Reads what is known to be absent. Where that is lost, what there is counts as all that was kept: nothing is removed for
    /// a number that may be wrong.
    fn read_ledger(&mut self) -> Result<(), StoreError> {
        self.shelf.ledger = match Ledger::read(self.dir) {
            Content::Whole(ledger) => ledger,
            Content::Missing => Ledger::default(),
            Content::Damaged => {
                self.notes.push(format!(
                    "the ledger.json of the {} journal was damaged and is made anew: what retention removed, or was lost \
                     before, may now be told as missing",
                    self.name
                ));
                let ledger = Ledger::default();
                ledger.write(self.dir)?;
                ledger
            }
        };
        Ok(())
    }

    /// First sequences of the partitions there are; finishes what a crash interrupted.
    fn directories(&mut self) -> Result<Vec<u64>, StoreError> {
        let fault = |error| failing(self.dir, &error);
        let mut firsts = Vec::new();
        for entry in fs::read_dir(self.dir).map_err(fault)? {
            let path = entry.map_err(fault)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if !path.is_dir() {
                continue;
            }
            if name.ends_with(UNFINISHED) || name.ends_with(rewrite::UNFINISHED) {
                fs::remove_dir_all(&path).map_err(fault)?;
            } else if let Some(first) = name.strip_suffix(rewrite::FINISHED).and_then(parse_directory_name) {
                // The copy is whole: what it replaces goes, if it is still there.
                let dir = self.dir.join(directory_name(first));
                if dir.exists() {
                    fs::remove_dir_all(&dir).map_err(fault)?;
                }
                fs::rename(&path, &dir).and_then(|()| sync_directory(self.dir)).map_err(fault)?;
                firsts.push(first);
            } else if let Some(first) = parse_directory_name(name) {
                firsts.push(first);
            }
        }
        firsts.sort_unstable();
        firsts.dedup();
        // Retention notes what it removes before it does.
        let kept_from = self.shelf.ledger.kept_from;
        while firsts.len() > 1 && firsts[1] <= kept_from {
            let dir = self.dir.join(directory_name(firsts.remove(0)));
            fs::remove_dir_all(&dir).map_err(fault)?;
        }
        Ok(firsts)
    }

    /// Takes in a partition that is not written any more; the one after it begins at `next`.
    fn shelve(&mut self, first: u64, next: u64) -> Result<(), StoreError> {
        let dir = self.dir.join(directory_name(first));
        let sealed = match Sealed::read(&dir).filter(|sealed| sealed.first == first && sealed.last >= first) {
            Some(sealed) => Some(sealed),
            None => self.seal(first, next)?,
        };
        if let Some(sealed) = sealed {
            self.shelf.closed.insert(first, Closed::new(&dir, sealed, false));
        }
        Ok(())
    }

    /// Seals a partition whose seal is missing or damaged, with what stands in it.
    fn seal(&mut self, first: u64, next: u64) -> Result<Option<Sealed>, StoreError> {
        let now = self.clock.now();
        let dir = self.dir.join(directory_name(first));
        let image = take(&dir)?;
        let found = super::disk::Disk::open(&dir, CACHE).and_then(|disk| survey(&disk, first, |_| Ok(())));
        match found {
            Ok(found) if self.is_dense(first, next, &found) => {
                let (last, count) = (found.last_any, found.count);
                let sealed =
                    Sealed { first, last, count, checksum: found.hasher.finalize(), at: now, holes: Vec::new() };
                sealed.write(&dir)?;
                self.notes.push(format!(
                    "the partition of the {} journal that begins at record {first} had no sealed.json, or a damaged one: \
                     it was made anew; the {count} records up to {last} are whole",
                    self.name
                ));
                Ok(Some(sealed))
            }
            Ok(_) | Err(StoreError::Corrupt { .. }) => self.mend(first, &image),
            Err(other) => Err(other),
        }
    }

    /// Whether nothing is missing from `first` to the end, and up to `next` nothing that is not known to be.
    fn is_dense(&self, first: u64, next: u64, found: &Survey) -> bool {
        let end = found.last_any + 1;
        let dense = found.holes.is_empty() && found.count > 0 && end <= first + found.count;
        dense && (end >= next || self.shelf.ledger.explains(end, next - 1))
    }

    fn mend(&mut self, first: u64, image: &Image) -> Result<Option<Sealed>, StoreError> {
        let mended = mend::mend(self.dir, first, u64::MAX, image, self.clock.now())?;
        let (saved, lost) = mended
            .sealed
            .as_ref()
            .map_or((0, 0), |sealed| (sealed.count, sealed.last + 1 - sealed.first - sealed.count));
        let aside = mended.aside.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        let lost = if lost > 0 { format!(", {lost} between them are lost") } else { String::new() };
        self.notes.push(format!(
            "the partition of the {} journal that begins at record {first} was damaged: {saved} records were saved{lost}; \
             the damaged files are in {aside}",
            self.name
        ));
        Ok(mended.sealed)
    }

    /// Opens the newest partition to go on writing; where it is closed or damaged, a new one is begun.
    fn last(&mut self, first: u64) -> Result<Active, StoreError> {
        let dir = self.dir.join(directory_name(first));
        let image = take(&dir)?;
        let (mut active, found) = match Active::open(self.dir, first, self.clock.now()) {
            Ok(opened) => opened,
            Err(StoreError::Corrupt { .. }) => {
                let last = self.take_mended(first, &image)?;
                return self.begin(last.max(first) + JUMP);
            }
            Err(other) => return Err(other),
        };
        let end = active.next;
        if Sealed::read(&dir).is_some_and(|sealed| sealed.fits(&found)) {
            drop(active);
            self.shelve(first, end)?;
            return self.begin(end);
        }
        active.unseal(self.dir);
        let overlaps = self.shelf.closed.values().any(|closed| closed.sealed.last >= first);
        if active.is_empty() && overlaps {
            drop(active);
            fs::remove_dir_all(&dir).map_err(|error| failing(&dir, &error))?;
            return self.begin(first);
        }
        if !found.holes.is_empty() {
            drop((active, found.hasher));
            let last = self.take_mended(first, &image)?;
            return self.begin(last.max(found.last_any) + 1);
        }
        if found.last_any >= end {
            self.notes.push(format!(
                "records {end} to {} of the {} journal were not finished when the process ended, and are taken back",
                found.last_any, self.name
            ));
            active.cut(end)?;
        }
        if end > self.applied {
            return Ok(active);
        }
        // Acknowledged records are gone, and may still stand behind what the engine could read. The sequence goes on behind
        // them, in a partition of its own.
        drop((active, found.hasher));
        self.take_mended(first, &image)?;
        self.begin(end)
    }

    /// Mends the newest partition, which is closed with that. Gives the last sequence that was saved, or 0.
    fn take_mended(&mut self, first: u64, image: &Image) -> Result<u64, StoreError> {
        let Some(sealed) = self.mend(first, image)? else { return Ok(0) };
        let (dir, last) = (self.dir.join(directory_name(first)), sealed.last);
        self.shelf.closed.insert(first, Closed::new(&dir, sealed, true));
        Ok(last)
    }

    /// Begins a partition behind all that is known, at `least` or later.
    fn begin(&mut self, least: u64) -> Result<Active, StoreError> {
        let known = self.shelf.closed.values().next_back().map_or(0, |closed| closed.sealed.last);
        let expected = (known + 1).max(self.shelf.ledger.kept_from);
        let mut first = expected.max(least);
        if self.applied >= first {
            first = self.applied + JUMP;
            self.notes.push(format!(
                "the {} journal lost its end: records {expected} to {} were written and are gone; it goes on at {first}",
                self.name, self.applied
            ));
        }
        if first > expected {
            self.shelf.ledger.gaps.push((expected, first - 1));
            self.shelf.ledger.write(self.dir)?;
        }
        Active::create(self.dir, first, self.clock.now())
    }

    /// Tells, once, which records are missing between partitions.
    fn report_gaps(&mut self, active_first: u64) -> Result<(), StoreError> {
        let mut at = self.shelf.ledger.kept_from.max(1);
        let mut gaps = Vec::new();
        let runs = self.shelf.closed.values().map(|closed| (closed.sealed.first, closed.sealed.last + 1));
        for (first, after) in runs.chain([(active_first, active_first)]) {
            if first > at && !self.shelf.ledger.explains(at, first - 1) {
                gaps.push((at, first - 1));
            }
            at = after.max(at);
        }
        if gaps.is_empty() {
            return Ok(());
        }
        for (from, to) in &gaps {
            self.notes.push(format!("records {from} to {to} of the {} journal are missing", self.name));
        }
        self.shelf.ledger.gaps.extend(gaps);
        self.shelf.ledger.write(self.dir)
    }
}

#[cfg(test)]
mod tests {
    use super::super::record;
    use super::*;
    use crate::clock::Timestamp;

    const CLOCK: Clock = Clock::System;

    fn opened(dir: &Path, applied: u64) -> (Journal, Vec<String>) {
        let mut notes = Vec::new();
        (open("events", dir, applied, CLOCK, &mut notes).unwrap(), notes)
    }

    fn append(journal: &Journal, left: u16) -> u64 {
        journal.append(&[(record::encode(1, &"text").unwrap(), left)], 0).unwrap()
    }

    #[test]
    fn an_entry_without_its_end_is_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = opened(dir.path(), 0);
        assert_eq!((append(&journal, 1), append(&journal, 0), append(&journal, 2), append(&journal, 1)), (1, 2, 3, 4));
        drop(journal);
        let (journal, notes) = opened(dir.path(), 2);
        assert!(notes.len() == 1 && notes[0].contains("records 3 to 4"), "{notes:?}");
        assert_eq!((journal.next(), append(&journal, 0)), (3, 3));
        drop(journal);
        let (journal, notes) = opened(dir.path(), 3);
        assert_eq!((journal.next(), notes), (4, Vec::new()));
        assert_eq!(journal.read(1, u64::MAX, 10).unwrap().0.len(), 3);
    }

    #[test]
    fn a_roll_that_a_crash_interrupted_is_finished() {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = opened(dir.path(), 0);
        append(&journal, 0);
        journal.roll().unwrap();
        append(&journal, 0);
        drop(journal);
        let part = |first| dir.path().join(directory_name(first));
        // The seal was not written yet.
        fs::remove_file(part(1).join("sealed.json")).unwrap();
        let (journal, notes) = opened(dir.path(), 2);
        assert_eq!((journal.next(), notes.len()), (3, 1));
        assert!(notes[0].contains("sealed.json") && notes[0].contains("the 1 records up to 1 are whole"), "{notes:?}");
        drop(journal);
        // The seal was written, the next partition not begun.
        fs::remove_dir_all(part(2)).unwrap();
        let (journal, notes) = opened(dir.path(), 1);
        assert_eq!((journal.next(), journal.firsts(), notes), (2, vec![1, 2], Vec::new()));
        append(&journal, 0);
        drop(journal);
        // A stale seal: the next partition could not be begun, and writing went on behind the seal.
        let (journal, _) = opened(dir.path(), 2);
        journal.roll().unwrap();
        drop(journal);
        fs::remove_dir_all(part(3)).unwrap();
        let mut sealed = Sealed::read(&part(2)).unwrap();
        sealed.count = 0;
        sealed.write(&part(2)).unwrap();
        let (journal, notes) = opened(dir.path(), 2);
        assert_eq!((journal.next(), journal.firsts(), notes), (3, vec![1, 2], Vec::new()));
        assert_eq!(append(&journal, 0), 3);
    }

    #[test]
    fn a_damaged_ledger_removes_nothing_and_is_told_once() {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = opened(dir.path(), 0);
        for _ in 0..3 {
            append(&journal, 0);
            journal.roll().unwrap();
        }
        drop(journal);
        Ledger { kept_from: 1, gaps: Vec::new() }.write(dir.path()).unwrap();
        let path = dir.path().join("ledger.json");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("kept_from\":1", "kept_from\":9")).unwrap();
        let (journal, notes) = opened(dir.path(), 3);
        assert_eq!(journal.firsts(), [1, 2, 3, 4]);
        assert!(notes.len() == 1 && notes[0].contains("ledger.json"), "{notes:?}");
        drop(journal);
        assert_eq!(opened(dir.path(), 3).1, Vec::<String>::new());
    }

    #[test]
    fn an_empty_partition_inside_another_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = opened(dir.path(), 0);
        for _ in 0..5 {
            append(&journal, 0);
        }
        drop(journal);
        // A full disk may leave what could not be begun, while the one before goes on.
        drop(Active::create(dir.path(), 3, Timestamp::from_millis(0)).unwrap());
        let (journal, notes) = opened(dir.path(), 5);
        assert_eq!((journal.next(), journal.firsts()), (6, vec![1, 6]));
        assert!(notes.len() == 1 && notes[0].contains("the 5 records up to 5 are whole"), "{notes:?}");
    }
}
