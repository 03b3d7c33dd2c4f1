//! What a rule reads beside the request's head.

use super::super::expr::{Expr, Expressions, Template};
use super::super::matching::Stage;
use super::super::rule::{Condition, EventRule, RuleKind, Subject};

/// What one rule needs to see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    /// Some condition is about the response's head, beside the status.
    pub(super) head: bool,
    /// Some condition, expression or copy reads the response's body.
    pub(super) body: bool,
}

impl Needs {
    /// Of a rule.
    pub(super) fn of(rule: &EventRule, expressions: &Expressions) -> Self {
        let on_body =
            |condition: &Condition| matches!(condition.subject, Subject::ResponseBody | Subject::ResponseJson(_));
        let copied = rule.payload_from.iter().any(|source| source.parts.first().is_some_and(|root| root == "response"));
        Self {
            head: conditions(rule).any(|condition| condition.subject.stage() == Stage::Head),
            body: conditions(rule).any(on_body)
                || rule.stateful.reads_body
                || rule.stateful.kind == RuleKind::FlashPage
                || copied
                // Whether an operation went well stands in its answer.
                || rule.graphql.is_some()
                || rule.finds.iter().any(|find| find.extract.reads_response_body())
                || holes(rule).into_iter().any(|expr| expressions.reads_response_body(expr)),
        }
    }
}

/// Every condition of a rule, those of `any` and `none` too.
fn conditions(rule: &EventRule) -> impl Iterator<Item = &Condition> {
    rule.conditions.iter().chain(rule.any.iter().flatten().flatten()).chain(rule.none.iter().flatten())
}

/// Every expression of a rule.
fn holes(rule: &EventRule) -> Vec<Expr> {
    let mut found: Vec<Expr> = rule.when.iter().chain(&rule.for_each).copied().collect();
    rule.each_template(&mut |template: &Template| found.extend(template.holes()));
    found.extend(rule.wait_expressions());
    found
}
