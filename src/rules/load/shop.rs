//! `[shop]` and `[vars]`.

use std::sync::Arc;

use encoding_rs::Encoding;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use super::super::rule::Shop;
use super::conditions::{HEAD_ROOTS, tables};
use super::event::globs;
use super::loader::{Keys, Loader};
use super::receiver;
use super::tree::{Entry, Node, Toml};
use super::url;

const KEYS: Keys = Keys {
    known: &[
        "name",
        "url",
        "charset",
        "decimal",
        "timezone",
        "off",
        "ignore",
        "vars",
        "redact",
        "wc_version",
        "wp_version",
        "alert",
    ],
    later: &[],
};

/// What `User-Agent` says where `[shop]` does not.
const WC_VERSION: &str = "10.3.0";
const WP_VERSION: &str = "6.8";

/// Names MiniJinja gives a meaning of its own: a variable of such a name is easily taken for it.
const BUILT_IN: [&str; 16] = [
    "range",
    "dict",
    "debug",
    "namespace",
    "loop",
    "self",
    "true",
    "false",
    "none",
    "not",
    "and",
    "or",
    "in",
    "is",
    "if",
    "else",
];

impl Default for Shop {
    fn default() -> Self {
        Self {
            name: String::new(),
            url: String::new(),
            charset: encoding_rs::UTF_8,
            states_charset: false,
            decimal: '.',
            timezone: TimeZone::UTC,
            redact: Vec::new(),
            ignore: Vec::new(),
            vars: Arc::new(Value::Object(Map::new())),
            alert: None,
            wc_version: WC_VERSION.to_owned(),
            wp_version: WP_VERSION.to_owned(),
        }
    }
}

/// `[vars]` of all files overlaid by `[shop.vars]`, into the loader.
pub(super) fn vars(loader: &mut Loader, vars: &[&Entry], shop: Option<&Entry>) {
    for entry in vars {
        shadow(loader, entry);
        loader.vars.insert(entry.key.clone(), entry.node.json());
    }
    let own = shop.and_then(|entry| entry.node.table()).and_then(|table| table.get("vars"));
    let Some(own) = own else { return };
    let Some(table) = loader.table("shop.vars", &own.node) else { return };
    for entry in &table.entries {
        shadow(loader, entry);
        loader.vars.insert(entry.key.clone(), entry.node.json());
    }
}

fn shadow(loader: &mut Loader, entry: &Entry) {
    if BUILT_IN.contains(&entry.key.as_str()) {
        let hint = "give it another name".to_owned();
        loader.report.warn(entry.at, format!("`{}` is a word of the expression language", entry.key), hint);
    }
}

/// The charset, which path templates need before all else.
pub(super) fn charset(loader: &mut Loader, entry: &Entry) -> Option<&'static Encoding> {
    let node = &entry.node.table()?.get("charset")?.node;
    let text = loader.text("charset", node)?;
    let found = Encoding::for_label(text.as_bytes());
    if found.is_none() {
        let hint = "write a name browsers know: \"utf-8\", \"iso-8859-1\", \"windows-1252\", \"shift_jis\"".to_owned();
        loader.report.error(node.at, format!("unknown charset `{text}`"), hint);
    }
    found
}

/// `[shop]`, and its `off`.
pub(super) fn shop(loader: &mut Loader, entry: &Entry) -> (Shop, Vec<(String, Node)>) {
    let mut shop = Shop { charset: loader.charset, ..Shop::default() };
    let mut off = Vec::new();
    let Some(table) = loader.table("shop", &entry.node) else { return (shop, off) };
    loader.strict(table, KEYS, "[shop]");
    shop.states_charset = table.get("charset").is_some();
    for Entry { key, node, .. } in &table.entries {
        match key.as_str() {
            "name" => shop.name = loader.text(key, node).unwrap_or_default(),
            "url" => shop.url = address(loader, node).unwrap_or_default(),
            "decimal" => shop.decimal = decimal(loader, node).unwrap_or('.'),
            "timezone" => shop.timezone = timezone(loader, node).unwrap_or(TimeZone::UTC),
            "off" => off = loader.texts(key, node).into_iter().map(|(text, node)| (text, node.clone())).collect(),
            "ignore" => shop.ignore = tables(loader, key, node, HEAD_ROOTS),
            "redact" => shop.redact = globs(loader, key, node),
            "alert" => shop.alert = receiver::alert(loader, node),
            "wc_version" => version(loader, key, node, &mut shop.wc_version),
            "wp_version" => version(loader, key, node, &mut shop.wp_version),
            _ => {}
        }
    }
    (shop, off)
}

fn address(loader: &mut Loader, node: &Node) -> Option<String> {
    let text = url::http(loader, "url", node)?;
    Some(if text.ends_with('/') { text } else { format!("{text}/") })
}

fn decimal(loader: &mut Loader, node: &Node) -> Option<char> {
    loader.word("decimal", node, &[".", ","])?.chars().next()
}

fn timezone(loader: &mut Loader, node: &Node) -> Option<TimeZone> {
    let text = loader.text("timezone", node)?;
    let found = TimeZone::get(&text).ok();
    if found.is_none() {
        let hint = "write a name like \"Europe/Berlin\" or \"UTC\"".to_owned();
        loader.report.error(node.at, format!("unknown time zone `{text}`"), hint);
    }
    found
}

fn version(loader: &mut Loader, what: &str, node: &Node, into: &mut String) {
    let Toml::Text(text) = &node.toml else {
        return loader.wrong_type(what, "a string", node, Some(format!("{what} = \"{WC_VERSION}\", in quotes")));
    };
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'+')) {
        let hint = "letters, digits, `.`, `-` and `+` may stand in it".to_owned();
        return loader.report.error(node.at, format!("`{text}` is no version"), hint);
    }
    text.clone_into(into);
}
