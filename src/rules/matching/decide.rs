//! A whole rule against an exchange, as far as it can be seen: what fails first, or what stays open.

use http::Method;

use crate::exchange::End;

use super::super::path::Captures;
use super::super::rule::{Condition, EventRule, Find, GraphqlOk, GraphqlRule};
use super::fit::{Truth, Why, fit};
use super::look::{Stage, look};
use super::sight::Scene;

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
    /// The exchange is no such GraphQL operation, or has no such root field.
    Graphql(&'r GraphqlRule),
    /// The root field did not go as `graphql.ok` wants.
    GraphqlOk(GraphqlOk),
    /// A find that found nothing, or with `absent` something: its place.
    Find(&'r Find),
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
pub(in super::super) fn decide<'r>(rule: &'r EventRule, scene: Scene<'_>) -> Decision<'r> {
    let (exchange, stage) = (scene.sight.reading.exchange(), scene.stage);
    if stage == Stage::Whole && (exchange.end != End::Complete || exchange.response.is_none()) {
        return (Truth::Fails, Some(Cause::End));
    }
    let status = exchange.response.as_ref().map(|response| response.status.as_u16());
    if stage >= Stage::Head && !status.is_some_and(|status| rule.status.contains(status)) {
        return (Truth::Fails, Some(Cause::Status));
    }
    let mut open = None;
    for condition in &rule.conditions {
        let truth = one(condition, scene);
        match truth {
            Truth::Holds => {}
            Truth::Fails => return (truth, Some(Cause::Condition(condition))),
            Truth::Open(_) => open = Some(graver(open, (truth, Some(Cause::Condition(condition))))),
        }
    }
    let tables = tables(rule, scene);
    match tables.0 {
        Truth::Holds => open.unwrap_or((Truth::Holds, None)),
        Truth::Fails => tables,
        Truth::Open(_) => graver(open, tables),
    }
}

/// `any` and `none` of a rule.
pub(super) fn tables<'r>(rule: &'r EventRule, scene: Scene<'_>) -> Decision<'r> {
    let mut open = None;
    for (at, group) in rule.any.iter().enumerate() {
        let truth = group_holds(group, scene);
        match truth {
            Truth::Holds => {}
            Truth::Fails => return (truth, Some(Cause::Any(at))),
            Truth::Open(_) => open = Some(graver(open, (truth, Some(Cause::Any(at))))),
        }
    }
    for (at, group) in rule.none.iter().enumerate() {
        let truth = table(group, scene);
        match truth {
            Truth::Fails => {}
            Truth::Holds => return (Truth::Fails, Some(Cause::None(at))),
            Truth::Open(_) => open = Some(graver(open, (truth, Some(Cause::None(at))))),
        }
    }
    open.unwrap_or((Truth::Holds, None))
}

/// At least one table holds.
pub(super) fn group_holds(group: &[Vec<Condition>], scene: Scene<'_>) -> Truth {
    let mut open: Option<Decision<'_>> = None;
    for conditions in group {
        match table(conditions, scene) {
            Truth::Holds => return Truth::Holds,
            Truth::Fails => {}
            truth @ Truth::Open(_) => open = Some(graver(open, (truth, None))),
        }
    }
    open.map_or(Truth::Fails, |(truth, _)| truth)
}

/// All conditions of a table hold.
pub(in super::super) fn table(conditions: &[Condition], scene: Scene<'_>) -> Truth {
    let mut open: Option<Decision<'_>> = None;
    for condition in conditions {
        match one(condition, scene) {
            Truth::Holds => {}
            Truth::Fails => return Truth::Fails,
            truth @ Truth::Open(_) => open = Some(graver(open, (truth, None))),
        }
    }
    open.map_or(Truth::Holds, |(truth, _)| truth)
}

pub(super) fn one(condition: &Condition, scene: Scene<'_>) -> Truth {
    let matcher = &condition.matcher;
    if !matcher.is_bound() {
        return fit(matcher, &look(&condition.subject, scene));
    }
    match scene.texts.map(|texts| matcher.with_texts(texts)) {
        Some(Some(matcher)) => fit(&matcher, &look(&condition.subject, scene)),
        Some(None) => Truth::Fails,
        None => Truth::Open(Why::NotYet),
    }
}

/// The graver of two decisions that are open.
fn graver<'r>(before: Option<Decision<'r>>, decision: Decision<'r>) -> Decision<'r> {
    match (before, decision.0) {
        (Some((Truth::Open(before), cause)), Truth::Open(why)) if !why.outweighs(before) => {
            (Truth::Open(before), cause)
        }
        _ => decision,
    }
}
