//! A ruleset in force: compiled, its webhooks known by id, their secrets at hand.

use std::sync::Arc;
use std::time::Duration;

use crate::diagnostic::Diagnostic;
use crate::id::{WebhookId, random_password};
use crate::model::{Secret, Timestamp, Webhook, WebhookName, Write};
use crate::rules::{Ruleset, WebhookConfig};

use super::secrets;

/// How long a webhook whose table vanished keeps id, cursor and backlog.
const RETIRED_KEPT: Duration = Duration::from_secs(7 * 86_400);
/// Characters of a secret made for a webhook that has none (WooCommerce's number).
const MADE_SECRET_LENGTH: usize = 50;

/// A ruleset in force; immutable, swapped as a whole.
#[derive(Debug)]
pub struct Active {
    /// The compiled rules.
    pub ruleset: Arc<Ruleset>,
    /// Its webhooks, in the order of [`Ruleset::webhooks`].
    pub webhooks: Arc<Vec<Arc<Webhook>>>,
    /// When it took effect.
    pub loaded_at: Timestamp,
    /// Hash over names and contents of its files.
    pub fingerprint: String,
    /// Warnings of its files; and the faults of the newest edit, if that did not take effect.
    pub problems: Vec<Diagnostic>,
    /// Whether the newest edit did not take effect.
    pub stale: bool,
    /// Whether it is the set kept in the data directory, because the directory was broken at start.
    pub from_last_good: bool,
}

/// What the table of names becomes with a new set of webhooks.
#[derive(Debug, Default)]
pub(super) struct Named {
    /// Rows in the order of the configs.
    pub(super) rows: Vec<WebhookName>,
    /// Changes of the table.
    pub(super) writes: Vec<Write>,
    /// Webhooks seen for the first time.
    pub(super) fresh: Vec<WebhookId>,
    /// When the next retired one is to be forgotten.
    pub(super) forget_at: Option<Timestamp>,
    /// For the log.
    pub(super) notes: Vec<(WebhookId, String)>,
}

/// Gives every webhook its id: kept by NAME, revived if it was retired, new otherwise; retires those that vanished and
/// forgets those retired for longer than [`RETIRED_KEPT`].
pub(super) fn name_webhooks(configs: &[WebhookConfig], table: &[WebhookName], next: u64, now: Timestamp) -> Named {
    let mut named = Named::default();
    let mut next = next.max(1);
    for config in configs {
        let (name, before) = (config.name.clone(), table.iter().find(|row| row.name == config.name));
        let mut row = before.cloned().unwrap_or_else(|| {
            next += 1;
            WebhookName { name, id: WebhookId(next - 1), created: now, retired: None, secret: None }
        });
        if before.is_none() {
            named.fresh.push(row.id);
            named.notes.push((row.id, format!("webhook {} is new and has id {}", row.name, row.id)));
        } else if row.retired.take().is_some() {
            let text = format!("webhook {} is back with its id {}, its cursor and its backlog", row.name, row.id);
            named.notes.push((row.id, text));
        }
        if config.secret.is_none() && row.secret.is_none() {
            row.secret = Some(random_password(MADE_SECRET_LENGTH));
        }
        if before != Some(&row) {
            named.writes.push(Write::WebhookName(row.clone()));
        }
        named.rows.push(row);
    }
    for row in table.iter().filter(|row| configs.iter().all(|config| config.name != row.name)) {
        retire(row, now, &mut named);
    }
    named
}

fn retire(row: &WebhookName, now: Timestamp, named: &mut Named) {
    let (name, id) = (row.name.clone(), row.id);
    let since = row.retired.unwrap_or(now);
    if now.since(since) <= RETIRED_KEPT {
        let at = since.plus(RETIRED_KEPT);
        named.forget_at = Some(named.forget_at.map_or(at, |earlier| earlier.min(at)));
    }
    match row.retired {
        None => {
            let text = format!("webhook {name} is gone from the rules; id, cursor and backlog are kept 7 days");
            named.notes.push((id, text));
            named.writes.push(Write::WebhookName(WebhookName { retired: Some(now), ..row.clone() }));
        }
        Some(since) if now.since(since) > RETIRED_KEPT => {
            named.notes.push((id, format!("webhook {name} was gone for 7 days and is forgotten")));
            named.writes.push(Write::WebhookGone { name, id });
        }
        Some(_) => {}
    }
}

/// Secrets named in a ruleset that cannot be had in this process, as warnings.
pub fn missing_secrets(ruleset: &Ruleset) -> Vec<Diagnostic> {
    let rows = name_webhooks(&ruleset.webhooks, &[], 1, Timestamp::default()).rows;
    resolve_webhooks(ruleset, &rows).1.into_iter().map(Diagnostic::warning).collect()
}

/// Resolves secrets. A source that fails gives a diagnostic and a webhook that is held; whether that is a fault is the
/// caller's to say (at start it is not: everything else works).
pub(super) fn resolve_webhooks(ruleset: &Ruleset, rows: &[WebhookName]) -> (Vec<Arc<Webhook>>, Vec<Diagnostic>) {
    let mut faults = Vec::new();
    let default_key = ruleset.keys.iter().find(|key| key.default).map(|key| &key.secret);
    let webhooks = ruleset.webhooks.iter().zip(rows).map(|(config, row)| {
        let source = config.secret.as_ref().or(default_key);
        let resolved = match source {
            Some(source) => secrets::resolve(source),
            None => Ok(Secret::new(row.secret.clone().unwrap_or_default())),
        };
        let (secret, held) = match resolved {
            Ok(secret) => (secret, None),
            Err(text) => {
                faults.push(secret_fault(config, &text));
                (Secret::default(), Some(text))
            }
        };
        Arc::new(webhook(ruleset, config, row, secret, held))
    });
    (webhooks.collect(), faults)
}

fn secret_fault(config: &WebhookConfig, text: &str) -> Diagnostic {
    let message = format!("webhook `{}` has no secret: {text}", config.name);
    let mut fault = Diagnostic::of_file(&config.place.file, message);
    fault.line = config.place.line;
    fault.hint("set it where shopbell runs; until then the webhook is held and its events are kept")
}

fn webhook(
    ruleset: &Ruleset,
    config: &WebhookConfig,
    row: &WebhookName,
    secret: Secret,
    held: Option<String>,
) -> Webhook {
    let shop = &ruleset.shop;
    // WooCommerce's default name, in its own spelling of a date.
    let made_title =
        || format!("Webhook created on {}", row.created.format("%b %d, %Y @ %I:%M %p", &jiff::tz::TimeZone::UTC));
    Webhook {
        id: row.id,
        name: config.name.clone(),
        title: config.title.clone().unwrap_or_else(made_title),
        topics: config.topics.clone(),
        url: config.url.clone(),
        secret,
        status: config.status,
        headers: config.headers.clone(),
        retry: config.retry.clone(),
        timeout: config.timeout,
        concurrency: config.concurrency,
        max_delivery_failures: config.max_delivery_failures,
        hold_when_paused: config.hold_when_paused,
        wordpress_json: config.wordpress_json,
        held,
        source: shop.url.clone(),
        user_agent: format!("WooCommerce/{} Hookshot (WordPress/{})", shop.wc_version, shop.wp_version),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{SourceFile, load};

    fn configs(names: &[&str]) -> Vec<WebhookConfig> {
        let table = |name: &&str| format!("[webhook.{name}]\ntopic = \"*\"\nurl = \"http://r.example/\"\n");
        let bytes = names.iter().map(table).collect::<String>().into_bytes();
        let loaded = load(&[SourceFile { path: "w.toml".into(), bytes }]);
        loaded.ruleset.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics)).webhooks
    }

    fn at(days: u64) -> Timestamp {
        Timestamp::from_millis(0).plus(Duration::from_secs(days * 86_400))
    }

    #[test]
    fn ids_are_kept_by_name_and_never_given_twice() {
        let first = name_webhooks(&configs(&["a", "b"]), &[], 1, at(0));
        assert_eq!(first.rows.iter().map(|row| row.id.0).collect::<Vec<_>>(), [1, 2]);
        // `b` vanishes, `c` comes: b's row is kept, c gets a fresh id.
        let second = name_webhooks(&configs(&["a", "c"]), &first.rows, 3, at(1));
        assert_eq!(second.rows[0], first.rows[0]);
        assert_eq!(second.rows[1].id.0, 3);
        let retired = WebhookName { retired: Some(at(1)), ..first.rows[1].clone() };
        assert!(second.writes.contains(&Write::WebhookName(retired.clone())));
        // Back within 7 days it is itself; after that it is forgotten.
        let back = name_webhooks(&configs(&["b"]), std::slice::from_ref(&retired), 4, at(7));
        assert_eq!(back.rows, [first.rows[1].clone()]);
        let gone = name_webhooks(&[], &[retired], 4, at(9));
        assert_eq!((second.fresh.as_slice(), second.forget_at), (&[WebhookId(3)][..], Some(at(8))));
        assert_eq!(gone.forget_at, None);
        assert_eq!(gone.writes, [Write::WebhookGone { name: "b".into(), id: WebhookId(2) }]);
    }
}
