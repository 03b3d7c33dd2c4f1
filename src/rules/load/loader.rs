//! What every reader of a table shares: the report, the variables, the expressions, and typed reading with strict keys.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use encoding_rs::Encoding;
use serde_json::{Map, Value};

use crate::diagnostic::nearest;
use crate::model::span;

use super::super::expr::{Expr, ExprFault, ExpressionsBuilder, Scope, Template};
use super::super::rule::{Extract, Place};
use super::escapes;
use super::report::{At, Report};
use super::scoped::Scoped;
use super::tree::{Entry, Node, Table, Toml};

/// What to do about a span of time that cannot be read.
const SPAN_HINT: &str = "write a whole number and a unit: \"30s\", \"5m\", \"1h\", \"2d\"";

/// State of one load.
#[derive(Debug)]
pub(super) struct Loader {
    /// Faults.
    pub(super) report: Report,
    /// Compiled expressions.
    pub(super) expressions: ExpressionsBuilder,
    /// `[vars]` overlaid by `[shop.vars]`.
    pub(super) vars: Map<String, Value>,
    /// `[shop] charset`, in which path templates are read.
    pub(super) charset: &'static Encoding,
    /// What `then`, `access` and `session` mean where expressions stand now.
    pub(super) scoped: Scoped,
    /// Finds by all that tells two apart.
    pub(super) extracts: HashMap<String, Arc<Extract>>,
    /// `redact` of [shop], in lower case.
    pub(super) redact: Vec<String>,
    /// Whether there is a [flash].
    pub(super) has_flash: bool,
    /// Whether it names a cookie.
    pub(super) flash_cookie: bool,
    /// The levels its `page` names.
    pub(super) flash_levels: Vec<String>,
}

/// The keys a table may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keys {
    /// Those that work.
    pub(super) known: &'static [&'static str],
    /// Those of the language that are not built yet.
    pub(super) later: &'static [&'static str],
}

/// What to write instead of keys that others call so.
fn instead(key: &str) -> Option<&'static str> {
    Some(match key {
        "unless" | "not" => "write the tables that must not hold into `none = [{ … }]`, or `when = \"not (…)\"`",
        "if" | "condition" | "conditions" | "match" => {
            "conditions stand under their own names (`form.action = \"save\"`), expressions in `when`"
        }
        "url" | "path" | "method" | "route" => "write method and path together: on = \"POST /path\"",
        "each" | "foreach" | "loop" => "write `for_each`",
        "body" => "write `form`, `json` or `response.body`",
        _ => return None,
    })
}

impl Loader {
    /// Begins: nothing is read yet.
    pub(super) fn new(report: Report) -> Self {
        Self {
            report,
            expressions: ExpressionsBuilder::new(),
            vars: Map::new(),
            charset: encoding_rs::UTF_8,
            extracts: HashMap::new(),
            redact: Vec::new(),
            has_flash: false,
            flash_cookie: false,
            flash_levels: Vec::new(),
            scoped: Scoped::default(),
        }
    }

    /// Reports a NAME that no `find` of the rule defines.
    pub(super) fn no_such_find(&mut self, at: At, name: &str) {
        let near = self.expressions.nearest_find(name).map(|near| format!("did you mean `{near}`?"));
        let hint = near.unwrap_or_else(|| format!("define it in the rule: `find.{name} = {{ css = \"…\" }}`"));
        self.report.error(at, format!("the rule has no `find.{name}`"), hint);
    }

    /// Reports keys that are none of `keys`, and those that are not built yet.
    pub(super) fn strict(&mut self, table: &Table, keys: Keys, of: &str) {
        for entry in &table.entries {
            if !keys.known.contains(&entry.key.as_str()) {
                self.unknown(entry, keys, of);
            }
        }
    }

    /// Reports one key that is none of `keys`.
    pub(super) fn unknown(&mut self, entry: &Entry, keys: Keys, of: &str) {
        if keys.later.contains(&entry.key.as_str()) {
            return self.not_yet(entry.at, &format!("`{}` of {of}", entry.key));
        }
        let all = keys.known.iter().chain(keys.later).copied();
        let hint = match nearest(&entry.key, all) {
            Some(near) => format!("did you mean `{near}`?"),
            None => match instead(&entry.key).filter(|_| keys.known.contains(&"when")) {
                Some(hint) => hint.to_owned(),
                None => format!("{of} takes {}", listed(keys.known)),
            },
        };
        self.report.error(entry.at, format!("unknown key `{}` of {of}", entry.key), hint);
    }

    /// Reports a part of the language that is not built yet.
    pub(super) fn not_yet(&mut self, at: At, what: &str) {
        let hint = "it is part of the rule language, but this version does not have it: leave it out";
        self.report.error(at, format!("{what} is not available yet"), hint.to_owned());
    }

    /// Reports a value of the wrong type.
    pub(super) fn wrong_type(&mut self, what: &str, must: &str, node: &Node, hint: Option<String>) {
        self.report.error(node.at, format!("`{what}` must be {must}, found {}", node.found()), hint);
    }

    /// A table.
    pub(super) fn table<'n>(&mut self, what: &str, node: &'n Node) -> Option<&'n Table> {
        let table = node.table();
        if table.is_none() {
            self.wrong_type(what, "a table", node, None);
        }
        table
    }

    /// A string.
    pub(super) fn text(&mut self, what: &str, node: &Node) -> Option<String> {
        if let Toml::Text(text) = &node.toml {
            return Some(text.clone());
        }
        self.wrong_type(what, "a string", node, None);
        None
    }

    /// A string, or a list of strings; with the place of each.
    pub(super) fn texts<'n>(&mut self, what: &str, node: &'n Node) -> Vec<(String, &'n Node)> {
        let items = match &node.toml {
            Toml::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let mut texts = Vec::new();
        for item in items {
            if let Toml::Text(text) = &item.toml {
                texts.push((text.clone(), item));
            } else {
                self.wrong_type(what, "a string or a list of strings", item, None);
            }
        }
        texts
    }

    /// A boolean.
    pub(super) fn flag(&mut self, what: &str, node: &Node) -> Option<bool> {
        if let Toml::Bool(flag) = node.toml {
            return Some(flag);
        }
        self.wrong_type(what, "`true` or `false`", node, None);
        None
    }

    /// An integer within bounds.
    pub(super) fn integer(&mut self, what: &str, node: &Node, bounds: std::ops::RangeInclusive<i64>) -> Option<i64> {
        let must = format!("an integer from {} to {}", bounds.start(), bounds.end());
        match node.toml {
            Toml::Integer(Some(integer)) if bounds.contains(&integer) => Some(integer),
            _ => {
                self.wrong_type(what, &must, node, None);
                None
            }
        }
    }

    /// A span of time (`"30s"`).
    pub(super) fn duration(&mut self, what: &str, node: &Node, bounds: (Duration, Duration)) -> Option<Duration> {
        let Toml::Text(text) = &node.toml else {
            self.wrong_type(what, "a span of time", node, Some(SPAN_HINT.to_owned()));
            return None;
        };
        match span::parse(text) {
            Some(span) if span >= bounds.0 && span <= bounds.1 => Some(span),
            Some(_) => {
                let (least, most) = (span::show(bounds.0), span::show(bounds.1));
                self.report.error(node.at, format!("`{what}` must be between {least} and {most}"), None);
                None
            }
            None => {
                self.report.error(node.at, format!("`{text}` is no span of time"), SPAN_HINT.to_owned());
                None
            }
        }
    }

    /// One of several words.
    pub(super) fn word(&mut self, what: &str, node: &Node, words: &[&str]) -> Option<String> {
        let text = self.text(what, node)?;
        if words.contains(&text.as_str()) {
            return Some(text);
        }
        // Words of a letter or two are near to anything.
        let near = Some(text.to_lowercase()).filter(|text| text.len() > 2);
        let near =
            near.and_then(|text| nearest(&text, words.iter().copied())).map(|near| format!("did you mean `{near}`?"));
        self.report.error(node.at, format!("`{what}` must be {}, found `{text}`", one_of(words)), near);
        None
    }

    /// A bare expression that is true or false.
    pub(super) fn truth(&mut self, what: &str, node: &Node, scope: Scope) -> Option<Expr> {
        self.bare(what, node, |expressions, text| expressions.condition(text, scope))
    }

    /// A bare expression that gives a value.
    pub(super) fn expression(&mut self, what: &str, node: &Node, scope: Scope) -> Option<Expr> {
        self.bare(what, node, |expressions, text| expressions.expression(text, scope))
    }

    fn bare(
        &mut self,
        what: &str,
        node: &Node,
        compile: impl FnOnce(&mut ExpressionsBuilder, &str) -> (Option<Expr>, Vec<ExprFault>),
    ) -> Option<Expr> {
        let text = self.text(what, node)?;
        if text.trim_start().starts_with("{{") {
            let hint = format!("`{what}` is an expression as a whole: leave the braces out");
            self.report.error(node.at, "braces do not belong here", hint);
            return None;
        }
        let (expr, faults) = compile(&mut self.expressions, &text);
        self.expression_faults(node, faults);
        self.scoped(node, expr.into_iter());
        expr
    }

    /// A value that may hold `{{ … }}`; integers stand for their text.
    pub(super) fn template(&mut self, what: &str, node: &Node, scope: Scope) -> Option<Template> {
        if let Toml::Integer(Some(integer)) = node.toml {
            return Some(Template::Literal(integer.to_string()));
        }
        let text = self.text(what, node)?;
        let (template, faults) = self.expressions.template(&text, scope);
        self.expression_faults(node, faults);
        let holes: Vec<Expr> = template.iter().flat_map(Template::holes).collect();
        self.scoped(node, holes.into_iter());
        template
    }

    /// The place of bytes `range` of a string's value.
    pub(super) fn inside(&self, node: &Node, range: std::ops::Range<usize>) -> At {
        let range = escapes::locate(self.report.source(node.at), range);
        At { file: node.at.file, start: node.at.start + range.start, end: node.at.start + range.end }
    }

    /// Where a table's header stands, for people.
    pub(super) fn place(&self, at: At) -> Place {
        Place { file: self.report.path(at.file).to_owned(), line: self.report.line(at) }
    }

    fn expression_faults(&mut self, node: &Node, faults: Vec<ExprFault>) {
        for fault in faults {
            let at = self.inside(node, fault.range);
            if fault.warning {
                self.report.warn(at, fault.message, fault.hint);
            } else {
                self.report.error(at, fault.message, fault.hint);
            }
        }
    }
}

/// `` `a`, `b` and `c` ``.
pub(super) fn listed(words: &[&str]) -> String {
    joined(words, "and")
}

/// `` `a`, `b` or `c` ``.
pub(super) fn one_of(words: &[&str]) -> String {
    joined(words, "or")
}

fn joined(words: &[&str], last: &str) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((end, rest)) if !rest.is_empty() => format!("{} {last} {end}", rest.join(", ")),
        Some((end, _)) => end.clone(),
        None => String::new(),
    }
}
