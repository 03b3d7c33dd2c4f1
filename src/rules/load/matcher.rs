//! Matcher values: scalars, lists, `true`/`false` and operator tables.

use regex::{Regex, RegexBuilder};

use crate::diagnostic::nearest;

use super::super::rule::{Matcher, Op};
use super::bound::marked;
use super::loader::{Loader, listed};
use super::report::At;
use super::tree::{Entry, Node, Table, Toml};

/// Every operator.
pub(super) const OPERATORS: [&str; 12] =
    ["is", "present", "not", "has", "regex", "starts", "ends", "contains", "gt", "ge", "lt", "le"];

/// Bytes one compiled regular expression may take.
const REGEX_BYTES: usize = 1 << 20;

/// Whether a matched value is always text, or typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Typing {
    /// Headers, cookies, URLs: text.
    Text,
    /// Query and form: text, and lists and tables of text.
    Fields,
    /// JSON.
    Json,
}

/// Whether a table is one of operators: it has keys, and each is an operator.
pub(super) fn is_operators(table: &Table) -> bool {
    !table.entries.is_empty() && table.keys().all(|key| OPERATORS.contains(&key))
}

/// The matcher a value stands for; a table is read as operators here.
pub(super) fn matcher(loader: &mut Loader, what: &str, node: &Node, typing: Typing) -> Option<Matcher> {
    match &node.toml {
        Toml::Bool(flag) => Some(Matcher::Filled(*flag)),
        Toml::Table(table) => operators(loader, what, table, node, typing).map(Matcher::Ops),
        Toml::Text(text) if let Some(at) = marked(text) => Some(Matcher::Bound(at)),
        _ => scalars(loader, what, node).map(Matcher::OneOf),
    }
}

/// A scalar or a list of scalars, as text.
fn scalars(loader: &mut Loader, what: &str, node: &Node) -> Option<Vec<String>> {
    let items: Vec<&Node> = match &node.toml {
        Toml::List(items) => items.iter().collect(),
        _ => vec![node],
    };
    if items.is_empty() {
        let hint = format!("for an absent or empty value write `{what} = false`, for an empty list `{{ is = [] }}`");
        loader.report.error(node.at, "an empty list never fits", hint);
        return None;
    }
    let mut texts = Vec::new();
    for item in items {
        let Some(text) = item.scalar() else {
            let hint = matches!(item.toml, Toml::Bool(_)).then(|| {
                "`true` and `false` stand alone: use `any = [{ … }, { … }]`, or `{ is = true }` for a JSON boolean"
                    .to_owned()
            });
            loader.wrong_type(what, "a text or a number, or a list of these", item, hint);
            return None;
        };
        if text.contains("{{") {
            let hint = "a template stands only in the conditions of a `wait`; here compare in `when`".to_owned();
            loader.report.warn(item.at, format!("`{what}` is compared with the braces themselves"), hint);
        }
        texts.push(text);
    }
    Some(texts)
}

fn operators(loader: &mut Loader, what: &str, table: &Table, node: &Node, typing: Typing) -> Option<Vec<Op>> {
    if table.entries.is_empty() {
        let hint = format!("write a value, or operators: {}", listed(&OPERATORS));
        loader.report.error(node.at, format!("`{what}` is an empty table, which says nothing"), hint);
        return None;
    }
    let ops: Vec<Option<Op>> = table.entries.iter().map(|entry| operator(loader, entry, typing)).collect();
    ops.into_iter().collect()
}

fn operator(loader: &mut Loader, entry: &Entry, typing: Typing) -> Option<Op> {
    let (key, node) = (entry.key.as_str(), &entry.node);
    if let Toml::Text(text) = &node.toml
        && let Some(at) = marked(text)
    {
        return bound(loader, key, node).map(|op| Op::Bound(Box::new(op), at));
    }
    match key {
        "is" => {
            if typing != Typing::Json && matches!(node.toml, Toml::Bool(_) | Toml::Integer(_) | Toml::Float(..)) {
                let hint = "`is` compares types, and what stands here is always text: write the value without `is`";
                loader.report.warn(node.at, "this never holds", hint.to_owned());
            }
            Some(Op::Is(node.json()))
        }
        "present" => loader.flag(key, node).map(Op::Present),
        "not" => scalars(loader, key, node).map(Op::Not),
        "has" => scalar(loader, key, node).map(Op::Has),
        "regex" => regex(loader, node).map(Op::Regex),
        "starts" => scalar(loader, key, node).map(Op::Starts),
        "ends" => scalar(loader, key, node).map(Op::Ends),
        "contains" => scalar(loader, key, node).map(Op::Contains),
        "gt" => number(loader, key, node).map(Op::Gt),
        "ge" => number(loader, key, node).map(Op::Ge),
        "lt" => number(loader, key, node).map(Op::Lt),
        "le" => number(loader, key, node).map(Op::Le),
        _ => {
            let hint = match nearest(key, OPERATORS) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("operators are {}", listed(&OPERATORS)),
            };
            loader.report.error(entry.at, format!("unknown operator `{key}`"), hint);
            None
        }
    }
}

/// An operator whose value is a template.
fn bound(loader: &mut Loader, key: &str, node: &Node) -> Option<Op> {
    let op = match key {
        "not" => Op::Not(Vec::new()),
        "has" => Op::Has(String::new()),
        "starts" => Op::Starts(String::new()),
        "ends" => Op::Ends(String::new()),
        "contains" => Op::Contains(String::new()),
        "gt" => Op::Gt(0.0),
        "ge" => Op::Ge(0.0),
        "lt" => Op::Lt(0.0),
        "le" => Op::Le(0.0),
        _ => {
            let hint =
                "write the template as the value, or with one of not, has, starts, ends, contains, gt, ge, lt, le";
            loader.report.error(node.at, format!("a template cannot stand in `{key}`"), hint.to_owned());
            return None;
        }
    };
    Some(op)
}

fn scalar(loader: &mut Loader, what: &str, node: &Node) -> Option<String> {
    let text = node.scalar();
    if text.is_none() {
        loader.wrong_type(what, "a text or a number", node, None);
    }
    text
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a bound above 2^53 compares as the nearest number a shop's JSON could hold"
)]
fn number(loader: &mut Loader, what: &str, node: &Node) -> Option<f64> {
    match &node.toml {
        Toml::Integer(Some(integer)) => Some(*integer as f64),
        Toml::Float(float, _) if float.is_finite() => Some(*float),
        _ => {
            loader.wrong_type(what, "a number", node, Some("numbers stand without quotes".to_owned()));
            None
        }
    }
}

/// A regular expression, its faults shown where they are.
pub(super) fn regex(loader: &mut Loader, node: &Node) -> Option<Regex> {
    let text = loader.text("regex", node)?;
    match RegexBuilder::new(&text).size_limit(REGEX_BYTES).build() {
        Ok(regex) => {
            hint_double_escape(loader, &text, node);
            Some(regex)
        }
        Err(regex::Error::Syntax(shown)) => {
            let (message, range) = fault_of(&shown, &text);
            let at = range.map_or(node.at, |range| loader.inside(node, range));
            let hint = (message.contains("look-around") || message.contains("backreference")).then(|| {
                "this kind of expression takes linear time and has no look-around or backreferences".to_owned()
            });
            loader.report.error(at, format!("regular expression: {message}"), hint);
            None
        }
        Err(_) => {
            let hint = "use smaller repetition counts".to_owned();
            loader.report.error(node.at, "this regular expression compiles to more than 1 MiB", hint);
            None
        }
    }
}

/// The message of the regex crate's multi-line text, and the bytes of the pattern its caret points at.
fn fault_of(shown: &str, pattern: &str) -> (String, Option<std::ops::Range<usize>>) {
    let message = shown.lines().rev().find_map(|line| line.strip_prefix("error: ")).unwrap_or("it cannot be read");
    let mut lines = shown.lines().skip_while(|line| line.strip_prefix("    ") != Some(pattern));
    let caret = lines.nth(1).and_then(|line| line.strip_prefix("    "));
    let range = caret.and_then(|caret| {
        let start = caret.find('^')?;
        let width = caret.chars().filter(|letter| *letter == '^').count();
        let byte = |at: usize| pattern.char_indices().nth(at).map_or(pattern.len(), |(byte, _)| byte);
        Some(byte(start)..byte(start + width))
    });
    (message.to_owned(), range)
}

/// `\\d` reaches us where `\d` was meant: one escape too many, whatever the quotes.
fn hint_double_escape(loader: &mut Loader, text: &str, node: &Node) {
    let doubled = text.match_indices(r"\\").find(|(at, _)| {
        let before = &text[..*at];
        let odd = (before.len() - before.trim_end_matches('\\').len()) % 2 == 1;
        !odd && text[at + 2..]
            .starts_with(['d', 'w', 's', 'b', 'D', 'W', 'S', 'B', '.', '[', ']', '(', ')', '/', '?', '+'])
    });
    let Some((at, _)) = doubled else { return };
    let letter: String = text[at + 2..].chars().take(1).collect();
    let at: At = loader.inside(node, at..at + 2 + letter.len());
    let hint =
        format!("to mean `\\{letter}`, write the expression in single quotes with one backslash: '…\\{letter}…'");
    loader.report.warn(at, "this looks for a backslash", hint);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_of_a_regex_fault_is_found() {
        for (pattern, expected) in [("foo(", "("), (r"ä[b", "["), (r"a{2,1}", "{2,1}")] {
            let Err(regex::Error::Syntax(shown)) = Regex::new(pattern) else { panic!("{pattern} compiles") };
            let (message, range) = fault_of(&shown, pattern);
            assert_eq!(range.map(|range| &pattern[range]), Some(expected), "{message}: {shown}");
        }
    }
}
