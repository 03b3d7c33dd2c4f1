//! `shopbell init`: a commented rules directory to start from.

use std::fs;
use std::io::{self, Write as _};

use crate::rules::schema::FILE;

use super::args::InitArgs;
use super::failure::Failure;
use super::schema;

/// The starter files: path and text. They pass `check` as they are.
const FILES: [(&str, &str); 3] = [
    ("shop.toml", include_str!("shop.toml")),
    ("events.toml", include_str!("events.toml")),
    ("webhooks.toml", include_str!("webhooks.toml")),
];

pub(super) fn run(args: &InitArgs) -> Result<(), Failure> {
    let dir = &args.dir;
    let shown = dir.display();
    let fault = |error: io::Error| Failure::caused(format!("{shown} cannot be made"), &error);
    match fs::read_dir(dir).map(|mut entries| entries.next().is_some()) {
        Ok(true) => {
            let text =
                format!("{shown} is not empty, and nothing is overwritten: name a directory that does not exist yet");
            return Err(Failure::Failed(text));
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fault(error)),
        _ => fs::create_dir_all(dir).map_err(fault)?,
    }
    let schema = schema::text();
    for (name, text) in FILES.into_iter().chain([(FILE, schema.as_str())]) {
        // `create_new`: a file that somebody else put there in the meantime stays theirs.
        let file = fs::OpenOptions::new().write(true).create_new(true).open(dir.join(name));
        file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(fault)?;
    }
    let mut out = anstream::stdout().lock();
    for (name, _) in FILES {
        writeln!(out, "made {}", dir.join(name).display())?;
    }
    writeln!(out, "made {}, for editors (`shopbell schema` prints it)", dir.join(FILE).display())?;
    writeln!(out, "\nNext: edit them, then\n  shopbell check {shown}")?;
    writeln!(out, "  shopbell run --upstream http://127.0.0.1:8000 --rules {shown} --data data")?;
    Ok(())
}
