//! Conditions that look into what is remembered of the visitor, and those of a wait that name the first exchange.

use serde_json::{Map, Value};

use crate::exchange::Reading;

use super::super::rule::{Bound, Condition, EventRule, Matcher, Subject};
use super::decide::one;
use super::fit::{Truth, fit};
use super::look::{Stage, look, remembered};

/// Whether the rule's conditions on the session hold, of an exchange on which the others do not fail.
pub(in super::super) fn holds(rule: &EventRule, reading: &Reading, memory: &Map<String, Value>) -> bool {
    let asks = |condition: &Condition| matches!(condition.subject, Subject::Session(_));
    let of = |condition: &Condition| match &condition.subject {
        Subject::Session(path) => fit(&condition.matcher, &remembered(memory, path)) == Truth::Holds,
        _ => one(condition, reading, Stage::Whole, Some(rule)) == Truth::Holds,
    };
    let table = |table: &Vec<Condition>| table.iter().all(of);
    // What names no memory has been decided already.
    let concerns = |table: &Vec<Condition>| table.iter().any(asks);
    let mut groups = rule.any.iter().filter(|group| group.iter().any(concerns));
    rule.conditions.iter().filter(|condition| asks(condition)).all(of)
        && groups.all(|group| group.iter().any(table))
        && !rule.none.iter().filter(|none| concerns(none)).any(table)
}

/// Whether conditions whose values came of the first exchange hold on this one.
pub(in super::super) fn bound_hold(
    rule: &EventRule,
    texts: &[String],
    reading: &Reading,
    memory: &Map<String, Value>,
) -> bool {
    let holds = |(bound, text): (&Bound, &String)| {
        let matcher = Matcher::OneOf(vec![text.clone()]);
        let look = match &bound.subject {
            Subject::Session(path) => remembered(memory, path),
            subject => look(subject, reading, Stage::Whole, Some(rule)),
        };
        fit(&matcher, &look) == Truth::Holds
    };
    let bound = &rule.stateful.bound;
    bound.len() == texts.len() && bound.iter().zip(texts).all(holds)
}
