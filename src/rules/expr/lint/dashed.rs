//! `query.remove-item`: one name is meant, a subtraction is what it says.

use std::ops::Range;

use minijinja::machinery::ast::{BinOpKind, Expr};

use super::super::ExprFault;
use super::{range, span_of, whole};

/// The fault of a path whose last name has a dash, with how it is written.
pub(super) fn dashed(source: &str, expr: &Expr<'_>) -> Option<ExprFault> {
    let range = name(source, expr)?;
    let path = source.get(range.clone())?;
    let (root, name) = path.rsplit_once('.')?;
    let fault = ExprFault::error(range, format!("`{path}` is a subtraction"));
    Some(
        fault.hint(format!(
            "a name with a dash stands in brackets: write `{root}['{name}']`; a subtraction takes spaces"
        )),
    )
}

/// Where a path goes on behind a dash without spaces with a lone name: from its first character to the end of that.
fn name(source: &str, expr: &Expr<'_>) -> Option<Range<usize>> {
    let Expr::BinOp(op) = expr else { return None };
    let (BinOpKind::Sub, Expr::Var(last)) = (op.op, &op.right) else { return None };
    let left = match &op.left {
        path @ Expr::GetAttr(_) => whole(path).start..span_of(path).end,
        more @ Expr::BinOp(_) => name(source, more)?,
        _ => return None,
    };
    let right = range(last.span());
    (source.get(left.end..right.start)? == "-").then_some(left.start..right.end)
}
