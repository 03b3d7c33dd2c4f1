//! MiniJinja, fenced in: the only folder that names it. Compiles, lints and runs the two kinds of text a rule may hold:
//! values (plain text with `{{ … }}` holes) and bare expressions.
//!
//! [`ExpressionsBuilder`] takes sources while files are loaded and tells their faults at once; [`Expressions`] runs what
//! it compiled, within bounds, against a [`Context`] that converts each part of an exchange at most once.

mod builder;
mod context;
mod fields;
mod filters;
mod functions;
mod late;
mod lint;
mod lookups;
mod names;
mod program;
mod rule_names;
mod run;
mod template;
#[cfg(test)]
mod tests;
mod tree;
mod value;

use std::ops::Range;

pub use builder::ExpressionsBuilder;
pub use context::{Context, Item, RuleContext};
pub(super) use filters::date_seconds;
pub use late::{Late, names_find, shortest};
pub use rule_names::Defined;
pub use run::{Expressions, FUEL, MAX_ITEMS, RunError};

/// The longest source of one expression, in bytes. Longer ones are refused: a flat chain of links is parsed recursively.
pub const MAX_SOURCE_BYTES: usize = 1024;

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
#[derive(Clone, Debug, PartialEq, Eq)]
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

impl ExprFault {
    fn error(range: Range<usize>, message: impl Into<String>) -> Self {
        Self { range, message: message.into(), hint: None, warning: false }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, in a text in which the expression stands `offset` bytes further on.
    fn shifted(mut self, offset: usize) -> Self {
        self.range = self.range.start + offset..self.range.end + offset;
        self
    }
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

impl Template {
    /// The expressions in it, in order.
    pub fn holes(&self) -> impl Iterator<Item = Expr> + '_ {
        let pieces: &[Piece] = if let Self::Mixed(pieces) = self { pieces } else { &[] };
        let single = if let Self::Single(expr) = self { Some(*expr) } else { None };
        let holes = pieces.iter().filter_map(|piece| match piece {
            Piece::Hole(expr) => Some(*expr),
            Piece::Text(_) => None,
        });
        single.into_iter().chain(holes)
    }
}
