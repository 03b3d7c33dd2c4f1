//! A ruleset in force: compiled, its webhooks known by id, their secrets at hand.

use std::sync::Arc;
use std::time::Duration;

use crate::diagnostic::Diagnostic;
use crate::id::{WebhookId, random_password};
use crate::model::{Secret, Timestamp, Webhook, Write};
use crate::rules::{Ruleset, WebhookConfig};
use crate::store::WebhookName;

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

/// What the table of ids becomes with a new set of webhooks.
#[derive(Debug, Default)]
pub(super) struct Named {
    /// Ids in the order of the configs, with the secret made for each where one was made.
    pub(super) ids: Vec<(WebhookId, Option<String>)>,
    /// Changes of the table.
    pub(super) writes: Vec<Write>,
    /// For the log.
    pub(super) notes: Vec<(WebhookId, String)>,
}

/// Gives every webhook its id: kept by NAME, revived if it was retired, new otherwise; retires those that vanished and
/// forgets those retired for longer than [`RETIRED_KEPT`].
pub(super) fn name_webhooks(configs: &[WebhookConfig], table: &[WebhookName], next: u64, now: Timestamp) -> Named {
    let mut named = Named::default();
    let mut next = next.max(1);
    for config in configs {
        let row = table.iter().find(|row| row.name == config.name);
        let id = row.map_or_else(
            || {
                next += 1;
                WebhookId(next - 1)
            },
            |row| row.id,
        );
        let mut secret = row.and_then(|row| row.secret.clone());
        if config.secret.is_none() && secret.is_none() {
            secret = Some(random_password(MADE_SECRET_LENGTH));
        }
        if row.is_none() {
            named.notes.push((id, format!("webhook {} is new and has id {id}", config.name)));
        } else if row.is_some_and(|row| row.retired.is_some()) {
            named
                .notes
                .push((id, format!("webhook {} is back with its id {id}, its cursor and its backlog", config.name)));
        }
        if row.is_none_or(|row| row.retired.is_some() || row.secret != secret) {
            named.writes.push(Write::WebhookName {
                name: config.name.clone(),
                id,
                retired: None,
                secret: secret.clone(),
            });
        }
        named.ids.push((id, secret));
    }
    for row in table.iter().filter(|row| configs.iter().all(|config| config.name != row.name)) {
        match row.retired {
            None => {
                let (name, id, secret) = (row.name.clone(), row.id, row.secret.clone());
                named.notes.push((
                    id,
                    format!("webhook {name} is gone from the rules; id, cursor and backlog are kept 7 days"),
                ));
                named.writes.push(Write::WebhookName { name, id, retired: Some(now), secret });
            }
            Some(since) if now.since(since) > RETIRED_KEPT => {
                named.notes.push((row.id, format!("webhook {} was gone for 7 days and is forgotten", row.name)));
                named.writes.push(Write::WebhookGone { name: row.name.clone(), id: row.id });
            }
            Some(_) => {}
        }
    }
    named
}

/// Resolves secrets. A source that fails gives a diagnostic and a webhook that is held; whether that is a fault is the
/// caller's to say (at start it is not: everything else works).
pub(super) fn resolve_webhooks(
    ruleset: &Ruleset,
    ids: &[(WebhookId, Option<String>)],
    now: Timestamp,
) -> (Vec<Arc<Webhook>>, Vec<Diagnostic>) {
    let mut faults = Vec::new();
    let default_key = ruleset.keys.iter().find(|key| key.default).map(|key| &key.secret);
    let webhooks = ruleset.webhooks.iter().zip(ids).map(|(config, (id, made))| {
        let source = config.secret.as_ref().or(default_key);
        let resolved = match source {
            Some(source) => secrets::resolve(source),
            None => Ok(Secret::new(made.clone().unwrap_or_default())),
        };
        let (secret, held) = match resolved {
            Ok(secret) => (secret, None),
            Err(text) => {
                faults.push(secret_fault(config, &text));
                (Secret::default(), Some(text))
            }
        };
        Arc::new(webhook(ruleset, config, *id, secret, held, now))
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
    id: WebhookId,
    secret: Secret,
    held: Option<String>,
    now: Timestamp,
) -> Webhook {
    let shop = &ruleset.shop;
    // WooCommerce's default name, in its own spelling of a date.
    let made_title = || format!("Webhook created on {}", now.format("%b %d, %Y @ %I:%M %p", &jiff::tz::TimeZone::UTC));
    Webhook {
        id,
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
