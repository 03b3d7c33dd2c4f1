//! Walking over the records of one database, value by value, without trusting any of them.

use std::collections::VecDeque;
use std::ops::Bound;

use super::StoreError;
use super::disk::{Disk, Pair};
use super::keys;
use super::pack;
use super::record::{self, Stored};

/// Values read at once when a walk begins; each further page is twice as long.
const FIRST_PAGE: usize = 4;

/// Values read at once at most: 64 of at most 16 KiB are at most 1 MiB of memory.
const PAGE: usize = 64;

/// What stands at the next sequence that has any value.
#[derive(Debug)]
pub(super) enum Found {
    /// A record whose checksum fits.
    Good(Stored),
    /// Values that are no record.
    Bad(u64),
}

/// A walk over the records from a sequence on, ascending.
pub(super) struct Walk<'a> {
    disk: &'a Disk,
    /// The first sequence of interest.
    first: u64,
    from: Vec<u8>,
    page: VecDeque<Pair>,
    page_size: usize,
    /// Records of the pack that was opened last.
    packed: VecDeque<(u64, Vec<u8>)>,
    ended: bool,
}

impl<'a> Walk<'a> {
    /// Starts at the first record at or after `from`.
    pub(super) fn new(disk: &'a Disk, from: u64) -> Result<Self, StoreError> {
        let mut key = keys::record(from, 0);
        // It may stand in a pack that begins before it.
        if let Some((before, value)) = disk.at_or_before(&key)?
            && let Some((seq, 0)) = keys::parse_record(&before)
            && seq.saturating_add(pack::count(&value)) > from
        {
            key = before;
        }
        let (page, packed) = (VecDeque::new(), VecDeque::new());
        Ok(Self { disk, first: from, from: key, page, page_size: FIRST_PAGE, packed, ended: false })
    }

    /// The next record; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Found>, StoreError> {
        loop {
            if let Some((seq, whole)) = self.packed.pop_front() {
                if seq >= self.first {
                    return Ok(Some(record::parse(seq, whole).map_or(Found::Bad(seq), Found::Good)));
                }
                continue;
            }
            let Some((seq, chunk, value)) = self.pop()? else { return Ok(None) };
            if chunk == 0 && pack::is_pack(&value) {
                let Some(records) = pack::open(&value) else { return Ok(Some(Found::Bad(seq))) };
                self.packed = (seq..).zip(records).collect();
                continue;
            }
            return self.alone(seq, chunk, value).map(Some);
        }
    }

    /// The record whose first value this is.
    fn alone(&mut self, seq: u64, chunk: u16, first: Vec<u8>) -> Result<Found, StoreError> {
        let count = if chunk == 0 { record::value_count(&first) } else { None };
        let mut whole = first;
        let mut dense = count.is_some();
        let mut expected = 1;
        while let Some((_, chunk, value)) = self.pop_of(seq)? {
            dense &= chunk == expected;
            if dense {
                whole.extend_from_slice(&value);
                expected += 1;
            }
        }
        let stored = if dense && count == Some(expected) { record::parse(seq, whole) } else { None };
        Ok(stored.map_or(Found::Bad(seq), Found::Good))
    }

    fn pop_of(&mut self, seq: u64) -> Result<Option<(u64, u16, Vec<u8>)>, StoreError> {
        self.fill()?;
        match self.page.front().and_then(|(key, _)| keys::parse_record(key)) {
            Some((of, _)) if of == seq => self.pop(),
            _ => Ok(None),
        }
    }

    /// The next value with its place. A key that is none of ours counts as a bad value of the sequence 0.
    fn pop(&mut self) -> Result<Option<(u64, u16, Vec<u8>)>, StoreError> {
        self.fill()?;
        Ok(self.page.pop_front().map(|(key, value)| {
            let (seq, chunk) = keys::parse_record(&key).unwrap_or((0, u16::MAX));
            (seq, chunk, value)
        }))
    }

    fn fill(&mut self) -> Result<(), StoreError> {
        if !self.page.is_empty() || self.ended {
            return Ok(());
        }
        self.page = self.disk.range(&self.from, Bound::Unbounded, self.page_size)?.into();
        self.page_size = (self.page_size * 2).min(PAGE);
        match self.page.back() {
            Some((key, _)) => {
                self.from.clone_from(key);
                // The least key after this one.
                self.from.push(0);
            }
            None => self.ended = true,
        }
        Ok(())
    }
}

/// What a walk over a whole partition found.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Good records.
    pub(super) count: u64,
    /// Checksum over the checksums of the good records, in order.
    pub(super) hasher: crc32fast::Hasher,
    /// The last good record that ends a group entry; 0 if there is none.
    pub(super) last_whole: u64,
    /// The last sequence with any value at all; 0 if there is none.
    pub(super) last_any: u64,
    /// First sequences missing or damaged up to the last good record, each with the last of its run.
    pub(super) holes: Vec<(u64, u64)>,
}

/// Walks over all records of a partition that begins at `first`; `each` sees the good ones.
pub(super) fn survey(
    disk: &Disk,
    first: u64,
    mut each: impl FnMut(Stored) -> Result<(), StoreError>,
) -> Result<Survey, StoreError> {
    let mut found = Survey::default();
    let mut walk = Walk::new(disk, 0)?;
    let mut next = first;
    while let Some(item) = walk.next()? {
        let stored = match item {
            Found::Good(stored) => stored,
            Found::Bad(seq) => {
                found.last_any = found.last_any.max(seq);
                continue;
            }
        };
        let seq = stored.place.seq;
        found.last_any = found.last_any.max(seq);
        if seq < next {
            continue;
        }
        if seq > next {
            found.holes.push((next, seq - 1));
        }
        next = seq + 1;
        found.count += 1;
        found.hasher.update(&stored.crc.to_be_bytes());
        if stored.place.left == 0 {
            found.last_whole = seq;
        }
        each(stored)?;
    }
    Ok(found)
}
