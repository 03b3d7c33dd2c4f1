//! The last rules directory that took effect, kept in the data directory: a restart over a broken one runs on it.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::rules::SourceFile;

#[derive(Serialize, Deserialize)]
struct Kept {
    path: String,
    text: String,
}

/// The file that keeps it. Secrets written out in rules files stand in it: it is readable by the owner only.
fn file(data: &Path) -> PathBuf {
    data.join("last-good-rules.json")
}

/// Keeps a set that took effect; written aside, synced and renamed, so that it is always whole.
pub(super) fn keep(data: &Path, files: &[SourceFile]) -> std::io::Result<()> {
    let kept =
        |file: &SourceFile| Kept { path: file.path.clone(), text: String::from_utf8_lossy(&file.bytes).into_owned() };
    let kept: Vec<Kept> = files.iter().map(kept).collect();
    let mut aside = tempfile::NamedTempFile::new_in(data)?; // made 0600
    aside.write_all(&serde_json::to_vec(&kept)?)?;
    aside.as_file().sync_all()?;
    aside.persist(file(data))?;
    std::fs::File::open(data)?.sync_all()
}

/// The kept set; `None` if there is none or it cannot be read.
pub(super) fn read(data: &Path) -> Option<Vec<SourceFile>> {
    let kept: Vec<Kept> = serde_json::from_slice(&std::fs::read(file(data)).ok()?).ok()?;
    Some(kept.into_iter().map(|kept| SourceFile { path: kept.path, bytes: kept.text.into_bytes() }).collect())
}
