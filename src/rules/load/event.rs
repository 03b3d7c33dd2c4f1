//! `[event.NAME]`, its parts merged in, to an [`EventRule`].

use crate::model::Topic;

use super::super::expr::{Defined, Piece, Scope, Template};
use super::super::rule::{EventRule, KeySource, On, PayloadMode, StatusSet};
use super::conditions::{ROOTS, conditions, tables};
use super::loader::{Keys, Loader};
use super::parts::Merged;
use super::status::status;
use super::tree::{Entry, Node, Table, Toml};
use super::{find, flash, graphql, path, stateful, values};

/// Keys of a rule.
pub(super) const KEYS: Keys = Keys {
    known: &[
        "use",
        "on",
        "host",
        "query",
        "form",
        "json",
        "headers",
        "cookies",
        "referer",
        "status",
        "location",
        "response",
        "any",
        "none",
        "when",
        "for_each",
        "topic",
        "resource",
        "id",
        "key",
        "payload",
        "payload_from",
        "omit",
        "payload_mode",
        "skip_unchanged",
        "facts",
        "arg",
        "priority",
        "stop",
        "find",
        "flash",
        "graphql",
        "session",
        "remember",
        "forget",
        "once",
        "wait",
    ],
    later: &[],
};

/// What a table that reads like a rule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// `[event.NAME]`.
    Event,
    /// `[learn.NAME]`.
    Learn,
    /// `[part.NAME]`.
    Part,
    /// What a `wait` waits for.
    Wait,
}

/// Bound of `priority`, both ways.
const PRIORITY: i64 = 1_000_000;

/// Compiles a rule; what is at fault is left out, as the report says.
pub(super) fn event(loader: &mut Loader, entry: &Entry, merged: &Merged, of: Of) -> EventRule {
    let table = &merged.table;
    let scope = if of == Of::Part || table.get("for_each").is_some() { Scope::Item } else { Scope::Rule };
    let get = |key: &str| table.get(key).map(|entry| &entry.node);
    let finds = get("find").map_or_else(Vec::new, |node| find::finds(loader, node));
    let graphql = get("graphql").and_then(|node| graphql::rule(loader, node, (of != Of::Part).then_some(entry)));
    let on = get("on").map(|node| path::on(loader, node));
    if of != Of::Part {
        let defined = defined(loader, table, on.as_deref());
        loader.expressions.begin_rule(defined);
    }
    let status = get("status").and_then(|node| status(loader, node)).unwrap_or_else(StatusSet::default);
    let conditions = conditions(loader, table);
    let any: Vec<_> = merged.any.iter().map(|node| tables(loader, "any", node, ROOTS)).collect();
    let none: Vec<_> = merged.none.iter().flat_map(|node| tables(loader, "none", node, ROOTS)).collect();
    let when: Vec<&Node> = merged.when.iter().flat_map(listed).collect();
    let when: Vec<_> = when.into_iter().filter_map(|node| loader.truth("when", node, scope)).collect();
    let topic = get("topic").map_or_else(Vec::new, |node| topics(loader, node, scope));
    let rule = EventRule {
        name: entry.key.clone(),
        place: loader.place(entry.at),
        priority: get("priority").and_then(|n| loader.integer("priority", n, -PRIORITY..=PRIORITY)).unwrap_or_default(),
        stop: get("stop").and_then(|node| loader.flag("stop", node)).unwrap_or_default(),
        on: on.unwrap_or_default(),
        conditions,
        any,
        none,
        status,
        graphql,
        finds,
        when,
        for_each: get("for_each").and_then(|node| loader.expression("for_each", node, Scope::Rule)),
        topic,
        resource: get("resource").and_then(|node| resource(loader, node)),
        id: get("id").and_then(|node| loader.template("id", node, scope)),
        key: get("key").map_or(KeySource::None, |node| values::key(loader, node, scope)),
        payload_from: get("payload_from").map_or_else(Vec::new, |node| values::sources(loader, node)),
        omit: get("omit").map_or_else(Vec::new, |node| globs(loader, "omit", node)),
        payload: get("payload").map_or_else(Vec::new, |node| values::tree(loader, "payload", node, scope)),
        payload_mode: get("payload_mode").map_or(PayloadMode::Merge, |node| mode(loader, node)),
        skip_unchanged: get("skip_unchanged").and_then(|n| loader.flag("skip_unchanged", n)).unwrap_or_default(),
        facts: get("facts").map_or_else(Vec::new, |node| values::tree(loader, "facts", node, scope)),
        arg: get("arg").and_then(|node| values::value(loader, "arg", node, scope)),
        stateful: stateful::stateful(loader, merged, scope),
    };
    match of {
        Of::Event => {
            complete(loader, entry, merged, &rule);
            flash::stops(loader, table);
        }
        Of::Learn => stateful::learns(loader, entry, merged, &rule),
        Of::Part | Of::Wait => {}
    }
    if matches!(of, Of::Learn) {
        find::unused(loader, get("find"), &rule.finds);
    }
    rule
}

/// What expressions of a rule may name: with what is at fault, so that naming it is no fault of its own.
fn defined(loader: &Loader, table: &Table, on: Option<&[On]>) -> Defined {
    let finds = table.get("find").and_then(|entry| entry.node.table());
    let stated = table.get("on").map_or(0, |entry| listed(&entry.node).len());
    let whole = on.filter(|on| on.len() == stated);
    let vars = loader.vars.keys().cloned().collect();
    Defined {
        finds: finds.map_or_else(Vec::new, |table| table.keys().map(str::to_owned).collect()),
        graphql: table.get("graphql").is_some(),
        flash: loader.has_flash,
        params: whole.map(|on| on.iter().flat_map(|on| on.path.names()).map(str::to_owned).collect()),
        vars: (!loader.report.any_broken()).then_some(vars),
    }
}

/// `when` may be one expression or a list of them.
fn listed(node: &Node) -> Vec<&Node> {
    match &node.toml {
        Toml::List(items) => items.iter().collect(),
        _ => vec![node],
    }
}

/// A list of names with `*`.
pub(super) fn globs(loader: &mut Loader, what: &str, node: &Node) -> Vec<String> {
    loader.texts(what, node).into_iter().map(|(text, _)| text).collect()
}

fn mode(loader: &mut Loader, node: &Node) -> PayloadMode {
    match loader.word("payload_mode", node, &["merge", "replace"]).as_deref() {
        Some("replace") => PayloadMode::Replace,
        _ => PayloadMode::Merge,
    }
}

fn resource(loader: &mut Loader, node: &Node) -> Option<String> {
    let text = loader.text("resource", node)?;
    if format!("{text}.x").parse::<Topic>().is_err() || text == "action" {
        let hint = "write one lower-case word: product, order, customer, coupon, or a word of your own".to_owned();
        loader.report.error(node.at, format!("`{text}` is no resource"), hint);
        return None;
    }
    Some(text)
}

/// `topic`: a string or a list, literal or with `{{ … }}`.
fn topics(loader: &mut Loader, node: &Node, scope: Scope) -> Vec<Template> {
    let texts = loader.texts("topic", node);
    if node.is_empty_list() {
        loader.report.error(node.at, "`topic` is an empty list", None);
    }
    let mut topics = Vec::new();
    for (text, node) in texts {
        let Some(template) = loader.template("topic", node, scope) else { continue };
        let fault = match &template {
            Template::Literal(literal) => literal.parse::<Topic>().err().map(|error| error.to_string()),
            Template::Mixed(pieces) => (!could_be_topic(&shape(pieces))).then(|| format!("`{text}` can give no topic")),
            Template::Single(_) => None,
        };
        match fault {
            Some(message) => {
                let hint = topic_hint(&text);
                loader.report.error(node.at, message, hint);
            }
            None => topics.push(template),
        }
    }
    topics
}

/// Whether text with a letter in each hole can be a topic; the dot may come out of a hole.
fn could_be_topic(shape: &str) -> bool {
    shape.parse::<Topic>().is_ok() || (!shape.contains('.') && format!("{shape}.x").parse::<Topic>().is_ok())
}

/// Mixed text with a letter for each hole.
pub(super) fn shape(pieces: &[Piece]) -> String {
    let part = |piece: &Piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Hole(_) => "x".to_owned(),
    };
    pieces.iter().map(part).collect()
}

fn topic_hint(text: &str) -> Option<String> {
    let lower = text.to_lowercase();
    if let Some(name) = lower.strip_prefix("action:").or_else(|| lower.strip_prefix("action.")) {
        let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        return Some(format!("an action reads `action.{name}`"));
    }
    (lower != text && lower.parse::<Topic>().is_ok()).then(|| format!("did you mean `{lower}`?"))
}

/// What a rule must have, once its parts are in it.
fn complete(loader: &mut Loader, entry: &Entry, merged: &Merged, rule: &EventRule) {
    let (table, name) = (&merged.table, &entry.key);
    if table.get("on").is_none() {
        let hint = "write on = \"POST /path\", or take it from a part with `use`".to_owned();
        loader.report.missing(entry.at, format!("event `{name}` has no `on`"), hint);
    }
    match table.get("topic") {
        Some(topic) => stated(loader, topic, table, rule),
        None => no_topic(loader, entry, table),
    }
    if table.get("id").is_none() && table.get("key").is_none() {
        let hint = "write id = \"{{ … }}\" or key.NAME = \"{{ … }}\": an event is always about one thing".to_owned();
        loader.report.missing_warn(
            entry.at,
            format!("event `{name}` has neither `id` nor `key` and will never come"),
            hint,
        );
    }
}

/// An action whose key is kept for a resource must say which.
fn stated(loader: &mut Loader, topic: &Entry, table: &Table, rule: &EventRule) {
    let action = rule.topic.iter().any(|topic| match topic {
        Template::Literal(text) => text.starts_with("action."),
        Template::Mixed(pieces) => shape(pieces).starts_with("action."),
        Template::Single(_) => false,
    });
    if action && table.get("key").is_some() && table.get("resource").is_none() {
        let hint = "a key belongs to a resource: write resource = \"customer\", for example".to_owned();
        let message = format!("event `{}` is an action with a `key` and must state its `resource`", rule.name);
        loader.report.missing(topic.at, message, hint);
    }
}

/// A missing topic often stands below the header of another table.
fn no_topic(loader: &mut Loader, entry: &Entry, table: &Table) {
    let name = &entry.key;
    let message = format!("event `{name}` has no `topic`");
    let astray = table.entries.iter().find_map(|outer| {
        let inner = outer.node.table().filter(|inner| !inner.inline)?.get("topic")?;
        Some((&outer.key, inner.at))
    });
    let Some((outer, at)) = astray else {
        let hint = "write topic = \"product.updated\", for example".to_owned();
        return loader.report.missing(entry.at, message, hint);
    };
    let header = format!("[event.{name}.{outer}]");
    let hint = format!("it stands below the header {header} and so belongs to `{outer}`: move it above that header");
    loader.report.missing(at, message, hint);
}
