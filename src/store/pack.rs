//! Small records that were written together share one value of the database: what it costs there goes by the value and not
//! by the byte.
//!
//! A pack stands under the sequence of its first record; the others follow it without a gap. Each is as it would stand alone,
//! with its own checksum.
//!
//! | bytes | what |
//! |---|---|
//! | 0 | version of this layout: 2 (a record that stands alone begins with its version, 1) |
//! | 1 | 0 |
//! | 2–3 | records in it |
//! | 4 … | for each record its length (4 bytes) and its bytes |
//!
//! Integers are big-endian. A pack holds whole group entries, or a part of one: what an end without its entry takes back is
//! always a pack as a whole.

use super::disk::Batch;
use super::keys;
use super::record::{self, Encoded, Place};

/// Version of this layout.
const VERSION: u8 = 2;

/// Length of a pack's head, in bytes.
const HEAD: usize = 4;

/// Length of a length, in bytes.
const LENGTH: usize = 4;

/// The longest pack, in bytes. sled keeps up to 16 values in a page, and what is over 128 KiB in a file of its own: 16 of
/// these stay below.
const MAX_BYTES: usize = 7 * 1024;

/// Puts records into a batch.
#[derive(Debug, Default)]
pub(super) struct Packer {
    batch: Batch,
    pack: Pack,
    /// The group entry that is not whole yet: its records so far.
    entry: Vec<(u64, Vec<u8>)>,
}

/// Records with dense sequences.
#[derive(Debug, Default)]
struct Pack {
    first: u64,
    records: Vec<Vec<u8>>,
    bytes: usize,
}

impl Pack {
    /// Whether so many bytes of records from `seq` on fit behind what it holds.
    fn has_room(&self, seq: u64, bytes: usize) -> bool {
        let follows = self.records.is_empty() || self.first + self.records.len() as u64 == seq;
        follows && HEAD + self.bytes + bytes <= MAX_BYTES
    }

    fn push(&mut self, seq: u64, whole: Vec<u8>) {
        if self.records.is_empty() {
            self.first = seq;
        }
        self.bytes += LENGTH + whole.len();
        self.records.push(whole);
    }
}

impl Packer {
    /// Takes a record in; gives its checksum.
    pub(super) fn add(&mut self, encoded: &Encoded, place: Place) -> u32 {
        let (whole, crc) = encoded.whole(place);
        self.entry.push((place.seq, whole));
        if place.left == 0 {
            self.close_entry();
        }
        crc
    }

    /// The batch with all that was taken in.
    pub(super) fn finish(mut self) -> Batch {
        self.close_entry();
        self.close_pack();
        self.batch
    }

    fn close_entry(&mut self) {
        let entry = std::mem::take(&mut self.entry);
        let Some(&(first, _)) = entry.first() else { return };
        let bytes = entry.iter().map(|(_, whole)| LENGTH + whole.len()).sum();
        let dense = entry.iter().zip(first..).all(|((seq, _), expected)| *seq == expected);
        if !dense || !self.pack.has_room(first, bytes) {
            self.close_pack();
        }
        let is_part = !dense || HEAD + bytes > MAX_BYTES;
        for (seq, whole) in entry {
            if !self.pack.has_room(seq, LENGTH + whole.len()) {
                self.close_pack();
            }
            self.pack.push(seq, whole);
        }
        if is_part {
            self.close_pack();
        }
    }

    fn close_pack(&mut self) {
        let Pack { first, mut records, bytes } = std::mem::take(&mut self.pack);
        if records.len() <= 1 {
            for (key, value) in records.pop().map(|whole| record::pairs(first, whole)).into_iter().flatten() {
                self.batch.put(&key, value);
            }
            return;
        }
        let mut value = Vec::with_capacity(HEAD + bytes);
        // MAX_BYTES hold far fewer than 65,536 records, each with a head.
        let count = u16::try_from(records.len()).unwrap_or(u16::MAX).to_be_bytes();
        value.extend_from_slice(&[VERSION, 0, count[0], count[1]]);
        for whole in records {
            value.extend_from_slice(&u32::try_from(whole.len()).unwrap_or(u32::MAX).to_be_bytes());
            value.extend_from_slice(&whole);
        }
        self.batch.put(&keys::record(first, 0), value);
    }
}

/// Whether a value is a pack.
pub(super) fn is_pack(value: &[u8]) -> bool {
    value.first() == Some(&VERSION)
}

/// The records of a pack, in order; `None` if it is none or is not what was written.
pub(super) fn open(value: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (head, mut rest) = value.split_first_chunk::<HEAD>()?;
    let count = u16::from_be_bytes([head[2], head[3]]);
    let mut records = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let (length, after) = rest.split_first_chunk::<LENGTH>()?;
        let (whole, after) = after.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        records.push(whole.to_vec());
        rest = after;
    }
    (head[0] == VERSION && rest.is_empty()).then_some(records)
}

/// How many records stand in the value.
pub(super) fn count(value: &[u8]) -> u64 {
    match value {
        [VERSION, _, high, low, ..] => u64::from(u16::from_be_bytes([*high, *low])),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Bound;

    use super::super::disk::Disk;
    use super::super::noise::noise;
    use super::super::scan::{Found, Walk, survey};
    use super::*;

    /// Puts entries of records of so many bytes from sequence 1 on, each list in one batch.
    fn put(disk: &Disk, batches: &[&[&[usize]]]) -> u64 {
        let mut seq = 0;
        for batch in batches {
            let mut packer = Packer::default();
            for entry in *batch {
                for (left, bytes) in (0..u16::try_from(entry.len()).unwrap()).rev().zip(*entry) {
                    seq += 1;
                    let encoded = record::encode(1, &format!("{seq} {}", noise(*bytes))).unwrap();
                    packer.add(&encoded, Place { seq, left, after: 0 });
                }
            }
            disk.apply(packer.finish()).unwrap();
        }
        seq
    }

    fn from(disk: &Disk, from: u64) -> Vec<(u64, u16)> {
        let mut walk = Walk::new(disk, from).unwrap();
        let mut all = Vec::new();
        while let Some(found) = walk.next().unwrap() {
            let Found::Good(stored) = found else { panic!("{found:?}") };
            let seq = stored.place.seq;
            assert!(stored.decode::<String>().unwrap().starts_with(&format!("{seq} ")));
            all.push((seq, stored.place.left));
        }
        all
    }

    #[test]
    fn records_come_back_from_any_sequence_whatever_shares_a_value() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::open(dir.path(), 1 << 20).unwrap();
        let batches: [&[&[usize]]; 4] = [
            &[&[10], &[10, 10], &[10; 3]],
            &[&[3_000; 8], &[10], &[20_000], &[10]],
            &[&[100], &[60_000, 10, 10], &[10]],
            &[&[10; 300]],
        ];
        let last = put(&disk, &batches);
        let found = survey(&disk, 1, |_| Ok(())).unwrap();
        assert_eq!((found.count, found.last_any, found.last_whole, found.holes), (last, last, last, Vec::new()));
        let all = from(&disk, 1);
        for first in 1..=last + 1 {
            assert_eq!(from(&disk, first), all[usize::try_from(first).unwrap() - 1..], "{first}");
        }
        let values = disk.range(&[], Bound::Unbounded, 1_000).unwrap();
        assert!(values.len() < usize::try_from(last).unwrap() / 5, "{} values", values.len());
        for (_, value) in values.iter().filter(|(_, value)| is_pack(value)) {
            let left = |record: &Vec<u8>| u16::from_be_bytes([record[8], record[9]]);
            let lefts: Vec<u16> = open(value).unwrap().iter().map(left).collect();
            let ends = lefts.iter().filter(|left| **left == 0).count();
            assert!(value.len() <= MAX_BYTES && (lefts.last() == Some(&0) || ends == 0), "{lefts:?}");
        }
    }

    #[test]
    fn a_bent_record_costs_itself_and_a_bent_frame_its_pack() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::open(dir.path(), 1 << 20).unwrap();
        put(&disk, &[&[&[10], &[10], &[10]], &[&[10]]]);
        let key = keys::record(1, 0);
        let good = disk.get(&key).unwrap().unwrap();
        for at in 0..good.len() {
            let mut bent = good.clone();
            bent[at] ^= 0x11;
            let mut batch = Batch::default();
            batch.put(&key, bent);
            disk.apply(batch).unwrap();
            let found = survey(&disk, 1, |_| Ok(())).unwrap();
            // Byte 1 says nothing.
            let expected = if at == 1 {
                4..=4
            } else if at < HEAD {
                1..=1
            } else {
                1..=3
            };
            assert!(expected.contains(&found.count), "byte {at}: {} records", found.count);
        }
        assert!(open(b"").is_none() && open(&good[..good.len() - 1]).is_none());
    }
}
