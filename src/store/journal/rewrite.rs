//! A closed partition copied with some of its records changed, for what must be gone from the disk.

use std::fs;
use std::io;

use super::super::StoreError;
use super::super::disk::Disk;
use super::super::pack::Packer;
use super::super::partition::{Sealed, directory_name, failing, sync_directory};
use super::super::record::{Encoded, Stored};
use super::super::scan::survey;
use super::{Closed, Journal, lock};

/// End of the name of a copy that is not finished.
pub(in crate::store) const UNFINISHED: &str = ".erasing";

/// End of the name of a copy that is whole and takes the partition's place.
pub(in crate::store) const FINISHED: &str = ".erased";

/// Cache of the copy, in bytes.
const CACHE: u64 = 4 << 20;

/// Records copied in one batch.
const BATCH: usize = 64;

impl Journal {
    /// Copies the closed partition that begins at `first`; `change` gives what takes a record's place (`None`: it stays).
    /// The copy is whole and on disk before the old one goes; a crash in between is finished at the next start.
    pub(in crate::store) fn rewrite(
        &self,
        first: u64,
        change: &dyn Fn(&Stored) -> Result<Option<Encoded>, StoreError>,
    ) -> Result<(), StoreError> {
        let mut shelf = self.compared(lock(&self.shelf), first);
        let Some(disk) = self.open_closed(&mut shelf, first)? else { return Ok(()) };
        let Some(sealed) = shelf.closed.get(&first).map(|closed| closed.sealed.clone()) else { return Ok(()) };
        // Reads go on while it is copied.
        drop(shelf);
        let name = directory_name(first);
        let fault = |error: io::Error| failing(&self.dir, &error);
        let (dir, copy, whole) =
            (self.dir.join(&name), self.dir.join(name.clone() + UNFINISHED), self.dir.join(name + FINISHED));
        remove(&copy).map_err(fault)?;
        let sealed = copied(&disk, &copy, sealed, change)?;
        drop(disk);
        sync_directory(&copy).map_err(fault)?;
        let mut shelf = lock(&self.shelf);
        if !shelf.closed.contains_key(&first) {
            // Retention was faster.
            return remove(&copy).map_err(fault);
        }
        shelf.open.retain(|(open, _)| *open != first);
        fs::rename(&copy, &whole)
            .and_then(|()| sync_directory(&self.dir))
            .and_then(|()| remove(&dir))
            .and_then(|()| fs::rename(&whole, &dir))
            .and_then(|()| sync_directory(&self.dir))
            .map_err(fault)?;
        shelf.closed.insert(first, Closed::new(&dir, sealed, true));
        Ok(())
    }
}

fn copied(
    from: &Disk,
    copy: &std::path::Path,
    was: Sealed,
    change: &dyn Fn(&Stored) -> Result<Option<Encoded>, StoreError>,
) -> Result<Sealed, StoreError> {
    let to = Disk::open(copy, CACHE)?;
    let (mut packer, mut waiting) = (Packer::default(), 0);
    survey(from, was.first, |stored| {
        let place = stored.place;
        let encoded = match change(&stored) {
            Ok(Some(encoded)) => encoded,
            Ok(None) | Err(StoreError::Corrupt { .. }) => stored.into_encoded(),
            Err(error) => return Err(error),
        };
        packer.add(&encoded, place);
        waiting += 1;
        // An entry stays together.
        if waiting < BATCH || place.left > 0 {
            return Ok(());
        }
        waiting = 0;
        to.apply(std::mem::take(&mut packer).finish())
    })?;
    to.apply(packer.finish())?;
    to.sync()?;
    let found = survey(&to, was.first, |_| Ok(()))?;
    if found.count != was.count || found.holes != was.holes {
        let text = format!("a copy of {} records holds {}", was.count, found.count);
        return Err(StoreError::Unavailable(text));
    }
    let sealed = Sealed { checksum: found.hasher.finalize(), ..was };
    sealed.write(copy)?;
    Ok(sealed)
}

fn remove(dir: &std::path::Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
