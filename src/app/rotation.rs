//! A new secret for a webhook, as the command line asks the engine for it.

use std::path::Path;

use crate::clock::Clock;

pub use crate::engine::rotate::{MAX_KEEP, Origin, RotateError, Rotation, SecretFile, Wish};

/// Plans it for the rules in `dir`, as of now; secret files with relative paths are below `base`.
pub async fn plan(dir: &Path, base: &Path, wish: Wish) -> Result<Rotation, RotateError> {
    crate::engine::rotate::plan(dir, base, wish, Clock::System.now()).await
}
