//! The expected events of a case, read.

use serde_json::{Map, Value};

use crate::diagnostic::nearest;
use crate::exchange::{CaseFault, ExpectedText};

/// Keys of an expected event.
const KEYS: [&str; 7] = ["topic", "id", "key", "payload", "seq", "settled", "rule"];

/// An expected event.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// Its line in the file, counted from 1.
    pub line: usize,
    /// As written.
    pub text: String,
    /// What must be in it.
    pub event: Map<String, Value>,
    /// Comments and blank lines above it, as written.
    pub(super) above: Vec<String>,
}

impl Expected {
    /// The topic it states.
    pub fn topic(&self) -> &str {
        self.event.get("topic").and_then(Value::as_str).unwrap_or_default()
    }
}

/// Reads the lines; each that is neither blank nor a comment is one event.
pub(super) fn read(text: &ExpectedText) -> Result<Vec<Expected>, CaseFault> {
    let (mut events, mut above) = (Vec::new(), Vec::new());
    for (at, line) in text.text.lines().enumerate() {
        let number = text.line + at;
        if is_plain(line) {
            above.push(line.to_owned());
            continue;
        }
        let fault = |message: String| CaseFault { line: number, message };
        let event: Map<String, Value> = serde_json::from_str(line.trim())
            .map_err(|error| fault(format!("an expected event is a JSON object on one line: {error}")))?;
        if let Some(key) = event.keys().find(|key| !KEYS.contains(&key.as_str())) {
            let near = nearest(key, KEYS).map_or_else(|| KEYS.join(", "), |near| format!("did you mean `{near}`?"));
            return Err(fault(format!("`{key}` is no key of an expected event: {near}")));
        }
        if !event.contains_key("topic") {
            return Err(fault("an expected event has a `topic`".to_owned()));
        }
        events.push(Expected { line: number, text: line.to_owned(), event, above: std::mem::take(&mut above) });
    }
    Ok(events)
}

/// Whether a line says no event.
pub(super) fn is_plain(line: &str) -> bool {
    line.trim().is_empty() || line.trim_start().starts_with('#')
}
