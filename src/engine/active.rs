//! A ruleset in force: compiled, its webhooks known by id, their secrets at hand.

use std::sync::Arc;
use std::time::Duration;

use crate::diagnostic::Diagnostic;
use crate::id::{WebhookId, random_password};
use crate::model::{Timestamp, Webhook, WebhookName, Write};
use crate::rules::{Ruleset, WebhookConfig};

use super::receivers::resolve_webhooks;

/// How long a webhook whose table vanished keeps id, cursor and backlog.
const RETIRED_KEPT: Duration = Duration::from_secs(7 * 86_400);
/// Characters of a secret made for a webhook that has none (WooCommerce's number).
pub(super) const MADE_SECRET_LENGTH: usize = 50;

/// A ruleset in force; immutable, swapped as a whole.
#[derive(Clone, Debug)]
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
    /// Files that say another `id` than the table of ids.
    pub(super) faults: Vec<Diagnostic>,
}

/// Gives every webhook its id: kept by NAME, revived if it was retired, that of its file or a new one otherwise; retires
/// those that vanished and forgets those retired for longer than [`RETIRED_KEPT`].
pub(super) fn name_webhooks(configs: &[WebhookConfig], table: &[WebhookName], next: u64, now: Timestamp) -> Named {
    let mut named = Named { faults: id_faults(configs, table), ..Named::default() };
    let said = configs.iter().filter_map(|config| config.id).map(|id| id.0.saturating_add(1)).max();
    let mut next = next.max(1).max(said.unwrap_or(1));
    for config in configs {
        let (name, before) = (config.name.clone(), table.iter().find(|row| row.name == config.name));
        let mut row = before.cloned().unwrap_or_else(|| {
            let id = config.id.unwrap_or_else(|| {
                next += 1;
                WebhookId(next - 1)
            });
            WebhookName { name, id, created: now, retired: None, secret: None }
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

/// Every `id` of a file that is not the webhook's own.
fn id_faults(configs: &[WebhookConfig], table: &[WebhookName]) -> Vec<Diagnostic> {
    let mut faults = Vec::new();
    for (index, config) in configs.iter().enumerate() {
        let Some(id) = config.id else { continue };
        let own = table.iter().find(|row| row.name == config.name);
        let taken = table.iter().find(|row| row.id == id && row.name != config.name);
        let twice = configs.iter().take(index).find(|other| other.id == Some(id));
        let (why, hint) = match (own, taken, twice) {
            (Some(row), ..) if row.id != id => {
                (format!("its id is {}", row.id), format!("write `id = {}`, or leave it out", row.id))
            }
            (None, Some(row), _) => (
                format!("that id is webhook `{}`'s", row.name),
                "an id stays with its NAME: give the webhook that name again, or leave `id` out for a new one"
                    .to_owned(),
            ),
            (.., Some(other)) => (
                format!("so does webhook `{}` in {} line {}", other.name, other.place.file, other.place.line),
                "leave `id` out of the copy".to_owned(),
            ),
            _ => continue,
        };
        let mut fault =
            Diagnostic::of_file(&config.place.file, format!("webhook `{}` says `id = {id}`, but {why}", config.name));
        fault.line = config.place.line;
        faults.push(fault.hint(&hint));
    }
    faults
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
    let found = resolve_webhooks(ruleset, &rows, Timestamp::default()).1;
    found.into_iter().map(Diagnostic::warning).collect()
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

    #[test]
    fn an_id_of_a_file_must_be_the_webhooks_own() {
        let with_ids = |ids: &[(&str, Option<u64>)]| {
            let mut configs = configs(&ids.iter().map(|(name, _)| *name).collect::<Vec<_>>());
            for (config, (_, id)) in configs.iter_mut().zip(ids) {
                config.id = id.map(WebhookId);
            }
            configs
        };
        let first = name_webhooks(&with_ids(&[("a", Some(7)), ("b", None)]), &[], 1, at(0));
        assert_eq!(first.rows.iter().map(|row| row.id.0).collect::<Vec<_>>(), [7, 8], "no other gets that id");
        assert!(first.faults.is_empty());
        let rows = [
            ([("a", Some(7)), ("b", Some(8))], ""),
            ([("a", Some(9)), ("b", None)], "webhook `a` says `id = 9`, but its id is 7"),
            ([("b", None), ("c", Some(7))], "webhook `c` says `id = 7`, but that id is webhook `a`'s"),
            (
                [("c", Some(20)), ("d", Some(20))],
                "webhook `d` says `id = 20`, but so does webhook `c` in w.toml line 1",
            ),
        ];
        for (ids, says) in rows {
            let faults = name_webhooks(&with_ids(&ids), &first.rows, 9, at(1)).faults;
            let texts: Vec<&str> = faults.iter().map(|fault| fault.message.as_str()).collect();
            assert_eq!(texts.join("; "), says);
        }
    }
}
