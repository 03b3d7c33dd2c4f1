//! Conditions on the exchange alone. Runs in parallel for many exchanges: reads no state.

use crate::exchange::Reading;

use super::derive::Note;
use super::index::Candidates;
use super::rule::Ruleset;

/// Rules whose conditions on the exchange hold, with what their paths captured.
#[derive(Debug, Default)]
pub struct Matched {
    /// Index of the rule, and its captures in the same order as [`Ruleset::events`].
    pub rules: Vec<MatchedRule>,
    /// Things an operator should know (a body that was cut kept a rule from matching).
    pub notes: Vec<Note>,
}

/// One rule that matched.
#[derive(Debug)]
pub struct MatchedRule {
    /// Index into [`Ruleset::events`].
    pub rule: u32,
    /// Captures of the request's path.
    pub params: Vec<(String, String)>,
    /// Captures of the location's path.
    pub location_params: Vec<(String, String)>,
}

impl Ruleset {
    /// Which of the candidates hold on this exchange, in order; stops after a rule with `stop` only at derive.
    pub fn matches(&self, _reading: &Reading, _candidates: &Candidates) -> Matched {
        todo!()
    }
}
