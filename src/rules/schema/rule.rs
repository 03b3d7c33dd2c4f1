//! `[event.NAME]`, `[learn.NAME]`, `[part.NAME]` and `wait`.

use serde_json::{Value, json};

use super::conditions::{Detail, tables};
use super::values::{flag, globs, integer, one_of, span, text, texts, value, value_table};
use super::{closed, requiring, said};

type Keys = Vec<(&'static str, Value)>;

pub(super) fn event() -> Value {
    closed("", rule())
}

pub(super) fn part() -> Value {
    closed("", rule())
}

pub(super) fn learn() -> Value {
    const NOT: [&str; 7] = ["topic", "payload_mode", "skip_unchanged", "arg", "stop", "once", "wait"];
    closed("", rule().into_iter().filter(|(key, _)| !NOT.contains(key)))
}

fn rule() -> Keys {
    let mut keys: Keys = vec![
        ("use", said(texts(), "Parts this rule takes in, left to right; its own keys win.")),
        (
            "on",
            said(
                texts(),
                "METHOD[|METHOD] and a path: `{x}` is one segment, `{x:int}` digits, `/**` any number of segments.",
            ),
        ),
    ];
    keys.extend(shared(Detail::Full));
    keys.extend([
        ("for_each", said(text(), "An expression: the rule runs once for each of what it gives (`item`, `index`).")),
        ("topic", said(texts(), "resource.event, `resource.saved` (memory decides) or action.NAME; a list gives an event each.")),
        ("resource", said(text(), "The resource, where it is not the topic's: product, order, customer, coupon or a word of your own.")),
        ("id", said(json!({ "type": ["string", "number"] }), "What it is about, by the shop's own id.")),
        ("key", said(json!({ "type": ["object", "string"], "additionalProperties": { "type": ["string", "number", "boolean"] } }), "Natural keys, for where the shop shows no id: `key.email = \"{{ form.email }}\"`.")),
        ("payload", said(value_table(), "Fields of the webhook's body; undefined ones are left out.")),
        ("payload_from", said(texts(), "Tables copied wholesale, less secrets and `omit`: \"form\", \"response.json.product\".")),
        ("omit", said(globs(), "Names left out of `payload_from`; `*` stands for anything.")),
        ("payload_mode", said(one_of(&["merge", "replace"]), "Whether the payload is laid over what is known (default), or replaces it.")),
        ("skip_unchanged", said(flag(), "An update that changes no remembered field gives no event.")),
        ("facts", said(value_table(), "Remembered of the resource and never sent: `known('product', id).facts.NAME`.")),
        ("arg", said(value(), "What an action is about, where it is not the id or the key.")),
        ("priority", said(integer(-1_000_000, 1_000_000), "Higher first; 0 where nothing is said.")),
        ("stop", said(flag(), "No later event rule once this one matched.")),
        ("remember", said(value_table(), "Written into the visitor's memory: `session.NAME` of later rules.")),
        ("forget", said(globs(), "Names in the visitor's memory that are forgotten first.")),
        ("once", once()),
        ("wait", wait()),
    ]);
    keys
}

/// What rules and waits have in common.
fn shared(detail: Detail) -> Keys {
    let mut keys = detail.roots(false);
    keys.extend([
        ("any", tables("At least one of these tables holds.")),
        ("none", tables("None of these tables holds.")),
        ("when", said(texts(), "An expression, or a list of them: all must hold.")),
        ("find", finds()),
    ]);
    keys
}

fn once() -> Value {
    let key = || json!({ "type": "string" });
    let table = requiring(closed("", [("key", key()), ("for", span())]), &["key"]);
    json!({ "description": "What must not come twice: a text, or { key, for }; one day where nothing is said.", "anyOf": [key(), table] })
}

fn wait() -> Value {
    let own: Keys = vec![
        ("on", said(texts(), "A later exchange of the same visitor: METHOD and path.")),
        ("get", said(text(), "Or a look-up: path and query of a GET to the shop.")),
        (
            "as",
            said(
                text(),
                "With whose rights: \"visitor\", or the name of an [access.NAME]; nobody's where nothing is said.",
            ),
        ),
        ("for", said(span(), "How long at most: 10m where nothing is said, 30s for a look-up.")),
        ("else", said(one_of(&["send", "drop"]), "What happens when it does not come.")),
    ];
    let table = || closed("", own.clone().into_iter().chain(shared(Detail::Keys)));
    json!({
        "description": "The event waits for a later exchange (`on`), a look-up (`get`), or until its key is learnt (neither).",
        "anyOf": [table(), { "type": "array", "items": table(), "minItems": 1 }],
    })
}

/// `find.NAME`.
fn finds() -> Value {
    let pick = || -> Keys {
        vec![
            ("css", said(text(), "A CSS selector.")),
            ("regex", said(text(), "A regular expression on what was found: its first group, or the whole match.")),
            ("attr", said(text(), "An attribute instead of the text.")),
            ("all", said(flag(), "All instead of the first.")),
            ("optional", said(flag(), "The rule matches without it.")),
        ]
    };
    let cols = json!({ "type": "object", "additionalProperties": closed("", pick()), "minProperties": 1, "description": "What stands in each row." });
    let own: Keys = vec![
        ("xml", said(text(), "A path into XML: /a/b, //b, [2], [@x='y'], /@x.")),
        (
            "from",
            said(
                texts(),
                "Where: body (default), request, location, flash, or a field path; the first that yields wins.",
            ),
        ),
        ("absent", said(flag(), "The rule matches only if nothing is found.")),
        ("rows", said(text(), "A CSS selector of rows; the result is a list of tables.")),
        ("cols", cols),
    ];
    json!({
        "description": "find.NAME: what is taken out of pages and texts. Nothing found: the rule does not match, unless `optional`.",
        "type": "object",
        "additionalProperties": closed("", pick().into_iter().chain(own)),
    })
}
