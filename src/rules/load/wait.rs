//! `wait`: what a rule waits for, and the rules that a later exchange or an answer is held against.

use http::Method;

use crate::diagnostic::nearest;
use crate::model::{Access, Otherwise};

use super::super::expr::{Piece, Scope, Template};
use super::super::rule::{
    AccessConfig, Awaited, EventRule, GetPart, KeySource, On, PathTemplate, RuleKind, Segment, Stateful, Wait,
};
use super::event::{Of, event};
use super::loader::{Keys, Loader};
use super::parts::Merged;
use super::scoped::{Scoped, Then};
use super::tree::{Entry, Node, Table, Toml};
use super::{bound, path, stateful};

/// Keys of a wait.
const KEYS: Keys = Keys {
    known: &[
        "on", "get", "as", "for", "else", "host", "query", "form", "json", "headers", "cookies", "referer", "status",
        "location", "response", "session", "find", "flash", "graphql", "any", "none", "when",
    ],
    later: &[],
};

/// Those of a wait that are no conditions.
const OWN: [&str; 5] = ["on", "get", "as", "for", "else"];

/// The tables of a rule's `wait`.
pub(super) fn tables(merged: &Merged) -> Vec<&Node> {
    match merged.table.get("wait").map(|entry| &entry.node) {
        Some(Node { toml: Toml::List(items), .. }) => items.iter().collect(),
        node => node.into_iter().collect(),
    }
}

/// What `then` is in the rule's own values.
pub(super) fn then(merged: &Merged) -> Then {
    let tables = tables(merged);
    let named = |node: &&Node| node.table().is_some_and(|t| t.get("on").is_some() || t.get("get").is_some());
    match tables.as_slice() {
        [] => Then::NoWait,
        tables if tables.iter().any(named) => Then::Known,
        _ => Then::NoExchange,
    }
}

/// Compiles the waits of a rule into it; gives the rules they wait with.
pub(super) fn waits(
    loader: &mut Loader,
    entry: &Entry,
    merged: &Merged,
    rule: &mut EventRule,
    access: &[AccessConfig],
) -> Vec<EventRule> {
    let Some(wait) = merged.table.get("wait") else { return Vec::new() };
    let scope = if rule.for_each.is_some() { Scope::Item } else { Scope::Rule };
    let mut triggers = Vec::new();
    let nodes = tables(merged);
    if nodes.is_empty() {
        loader.report.error(wait.node.at, "`wait` is an empty list", HINT.to_owned());
    }
    for (place, node) in (0_u32..).zip(nodes) {
        let Some(table) = node.table() else {
            loader.wrong_type("wait", "a table or a list of tables", node, Some(HINT.to_owned()));
            continue;
        };
        loader.strict(table, KEYS, "`wait`");
        let mut one = One { loader, entry, node, table, rule, access, scope, place };
        let Some(event) = one.event(&mut triggers) else { continue };
        let default = if matches!(event, Awaited::LookUp { .. }) { Wait::LOOK_UP_SPAN } else { Wait::SPAN };
        let span = table.get("for").and_then(|entry| loader.duration("wait.for", &entry.node, stateful::SPAN));
        otherwise(loader, table, rule);
        rule.stateful.waits.push(Wait { event, span: span.unwrap_or(default) });
    }
    ends(loader, wait, rule);
    found(loader, wait, rule, &triggers);
    triggers
}

const HINT: &str = "write wait = { on = \"GET /…\", for = \"15m\", else = \"send\" }, or `get` for a look-up";

/// `else`: one for all waits of a rule.
fn otherwise(loader: &mut Loader, table: &Table, rule: &mut EventRule) {
    let Some(entry) = table.get("else") else { return };
    let Some(word) = loader.word("wait.else", &entry.node, &["send", "drop"]) else { return };
    let own = if word == "send" { Otherwise::Send } else { Otherwise::Drop };
    if rule.stateful.otherwise.is_some_and(|other| other != own) {
        let hint = "`else` happens when the last of them has ended: write it once".to_owned();
        loader.report.error(entry.node.at, "the waits of this rule disagree about `else`", hint);
    }
    rule.stateful.otherwise = Some(own);
}

/// `then.find.NAME` must be a find of some wait.
fn found(loader: &mut Loader, wait: &Entry, rule: &EventRule, triggers: &[EventRule]) {
    let names: Vec<&str> = triggers.iter().flat_map(|rule| &rule.finds).map(|find| find.name.as_str()).collect();
    let mut asked: Vec<String> = Vec::new();
    let mut ask = |expr| {
        let finds = loader
            .expressions
            .paths(expr)
            .iter()
            .filter(|path| path.len() > 2 && path[0] == "then" && path[1] == "find");
        asked.extend(finds.map(|path| path[2].clone()));
    };
    rule.when.iter().chain(&rule.for_each).copied().for_each(&mut ask);
    rule.each_template(&mut |template| template.holes().for_each(&mut ask));
    asked.sort();
    asked.dedup();
    for name in asked.iter().filter(|name| !names.contains(&name.as_str())) {
        let hint = match nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean `then.find.{near}`?"),
            None => format!("add to the wait: find.{name} = {{ css = \"…\" }}"),
        };
        loader.report.missing(wait.at, format!("`then.find.{name}` is named, and the wait finds no `{name}`"), hint);
    }
}

/// What comes when the time is up must be sayable.
fn ends(loader: &mut Loader, wait: &Entry, rule: &EventRule) {
    if !matches!(rule.key, KeySource::None) {
        return;
    }
    let names_then = |template: &Template| {
        template.holes().any(|hole| {
            loader.expressions.paths(hole).iter().any(|path| path.first().is_some_and(|root| root == "then"))
        })
    };
    if rule.id.as_ref().is_some_and(|id| !names_then(id)) {
        if rule.stateful.otherwise.is_none() {
            let message = "when its time is up the event is dropped: the rule has no `key` and says no `else`";
            let hint = "write else = \"send\" or else = \"drop\" to say which is meant".to_owned();
            loader.report.missing_warn(wait.at, message, hint);
        }
        return;
    }
    let message = "when its time is up nothing is known that could be sent: the rule has no `key`";
    match rule.stateful.otherwise {
        Some(Otherwise::Drop) => {}
        Some(Otherwise::Send) => {
            let hint = "add key.NAME = \"{{ … }}\", or write else = \"drop\"".to_owned();
            loader.report.missing(wait.at, message, hint);
        }
        None => {
            let hint = "add key.NAME = \"{{ … }}\", or write else = \"drop\" to say that it is meant".to_owned();
            loader.report.missing_warn(wait.at, message, hint);
        }
    }
}

/// One table of a `wait` at work.
struct One<'a> {
    loader: &'a mut Loader,
    entry: &'a Entry,
    node: &'a Node,
    table: &'a Table,
    rule: &'a EventRule,
    access: &'a [AccessConfig],
    scope: Scope,
    place: u32,
}

impl One<'_> {
    fn event(&mut self, triggers: &mut Vec<EventRule>) -> Option<Awaited> {
        match (self.table.get("on"), self.table.get("get")) {
            (Some(_), Some(get)) => {
                let hint = "write two tables in a list: the first to complete wins".to_owned();
                self.loader.report.error(get.at, "a wait has `on` or `get`, not both", hint);
                None
            }
            (Some(on), None) => {
                self.alone("as", "a look-up");
                self.followed(on, "a later exchange of the same session");
                let texts = self.trigger(false, triggers);
                Some(Awaited::Exchange { texts })
            }
            (None, Some(get)) => self.look_up(get, triggers),
            (None, None) => {
                self.bare();
                Some(Awaited::Learnt)
            }
        }
    }

    /// A key that says nothing without another one.
    fn alone(&mut self, key: &str, of: &str) {
        if let Some(entry) = self.table.get(key) {
            let hint = "leave it out, or write `get`".to_owned();
            self.loader.report.error(entry.at, format!("`{key}` belongs to {of}"), hint);
        }
    }

    fn followed(&mut self, at: &Entry, what: &str) {
        if !self.loader.scoped.session {
            let hint = "name what tells visitors apart: [session] cookies = [\"…\"]".to_owned();
            self.loader.report.error(at.at, format!("{what} is known only with a table [session]"), hint);
        }
    }

    /// Neither `on` nor `get`: it waits for a key.
    fn bare(&mut self) {
        self.alone("as", "a look-up");
        if let Some(entry) = self.table.entries.iter().find(|entry| !OWN.contains(&entry.key.as_str())) {
            let hint = "write `on` for a later exchange, or `get` for a look-up".to_owned();
            let message = format!("`{}` is a condition, and this wait names no exchange", entry.key);
            self.loader.report.error(entry.at, message, hint);
        } else if matches!(self.rule.key, KeySource::None) {
            let hint = "write `on` or `get`, or give the rule a key.NAME whose id is learnt".to_owned();
            let message = "a wait without `on` and `get` ends when a key is learnt, and the rule has no `key`";
            self.loader.report.missing(self.node.at, message, hint);
        }
    }

    /// The rule a later exchange is held against; gives the templates of its bound conditions.
    fn trigger(&mut self, look_up: bool, triggers: &mut Vec<EventRule>) -> Vec<Template> {
        let own: Vec<&str> = OWN.into_iter().filter(|key| look_up || *key != "on").collect();
        let mut table = Table { inline: self.table.inline, entries: Vec::new() };
        let kept = self.table.entries.iter().filter(|entry| !own.contains(&entry.key.as_str()));
        table.entries.extend(kept.cloned());
        let first = Scoped { then: Then::NotYet, ..self.loader.scoped };
        let scope = self.scope;
        let texts = self.loader.within(first, |loader| bound::take(loader, &mut table, scope));
        let mut merged = Merged::default();
        merged.lay(&table);
        let decides = !table.entries.is_empty();
        let itself = Scoped { then: Then::Itself, ..self.loader.scoped };
        let entry = self.entry;
        let outer = self.loader.expressions.enter();
        let mut rule = self.loader.within(itself, |loader| event(loader, entry, &merged, Of::Wait));
        self.loader.expressions.leave(outer);
        let kind = RuleKind::Wait { place: self.place, look_up };
        rule.stateful = Stateful { kind, decides, ..Stateful::default() };
        if look_up {
            let path = PathTemplate { text: "/**".to_owned(), segments: vec![Segment::Rest] };
            rule.on = vec![On { methods: vec![Method::GET], path }];
        }
        triggers.push(rule);
        texts
    }

    fn look_up(&mut self, get: &Entry, triggers: &mut Vec<EventRule>) -> Option<Awaited> {
        let access = self.access()?;
        let parts = self.get(&get.node, &access);
        let texts = self.trigger(true, triggers);
        Some(Awaited::LookUp { get: parts?, access, texts })
    }

    fn access(&mut self) -> Option<Access> {
        let Some(entry) = self.table.get("as") else { return Some(Access::None) };
        let name = self.loader.text("as", &entry.node)?;
        if name == "visitor" {
            self.followed(entry, "a look-up as the visitor");
            return Some(Access::Visitor);
        }
        if self.access.iter().any(|access| access.name == name) {
            return Some(Access::Named(name));
        }
        if !self.loader.report.any_broken() {
            let known = self.access.iter().map(|access| access.name.as_str()).chain(["visitor"]);
            let hint = match nearest(&name, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there is no table [access.{name}]; \"visitor\" means the visitor's own cookies"),
            };
            self.loader.report.error(entry.node.at, format!("unknown access `{name}`"), hint);
        }
        None
    }

    /// Path and query with their values.
    fn get(&mut self, node: &Node, access: &Access) -> Option<Vec<GetPart>> {
        let text = self.loader.text("get", node)?;
        let text = path::fill(self.loader, &text, 0, node)?;
        let filled = Node { at: node.at, toml: Toml::Text(text.clone()) };
        let scoped = Scoped { then: Then::NotYet, access: true, ..self.loader.scoped };
        let scope = self.scope;
        let template = self.loader.within(scoped, |loader| loader.template("get", &filled, scope))?;
        if !path::is_target(&text) {
            let hint = "a look-up goes to the shop itself: write path and query, \"/api/products?sku={{ form.sku }}\"";
            self.loader.report.error(node.at, format!("`{text}` is no path"), hint.to_owned());
            return None;
        }
        let pieces = match template {
            Template::Literal(text) => vec![Piece::Text(text)],
            Template::Single(expr) => vec![Piece::Hole(expr)],
            Template::Mixed(pieces) => pieces,
        };
        pieces.into_iter().map(|piece| self.part(node, piece, access)).collect()
    }

    fn part(&mut self, node: &Node, piece: Piece, access: &Access) -> Option<GetPart> {
        let expr = match piece {
            Piece::Text(text) => return Some(GetPart::Text(text)),
            Piece::Hole(expr) => expr,
        };
        let paths = self.loader.expressions.paths(expr);
        if !paths.iter().any(|path| path.first().is_some_and(|root| root == "access")) {
            return Some(GetPart::Value(expr));
        }
        let name = match paths {
            [path] if path.len() == 2 && self.loader.expressions.source(expr) == path.join(".") => path[1].clone(),
            _ => {
                let hint = "write `{{ access.NAME }}` in braces of its own".to_owned();
                self.loader.report.error(node.at, "`access` stands alone in its braces", hint);
                return None;
            }
        };
        let Access::Named(of) = access else {
            let hint = "name the access: as = \"NAME\"".to_owned();
            self.loader.report.error(node.at, "`access` is known only with `as = \"NAME\"`", hint);
            return None;
        };
        let login = self.access.iter().find(|access| access.name == *of).and_then(|access| access.login.as_ref());
        if !login.is_some_and(|login| login.keep.iter().any(|(kept, _)| *kept == name)) {
            let hint = format!("write keep.{name} = \"{{{{ … }}}}\" under [access.{of}.login]");
            self.loader.report.error(node.at, format!("[access.{of}] keeps no `{name}`"), hint);
            return None;
        }
        Some(GetPart::Kept(name))
    }
}
