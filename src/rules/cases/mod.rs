//! Cases: recorded exchanges with the events they must give, held against a ruleset.
//!
//! A case is a text (see [`CaseText`]); its last section says the expected events, one JSON object a line:
//!
//! ```text
//! === events
//! {"topic":"order.created","id":17,"payload":{"id":17,"total":"12.50","coupon":null}}
//! ```
//!
//! Exactly these events must come, in the order of the exchanges that caused them. Of each, what is written must be there:
//! tables may hold more, lists may not, and `null` also stands for what is not there. Beside `topic`, `id`, `key` and `payload`
//! a line can say the number of the exchange whose rule matched (`seq`, from 0), of the one that settled it (`settled`), and
//! the `rule`. Lines that begin with `#` are comments.

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
    /// Whether what was expected came, and no other event.
    pub fn passed(&self) -> bool {
        self.states_events && self.comparison.rows.iter().all(|row| matches!(row, Row::Same { .. }))
    }

    /// The case's text with the events that came as the expected ones; nothing else is changed. Expected lines that fit stay
    /// as they are written, and so do comments; those that do not are given the values that came, and no more keys.
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
