//! Conditions on the exchange alone. Runs in parallel for many exchanges: reads no state.
//!
//! `look` finds what a condition is about, `fit` says whether it fits, `decide` puts conditions together to a rule. The
//! same three serve the index, which asks with less of the exchange to be seen, and `failure`, which tells what decided.
//! `whole` asks the finds too (`extract`), once for each GraphQL root field (`graphql`); what rules share of that is kept
//! in a `sight` of the exchange.

mod checks;
mod decide;
mod extract;
mod failure;
mod fit;
mod flash;
mod graphql;
mod look;
mod memory;
mod nested;
mod sight;
mod whole;

use crate::exchange::Reading;

use super::derive::Note;
use super::index::Candidates;
use super::path::segments;
use super::rule::{EventRule, Ruleset};

pub use checks::{Check, Checks, Held, Side};
pub(super) use decide::{captures, decide, table};
use extract::Outcome;
pub use failure::Failure;
pub(super) use fit::Truth;
use fit::text_of;
pub use flash::Shown;
pub(super) use flash::value as flash_value;
use look::Root;
pub(super) use look::Stage;
pub(super) use memory::holds;
pub(super) use sight::Sight;
pub use sight::{Found, NextPage};
use whole::{Standing, stand};

/// Rules whose conditions on the exchange hold, with what their paths captured.
#[derive(Debug, Default)]
pub struct Matched {
    /// Index of the rule, and its captures in the same order as [`Ruleset::events`].
    pub rules: Vec<MatchedRule>,
    /// Rules that match but for their own `flash`, a find or a value that reads it: no cookie came, so the session's next
    /// page has to show the messages ([`Ruleset::shown_flash`], [`EventRule::flash_fits`], [`Ruleset::shown_finds`]).
    pub waiting: Vec<MatchedRule>,
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
    /// Captures of the referer's path.
    pub referer_params: Vec<(String, String)>,
    /// What its finds gave, and what else it saw of the exchange.
    pub found: Found,
}

impl Ruleset {
    /// Which of the candidates hold on this exchange, in order; stops after a rule with `stop` only at derive.
    ///
    /// A rule whose conditions cannot be decided, because a body is cut or cannot be read, does not match, and a note
    /// says so. An exchange without the shop's whole answer matches nothing.
    pub fn matches(&self, reading: &Reading, candidates: &Candidates) -> Matched {
        let mut matched = Matched::default();
        let request = &reading.exchange().request;
        let path = segments(request.path(), reading.options().charset);
        let sight = Sight::new(reading, self.flash.as_ref());
        for number in self.index.past_gates(&sight, candidates) {
            let Some(rule) = self.events.get(number as usize) else { continue };
            let Some(params) = captures(rule, &request.method, &path) else { continue };
            let hit = |found| MatchedRule {
                rule: number,
                params: params.clone(),
                location_params: look::captures(Some(rule), reading, Root::Location).unwrap_or_default(),
                referer_params: look::captures(Some(rule), reading, Root::Referer).unwrap_or_default(),
                found,
            };
            for standing in stand(rule, &sight) {
                if let Standing::Fits(_) | Standing::Waits(_) = standing {
                    matched.notes.extend(missing(rule, &sight));
                }
                match standing {
                    Standing::Fits(found) => matched.rules.push(hit(found)),
                    Standing::Waits(found) => matched.waiting.push(hit(found)),
                    Standing::Not((Truth::Open(why), cause), _) => {
                        let text = failure::undecided(why, cause);
                        matched.notes.push(Note { rule: rule.name.clone(), text });
                    }
                    Standing::Not(..) => {}
                }
            }
        }
        matched
    }
}

/// Finds a rule does without because their source is damaged.
fn missing<'r>(rule: &'r EventRule, sight: &'r Sight<'_>) -> impl Iterator<Item = Note> + 'r {
    rule.finds.iter().filter(|find| find.optional).filter_map(|find| match sight.find(&find.extract) {
        Outcome::Damaged(damage) => {
            let text = format!("`find.{}` is undefined: the body is {}", find.name, damage.as_str());
            Some(Note { rule: rule.name.clone(), text })
        }
        _ => None,
    })
}

/// The texts that a literal is compared with at a path of fields.
pub(super) fn texts_at(fields: &crate::exchange::Fields, path: &crate::exchange::FieldPath) -> Vec<String> {
    let Some(value) = fields.get(path) else { return Vec::new() };
    match &*value {
        serde_json::Value::Array(items) => items.iter().filter_map(text_of).map(std::borrow::Cow::into_owned).collect(),
        one => text_of(one).map(std::borrow::Cow::into_owned).into_iter().collect(),
    }
}

/// The same at a path of JSON.
pub(super) fn json_texts(tree: &serde_json::Map<String, serde_json::Value>, path: &[String]) -> Vec<String> {
    let Some((top, below)) = path.split_first() else { return Vec::new() };
    let found = tree.get(top).and_then(|value| look::below(value, below));
    match found {
        Some(serde_json::Value::Array(items)) => {
            items.iter().filter_map(text_of).map(std::borrow::Cow::into_owned).collect()
        }
        found => found.and_then(text_of).map(std::borrow::Cow::into_owned).into_iter().collect(),
    }
}
