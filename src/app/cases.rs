//! The cases beside a rules directory: `cases/**/*.txt`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where cases lie in a rules directory.
const DIR: &str = "cases";
/// How deep directories below it may nest.
const MAX_DEPTH: usize = 16;

/// One case as it lies on disk.
#[derive(Clone, Debug)]
pub struct CaseFile {
    /// Its path below `cases`, with `/` and without `.txt`.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

/// The cases of a rules directory in name order; none where it has no directory `cases`. Names that begin with a dot or end in
/// `~`, `.swp` or `.tmp` do not count.
///
/// # Errors
/// If a directory cannot be read.
pub fn case_files(rules: &Path) -> io::Result<Vec<CaseFile>> {
    let mut found = Vec::new();
    let top = rules.join(DIR);
    if top.is_dir() {
        walk(&top, "", 0, &mut found)?;
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

fn walk(dir: &Path, under: &str, depth: usize, found: &mut Vec<CaseFile>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let (name, path) = (entry.file_name().to_string_lossy().into_owned(), entry.path());
        if name.starts_with('.') || ["~", ".swp", ".tmp"].iter().any(|end| name.ends_with(end)) {
            continue;
        }
        let below = format!("{under}{name}");
        if path.is_dir() {
            if depth < MAX_DEPTH {
                walk(&path, &format!("{below}/"), depth + 1, found)?;
            }
        } else if let Some(name) = below.strip_suffix(".txt") {
            found.push(CaseFile { name: name.to_owned(), path });
        }
    }
    Ok(())
}
