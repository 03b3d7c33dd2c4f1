//! A partition: a run of one journal's records in a database of its own, in a directory named by its first sequence.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::StoreError;
use super::checked;
use super::disk::{Batch, Disk};
use super::pack::Packer;
use super::record::{Encoded, Place};
use super::scan::{Survey, survey};
use crate::clock::Timestamp;

/// Cache of the partition being written, in bytes.
const ACTIVE_CACHE: u64 = 8 << 20;

/// A partition's size is looked at when this part of its limit was written.
const LOOK_PART: u64 = 64;

/// File that says when a partition was begun, in milliseconds since the Unix epoch.
const BEGUN: &str = "begun";

/// File that closes a partition.
const SEALED: &str = "sealed.json";

/// What is known of a closed partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sealed {
    /// Its first sequence.
    pub(super) first: u64,
    /// Its last sequence.
    pub(super) last: u64,
    /// Records in it.
    pub(super) count: u64,
    /// CRC-32 over the records' checksums, in order.
    pub(super) checksum: u32,
    /// When it was closed.
    #[serde(default)]
    pub(super) at: Timestamp,
    /// Runs of sequences lost to damage: first and last of each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) holes: Vec<(u64, u64)>,
}

impl Sealed {
    /// Whether a walk over the partition found just what was closed.
    pub(super) fn fits(&self, found: &Survey) -> bool {
        found.count == self.count
            && found.hasher.clone().finalize() == self.checksum
            && found.holes == self.holes
            && found.last_any == self.last
    }

    /// Whether all from `expected` on and before `found` was known to be lost when it was closed.
    pub(super) fn explains(&self, expected: u64, found: u64) -> bool {
        let mut at = expected;
        for (first, last) in &self.holes {
            if *first <= at && at <= *last {
                at = last + 1;
            }
        }
        at >= found
    }

    /// Reads `sealed.json`; `None` if there is none that is whole.
    pub(super) fn read(dir: &Path) -> Option<Self> {
        checked::read(&dir.join(SEALED)).whole()
    }

    /// Writes `sealed.json`, durably.
    pub(super) fn write(&self, dir: &Path) -> Result<(), StoreError> {
        checked::write(&dir.join(SEALED), self).map_err(|error| failing(dir, &error))
    }
}

/// The partition that is written.
#[derive(Debug)]
pub(super) struct Active {
    /// Its first sequence.
    pub(super) first: u64,
    /// The next sequence to write.
    pub(super) next: u64,
    /// When it was begun.
    pub(super) begun: Timestamp,
    /// Its database.
    pub(super) disk: Disk,
    /// Runs of sequences lost to damage.
    pub(super) holes: Vec<(u64, u64)>,
    dir: PathBuf,
    count: u64,
    hasher: crc32fast::Hasher,
    /// Bytes on disk when they were last looked at, and bytes written since.
    size: u64,
    written: u64,
}

impl Active {
    /// Makes an empty partition that begins at `first`.
    pub(super) fn create(journal: &Path, first: u64, now: Timestamp) -> Result<Self, StoreError> {
        let dir = journal.join(directory_name(first));
        let made = fs::create_dir_all(&dir)
            .and_then(|()| write_durably(&dir.join(BEGUN), now.as_millis().to_string().as_bytes()))
            .and_then(|()| sync_directory(journal))
            .map_err(|error| failing(&dir, &error))
            .and_then(|()| Self::open(journal, first, now));
        let synced = made.and_then(|(active, _)| {
            sync_directory(&dir).map_err(|error| failing(&dir, &error))?;
            Ok(active)
        });
        // What a full disk leaves half made must not be taken for a partition at the next start. Opening copes if this fails.
        synced.inspect_err(|_| drop(fs::remove_dir_all(&dir)))
    }

    /// Opens the partition that begins at `first` and walks over all of it. What follows the last whole entry is not
    /// taken in: see [`Active::cut`].
    pub(super) fn open(journal: &Path, first: u64, now: Timestamp) -> Result<(Self, Survey), StoreError> {
        let dir = journal.join(directory_name(first));
        let disk = Disk::open(&dir, ACTIVE_CACHE)?;
        let begun = fs::read_to_string(dir.join(BEGUN)).ok().and_then(|text| text.trim().parse().ok());
        let found = survey(&disk, first, |_| Ok(()))?;
        let active = Self {
            first,
            next: found.last_whole.max(first.saturating_sub(1)) + 1,
            begun: begun.map_or(now, Timestamp::from_millis),
            disk,
            holes: found.holes.clone(),
            dir,
            count: found.count,
            hasher: found.hasher.clone(),
            size: 0,
            written: 0,
        };
        Ok((active, found))
    }

    /// Removes all from `next` on, so that the sequence goes on there, and counts anew.
    pub(super) fn cut(&mut self, next: u64) -> Result<(), StoreError> {
        let from = super::keys::record(next, 0);
        loop {
            let page = self.disk.range(&from, std::ops::Bound::Unbounded, 256)?;
            if page.is_empty() {
                break;
            }
            let mut batch = Batch::default();
            for (key, _) in &page {
                batch.delete(key);
            }
            self.disk.apply(batch)?;
        }
        self.disk.sync()?;
        let found = survey(&self.disk, self.first, |_| Ok(()))?;
        self.next = next;
        self.holes.clone_from(&found.holes);
        self.count = found.count;
        self.hasher = found.hasher;
        Ok(())
    }

    /// Writes records from the next sequence on in one batch and syncs. After an error nothing of it counts, and the
    /// partition must be opened again.
    pub(super) fn append(&mut self, records: &[(Encoded, u16)], after: u64) -> Result<(), StoreError> {
        let mut packer = Packer::default();
        let mut hasher = self.hasher.clone();
        let mut next = self.next;
        for (encoded, left) in records {
            let crc = packer.add(encoded, Place { seq: next, left: *left, after });
            hasher.update(&crc.to_be_bytes());
            next += 1;
            self.written += encoded.len() as u64;
        }
        self.disk.apply(packer.finish())?;
        self.disk.sync()?;
        self.hasher = hasher;
        self.count += next - self.next;
        self.next = next;
        Ok(())
    }

    /// Closes it.
    pub(super) fn seal(&self, now: Timestamp) -> Result<Sealed, StoreError> {
        let sealed = Sealed {
            first: self.first,
            last: self.next - 1,
            count: self.count,
            checksum: self.hasher.clone().finalize(),
            at: now,
            holes: self.holes.clone(),
        };
        sealed.write(&self.dir)?;
        Ok(sealed)
    }

    /// Takes back [`Active::seal`], for writing goes on. A seal that stays is seen through at the next start.
    pub(super) fn unseal(&self, journal: &Path) {
        drop(fs::remove_file(journal.join(directory_name(self.first)).join(SEALED)));
    }

    /// Whether it takes so many bytes on disk. The directory is looked at only where it may have grown by a part of that.
    pub(super) fn has_bytes(&mut self, bytes: u64) -> bool {
        if self.size == 0 || self.written >= bytes / LOOK_PART {
            (self.size, self.written) = (self.disk.bytes(), 0);
        }
        self.size >= bytes
    }

    /// Whether it has more than so many sequences.
    pub(super) const fn has_more_than(&self, count: u64) -> bool {
        self.next > self.first + count
    }

    /// Whether nothing stands in it.
    pub(super) const fn is_empty(&self) -> bool {
        self.next == self.first
    }
}

/// Name of the directory of the partition that begins at `first`; names sort as sequences do.
pub(super) fn directory_name(first: u64) -> String {
    format!("{first:020}")
}

/// The first sequence that a directory's name says; `None` if it is no partition's.
pub(super) fn parse_directory_name(name: &str) -> Option<u64> {
    let digits = name.len() == 20 && name.bytes().all(|byte| byte.is_ascii_digit());
    name.parse().ok().filter(|first| digits && *first > 0)
}

/// Writes a small file so that after a crash it is there whole or not at all.
pub(super) fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = path.with_extension("writing");
    let mut file = File::create(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&aside, path)?;
    path.parent().map_or(Ok(()), sync_directory)
}

/// Makes names made or removed in a directory durable.
pub(super) fn sync_directory(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// An error of the disk at `path`.
pub(super) fn failing(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Unavailable(format!("{}: {error}", path.display()))
}
