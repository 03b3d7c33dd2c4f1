//! `find.NAME`: selectors, paths and expressions to what is looked for, equal ones shared.

use std::fmt::Write as _;
use std::sync::Arc;

use regex::Regex;

use crate::exchange::{Selector, XmlPath};

use super::super::rule::{Column, Extract, Find, Markup, Pick, Source, What};
use super::loader::{Keys, Loader};
use super::tree::{Entry, Node, Table, Toml};
use super::{conditions, find_from, matcher, path};

const KEYS: Keys =
    Keys { known: &["css", "xml", "regex", "attr", "all", "from", "optional", "absent", "rows", "cols"], later: &[] };

const COLUMN_KEYS: Keys = Keys { known: &["css", "regex", "attr", "all", "optional"], later: &[] };

/// All that tells two finds apart, as text.
#[derive(Debug, Default)]
pub(super) struct Spec(String);

impl Spec {
    fn says(&mut self, what: &str, value: &dyn std::fmt::Debug) {
        // Writing to a string never fails.
        let _ = write!(self.0, "{what} {value:?};");
    }
}

/// The finds of a rule, in written order. What is at fault is left out, as the report says.
pub(super) fn finds(loader: &mut Loader, node: &Node) -> Vec<Find> {
    let Some(table) = named(loader, "find", node) else { return Vec::new() };
    table.entries.iter().filter_map(|entry| find(loader, entry)).collect()
}

/// The table of names below `find` or `cols`.
fn named<'n>(loader: &mut Loader, what: &str, node: &'n Node) -> Option<&'n Table> {
    let Some(table) = node.table() else {
        let hint = format!("give it a name: `{what}.NAME = {{ css = \"…\" }}`");
        loader.wrong_type(what, "a table", node, Some(hint));
        return None;
    };
    for entry in table.entries.iter().filter(|entry| !path::is_name(&entry.key)) {
        let hint = "letters, digits and `_`, the first no digit".to_owned();
        loader.report.error(entry.at, format!("`{}` is no name for what is found", entry.key), hint);
    }
    Some(table)
}

fn find(loader: &mut Loader, entry: &Entry) -> Option<Find> {
    let what = format!("find.{}", entry.key);
    let Some(table) = entry.node.table() else {
        let hint = if entry.node.scalar().is_some() || matches!(entry.node.toml, Toml::Bool(_)) {
            format!(
                "say what to look for: `{what} = {{ css = \"…\" }}`; compare it in `when` or in a table of `any` or `none`"
            )
        } else {
            format!("write `{what} = {{ css = \"…\" }}`")
        };
        loader.wrong_type(&what, "a table", &entry.node, Some(hint));
        return None;
    };
    loader.strict(table, KEYS, &format!("`{what}`"));
    let mut spec = Spec::default();
    let sources = table.get("from").map_or_else(|| vec![Source::Body], |from| find_from::sources(loader, &from.node));
    spec.says("from", &sources);
    let looked_for = if table.get("rows").is_some() || table.get("cols").is_some() {
        rows(loader, &what, entry, table, &mut spec)
    } else {
        says_something(loader, &what, entry, table);
        pick(loader, table, &mut spec).map(What::Value)
    };
    let flag = |loader: &mut Loader, key| table.get(key).and_then(|entry| loader.flag(key, &entry.node));
    let (optional, absent) = (flag(loader, "optional"), flag(loader, "absent"));
    if let (Some(true), Some(true), Some(at)) = (optional, absent, table.get("absent")) {
        let hint = "leave `optional` out: with `absent` the rule matches only if nothing is found".to_owned();
        loader.report.error(at.at, "`optional` and `absent` exclude each other", hint);
    }
    Some(Find {
        name: entry.key.clone(),
        extract: loader.extract(spec.0, sources, looked_for?),
        optional: optional.unwrap_or_default(),
        absent: absent.unwrap_or_default(),
        text: conditions::written(loader, &what, &entry.node),
    })
}

/// A find must look for something.
fn says_something(loader: &mut Loader, what: &str, entry: &Entry, table: &Table) {
    // A key that is not known was meant to say it.
    if table.keys().all(|key| matches!(key, "all" | "optional" | "absent")) {
        let hint = format!("write `{what} = {{ css = \"…\" }}`, or `xml`, `regex`, `rows`, or `from` with a field");
        loader.report.error(entry.at, format!("`{what}` does not say what to look for"), hint);
    }
}

fn rows(loader: &mut Loader, what: &str, entry: &Entry, table: &Table, spec: &mut Spec) -> Option<What> {
    for key in ["css", "xml", "regex", "attr", "all"] {
        if let Some(stray) = table.get(key) {
            let hint = format!("write it in a column: `cols.NAME = {{ {key} = … }}`");
            loader.report.error(stray.at, format!("`{key}` does not go with `rows`"), hint);
        }
    }
    let (Some(rows), Some(cols)) = (table.get("rows"), table.get("cols")) else {
        let hint = "write `rows = \"tbody tr\"` and `cols.NAME = { css = \"…\" }` for each column".to_owned();
        loader.report.error(entry.at, format!("`{what}` needs both `rows` and `cols`"), hint);
        return None;
    };
    let selector = css(loader, "rows", &rows.node, spec);
    let named = named(loader, "cols", &cols.node)?;
    if named.entries.is_empty() {
        loader.report.error(cols.at, "`cols` is empty", "write `cols.NAME = { css = \"…\" }`".to_owned());
    }
    let columns: Vec<_> = named.entries.iter().map(|entry| column(loader, entry, spec)).collect();
    Some(What::Rows { rows: selector?, cols: columns.into_iter().collect::<Option<_>>()? })
}

fn column(loader: &mut Loader, entry: &Entry, spec: &mut Spec) -> Option<Column> {
    let what = format!("cols.{}", entry.key);
    let Some(table) = entry.node.table() else {
        let hint = format!("write `{what} = {{ css = \"…\", attr = \"…\" }}`");
        loader.wrong_type(&what, "a table", &entry.node, Some(hint));
        return None;
    };
    loader.strict(table, COLUMN_KEYS, &format!("`{what}`"));
    spec.says("column", &entry.key);
    let optional = table.get("optional").and_then(|entry| loader.flag("optional", &entry.node)).unwrap_or_default();
    spec.says("optional", &optional);
    let pick = pick_of(loader, table, true, spec)?;
    Some(Column { name: entry.key.clone(), pick, optional })
}

fn pick(loader: &mut Loader, table: &Table, spec: &mut Spec) -> Option<Pick> {
    pick_of(loader, table, false, spec)
}

/// `css`, `xml`, `regex`, `attr`, `all`. In a column the row is the element where no `css` names another.
fn pick_of(loader: &mut Loader, table: &Table, in_row: bool, spec: &mut Spec) -> Option<Pick> {
    let markup = match (table.get("css"), table.get("xml")) {
        (Some(_), Some(xml)) => {
            let hint = "a source is one or the other: keep the one that fits".to_owned();
            loader.report.error(xml.at, "`css` and `xml` exclude each other", hint);
            None
        }
        (Some(entry), None) => css(loader, "css", &entry.node, spec).map(Markup::Css),
        (None, Some(entry)) => xml(loader, &entry.node, spec).map(Markup::Xml),
        (None, None) => Some(Markup::Plain),
    };
    let attr = table.get("attr").and_then(|entry| {
        let text = loader.text("attr", &entry.node)?;
        let hint = match table.get("css") {
            _ if table.get("xml").is_some() => Some("end the path with it: `xml = \"//item/@id\"`"),
            None if !in_row => Some("an attribute belongs to an element: name it with `css`"),
            _ => None,
        };
        if let Some(hint) = hint {
            loader.report.error(entry.at, "`attr` stands without `css`", hint.to_owned());
        }
        Some(text.to_ascii_lowercase())
    });
    let regex = match table.get("regex") {
        Some(entry) => Some(expression(loader, &entry.node)?),
        None => None,
    };
    let all = table.get("all").and_then(|entry| loader.flag("all", &entry.node)).unwrap_or_default();
    spec.says("pick", &(&attr, regex.as_ref().map(Regex::as_str), all));
    Some(Pick { markup: markup?, attr, regex, all })
}

fn expression(loader: &mut Loader, node: &Node) -> Option<Regex> {
    let regex = matcher::regex(loader, node)?;
    if regex.captures_len() > 2 {
        let hint = "write `(?:…)` for a group that is not the value".to_owned();
        loader.report.warn(node.at, "of several groups the first that takes part is the value", hint);
    }
    Some(regex)
}

/// A selector, its fault shown where it is.
pub(super) fn css(loader: &mut Loader, what: &str, node: &Node, spec: &mut Spec) -> Option<Selector> {
    let text = loader.text(what, node)?;
    spec.says("css", &text);
    match Selector::parse(&text) {
        Ok(selector) => Some(selector),
        Err(fault) => {
            let (message, hint) = match fault.split_once(" is no CSS selector: ") {
                Some((part, hint)) => (format!("{part} is no CSS selector"), Some(hint.to_owned())),
                None => (fault, None),
            };
            // Where the part at fault has characters to escape, the whole is shown.
            let part = message.strip_prefix('"').and_then(|rest| rest.split_once("\" in ")).map(|(part, _)| part);
            let part = part.and_then(|part| text.find(part).map(|start| start..start + part.len()));
            let at = part.map_or(node.at, |range| loader.inside(node, range));
            loader.report.error(at, message, hint);
            None
        }
    }
}

/// An XML path, its fault shown where it is.
fn xml(loader: &mut Loader, node: &Node, spec: &mut Spec) -> Option<XmlPath> {
    let text = loader.text("xml", node)?;
    spec.says("xml", &text);
    match XmlPath::parse(&text) {
        Ok(path) => Some(path),
        Err(fault) => {
            let rest = fault.rsplit_once(" at \"").and_then(|(_, rest)| text.strip_suffix(rest.strip_suffix('"')?));
            let rest = rest.map(str::len);
            let at = rest.map_or(node.at, |start| loader.inside(node, start..text.len()));
            let hint =
                "paths know `/a/b`, `//b`, `*`, `[2]`, `[@x='y']`, and at their end `/@x` or `/text()`".to_owned();
            loader.report.error(at, fault, hint);
            None
        }
    }
}

/// Warns of finds that change nothing: optional, and no part of the rule reads them. Ends the rule for the expressions.
pub(super) fn unused(loader: &mut Loader, node: Option<&Node>, finds: &[Find]) {
    let used = loader.expressions.end_rule();
    let table = node.and_then(Node::table);
    for find in finds.iter().filter(|find| find.optional && !find.absent && !used.contains(&find.name)) {
        let Some(entry) = table.and_then(|table| table.get(&find.name)) else { continue };
        let hint = "use it in a value, or leave it out; without `optional` it is a condition of the rule".to_owned();
        loader.report.warn(entry.at, format!("nothing reads `find.{}`", find.name), hint);
    }
}

impl Loader {
    /// The one of several equal finds; `spec` says all that tells two apart.
    fn extract(&mut self, spec: String, sources: Vec<Source>, what: What) -> Arc<Extract> {
        let number = self.extracts.len();
        let fresh = || Arc::new(Extract { number, sources, what });
        Arc::clone(self.extracts.entry(spec).or_insert_with(fresh))
    }
}
