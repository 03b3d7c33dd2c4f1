//! Takes the sources of expressions while files are loaded, and tells what is wrong with them.

use super::context::path_root;
use super::lint::{self, Linted};
use super::names::{Reads, Root};
use super::rule_names::{Defined, RuleNames};
use super::template::{self, Stretch};
use super::{Expr, ExprFault, Expressions, MAX_SOURCE_BYTES, Piece, Scope, Template};
use crate::rules::rule::Shop;

/// Sources up to this many bytes are parsed on the caller's stack: that many links of a chain fit any stack.
const MAX_INLINE_BYTES: usize = 160;

/// Stack of the thread that parses longer ones, in bytes. A debug build takes up to 2.5 KiB a link.
pub(super) const PARSER_STACK_BYTES: usize = 16 * 1024 * 1024;

/// The source of one compiled expression.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) text: String,
    pub(super) reads: Reads,
    /// The paths of the exchange it names.
    pub(super) paths: Vec<Vec<String>>,
    /// The root and the keys below it, where it is a path and nothing else.
    pub(super) plain: Option<(Root, Vec<String>)>,
}

/// A rule that is put aside while one inside of it is read.
#[derive(Debug)]
pub struct OuterRule(Option<RuleNames>);

/// Collects expressions while files are loaded.
#[derive(Debug, Default)]
pub struct ExpressionsBuilder {
    sources: Vec<Source>,
    /// What the rule at hand defines; `None` where that is not known (parts) or there is no rule.
    rule: Option<RuleNames>,
}

impl ExpressionsBuilder {
    /// Starts empty.
    pub fn new() -> Self {
        Self::default()
    }

    /// Compiles and lints a bare expression. Warnings come beside the handle.
    pub fn expression(&mut self, source: &str, scope: Scope) -> (Option<Expr>, Vec<ExprFault>) {
        self.take(source, scope, false)
    }

    /// The same for an expression of which only the truth counts (`when`, `filter`): warns of texts that are always true.
    pub fn condition(&mut self, source: &str, scope: Scope) -> (Option<Expr>, Vec<ExprFault>) {
        self.take(source, scope, true)
    }

    /// Compiles and lints a value with `{{ … }}` holes.
    pub fn template(&mut self, source: &str, scope: Scope) -> (Option<Template>, Vec<ExprFault>) {
        let stretches = match template::split(source) {
            Ok(stretches) => stretches,
            Err(fault) => return (None, vec![fault]),
        };
        let mut faults = Vec::new();
        let mut pieces = Vec::with_capacity(stretches.len());
        let mut whole = true;
        for stretch in stretches {
            match stretch {
                Stretch::Text(range) => pieces.push(Piece::Text(source[range].to_owned())),
                Stretch::Hole(range) => {
                    let (expr, found) = self.take(&source[range.clone()], scope, false);
                    faults.extend(found.into_iter().map(|fault| fault.shifted(range.start)));
                    match expr {
                        Some(expr) => pieces.push(Piece::Hole(expr)),
                        None => whole = false,
                    }
                }
            }
        }
        let template = match pieces.as_mut_slice() {
            [] => Template::Literal(String::new()),
            [Piece::Text(text)] => Template::Literal(std::mem::take(text)),
            [Piece::Hole(expr)] => Template::Single(*expr),
            _ => Template::Mixed(pieces),
        };
        (whole.then_some(template), faults)
    }

    /// The expressions that follow stand in a rule that defines this.
    pub fn begin_rule(&mut self, defined: Defined) {
        self.rule = Some(RuleNames::new(defined));
    }

    /// A rule inside of another one: what stands there until [`ExpressionsBuilder::leave`] is not of the outer one.
    pub fn enter(&mut self) -> OuterRule {
        OuterRule(self.rule.take())
    }

    /// Goes on with the outer rule.
    pub fn leave(&mut self, outer: OuterRule) {
        self.rule = outer.0;
    }

    /// The rule ends; gives the finds that something read.
    pub fn end_rule(&mut self) -> std::collections::BTreeSet<String> {
        self.rule.take().map(RuleNames::into_used).unwrap_or_default()
    }

    /// Something that is no expression reads a find; false if the rule has none of this name.
    pub fn name_find(&mut self, name: &str) -> bool {
        self.rule.as_mut().is_none_or(|rule| rule.use_find(name))
    }

    /// The rule's find whose name is most like this.
    pub fn nearest_find(&self, name: &str) -> Option<&str> {
        self.rule.as_ref().and_then(|rule| rule.nearest(name))
    }

    /// Whether an expression reads the response's body (so that it must be captured).
    pub fn reads_response_body(&self, expr: Expr) -> bool {
        self.sources.get(expr.0).is_some_and(|source| reads_response_body(source.reads))
    }

    /// Whether an expression reads the request's body.
    pub fn reads_request_body(&self, expr: Expr) -> bool {
        self.sources.get(expr.0).is_some_and(|source| source.reads.has(Root::Form) || source.reads.has(Root::Json))
    }

    /// Paths an expression names, root first.
    pub fn paths(&self, expr: Expr) -> &[Vec<String>] {
        self.sources.get(expr.0).map_or(&[], |source| source.paths.as_slice())
    }

    /// The text of an expression.
    pub fn source(&self, expr: Expr) -> &str {
        self.sources.get(expr.0).map_or("", |source| &source.text)
    }

    /// Done: what the ruleset runs them in. `shop` guides `money`, `date` and the roots `shop` and `vars`.
    pub fn build(self, shop: &Shop) -> Expressions {
        Expressions::compile(self.sources, shop)
    }

    fn take(&mut self, source: &str, scope: Scope, truth: bool) -> (Option<Expr>, Vec<ExprFault>) {
        let lead = source.len() - source.trim_start().len();
        let trimmed = source.trim();
        if trimmed.is_empty() {
            let fault = ExprFault::error(0..source.len(), "there is no expression here");
            return (None, vec![fault.hint("write one, or leave the value out")]);
        }
        if trimmed.len() > MAX_SOURCE_BYTES {
            let message = format!("this expression is longer than {MAX_SOURCE_BYTES} bytes");
            let fault = ExprFault::error(lead..lead + trimmed.len(), message);
            return (None, vec![fault.hint("split it, or put its tables under `[vars]`")]);
        }
        let Linted { reads, paths, mut faults, asks } = lint_with_stack(trimmed, scope, truth);
        if let Some(rule) = &mut self.rule {
            faults.extend(asks.into_iter().filter_map(|ask| rule.answer(ask)));
        }
        let faults: Vec<_> = faults.into_iter().map(|fault| fault.shifted(lead)).collect();
        if faults.iter().any(|fault| !fault.warning) {
            return (None, faults);
        }
        let plain = plain_path(trimmed);
        self.sources.push(Source { text: trimmed.to_owned(), reads, paths, plain });
        (Some(Expr(self.sources.len() - 1)), faults)
    }
}

/// `form.price`: a root and words below it.
fn plain_path(source: &str) -> Option<(Root, Vec<String>)> {
    let word = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let parts: Vec<String> = source.split('.').map(str::to_owned).collect();
    let (root, below) = path_root(&parts).filter(|_| parts.iter().all(|part| word(part)))?;
    Some((root, below.to_vec()))
}

pub(super) fn reads_response_body(reads: Reads) -> bool {
    reads.has(Root::ResponseBody) || reads.has(Root::ResponseJson)
}

/// Parsing recurses along flat chains (`a or a or …`), so longer sources get a stack of their own.
fn lint_with_stack(source: &str, scope: Scope, truth: bool) -> Linted {
    if source.len() <= MAX_INLINE_BYTES {
        return lint::lint(source, scope, truth);
    }
    with_parser_stack(|| lint::lint(source, scope, truth)).unwrap_or_else(|| {
        let fault = ExprFault::error(0..source.len(), "this expression cannot be parsed");
        Linted { faults: vec![fault.hint("make it simpler")], ..Linted::default() }
    })
}

/// Runs `work` on a thread with a large stack; `None` if there is no such thread or it panicked.
pub(super) fn with_parser_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("expressions".into()).stack_size(PARSER_STACK_BYTES);
        thread.spawn_scoped(scope, work).ok()?.join().ok()
    })
}
