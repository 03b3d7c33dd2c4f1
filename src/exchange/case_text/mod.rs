//! Recorded exchanges as text that people write, read and compare: the cases of rules.
//!
//! ```text
//! # A guest buys; the order's number is on the next page only.
//! >>> POST /index.php?main_page=checkout_process t=2.5
//! Host: shop.example
//! Cookie: zenid=8c1f0a7b
//!
//! form:
//! comments = No hurry
//! items[1][name] = Grüner Tee
//!
//! <<< 302
//! Location: /index.php?main_page=checkout_success
//!
//! >>> GET /index.php?main_page=checkout_success
//! Cookie: zenid=8c1f0a7b
//! <<< 200
//! Content-Type: text/html; charset=utf-8
//!
//! <div id="checkoutSuccessOrderNumber">Your order: 17</div>
//!
//! === answer GET /admin/orders.php?sort=date
//! <<< 200
//! Content-Type: text/html
//!
//! <td>17</td>
//!
//! === events
//! {"topic":"order.created","id":17}
//! ```
//!
//! - `>>> METHOD TARGET` begins a request, `<<< STATUS` its response; without one the shop failed to answer. Header lines
//!   follow, then a blank line and the body. No `Content-Length` is needed.
//! - Behind a target or a status may stand `t=SECONDS` since the first exchange, `secure` (the visitor spoke TLS),
//!   `end=failed|aborted`, `body=cut|incomplete|undecodable|too-large|unread`, `total=BYTES` of a body that is not whole.
//! - A body is the text as it stands, UTF-8, without the blank lines and comments at its end. A last line `\` keeps what
//!   stands before it to the last line break. A line that looks like one of this format's own gets a `\` in front.
//! - A body's first line may be a word that says how it is written:
//!   `form:` one `name = value` a line, sent urlencoded, in the charset that `Content-Type` names;
//!   `multipart:` the same, sent as `multipart/form-data`; `name @ file.jpg image/jpeg` is a file, its content left out;
//!   `json:` JSON over any number of lines, sent without blanks; `crlf:` text in which a line that ends in `\r` ends in CR LF;
//!   `base64:` any bytes.
//!   The first three stand for their `Content-Type` too, where none is given. Names and values with quotes, line breaks or
//!   blanks around them are written as JSON strings.
//! - A header with bytes that are no text is `Name:= "…"`, a JSON string of which each char is a byte.
//! - `=== answer GET TARGET`, followed by a response, is what the shop says to a look-up. `=== events` is the end: one expected
//!   event a line, as JSON.
//! - Lines that begin with `#` are comments, but not within a body.

mod body;
mod parse;
mod write;

use std::fmt;

use super::{CapturedBody, Exchange, ResponseHead};

/// A case: what happens, in order, and what must come of it.
#[derive(Clone, Debug, Default)]
pub struct CaseText {
    /// Exchanges and answers to look-ups.
    pub steps: Vec<CaseStep>,
    /// What stands behind `=== events`; `None` without such a line.
    pub expected: Option<ExpectedText>,
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub struct CaseStep {
    /// The comment above it, lines without their `#`.
    pub comment: Vec<String>,
    /// The line on which it begins, counted from 1; 0 if it comes from no file.
    pub line: usize,
    /// What it is.
    pub what: CaseWhat,
}

/// What happens.
#[derive(Clone, Debug)]
pub enum CaseWhat {
    /// A visitor asks and the shop answers.
    Exchange {
        /// Seconds since the case's start, where it says so.
        t: Option<f64>,
        /// The exchange; its time is zero until the caller sets it.
        exchange: Box<Exchange>,
    },
    /// What the shop says from here on if it is looked up.
    Answer {
        /// The look-up's path and query.
        target: String,
        /// The answer's head; `None` if the shop does not answer.
        response: Option<ResponseHead>,
        /// The answer's body.
        body: CapturedBody,
    },
}

/// The expected events, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpectedText {
    /// The comment above `=== events`, lines without their `#`.
    pub comment: Vec<String>,
    /// The line of the first event line, counted from 1; 0 if it comes from no file.
    pub line: usize,
    /// Everything behind the line `=== events`, without blank lines at the end. Empty lines and comments are the reader's
    /// to leave out.
    pub text: String,
}

/// What is wrong with a case, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseFault {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong and what to write.
    pub message: String,
}

impl fmt::Display for CaseFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for CaseFault {}

impl CaseText {
    /// Reads a case.
    pub fn parse(text: &str) -> Result<Self, CaseFault> {
        parse::parse(text)
    }

    /// Writes it, in the most readable form that [`Self::parse`] reads as the same exchanges.
    pub fn write(&self) -> String {
        write::write(self)
    }

    /// The exchanges in order, with their `t`.
    pub fn exchanges(&self) -> impl Iterator<Item = (Option<f64>, &Exchange)> {
        self.steps.iter().filter_map(|step| match &step.what {
            CaseWhat::Exchange { t, exchange } => Some((*t, exchange.as_ref())),
            CaseWhat::Answer { .. } => None,
        })
    }
}

/// What lines of the format's own begin with.
const MARKS: [&str; 4] = [">>>", "<<<", "===", "#"];
/// Words that say how a body is written.
const KINDS: [&str; 5] = ["form:", "multipart:", "json:", "crlf:", "base64:"];

/// Whether a line of a body would be taken for one of the format's own, whatever backslashes stand before it.
fn is_special(line: &str) -> bool {
    let plain = line.trim_start_matches('\\');
    (plain.is_empty() && !line.is_empty())
        || MARKS.iter().any(|mark| plain.starts_with(mark))
        || KINDS.contains(&plain.trim_end())
}

#[cfg(test)]
mod tests;
