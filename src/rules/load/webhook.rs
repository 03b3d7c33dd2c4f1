//! `[webhook.NAME]` and `[key.NAME]`.

use std::time::Duration;

use http::{HeaderName, HeaderValue};

use crate::model::{Ordering, RetrySchedule, Secret, Status, TopicPattern, Webhook, WebhookId};

use super::super::expr::Scope;
use super::super::rule::{KeyConfig, SecretSource, WebhookConfig};
use super::loader::{Keys, Loader};
use super::receiver::{self, filled, secret};
use super::tree::{Entry, Node, Table, Toml};
use super::url;

const KEYS: Keys = Keys {
    known: &[
        "name",
        "topic",
        "url",
        "secret",
        "status",
        "filter",
        "headers",
        "retry",
        "timeout",
        "concurrency",
        "max_delivery_failures",
        "hold_when_paused",
        "json_escape",
        "rate",
        "ordering",
        "tls",
        "secret_previous",
        "id",
        "created_by",
        "api_version",
    ],
    later: &[],
};

const KEY_KEYS: Keys = Keys { known: &["key", "secret", "permission", "default"], later: &[] };

/// Least and most of `timeout`.
const TIMEOUT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(10));
/// Least and most of one gap of `retry`.
const GAP: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(7 * 24));
/// Most gaps of `retry`.
const GAPS: usize = 50;
/// Most of `concurrency`.
const CONCURRENCY: i64 = 256;
/// Most of `max_delivery_failures`.
const FAILURES: i64 = 1_000_000;

/// Highest `id`: what JSON readers take for a whole number everywhere.
const IDS: i64 = 9_007_199_254_740_991;

/// Headers a delivery sets itself, or that would break it.
const RESERVED: [&str; 10] = [
    "host",
    "content-length",
    "content-type",
    "connection",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "keep-alive",
    "expect",
];

/// Compiles a webhook; what is at fault falls back to its default, as the report says.
pub(super) fn webhook(loader: &mut Loader, entry: &Entry) -> Option<WebhookConfig> {
    let table = loader.table(&format!("webhook.{}", entry.key), &entry.node)?;
    loader.strict(table, KEYS, "a webhook");
    for key in ["topic", "url"] {
        if table.get(key).is_none() {
            loader.report.missing(entry.at, format!("webhook `{}` has no `{key}`", entry.key), None);
        }
    }
    let get = |key: &str| table.get(key).map(|entry| &entry.node);
    Some(WebhookConfig {
        name: entry.key.clone(),
        place: loader.place(entry.at),
        title: get("name").and_then(|node| loader.text("name", node)),
        topics: get("topic").map_or_else(Vec::new, |node| topics(loader, node)),
        url: get("url").and_then(|node| url::http(loader, "url", node)).unwrap_or_default(),
        secret: get("secret").and_then(|node| secret(loader, "secret", node)),
        old_secrets: get("secret_previous").map_or_else(Vec::new, |node| receiver::old_secrets(loader, node)),
        tls: get("tls").and_then(|node| receiver::tls(loader, node)),
        api_version: get("api_version").and_then(|node| api_version(loader, node)).unwrap_or(Webhook::API_VERSION),
        id: get("id")
            .and_then(|node| loader.integer("id", node, 1..=IDS))
            .and_then(|id| u64::try_from(id).ok())
            .map(WebhookId),
        created_by: get("created_by").and_then(|node| filled(loader, "created_by", node)),
        status: get("status").map_or(Status::Active, |node| status(loader, node)),
        filter: get("filter").and_then(|node| loader.truth("filter", node, Scope::Filter)),
        headers: get("headers").map_or_else(Vec::new, |node| headers(loader, node)),
        retry: get("retry").map_or_else(RetrySchedule::default, |node| retry(loader, node)),
        timeout: get("timeout").and_then(|n| loader.duration("timeout", n, TIMEOUT)).unwrap_or(Webhook::TIMEOUT),
        concurrency: count(loader, table, "concurrency", CONCURRENCY).unwrap_or(Webhook::CONCURRENCY),
        rate: get("rate").and_then(|node| receiver::rate(loader, node)),
        ordering: get("ordering").map_or_else(Ordering::default, |node| ordering(loader, node)),
        max_delivery_failures: count(loader, table, "max_delivery_failures", FAILURES)
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or(Webhook::MAX_DELIVERY_FAILURES),
        hold_when_paused: get("hold_when_paused").and_then(|n| loader.flag("hold_when_paused", n)).unwrap_or_default(),
        wordpress_json: get("json_escape")
            .and_then(|node| loader.word("json_escape", node, &["none", "wordpress"]))
            .is_some_and(|word| word == "wordpress"),
    })
}

/// Compiles a consumer key of the WooCommerce API.
pub(super) fn key(loader: &mut Loader, entry: &Entry) -> Option<KeyConfig> {
    let table = loader.table(&format!("key.{}", entry.key), &entry.node)?;
    loader.strict(table, KEY_KEYS, "a key");
    for key in ["key", "secret"] {
        if table.get(key).is_none() {
            loader.report.missing(entry.at, format!("key `{}` has no `{key}`", entry.key), None);
        }
    }
    let get = |key: &str| table.get(key).map(|entry| &entry.node);
    let permission = get("permission").and_then(|n| loader.word("permission", n, &["read", "write", "read_write"]));
    Some(KeyConfig {
        name: entry.key.clone(),
        place: loader.place(entry.at),
        key: get("key").and_then(|node| filled(loader, "key", node)).unwrap_or_default(),
        secret: get("secret")
            .and_then(|n| secret(loader, "secret", n))
            .unwrap_or(SecretSource::Literal(Secret::default())),
        permission: permission.unwrap_or_else(|| "read".to_owned()),
        default: get("default").and_then(|node| loader.flag("default", node)).unwrap_or_default(),
    })
}

fn count(loader: &mut Loader, table: &Table, key: &str, most: i64) -> Option<usize> {
    let node = &table.get(key)?.node;
    loader.integer(key, node, 1..=most).and_then(|count| usize::try_from(count).ok())
}

fn topics(loader: &mut Loader, node: &Node) -> Vec<TopicPattern> {
    let texts = loader.texts("topic", node);
    if node.is_empty_list() {
        loader.report.error(node.at, "`topic` is an empty list", "for all topics write \"*\"".to_owned());
    }
    let mut topics = Vec::new();
    for (text, node) in texts {
        match text.parse::<TopicPattern>() {
            Ok(topic) => topics.push(topic),
            Err(error) => {
                let hint =
                    "`*` stands for any run of characters: \"order.*\", \"action.woocommerce_*\", \"*\"".to_owned();
                loader.report.error(node.at, error.to_string(), hint);
            }
        }
    }
    topics
}

fn status(loader: &mut Loader, node: &Node) -> Status {
    match loader.word("status", node, &["active", "paused", "disabled"]).as_deref() {
        Some("paused") => Status::Paused,
        Some("disabled") => Status::Disabled,
        _ => Status::Active,
    }
}

fn ordering(loader: &mut Loader, node: &Node) -> Ordering {
    match loader.word("ordering", node, &["resource", "webhook", "none"]).as_deref() {
        Some("webhook") => Ordering::Webhook,
        Some("none") => Ordering::None,
        _ => Ordering::Resource,
    }
}

/// 1, 2 or 3, or WooCommerce's own word for it: `wp_api_v3`.
fn api_version(loader: &mut Loader, node: &Node) -> Option<u8> {
    if let Toml::Text(_) = node.toml {
        let word = loader.word("api_version", node, &["wp_api_v1", "wp_api_v2", "wp_api_v3"])?;
        return word.bytes().last().map(|digit| digit.saturating_sub(b'0'));
    }
    loader.integer("api_version", node, 1..=3).and_then(|version| u8::try_from(version).ok())
}

fn headers(loader: &mut Loader, node: &Node) -> Vec<(String, String)> {
    let Some(table) = loader.table("headers", node) else { return Vec::new() };
    let mut headers = Vec::new();
    for entry in &table.entries {
        let name = entry.key.to_ascii_lowercase();
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            loader.report.error(entry.at, format!("`{}` is no header name", entry.key), None);
        } else if RESERVED.contains(&name.as_str()) || name.starts_with("x-wc-webhook-") || name.starts_with("webhook-")
        {
            let hint = "each delivery sets it itself: leave it out".to_owned();
            loader.report.error(entry.at, format!("the header `{}` cannot be changed", entry.key), hint);
        } else if let Some(text) = loader.text(&format!("headers.{}", entry.key), &entry.node) {
            if HeaderValue::from_str(&text).is_err() {
                loader.report.error(entry.node.at, "a header's value has no line breaks or control characters", None);
            }
            headers.push((entry.key.clone(), text));
        }
    }
    headers
}

fn retry(loader: &mut Loader, node: &Node) -> RetrySchedule {
    let Toml::List(items) = &node.toml else {
        let hint =
            "write the gaps between attempts: retry = [\"5s\", \"1m\", \"1h\"]; `[]` makes one attempt".to_owned();
        loader.wrong_type("retry", "a list of spans of time", node, Some(hint));
        return RetrySchedule::default();
    };
    if items.len() > GAPS {
        loader.report.error(node.at, format!("`retry` may hold {GAPS} gaps at most"), None);
    }
    RetrySchedule(items.iter().filter_map(|item| loader.duration("retry", item, GAP)).collect())
}
