//! Results on their way to the disk: everything that came since the last commit goes in one.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinError;

use super::replays::Replayed;
use super::{STORE_PAUSE, Scheduler};
use crate::deliver::Counters;
use crate::deliver::counters::Set;
use crate::id::{Seq, WebhookId};
use crate::model::record::LogEntry;
use crate::model::{Health, Write};
use crate::store::Store;

/// Results that are worth a wait for the disk of their own.
pub(super) const RESULTS_ENOUGH: usize = 128;

/// How long fewer results wait for more, while attempts are in flight and nothing waits for them.
const RESULTS_LAG: Duration = Duration::from_millis(5);

/// What the next commit will hold.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub(super) entries: Vec<LogEntry>,
    /// Webhooks whose health has changed.
    pub(super) health: BTreeSet<WebhookId>,
    /// Webhooks whose queues have writes.
    pub(super) touched: BTreeSet<WebhookId>,
    /// Deliveries whose groups open when it is on disk.
    pub(super) releases: Vec<(WebhookId, Seq)>,
    /// Callers to be told when it is on disk.
    pub(super) replies: Vec<Reply>,
    /// A delivery behind one of these releases waits for it.
    pub(super) is_awaited: bool,
}

impl Outbox {
    /// Whether it holds only results that nothing waits for, and too few to be worth a wait for the disk of their own.
    fn can_wait(&self) -> bool {
        let results = self.releases.len();
        !self.is_awaited && self.replies.is_empty() && (1..RESULTS_ENOUGH).contains(&results)
    }
}

/// A caller's answer, kept until what it says is on disk.
#[derive(Debug)]
pub(super) enum Reply {
    Status(oneshot::Sender<Result<Health, String>>, Health),
    Ping(oneshot::Sender<Result<u16, String>>, Result<u16, String>),
    Replay(oneshot::Sender<Replayed>, Replayed),
}

/// One commit.
#[derive(Debug)]
pub(super) struct Batch {
    entries: Vec<LogEntry>,
    writes: Vec<Write>,
    releases: Vec<(WebhookId, Seq)>,
    replies: Vec<Reply>,
}

impl Batch {
    /// Writes it, however often that has to be tried: the next one must not come before it.
    async fn write(self, store: Store, counters: Counters) -> Self {
        while let Err(error) = store.log_kept(&self.entries, self.writes.clone()).await {
            tracing::error!(%error, "results of deliveries cannot be written; trying again");
            counters.count_store_failure();
            tokio::time::sleep(STORE_PAUSE).await;
        }
        self
    }
}

impl Scheduler {
    /// Begins a commit of everything that came, unless one is under way, or more will come soon that can go with it.
    pub(super) fn commit_if_due(&mut self) {
        let more_to_come = self.commit.is_empty() && !self.flights.is_empty() && self.outbox.can_wait();
        let now = self.now();
        if more_to_come && *self.commit_at.get_or_insert(now.plus(RESULTS_LAG)) > now {
            return;
        }
        self.start_commit();
    }

    /// Begins a commit of everything that came, unless one is under way.
    pub(super) fn start_commit(&mut self) {
        if !self.commit.is_empty() {
            return;
        }
        self.commit_at = None;
        let Outbox { entries, health, touched, releases, replies, is_awaited: _ } = std::mem::take(&mut self.outbox);
        let mut writes = Vec::new();
        for webhook in touched {
            let Some(slot) = self.slots.get_mut(&webhook) else { continue };
            let (queued, full) = slot.queue.take_writes();
            writes.extend(queued);
            if full {
                self.is_full(webhook, Set::Deferred);
            }
            self.want_more(webhook);
        }
        writes.extend(health.into_iter().filter_map(|webhook| {
            let health = self.slots.get(&webhook).map(|slot| slot.health.clone());
            health.map(|health| Write::Health { webhook, health: Some(health) })
        }));
        let batch = Batch { entries, writes, releases, replies };
        if batch.entries.is_empty() && batch.writes.is_empty() {
            return self.settled(batch);
        }
        tracing::trace!(target: "shopbell::step", "results to write");
        self.unsettled = batch.releases.len();
        let (store, counters) = (self.means.store.clone(), self.counters.clone());
        self.commit.spawn(batch.write(store, counters));
    }

    pub(super) fn committed(&mut self, batch: Result<Batch, JoinError>) {
        match batch {
            Ok(batch) => {
                tracing::trace!(target: "shopbell::step", "results durable");
                self.settled(batch);
            }
            // Its groups stay closed until the next start, which sends again what is not known to be delivered.
            Err(error) => {
                self.unsettled = 0;
                tracing::error!(%error, "writing results panicked");
            }
        }
    }

    fn settled(&mut self, batch: Batch) {
        self.unsettled = 0;
        for (webhook, seq) in batch.releases {
            if let Some(slot) = self.slots.get_mut(&webhook) {
                slot.queue.release(seq);
            }
            self.give_turn(webhook);
            self.want_more(webhook);
        }
        for reply in batch.replies {
            // A caller that has gone needs no answer.
            let _ = match reply {
                Reply::Status(caller, health) => caller.send(Ok(health)).is_ok(),
                Reply::Ping(caller, result) => caller.send(result).is_ok(),
                Reply::Replay(caller, result) => caller.send(result).is_ok(),
            };
        }
    }
}
