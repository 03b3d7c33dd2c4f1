//! One place for each webhook: its table in force, its health, its queue.

use std::collections::HashSet;
use std::sync::Arc;

use http::Extensions;

use super::Scheduler;
use super::outbox::RESULTS_ENOUGH;
use super::pace::{self, Bucket, Hosts};
use super::replays::{Replay, Replays};
use crate::clock::Timestamp;
use crate::deliver::counters::{Bound, Set};
use crate::deliver::gauges;
use crate::deliver::queue::{DEFERRED_MAX, Queue, Ready, WAITING_MAX};
use crate::deliver::request::Draft;
use crate::deliver::spelling;
use crate::id::WebhookId;
use crate::model::record::LogEntry;
use crate::model::{Health, Notice, NoticeKind, Status, Webhook};
use crate::store::{StoreError, WebhookState};

/// Deliveries of one webhook in flight or with their result on its way to the disk; full: it waits for the disk. One commit's
/// results are on their way while the next one's gather.
const BUSY_MAX: usize = 3 * RESULTS_ENOUGH;

/// What a webhook does with its turn.
#[derive(Debug)]
pub(super) enum Turn {
    /// An attempt.
    Go(Ready),
    /// An attempt of a run's.
    Replay(Box<Replay>),
    /// Nothing before this moment.
    At(Timestamp),
    /// Nothing: its waiting set is full.
    Full,
    /// Nothing: this bound is reached.
    Bound(Bound),
    /// Nothing until something changes.
    Nothing,
}

#[derive(Debug)]
pub(super) struct Slot {
    /// As the rules in force have it; `None` while it is in none.
    pub(super) webhook: Option<Arc<Webhook>>,
    pub(super) health: Health,
    pub(super) queue: Queue,
    /// What runs send again.
    pub(super) replays: Replays,
    /// `host:port` of its URL.
    pub(super) host: Arc<str>,
    /// Its rate, where it has one.
    bucket: Option<Bucket>,
    /// How header names are spelt.
    pub(super) spelling: Extensions,
    /// What its deliveries have in common; or why there can be none.
    pub(super) draft: Arc<Result<Draft, String>>,
    /// It stands in the line of those that may have something to send.
    pub(super) has_turn: bool,
    /// A ping is under way.
    pub(super) pinging: bool,
    /// It has gauges and series of its own on the metrics page.
    pub(super) is_measured: bool,
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

    /// What may go out at `now`; what does counts as in flight from here on.
    pub(super) fn turn(&mut self, webhook: &Webhook, now: Timestamp, hosts: &mut Hosts) -> Turn {
        let busy = self.queue.busy() + self.replays.busy();
        // What is on its way to the disk takes no place at the receiver.
        let flying = self.queue.flying() + self.replays.busy();
        if flying >= self.health.allowance(webhook) {
            return Turn::Nothing;
        }
        if self.queue.busy() >= BUSY_MAX {
            return self.held_back(Bound::Busy, now);
        }
        if hosts.park(&self.host, webhook.id) {
            return self.held_back(Bound::Host, now);
        }
        if let Some(at) = self.bucket.as_mut().map(|bucket| bucket.next(now)).filter(|at| *at > now) {
            return Turn::At(at);
        }
        let go = match self.health.probe_due() {
            Some(due) if due > now => return Turn::At(due),
            // One probe at a time, whoever's delivery it is.
            Some(_) if busy > 0 => None,
            Some(_) => self.queue.next_probe(now).map(Turn::Go).or_else(|| self.replays.next(true).map(Turn::Replay)),
            None if self.replays.go_first() => self.replays.next(false).map(Turn::Replay),
            None => self.queue.next(now).map(Turn::Go).or_else(|| self.replays.next(false).map(Turn::Replay)),
        };
        if let Some(go) = go {
            if let Some(bucket) = &mut self.bucket {
                bucket.take();
            }
            return go;
        }
        match self.queue.next_due() {
            _ if self.queue.set_aside().0 >= WAITING_MAX => Turn::Full,
            Some(due) if due > now => Turn::At(due),
            _ => Turn::Nothing,
        }
    }

    /// Whether something could go out at `now`, if there were a place for it.
    pub(super) fn has_ready(&self, now: Timestamp) -> bool {
        self.queue.has_ready(now) || !self.replays.is_empty()
    }

    /// A bound that keeps nothing back is none worth telling.
    fn held_back(&self, bound: Bound, now: Timestamp) -> Turn {
        if self.has_ready(now) { Turn::Bound(bound) } else { Turn::Nothing }
    }

    /// The breaker may have opened or closed.
    pub(super) fn breaker_moved(&mut self) {
        self.queue.stop(self.health.probe_due().is_some());
    }

    /// The clock was set.
    pub(super) fn shift(&mut self, millis: i64) {
        self.queue.shift(millis);
        self.health.shift(millis);
        if let Some(bucket) = &mut self.bucket {
            bucket.shift(millis);
        }
    }

    /// Goes on with another table, or with its first.
    fn take_table(&mut self, webhook: &Arc<Webhook>, now: Timestamp) {
        self.host = pace::host(&webhook.url);
        self.draft = Arc::new(Draft::new(webhook, &self.spelling));
        self.queue.order(webhook.ordering);
        match (webhook.rate, &self.bucket) {
            (Some(rate), Some(bucket)) if bucket.is_for(rate) => {}
            (rate, _) => self.bucket = rate.map(|rate| Bucket::new(rate, now)),
        }
        self.webhook = Some(Arc::clone(webhook));
        self.breaker_moved();
    }
}

impl Scheduler {
    /// Takes the webhooks in force: new ones begin, changed ones go on with their new table, missing ones stop.
    pub(super) async fn follow_webhooks(&mut self) {
        let list = Arc::clone(&self.webhooks.borrow_and_update());
        let in_force: HashSet<WebhookId> = list.iter().map(|webhook| webhook.id).collect();
        for (_, slot) in self.slots.iter_mut().filter(|(id, _)| !in_force.contains(id)) {
            if let Some(webhook) = slot.webhook.take().filter(|_| std::mem::take(&mut slot.is_measured)) {
                self.counters.forget(&webhook.name);
            }
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
        self.choose_measured();
    }

    /// Those with the lowest ids have gauges and series of their own.
    fn choose_measured(&mut self) {
        let mut in_force: Vec<(&WebhookId, &mut Slot)> =
            self.slots.iter_mut().filter(|(_, slot)| slot.webhook.is_some()).collect();
        in_force.sort_unstable_by_key(|(id, _)| **id);
        for (at, (_, slot)) in in_force.into_iter().enumerate() {
            let was = std::mem::replace(&mut slot.is_measured, at < gauges::MEASURED_MAX);
            if let Some(webhook) = slot.webhook.as_ref().filter(|_| was && !slot.is_measured) {
                self.counters.forget(&webhook.name);
            }
        }
    }

    async fn follow(&mut self, webhook: &Arc<Webhook>) -> Result<(), StoreError> {
        let (id, now) = (webhook.id, self.now());
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
        let followed = slot.health.follow_file(webhook);
        slot.take_table(webhook, now);
        if let Some(due) = slot.health.alert_due() {
            self.timers.insert((due, id));
        }
        if let Some(overlay) = followed {
            self.outbox.health.insert(id);
            let then = if overlay { webhook.status.as_str() } else { "tried" };
            self.notice(id, format!("webhook {}: its file changed, so it is {then} again", webhook.name));
        }
        Ok(())
    }

    /// A webhook the state does not know starts at the head of the journal, with a ping owed.
    fn first_sight(&mut self, webhook: &Webhook, state: WebhookState) -> Slot {
        let (id, mut health, fresh) = (webhook.id, state.health.clone(), state.cursor.0 == 0);
        let mut queue = Queue::new(id, webhook.ordering, state, self.now());
        if fresh {
            queue.start_at(*self.head.borrow());
            health.pending_delivery = true;
            self.outbox.health.insert(id);
            self.outbox.touched.insert(id);
        }
        let (host, spelling) = (pace::host(&webhook.url), Extensions::new());
        let draft = Arc::new(Draft::new(webhook, &spelling));
        let replays = Replays::default();
        Slot {
            webhook: None,
            health,
            queue,
            replays,
            host,
            bucket: None,
            spelling,
            draft,
            has_turn: false,
            pinging: false,
            is_measured: false,
        }
    }

    /// Something of a webhook changed that may let it read, ping or send.
    pub(super) fn webhook_changed(&mut self, id: WebhookId) {
        self.want_more(id);
        self.give_turn(id);
    }

    /// A set of a webhook is full: counted and told when that begins.
    pub(super) fn is_full(&mut self, id: WebhookId, set: Set) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        if !slot.queue.fills() {
            return;
        }
        let name = slot.webhook.as_ref().map_or_else(|| id.to_string(), |webhook| webhook.name.clone());
        let (most, what) = match set {
            Set::Waiting => (WAITING_MAX, "wait for another attempt"),
            Set::Deferred => (DEFERRED_MAX, "wait behind others of their resource that are tried again"),
        };
        self.counters.count_full(set);
        let text = format!(
            "webhook {name}: {most} deliveries {what}, as many as may: later events wait, too, until these come to an end; \
             `shopbell deliveries list --webhook {name} --state waiting` shows why they are not taken"
        );
        self.notice(id, text);
    }

    /// Puts a notice about a webhook into the log.
    pub(super) fn notice(&mut self, webhook: WebhookId, text: String) {
        tracing::info!(%webhook, "{text}");
        self.keep_notice(webhook, text);
    }

    /// The same for what was told in the process's own output already.
    pub(super) fn keep_notice(&mut self, webhook: WebhookId, text: String) {
        let notice = Notice::new(self.now(), NoticeKind::Webhook, text);
        self.outbox.entries.push(LogEntry::Notice(Notice { webhook: Some(webhook), ..notice }));
    }
}
