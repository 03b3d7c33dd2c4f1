//! What a webhook, a key or `[shop] alert` says about its receiver: secrets, TLS, rate.

use std::time::Duration;

use crate::model::{Rate, Secret, Timestamp};

use super::super::rule::{AlertSource, OLD_SECRETS, OldSecretSource, SecretSource, TlsSource};
use super::loader::{Keys, Loader};
use super::tree::{Node, Table, Toml};
use super::url;

/// Most attempts that `rate` may name.
const RATE_COUNT: u32 = 100_000;
/// What a PEM text begins with, wherever it stands.
const PEM: &str = "-----BEGIN ";

/// A string that is not blank.
pub(super) fn filled(loader: &mut Loader, what: &str, node: &Node) -> Option<String> {
    let text = loader.text(what, node)?;
    if text.trim().is_empty() {
        loader.report.error(node.at, format!("`{what}` is empty"), None);
        return None;
    }
    Some(text)
}

/// A literal, `{ env = "…" }` or `{ file = "…" }`.
pub(super) fn secret(loader: &mut Loader, what: &str, node: &Node) -> Option<SecretSource> {
    const SOURCES: Keys = Keys { known: &["env", "file"], later: &[] };
    const HINT: &str = "write a text, { env = \"NAME\" } or { file = \"path\" }";
    match &node.toml {
        Toml::Text(_) => filled(loader, what, node).map(|text| SecretSource::Literal(Secret::new(text))),
        Toml::Table(table) => {
            loader.strict(table, SOURCES, &format!("`{what}`"));
            match table.entries.as_slice() {
                [entry] if entry.key == "env" => filled(loader, "env", &entry.node).map(SecretSource::Env),
                [entry] if entry.key == "file" => filled(loader, "file", &entry.node).map(SecretSource::File),
                [_] => None,
                _ => {
                    loader.report.error(node.at, "a secret has one source", HINT.to_owned());
                    None
                }
            }
        }
        // What was found is not shown: it may be the secret.
        _ => {
            loader.report.error(node.at, format!("`{what}` must be a string or a table"), HINT.to_owned());
            None
        }
    }
}

fn source(loader: &mut Loader, what: &str, called: &str, node: &Node) -> Option<SecretSource> {
    const SOURCES: Keys = Keys { known: &["env", "file"], later: &[] };
    const HINT: &str = "write a text, { env = \"NAME\" } or { file = \"path\" }";
    match &node.toml {
        Toml::Text(_) => filled(loader, what, node).map(|text| SecretSource::Literal(Secret::new(text))),
        Toml::Table(table) => {
            loader.strict(table, SOURCES, &format!("`{what}`"));
            match table.entries.as_slice() {
                [entry] if entry.key == "env" => filled(loader, "env", &entry.node).map(SecretSource::Env),
                [entry] if entry.key == "file" => filled(loader, "file", &entry.node).map(SecretSource::File),
                [_] => None,
                _ => {
                    loader.report.error(node.at, format!("{called} has one source"), HINT.to_owned());
                    None
                }
            }
        }
        // What was found is not shown: it may be the secret.
        _ => {
            loader.report.error(node.at, format!("`{what}` must be a string or a table"), HINT.to_owned());
            None
        }
    }
}

/// `secret_previous`: a list of `{ secret, until }`.
pub(super) fn old_secrets(loader: &mut Loader, node: &Node) -> Vec<OldSecretSource> {
    const HINT: &str = "write secret_previous = [{ secret = \"…\", until = \"2026-11-04T12:00:00Z\" }]";
    let Toml::List(items) = &node.toml else {
        loader.report.error(node.at, "`secret_previous` must be a list of tables", HINT.to_owned());
        return Vec::new();
    };
    if items.len() > OLD_SECRETS {
        loader.report.error(node.at, format!("`secret_previous` may hold {OLD_SECRETS} secrets at most"), None);
    }
    items.iter().filter_map(|item| old_secret(loader, node, item, HINT)).collect()
}

fn old_secret(loader: &mut Loader, list: &Node, node: &Node, hint: &str) -> Option<OldSecretSource> {
    const KEYS: Keys = Keys { known: &["secret", "until"], later: &[] };
    let Toml::Table(table) = &node.toml else {
        // The place of the list: a text that stands alone in a line of its own would be shown, and it may be the secret.
        loader.report.error(list.at, "`secret_previous` must hold tables", hint.to_owned());
        return None;
    };
    loader.strict(table, KEYS, "`secret_previous`");
    let secret =
        required(loader, node, table, "secret_previous", "secret").and_then(|node| secret(loader, "secret", node));
    let until =
        required(loader, node, table, "secret_previous", "until").and_then(|node| moment(loader, "until", node));
    Some(OldSecretSource { secret: secret?, until: until? })
}

/// A moment of RFC 3339, as a text or as a date of TOML; with an offset, so that it is one moment everywhere.
fn moment(loader: &mut Loader, what: &str, node: &Node) -> Option<Timestamp> {
    const HINT: &str = "write a date, a time and a zone: \"2026-11-04T12:00:00Z\"";
    let (Toml::Text(text) | Toml::Date(text)) = &node.toml else {
        loader.wrong_type(what, "a moment", node, Some(HINT.to_owned()));
        return None;
    };
    let moment = text.trim().parse::<jiff::Timestamp>().ok();
    if moment.is_none() {
        loader.report.error(node.at, format!("`{text}` is no moment"), HINT.to_owned());
    }
    moment.map(|moment| Timestamp::from_millis(moment.as_millisecond()))
}

/// `tls.ca`, `tls.client_cert` and `tls.client_key`: each the path of a PEM file, a PEM text, or a source like a secret's.
pub(super) fn tls(loader: &mut Loader, node: &Node) -> Option<TlsSource> {
    const KEYS: Keys = Keys { known: &["ca", "client_cert", "client_key"], later: &[] };
    let table = loader.table("tls", node)?;
    loader.strict(table, KEYS, "`tls`");
    let mut pem = |key: &str| table.get(key).and_then(|entry| pem(loader, &format!("tls.{key}"), &entry.node));
    let (ca, certificate, key) = (pem("ca"), pem("client_cert"), pem("client_key"));
    let there = |key: &str| table.get(key).is_some();
    if there("client_cert") != there("client_key") {
        let missing = if there("client_key") { "client_cert" } else { "client_key" };
        let hint = "a client certificate and its private key belong together";
        loader.report.error(node.at, format!("`tls` has no `{missing}`"), hint.to_owned());
    }
    Some(TlsSource { ca, client: certificate.zip(key) })
}

fn pem(loader: &mut Loader, what: &str, node: &Node) -> Option<SecretSource> {
    Some(match source(loader, what, &format!("`{what}`"), node)? {
        SecretSource::Literal(text) if !text.expose().contains(PEM) => SecretSource::File(text.expose().to_owned()),
        other => other,
    })
}

/// `"10/s"`, `"600/m"`, `"1000/h"`.
pub(super) fn rate(loader: &mut Loader, node: &Node) -> Option<Rate> {
    const HINT: &str = "write a whole number and a span: \"10/s\", \"600/m\", \"1000/h\"";
    let Toml::Text(text) = &node.toml else {
        loader.wrong_type("rate", "attempts in a span of time", node, Some(HINT.to_owned()));
        return None;
    };
    let rate = parse_rate(text);
    if rate.is_none() {
        let message = format!("`{text}` is no rate from 1 to {RATE_COUNT}");
        loader.report.error(node.at, message, HINT.to_owned());
    }
    rate
}

fn parse_rate(text: &str) -> Option<Rate> {
    let (count, unit) = text.split_once('/')?;
    let per = Duration::from_secs(match unit.trim() {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return None,
    });
    let count = count.trim();
    let digits = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
    let count = count.parse().ok().filter(|count| digits && (1..=RATE_COUNT).contains(count))?;
    Some(Rate { count, per })
}

/// `[shop] alert = { url, secret }`.
pub(super) fn alert(loader: &mut Loader, node: &Node) -> Option<AlertSource> {
    const KEYS: Keys = Keys { known: &["url", "secret"], later: &[] };
    let table = loader.table("alert", node)?;
    loader.strict(table, KEYS, "`alert`");
    let url = required(loader, node, table, "alert", "url").and_then(|node| url::http(loader, "alert.url", node));
    let secret = required(loader, node, table, "alert", "secret").and_then(|node| secret(loader, "secret", node));
    Some(AlertSource { place: loader.place(node.at), url: url?, secret: secret? })
}

fn required<'n>(loader: &mut Loader, node: &Node, table: &'n Table, of: &str, key: &str) -> Option<&'n Node> {
    let found = table.get(key).map(|entry| &entry.node);
    if found.is_none() {
        loader.report.missing(node.at, format!("`{of}` has no `{key}`"), None);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_a_number_and_a_span() {
        let rate = |count, seconds| Some(Rate { count, per: Duration::from_secs(seconds) });
        let rows = [
            ("10/s", rate(10, 1)),
            ("600 / m", rate(600, 60)),
            ("1/h", rate(1, 3_600)),
            ("0/s", None),
            ("+1/s", None),
            ("100001/s", None),
            ("99999999999999999999/s", None),
            ("10/d", None),
            ("10", None),
            ("/s", None),
            ("10/s/m", None),
            ("", None),
        ];
        for (text, expected) in rows {
            assert_eq!(parse_rate(text), expected, "{text}");
        }
    }
}
