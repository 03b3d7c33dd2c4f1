//! One ordered map of bytes on disk: the only file that calls sled (=0.34.7).
//!
//! What sled does not do by itself and this file does for it (each was measured, see the reference on dependencies):
//! - an unfinished start-up snapshot (`snap.*.generating`) makes `open` fail: it is only a cache and is removed first;
//! - `flush` writes and calls `sync_file_range`, which survives a killed process but not a lost power supply: the data
//!   file is synced through a handle of our own;
//! - after an input/output error a database stays poisoned: the caller drops it and opens it again;
//! - damage may end in a panic inside sled: it is caught and told as damage.
//!
//! Opening takes a lock on the data file, which sled gives back a moment after the last clone is dropped.

use std::fs::{self, File};
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::StoreError;
use super::hush::quietly;

/// How often sled writes on its own, in milliseconds. Never `None`: that also switches off its garbage collection.
const FLUSH_EVERY_MS: u64 = 500;

/// How often a lock that the same process has only just given back is asked for again.
const LOCK_TRIES: u32 = 100;

/// Pause between two of these tries.
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// A key and its value.
pub(super) type Pair = (Vec<u8>, Vec<u8>);

/// One open database. Clones share it.
#[derive(Clone)]
pub(super) struct Disk {
    db: sled::Db,
    file: Arc<File>,
    dir: Arc<PathBuf>,
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Disk").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// Puts and deletes that take effect together.
#[derive(Debug, Default)]
pub(super) struct Batch(sled::Batch);

impl Batch {
    /// Puts `value` at `key`.
    pub(super) fn put(&mut self, key: &[u8], value: Vec<u8>) {
        self.0.insert(key, value);
    }

    /// Takes `key` out.
    pub(super) fn delete(&mut self, key: &[u8]) {
        self.0.remove(key);
    }
}

impl Disk {
    /// Opens or makes the database in `dir`, with at most about `cache` bytes of pages in memory.
    pub(super) fn open(dir: &Path, cache: u64) -> Result<Self, StoreError> {
        fs::create_dir_all(dir).map_err(|error| unavailable(dir, &error))?;
        remove_snapshots(dir, |name| name.ends_with(".generating")).map_err(|error| unavailable(dir, &error))?;
        let db = match open_locked(dir, cache) {
            // A damaged snapshot or `conf` is no loss either: sled makes both anew.
            Err(StoreError::Corrupt { .. }) if remove_derived(dir) => open_locked(dir, cache)?,
            other => other?,
        };
        let file = File::open(dir.join("db")).map_err(|error| unavailable(dir, &error))?;
        Ok(Self { db, file: Arc::new(file), dir: Arc::new(dir.to_owned()) })
    }

    /// The value at `key`.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.guarded(|| Ok(self.db.get(key)?.map(|value| value.to_vec())))
    }

    /// Applies a batch in memory. It is on disk after [`Disk::sync`].
    pub(super) fn apply(&self, batch: Batch) -> Result<(), StoreError> {
        self.guarded(|| self.db.apply_batch(batch.0))
    }

    /// Brings all that was applied onto the disk: it survives a killed process and a lost power supply.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.guarded(|| {
            self.db.flush()?;
            Ok(self.file.sync_data()?)
        })
    }

    /// Pairs from `from` on and before `to`, ascending, at most `limit`.
    pub(super) fn range(&self, from: &[u8], to: Bound<&[u8]>, limit: usize) -> Result<Vec<Pair>, StoreError> {
        self.guarded(|| {
            let range = self.db.range::<&[u8], _>((Bound::Included(from), to));
            range.take(limit).map(|pair| pair.map(|(key, value)| (key.to_vec(), value.to_vec()))).collect()
        })
    }

    /// The last pair at `key` or before it.
    pub(super) fn at_or_before(&self, key: &[u8]) -> Result<Option<Pair>, StoreError> {
        self.guarded(|| {
            let mut range = self.db.range::<&[u8], _>(..=key);
            range.next_back().map(|pair| pair.map(|(key, value)| (key.to_vec(), value.to_vec()))).transpose()
        })
    }

    /// Bytes on disk.
    pub(super) fn bytes(&self) -> u64 {
        directory_bytes(&self.dir)
    }

    /// Runs one call into sled; errors and panics come back as ours.
    fn guarded<T>(&self, call: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
        caught(&self.dir, call)
    }
}

/// Bytes of the files in `dir` and below; what cannot be read counts nothing.
pub(super) fn directory_bytes(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => directory_bytes(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

fn caught<T>(dir: &Path, call: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
    match quietly(call) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(sled::Error::Corruption { .. })) => Err(corrupt(dir, "the database says its file is damaged")),
        // A `conf` of another version, or a damaged one. We only ever wrote one.
        Ok(Err(sled::Error::Unsupported(text))) => Err(corrupt(dir, &text)),
        Ok(Err(sled::Error::Io(error))) if error.kind() == io::ErrorKind::InvalidData => {
            Err(corrupt(dir, &error.to_string()))
        }
        Ok(Err(error)) => Err(StoreError::Unavailable(format!("{}: {error}", dir.display()))),
        Err(panic) => Err(corrupt(dir, &format!("the database gave up on its file ({panic})"))),
    }
}

fn open_locked(dir: &Path, cache: u64) -> Result<sled::Db, StoreError> {
    let open = || {
        sled::Config::new()
            .path(dir)
            .cache_capacity(cache)
            .mode(sled::Mode::LowSpace)
            .flush_every_ms(Some(FLUSH_EVERY_MS))
            .open()
    };
    let mut tries = 1;
    loop {
        match caught(dir, open) {
            Err(StoreError::Unavailable(text)) if text.contains("acquire lock") && tries < LOCK_TRIES => {
                tries += 1;
                // Nobody unparks this thread on purpose: this is a pause that costs no timer.
                std::thread::park_timeout(LOCK_PAUSE);
            }
            other => return other,
        }
    }
}

/// Removes what sled makes anew; says whether there was any.
fn remove_derived(dir: &Path) -> bool {
    let settings = fs::remove_file(dir.join("conf")).is_ok();
    remove_snapshots(dir, |_| true).is_ok_and(|count| count > 0) || settings
}

/// Removes sled's start-up snapshots whose name fits; says how many.
fn remove_snapshots(dir: &Path, fits: impl Fn(&str) -> bool) -> io::Result<usize> {
    let mut count = 0;
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("snap.") && fits(name) {
            fs::remove_file(&path)?;
            count += 1;
        }
    }
    Ok(count)
}

fn unavailable(dir: &Path, error: &io::Error) -> StoreError {
    StoreError::Unavailable(format!("{}: {error}", dir.display()))
}

fn corrupt(dir: &Path, text: &str) -> StoreError {
    StoreError::Corrupt { place: dir.display().to_string(), text: text.to_owned() }
}
