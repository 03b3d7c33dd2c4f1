//! `shopbell run`: the process itself.

use crate::app::{self, AppError};
use crate::settings::{RunArgs, Settings};

use super::failure::Failure;
use super::output::diagnostics;

pub(super) fn run(args: RunArgs) -> Result<(), Failure> {
    app::keep_little();
    let settings = match Settings::resolve(args) {
        Ok(settings) => settings,
        Err(faults) => {
            diagnostics(&faults)?;
            return Err(Failure::Usage("the settings have faults".to_owned()));
        }
    };
    app::run(&settings).map_err(|fault| refused(&fault))
}

/// Why a process did not start; faults of the rules are shown with their places first.
pub(super) fn refused(fault: &AppError) -> Failure {
    if let Err(broken) = diagnostics(fault.diagnostics()) {
        return broken.into();
    }
    match fault {
        AppError::Settings(text) => Failure::Usage(text.clone()),
        other => Failure::of(other),
    }
}
