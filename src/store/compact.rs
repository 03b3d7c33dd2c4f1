//! Giving disk back: the engine frees none of it, so a state that has grown far beyond its rows is copied at start.

use std::fs;
use std::io;
use std::ops::Bound;
use std::path::Path;

use super::StoreError;
use super::disk::{Batch, Disk, directory_bytes};
use super::partition::{failing, sync_directory, write_durably};

/// Cache of each database while copying, in bytes.
const CACHE: u64 = 8 << 20;

/// Rows copied in one batch.
const PAGE: usize = 256;

/// A state smaller than this is never copied, in bytes.
const LEAST_BYTES: u64 = 64 << 20;

/// A state is copied when its disk exceeds its rows so many times.
const FACTOR: u64 = 4;

/// Copies the database in `dir` if its disk exceeds four times the bytes of its rows. Nobody may have it open. Says whether
/// it did.
fn compact(dir: &Path) -> Result<bool, StoreError> {
    compact_above(dir, LEAST_BYTES, FACTOR)
}

/// File in the data directory that asks for a copy whatever the size: something was erased.
const ASKED: &str = "compact-state";

/// Asks for a copy at the next start, so that what was taken out of the state is gone from its file too.
pub(super) fn ask(data: &Path) -> Result<(), StoreError> {
    let path = data.join(ASKED);
    write_durably(&path, b"").map_err(|error| failing(&path, &error))
}

/// Copies the state below `data` if that is due, or was asked for.
pub(super) fn compact_state(data: &Path) -> Result<bool, StoreError> {
    let (dir, asked) = (data.join("state"), data.join(ASKED));
    if !asked.exists() {
        return compact(&dir);
    }
    let copied = compact_above(&dir, 0, 0)?;
    fs::remove_file(&asked).map_err(|error| failing(&asked, &error))?;
    Ok(copied)
}

fn compact_above(dir: &Path, least: u64, factor: u64) -> Result<bool, StoreError> {
    let fault = |error: io::Error| failing(dir, &error);
    let (copy, old) = (dir.with_extension("compacting"), dir.with_extension("before"));
    // A crash between the two renames below left the copy, whole, or the old one, or both.
    if !dir.exists() && old.exists() {
        fs::rename(&old, dir).map_err(fault)?;
    }
    remove(&copy).and_then(|()| remove(&old)).map_err(fault)?;
    let bytes = directory_bytes(dir);
    if bytes < least {
        return Ok(false);
    }
    let from = Disk::open(dir, CACHE)?;
    let live = walk(&from, |_| Ok(()))?;
    if bytes <= live.saturating_mul(factor) {
        return Ok(false);
    }
    let to = Disk::open(&copy, CACHE)?;
    walk(&from, |page| {
        let mut batch = Batch::default();
        for (key, value) in page {
            batch.put(&key, value);
        }
        to.apply(batch)
    })?;
    to.sync()?;
    drop((from, to));
    let parent = dir.parent().unwrap_or(dir);
    let swapped = sync_directory(&copy)
        .and_then(|()| fs::rename(dir, &old))
        .and_then(|()| fs::rename(&copy, dir))
        .and_then(|()| sync_directory(parent))
        .and_then(|()| remove(&old));
    swapped.map_err(fault)?;
    Ok(true)
}

/// Shows all rows page by page; gives the bytes of their keys and values.
fn walk(
    disk: &Disk,
    mut each: impl FnMut(Vec<super::disk::Pair>) -> Result<(), StoreError>,
) -> Result<u64, StoreError> {
    let (mut from, mut bytes) = (Vec::new(), 0);
    loop {
        let page = disk.range(&from, Bound::Unbounded, PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(bytes) };
        from.clone_from(last);
        from.push(0);
        bytes += page.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum::<u64>();
        each(page)?;
    }
}

fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_that_has_grown_is_copied_and_keeps_its_rows() {
        let room = tempfile::tempdir().unwrap();
        let dir = room.path().join("state");
        let disk = Disk::open(&dir, CACHE).unwrap();
        for round in 0..40u32 {
            let mut batch = Batch::default();
            for row in 0..50u8 {
                batch.put(&[row], vec![row ^ u8::try_from(round).unwrap(); 4_000]);
            }
            disk.apply(batch).unwrap();
            disk.sync().unwrap();
        }
        let rows = disk.range(&[], Bound::Unbounded, 1_000).unwrap();
        drop(disk);
        let before = directory_bytes(&dir);
        assert!(before > FACTOR * 50 * 4_001, "{before}");
        assert!(compact_above(&dir, 1, FACTOR).unwrap());
        assert!(directory_bytes(&dir) < before);
        assert!(!compact_above(&dir, u64::MAX, FACTOR).unwrap());
        assert_eq!(Disk::open(&dir, CACHE).unwrap().range(&[], Bound::Unbounded, 1_000).unwrap(), rows);
        // What a crash in the middle leaves is put right.
        fs::rename(&dir, room.path().join("state.before")).unwrap();
        fs::create_dir(room.path().join("state.compacting")).unwrap();
        assert!(!compact_above(&dir, u64::MAX, FACTOR).unwrap());
        assert_eq!(Disk::open(&dir, CACHE).unwrap().range(&[], Bound::Unbounded, 1_000).unwrap(), rows);
        assert!(!room.path().join("state.compacting").exists());
    }
}
