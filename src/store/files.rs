//! The small files of a data directory: its lock, its layout version and its instance key.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use super::StoreError;
use super::journal::aside_name;
use super::partition::{sync_directory, write_durably};
use crate::clock::Clock;
use crate::id::{fill_random, hex, unhex};

/// How often a held lock is asked for again: a process that a thread of ours is just starting holds copies of our open
/// files, and so the lock of a store just closed, until it has become another program.
const LOCK_TRIES: u32 = 20;

/// Pause between two tries.
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Version of the directory's layout. 2: small records of the journals share values (`pack.rs`); a directory of before is
/// read as it is, and goes on as one of 2.
const LAYOUT: u32 = 2;

/// Makes the directory (0700), takes its lock and checks its layout. The lock is held as long as the file is open.
pub(super) fn take(data: &Path) -> Result<File, StoreError> {
    let fault = |source: io::Error| StoreError::Directory { path: data.display().to_string(), source };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(fault)?;
    fs::set_permissions(data, fs::Permissions::from_mode(0o700)).map_err(fault)?;
    let mut options = OpenOptions::new();
    let lock = options.create(true).truncate(false).write(true).mode(0o600).open(data.join("lock")).map_err(fault)?;
    for _ in 0..LOCK_TRIES {
        match lock.try_lock() {
            Ok(()) => return layout(data).map(|()| lock),
            Err(TryLockError::WouldBlock) => std::thread::park_timeout(LOCK_PAUSE),
            Err(TryLockError::Error(error)) => return Err(fault(error)),
        }
    }
    Err(StoreError::InUse(data.display().to_string()))
}

fn layout(data: &Path) -> Result<(), StoreError> {
    let fault = |source: io::Error| StoreError::Directory { path: data.display().to_string(), source };
    let path = data.join("layout");
    match fs::read_to_string(&path) {
        Ok(text) if text.trim().parse::<u32>().is_ok_and(|version| version > LAYOUT) => Err(StoreError::Corrupt {
            place: path.display().to_string(),
            text: format!(
                "its layout is {}, this shopbell knows {LAYOUT}: it was written by a newer version, start that one \
                 (if the file was damaged, write {LAYOUT} into it)",
                text.trim()
            ),
        }),
        Ok(text) if text.trim() == LAYOUT.to_string() => Ok(()),
        Err(error) if error.kind() != io::ErrorKind::NotFound && error.kind() != io::ErrorKind::InvalidData => {
            Err(fault(error))
        }
        _ => write_durably(&path, format!("{LAYOUT}\n").as_bytes()).map_err(fault),
    }
}

/// What is told where the key is gone from a directory that was in use.
pub(super) const MADE_ANEW: &str = "the file instance, the key that delivery ids are made with, was missing and is made anew: \
    what is delivered from now on has other ids than before, and receivers may take what is sent again for something new; \
    with the old file back from a backup and a restart they are the same again";

/// The key delivery ids are made with; made (0600) where there is none. An unreadable one is set aside, with a note.
pub(super) fn instance_key(data: &Path, clock: Clock, notes: &mut Vec<String>) -> Result<[u8; 32], StoreError> {
    let fault = |source: io::Error| StoreError::Directory { path: data.display().to_string(), source };
    let path = data.join("instance");
    match fs::read(&path) {
        Ok(bytes) => {
            let text = String::from_utf8(bytes).unwrap_or_default();
            if let Some(key) = unhex(text.trim()).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()) {
                return Ok(key);
            }
            let aside = aside_name(&path, clock.now());
            fs::rename(&path, &aside).map_err(fault)?;
            notes.push(format!(
                "the instance key was damaged and is made anew: deliveries from now on have other ids than before \
                 (the damaged file is {})",
                aside.display()
            ));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(fault(error)),
    }
    let mut key = [0; 32];
    fill_random(&mut key);
    let write = || {
        let writing = data.join("instance.writing");
        drop(fs::remove_file(&writing));
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&writing)?;
        file.write_all(format!("{}\n", hex(&key)).as_bytes())?;
        file.sync_all()?;
        fs::rename(&writing, &path)?;
        sync_directory(data)
    };
    write().map_err(fault)?;
    Ok(key)
}
