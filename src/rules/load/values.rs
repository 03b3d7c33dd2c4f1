//! Values of a rule: identity, payload trees, and the tables that are copied wholesale.

use super::super::expr::{Scope, Template};
use super::super::rule::{KeySource, SourcePath, ValueTree};
use super::loader::{Loader, one_of};
use super::secret;
use super::tree::{Node, Table, Toml};

/// Roots a wholesale copy may start from.
const COPY_ROOTS: [&str; 13] = [
    "form", "json", "query", "params", "response", "location", "referer", "item", "find", "field", "graphql",
    "session", "then",
];

/// A table of values under `payload` or `facts`.
pub(super) fn tree(loader: &mut Loader, what: &str, node: &Node, scope: Scope) -> Vec<(String, ValueTree)> {
    if !matches!(node.toml, Toml::Table(_)) {
        let hint = format!("write `{what}.NAME = \"{{{{ … }}}}\"`, one line for each field");
        loader.wrong_type(what, "a table", node, Some(hint));
    }
    node.table().map_or_else(Vec::new, |table| below(loader, what, table, scope))
}

fn below(loader: &mut Loader, what: &str, table: &Table, scope: Scope) -> Vec<(String, ValueTree)> {
    let values = table.entries.iter().filter_map(|entry| {
        let value = value(loader, &format!("{what}.{}", entry.key), &entry.node, scope)?;
        Some((entry.key.clone(), value))
    });
    values.collect()
}

/// One value: text may hold `{{ … }}`, tables and lists hold values, all else stands for itself.
pub(super) fn value(loader: &mut Loader, what: &str, node: &Node, scope: Scope) -> Option<ValueTree> {
    match &node.toml {
        Toml::Text(_) => {
            let template = loader.template(what, node, scope)?;
            if what.starts_with("payload.") {
                secret::sent(loader, what, node, &template);
            }
            Some(ValueTree::Template(template))
        }
        Toml::Table(table) => Some(ValueTree::Table(below(loader, what, table, scope))),
        Toml::List(items) => {
            Some(ValueTree::List(items.iter().filter_map(|item| value(loader, what, item, scope)).collect()))
        }
        Toml::Integer(None) => {
            loader.wrong_type(what, "a value JSON can hold", node, Some("write it as a text".to_owned()));
            None
        }
        Toml::Float(float, _) if !float.is_finite() => {
            loader.wrong_type(what, "a value JSON can hold", node, Some("write it as a text".to_owned()));
            None
        }
        _ => Some(ValueTree::Constant(node.json())),
    }
}

/// `key`: a table of names, or one expression that gives such a table.
pub(super) fn key(loader: &mut Loader, node: &Node, scope: Scope) -> KeySource {
    const HINT: &str = "write `key.email = \"{{ form.email }}\"`, or one `{{ … }}` that gives a table";
    match &node.toml {
        Toml::Table(table) => {
            if table.entries.is_empty() {
                loader.report.error(node.at, "`key` is an empty table", HINT.to_owned());
            }
            let fields = table.entries.iter().filter_map(|entry| {
                let template = loader.template(&format!("key.{}", entry.key), &entry.node, scope)?;
                Some((entry.key.clone(), template))
            });
            KeySource::Fields(fields.collect())
        }
        Toml::Text(_) => match loader.template("key", node, scope) {
            Some(Template::Single(expr)) => KeySource::Whole(Template::Single(expr)),
            Some(_) => {
                loader.report.error(node.at, "`key` names no field", HINT.to_owned());
                KeySource::None
            }
            None => KeySource::None,
        },
        _ => {
            loader.wrong_type("key", "a table or one `{{ … }}`", node, Some(HINT.to_owned()));
            KeySource::None
        }
    }
}

/// `payload_from`: a field path or a list of them.
pub(super) fn sources(loader: &mut Loader, node: &Node) -> Vec<SourcePath> {
    let texts = loader.texts("payload_from", node);
    texts.into_iter().filter_map(|(text, node)| source(loader, text, node)).collect()
}

fn source(loader: &mut Loader, text: String, node: &Node) -> Option<SourcePath> {
    let Some(parts) = split(&text) else {
        let hint = "write a root and the keys below it: \"form\", \"form.product\", \"response.json.items.0\"";
        loader.report.error(node.at, format!("`{text}` is no field path"), hint.to_owned());
        return None;
    };
    let root = parts.first().map_or("", String::as_str);
    if !COPY_ROOTS.contains(&root) {
        let near = crate::diagnostic::nearest(root, COPY_ROOTS);
        let hint = near
            .map_or(format!("a path begins with {}", one_of(&COPY_ROOTS)), |near| format!("did you mean `{near}`?"));
        loader.report.error(node.at, format!("nothing can be copied from `{root}`"), hint);
        return None;
    }
    if root == "then" && parts.len() > 1 {
        let inner = Node { at: node.at, toml: Toml::Text(parts[1..].join(".")) };
        source(loader, parts[1..].join("."), &inner)?;
        return Some(SourcePath { text, parts });
    }
    let second = parts.get(1).map(String::as_str);
    let fault = match root {
        "response" if second != Some("json") => Some("only `response.json` holds tables"),
        "then" => Some("name a part of it: `then.form`, `then.response.json`"),
        "find" => match second {
            Some(name) => (!loader.expressions.name_find(name)).then_some("no such `find` is defined"),
            None => Some("name one of them: `find.NAME`"),
        },
        "field" | "graphql" if !matches!(second, Some("args" | "data")) => {
            Some("only its `args` and `data` are tables")
        }
        "location" | "referer" if !matches!(second, Some("query" | "params")) => {
            Some("only its `query` and `params` are tables")
        }
        _ => None,
    };
    if let Some(fault) = fault {
        loader.report.error(node.at, format!("`{text}` is no table"), fault.to_owned());
        return None;
    }
    Some(SourcePath { text, parts })
}

/// `form.product_description[1]['name']` to its parts.
pub(super) fn split(text: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    loop {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (name, behind) = rest.split_at(end);
        if name.is_empty() || name.contains([']', '{', '}', '|', ' ']) {
            return None;
        }
        parts.push(name.to_owned());
        rest = behind;
        while let Some(inner) = rest.strip_prefix('[') {
            let (index, behind) = inner.split_once(']')?;
            let index = index.trim().trim_matches(['\'', '"']);
            if index.is_empty() {
                return None;
            }
            parts.push(index.to_owned());
            rest = behind;
        }
        match rest.strip_prefix('.') {
            Some(behind) => rest = behind,
            None if rest.is_empty() => return Some(parts),
            None => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn field_paths_are_taken_apart() {
        let rows: [(&str, Option<&[&str]>); 8] = [
            ("form", Some(&["form"])),
            ("response.json.items.0", Some(&["response", "json", "items", "0"])),
            ("form.a[1]['b c'].d", Some(&["form", "a", "1", "b c", "d"])),
            ("", None),
            ("form.", None),
            ("form[", None),
            ("form[]", None),
            ("form[1]x", None),
        ];
        for (text, expected) in rows {
            assert_eq!(
                split(text).as_deref(),
                expected.map(|parts| parts.iter().map(ToString::to_string).collect::<Vec<_>>()).as_deref(),
                "{text}"
            );
        }
    }
}
