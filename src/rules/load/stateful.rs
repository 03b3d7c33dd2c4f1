//! What a rule remembers: `remember`, `forget`, `once`, and [session] itself.

use std::time::Duration;

use crate::exchange::FieldPath;

use super::super::expr::{Expr, Expressions, Scope, Template, shortest};
use super::super::rule::{Awaited, EventRule, KeySource, Once, RuleKind, SessionConfig, Stateful, ValueTree};
use super::super::sessions::hash;
use super::event::globs;
use super::loader::{Keys, Loader};
use super::parts::Merged;
use super::scoped::Then;
use super::tree::{Entry, Node, Toml};
use super::values;

/// Least and most of `ttl` and of the spans of `once` and `wait`.
pub(super) const SPAN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(30 * 24));

/// `[session]`.
pub(super) fn session(loader: &mut Loader, entry: &Entry) -> SessionConfig {
    const KEYS: Keys = Keys { known: &["cookies", "query", "headers", "ttl"], later: &[] };
    let mut session = SessionConfig::default();
    let Some(table) = loader.table("session", &entry.node) else { return session };
    loader.strict(table, KEYS, "[session]");
    for Entry { key, node, .. } in &table.entries {
        match key.as_str() {
            "cookies" => session.cookies = globs(loader, key, node),
            "headers" => {
                session.headers = globs(loader, key, node).iter().map(|name| name.to_ascii_lowercase()).collect();
            }
            "query" => session.query = globs(loader, key, node).iter().map(|name| FieldPath::parse(name)).collect(),
            "ttl" => session.ttl = loader.duration("ttl", node, SPAN).unwrap_or(SessionConfig::TTL),
            _ => {}
        }
    }
    if session.is_empty() {
        let hint = "write cookies = [\"PHPSESSID\"], or `query` or `headers`".to_owned();
        loader.report.error(entry.at, "[session] names nothing that tells visitors apart", hint);
    }
    session
}

/// The stateful half of a rule, its waits left out.
pub(super) fn stateful(loader: &mut Loader, merged: &Merged, scope: Scope) -> Stateful {
    let get = |key: &str| merged.table.get(key);
    for key in ["remember", "forget"] {
        if let Some(entry) = get(key).filter(|_| !loader.scoped.session) {
            let hint = "name what tells visitors apart: [session] cookies = [\"…\"]".to_owned();
            loader.report.error(entry.at, format!("`{key}` is known only with a table [session]"), hint);
        }
    }
    Stateful {
        kind: RuleKind::Event,
        definition: definition(merged),
        remember: get("remember").map_or_else(Vec::new, |entry| values::tree(loader, "remember", &entry.node, scope)),
        forget: get("forget").map_or_else(Vec::new, |entry| forget(loader, &entry.node)),
        once: get("once").and_then(|entry| {
            let once = once(loader, &entry.node, scope)?;
            if get("for_each").is_some() && !names_item(loader, &once.key) {
                let message = "of all items of `for_each` one comes: `once` is the same for each of them";
                let hint = "name the item in it: once = \"{{ form.token }} {{ item }}\"".to_owned();
                loader.report.missing_warn(entry.at, message, hint);
            }
            Some(once)
        }),
        ..Stateful::default()
    }
}

fn names_item(loader: &Loader, key: &Template) -> bool {
    key.holes().any(|hole| loader.expressions.paths(hole).iter().any(|path| is_item(path)))
}

/// A hash of all that a rule says.
fn definition(merged: &Merged) -> String {
    let lists = [&merged.when, &merged.any, &merged.none].map(|nodes| nodes.iter().map(Node::json).collect::<Vec<_>>());
    let whole = serde_json::to_vec(&(merged.table.json(), lists)).unwrap_or_default();
    hash(&whole)
}

fn forget(loader: &mut Loader, node: &Node) -> Vec<Vec<String>> {
    let texts = loader.texts("forget", node);
    let mut paths = Vec::new();
    for (text, node) in texts {
        let path: Vec<String> = text.split('.').map(str::to_owned).collect();
        if path.iter().any(String::is_empty) || text.contains(['{', '[', ' ']) {
            let hint = "write the names of `remember`: forget = [\"cart\", \"me.email\"]".to_owned();
            loader.report.error(node.at, format!("`{text}` is no name in the memory"), hint);
        } else {
            paths.push(path);
        }
    }
    paths
}

/// `once`: text, or `{ key, for }`.
fn once(loader: &mut Loader, node: &Node, scope: Scope) -> Option<Once> {
    const KEYS: Keys = Keys { known: &["key", "for"], later: &[] };
    let scoped = super::scoped::Scoped { then: Then::NotYet, ..loader.scoped };
    let Toml::Table(table) = &node.toml else {
        let key = loader.within(scoped, |loader| loader.template("once", node, scope))?;
        return Some(Once { key, span: Once::SPAN });
    };
    loader.strict(table, KEYS, "`once`");
    let Some(key) = table.get("key") else {
        let hint = "write what must not come twice: once = { key = \"{{ form.token }}\", for = \"1h\" }".to_owned();
        loader.report.error(node.at, "`once` has no `key`", hint);
        return None;
    };
    let key = loader.within(scoped, |loader| loader.template("once.key", &key.node, scope));
    let span = table.get("for").and_then(|entry| loader.duration("once.for", &entry.node, SPAN));
    Some(Once { key: key?, span: span.unwrap_or(Once::SPAN) })
}

/// Keys of `[learn.NAME]`: those of a rule that make no event are left out.
pub(super) const LEARN_KEYS: Keys = Keys {
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
        "session",
        "any",
        "none",
        "when",
        "for_each",
        "resource",
        "id",
        "key",
        "payload",
        "payload_from",
        "omit",
        "facts",
        "remember",
        "forget",
        "priority",
        "find",
        "flash",
        "graphql",
    ],
    later: &[],
};

/// What a learn rule must have.
pub(super) fn learns(loader: &mut Loader, entry: &Entry, merged: &Merged, rule: &EventRule) {
    let (table, name) = (&merged.table, &entry.key);
    let has = |key: &str| table.get(key).is_some();
    if !has("on") {
        let hint = "write on = \"GET /path\", or take it from a part with `use`".to_owned();
        loader.report.missing(entry.at, format!("learn `{name}` has no `on`"), hint);
    }
    let kept = ["id", "key", "payload", "payload_from", "facts"].into_iter().find(|key| has(key));
    if let (Some(key), None) = (kept, &rule.resource) {
        let hint = "write resource = \"product\", for example".to_owned();
        loader.report.missing(entry.at, format!("learn `{name}` has `{key}` and must state its `resource`"), hint);
    }
    if kept.is_some() && !has("id") && !has("key") {
        let hint = "write id = \"{{ … }}\" or key.NAME = \"{{ … }}\"".to_owned();
        loader.report.missing(entry.at, format!("learn `{name}` names neither `id` nor `key`"), hint);
    }
    if kept.is_none() && !has("remember") && !has("forget") {
        let hint = "write `id` and `key` of a resource, or `remember` what the visitor will need".to_owned();
        loader.report.missing(entry.at, format!("learn `{name}` learns nothing"), hint);
    }
}

/// What rules need that wait for the messages of the visitor's next page, once `late` is done.
pub(super) fn of_page(rules: &mut [EventRule], expressions: &Expressions) {
    for rule in rules.iter_mut().filter(|rule| rule.is_event() || rule.is_learn()) {
        let finds: Vec<String> =
            rule.finds.iter().filter(|find| find.extract.reads_flash()).map(|find| find.name.clone()).collect();
        let of_page = |expr: &Expr, items| expressions.is_of_page(*expr, &finds, items);
        let items = rule.for_each.is_some_and(|list| of_page(&list, false));
        let mut read: Vec<Expr> =
            rule.when.iter().chain(&rule.for_each).copied().filter(|expr| of_page(expr, items)).collect();
        rule.each_template(&mut |template| {
            if template.holes().any(|hole| of_page(&hole, items)) {
                read.extend(template.holes());
            }
        });
        let waits = rule.wait_expressions();
        if waits.iter().any(|expr| of_page(expr, items)) {
            read.extend(waits);
        }
        let mut stored = expressions.stored_paths(&read, items);
        stored.extend(rule.stateful.stored.iter().filter(|path| !items || !is_item(path)).cloned());
        let copied = rule.payload_from.iter().map(|source| &source.parts);
        stored.extend(copied.filter(|path| path.first().is_some_and(|root| root == "find")).cloned());
        rule.stateful.stored_for_page = shortest(stored);
    }
}

fn is_item(path: &[String]) -> bool {
    path.first().is_some_and(|root| root == "item" || root == "index")
}

/// What late values need, once every expression is compiled.
pub(super) fn late(rules: &mut [EventRule], expressions: &Expressions) {
    let mut bodies: Vec<String> = Vec::new();
    for rule in rules.iter_mut().filter(|rule| !rule.stateful.waits.is_empty()) {
        let late_items = rule.late_items(expressions);
        let late = late_expressions(rule, expressions, late_items);
        rule.stateful.stored = expressions.stored_paths(&late, late_items);
        let copied = rule.payload_from.iter().filter(|source| source.is_late()).map(|source| &source.parts);
        let parts = expressions.then_parts(&late).map(|mut parts| {
            parts.extend(copied.map(|path| path.iter().skip(1).cloned().collect()));
            parts
        });
        let reads_body = match &parts {
            None => true,
            Some(parts) => parts.iter().any(|part| {
                let second = part.get(1).map(String::as_str);
                part.first().is_some_and(|root| root == "response") && !matches!(second, Some("headers" | "cookies"))
            }),
        };
        if reads_body {
            bodies.push(rule.name.clone());
        }
        let mut roots: Vec<String> =
            parts.unwrap_or_default().into_iter().filter_map(|part| part.into_iter().next()).collect();
        roots.sort();
        roots.dedup();
        rule.stateful.then = roots;
    }
    for rule in rules.iter_mut().filter(|rule| matches!(rule.stateful.kind, RuleKind::Wait { .. })) {
        rule.stateful.reads_body = bodies.contains(&rule.name);
    }
}

/// Every expression of a rule that runs after the match; of a value with several holes all of them, if one is late.
fn late_expressions(rule: &EventRule, expressions: &Expressions, late_items: bool) -> Vec<Expr> {
    let bare = rule.when.iter().chain(&rule.for_each).copied();
    let mut late: Vec<Expr> = bare.filter(|expr| expressions.is_late(*expr, late_items)).collect();
    rule.each_template(&mut |template: &Template| {
        if expressions.template_is_late(template, late_items) {
            late.extend(template.holes());
        }
    });
    late
}

impl EventRule {
    /// Whether its `for_each` runs after the match, and all that names `item` with it.
    pub fn late_items(&self, expressions: &Expressions) -> bool {
        self.for_each.is_some_and(|list| expressions.is_late(list, false))
    }

    /// Every value of the rule, those of its waits left out.
    pub fn each_template(&self, see: &mut dyn FnMut(&Template)) {
        self.topic.iter().chain(&self.id).for_each(&mut *see);
        match &self.key {
            KeySource::None => {}
            KeySource::Fields(fields) => fields.iter().for_each(|(_, field)| see(field)),
            KeySource::Whole(whole) => see(whole),
        }
        let trees = self.payload.iter().chain(&self.facts).chain(&self.stateful.remember).map(|(_, tree)| tree);
        trees.chain(&self.arg).for_each(|tree| tree.each_template(see));
        self.stateful.once.iter().for_each(|once| see(&once.key));
    }

    /// Expressions of its waits that run over the exchange that matched.
    pub fn wait_expressions(&self) -> Vec<Expr> {
        use super::super::rule::GetPart;
        let mut found = Vec::new();
        for wait in &self.stateful.waits {
            match &wait.event {
                Awaited::Exchange { texts } => found.extend(texts.iter().flat_map(Template::holes)),
                Awaited::LookUp { get, texts, .. } => {
                    found.extend(texts.iter().flat_map(Template::holes));
                    found.extend(get.iter().filter_map(|part| match part {
                        GetPart::Value(expr) => Some(*expr),
                        GetPart::Text(_) | GetPart::Kept(_) => None,
                    }));
                }
                Awaited::Learnt => {}
            }
        }
        found
    }
}

impl ValueTree {
    /// Every template in it.
    pub fn each_template(&self, see: &mut dyn FnMut(&Template)) {
        match self {
            Self::Template(own) => see(own),
            Self::Constant(_) => {}
            Self::Table(entries) => entries.iter().for_each(|(_, tree)| tree.each_template(see)),
            Self::List(items) => items.iter().for_each(|tree| tree.each_template(see)),
        }
    }
}
