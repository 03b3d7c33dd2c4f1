//! Conditions of a `wait` whose values are templates over the exchange that matched.

use super::super::expr::{Scope, Template};
use super::super::rule::{Bound, Subject, UrlPart};
use super::conditions::{ROOTS, conditions};
use super::loader::Loader;
use super::tree::{Entry, Node, Table, Toml};

/// Takes them out of a wait's table; gives what they look at, and their values.
pub(super) fn take(loader: &mut Loader, table: &mut Table, scope: Scope) -> (Vec<Bound>, Vec<Template>) {
    let mut found = Vec::new();
    table.entries.retain_mut(|entry| {
        if !ROOTS.known.contains(&entry.key.as_str()) {
            return true;
        }
        let mut leaves = Vec::new();
        let stays = without(loader, entry, &mut leaves);
        found.extend(leaves);
        stays
    });
    let mut taken = (Vec::new(), Vec::new());
    for (value, mut single) in found {
        // Read as if a text stood there: that gives what is looked at, and tells what is wrong with it.
        placeholder(&mut single.node);
        let table = Table { entries: vec![single], inline: true };
        let Some(condition) = conditions(loader, &table).into_iter().next() else { continue };
        let Some(template) = loader.template("wait", &value, scope) else { continue };
        let subject = match condition.subject {
            Subject::Location(UrlPart::Template(_)) => Subject::Location(UrlPart::Path),
            Subject::Referer(UrlPart::Template(_)) => Subject::Referer(UrlPart::Path),
            subject => subject,
        };
        taken.0.push(Bound { subject, text: condition.text });
        taken.1.push(template);
    }
    taken
}

/// Takes the templates below an entry out of it, each with the keys that lead to it; gives whether anything is left.
fn without(loader: &mut Loader, entry: &mut Entry, leaves: &mut Vec<(Node, Entry)>) -> bool {
    match &mut entry.node.toml {
        Toml::Text(text) if text.contains("{{") => {
            leaves.push((entry.node.clone(), entry.clone()));
            false
        }
        Toml::List(items) => {
            let template = |item: &&Node| matches!(&item.toml, Toml::Text(text) if text.contains("{{"));
            if let Some(item) = items.iter().find(template) {
                let hint = "write one template as the value, or use `when`".to_owned();
                loader.report.error(item.at, "a template cannot stand in a list of values", hint);
            }
            true
        }
        Toml::Table(table) => {
            let empty = table.entries.is_empty();
            let mut below = Vec::new();
            table.entries.retain_mut(|inner| without(loader, inner, &mut below));
            for (value, inner) in below {
                let table = Table { entries: vec![inner], inline: true };
                let node = Node { at: entry.node.at, toml: Toml::Table(table) };
                leaves.push((value, Entry { key: entry.key.clone(), at: entry.at, node }));
            }
            empty || !table.entries.is_empty()
        }
        _ => true,
    }
}

fn placeholder(node: &mut Node) {
    match &mut node.toml {
        Toml::Text(text) => "/x".clone_into(text),
        Toml::Table(table) => table.entries.iter_mut().for_each(|entry| placeholder(&mut entry.node)),
        _ => {}
    }
}
