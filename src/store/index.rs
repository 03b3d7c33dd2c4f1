//! Which records of the log belong to a delivery id, without reading the log.
//!
//! Beside each closed partition of the log stands a file `deliveries`: pairs of a hash of the id and a sequence, sorted, 16
//! bytes each, then their CRC-32. It is made in the background after a partition is closed, from what the writer noted of
//! the records it wrote, or, after a start in between, by reading them. Whatever it says is compared
//! with the record, and one that is missing or damaged is made anew: nothing is lost with it. The partition that is
//! written (32 MiB at most) is read through.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::StoreError;
use super::journal::{Closed, lock};
use super::partition::{Sealed, failing, write_durably};
use super::shared::Shared;
use crate::id::Seq;
use crate::model::record::LogEntry;

/// Name of the file in a partition's directory.
const FILE: &str = "deliveries";

/// Bytes of one pair.
const PAIR: usize = 16;

/// Records read at once.
const PAGE: usize = 1_000;

/// Log partitions that the writer's notes are kept of; if more wait for their index, the oldest are read.
const WRITTEN_MAX: usize = 4;

/// What the writer noted of log partitions: hash of the delivery's id and sequence of each record.
#[derive(Debug, Default)]
pub(super) struct Written(BTreeMap<u64, Run>);

/// The notes of one partition, from its first record on.
#[derive(Debug, Default)]
struct Run {
    next: u64,
    pairs: Vec<(u64, u64)>,
}

impl Written {
    /// Notes records from `seq` on of the partition that begins at `partition`.
    pub(super) fn add(&mut self, partition: u64, seq: u64, keys: impl IntoIterator<Item = Option<u64>>) {
        if partition == seq {
            self.0.insert(partition, Run { next: seq, pairs: Vec::new() });
            if self.0.len() > WRITTEN_MAX {
                self.0.pop_first();
            }
        }
        // One that this process has not begun, or that missed something, is read.
        let Some(run) = self.0.get_mut(&partition).filter(|run| run.next == seq) else { return };
        for key in keys {
            run.pairs.extend(key.map(|key| (key, run.next)));
            run.next += 1;
        }
    }

    fn take(&mut self, sealed: &Sealed) -> Option<Vec<(u64, u64)>> {
        let run = self.0.remove(&sealed.first)?;
        (run.next == sealed.last + 1).then_some(run.pairs)
    }
}

/// Makes the index of one closed partition that has none, and of those that need no reading. `false`: none is missing.
pub(super) fn build_next(shared: &Shared) -> Result<bool, StoreError> {
    for closed in shared.log.closed() {
        let first = closed.sealed.first;
        if lock(&shared.indexed).contains(&first) {
            continue;
        }
        let path = file(shared, &closed);
        let noted = lock(&shared.written).take(&closed.sealed);
        let is_read = noted.is_none();
        if !fs::read(&path).is_ok_and(|bytes| is_whole(&bytes)) {
            let pairs = match noted {
                Some(pairs) => pairs,
                None => read(shared, &closed)?,
            };
            // A partition that retention has just removed has no directory any more.
            match write_durably(&path, &whole(pairs)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failing(&path, &error)),
                _ => {}
            }
        }
        lock(&shared.indexed).insert(first);
        if is_read {
            return Ok(true);
        }
    }
    Ok(false)
}

/// All entries of the delivery with this id, oldest first.
pub(super) fn entries(shared: &Shared, id: &str) -> Result<Vec<(Seq, LogEntry)>, StoreError> {
    let mut found = Vec::new();
    let mut from = shared.log.first();
    for closed in shared.log.closed() {
        let Closed { sealed, .. } = &closed;
        match search(&file(shared, &closed), key(id)) {
            Ok(seqs) => {
                for seq in seqs {
                    take(shared, seq, seq + 1, id, &mut found)?;
                }
            }
            // Not made yet.
            Err(_missing) => take(shared, sealed.first, sealed.last + 1, id, &mut found)?,
        }
        from = sealed.last + 1;
    }
    take(shared, from, shared.log.next(), id, &mut found)?;
    Ok(found)
}

fn take(shared: &Shared, mut from: u64, to: u64, id: &str, found: &mut Vec<(Seq, LogEntry)>) -> Result<(), StoreError> {
    while from < to {
        let (records, next) = shared.log.read(from, to, PAGE)?;
        for stored in &records {
            // What cannot be read is told as damage by those who read in order.
            if let Ok(Some(entry)) = stored.log_entry()
                && delivery(&entry) == Some(id)
            {
                found.extend(entry.told().map(|entry| (Seq(stored.place.seq), entry)));
            }
        }
        from = next.max(from + 1);
    }
    Ok(())
}

/// The hash of a delivery's id that the index has of a record.
pub(super) fn key_of(entry: &LogEntry) -> Option<u64> {
    delivery(entry).map(key)
}

fn delivery(entry: &LogEntry) -> Option<&str> {
    let id = match entry {
        LogEntry::Attempt(attempt) => &attempt.delivery,
        LogEntry::Outcome(outcome) => &outcome.delivery,
        LogEntry::Notice(_) => return None,
    };
    Some(id.as_str()).filter(|id| !id.is_empty())
}

fn file(shared: &Shared, closed: &Closed) -> PathBuf {
    shared.log.partition_dir(closed.sealed.first).join(FILE)
}

fn key(id: &str) -> u64 {
    let hash = Sha256::digest(id.as_bytes());
    hash.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

fn read(shared: &Shared, closed: &Closed) -> Result<Vec<(u64, u64)>, StoreError> {
    let (mut pairs, mut from) = (Vec::new(), closed.sealed.first);
    while from <= closed.sealed.last {
        let (records, next) = shared.log.read(from, closed.sealed.last + 1, PAGE)?;
        for stored in &records {
            if let Ok(Some(entry)) = stored.log_entry() {
                pairs.extend(key_of(&entry).map(|key| (key, stored.place.seq)));
            }
        }
        from = next.max(from + 1);
    }
    shared.log.put_away(closed.sealed.first);
    Ok(pairs)
}

/// The file's bytes.
fn whole(mut pairs: Vec<(u64, u64)>) -> Vec<u8> {
    pairs.sort_unstable();
    let mut bytes = Vec::with_capacity(pairs.len() * PAIR + 4);
    for (key, seq) in pairs {
        bytes.extend_from_slice(&key.to_be_bytes());
        bytes.extend_from_slice(&seq.to_be_bytes());
    }
    let crc = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&crc.to_be_bytes());
    bytes
}

fn is_whole(bytes: &[u8]) -> bool {
    let Some((pairs, crc)) = bytes.split_last_chunk::<4>() else { return false };
    pairs.len().is_multiple_of(PAIR) && crc32fast::hash(pairs) == u32::from_be_bytes(*crc)
}

/// Sequences under a key, by halving.
fn search(path: &Path, key: u64) -> io::Result<Vec<u64>> {
    let file = File::open(path)?;
    let count = file.metadata()?.len() / PAIR as u64;
    let pair = |at: u64| {
        let mut bytes = [0; PAIR];
        file.read_exact_at(&mut bytes, at * PAIR as u64)?;
        let pair = u128::from_be_bytes(bytes);
        Ok::<_, io::Error>((
            u64::try_from(pair >> 64).unwrap_or(0),
            u64::try_from(pair & u128::from(u64::MAX)).unwrap_or(0),
        ))
    };
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if pair(middle)?.0 < key { low = middle + 1 } else { high = middle }
    }
    let mut seqs = Vec::new();
    while low < count {
        let (found, seq) = pair(low)?;
        if found != key {
            break;
        }
        seqs.push(seq);
        low += 1;
    }
    Ok(seqs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_finds_what_stands_in_it_and_damage_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let mut bytes = whole(vec![(5, 7), (1, 9), (u64::MAX, 1), (5, 2)]);
        assert!(is_whole(&bytes));
        fs::write(&path, &bytes).unwrap();
        let rows: [(u64, &[u64]); 5] = [(1, &[9]), (5, &[2, 7]), (u64::MAX, &[1]), (0, &[]), (6, &[])];
        for (key, seqs) in rows {
            assert_eq!(search(&path, key).unwrap(), seqs, "{key}");
        }
        bytes[3] ^= 1;
        assert!(!is_whole(&bytes) && !is_whole(&bytes[..7]) && !is_whole(b""));
        assert!(search(&dir.path().join("none"), 1).is_err());
    }

    #[test]
    fn notes_count_only_for_a_partition_that_was_seen_whole() {
        let sealed = |first, last| Sealed {
            first,
            last,
            ..serde_json::from_str(r#"{"first":0,"last":0,"count":0,"checksum":0}"#).unwrap()
        };
        let mut written = Written::default();
        written.add(1, 4, [Some(9)]);
        assert!(written.take(&sealed(1, 4)).is_none(), "begun by another process");
        written.add(5, 5, [Some(9), None]);
        written.add(5, 7, [Some(8)]);
        assert_eq!(written.take(&sealed(5, 7)), Some(vec![(9, 5), (8, 7)]));
        written.add(8, 8, [Some(1)]);
        written.add(8, 10, [Some(2)]);
        assert!(written.take(&sealed(8, 10)).is_none(), "9 was missed");
        for first in 20..30 {
            written.add(first, first, [None]);
        }
        assert_eq!(written.0.len(), WRITTEN_MAX);
    }
}
