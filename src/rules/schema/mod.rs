//! The JSON Schema of rules files, for editors: draft 2020-12, everything inlined, as editors of TOML like it best.
//!
//! It says which keys there are, what they mean and which shapes their values have. Whether a value makes sense is for
//! `check` to say. That its keys are those the loader knows is held by a test (`tests/it/rules/schema.rs`), which asks the
//! loader itself.

mod conditions;
mod rule;
mod tables;
mod values;

use serde_json::{Map, Value, json};

/// Name of the file that `init` writes it to, beside the rules. It begins with a dot, so it is no rules file.
pub const FILE: &str = ".schema.json";

/// The schema.
pub fn schema() -> Value {
    let named = |of: Value, what: &str| json!({ "type": "object", "description": what, "additionalProperties": of, "propertyNames": { "minLength": 1, "maxLength": 100 } });
    let file = [
        ("shop", tables::shop()),
        ("session", tables::session()),
        ("flash", tables::flash()),
        (
            "vars",
            json!({ "type": "object", "description": "Constants: `vars.NAME` in expressions, `{$NAME}` in `on`, `location` and `get`. [shop.vars] overrides them." }),
        ),
        (
            "event",
            named(rule::event(), "[event.NAME]: what a request and its answer must look like, and what happened then."),
        ),
        ("learn", named(rule::learn(), "[learn.NAME]: writes memory and ids from pages that pass by; gives no event.")),
        ("part", named(rule::part(), "[part.NAME]: a partial rule, taken in by `use`.")),
        ("access", named(tables::access(), "[access.NAME]: the rights a look-up is made with.")),
        ("webhook", named(tables::webhook(), "[webhook.NAME]: who wants which events, and where they go.")),
        ("key", named(tables::key(), "[key.NAME]: a consumer key of the WooCommerce API.")),
    ];
    let Value::Object(mut schema) = closed("Rules of shopbell. All files of a directory are one set.", file) else {
        return Value::Null;
    };
    schema.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
    schema.insert("title".to_owned(), "shopbell rules".into());
    // Tables in braces may go over several lines.
    schema.insert("x-tombi-toml-version".to_owned(), "v1.1.0".into());
    Value::Object(schema)
}

/// A table of these keys and no others.
fn closed<'k>(what: &str, keys: impl IntoIterator<Item = (&'k str, Value)>) -> Value {
    let properties: Map<String, Value> = keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let mut table = json!({ "type": "object", "additionalProperties": false, "properties": properties });
    if !what.is_empty() {
        table["description"] = what.into();
    }
    table
}

/// The same that must have some of them.
fn requiring(mut table: Value, keys: &[&str]) -> Value {
    table["required"] = keys.into();
    table
}

/// A value of one shape, with what it means.
fn said(mut shape: Value, what: &str) -> Value {
    shape["description"] = what.into();
    shape
}
