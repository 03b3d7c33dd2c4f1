//! Shapes of values.

use serde_json::{Value, json};

use super::closed;

/// Units of a span of time.
const SPAN: &str = "^\\s*\\d+\\s*(s|m|h|d)\\s*$";

pub(super) fn text() -> Value {
    json!({ "type": "string" })
}

pub(super) fn flag() -> Value {
    json!({ "type": "boolean" })
}

/// A string or a list of strings.
pub(super) fn texts() -> Value {
    json!({ "type": ["string", "array"], "items": { "type": "string" }, "minItems": 1 })
}

/// A list of names with `*`, or one.
pub(super) fn globs() -> Value {
    json!({ "type": ["string", "array"], "items": { "type": "string" } })
}

pub(super) fn one_of(words: &[&str]) -> Value {
    json!({ "type": "string", "enum": words })
}

pub(super) fn integer(least: i64, most: i64) -> Value {
    json!({ "type": "integer", "minimum": least, "maximum": most })
}

/// `30s`, `5m`, `1h`, `2d`.
pub(super) fn span() -> Value {
    json!({ "type": "string", "pattern": SPAN, "examples": ["30s", "5m", "1h", "2d"] })
}

/// A list of spans.
pub(super) fn spans() -> Value {
    json!({ "type": "array", "items": span(), "maxItems": 50 })
}

/// A value of a rule: text may hold `{{ … }}`.
pub(super) fn value() -> Value {
    json!({ "type": ["string", "number", "boolean", "array", "object"] })
}

/// A table of values.
pub(super) fn value_table() -> Value {
    json!({ "type": "object", "additionalProperties": value() })
}

/// A literal, or where it comes from.
pub(super) fn secret() -> Value {
    let sources = closed("", [("env", text()), ("file", text())]);
    json!({ "anyOf": [{ "type": "string", "minLength": 1 }, sources] })
}

/// `302`, `"3xx"`, `"200-204"`, or a list of these.
pub(super) fn status() -> Value {
    let one = json!({ "anyOf": [
        { "type": "integer", "minimum": 100, "maximum": 999 },
        { "type": "string", "pattern": "^\\s*(\\d{3}|[1-9]xx|\\d{3}\\s*-\\s*\\d{3})\\s*$" },
    ] });
    json!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
}
