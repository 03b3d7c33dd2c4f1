//! `shopbell run`: the process itself.

use crate::app;
use crate::settings::{RunArgs, Settings};

use super::failure::Failure;
use super::output::diagnostics;

pub(super) fn run(args: RunArgs) -> Result<(), Failure> {
    let settings = match Settings::resolve(args) {
        Ok(settings) => settings,
        Err(faults) => {
            diagnostics(&faults)?;
            return Err(Failure::Usage("the settings have faults".to_owned()));
        }
    };
    app::run(settings).map_err(|fault| Failure::caused("it cannot run", &fault))
}
