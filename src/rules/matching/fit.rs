//! Whether what was found fits a matcher.

use std::borrow::Cow;

use serde_json::Value;

use crate::exchange::Damage;

use super::super::rule::{Matcher, Op};
use super::look::Look;

/// What can be said of a condition, a table or a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Truth {
    /// It holds.
    Holds,
    /// It does not.
    Fails,
    /// It cannot be said.
    Open(Why),
}

/// Why a condition cannot be decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Why {
    /// What it looks at has not come yet.
    NotYet,
    /// What it looks at is damaged: absence cannot be concluded.
    Damaged(Damage),
    /// The session's next page will show it.
    NextPage,
}

impl Why {
    /// Of two that keep a rule open the graver: with damage it never matches, and what the next page shows comes last of all.
    fn weight(self) -> u8 {
        match self {
            Self::NotYet => 0,
            Self::NextPage => 1,
            Self::Damaged(_) => 2,
        }
    }

    /// Whether this one is graver.
    pub(super) fn outweighs(self, other: Self) -> bool {
        self.weight() > other.weight()
    }
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::Holds } else { Self::Fails }
    }
}

/// Whether `look` fits `matcher`.
pub(super) fn fit(matcher: &Matcher, look: &Look<'_>) -> Truth {
    match look {
        Look::NotYet => Truth::Open(Why::NotYet),
        Look::NextPage => Truth::Open(Why::NextPage),
        Look::WrongKind => Truth::Fails,
        Look::Damaged(damage) => Truth::Open(Why::Damaged(*damage)),
        Look::Path(fits) => Truth::from(*fits),
        Look::Status(status) => match matcher {
            Matcher::Status(set) => Truth::from(set.contains(*status)),
            _ => Truth::Fails,
        },
        Look::Flash(flashed) => flashed.fits(matcher),
        Look::Texts(texts) => Truth::from(holds(matcher, &Seen::texts(texts))),
        Look::Tree { value, list, damage } => {
            let seen = Seen::value(value.as_deref(), *list);
            let holds = holds(matcher, &seen);
            match damage {
                Some(damage) if !certain(matcher, value.as_deref(), holds) => Truth::Open(Why::Damaged(*damage)),
                _ => Truth::from(holds),
            }
        }
    }
}

/// Whether an answer stands although fields may be missing: what was found was found, what was not may have been cut.
fn certain(matcher: &Matcher, value: Option<&Value>, holds: bool) -> bool {
    match value {
        None => false,
        Some(Value::Array(_) | Value::Object(_)) => match matcher {
            Matcher::Filled(wanted) => holds == *wanted && !value.is_some_and(is_empty),
            Matcher::OneOf(_) => holds,
            Matcher::Ops(ops) => holds && !ops.iter().any(|op| matches!(op, Op::Is(_) | Op::Not(_))),
            Matcher::Template | Matcher::Status(_) | Matcher::Flash(_) | Matcher::Bound(_) => true,
        },
        Some(_) => true,
    }
}

/// Whether one text fits.
pub(super) fn matches_text(matcher: &Matcher, text: &str) -> bool {
    holds(matcher, &Seen::texts(&[Cow::Borrowed(text)]))
}

/// What a subject is, made ready for matchers.
struct Seen<'a> {
    /// The value itself, where it is a tree.
    whole: Option<&'a Value>,
    /// Its values: the elements of a list, the lines of a header, or itself.
    items: Vec<Item<'a>>,
    /// The name is there, even if empty.
    there: bool,
    /// There and not empty.
    filled: bool,
    /// It is a list.
    list: bool,
}

struct Item<'a> {
    text: Option<Cow<'a, str>>,
    value: Option<&'a Value>,
}

impl<'a> Seen<'a> {
    fn texts(texts: &'a [Cow<'a, str>]) -> Self {
        let items = texts.iter().map(|text| Item { text: Some(Cow::Borrowed(&**text)), value: None });
        let filled = texts.iter().any(|text| !text.is_empty());
        Self { whole: None, items: items.collect(), there: !texts.is_empty(), filled, list: true }
    }

    /// `list`: the subject is the list of all values of a name, which is empty where the name is absent.
    fn value(value: Option<&'a Value>, list: bool) -> Self {
        let item = |value: &'a Value| Item { text: text_of(value), value: Some(value) };
        let items = match value {
            None => Vec::new(),
            Some(Value::Array(items)) => items.iter().map(item).collect(),
            Some(value) => vec![item(value)],
        };
        let filled = value.is_some_and(|value| !is_empty(value));
        let there = if list { !items.is_empty() } else { value.is_some() };
        Self { whole: value, items, there, filled, list: value.is_some_and(Value::is_array) }
    }

    fn any_text(&self, fits: impl Fn(&str) -> bool) -> bool {
        self.items.iter().any(|item| item.text.as_deref().is_some_and(&fits))
    }
}

fn holds(matcher: &Matcher, seen: &Seen<'_>) -> bool {
    match matcher {
        Matcher::OneOf(texts) => seen.any_text(|found| texts.iter().any(|text| text == found)),
        Matcher::Filled(wanted) => seen.filled == *wanted,
        Matcher::Ops(ops) => {
            // Operators on one value must hold of the same value: of `[1, 20]` none is between 5 and 10.
            let text_ops: Vec<&Op> = ops.iter().filter(|op| is_text_op(op)).collect();
            let fits = |found: &str| text_ops.iter().all(|op| text_op(op, found));
            ops.iter().filter(|op| !is_text_op(op)).all(|op| whole_op(op, seen))
                && (text_ops.is_empty() || seen.any_text(fits))
        }
        Matcher::Template | Matcher::Status(_) | Matcher::Flash(_) | Matcher::Bound(_) => false,
    }
}

fn is_text_op(op: &Op) -> bool {
    !matches!(op, Op::Is(_) | Op::Present(_) | Op::Not(_) | Op::Has(_) | Op::Bound(..))
}

/// Operators that look at the subject as a whole.
fn whole_op(op: &Op, seen: &Seen<'_>) -> bool {
    match op {
        Op::Present(wanted) => seen.there == *wanted,
        Op::Not(texts) => !seen.any_text(|found| texts.iter().any(|text| text == found)),
        Op::Has(text) => seen.list && seen.any_text(|found| found == text),
        Op::Is(wanted) => {
            let is = |item: &Item<'_>| match item.value {
                Some(value) => same(value, wanted),
                None => wanted.as_str().is_some() && wanted.as_str() == item.text.as_deref(),
            };
            seen.whole.is_some_and(|value| same(value, wanted)) || seen.items.iter().any(is)
        }
        _ => true,
    }
}

/// Operators on one text.
fn text_op(op: &Op, found: &str) -> bool {
    match op {
        Op::Regex(regex) => regex.is_match(found),
        Op::Starts(text) => found.starts_with(text.as_str()),
        Op::Ends(text) => found.ends_with(text.as_str()),
        Op::Contains(text) => found.contains(text.as_str()),
        Op::Gt(bound) => number(found).is_some_and(|found| found > *bound),
        Op::Ge(bound) => number(found).is_some_and(|found| found >= *bound),
        Op::Lt(bound) => number(found).is_some_and(|found| found < *bound),
        Op::Le(bound) => number(found).is_some_and(|found| found <= *bound),
        Op::Is(_) | Op::Present(_) | Op::Not(_) | Op::Has(_) | Op::Bound(..) => true,
    }
}

/// A decimal number; `inf`, `nan` and hexadecimal are none.
fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E'));
    text.parse().ok().filter(|number: &f64| plain && number.is_finite())
}

/// The text a scalar is compared by; null, lists and objects have none.
pub(in super::super) fn text_of(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(flag) => Some(Cow::Borrowed(if *flag { "true" } else { "false" })),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// `""`, `[]`, `{}`, null and JSON `false`.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

/// Typed equality; numbers by value, so that 1 is 1.0.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            a == b || (a.is_f64() || b.is_f64()) && a.as_f64().is_some() && a.as_f64() == b.as_f64()
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_decimal() {
        for (text, expected) in [("5", Some(5.0)), (" -1.5 ", Some(-1.5)), ("1e3", Some(1000.0))] {
            assert_eq!(number(text), expected);
        }
        for text in ["", "inf", "NaN", "0x10", "1,5", "5 EUR", "e"] {
            assert_eq!(number(text), None, "{text}");
        }
    }
}
