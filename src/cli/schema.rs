//! `shopbell schema`: the JSON Schema of rules files, for editors.

use std::io::{self, Write as _};

use crate::rules::schema::schema;

use super::failure::Failure;

pub(super) fn run() -> Result<(), Failure> {
    Ok(io::stdout().lock().write_all(text().as_bytes())?)
}

/// The schema as a file: on one line, as only programs read it.
pub(super) fn text() -> String {
    let mut text = serde_json::to_string(&schema()).unwrap_or_default();
    text.push('\n');
    text
}
