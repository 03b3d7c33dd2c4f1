//! The rules directory as commands other than `check` load it: warnings are shown, faults end the command.

use std::path::Path;

use crate::diagnostic::Severity;
use crate::rules::Ruleset;
use crate::{app, rules};

use super::failure::Failure;
use super::output::{count, diagnostics};

/// Loads it; all faults are shown.
pub(super) fn ruleset(dir: &Path) -> Result<Ruleset, Failure> {
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
