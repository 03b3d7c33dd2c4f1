//! Conditions that need state: those on what is remembered of the visitor, and those of a wait that name the first exchange.

use serde_json::Value;

use super::super::rule::{Condition, EventRule, Ruleset, Subject};
use super::MatchedRule;
use super::decide::decide;
use super::extract::Outcome;
use super::fit::{Truth, Why};
use super::look::Stage;
use super::sight::{Scene, Sight};
use crate::exchange::Reading;

/// Whether a rule whose conditions on the exchange hold fits what is remembered of the visitor too; `texts`: what a wait's
/// conditions took of the exchange that matched, `None` where no match is asked yet.
pub(in super::super) fn holds(
    ruleset: &Ruleset,
    rule: &EventRule,
    hit: &MatchedRule,
    reading: &Reading,
    (memory, texts): (&Value, Option<&[String]>),
) -> bool {
    let asks = |condition: &Condition| {
        matches!(condition.subject, Subject::Session(_)) || texts.is_some() && condition.matcher.is_bound()
    };
    let tables = rule.any.iter().flatten().chain(&rule.none).flatten();
    if !rule.conditions.iter().chain(tables).any(asks) {
        return true;
    }
    let finds: Vec<(String, Outcome)> =
        rule.finds.iter().map(|find| (find.name.clone(), hit.outcome(&find.name))).collect();
    let sight = Sight::new(reading, ruleset.flash.as_ref());
    let scene = Scene {
        field: hit.found.field.as_deref(),
        finds: Some(&finds),
        memory: Some(memory),
        texts,
        ..sight.scene_of(Stage::Whole, rule)
    };
    match decide(rule, scene).0 {
        // That it waits for the next page has been seen already.
        Truth::Holds | Truth::Open(Why::NextPage) => true,
        Truth::Open(Why::NotYet) => texts.is_none(),
        Truth::Fails | Truth::Open(Why::Damaged(_)) => false,
    }
}

impl MatchedRule {
    fn outcome(&self, name: &str) -> Outcome {
        let found = self.found.finds.iter().find(|(own, _)| own == name);
        found.map_or(Outcome::Nothing, |(_, value)| Outcome::Found(value.clone()))
    }
}
