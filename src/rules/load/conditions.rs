//! Condition roots and the keys below them, down to one [`Condition`] for each value.

use crate::diagnostic::nearest;
use crate::exchange::FieldPath;

use super::super::rule::{Condition, Matcher, Subject, UrlPart};
use super::bound::marked;
use super::loader::{Keys, Loader};
use super::matcher::{OPERATORS, Typing, is_operators, matcher};
use super::status::status;
use super::tree::{Entry, Node, Table, Toml};
use super::{flash, graphql, path};

/// Roots of conditions that work in a table of `any` or `none`.
pub(super) const ROOTS: Keys = Keys {
    known: &[
        "host", "query", "form", "json", "headers", "cookies", "referer", "status", "location", "response", "flash",
        "graphql", "session", "find",
    ],
    later: &[],
};

/// Roots that the head of a request decides: those of `[shop] ignore`.
pub(super) const HEAD_ROOTS: Keys = Keys { known: &["host", "query", "headers", "cookies", "referer"], later: &[] };

/// The conditions of a table; keys that are no condition roots are left alone.
pub(super) fn conditions(loader: &mut Loader, table: &Table) -> Vec<Condition> {
    let mut found = Vec::new();
    for entry in &table.entries {
        root(loader, entry, &mut found);
    }
    found
}

/// A list of tables of conditions: `any`, `none`, `ignore`. One table stands for a list of one.
pub(super) fn tables(loader: &mut Loader, what: &str, node: &Node, keys: Keys) -> Vec<Vec<Condition>> {
    let items: Vec<&Node> = match &node.toml {
        Toml::List(items) => items.iter().collect(),
        _ => vec![node],
    };
    if items.is_empty() {
        let hint = format!("write `{what} = [{{ query.a = \"1\" }}, {{ query.b = \"2\" }}]`");
        loader.report.error(node.at, format!("`{what}` is an empty list"), hint);
    }
    let mut found = Vec::new();
    for item in items {
        let Some(table) = item.table() else {
            loader.wrong_type(what, "a list of tables", item, Some(format!("write `{what} = [{{ … }}, {{ … }}]`")));
            continue;
        };
        loader.strict(table, keys, &format!("a table of `{what}`"));
        if table.entries.is_empty() {
            loader.report.error(item.at, "an empty table always holds", "write a condition in it".to_owned());
        }
        let mut conditions = conditions(loader, table);
        if let Some(entry) = table.get("status")
            && let Some(set) = status(loader, &entry.node)
        {
            let text = written(loader, "status", &entry.node);
            conditions.push(Condition { subject: Subject::Status, matcher: Matcher::Status(set), text });
        }
        if let Some(entry) = table.get("flash") {
            flash::in_table(loader, entry);
        }
        if let Some(entry) = table.get("graphql") {
            graphql::only_conditions(loader, &entry.node);
        }
        if let Some(entry) = table.get("find") {
            finds(loader, &entry.node, &mut conditions);
        }
        found.push(conditions);
    }
    found
}

/// `find.NAME = …` in a table of `any` or `none`: a condition on what the rule's find gave.
fn finds(loader: &mut Loader, node: &Node, found: &mut Vec<Condition>) {
    let Some(table) = loader.table("find", node) else { return };
    for entry in &table.entries {
        if !loader.expressions.name_find(&entry.key) {
            loader.no_such_find(entry.at, &entry.key);
        }
    }
    json_below(loader, "find", table, &[], &Subject::Find, found);
}

fn root(loader: &mut Loader, entry: &Entry, found: &mut Vec<Condition>) {
    let (key, node) = (entry.key.as_str(), &entry.node);
    match key {
        "host" => {
            let mut matcher = matcher(loader, key, node, Typing::Text);
            if let Some(Matcher::OneOf(hosts)) = &mut matcher {
                for host in hosts {
                    host.make_ascii_lowercase();
                }
            }
            push(loader, key, node, Subject::Host, matcher, found);
        }
        "query" => fields(loader, key, node, &Subject::Query, found),
        "form" => fields(loader, key, node, &Subject::Form, found),
        "json" => json(loader, key, node, &Subject::Json, found),
        "headers" => names(loader, key, node, &|name| Subject::Header(name.to_ascii_lowercase()), found),
        "cookies" => names(loader, key, node, &|name| Subject::Cookie(name.to_owned()), found),
        "referer" => url(loader, key, node, &Subject::Referer, found),
        "location" => url(loader, key, node, &Subject::Location, found),
        "response" => response(loader, node, found),
        "session" => session(loader, entry, found),
        "flash" => flash::condition(loader, node, found),
        "graphql" => graphql::conditions(loader, node, found),
        _ => {}
    }
}

/// `session`: what is remembered of the visitor.
fn session(loader: &mut Loader, entry: &Entry, found: &mut Vec<Condition>) {
    if !loader.scoped.session {
        let hint = "name what tells visitors apart: [session] cookies = [\"…\"]".to_owned();
        loader.report.error(entry.at, "`session` is known only with a table [session]", hint);
    }
    json(loader, "session", &entry.node, &Subject::Session, found);
}

fn response(loader: &mut Loader, node: &Node, found: &mut Vec<Condition>) {
    const KEYS: Keys = Keys { known: &["headers", "cookies", "body", "json"], later: &[] };
    let Some(table) = loader.table("response", node) else { return };
    loader.strict(table, KEYS, "`response`");
    for entry in &table.entries {
        let what = format!("response.{}", entry.key);
        match entry.key.as_str() {
            "headers" => {
                names(loader, &what, &entry.node, &|name| Subject::ResponseHeader(name.to_ascii_lowercase()), found);
            }
            "cookies" => names(loader, &what, &entry.node, &|name| Subject::ResponseCookie(name.to_owned()), found),
            "body" => {
                let matcher = matcher(loader, &what, &entry.node, Typing::Text);
                push(loader, &what, &entry.node, Subject::ResponseBody, matcher, found);
            }
            "json" => json(loader, &what, &entry.node, &Subject::ResponseJson, found),
            _ => {}
        }
    }
}

/// `query` and `form`: names as on the wire, nested tables as brackets. `true`/`false`: any field at all.
fn fields(
    loader: &mut Loader,
    what: &str,
    node: &Node,
    subject: &dyn Fn(FieldPath) -> Subject,
    found: &mut Vec<Condition>,
) {
    if let Toml::Bool(flag) = node.toml {
        let whole = subject(FieldPath { parts: Vec::new(), list: false });
        return push(loader, what, node, whole, Some(Matcher::Filled(flag)), found);
    }
    let Some(table) = loader.table(what, node) else { return };
    empty(loader, what, table, node);
    for entry in &table.entries {
        let path = FieldPath::parse(&entry.key);
        if path.parts.is_empty() {
            let hint = "a name begins with something else than a bracket".to_owned();
            loader.report.error(entry.at, format!("`{}` is no name of a field", entry.key), hint);
            continue;
        }
        field(loader, what, entry, path, subject, found);
    }
}

fn field(
    loader: &mut Loader,
    under: &str,
    entry: &Entry,
    path: FieldPath,
    subject: &dyn Fn(FieldPath) -> Subject,
    found: &mut Vec<Condition>,
) {
    let what = format!("{under}.{}", quoted(&entry.key));
    let Some(nested) = entry.node.table().filter(|table| !table.entries.is_empty() && !is_operators(table)) else {
        let matcher = matcher(loader, &what, &entry.node, Typing::Fields);
        return push(loader, &what, &entry.node, subject(path), matcher, found);
    };
    suspect_operators(loader, &what, nested);
    if path.list {
        let hint = "leave out `[]`, or compare the list itself: `= [\"a\", \"b\"]` fits if one of its values does";
        return loader.report.error(
            entry.at,
            format!("`{}` is a list and has no keys below it", entry.key),
            hint.to_owned(),
        );
    }
    for inner in &nested.entries {
        let (name, list) = inner.key.strip_suffix("[]").map_or((inner.key.as_str(), false), |name| (name, true));
        let mut below = path.clone();
        below.parts.push(name.to_owned());
        below.list = list;
        field(loader, &what, inner, below, subject, found);
    }
}

/// `json` and `response.json`: nested tables are paths.
pub(super) fn json(
    loader: &mut Loader,
    what: &str,
    node: &Node,
    subject: &dyn Fn(Vec<String>) -> Subject,
    found: &mut Vec<Condition>,
) {
    let below = match &node.toml {
        Toml::Table(table) if !table.entries.is_empty() && !is_operators(table) => table,
        Toml::Table(_) | Toml::Bool(_) => {
            let matcher = matcher(loader, what, node, Typing::Json);
            return push(loader, what, node, subject(Vec::new()), matcher, found);
        }
        _ => {
            let hint = format!(
                "name a value in it: `{what}.status = \"ok\"`; `{what} = true` wants any JSON that is not empty"
            );
            return loader.wrong_type(what, "a table", node, Some(hint));
        }
    };
    json_below(loader, what, below, &[], subject, found);
}

fn json_below(
    loader: &mut Loader,
    under: &str,
    table: &Table,
    path: &[String],
    subject: &dyn Fn(Vec<String>) -> Subject,
    found: &mut Vec<Condition>,
) {
    for entry in &table.entries {
        let what = format!("{under}.{}", quoted(&entry.key));
        let path: Vec<String> = path.iter().cloned().chain([entry.key.clone()]).collect();
        if let Some(nested) = entry.node.table().filter(|table| !table.entries.is_empty() && !is_operators(table)) {
            suspect_operators(loader, &what, nested);
            json_below(loader, &what, nested, &path, subject, found);
        } else {
            let matcher = matcher(loader, &what, &entry.node, Typing::Json);
            push(loader, &what, &entry.node, subject(path), matcher, found);
        }
    }
}

/// Headers and cookies: one level of names, which may hold `*`.
fn names(loader: &mut Loader, what: &str, node: &Node, subject: &dyn Fn(&str) -> Subject, found: &mut Vec<Condition>) {
    let Some(table) = loader.table(what, node) else { return };
    empty(loader, what, table, node);
    for entry in &table.entries {
        let full = format!("{what}.{}", quoted(&entry.key));
        if let Some(nested) = entry.node.table().filter(|table| !table.inline && !is_operators(table))
            && let Some(inner) = nested.entries.first()
            && nearest(&inner.key, OPERATORS).is_none()
        {
            let hint = format!("a name that holds a dot stands in quotes: {what}.\"{}.{}\"", entry.key, inner.key);
            loader.report.error(inner.at, format!("`{full}` has no names below it"), hint);
            continue;
        }
        let matcher = matcher(loader, &full, &entry.node, Typing::Text);
        push(loader, &full, &entry.node, subject(&entry.key), matcher, found);
    }
}

/// `location` and `referer`: the short form for the path, or `.url .host .path .query .params`.
fn url(loader: &mut Loader, what: &str, node: &Node, subject: &dyn Fn(UrlPart) -> Subject, found: &mut Vec<Condition>) {
    const KEYS: Keys = Keys { known: &["url", "host", "path", "query", "params"], later: &[] };
    let table = match &node.toml {
        Toml::Bool(flag) => {
            return push(loader, what, node, subject(UrlPart::Whole), Some(Matcher::Filled(*flag)), found);
        }
        Toml::Table(table) if !table.entries.is_empty() && !is_operators(table) => table,
        _ => return url_path(loader, what, node, subject, found),
    };
    loader.strict(table, KEYS, &format!("`{what}`"));
    for entry in &table.entries {
        let (full, node) = (format!("{what}.{}", entry.key), &entry.node);
        match entry.key.as_str() {
            "path" => url_path(loader, &full, node, subject, found),
            "query" => fields(loader, &full, node, &|path| subject(UrlPart::Query(path)), found),
            "params" => names(loader, &full, node, &|name| subject(UrlPart::Param(name.to_owned())), found),
            "url" | "host" => {
                let part = if entry.key == "url" { UrlPart::Whole } else { UrlPart::Host };
                let matcher = matcher(loader, &full, node, Typing::Text);
                push(loader, &full, node, subject(part), matcher, found);
            }
            _ => {}
        }
    }
}

/// A path: text is a template, or one of several; `true`, `false` and operators look at it as text.
fn url_path(
    loader: &mut Loader,
    what: &str,
    node: &Node,
    subject: &dyn Fn(UrlPart) -> Subject,
    found: &mut Vec<Condition>,
) {
    if matches!(node.toml, Toml::Bool(_) | Toml::Table(_)) {
        let matcher = matcher(loader, what, node, Typing::Text);
        return push(loader, what, node, subject(UrlPart::Path), matcher, found);
    }
    if node.is_empty_list() {
        return loader.report.error(node.at, "an empty list never fits", None);
    }
    if let Toml::Text(text) = &node.toml
        && let Some(at) = marked(text)
    {
        return push(loader, what, node, subject(UrlPart::Path), Some(Matcher::Bound(at)), found);
    }
    let root = what.split('.').next().unwrap_or(what);
    let mut templates = Vec::new();
    for (text, item) in loader.texts(what, node) {
        if text.starts_with("http://") || text.starts_with("https://") {
            let hint = format!("write {root}.host and {root}.path, or the whole as {root}.url = \"{text}\"");
            loader.report.error(item.at, format!("`{what}` is a path, not a whole address"), hint);
        } else if let Some(template) = path::template(loader, &text, 0, item) {
            templates.push(template);
        }
    }
    push(loader, what, node, subject(UrlPart::Template(templates)), Some(Matcher::Template), found);
}

pub(super) fn push(
    loader: &mut Loader,
    what: &str,
    node: &Node,
    subject: Subject,
    matcher: Option<Matcher>,
    found: &mut Vec<Condition>,
) {
    if let Some(matcher) = matcher {
        let text = written(loader, what, node);
        found.push(Condition { subject, matcher, text });
    }
}

fn empty(loader: &mut Loader, what: &str, table: &Table, node: &Node) {
    if table.entries.is_empty() {
        loader.report.error(node.at, format!("`{what}` is an empty table, which says nothing"), None);
    }
}

/// A table in braces that nearly is one of operators reads as names: say so.
fn suspect_operators(loader: &mut Loader, what: &str, table: &Table) {
    if !table.inline {
        return;
    }
    for entry in &table.entries {
        // Short names are near to some operator by chance: `id` to `is`.
        if entry.key.len() >= 4
            && !OPERATORS.contains(&entry.key.as_str())
            && let Some(near) = nearest(&entry.key, OPERATORS)
        {
            let hint = format!("did you mean the operator `{near}`?");
            let message = format!("`{}` is no operator, so this reads a field below `{what}`", entry.key);
            loader.report.warn(entry.at, message, hint);
        }
    }
}

/// A condition as written, on one line.
pub(super) fn written(loader: &Loader, what: &str, node: &Node) -> String {
    let source = |node: &Node| loader.report.source(node.at).split_whitespace().collect::<Vec<_>>().join(" ");
    let value = match node.table().filter(|table| !table.inline) {
        Some(table) => {
            let entries: Vec<_> = table.entries.iter().map(|e| format!("{} = {}", e.key, source(&e.node))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        None => source(node),
    };
    format!("{what} = {value}")
}

/// A key as it stands in a file: in quotes unless it is bare.
fn quoted(key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if bare { key.to_owned() } else { format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\"")) }
}
