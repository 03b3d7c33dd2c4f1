//! Reading a partition's files without the engine: what sled makes of a damaged file costs more than the damage.
//!
//! sled gives up at the first piece of its log that is not whole, and when it is opened it overwrites what follows. So a
//! partition's bytes are taken before that ([`Image`]), and what sled cannot read is searched for records: each carries its
//! own checksum, so that nothing wrong is taken for one. sled 0.34.7 writes (uncompressed, as [`super::disk`] sets it):
//!
//! | what | bytes |
//! |---|---|
//! | a put | 0, key, value |
//! | a delete | head of a message (kind 10, length 12, segment, page), 1, key |
//! | a page | …, 0, 0, length of the prefix, lowest key, highest key, 0, count, keys less the prefix, values |
//!
//! Keys and values are led by their length ([`length`]). The log is made of segments of 512 KiB that are used in any order:
//! their heads tell which was written later. Pages over 128 KiB are files of their own in `blobs/`, named by their place.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use super::keys;
use super::pack;
use super::record::{self, MAX_VALUE_BYTES, Stored};

/// Bytes of a segment of sled's log.
const SEGMENT: usize = 512 << 10;

/// Bytes of a journal's key.
const KEY: u8 = 10;

/// Kind of the messages that change a page.
const LINK: u8 = 10;

/// Bytes of such a message that deletes a key.
const DELETE_BYTES: u8 = 12;

/// Keys of one page at most; sled keeps far fewer.
const MAX_KEYS: usize = 1_024;

/// Copies of one record's values that are tried in place of each other.
const MAX_TRIES: usize = 64;

/// The files of one partition as they stand.
#[derive(Debug)]
pub(super) struct Image {
    db: Vec<u8>,
    /// Files of pages, by their place in the order.
    blobs: Vec<(u64, Vec<u8>)>,
}

impl Image {
    /// Takes the bytes of the partition in `dir`, about as many as a partition may have. A file that is not there is empty.
    pub(super) fn take(dir: &Path) -> io::Result<Self> {
        let db = or_default(fs::read(dir.join("db")))?;
        let mut blobs = Vec::new();
        for entry in or_default(fs::read_dir(dir.join("blobs")).and_then(Iterator::collect::<io::Result<Vec<_>>>))? {
            let place = entry.file_name().to_str().and_then(|name| name.parse().ok());
            if let Some(place) = place {
                blobs.push((place, or_default(fs::read(entry.path()))?));
            }
        }
        Ok(Self { db, blobs })
    }

    /// Puts the bytes back where sled has overwritten them since. Takes no more room than they had.
    pub(super) fn restore(&self, dir: &Path) -> io::Result<()> {
        put_back(&dir.join("db"), &self.db)?;
        for (place, blob) in &self.blobs {
            put_back(&dir.join("blobs").join(place.to_string()), blob)?;
        }
        Ok(())
    }

    /// All whole records from `first` to `last`, by sequence: of several under one sequence the one written last.
    pub(super) fn records(&self, first: u64, last: u64) -> BTreeMap<u64, Stored> {
        let mut seen = Seen { first, last, values: BTreeMap::new(), deleted: Vec::new() };
        let mut order = 0;
        for segment in self.db.chunks(SEGMENT) {
            order = segment_order(segment).unwrap_or(order + SEGMENT as u64);
            seen.scan(segment, order);
        }
        for (place, blob) in &self.blobs {
            seen.scan(blob, *place);
        }
        seen.records()
    }
}

/// One place where a value stands: where in the order of writing, and its bytes.
type Placed<'a> = (u64, &'a [u8]);

/// What looks like a value of ours, wherever it stands.
struct Seen<'a> {
    first: u64,
    last: u64,
    /// By sequence and chunk.
    values: BTreeMap<(u64, u16), Vec<Placed<'a>>>,
    /// Place in the order, and the first sequence taken out: only the end of a journal is ever taken back.
    deleted: Vec<(u64, u64)>,
}

impl<'a> Seen<'a> {
    /// Looks at every byte, for after damage it is not known where anything begins.
    fn scan(&mut self, bytes: &'a [u8], order: u64) {
        for at in 0..bytes.len() {
            let (rest, place) = (&bytes[at..], order + at as u64);
            match rest {
                [0, KEY, ..] => drop(self.put(&rest[1..], place)),
                [LINK, DELETE_BYTES, ..] => drop(self.delete(&rest[2..], place)),
                [0, 0, prefix @ 0..=KEY, 0..=KEY, ..] => drop(self.page(usize::from(*prefix), &rest[3..], place)),
                _ => {}
            }
        }
    }

    fn put(&mut self, mut rest: &'a [u8], place: u64) -> Option<()> {
        let key = led(&mut rest)?;
        // Most places where no key begins end here.
        self.fits(key)?;
        self.value(key, led(&mut rest)?, place)
    }

    fn delete(&mut self, mut rest: &'a [u8], place: u64) -> Option<()> {
        // Segment and page.
        length(&mut rest).and_then(|_| length(&mut rest))?;
        rest = rest.strip_prefix(&[1])?;
        let seq = self.fits(led(&mut rest)?)?.0;
        self.deleted.push((place, seq));
        Some(())
    }

    fn page(&mut self, prefix: usize, mut rest: &'a [u8], place: u64) -> Option<()> {
        let lowest = led(&mut rest)?;
        led(&mut rest)?;
        let prefix = lowest.get(..prefix)?;
        let (kind, mut rest) = rest.split_first()?;
        let count = length(&mut rest)?;
        if *kind != 0 || count > MAX_KEYS {
            return None;
        }
        let mut found = Vec::new();
        for _ in 0..count {
            let key = [prefix, led(&mut rest)?].concat();
            self.fits(&key)?;
            found.push(key);
        }
        // Where its end is damaged, what stands before is whole.
        found.iter().try_for_each(|key| self.value(key, led(&mut rest)?, place))
    }

    fn fits(&self, key: &[u8]) -> Option<(u64, u16)> {
        keys::parse_record(key).filter(|(seq, _)| (self.first..=self.last).contains(seq))
    }

    fn value(&mut self, key: &[u8], value: &'a [u8], place: u64) -> Option<()> {
        let key = self.fits(key)?;
        if value.len() <= MAX_VALUE_BYTES {
            self.values.entry(key).or_default().push((place, value));
        }
        Some(())
    }

    fn records(mut self) -> BTreeMap<u64, Stored> {
        self.values.values_mut().for_each(|values| values.sort_by_key(|(place, _)| std::cmp::Reverse(*place)));
        let mut found: BTreeMap<u64, (u64, Stored)> = BTreeMap::new();
        for (&(seq, _), values) in self.values.range((self.first, 0)..).filter(|((_, chunk), _)| *chunk == 0) {
            for &(place, value) in values {
                for (seq, stored) in self.opened(seq, value) {
                    let taken_back = self.deleted.iter().any(|(after, from)| *after > place && *from <= seq);
                    let older = found.get(&seq).is_some_and(|(had, _)| *had >= place);
                    if !taken_back && !older && seq <= self.last {
                        found.insert(seq, (place, stored));
                    }
                }
            }
        }
        found.into_iter().map(|(seq, (_, stored))| (seq, stored)).collect()
    }

    /// The whole records that begin with this value.
    fn opened(&self, seq: u64, value: &[u8]) -> Vec<(u64, Stored)> {
        if pack::is_pack(value) {
            let packed = (seq..).zip(pack::open(value).unwrap_or_default());
            return packed.filter_map(|(seq, whole)| Some((seq, record::parse(seq, whole)?))).collect();
        }
        let stored = match record::value_count(value) {
            Some(1) => record::parse(seq, value.to_vec()),
            Some(count) => self.joined(seq, value, count),
            None => None,
        };
        stored.map(|stored| (seq, stored)).into_iter().collect()
    }

    /// A record of several values. Where the newest ones do not fit together, one of them is damaged, and an older copy of
    /// it may be whole.
    fn joined(&self, seq: u64, first: &'a [u8], count: u16) -> Option<Stored> {
        let copies: Option<Vec<_>> = (1..count).map(|chunk| self.values.get(&(seq, chunk))).collect();
        let copies = copies?;
        let newest: Vec<&[u8]> = copies.iter().map(|values| values[0].1).collect();
        let whole = |parts: &[&[u8]]| record::parse(seq, [&[first], parts].concat().concat());
        let older = copies.iter().enumerate().flat_map(|(at, values)| values[1..].iter().map(move |copy| (at, copy.1)));
        whole(&newest).or_else(|| {
            older.filter(|(at, copy)| newest[*at] != *copy).take(MAX_TRIES).find_map(|(at, copy)| {
                let mut parts = newest.clone();
                parts[at] = copy;
                whole(&parts)
            })
        })
    }
}

/// Where a segment stands in the order of writing, as its head says; `None` if that is damaged.
fn segment_order(segment: &[u8]) -> Option<u64> {
    let (crc, rest) = segment.split_first_chunk::<4>()?;
    let place = u64::from_le_bytes(*rest.first_chunk()?) ^ (u64::MAX >> 1);
    (crc32fast::hash(rest.get(..16)?) == !u32::from_le_bytes(*crc)).then_some(place)
}

/// Takes bytes that are led by their length.
fn led<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = length(rest)?;
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

/// Takes a length as sled writes it: in one byte up to 240, in two up to 2,287, in three up to 67,823. Nothing of ours is longer.
fn length(rest: &mut &[u8]) -> Option<usize> {
    let (length, after) = match **rest {
        [one @ 0..=240, ref after @ ..] => (usize::from(one), after),
        [one @ 241..=248, two, ref after @ ..] => (240 + 256 * (usize::from(one) - 241) + usize::from(two), after),
        [249, one, two, ref after @ ..] => (2_288 + 256 * usize::from(one) + usize::from(two), after),
        _ => return None,
    };
    *rest = after;
    Some(length)
}

fn put_back(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if or_default(fs::read(path))? == bytes {
        return Ok(());
    }
    let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    file.write_all(bytes)?;
    file.set_len(bytes.len() as u64)?;
    file.sync_all()
}

fn or_default<T: Default>(read: io::Result<T>) -> io::Result<T> {
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(T::default()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::super::disk::Disk;
    use super::super::noise::noise;
    use super::super::pack::Packer;
    use super::super::record::Place;
    use super::super::scan::survey;
    use super::*;

    /// Bytes of each record: alone, sharing a value, of several values.
    const SIZES: [usize; 9] = [10, 300, 60_000, 3_000, 10, 7_000, 20_000, 100_000, 1_000];

    /// Writes so many records from 1 on, each synced, every third one with two others.
    fn write(disk: &Disk, count: u64) {
        let (mut seq, mut sizes) = (0, SIZES.iter().cycle());
        while seq < count {
            let mut packer = Packer::default();
            for left in (0..if seq % 3 == 0 { 3 } else { 1 }).rev() {
                seq += 1;
                let text = format!("{seq} {}", noise(*sizes.next().unwrap()));
                packer.add(&record::encode(1, &text).unwrap(), Place { seq, left, after: 0 });
            }
            disk.apply(packer.finish()).unwrap();
            disk.sync().unwrap();
        }
    }

    fn found(image: &Image) -> Vec<(u64, u32)> {
        image.records(1, u64::MAX).iter().map(|(seq, stored)| (*seq, stored.crc)).collect()
    }

    #[test]
    fn what_is_whole_is_found_and_damage_costs_what_it_hits() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::open(dir.path(), 1 << 20).unwrap();
        write(&disk, 40);
        let mut all = Vec::new();
        survey(&disk, 1, |stored| {
            all.push((stored.place.seq, stored.crc));
            Ok(())
        })
        .unwrap();
        let mut image = Image::take(dir.path()).unwrap();
        assert_eq!(found(&image), all);
        let bytes = image.db.len();
        for at in (0..bytes).step_by(bytes / 12 + 1) {
            let old = image.db[at..][..4].to_vec();
            image.db[at..][..4].iter_mut().for_each(|byte| *byte ^= 0x55);
            let left = found(&image);
            assert!(left.iter().all(|one| all.contains(one)) && left.len() + 1 >= all.len(), "byte {at}: {left:?}");
            image.db[at..][..4].copy_from_slice(&old);
        }
        flip(&mut image.db, b"\"2 ");
        assert!(!found(&image).contains(&all[1]) && found(&image).len() == all.len() - 1);
    }

    /// Changes the first byte of `needle` wherever it stands.
    fn flip(bytes: &mut [u8], needle: &[u8]) {
        for at in 0..bytes.len() {
            if bytes[at..].starts_with(needle) {
                bytes[at] ^= 0x55;
            }
        }
    }

    #[test]
    fn what_was_taken_back_does_not_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::open(dir.path(), 1 << 20).unwrap();
        let put = |seq, text: &str| {
            let mut packer = Packer::default();
            packer.add(&record::encode(1, &text).unwrap(), Place { seq, left: 0, after: 0 });
            disk.apply(packer.finish()).unwrap();
            disk.sync().unwrap();
        };
        put(1, "kept");
        put(2, "taken back");
        let mut batch = super::super::disk::Batch::default();
        batch.delete(&keys::record(2, 0));
        disk.apply(batch).unwrap();
        put(2, "what was written in its place");
        let mut image = Image::take(dir.path()).unwrap();
        let texts = |image: &Image| -> Vec<String> {
            image.records(1, u64::MAX).into_values().map(|stored| stored.decode().unwrap()).collect()
        };
        assert_eq!(texts(&image), ["kept", "what was written in its place"]);
        flip(&mut image.db, b"written in");
        assert_eq!(texts(&image), ["kept"]);
        // Put back, it is as it was taken.
        fs::write(dir.path().join("db"), b"shorter").unwrap();
        image.restore(dir.path()).unwrap();
        assert!(fs::read(dir.path().join("db")).unwrap() == image.db);
    }
}
