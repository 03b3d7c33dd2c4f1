//! The build script: makes a table of the shipped packs for the binary, so that a new pack or case needs no line of code.
//! A pack is a directory of `rules/` with a README.md; the demo's rules, which have none, are no shop's.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

fn main() -> io::Result<()> {
    writeln!(io::stdout(), "cargo::rerun-if-changed=rules")?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut table = String::from("&[\n");
    for pack in entries(&root.join("rules"))?.into_iter().filter(|pack| pack.join("README.md").is_file()) {
        writeln!(table, "    ({:?}, &[", name(&pack)).map_err(io::Error::other)?;
        for file in files(&pack)? {
            let shown = file.strip_prefix(&pack).map_err(io::Error::other)?.display().to_string();
            let whole = file.display().to_string();
            writeln!(table, "        ({shown:?}, include_str!({whole:?})),").map_err(io::Error::other)?;
        }
        table.push_str("    ]),\n");
    }
    table.push_str("]\n");
    #[expect(clippy::disallowed_methods, reason = "so cargo tells a build script where to write")]
    let out = std::env::var("OUT_DIR").map_err(io::Error::other)?;
    fs::write(Path::new(&out).join("packs.rs"), table)
}

/// What is in a directory, in name order; hidden files are editors'.
fn entries(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut entries = fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    entries.retain(|path| !name(path).starts_with('.'));
    entries.sort();
    Ok(entries)
}

/// All files below a directory.
fn files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in entries(dir)? {
        if path.is_dir() { found.extend(files(&path)?) } else { found.push(path) }
    }
    Ok(found)
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
