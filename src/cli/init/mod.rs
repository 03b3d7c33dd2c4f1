//! `shopbell init`: a rules directory to start from, a shop's pack or a commented starter.

mod packs;

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use crate::rules::schema::FILE;

use super::args::InitArgs;
use super::failure::Failure;
use super::output::count;
use super::schema;

pub(super) use packs::names;

/// A file: its path below the directory, and its text.
type Laid<'a> = (&'a str, &'a str);

/// The starter files. They pass `check` as they are.
const STARTER: [Laid<'static>; 2] =
    [("shop.toml", include_str!("shop.toml")), ("events.toml", include_str!("events.toml"))];
/// Who gets the events; beside the starter and beside a pack.
const WEBHOOKS: Laid<'static> = ("webhooks.toml", include_str!("webhooks.toml"));
/// What the operator of a pack's shop sets.
const MY_SHOP: Laid<'static> = ("my-shop.toml", include_str!("my-shop.toml"));

pub(super) fn run(args: &InitArgs) -> Result<(), Failure> {
    let (dir, schema) = (&args.dir, schema::text());
    let pack = args.shop.as_deref().and_then(packs::files);
    let own: &[Laid<'_>] = if pack.is_some() { &[MY_SHOP, WEBHOOKS] } else { &[WEBHOOKS] };
    let files = pack.unwrap_or(&STARTER).iter().chain(own).copied();
    make(dir, files.clone().chain([(FILE, schema.as_str())]))?;
    let mut out = anstream::stdout().lock();
    if let (Some(shop), Some(pack)) = (&args.shop, pack) {
        let cases = pack.iter().filter(|(name, _)| name.starts_with("cases/")).count();
        let rules =
            pack.iter().filter(|(name, _)| Path::new(name).extension().is_some_and(|ext| ext == "toml")).count();
        let (rules, cases) = (count(rules, "file"), count(cases, "case"));
        writeln!(out, "made {}: {shop} in {rules} of rules with {cases}", dir.display())?;
        writeln!(out, "made {}, what the pack sees, and its settings", dir.join("README.md").display())?;
    } else {
        for (name, _) in STARTER {
            writeln!(out, "made {}", dir.join(name).display())?;
        }
    }
    for (name, _) in own {
        writeln!(out, "made {}", dir.join(name).display())?;
    }
    writeln!(out, "made {}, for editors (`shopbell schema` prints it)", dir.join(FILE).display())?;
    next(&mut out, args, own)?;
    Ok(())
}

fn next(out: &mut impl io::Write, args: &InitArgs, own: &[Laid<'_>]) -> io::Result<()> {
    let shown = args.dir.display();
    if args.shop.is_some() {
        let own: Vec<&str> = own.iter().map(|(name, _)| *name).collect();
        writeln!(out, "\nNext: read README.md, edit {}, then", own.join(" and "))?;
        writeln!(out, "  shopbell check {shown}\n  shopbell test {shown}")?;
    } else {
        writeln!(out, "\nNext: edit them, then\n  shopbell check {shown}")?;
    }
    writeln!(out, "  shopbell run --upstream http://127.0.0.1:8000 --rules {shown} --data data")
}

/// Makes the directory and the files in it; what is there already stays as it is, and ends it.
fn make<'a>(dir: &Path, files: impl Iterator<Item = Laid<'a>>) -> Result<(), Failure> {
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
    for (name, text) in files {
        let path = dir.join(name);
        path.parent().map_or(Ok(()), fs::create_dir_all).map_err(fault)?;
        // `create_new`: a file that somebody else put there in the meantime stays theirs.
        let file = fs::OpenOptions::new().write(true).create_new(true).open(path);
        file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(fault)?;
    }
    Ok(())
}
