//! The rules directory as commands other than `check` load it: warnings are shown, faults end the command.

use std::fs;
use std::path::Path;

use crate::diagnostic::Severity;
use crate::rules::Ruleset;
use crate::{app, rules};

use super::failure::Failure;
use super::output::{count, diagnostics};

/// Where rules are looked for if nobody says where.
pub(super) const DEFAULT: &str = "rules";

/// The directory that is meant. Where there is no `rules` and rules files are at hand, somebody stands in the directory itself.
pub(super) fn at_hand(dir: &Path) -> &Path {
    let here = Path::new(".");
    if dir == Path::new(DEFAULT) && !dir.exists() && holds_rules(here) { here } else { dir }
}

/// Whether one of its files begins a table of rules. Other programs keep TOML too.
fn holds_rules(dir: &Path) -> bool {
    const TABLES: [&str; 8] =
        ["[event.", "[learn.", "[part.", "[access.", "[webhook.", "[shop]", "[session]", "[flash]"];
    let Ok(entries) = fs::read_dir(dir) else { return false };
    let files = entries.filter_map(Result::ok).map(|entry| entry.path());
    files.filter(|path| path.extension().is_some_and(|end| end == "toml")).any(|path| {
        let text = fs::read(&path).unwrap_or_default();
        String::from_utf8_lossy(&text).lines().any(|line| TABLES.iter().any(|table| line.starts_with(table)))
    })
}

/// What to say where there is no such directory.
pub(super) fn missing(dir: &Path) -> Failure {
    let dir = dir.display();
    Failure::Usage(format!(
        "there is no directory {dir}: name your rules directory (`.` is the one you are in), or make one with `shopbell init {dir}`"
    ))
}

/// Loads it; all faults are shown.
pub(super) fn ruleset(dir: &Path) -> Result<Ruleset, Failure> {
    let dir = at_hand(dir);
    let (found, ruleset) = match app::read_rules_dir(dir) {
        Err(faults) => (faults, None),
        Ok(files) => {
            let loaded = rules::load(&files);
            (loaded.diagnostics, loaded.ruleset)
        }
    };
    diagnostics(&found)?;
    let errors = found.iter().filter(|fault| fault.severity == Severity::Error).count();
    ruleset.ok_or_else(|| {
        Failure::Failed(format!("the rules in {} have faults ({})", dir.display(), count(errors, "fault")))
    })
}
