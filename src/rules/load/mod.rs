//! From the texts of a rules directory to a [`Ruleset`], or to all their faults at once.
//!
//! `syntax` reads bytes to a tree of values that know their place, `gather` sorts the tables of all files by kind and
//! name, `parts` lays parts under rules; then each reader (`event`, `shop`, `webhook`) compiles its tables with the
//! typed, strict reading of `loader`. `never` and `shadow` look for what loads but cannot work.

mod access;
mod bound;
mod conditions;
mod escapes;
mod event;
mod find;
mod find_from;
mod flash;
mod gather;
mod graphql;
mod loader;
mod matcher;
mod never;
mod parts;
mod path;
mod receiver;
mod report;
mod scoped;
mod secret;
mod shadow;
mod shop;
mod stateful;
mod status;
mod syntax;
mod tree;
mod url;
mod values;
mod wait;
mod webhook;

use std::sync::Arc;

use crate::diagnostic::{Diagnostic, nearest};
use crate::model::glob;

use super::expr::ExpressionsBuilder;
use super::index::Index;
use super::rule::{AccessConfig, EventRule, Flash, KeyConfig, RuleKind, Ruleset, SessionConfig, Shop, WebhookConfig};
use event::Of;
use gather::Gathered;
use loader::Loader;
use report::Report;
use scoped::{Scoped, Then};
use tree::{Entry, Node};

/// One file of a rules directory.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Path relative to the directory, with `/`.
    pub path: String,
    /// Its bytes (a file that is not UTF-8 is a fault with a line).
    pub bytes: Vec<u8>,
}

/// What loading gave.
#[derive(Debug)]
pub struct Loaded {
    /// The ruleset, if there was no error.
    pub ruleset: Option<Ruleset>,
    /// Errors and warnings, by file and line.
    pub diagnostics: Vec<Diagnostic>,
}

/// Compiles the files of a rules directory as one set.
///
/// All faults of all files are told at once, sorted by file and line; one error anywhere and there is no ruleset.
/// Warnings alone keep nothing from loading.
pub fn load(files: &[SourceFile]) -> Loaded {
    let mut files: Vec<&SourceFile> = files.iter().collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let mut report = Report::default();
    let tables: Vec<_> = files.iter().map(|file| syntax::parse(&mut report, &file.path, &file.bytes)).collect();
    let mut loader = Loader::new(report);
    let gathered = gather::gather(&mut loader, &tables);
    let compiled = compile(&mut loader, &gathered);
    never::tell(&mut loader, &compiled.events, &compiled.webhooks, &gathered);
    if !loader.report.has_errors() {
        shadow::tell(&mut loader, &compiled.events, &gathered);
    }
    let Loader { report, expressions, .. } = loader;
    let ruleset = (!report.has_errors()).then(|| ruleset(compiled, expressions));
    Loaded { ruleset, diagnostics: report.finish() }
}

/// What the tables came to.
struct Compiled {
    shop: Shop,
    session: SessionConfig,
    flash: Option<Flash>,
    events: Vec<EventRule>,
    access: Vec<AccessConfig>,
    webhooks: Vec<WebhookConfig>,
    keys: Vec<KeyConfig>,
}

fn compile(loader: &mut Loader, gathered: &Gathered<'_>) -> Compiled {
    if let Some(charset) = gathered.shop.and_then(|entry| shop::charset(loader, entry)) {
        loader.charset = charset;
    }
    shop::vars(loader, &gathered.vars, gathered.shop);
    let (mut shop, off) = gathered.shop.map_or_else(Default::default, |entry| shop::shop(loader, entry));
    shop.vars = Arc::new(loader.vars.clone().into());
    loader.redact = shop.redact.iter().map(|name| name.to_lowercase()).collect();
    // Where TOML could not read all, [session] may stand there.
    loader.scoped.session = gathered.session.is_some() || loader.report.any_broken();
    let session = gathered.session.map_or_else(SessionConfig::default, |entry| stateful::session(loader, entry));
    let mut access: Vec<_> = gathered.access.iter().filter_map(|entry| access::access(loader, entry)).collect();
    access.sort_by(|a, b| a.name.cmp(&b.name));
    let flash = gathered.flash.and_then(|entry| flash::table(loader, entry));
    loader.has_flash = gathered.flash.is_some();
    loader.flash_cookie = flash.as_ref().is_some_and(|flash| flash.cookie.is_some());
    loader.flash_levels = flash.iter().flat_map(|flash| &flash.page).map(|(level, _)| level.clone()).collect();
    for part in &gathered.parts {
        if let Some(table) = loader.table(&format!("part.{}", part.key), &part.node) {
            check_part(loader, part, table);
        }
    }
    let (mut events, mut triggers) = (Vec::new(), Vec::new());
    for entry in &gathered.events {
        let Some(table) = loader.table(&format!("event.{}", entry.key), &entry.node) else { continue };
        loader.strict(table, event::KEYS, "an event");
        let merged = parts::merge(loader, table, &gathered.parts);
        let scoped = Scoped { then: wait::then(&merged), ..loader.scoped };
        let mut rule = loader.within(scoped, |loader| event::event(loader, entry, &merged, Of::Event));
        triggers.extend(wait::waits(loader, entry, &merged, &mut rule, &access));
        find::unused(loader, merged.table.get("find").map(|entry| &entry.node), &rule.finds);
        events.push(rule);
    }
    for entry in &gathered.learns {
        let Some(table) = loader.table(&format!("learn.{}", entry.key), &entry.node) else { continue };
        loader.strict(table, stateful::LEARN_KEYS, "a learn rule");
        let merged = parts::merge(loader, table, &gathered.parts);
        let mut rule = event::event(loader, entry, &merged, Of::Learn);
        rule.stateful.kind = RuleKind::Learn;
        events.push(rule);
    }
    switch_off(loader, &mut events, &off);
    in_order(&mut events);
    triggers.retain(|trigger| events.iter().any(|event| event.is_event() && event.name == trigger.name));
    events.extend(triggers);
    flash::named(&mut events, &loader.expressions);
    events.extend(flash::page_rule(flash.as_ref(), &events));
    let mut webhooks: Vec<_> = gathered.webhooks.iter().filter_map(|entry| webhook::webhook(loader, entry)).collect();
    webhooks.sort_by(|a, b| a.name.cmp(&b.name));
    let mut keys: Vec<_> = gathered.keys.iter().filter_map(|entry| webhook::key(loader, entry)).collect();
    keys.sort_by(|a, b| a.name.cmp(&b.name));
    one_default(loader, &gathered.keys);
    Compiled { shop, session, flash, events, access, webhooks, keys }
}

/// Higher priority first, then by file and place in it.
fn in_order(events: &mut [EventRule]) {
    let place = |event: &EventRule| (std::cmp::Reverse(event.priority), event.place.file.clone(), event.place.line);
    events.sort_by_cached_key(place);
}

/// A part is read like a rule, so that its faults show even where nobody uses it.
fn check_part(loader: &mut Loader, part: &Entry, table: &tree::Table) {
    if let Some(used) = table.get("use") {
        let hint = "name both parts in the rule: use = [\"a\", \"b\"]".to_owned();
        loader.report.error(used.at, "a part uses no parts", hint);
    }
    loader.strict(table, event::KEYS, "a part");
    let mut merged = parts::Merged::default();
    merged.lay(table);
    let scoped = Scoped { then: Then::Known, ..loader.scoped };
    loader.within(scoped, |loader| event::event(loader, part, &merged, Of::Part));
}

/// `[shop] off`: rules that fit one of the patterns are left out.
fn switch_off(loader: &mut Loader, events: &mut Vec<EventRule>, off: &[(String, Node)]) {
    for (pattern, node) in off {
        if !events.iter().any(|event| glob(pattern, &event.name)) && !loader.report.any_broken() {
            let near = nearest(pattern, events.iter().map(|event| event.name.as_str()));
            let hint = near.map(|near| format!("did you mean `{near}`?"));
            loader.report.warn(node.at, format!("no event is named `{pattern}`"), hint);
        }
    }
    events.retain(|event| !off.iter().any(|(pattern, _)| glob(pattern, &event.name)));
}

/// At most one key may be the default.
fn one_default(loader: &mut Loader, keys: &[&Entry]) {
    let defaults: Vec<&Entry> = keys
        .iter()
        .filter_map(|key| key.node.table()?.get("default"))
        .filter(|entry| matches!(entry.node.toml, tree::Toml::Bool(true)))
        .collect();
    if let [first, rest @ ..] = defaults.as_slice() {
        for other in rest {
            let place = loader.report.place(first.at);
            loader.report.error(
                other.at,
                format!("another key is the default already ({place})"),
                "keep one".to_owned(),
            );
        }
    }
}

fn ruleset(compiled: Compiled, expressions: ExpressionsBuilder) -> Ruleset {
    let Compiled { shop, session, flash, mut events, access, webhooks, keys } = compiled;
    let expressions = expressions.build(&shop);
    stateful::late(&mut events, &expressions);
    stateful::of_page(&mut events, &expressions);
    let index = Index::build(&events, &expressions);
    Ruleset { shop, session, flash, events, access, webhooks, keys, expressions, index }
}
