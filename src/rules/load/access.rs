//! `[access.NAME]`: the rights of look-ups.

use http::{HeaderName, HeaderValue};

use super::super::expr::Scope;
use super::super::rule::{AccessConfig, Login};
use super::loader::{Keys, Loader};
use super::scoped::{Scoped, Then};
use super::tree::{Entry, Node, Toml};
use super::{path, receiver};

const KEYS: Keys = Keys { known: &["headers", "basic", "login"], later: &[] };
const LOGIN_KEYS: Keys = Keys { known: &["post", "form", "keep"], later: &[] };

/// Headers that a look-up sets itself.
const RESERVED: [&str; 7] =
    ["host", "content-length", "content-type", "connection", "transfer-encoding", "upgrade", "expect"];

/// Compiles the rights of a look-up.
pub(super) fn access(loader: &mut Loader, entry: &Entry) -> Option<AccessConfig> {
    let table = loader.table(&format!("access.{}", entry.key), &entry.node)?;
    loader.strict(table, KEYS, "an access");
    if entry.key == "visitor" {
        let hint = "give it another name: as = \"visitor\" means the visitor's own cookies".to_owned();
        loader.report.error(entry.at, "`visitor` is no name for an access", hint);
    }
    let get = |key: &str| table.get(key);
    if table.entries.is_empty() {
        let hint = "write `headers`, `basic = { env = \"…\" }` (user:password) or `login`".to_owned();
        loader.report.missing(entry.at, format!("access `{}` gives no rights", entry.key), hint);
    }
    if let (Some(_), Some(login)) = (get("basic"), get("login")) {
        let hint = "keep one of the two".to_owned();
        loader.report.error(login.at, "`basic` and `login` exclude each other", hint);
    }
    Some(AccessConfig {
        name: entry.key.clone(),
        place: loader.place(entry.at),
        headers: get("headers").map_or_else(Vec::new, |entry| headers(loader, &entry.node)),
        basic: get("basic").and_then(|entry| receiver::secret(loader, "basic", &entry.node)),
        login: get("login").and_then(|entry| login(loader, &entry.node)),
    })
}

fn headers(loader: &mut Loader, node: &Node) -> Vec<(String, super::super::rule::SecretSource)> {
    let Some(table) = loader.table("headers", node) else { return Vec::new() };
    let mut headers = Vec::new();
    for entry in &table.entries {
        let name = entry.key.to_ascii_lowercase();
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            loader.report.error(entry.at, format!("`{}` is no header name", entry.key), None);
        } else if RESERVED.contains(&name.as_str()) {
            let hint = "a look-up sets it itself: leave it out".to_owned();
            loader.report.error(entry.at, format!("the header `{}` cannot be changed", entry.key), hint);
        } else if let Toml::Text(text) = &entry.node.toml
            && HeaderValue::from_str(text).is_err()
        {
            loader.report.error(entry.node.at, "a header's value has no line breaks or control characters", None);
        } else if let Some(secret) = receiver::secret(loader, &format!("headers.{}", entry.key), &entry.node) {
            headers.push((name, secret));
        }
    }
    headers
}

fn login(loader: &mut Loader, node: &Node) -> Option<Login> {
    let table = loader.table("login", node)?;
    loader.strict(table, LOGIN_KEYS, "`login`");
    let get = |key: &str| table.get(key).map(|entry| &entry.node);
    let Some(post) = get("post") else {
        let hint = "write post = \"/admin/index.php?route=common/login\"".to_owned();
        loader.report.error(node.at, "`login` has no `post`", hint);
        return None;
    };
    let text = loader.text("post", post).and_then(|text| path::fill(loader, &text, 0, post))?;
    if !path::is_target(&text) {
        let hint = "write path and query: a login goes to the shop itself".to_owned();
        loader.report.error(post.at, format!("`{text}` is no path"), hint);
    }
    let mut form = Vec::new();
    for entry in get("form").and_then(|node| loader.table("form", node)).into_iter().flat_map(|table| &table.entries) {
        if let Some(value) = receiver::secret(loader, &format!("form.{}", entry.key), &entry.node) {
            form.push((entry.key.clone(), value));
        }
    }
    let mut keep = Vec::new();
    let scoped = Scoped { then: Then::NotYet, session: false, access: false };
    for entry in get("keep").and_then(|node| loader.table("keep", node)).into_iter().flat_map(|table| &table.entries) {
        let what = format!("keep.{}", entry.key);
        let value = loader.within(scoped, |loader| loader.template(&what, &entry.node, Scope::Rule));
        keep.extend(value.map(|value| (entry.key.clone(), value)));
    }
    Some(Login { post: text, form, keep })
}
