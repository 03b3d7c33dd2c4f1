//! A whole rule against an exchange, as far as it can be seen: what fails first, or what stays open.

use http::Method;

use crate::exchange::{End, Reading};

use super::super::path::Captures;
use super::super::rule::{Condition, EventRule};
use super::fit::{Truth, fit};
use super::look::{Stage, look};

/// What decided.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum Cause<'r> {
    /// The shop gave no whole answer, or the visitor left.
    End,
    /// The status.
    Status,
    /// A condition.
    Condition(&'r Condition),
    /// No table of an `any` holds: its place among them.
    Any(usize),
    /// A table of `none` holds: its place.
    None(usize),
}

/// How a rule stands, and what decided; nothing where it holds.
pub(in super::super) type Decision<'r> = (Truth, Option<Cause<'r>>);

/// What the path of a rule captures; `None` if neither of its `on` fits method and path.
pub(in super::super) fn captures(
    rule: &EventRule,
    method: &Method,
    path: &[std::borrow::Cow<'_, str>],
) -> Option<Captures> {
    rule.on.iter().filter(|on| on.methods.contains(method)).find_map(|on| on.path.captures(path))
}

/// Status and conditions of a rule (not its `on`, nor `when`). An answer that is cut off never matches.
pub(in super::super) fn decide<'r>(rule: &'r EventRule, reading: &Reading, stage: Stage) -> Decision<'r> {
    let exchange = reading.exchange();
    if stage == Stage::Whole && (exchange.end != End::Complete || exchange.response.is_none()) {
        return (Truth::Fails, Some(Cause::End));
    }
    let status = exchange.response.as_ref().map(|response| response.status.as_u16());
    if stage >= Stage::Head && !status.is_some_and(|status| rule.status.contains(status)) {
        return (Truth::Fails, Some(Cause::Status));
    }
    let mut open = None;
    for condition in &rule.conditions {
        let truth = one(condition, reading, stage, Some(rule));
        match truth {
            Truth::Holds => {}
            Truth::Fails => return (truth, Some(Cause::Condition(condition))),
            Truth::Open(_) => open = open.or(Some((truth, Some(Cause::Condition(condition))))),
        }
    }
    for (at, group) in rule.any.iter().enumerate() {
        let truth = group_holds(group, reading, stage, rule);
        match truth {
            Truth::Holds => {}
            Truth::Fails => return (truth, Some(Cause::Any(at))),
            Truth::Open(_) => open = open.or(Some((truth, Some(Cause::Any(at))))),
        }
    }
    for (at, group) in rule.none.iter().enumerate() {
        let truth = table(group, reading, stage, Some(rule));
        match truth {
            Truth::Fails => {}
            Truth::Holds => return (Truth::Fails, Some(Cause::None(at))),
            Truth::Open(_) => open = open.or(Some((truth, Some(Cause::None(at))))),
        }
    }
    open.unwrap_or((Truth::Holds, None))
}

/// At least one table holds.
fn group_holds(group: &[Vec<Condition>], reading: &Reading, stage: Stage, rule: &EventRule) -> Truth {
    let mut open = None;
    for conditions in group {
        match table(conditions, reading, stage, Some(rule)) {
            Truth::Holds => return Truth::Holds,
            Truth::Fails => {}
            truth @ Truth::Open(_) => open = open.or(Some(truth)),
        }
    }
    open.unwrap_or(Truth::Fails)
}

/// All conditions of a table hold.
pub(in super::super) fn table(
    conditions: &[Condition],
    reading: &Reading,
    stage: Stage,
    rule: Option<&EventRule>,
) -> Truth {
    let mut open = None;
    for condition in conditions {
        match one(condition, reading, stage, rule) {
            Truth::Holds => {}
            Truth::Fails => return Truth::Fails,
            truth @ Truth::Open(_) => open = open.or(Some(truth)),
        }
    }
    open.unwrap_or(Truth::Holds)
}

pub(super) fn one(condition: &Condition, reading: &Reading, stage: Stage, rule: Option<&EventRule>) -> Truth {
    fit(&condition.matcher, &look(&condition.subject, reading, stage, rule))
}
