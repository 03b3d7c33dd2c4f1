//! MiniJinja, fenced in: the only folder that names it. Compiles, lints and runs the two kinds of text a rule may hold:
//! values (plain text with `{{ … }}` holes) and bare expressions.

use std::ops::Range;

use serde_json::{Map, Value};

use super::rule::Shop;

/// Where an expression stands, which decides the names it may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// `when`, `for_each` and values of an event rule.
    Rule,
    /// The same where the rule has `for_each`: `item` and `index` too.
    Item,
    /// `filter` of a webhook: `topic resource event id key payload`.
    Filter,
}

/// A fault in an expression or template; `range` is in bytes of the source given.
#[derive(Clone, Debug)]
pub struct ExprFault {
    /// Where.
    pub range: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// A hint about something that works, but hardly as meant.
    pub warning: bool,
}

/// A compiled bare expression: an index into [`Expressions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expr(pub(super) usize);

/// A compiled value.
#[derive(Clone, Debug, PartialEq)]
pub enum Template {
    /// No holes.
    Literal(String),
    /// One lone `{{ … }}`: keeps its type.
    Single(Expr),
    /// Text with holes: a string.
    Mixed(Vec<Piece>),
}

/// A piece of mixed text.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// Plain text.
    Text(String),
    /// A hole.
    Hole(Expr),
}

/// Collects expressions while files are loaded.
#[derive(Debug)]
pub struct ExpressionsBuilder {}

impl ExpressionsBuilder {
    /// Starts empty.
    pub fn new() -> Self {
        todo!()
    }

    /// Compiles and lints a bare expression. Warnings come beside the handle.
    pub fn expression(&mut self, _source: &str, _scope: Scope) -> (Option<Expr>, Vec<ExprFault>) {
        todo!()
    }

    /// Compiles and lints a value with `{{ … }}` holes.
    pub fn template(&mut self, _source: &str, _scope: Scope) -> (Option<Template>, Vec<ExprFault>) {
        todo!()
    }

    /// Done: what the ruleset runs them in. `shop` guides `money`, `date` and the roots `shop` and `vars`.
    pub fn build(self, _shop: &Shop) -> Expressions {
        todo!()
    }
}

/// Compiled expressions with the environment they run in.
#[derive(Debug)]
pub struct Expressions {}

impl Expressions {
    /// Whether a webhook's filter lets an event through; a run-time error lets it through (losing is worse), and is told.
    pub fn filter(&self, _expr: Expr, _event: &Map<String, Value>) -> Result<bool, String> {
        todo!()
    }
}
