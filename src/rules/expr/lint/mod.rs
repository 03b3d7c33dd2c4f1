//! What can be told of an expression before it runs: a walk over MiniJinja's syntax tree. The only file that knows that
//! tree, which has no promise of stability.

mod dashed;
mod kinds;
mod paths;
mod syntax;

use std::ops::Range;

use minijinja::machinery::ast::{BinOpKind, Call, CallArg, CallType, CompareOpKind, Expr, Filter, UnaryOpKind};
use minijinja::machinery::{Span, parse_expr};

use crate::diagnostic::nearest;

use super::names::{self, Reads, Root};
use super::rule_names::{ASKED, Ask};
use super::{ExprFault, Scope};
use kinds::{is_number, is_small_number, is_text};

/// What a walk found.
#[derive(Debug, Default)]
pub(super) struct Linted {
    /// What the expression reads.
    pub(super) reads: Reads,
    /// The paths it names.
    pub(super) paths: Vec<Vec<String>>,
    /// Faults and warnings, in the order of the source.
    pub(super) faults: Vec<ExprFault>,
    /// Roots it names that mean something only in some rules.
    pub(super) asks: Vec<Ask>,
}

/// Parses and checks `source`. `truth`: it stands as a condition, where only its truth counts.
pub(super) fn lint(source: &str, scope: Scope, truth: bool) -> Linted {
    let mut walk = Walk { source, scope, found: Linted::default() };
    match parse_expr(source) {
        Ok(expr) => walk.expr(&expr, truth),
        Err(error) => walk.found.faults.push(syntax::fault(source, &error)),
    }
    walk.found.faults.sort_by_key(|fault| fault.range.start);
    walk.found
}

/// A key as written, and where.
type Key = (String, Range<usize>);

struct Walk<'s> {
    source: &'s str,
    scope: Scope,
    found: Linted,
}

impl Walk<'_> {
    fn expr(&mut self, expr: &Expr<'_>, truth: bool) {
        match expr {
            Expr::Const(_) => {}
            Expr::Var(_) | Expr::GetAttr(_) | Expr::GetItem(_) => {
                self.path(expr);
                if truth {
                    self.truth_of_text(expr);
                }
            }
            Expr::Slice(slice) => {
                self.expr(&slice.expr, false);
                let bounds = [&slice.start, &slice.stop, &slice.step];
                bounds.into_iter().flatten().for_each(|bound| self.expr(bound, false));
            }
            Expr::UnaryOp(unary) => self.expr(&unary.expr, matches!(unary.op, UnaryOpKind::Not)),
            Expr::BinOp(op) => {
                if let Some(fault) = dashed::dashed(self.source, expr) {
                    return self.found.faults.push(fault);
                }
                let logic = matches!(op.op, BinOpKind::ScAnd | BinOpKind::ScOr);
                self.expr(&op.left, truth && logic);
                self.expr(&op.right, truth && logic);
                if matches!(op.op, BinOpKind::Mul) {
                    self.product(&op.left, &op.right);
                }
                if let Some(sign) = bin_sign(op.op) {
                    self.compared(&op.left, sign, &op.right);
                }
            }
            Expr::Compare(compare) => {
                self.expr(&compare.expr, false);
                let mut left = &compare.expr;
                for op in &compare.ops {
                    self.expr(&op.expr, false);
                    if let Some(sign) = compare_sign(op.op) {
                        self.compared(left, sign, &op.expr);
                    }
                    left = &op.expr;
                }
            }
            Expr::IfExpr(choice) => {
                self.expr(&choice.test_expr, true);
                self.expr(&choice.true_expr, truth);
                choice.false_expr.iter().for_each(|expr| self.expr(expr, truth));
            }
            Expr::Filter(filter) => self.filter(filter, range(filter.span())),
            Expr::Test(test) => {
                self.expr(&test.expr, false);
                self.args(&test.args);
                self.word("test", test.name, range(test.span()), names::TESTS.iter().copied());
            }
            Expr::Call(call) => self.call(call, range(call.span())),
            Expr::List(list) => list.items.iter().for_each(|item| self.expr(item, false)),
            Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.expr(item, false)),
            Expr::Map(map) => map.keys.iter().chain(&map.values).for_each(|part| self.expr(part, false)),
        }
    }

    fn args(&mut self, args: &[CallArg<'_>]) {
        for arg in args {
            match arg {
                CallArg::Pos(expr) | CallArg::Kwarg(_, expr) | CallArg::PosSplat(expr) | CallArg::KwargSplat(expr) => {
                    self.expr(expr, false);
                }
            }
        }
    }

    fn filter(&mut self, filter: &Filter<'_>, range: Range<usize>) {
        filter.expr.iter().for_each(|expr| self.expr(expr, false));
        self.args(&filter.args);
        if filter.name == "map" && matches!(filter.args.first(), Some(CallArg::Pos(Expr::Map(_)))) {
            let fault =
                ExprFault::error(range, "`map` here is MiniJinja's filter over lists, not a choice from a table");
            return self.found.faults.push(fault.hint("use `pick({…})`"));
        }
        let known = names::OWN_FILTERS.iter().chain(names::FILTERS).copied();
        self.word("filter", filter.name, range, known);
    }

    fn call(&mut self, call: &Call<'_>, range: Range<usize>) {
        self.args(&call.args);
        match call.identify_call() {
            CallType::Function(name) => {
                let range = span_of(&call.expr);
                let known = names::functions(self.scope);
                match name {
                    "known" => self.found.reads.add(Root::Known),
                    "id_of" => self.found.reads.add(Root::IdOf),
                    "rows" => self.found.reads.add(Root::Rows),
                    _ => {}
                }
                if names::OWN_FILTERS.iter().chain(names::FILTERS).any(|filter| *filter == name)
                    && !known.contains(&name)
                {
                    let fault = ExprFault::error(range, format!("`{name}` is a filter, not a function"));
                    return self.found.faults.push(fault.hint(format!("write `value | {name}`")));
                }
                self.word("function", name, range, known.iter().copied());
            }
            CallType::Method(base, name) => {
                self.expr(base, false);
                let fault = ExprFault::error(range, format!("values have no methods: `.{name}(…)` cannot be called"));
                self.found.faults.push(fault.hint(format!("use a filter: `… | {name}`")));
            }
            CallType::Block(_) | CallType::Object(_) => {
                self.found.faults.push(ExprFault::error(range, "this cannot be called"));
            }
        }
    }

    /// A variable with what stands behind it: `location.query.route`.
    fn path(&mut self, expr: &Expr<'_>) {
        self.found.paths.extend(paths::path(expr));
        let Some((root, root_range, child)) = self.root_of(expr) else { return };
        match root {
            "response" => self.response(child.as_ref().map(|(name, _)| name.as_str())),
            _ => self.read(root),
        }
        let variables = names::variables(self.scope);
        if variables.contains(&root) {
            if let Some(root) = ASKED.into_iter().find(|asked| *asked == root) {
                self.found.asks.push(Ask { root, range: root_range, child: child.clone() });
            }
            let children = names::children(root);
            if let (Some(children), Some((child, range))) = (children, child) {
                self.below(root, &child, range, children);
            }
            return;
        }
        self.unknown_root(root, root_range, &variables);
    }

    /// The variable at the bottom of a path and its first key, where that is a constant. Walks what stands in brackets.
    fn root_of<'a>(&mut self, expr: &'a Expr<'a>) -> Option<(&'a str, Range<usize>, Option<Key>)> {
        let mut at = expr;
        let mut child = None;
        loop {
            match at {
                Expr::GetAttr(attr) => {
                    let end = range(attr.span()).end;
                    child = Some((attr.name.to_owned(), end.saturating_sub(attr.name.len())..end));
                    at = &attr.expr;
                }
                Expr::GetItem(item) => {
                    self.expr(&item.subscript_expr, false);
                    let key = item.subscript_expr.as_const().and_then(|key| key.as_str().map(str::to_owned));
                    child = key.map(|key| (key, span_of(&item.subscript_expr)));
                    at = &item.expr;
                }
                Expr::Var(var) => return Some((var.id, range(var.span()), child)),
                other => {
                    self.expr(other, false);
                    return None;
                }
            }
        }
    }

    fn response(&mut self, child: Option<&str>) {
        let part = names::RESPONSE.into_iter().find(|root| root.word().strip_prefix("response.") == child);
        match part {
            Some(part) => self.found.reads.add(part),
            None => names::RESPONSE.into_iter().for_each(|part| self.found.reads.add(part)),
        }
    }

    fn read(&mut self, word: &str) {
        Root::ALL.iter().filter(|root| root.word() == word).for_each(|root| self.found.reads.add(*root));
    }

    fn below(&mut self, root: &str, child: &str, range: Range<usize>, children: &[&'static str]) {
        if children.contains(&child) {
            return;
        }
        let fault = ExprFault::error(range, format!("`{root}` has no `{child}`"));
        let hint = match nearest(child, children.iter().copied()) {
            Some(near) => format!("did you mean `{root}.{near}`?"),
            None if Root::ALL.iter().any(|other| other.word() == child) => format!("write `{child}` alone"),
            None => format!("it has {}", children.join(", ")),
        };
        self.found.faults.push(fault.hint(hint));
    }

    fn unknown_root(&mut self, word: &str, range: Range<usize>, variables: &[&'static str]) {
        let fault = |message: String| ExprFault::error(range.clone(), message);
        let fault =
            match word {
                _ if self.scope == Scope::Filter => match nearest(word, variables.iter().copied()) {
                    Some(near) => fault(format!("unknown variable `{word}`")).hint(format!("did you mean `{near}`?")),
                    None => fault(format!("unknown variable `{word}`"))
                        .hint(format!("a filter knows {}", variables.join(", "))),
                },
                "item" | "index" => fault(format!("`{word}` is known only where the rule has `for_each`"))
                    .hint("add `for_each = \"…\"`"),
                _ if names::functions(self.scope).contains(&word) => {
                    fault(format!("`{word}` is a function")).hint(format!("call it: `{word}(…)`"))
                }
                _ => match nearest(word, variables.iter().copied()) {
                    Some(near) => fault(format!("unknown variable `{word}`")).hint(format!("did you mean `{near}`?")),
                    None => fault(format!("unknown variable `{word}`"))
                        .hint(format!("known are {}; text stands in quotes", variables.join(", "))),
                },
            };
        self.found.faults.push(fault);
    }

    fn word(&mut self, kind: &str, word: &str, range: Range<usize>, known: impl Iterator<Item = &'static str> + Clone) {
        if known.clone().any(|name| name == word) {
            return;
        }
        let fault = ExprFault::error(range, format!("unknown {kind} `{word}`"));
        self.found.faults.push(match nearest(word, known) {
            Some(near) => fault.hint(format!("did you mean `{near}`?")),
            None => match names::elsewhere(word).filter(|_| kind == "filter") {
                Some(here) => fault.hint(format!("here it is called `{here}`")),
                None => fault,
            },
        });
    }

    /// Fields of forms, queries, headers and cookies are text: against a number `==` never holds and `>` compares kinds.
    fn compared(&mut self, left: &Expr<'_>, sign: &str, right: &Expr<'_>) {
        for (text, number, flipped) in [(left, right, false), (right, left, true)] {
            let Some(shown) = number.as_const().filter(minijinja::Value::is_number) else { continue };
            if !is_text(text) {
                continue;
            }
            let subject = &self.source[clamp(self.source, whole(text))];
            let range = clamp(self.source, span_of(left).start.min(whole(left).start)..whole(right).end);
            let hint = if flipped {
                format!("write `{shown} {sign} {subject} | int`, or put the number in quotes")
            } else {
                format!("write `{subject} | int {sign} {shown}`, or put the number in quotes")
            };
            let message = format!("`{subject}` is text and is compared with a number");
            self.found.faults.push(ExprFault::error(range, message).hint(hint));
        }
    }

    /// A list times a number is a list so many times as long, which no fuel counts: factors must be numbers.
    fn product(&mut self, left: &Expr<'_>, right: &Expr<'_>) {
        let numbers = is_number(left) && is_number(right);
        let scaled =
            |path, by| matches!(path, &(Expr::Var(_) | Expr::GetAttr(_) | Expr::GetItem(_))) && is_small_number(by);
        if numbers || scaled(left, right) || scaled(right, left) {
            return;
        }
        let factor = if is_number(left) { right } else { left };
        let range = clamp(self.source, whole(factor));
        let subject = &self.source[range.clone()];
        let fault = ExprFault::error(range, format!("`{subject}` is a factor and not certainly a number"));
        self.found.faults.push(fault.hint(format!("write `{subject} | int` or `{subject} | float`")));
    }

    fn truth_of_text(&mut self, expr: &Expr<'_>) {
        if !is_text(expr) {
            return;
        }
        let range = clamp(self.source, whole(expr));
        let subject = &self.source[range.clone()];
        let fault =
            ExprFault::error(range, format!("`{subject}` is text: it counts as true even where it is `0` or `off`"));
        let hint = format!("write `{subject} | yes`, or `{subject} != ''` if that is meant");
        self.found.faults.push(ExprFault { warning: true, ..fault.hint(hint) });
    }
}

const fn bin_sign(op: BinOpKind) -> Option<&'static str> {
    Some(match op {
        BinOpKind::Eq => "==",
        BinOpKind::Ne => "!=",
        BinOpKind::Lt => "<",
        BinOpKind::Lte => "<=",
        BinOpKind::Gt => ">",
        BinOpKind::Gte => ">=",
        _ => return None,
    })
}

const fn compare_sign(op: CompareOpKind) -> Option<&'static str> {
    Some(match op {
        CompareOpKind::Eq => "==",
        CompareOpKind::Ne => "!=",
        CompareOpKind::Lt => "<",
        CompareOpKind::Lte => "<=",
        CompareOpKind::Gt => ">",
        CompareOpKind::Gte => ">=",
        CompareOpKind::In | CompareOpKind::NotIn => return None,
    })
}

fn range(span: Span) -> Range<usize> {
    span.start_offset as usize..span.end_offset as usize
}

fn span_of(expr: &Expr<'_>) -> Range<usize> {
    range(expr.span())
}

/// From the first character of a path to its last: the parts' own spans begin at their dots.
fn whole(expr: &Expr<'_>) -> Range<usize> {
    let mut at = expr;
    let mut start = span_of(expr).start;
    loop {
        start = start.min(span_of(at).start);
        at = match at {
            Expr::GetAttr(attr) => &attr.expr,
            Expr::GetItem(item) => &item.expr,
            Expr::Filter(filter) => match &filter.expr {
                Some(inner) => inner,
                None => break,
            },
            _ => break,
        };
    }
    start..span_of(expr).end
}

/// A range that can be cut out of `source` whatever the parser said.
fn clamp(source: &str, range: Range<usize>) -> Range<usize> {
    let floor = |at: usize| (0..=at.min(source.len())).rev().find(|at| source.is_char_boundary(*at)).unwrap_or(0);
    let start = floor(range.start);
    start..floor(range.end).max(start)
}

#[cfg(test)]
mod tests;
