//! One place for each webhook: its table in force, its health, its queue.

use std::collections::HashSet;
use std::sync::Arc;

use http::Extensions;

use super::Scheduler;
use super::replays::Replays;
use crate::deliver::queue::Queue;
use crate::deliver::spelling;
use crate::id::WebhookId;
use crate::model::record::LogEntry;
use crate::model::{Health, Notice, NoticeKind, Status, Webhook};
use crate::store::{StoreError, WebhookState};

/// After so many failed attempts in a row a webhook has one attempt at a time, so that a dead receiver cannot hold the
/// places of the others.
const TROUBLED_AFTER: u32 = 5;

#[derive(Debug)]
pub(super) struct Slot {
    /// As the rules in force have it; `None` while it is in none.
    pub(super) webhook: Option<Arc<Webhook>>,
    pub(super) health: Health,
    pub(super) queue: Queue,
    /// What runs send again.
    pub(super) replays: Replays,
    /// How header names are spelt.
    pub(super) spelling: Extensions,
    /// It stands in the line of those that may have something to send.
    pub(super) has_turn: bool,
    /// A ping is under way.
    pub(super) pinging: bool,
}

impl Slot {
    /// The webhook, if it delivers now: in force, active and with its secret.
    pub(super) fn deliverable(&self) -> Option<&Arc<Webhook>> {
        self.webhook.as_ref().filter(|webhook| {
            webhook.held.is_none() && self.health.status(webhook.status, &webhook.url) == Status::Active
        })
    }

    /// Whether a ping should go out.
    pub(super) fn ping_due(&self) -> bool {
        !self.pinging && self.webhook.as_deref().is_some_and(|webhook| self.health.ping_due(webhook))
    }

    /// Attempts it may have at once.
    pub(super) fn allowance(&self, webhook: &Webhook) -> usize {
        if self.health.failed_attempts >= TROUBLED_AFTER { 1 } else { webhook.concurrency.max(1) }
    }
}

impl Scheduler {
    /// Takes the webhooks in force: new ones begin, changed ones go on with their new table, missing ones stop.
    pub(super) async fn follow_webhooks(&mut self) {
        let list = Arc::clone(&self.webhooks.borrow_and_update());
        let in_force: HashSet<WebhookId> = list.iter().map(|webhook| webhook.id).collect();
        for (_, slot) in self.slots.iter_mut().filter(|(id, _)| !in_force.contains(id)) {
            slot.webhook = None;
        }
        for webhook in list.iter() {
            match self.follow(webhook).await {
                Ok(()) => self.webhook_changed(webhook.id),
                Err(error) => {
                    tracing::error!(webhook = webhook.name, %error, "the webhook's state cannot be read; trying again");
                    self.pause_store();
                }
            }
        }
    }

    async fn follow(&mut self, webhook: &Arc<Webhook>) -> Result<(), StoreError> {
        let id = webhook.id;
        if !self.slots.contains_key(&id) {
            let state = self.means.store.webhook_state(id).await?;
            let slot = self.first_sight(webhook, state);
            self.slots.insert(id, slot);
        }
        let Some(slot) = self.slots.get_mut(&id) else { return Ok(()) };
        let spelt = |known: &Webhook| {
            known.headers.iter().map(|(name, _)| name).eq(webhook.headers.iter().map(|(name, _)| name))
        };
        if slot.spelling.is_empty() || !slot.webhook.as_deref().is_some_and(spelt) {
            slot.spelling = spelling::learn(&webhook.headers).await;
        }
        if slot.health.follow_file(webhook) {
            let text =
                format!("webhook {}: its file changed, so it is {} again", webhook.name, webhook.status.as_str());
            self.outbox.health.insert(id, slot.health.clone());
            self.notice(id, text);
        }
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.webhook = Some(Arc::clone(webhook));
        }
        Ok(())
    }

    /// A webhook the state does not know starts at the head of the journal, with a ping owed.
    fn first_sight(&mut self, webhook: &Webhook, state: WebhookState) -> Slot {
        let (id, mut health, fresh) = (webhook.id, state.health.clone(), state.cursor.0 == 0);
        let mut queue = Queue::new(id, state);
        if fresh {
            queue.start_at(*self.head.borrow());
            health.pending_delivery = true;
            self.outbox.health.insert(id, health.clone());
            self.outbox.touched.insert(id);
        }
        Slot {
            webhook: None,
            health,
            queue,
            replays: Replays::default(),
            spelling: Extensions::new(),
            has_turn: false,
            pinging: false,
        }
    }

    /// Something of a webhook changed that may let it read, ping or send.
    pub(super) fn webhook_changed(&mut self, id: WebhookId) {
        self.want_more(id);
        self.give_turn(id);
    }

    /// Puts a notice about a webhook into the log.
    pub(super) fn notice(&mut self, webhook: WebhookId, text: String) {
        tracing::info!(%webhook, "{text}");
        let notice = Notice::new(self.now(), NoticeKind::Webhook, text);
        self.outbox.entries.push(LogEntry::Notice(Notice { webhook: Some(webhook), ..notice }));
    }
}
