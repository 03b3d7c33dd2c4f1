//! Conditions that need state: those on what is remembered of the visitor, and those of a wait that name the first exchange.

use serde_json::Value;

use super::super::rule::{Bound, Condition, EventRule, Matcher, Ruleset, Subject};
use super::MatchedRule;
use super::decide::decide;
use super::extract::Outcome;
use super::fit::{Truth, Why, fit};
use super::look::{Stage, look};
use super::sight::{Scene, Sight};
use crate::exchange::Reading;

/// Whether a rule whose conditions on the exchange hold fits what is remembered of the visitor too.
pub(in super::super) fn holds(
    ruleset: &Ruleset,
    rule: &EventRule,
    hit: &MatchedRule,
    reading: &Reading,
    memory: &Value,
) -> bool {
    let asks = |condition: &Condition| matches!(condition.subject, Subject::Session(_));
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
        ..sight.scene_of(Stage::Whole, rule)
    };
    // That it waits for the next page has been seen already.
    matches!(decide(rule, scene).0, Truth::Holds | Truth::Open(Why::NextPage))
}

/// Whether conditions of a wait whose values came of the first exchange hold on this one.
pub(in super::super) fn bound_hold(
    ruleset: &Ruleset,
    rule: &EventRule,
    texts: &[String],
    reading: &Reading,
    memory: &Value,
) -> bool {
    let sight = Sight::new(reading, ruleset.flash.as_ref());
    let scene = Scene { memory: Some(memory), ..sight.scene_of(Stage::Whole, rule) };
    let holds = |(bound, text): (&Bound, &String)| {
        fit(&Matcher::OneOf(vec![text.clone()]), &look(&bound.subject, scene)) == Truth::Holds
    };
    let bound = &rule.stateful.bound;
    bound.len() == texts.len() && bound.iter().zip(texts).all(holds)
}

impl MatchedRule {
    fn outcome(&self, name: &str) -> Outcome {
        let found = self.found.finds.iter().find(|(own, _)| own == name);
        found.map_or(Outcome::Nothing, |(_, value)| Outcome::Found(value.clone()))
    }
}
