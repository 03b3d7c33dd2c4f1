//! Recorded exchanges, one JSON object a line.

use super::Exchange;

/// One line of a recording.
#[derive(Debug)]
pub struct RecordedLine {
    /// Seconds since the recording's start, where the line says so.
    pub t: Option<f64>,
    /// The exchange; its time is zero until the caller sets it.
    pub exchange: Exchange,
}

/// Reads one line: `{"request":{"method","url","headers":[[k,v]…],"body_base64"},"response":{"status","headers","body_base64"}}`;
/// unknown keys are ignored. The error is for people.
pub fn parse_line(_line: &str) -> Result<RecordedLine, String> {
    todo!()
}
