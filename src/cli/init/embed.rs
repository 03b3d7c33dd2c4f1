//! The build script: makes a table of the shipped packs for the binary, so that a new pack or case needs no line of code.
//! A pack is a directory of `rules/` with a README.md; the demo's rules, which have none, are no shop's.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=rules");
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let mut table = String::from("&[\n");
    for pack in entries(&root.join("rules"))?.into_iter().filter(|pack| pack.join("README.md").is_file()) {
        table.push_str(&format!("    ({:?}, &[\n", name(&pack)));
        for file in files(&pack)? {
            let shown = file.strip_prefix(&pack).map_err(io::Error::other)?.display().to_string();
            table.push_str(&format!("        ({shown:?}, include_str!({:?})),\n", file.display().to_string()));
        }
        table.push_str("    ]),\n");
    }
    table.push_str("]\n");
    fs::write(Path::new(&variable("OUT_DIR")?).join("packs.rs"), table)
}

fn variable(name: &str) -> io::Result<String> {
    std::env::var(name).map_err(io::Error::other)
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
