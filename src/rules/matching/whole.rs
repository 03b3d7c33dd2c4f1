//! A rule against a whole exchange: its conditions, then, where all that is cheaper holds, its finds.

use std::sync::Arc;

use serde_json::Value;

use super::super::rule::{EventRule, Find, GraphqlOk, GraphqlRule, RuleKind};
use super::decide::{Cause, Decision, decide, tables};
use super::extract::Outcome;
use super::fit::{Truth, Why};
use super::graphql::{FieldRun, Operations};
use super::look::Stage;
use super::sight::{Found, NextPage, Scene, Sight};

/// How a rule stands.
pub(in super::super) enum Standing<'r> {
    /// It matches.
    Fits(Found),
    /// All holds but what the session's next page shows: its `flash`, or what its finds read of the messages.
    Waits(Found),
    /// It does not match, for this root field if it is about one.
    Not(Decision<'r>, Option<Arc<Value>>),
}

/// How a rule stands, once for each GraphQL root field it is about, else once.
pub(in super::super) fn stand<'r>(rule: &'r EventRule, sight: &Sight<'_>) -> Vec<Standing<'r>> {
    let Some(graphql) = &rule.graphql else { return vec![once(rule, sight, None)] };
    let not = |truth| vec![Standing::Not((truth, Some(Cause::Graphql(graphql))), None)];
    match sight.operations() {
        Operations::None => not(Truth::Fails),
        Operations::Damaged(damage) => not(Truth::Open(Why::Damaged(*damage))),
        Operations::Are(runs) => {
            let fitting: Vec<_> = runs.iter().filter(|run| about(graphql, run)).collect();
            if fitting.is_empty() {
                return not(Truth::Fails);
            }
            fitting.into_iter().map(|run| once(rule, sight, Some(run))).collect()
        }
    }
}

pub(super) fn about(graphql: &GraphqlRule, run: &FieldRun) -> bool {
    graphql.kind == run.kind && graphql.fields.contains(&run.name)
}

fn once<'r>(rule: &'r EventRule, sight: &Sight<'_>, run: Option<&FieldRun>) -> Standing<'r> {
    let field = run.map(|run| Arc::clone(&run.value));
    if let Some(decision) = run.and_then(|run| gone(rule, run)) {
        return Standing::Not(decision, field);
    }
    let scene = Scene { field: field.as_deref(), ..sight.scene_of(Stage::Whole, rule) };
    let mut decision = decide(rule, scene);
    if decided(decision.0) {
        return Standing::Not(decision, field);
    }
    let mut outcomes = Vec::with_capacity(rule.finds.len());
    let mut page = NextPage::default();
    for find in &rule.finds {
        let outcome = match sight.find(&find.extract) {
            // What another rule waits for has come: it does without what a still later page might tell.
            Outcome::NextPage(told) if is_wait(rule) => told.map_or(Outcome::Nothing, Outcome::Found),
            outcome => outcome,
        };
        match missed(find, &outcome) {
            None => {}
            Some(Truth::Open(Why::NextPage)) => page.finds.push(find.name.clone()),
            Some(truth) => return Standing::Not((truth, Some(Cause::Find(find))), field),
        }
        outcomes.push((find.name.clone(), outcome));
    }
    if decision.0 != Truth::Holds {
        decision = decide(rule, Scene { finds: Some(&outcomes), ..scene });
        if decided(decision.0) {
            return Standing::Not(decision, field);
        }
    }
    page.asked = decision.0 == Truth::Open(Why::NextPage);
    let named = rule.stateful.names_flash && sight.flashed().open == Some(Why::NextPage);
    let waits = page.asked || named || !page.finds.is_empty();
    if waits {
        // What else the tables say of this exchange is not known any more when the page comes.
        let tables = tables(rule, Scene { finds: Some(&outcomes), ..scene });
        if tables.0 == Truth::Open(Why::NextPage) {
            return Standing::Not(tables, field);
        }
    }
    let damaged = outcomes.iter().filter_map(|(name, outcome)| match outcome {
        Outcome::Damaged(damage) => Some((name.clone(), *damage)),
        _ => None,
    });
    let damaged = damaged.collect();
    let finds = outcomes.into_iter().filter_map(|(name, outcome)| match outcome {
        Outcome::Found(value) | Outcome::NextPage(Some(value)) => Some((name, value)),
        _ => None,
    });
    let found = Found { finds: finds.collect(), damaged, field, flash: sight.flashed().value(), page };
    if waits { Standing::Waits(found) } else { Standing::Fits(found) }
}

/// Whether it is what another rule waits for.
fn is_wait(rule: &EventRule) -> bool {
    matches!(rule.stateful.kind, RuleKind::Wait { .. })
}

/// Nothing that is still to come changes it.
fn decided(truth: Truth) -> bool {
    matches!(truth, Truth::Fails | Truth::Open(Why::Damaged(_)))
}

/// Whether the field went as the rule does not want it.
fn gone<'r>(rule: &'r EventRule, run: &FieldRun) -> Option<Decision<'r>> {
    let wanted = rule.graphql.as_ref().map_or(GraphqlOk::Any, |graphql| graphql.ok);
    (!went(rule, run)).then_some((Truth::Fails, Some(Cause::GraphqlOk(wanted))))
}

/// Whether the field went as the rule wants it.
pub(super) fn went(rule: &EventRule, run: &FieldRun) -> bool {
    match rule.graphql.as_ref().map_or(GraphqlOk::Any, |graphql| graphql.ok) {
        GraphqlOk::Any => true,
        GraphqlOk::Yes => run.ok,
        GraphqlOk::No => !run.ok,
    }
}

/// Why a find keeps its rule from matching, if it does.
pub(super) fn missed(find: &Find, outcome: &Outcome) -> Option<Truth> {
    match outcome {
        Outcome::Found(_) => find.absent.then_some(Truth::Fails),
        Outcome::Nothing if find.absent => None,
        Outcome::NextPage(Some(_)) if find.absent => Some(Truth::Fails),
        Outcome::NextPage(_) => Some(Truth::Open(Why::NextPage)),
        // The rule lives without it. Who reads what is damaged is told that it is missing.
        _ if find.optional => None,
        Outcome::Nothing | Outcome::NoSource => Some(Truth::Fails),
        Outcome::Damaged(damage) => Some(Truth::Open(Why::Damaged(*damage))),
    }
}
