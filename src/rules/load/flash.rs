//! `[flash]`, and the condition `flash`.

use http::Method;

use crate::diagnostic::nearest;

use super::super::expr::{Expr, ExpressionsBuilder};
use super::super::rule::{
    Condition, EventRule, Flash, FlashWanted, Matcher, On, PathTemplate, RuleKind, Segment, Stateful, StatusSet,
    Subject,
};
use super::conditions::push;
use super::find;
use super::find_from::tell_no_flash;
use super::loader::{Keys, Loader};
use super::matcher::{Typing, matcher};
use super::tree::{Entry, Node, Table, Toml};

const KEYS: Keys = Keys { known: &["cookie", "format", "page"], later: &[] };
const WANTED: Keys = Keys { known: &["level", "text"], later: &[] };

/// Levels of Django's messages.
const LEVELS: [&str; 5] = ["debug", "info", "success", "warning", "error"];

/// The table.
pub(super) fn table(loader: &mut Loader, entry: &Entry) -> Option<Flash> {
    let table = loader.table("flash", &entry.node)?;
    loader.strict(table, KEYS, "[flash]");
    let get = |key: &str| table.get(key).map(|entry| &entry.node);
    let cookie = get("cookie").and_then(|node| {
        let text = loader.text("cookie", node)?;
        if text.trim().is_empty() {
            loader.report.error(node.at, "`cookie` is empty", None);
        }
        Some(text)
    });
    if let Some(node) = get("format") {
        loader.word("format", node, &["django"]);
        if cookie.is_none() {
            loader.report.error(node.at, "`format` is that of a cookie, and none is named", None);
        }
    }
    let page = get("page").map_or_else(Vec::new, |node| page(loader, node));
    if table.get("cookie").is_none() && table.get("page").is_none() {
        let hint =
            "name the cookie (`cookie = \"messages\"`) or the boxes of pages (`page.success = \".alert-success\"`)";
        loader.report.error(entry.at, "[flash] does not say where messages are", hint.to_owned());
    }
    Some(Flash { cookie, page })
}

fn page(loader: &mut Loader, node: &Node) -> Vec<(String, crate::exchange::Selector)> {
    let Some(table) = loader.table("page", node) else { return Vec::new() };
    let boxes = table.entries.iter().filter_map(|entry| {
        let selector = find::css(loader, &format!("page.{}", entry.key), &entry.node, &mut find::Spec::default())?;
        Some((entry.key.clone(), selector))
    });
    boxes.collect()
}

/// Which rules name `flash` in an expression.
pub(super) fn named(rules: &mut [EventRule], expressions: &ExpressionsBuilder) {
    let names = |expr: Expr| {
        let mut paths = expressions.paths(expr).iter();
        paths.any(|path| path.first().is_some_and(|root| root == "flash"))
    };
    for rule in rules.iter_mut().filter(|rule| rule.is_event() || rule.is_learn()) {
        let mut named = rule.when.iter().chain(&rule.for_each).copied().chain(rule.wait_expressions()).any(names);
        rule.each_template(&mut |template| named |= template.holes().any(names));
        rule.stateful.names_flash = named;
    }
}

/// Where pages show messages and a rule asks for them: the rule that any page of a visitor fits who is waited for.
pub(super) fn page_rule(flash: Option<&Flash>, events: &[EventRule]) -> Option<EventRule> {
    let shown = flash.is_some_and(|flash| !flash.page.is_empty());
    let asks = |event: &EventRule| {
        event.stateful.names_flash
            || event.conditions.iter().any(|condition| condition.subject == Subject::Flash)
            || event.finds.iter().any(|find| find.extract.reads_flash())
    };
    if !shown || !events.iter().any(asks) {
        return None;
    }
    let path = PathTemplate { text: "/**".to_owned(), segments: vec![Segment::Rest] };
    Some(EventRule {
        on: vec![On { methods: vec![Method::GET, Method::POST], path }],
        // A redirect is no page; what is not found, or refused, is one.
        status: StatusSet { ranges: vec![(200, 299), (400, 599)] },
        stateful: Stateful { kind: RuleKind::FlashPage, ..Stateful::default() },
        ..EventRule::default()
    })
}

/// Warns of a `flash` in a table of `any` or `none` that only a page can answer.
pub(super) fn in_table(loader: &mut Loader, entry: &Entry) {
    if !loader.flash_levels.is_empty() && !loader.flash_cookie {
        let hint = "write it in the rule itself: only there a rule waits for the session's next page".to_owned();
        loader.report.warn(entry.at, "this never holds, for no cookie carries the messages of this shop", hint);
    }
}

/// Warns of `stop` in a rule that only the next page decides.
pub(super) fn stops(loader: &mut Loader, table: &Table) {
    let Some(stop) = table.get("stop").filter(|stop| matches!(stop.node.toml, Toml::Bool(true))) else { return };
    if table.get("flash").is_some() && !loader.flash_levels.is_empty() && !loader.flash_cookie {
        let message = "`stop` comes too late: that this rule matched is known with the visitor's next page, and later rules have run";
        let hint = "tell the rules apart by a condition on the exchange itself".to_owned();
        loader.report.missing_warn(stop.at, message, hint);
    }
}

/// `flash = "success"`, a list of levels, `{ level, text }` or a list of those; `true`: any, `false`: none.
pub(super) fn condition(loader: &mut Loader, node: &Node, found: &mut Vec<Condition>) {
    if !loader.has_flash {
        tell_no_flash(loader, node.at);
    }
    let wanted = match &node.toml {
        Toml::Bool(flag) => return push(loader, "flash", node, Subject::Flash, Some(Matcher::Filled(*flag)), found),
        Toml::List(items) => {
            if items.is_empty() {
                loader.report.error(
                    node.at,
                    "an empty list never fits",
                    "for no message write `flash = false`".to_owned(),
                );
            }
            items.iter().filter_map(|item| wanted(loader, item)).collect()
        }
        _ => wanted(loader, node).into_iter().collect(),
    };
    push(loader, "flash", node, Subject::Flash, Some(Matcher::Flash(wanted)), found);
}

fn wanted(loader: &mut Loader, node: &Node) -> Option<FlashWanted> {
    const HINT: &str = "write a level (\"success\") or `{ level = \"error\", text = { contains = \"…\" } }`";
    match &node.toml {
        Toml::Text(_) => {
            let level = matcher(loader, "flash", node, Typing::Text)?;
            known_level(loader, node);
            Some(FlashWanted { level: Some(level), text: None })
        }
        Toml::Table(table) => {
            loader.strict(table, WANTED, "`flash`");
            if table.entries.is_empty() {
                loader.report.error(node.at, "an empty table says nothing", HINT.to_owned());
            }
            let get = |key: &str| table.get(key).map(|entry| &entry.node);
            if let Some(node) = get("level") {
                known_level(loader, node);
            }
            let level = get("level").and_then(|node| matcher(loader, "flash.level", node, Typing::Text));
            let text = get("text").and_then(|node| matcher(loader, "flash.text", node, Typing::Text));
            Some(FlashWanted { level, text })
        }
        _ => {
            loader.wrong_type("flash", "a level or a table", node, Some(HINT.to_owned()));
            None
        }
    }
}

/// A level nearly written like a usual one is a slip of the pen; shops may have others.
fn known_level(loader: &mut Loader, node: &Node) {
    let items = match &node.toml {
        Toml::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    for item in items {
        let Toml::Text(text) = &item.toml else { continue };
        if LEVELS.contains(&text.as_str()) || loader.flash_levels.contains(text) {
            continue;
        }
        if let Some(near) = nearest(text, LEVELS.into_iter().chain(loader.flash_levels.iter().map(String::as_str))) {
            let hint = format!("did you mean `{near}`?");
            loader.report.warn(item.at, format!("`{text}` is no level that [flash] names"), hint);
        }
    }
}
