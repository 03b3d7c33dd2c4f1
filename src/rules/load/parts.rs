//! `[part.NAME]` and `use`: partial rules merged left to right, the rule's own keys last.

use crate::diagnostic::nearest;

use super::loader::Loader;
use super::tree::{Entry, Node, Table, Toml};

/// A rule with its parts laid under it.
#[derive(Clone, Debug, Default)]
pub(super) struct Merged {
    /// All keys but `use`, `when`, `any` and `none`.
    pub(super) table: Table,
    /// Every `when` written, parts first.
    pub(super) when: Vec<Node>,
    /// Every `any`: each a group of its own.
    pub(super) any: Vec<Node>,
    /// Every `none`.
    pub(super) none: Vec<Node>,
}

impl Merged {
    /// Lays a table over what is there: tables merge by key, `when`, `any` and `none` add up, all else is replaced.
    pub(super) fn lay(&mut self, table: &Table) {
        for entry in &table.entries {
            match entry.key.as_str() {
                "use" => {}
                "when" => self.when.push(entry.node.clone()),
                "any" => self.any.push(entry.node.clone()),
                "none" => self.none.push(entry.node.clone()),
                _ => lay_entry(&mut self.table, entry),
            }
        }
    }
}

fn lay_entry(under: &mut Table, over: &Entry) {
    let Some(existing) = under.entries.iter_mut().find(|entry| entry.key == over.key) else {
        under.entries.push(over.clone());
        return;
    };
    match (&mut existing.node.toml, &over.node.toml) {
        (Toml::Table(under), Toml::Table(over)) => over.entries.iter().for_each(|entry| lay_entry(under, entry)),
        _ => *existing = over.clone(),
    }
}

/// The rule `table` over the parts its `use` names. Unknown parts are faults.
pub(super) fn merge(loader: &mut Loader, table: &Table, parts: &[&Entry]) -> Merged {
    let mut merged = Merged::default();
    if let Some(entry) = table.get("use") {
        for (name, node) in loader.texts("use", &entry.node) {
            if let Some(part) = parts.iter().find(|part| part.key == name) {
                if let Some(part) = part.node.table() {
                    merged.lay(part);
                }
                continue;
            }
            if loader.report.any_broken() {
                continue;
            }
            let near = nearest(&name, parts.iter().map(|part| part.key.as_str()));
            let hint = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there is no table [part.{name}]"),
            };
            loader.report.error(node.at, format!("unknown part `{name}`"), hint);
        }
    }
    merged.lay(table);
    merged
}
