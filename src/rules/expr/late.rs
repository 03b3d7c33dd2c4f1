//! What runs after the match: which expressions those are, what they need to be stored, and what they see.

use std::sync::Arc;

use minijinja::Value;
use minijinja::value::ValueKind;
use serde_json::{Map, Value as Json};

use super::context::{RuleContext, path_root};
use super::names::{self, Reads, Root};
use super::value::{Table, from_json, to_json};
use super::{Expr, Expressions, Template};

/// Variables that are the same at any time, and are not stored.
const LASTING: [&str; 4] = ["then", "vars", "shop", "access"];

/// What late expressions see instead of the exchange that matched.
#[derive(Clone, Debug)]
pub struct Late {
    stored: Arc<Table>,
    then: Value,
}

impl Late {
    /// Of what was stored at the match; `then` is undefined until something completes it.
    pub fn new(stored: &Map<String, Json>) -> Self {
        let table = stored.iter().map(|(root, value)| (root, from_json(value))).collect();
        Self { stored: Arc::new(table), then: Value::UNDEFINED }
    }

    /// The same completed by an exchange, of which `parts` are named (empty: all may be).
    #[must_use]
    pub fn completed(self, by: &RuleContext<'_>, parts: &[String]) -> Self {
        Self { then: by.parts(parts), ..self }
    }

    /// The value of a root; `None` where it is what it always is.
    pub(super) fn root(&self, root: Root) -> Option<Value> {
        let word = root.word();
        if root == Root::Then {
            return Some(self.then.clone());
        }
        let (first, second) = word.split_once('.').map_or((word, None), |(first, second)| (first, Some(second)));
        if LASTING.contains(&first) || names::is_function(word) {
            return None;
        }
        let value = self.stored.get(first).cloned().unwrap_or(Value::UNDEFINED);
        Some(second.map_or(value.clone(), |second| value.get_attr(second).unwrap_or_default()))
    }
}

impl Expressions {
    /// Whether an expression runs late: it names `then`, or an item of a `for_each` that is late itself.
    pub fn is_late(&self, expr: Expr, late_items: bool) -> bool {
        let reads = self.reads(expr);
        reads.has(Root::Then) || late_items && (reads.has(Root::Item) || reads.has(Root::Index))
    }

    /// Whether a value runs late: some hole of it does.
    pub fn template_is_late(&self, template: &Template, late_items: bool) -> bool {
        template.holes().any(|hole| self.is_late(hole, late_items))
    }

    /// Whether an expression names what the visitor's next page shows: the messages, one of `finds`, or with `items` an item
    /// of a `for_each` over them.
    pub fn is_of_page(&self, expr: Expr, finds: &[String], items: bool) -> bool {
        let reads = self.reads(expr);
        let named = |path: &Vec<String>| names_find(path, finds);
        reads.has(Root::Flash)
            || items && (reads.has(Root::Item) || reads.has(Root::Index))
            || self.source_of(expr).is_some_and(|source| source.paths.iter().any(named))
    }

    fn reads(&self, expr: Expr) -> Reads {
        self.source_of(expr).map(|source| source.reads).unwrap_or_default()
    }

    /// Paths of the first exchange that late expressions name, without those that begin with another one.
    pub fn stored_paths(&self, late: &[Expr], late_items: bool) -> Vec<Vec<String>> {
        let paths = late.iter().filter_map(|expr| self.source_of(*expr)).flat_map(|source| &source.paths);
        let named = paths.filter(|path| {
            let root = path.first().map_or("", String::as_str);
            let item = late_items && matches!(root, "item" | "index");
            !item && !LASTING.contains(&root) && !names::is_function(root)
        });
        shortest(named.cloned().collect())
    }

    /// Parts of `then` that late expressions name; `None` where it is named as a whole.
    pub fn then_parts(&self, late: &[Expr]) -> Option<Vec<Vec<String>>> {
        let paths = late.iter().filter_map(|expr| self.source_of(*expr)).flat_map(|source| &source.paths);
        let named = paths.filter(|path| path.first().is_some_and(|root| root == "then"));
        named.map(|path| (path.len() > 1).then(|| path[1..].to_vec())).collect()
    }
}

/// Whether a path leads to one of these finds, or to all.
pub fn names_find(path: &[String], finds: &[String]) -> bool {
    path.first().is_some_and(|root| root == "find") && path.get(1).is_none_or(|name| finds.contains(name))
}

/// Paths, without those that begin with another one.
pub fn shortest(mut paths: Vec<Vec<String>>) -> Vec<Vec<String>> {
    paths.sort();
    paths.dedup();
    // Sorted, a path stands before all that begin with it.
    paths.dedup_by(|longer, shorter| longer.starts_with(shorter));
    paths
}

impl RuleContext<'_> {
    /// What stands at these paths, as one tree; what is undefined or too large is left out.
    pub fn stored(&self, paths: &[Vec<String>]) -> Map<String, Json> {
        let mut tree = Map::new();
        for path in paths {
            if let Some(value) = self.at(path) {
                put(&mut tree, path, value);
            }
        }
        tree
    }

    /// Whether there is one certain thing at a path: not all of a body, nor all values of a name.
    pub(super) fn tells(&self, path: &[String]) -> bool {
        let one = path_root(path).is_some_and(|(_, below)| below.last().is_some_and(|last| !last.ends_with("[]")));
        one && self.at(path).is_some()
    }

    fn at(&self, path: &[String]) -> Option<Json> {
        let (first, below) = path.split_first()?;
        let value = if first == "response" {
            self.response(below.first().map(String::as_str))
        } else {
            self.root(Root::ALL.iter().copied().find(|root| root.word() == first)?)
        };
        let value = below.iter().fold(value, |value, key| child(&value, key));
        to_json(&value).ok().flatten()
    }

    /// `response`, with the one part that is named, or all.
    fn response(&self, part: Option<&str>) -> Value {
        let named = |root: &&Root| {
            let own = root.word().strip_prefix("response.");
            part.is_none() || own == part
        };
        let parts = names::RESPONSE.iter().filter(named);
        let parts = parts.filter_map(|root| Some((root.word().strip_prefix("response.")?, self.root(*root))));
        parts.collect::<Table>().into_value()
    }

    /// Roots of this exchange as one table.
    fn parts(&self, parts: &[String]) -> Value {
        let mut table = Table::default();
        let is_named = |word: &str| parts.is_empty() || parts.iter().any(|part| part == word);
        for root in Root::ALL.iter().copied() {
            let word = root.word();
            if !word.contains('.') && names::is_of_exchange(word) && is_named(word) {
                table.insert(word, self.root(root));
            }
        }
        if is_named("response") {
            table.insert("response", self.response(None));
        }
        table.into_value()
    }
}

/// What stands below a key; a number is a place in a list.
fn child(value: &Value, key: &str) -> Value {
    let place = (value.kind() == ValueKind::Seq).then(|| key.parse::<usize>().ok()).flatten();
    let found = match place {
        Some(place) => value.get_item_by_index(place),
        None => value.get_attr(key),
    };
    found.unwrap_or_default()
}

fn put(tree: &mut Map<String, Json>, path: &[String], value: Json) {
    match path {
        [] => {}
        [last] => drop(tree.insert(last.clone(), value)),
        [first, below @ ..] => {
            let inner = tree.entry(first.clone()).or_insert_with(|| Json::Object(Map::new()));
            if let Json::Object(inner) = inner {
                put(inner, below, value);
            }
        }
    }
}
