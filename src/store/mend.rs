//! Saving what can be saved of a damaged partition: its whole records are copied into a new database under the same name,
//! the damaged directory is set aside, as it was found, for people to look at.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::StoreError;
use super::disk::Disk;
use super::journal::aside_name;
use super::pack::Packer;
use super::partition::{Sealed, directory_name, failing, sync_directory};
use super::salvage::Image;
use super::scan::survey;
use crate::clock::Timestamp;

/// Cache of the databases while copying, in bytes.
const CACHE: u64 = 4 << 20;

/// Records copied in one batch.
const BATCH: usize = 64;

/// End of the name of a copy that is not finished.
pub(super) const UNFINISHED: &str = ".mending";

/// What became of a damaged partition.
#[derive(Debug)]
pub(super) struct Mended {
    /// The partition with what was saved; `None` if nothing was.
    pub(super) sealed: Option<Sealed>,
    /// Where the damaged directory is now; `None` if there was none.
    pub(super) aside: Option<PathBuf>,
}

impl Mended {
    /// A sentence for people, given what the partition should have held.
    pub(super) fn text(&self, journal: &str, was: &Sealed) -> String {
        let saved = self.sealed.as_ref().map_or(0, |sealed| sealed.count);
        let whereabouts = match &self.aside {
            Some(path) => format!("the damaged files are in {}", path.display()),
            None => "its directory is gone".to_owned(),
        };
        format!(
            "the partition of the {journal} journal with records {} to {} was damaged: {saved} of {} records were saved; {whereabouts}",
            was.first, was.last, was.count
        )
    }
}

/// Copies the whole records from `first` to `last` of the partition that begins at `first`, sets the damaged one aside and
/// puts the copy in its place. `image` was taken before sled had opened it.
pub(super) fn mend(journal: &Path, first: u64, last: u64, image: &Image, now: Timestamp) -> Result<Mended, StoreError> {
    let dir = journal.join(directory_name(first));
    if !dir.is_dir() {
        return Ok(Mended { sealed: None, aside: None });
    }
    let copy = journal.join(format!("{}{UNFINISHED}", directory_name(first)));
    // First of all: if there is no room for the copy, the next try finds no less.
    image.restore(&dir).and_then(|()| remove(&copy)).map_err(|error| failing(&dir, &error))?;
    let sealed = save(image, &copy, first, last, now)?;
    let aside = aside_name(&dir, now);
    let moved = fs::rename(&dir, &aside)
        .and_then(|()| if sealed.is_some() { fs::rename(&copy, &dir) } else { remove(&copy) })
        .and_then(|()| sync_directory(journal));
    moved.map_err(|error| failing(&dir, &error))?;
    Ok(Mended { sealed, aside: Some(aside) })
}

fn save(image: &Image, copy: &Path, first: u64, last: u64, now: Timestamp) -> Result<Option<Sealed>, StoreError> {
    let to = Disk::open(copy, CACHE)?;
    let (mut packer, mut waiting) = (Packer::default(), 0);
    for stored in image.records(first, last).into_values() {
        let place = stored.place;
        packer.add(&stored.into_encoded(), place);
        waiting += 1;
        // An entry stays together.
        if waiting >= BATCH && place.left == 0 {
            waiting = 0;
            to.apply(std::mem::take(&mut packer).finish())?;
        }
    }
    to.apply(packer.finish())?;
    to.sync()?;
    let kept = survey(&to, first, |_| Ok(()))?;
    if kept.count == 0 {
        return Ok(None);
    }
    let checksum = kept.hasher.finalize();
    let sealed = Sealed { first, last: kept.last_any, count: kept.count, checksum, at: now, holes: kept.holes };
    sealed.write(copy)?;
    Ok(Some(sealed))
}

fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
