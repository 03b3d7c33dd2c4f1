//! What people ask of the scheduler.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::Scheduler;
use super::outbox::Reply;
use super::replays::Replay;
use super::slots::Slot;
use crate::deliver::gauges::{self, Standing};
use crate::id::{Seq, WebhookId};
use crate::model::{Health, Status, Webhook};

#[derive(Debug)]
pub(in crate::deliver) enum Command {
    SetStatus {
        webhook: WebhookId,
        status: Status,
        actor: String,
        reply: oneshot::Sender<Result<Health, String>>,
    },
    Ping {
        webhook: WebhookId,
        reply: oneshot::Sender<Result<u16, String>>,
    },
    /// Sends a delivery again.
    Replay {
        webhook: WebhookId,
        replay: Box<Replay>,
    },
    /// Makes a delivery due that its webhook's own queue owes; tells whether it does.
    Hurry {
        webhook: WebhookId,
        event: Seq,
        reply: oneshot::Sender<bool>,
    },
    /// Takes back the replays of a run that are not on their way yet.
    Withdraw {
        run: u32,
    },
    Backlog {
        webhook: WebhookId,
        reply: oneshot::Sender<(u64, u64)>,
    },
    /// How the webhooks in force stand, and how many were left out.
    Standings {
        reply: oneshot::Sender<(Vec<Standing>, usize)>,
    },
}

impl Scheduler {
    pub(super) fn obey(&mut self, command: Command) {
        // A caller that has gone needs no answer.
        match command {
            Command::SetStatus { webhook, status, actor, reply } => match self.in_force(webhook) {
                Ok(table) => self.set_status(&table, status, &actor, reply),
                Err(fault) => _ = reply.send(Err(fault)),
            },
            Command::Ping { webhook, reply } => match self.in_force(webhook) {
                Ok(_) => self.start_ping(webhook, Some(reply)),
                Err(fault) => _ = reply.send(Err(fault)),
            },
            Command::Replay { webhook, replay } => self.take_replay(webhook, *replay),
            Command::Hurry { webhook, event, reply } => _ = reply.send(self.hurry(webhook, event)),
            Command::Withdraw { run } => self.withdraw(run),
            Command::Backlog { webhook, reply } => _ = reply.send(self.backlog(webhook)),
            Command::Standings { reply } => _ = reply.send(self.standings()),
        }
    }

    fn in_force(&self, webhook: WebhookId) -> Result<Arc<Webhook>, String> {
        let table = self.slots.get(&webhook).and_then(|slot| slot.webhook.clone());
        table.ok_or_else(|| {
            format!("no webhook {webhook} is in the rules in force; `webhooks list` shows those that are")
        })
    }

    fn set_status(
        &mut self,
        webhook: &Arc<Webhook>,
        status: Status,
        actor: &str,
        reply: oneshot::Sender<Result<Health, String>>,
    ) {
        let (id, now) = (webhook.id, self.now());
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let was = slot.health.status(webhook.status, &webhook.url);
        slot.health.set_status(webhook, status, now, actor);
        // Somebody says that the receiver is back. Otherwise what waits for its next attempt keeps its time.
        if status == Status::Active && was == Status::Disabled {
            slot.queue.hurry();
        }
        slot.breaker_moved();
        let health = slot.health.clone();
        self.outbox.health.insert(id);
        self.outbox.replies.push(Reply::Status(reply, health));
        self.notice(id, format!("webhook {}: set to {} by {actor}", webhook.name, status.as_str()));
        self.webhook_changed(id);
    }

    fn backlog(&self, webhook: WebhookId) -> (u64, u64) {
        let Some(slot) = self.slots.get(&webhook) else { return (0, 0) };
        let (waiting, deferred) = slot.queue.set_aside();
        let aside = u64::try_from(waiting + deferred).unwrap_or(u64::MAX);
        (aside, self.head.borrow().0.saturating_sub(slot.queue.cursor().0))
    }

    fn standings(&self) -> (Vec<Standing>, usize) {
        let in_force = self.slots.iter().filter_map(|(id, slot)| Some((*id, slot.webhook.as_ref()?, slot)));
        let (mut measured, left_out): (Vec<_>, Vec<_>) = in_force.partition(|(.., slot)| slot.is_measured);
        measured.sort_unstable_by_key(|(id, ..)| *id);
        let standing = |(id, webhook, slot): (WebhookId, &Arc<Webhook>, &Slot)| {
            let (waiting, deferred) = slot.queue.set_aside();
            let (status, reason) = gauges::status(webhook, &slot.health);
            Standing {
                name: webhook.name.clone(),
                waiting,
                deferred,
                behind: self.backlog(id).1,
                oldest: slot.queue.oldest(),
                age: None,
                breaker: gauges::breaker(&slot.health),
                status,
                reason,
            }
        };
        (measured.into_iter().map(standing).collect(), left_out.len())
    }
}
