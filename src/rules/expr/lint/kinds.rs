//! What kind of value an expression gives, as far as its form tells.

use minijinja::machinery::ast::{BinOpKind, Expr, UnaryOpKind};

use super::super::names;

/// The largest number that anything may be multiplied with.
const SMALL: f64 = 100.0;

/// Whether an expression certainly gives text (or nothing).
pub(super) fn is_text(expr: &Expr<'_>) -> bool {
    let mut at = expr;
    let mut child: Option<String> = None;
    loop {
        match at {
            Expr::GetAttr(attr) => (child, at) = (Some(attr.name.to_owned()), &attr.expr),
            Expr::GetItem(item) => {
                let key = item.subscript_expr.as_const().map(|key| key.to_string());
                if child.is_none() && key.as_deref().is_some_and(|key| key.ends_with("[]")) {
                    return false;
                }
                (child, at) = (key.or_else(|| Some(String::new())), &item.expr);
            }
            Expr::Filter(filter) if names::TEXT_FILTERS.contains(&filter.name) => match &filter.expr {
                Some(inner) => (child, at) = (None, inner),
                None => return false,
            },
            Expr::Var(var) => return names::is_text(var.id, child.as_deref()),
            _ => return false,
        }
    }
}

/// Whether an expression certainly gives a number (or fails).
pub(super) fn is_number(expr: &Expr<'_>) -> bool {
    match expr {
        Expr::Const(constant) => constant.value.is_number(),
        Expr::Var(var) => matches!(var.id, "status" | "index"),
        Expr::UnaryOp(unary) => matches!(unary.op, UnaryOpKind::Neg),
        Expr::BinOp(op) => match op.op {
            BinOpKind::Sub | BinOpKind::Div | BinOpKind::FloorDiv | BinOpKind::Rem | BinOpKind::Pow => true,
            BinOpKind::Add | BinOpKind::Mul | BinOpKind::ScOr | BinOpKind::ScAnd => {
                is_number(&op.left) && is_number(&op.right)
            }
            _ => false,
        },
        Expr::IfExpr(choice) => is_number(&choice.true_expr) && choice.false_expr.as_ref().is_none_or(is_number),
        Expr::Filter(filter) => matches!(filter.name, "int" | "float" | "abs" | "round" | "length" | "count"),
        _ => false,
    }
}

/// Whether it is a number, written out, that anything may be multiplied with.
pub(super) fn is_small_number(expr: &Expr<'_>) -> bool {
    let number = expr.as_const().filter(minijinja::Value::is_number);
    number.and_then(|number| f64::try_from(number).ok()).is_some_and(|number| number <= SMALL)
}
