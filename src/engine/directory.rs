//! The rules directory on disk: which files count, their stamps, and their texts.

use std::fs;
use std::path::{Path, PathBuf};

use crate::diagnostic::Diagnostic;
use crate::rules::SourceFile;

/// Files a rules directory may hold; more is a fault (somebody pointed at the wrong directory).
const MAX_FILES: usize = 10_000;
/// Bytes one rules file may have.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;
/// Bytes of all of them together.
const MAX_TOTAL_BYTES: u64 = 64 * 1024 * 1024;
/// Directories below each other, so that a link in a circle ends.
const MAX_DEPTH: usize = 16;

/// Faults of reading, each with its file.
pub type DirectoryError = Vec<Diagnostic>;

/// What is compared to see that something moved: cheap, and only a hint (the contents' hash decides).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Stamps(Vec<(PathBuf, u64, i128, u64)>);

/// Reads every `*.toml` of a directory, recursively, in name order. Names that begin with `.` or end in `~`, `.swp` or
/// `.tmp` do not count. Links are followed, as Kubernetes mounts directories by links.
pub fn read_directory(root: &Path) -> Result<Vec<SourceFile>, DirectoryError> {
    let mut faults = Vec::new();
    let (mut files, mut total) = (Vec::new(), 0);
    for path in list(root)? {
        let name = relative(root, &path);
        let read = read_file(&path, MAX_FILE_BYTES);
        total += read.as_ref().map_or(0, |bytes| bytes.len() as u64);
        if total > MAX_TOTAL_BYTES {
            let text = format!("the rules files have more than {MAX_TOTAL_BYTES} bytes together");
            return Err(vec![Diagnostic::of_file(&name, text).hint("is this the right directory?")]);
        }
        match read {
            Ok(bytes) => files.push(SourceFile { path: name, bytes }),
            Err(error) => {
                let fault = Diagnostic::of_file(&name, format!("the file cannot be read: {error}"));
                faults.push(
                    fault.hint(
                        "check its owner and permissions, or give it a name that starts with a dot to leave it out",
                    ),
                );
            }
        }
    }
    if faults.is_empty() { Ok(files) } else { Err(faults) }
}

/// Reads a regular file of at most `limit` bytes. Pipes and devices, which may never end, are refused unopened.
pub(super) fn read_file(path: &Path, limit: u64) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    if !fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(std::io::Error::other(format!("it has more than {limit} bytes")));
    }
    Ok(bytes)
}

/// The stamps of a directory as it stands; an unreadable one has none.
pub(super) fn stamps(root: &Path) -> Stamps {
    stamps_of(list(root).unwrap_or_default())
}

/// The stamps of these files; one that is not there has zeros.
pub(super) fn stamps_of(paths: Vec<PathBuf>) -> Stamps {
    use std::os::unix::fs::MetadataExt as _;
    let stamp = |path: PathBuf| {
        let meta = fs::metadata(&path).ok();
        let stamp = meta.map_or((0, 0, 0), |meta| {
            // The change time also moves when only owner or permissions do, and no tool can set it back.
            (meta.len(), i128::from(meta.ctime()) * 1_000_000_000 + i128::from(meta.ctime_nsec()), meta.ino())
        });
        (path, stamp.0, stamp.1, stamp.2)
    };
    Stamps(paths.into_iter().map(stamp).collect())
}

fn list(root: &Path) -> Result<Vec<PathBuf>, DirectoryError> {
    let name = root.display().to_string();
    if !root.is_dir() {
        let fault = Diagnostic::of_file(&name, "the rules directory does not exist or is no directory");
        return Err(vec![fault.hint("make one with `shopbell init DIR`, or name it with --rules")]);
    }
    let mut found = Vec::new();
    walk(root, 0, &mut found).map_err(|(path, error)| {
        let fault = Diagnostic::of_file(&path.display().to_string(), format!("the directory cannot be read: {error}"));
        vec![fault.hint("check its owner and permissions")]
    })?;
    found.sort();
    Ok(found)
}

fn walk(dir: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), (PathBuf, std::io::Error)> {
    let fault = |error| (dir.to_owned(), error);
    for entry in fs::read_dir(dir).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        if is_left_out(&path) {
            continue;
        }
        if path.is_dir() {
            if depth < MAX_DEPTH {
                walk(&path, depth + 1, found)?;
            }
        } else if is_rules_file(&path) {
            if found.len() == MAX_FILES {
                return Err(fault(std::io::Error::other(format!("it holds more than {MAX_FILES} rules files"))));
            }
            found.push(path);
        }
    }
    Ok(())
}

/// Names that never count: hidden ones, and what editors leave behind.
fn is_left_out(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') || [".swp", ".tmp", "~"].iter().any(|end| name.ends_with(end))
}

/// Whether a file of this name counts.
pub(super) fn is_rules_file(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "toml") && !is_left_out(path)
}

fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

/// A hash over names and contents: the same set, the same text.
pub(super) fn fingerprint(files: &[SourceFile]) -> String {
    use sha2::{Digest as _, Sha256};
    let mut hash = Sha256::new();
    for file in files {
        hash.update((file.path.len() as u64).to_be_bytes());
        hash.update(&file.path);
        hash.update((file.bytes.len() as u64).to_be_bytes());
        hash.update(&file.bytes);
    }
    crate::id::hex(&hash.finalize()[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_finished_toml_files_count() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("webhooks")).unwrap();
        fs::create_dir_all(dir.path().join("..2026_data")).unwrap();
        for name in [
            "b.toml",
            "a.toml",
            ".hidden.toml",
            "c.toml~",
            "c.toml.swp",
            "notes.txt",
            "webhooks/w.toml",
            "..2026_data/x.toml",
        ] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let files = read_directory(dir.path()).unwrap();
        let names: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(names, ["a.toml", "b.toml", "webhooks/w.toml"]);
        assert!(read_directory(&dir.path().join("missing")).unwrap_err()[0].message.contains("does not exist"));
    }
}
