//! The delivery side's state as one record, and back.

use std::collections::BTreeSet;

use super::StoreError;
use super::keys::{self, row};
use super::rows;
use super::state::State;
use crate::clock::Timestamp;
use crate::id::{Seq, WebhookId};
use crate::model::Write;
use crate::model::record::{Checkpoint, WebhookCheckpoint};

/// Takes a checkpoint. `log_next` is the log's next sequence: all before it are applied.
pub(super) fn take(state: &State, at: Timestamp, log_next: u64) -> Result<Checkpoint, StoreError> {
    let (names, next_webhook) = state.names()?;
    let mut ids: BTreeSet<u64> = names.iter().map(|name| name.id.0).collect();
    for kind in [row::CURSOR, row::HEALTH] {
        ids.extend(state.rows(&[kind])?.iter().filter_map(|(key, _)| keys::first_number(key)));
    }
    let mut webhooks = Vec::new();
    for id in ids {
        let found = state.webhook(WebhookId(id))?;
        webhooks.push(WebhookCheckpoint {
            webhook: id,
            cursor: found.cursor,
            finished: found.finished,
            waiting: found.waiting,
            deferred: found.deferred,
            health: Some(found.health),
        });
    }
    let mut pendings = Vec::new();
    for (_, value) in state.rows(&[row::PENDING])? {
        pendings.push(rows::decode(&value)?);
    }
    let (runs, next_run) = state.runs()?;
    Ok(Checkpoint { at, log_next: Seq(log_next), next_webhook, names, webhooks, pendings, runs, next_run })
}

/// The writes that make a checkpoint's state.
pub(super) fn writes(checkpoint: &Checkpoint) -> Vec<Write> {
    let mut writes = Vec::new();
    writes.extend(checkpoint.names.iter().cloned().map(Write::WebhookName));
    for found in &checkpoint.webhooks {
        let webhook = WebhookId(found.webhook);
        // A webhook without a cursor reads from the beginning, as before.
        if found.cursor != Seq(0) {
            writes.push(Write::Cursor { webhook, next: found.cursor });
        }
        writes.extend(found.finished.iter().map(|event| Write::Finished { webhook, event: *event, done: true }));
        for (event, waiting) in &found.waiting {
            writes.push(Write::Waiting { webhook, event: *event, waiting: Some(waiting.clone()) });
        }
        for (event, group) in &found.deferred {
            writes.push(Write::Deferred { webhook, event: *event, group: Some(group.clone()) });
        }
        if let Some(health) = &found.health {
            writes.push(Write::Health { webhook, health: Some(health.clone()) });
        }
    }
    for run in &checkpoint.runs {
        writes.push(Write::Run { id: run.id, run: Some(Box::new(run.clone())) });
    }
    for pending in &checkpoint.pendings {
        writes.push(Write::Pending { uid: pending.uid, pending: Some(Box::new(pending.clone())) });
    }
    writes
}
