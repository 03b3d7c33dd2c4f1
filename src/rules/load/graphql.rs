//! `graphql`: the root fields a rule is about, and conditions on their arguments and data.

use crate::exchange::GraphqlKind;

use super::super::rule::{Condition, FieldPart, GraphqlOk, GraphqlRule, Subject};
use super::conditions::json;
use super::loader::{Keys, Loader};
use super::tree::{Entry, Node, Toml};

const KEYS: Keys = Keys { known: &["mutation", "query", "ok", "args", "data"], later: &[] };

/// What a rule is about. A part (no `rule`) may leave the fields to the rules that use it.
pub(super) fn rule(loader: &mut Loader, node: &Node, rule: Option<&Entry>) -> Option<GraphqlRule> {
    let Some(table) = node.table() else {
        let hint = "write `graphql.mutation = \"createProduct\"` or `graphql.query = \"…\"`".to_owned();
        loader.wrong_type("graphql", "a table", node, Some(hint));
        return None;
    };
    loader.strict(table, KEYS, "`graphql`");
    let ok = table.get("ok").map_or(GraphqlOk::Yes, |entry| ok(loader, &entry.node));
    let (kind, fields) = match (table.get("mutation"), table.get("query")) {
        (Some(_), Some(query)) => {
            let hint = "a rule is about the one or the other: make it two".to_owned();
            loader.report.error(query.at, "`graphql.mutation` and `graphql.query` exclude each other", hint);
            return None;
        }
        (Some(mutation), None) => (GraphqlKind::Mutation, &mutation.node),
        (None, Some(query)) => (GraphqlKind::Query, &query.node),
        (None, None) => {
            if let Some(rule) = rule {
                let hint = "write `graphql.mutation = \"createProduct\"` or `graphql.query = \"…\"`".to_owned();
                let message = format!("event `{}` has `graphql` and names no field of the schema", rule.key);
                loader.report.missing(rule.at, message, hint);
            }
            return None;
        }
    };
    Some(GraphqlRule { kind, fields: names(loader, kind.as_str(), fields), ok })
}

fn names(loader: &mut Loader, word: &str, node: &Node) -> Vec<String> {
    if node.is_empty_list() {
        loader.report.error(node.at, "an empty list never fits", None);
    }
    let texts = loader.texts(&format!("graphql.{word}"), node);
    for (text, node) in &texts {
        if !super::path::is_name(text) {
            let hint =
                "write the name of a root field as in the schema, without arguments: \"createProduct\"".to_owned();
            loader.report.error(node.at, format!("`{text}` is no name of a field"), hint);
        }
    }
    texts.into_iter().map(|(text, _)| text).collect()
}

fn ok(loader: &mut Loader, node: &Node) -> GraphqlOk {
    match &node.toml {
        Toml::Bool(true) => GraphqlOk::Yes,
        Toml::Bool(false) => GraphqlOk::No,
        Toml::Text(text) if text == "any" => GraphqlOk::Any,
        _ => {
            loader.wrong_type("graphql.ok", "`true`, `false` or \"any\"", node, None);
            GraphqlOk::Any
        }
    }
}

/// The conditions below `graphql.args` and `graphql.data`. In a table of `any` or `none` there is nothing else.
pub(super) fn conditions(loader: &mut Loader, node: &Node, found: &mut Vec<Condition>) {
    let Some(table) = node.table() else { return };
    for entry in &table.entries {
        let part = match entry.key.as_str() {
            "args" => FieldPart::Args,
            "data" => FieldPart::Data,
            _ => continue,
        };
        let what = format!("graphql.{}", entry.key);
        json(loader, &what, &entry.node, &|path| Subject::Graphql(part, path), found);
    }
}

/// Reports what cannot stand in a table of `any` or `none`.
pub(super) fn only_conditions(loader: &mut Loader, node: &Node) {
    let Some(table) = loader.table("graphql", node) else { return };
    for entry in table.entries.iter().filter(|entry| !matches!(entry.key.as_str(), "args" | "data")) {
        if KEYS.known.contains(&entry.key.as_str()) {
            let hint = "it says what the whole rule is about: write it in the rule itself; it may be a list".to_owned();
            loader.report.error(entry.at, format!("`graphql.{}` does not stand in a table", entry.key), hint);
        } else {
            loader.unknown(entry, KEYS, "`graphql`");
        }
    }
}
