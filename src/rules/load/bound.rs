//! Conditions of a `wait` whose values are templates over the exchange that matched.

use super::super::expr::{Scope, Template};
use super::conditions::ROOTS;
use super::loader::Loader;
use super::tree::{Entry, Node, Table, Toml};

/// Roots whose values are no texts to compare with, what to write instead, and what they are read as then.
const PLAIN: [(&str, &str, &str); 3] = [
    ("find", "compare what it finds: any = [{ find.NAME = \"{{ … }}\" }]", "x"),
    ("flash", "a message's level and text are literal here", "x"),
    ("status", "a status is a number, or one of \"2xx\" and the like", "2xx"),
];

/// Stands for a template in a table that is read as conditions: no text of a file begins like this.
const MARK: char = '\0';

/// Which of the wait's templates a text stands for.
pub(super) fn marked(text: &str) -> Option<usize> {
    text.strip_prefix(MARK)?.parse().ok()
}

/// Compiles the templates in a wait's conditions, and marks their places.
pub(super) fn take(loader: &mut Loader, table: &mut Table, scope: Scope) -> Vec<Template> {
    let mut found = Vec::new();
    for entry in &mut table.entries {
        match (entry.key.as_str(), &mut entry.node.toml) {
            ("any" | "none", Toml::List(tables)) => {
                for node in tables {
                    if let Toml::Table(table) = &mut node.toml {
                        table.entries.iter_mut().for_each(|entry| root(loader, entry, scope, true, &mut found));
                    }
                }
            }
            ("any" | "none", Toml::Table(table)) => {
                table.entries.iter_mut().for_each(|entry| root(loader, entry, scope, true, &mut found));
            }
            _ => root(loader, entry, scope, false, &mut found),
        }
    }
    found
}

/// The templates below a condition root. In a table of `any` or `none` a find is compared, else it is looked for.
fn root(loader: &mut Loader, entry: &mut Entry, scope: Scope, tables: bool, found: &mut Vec<Template>) {
    let key = entry.key.as_str();
    if !ROOTS.known.contains(&key) {
        return;
    }
    match PLAIN.into_iter().find(|(root, ..)| *root == key && !(tables && key == "find")) {
        Some((root, hint, as_if)) => refuse(loader, &mut entry.node, (&format!("`{root}`"), hint, as_if)),
        None => mark(loader, entry, scope, found),
    }
}

fn mark(loader: &mut Loader, entry: &mut Entry, scope: Scope, found: &mut Vec<Template>) {
    match &mut entry.node.toml {
        Toml::Text(text) if text.contains("{{") => {
            let place = format!("{MARK}{}", found.len());
            let Some(template) = loader.template("wait", &entry.node, scope) else {
                // What is wrong with it has been told.
                entry.node.toml = Toml::Text("x".to_owned());
                return;
            };
            found.push(template);
            entry.node.toml = Toml::Text(place);
        }
        Toml::List(_) => {
            let hint = "write one template as the value, or several tables in `any`";
            refuse(loader, &mut entry.node, ("a list of values", hint, "x"));
        }
        Toml::Table(table) => table.entries.iter_mut().for_each(|entry| mark(loader, entry, scope, found)),
        _ => {}
    }
}

/// Tells of templates where none can stand; each is read as another text then, so that it is told once.
fn refuse(loader: &mut Loader, node: &mut Node, (place, hint, as_if): (&str, &str, &str)) {
    let at = node.at;
    match &mut node.toml {
        Toml::Text(text) if text.contains("{{") => {
            loader.report.error(at, format!("a template cannot stand in {place}"), hint.to_owned());
            as_if.clone_into(text);
        }
        Toml::List(items) => items.iter_mut().for_each(|item| refuse(loader, item, (place, hint, as_if))),
        Toml::Table(table) => {
            table.entries.iter_mut().for_each(|entry| refuse(loader, &mut entry.node, (place, hint, as_if)));
        }
        _ => {}
    }
}
