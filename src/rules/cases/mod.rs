//! Cases: recorded exchanges with the events they must give, held against a ruleset.
//!
//! A case is a text (see [`CaseText`]); its last section says the expected events, one JSON object a line:
//!
//! ```text
//! === events
//! {"topic":"order.created","id":17,"payload":{"id":17,"total":"12.50","...":"more"}}
//! ```
//!
//! What is written is compared exactly: `topic`, `id`, `key` and `payload`, nothing more and nothing less. A key `"..."` in a
//! table, whatever its value, lets that table have more keys. Compared only where they are written: the dates of a payload
//! (`date_created`, `date_modified` and their `_gmt`), which are virtual time's as a rule, and beside `topic` the number of the
//! exchange whose rule matched (`seq`, from 0), of the one that settled it (`settled`), and `rule`. Lines that begin with `#`
//! are comments.

mod compare;
mod expected;
mod run;
mod update;

pub use compare::{Comparison, Difference, Row};
pub use expected::Expected;
pub use run::{Came, CaseNote, CaseRun};

use super::rule::Ruleset;
use crate::exchange::{CaseFault, CaseText};

/// What became of a case.
#[derive(Debug)]
pub struct CaseResult {
    /// What the rules gave.
    pub run: CaseRun,
    /// What was expected, in the order of the file.
    pub expected: Vec<Expected>,
    /// Both held against each other.
    pub comparison: Comparison,
    /// Whether the case says at all what it expects (an empty `=== events` does: nothing).
    pub states_events: bool,
}

impl CaseResult {
    /// Whether exactly what was expected came.
    pub fn passed(&self) -> bool {
        self.states_events && self.comparison.rows.iter().all(|row| matches!(row, Row::Same { .. }))
    }

    /// The case's text with the events that came as the expected ones; nothing else is changed. Expected lines that fit stay
    /// as they are written, and so do comments.
    pub fn updated(&self, text: &str, case: &CaseText) -> String {
        update::updated(text, case, self)
    }
}

impl Ruleset {
    /// Runs a case and compares. The error tells what is wrong with the case itself, with its line.
    pub fn run_case(&self, case: &CaseText) -> Result<CaseResult, CaseFault> {
        let expected = case.expected.as_ref().map_or_else(|| Ok(Vec::new()), expected::read)?;
        let run = run::run(self, case);
        let comparison = compare::compare(&expected, &run.events);
        Ok(CaseResult { run, expected, comparison, states_events: case.expected.is_some() })
    }
}
