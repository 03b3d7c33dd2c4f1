//! Starting attempts under the limits, and what their results mean.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::{self, JoinError};

use super::outbox::Reply;
use super::replays::Replayed;
use super::slots::Turn;
use super::{FLIGHTS_MAX, STORE_PAUSE, Scheduler, UNSETTLED_MAX};
use crate::clock::Timestamp;
use crate::deliver::attempt::Report;
use crate::deliver::counters::{Bound, Set};
use crate::deliver::flight::{self, Cargo, Flight, Landing};
use crate::deliver::queue::Settle;
use crate::id::{Seq, WebhookId};
use crate::model::record::LogEntry;
use crate::model::{Attempt, DeliveryEnd, Webhook};
use crate::store::Gone;

/// The pause before a delivery goes out again whose attempt panicked.
const PANIC_PAUSE: Duration = Duration::from_mins(1);

impl Scheduler {
    /// Starts what may go out, in turn: one attempt for each webhook, then the next round.
    pub(super) fn start_attempts(&mut self) {
        let now = self.now();
        while self.has_places() {
            let Some(id) = self.turns.pop_front() else { break };
            let Some(slot) = self.slots.get_mut(&id) else { continue };
            slot.has_turn = false;
            let Some(webhook) = slot.deliverable().cloned() else { continue };
            if slot.ping_due() {
                self.start_ping(id, None);
                self.give_turn(id);
                continue;
            }
            match slot.turn(&webhook, now, &mut self.hosts) {
                Turn::Go(ready) => {
                    let (means, draft, host) = (self.means.clone(), Arc::clone(&slot.draft), Arc::clone(&slot.host));
                    let task =
                        self.running.spawn(flight::deliver(means, Arc::clone(&webhook), draft, ready.clone(), 0));
                    self.hosts.enter(&host);
                    if ready.probe {
                        // The next one shall find a delivery that was never out.
                        self.want_more(id);
                    }
                    let cargo = Cargo::Delivery(ready);
                    self.flights.insert(task.id(), Flight { webhook, at: now, host, cargo });
                    self.give_turn(id);
                }
                Turn::Replay(replay) => self.start_replay(id, webhook, *replay),
                Turn::At(due) => _ = self.timers.insert((due, id)),
                Turn::Full => self.is_full(id, Set::Waiting),
                Turn::Bound(bound) => self.counters.count_bound(bound),
                Turn::Nothing => {}
            }
        }
        self.counters.set_in_flight(self.flights.len());
    }

    /// Whether another attempt may begin now. The bound that says no is counted when it begins to keep something back.
    fn has_places(&mut self) -> bool {
        let bound = if self.flights.len() >= FLIGHTS_MAX {
            Some(Bound::Flights)
        } else if self.unsettled + self.outbox.releases.len() >= UNSETTLED_MAX {
            Some(Bound::Unsettled)
        } else {
            None
        };
        let Some(bound) = bound else {
            self.bitten = None;
            return true;
        };
        let now = self.now();
        let has_ready = |id| self.slots.get(id).is_some_and(|slot| slot.deliverable().is_some() && slot.has_ready(now));
        let bites = self.turns.iter().any(has_ready).then_some(bound);
        if bites.is_some() && self.bitten != bites {
            self.counters.count_bound(bound);
        }
        self.bitten = bites;
        false
    }

    /// Starts a ping; `reply` is told how it went.
    pub(super) fn start_ping(&mut self, id: WebhookId, reply: Option<oneshot::Sender<Result<u16, String>>>) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let Some(webhook) = slot.webhook.clone() else { return };
        slot.pinging = true;
        let (spelling, host) = (slot.spelling.clone(), Arc::clone(&slot.host));
        let task = self.running.spawn(flight::ping(self.means.clone(), Arc::clone(&webhook), spelling));
        let at = self.now();
        self.hosts.enter(&host);
        self.flights.insert(task.id(), Flight { webhook, at, host, cargo: Cargo::Ping(reply) });
    }

    /// Takes a result in, and all that came with it: the turn of the loop between two costs more than the second.
    pub(super) fn land_all(&mut self, first: Result<(task::Id, Landing), JoinError>) {
        self.land(first);
        while let Some(landed) = self.running.try_join_next_with_id() {
            self.land(landed);
        }
    }

    /// Takes the result of an attempt or a ping in.
    pub(super) fn land(&mut self, landed: Result<(task::Id, Landing), JoinError>) {
        let (id, landing) = match landed {
            Ok((id, landing)) => (id, Some(landing)),
            Err(error) => {
                tracing::error!(%error, "an attempt panicked");
                (error.id(), None)
            }
        };
        let Some(mut flight) = self.flights.remove(&id) else { return };
        for parked in self.hosts.leave(&flight.host) {
            self.give_turn(parked);
        }
        self.give_turn(flight.webhook.id);
        if matches!(flight.cargo, Cargo::Replay(_)) {
            self.replay_landed(flight.webhook.id);
        }
        match (&mut flight.cargo, landing) {
            (Cargo::Replay(replay), Some(Landing::Delivered { event, delivery, report })) => {
                let caller = replay.reply.take();
                self.replayed(&flight, caller, &event, delivery, *report);
            }
            (Cargo::Ping(reply), Some(Landing::Pinged(report))) => {
                let reply = reply.take();
                self.pinged(&flight, *report, reply);
            }
            // What is gone is sent no more.
            (Cargo::Replay(replay), Some(Landing::Missing(..))) => {
                let caller = replay.reply.take();
                self.outbox.replies.extend(caller.map(|caller| Reply::Replay(caller, Replayed::Failed)));
            }
            // A ping panicked, and would again: `pinging` stays, so that it is not tried before the next start. A replay
            // panicked: whoever asked learns it by the missing answer.
            (Cargo::Ping(_) | Cargo::Replay(_), _) => {}
            (Cargo::Delivery(ready), Some(Landing::Delivered { event, delivery, report })) => {
                let ready = ready.clone();
                self.attempted(&flight, &ready, &event, delivery, *report);
            }
            (Cargo::Delivery(ready), Some(Landing::Missing(gone, last))) => {
                let seq = ready.seq;
                self.missing(&flight.webhook, seq, gone, last);
                self.settle(flight.webhook.id, seq, Settle::Done);
            }
            (Cargo::Delivery(ready), Some(Landing::NotRead(error))) => {
                tracing::error!(webhook = flight.webhook.name, event = %ready.seq, error, "an event cannot be read; trying again");
                self.counters.count_store_failure();
                self.later(flight.webhook.id, ready.seq, STORE_PAUSE);
            }
            (Cargo::Delivery(ready), _) => self.later(flight.webhook.id, ready.seq, PANIC_PAUSE),
        }
    }

    /// A delivery ends because its event is gone: at its last attempt in the log, or with a notice where it was never out.
    fn missing(&mut self, webhook: &Webhook, seq: Seq, gone: Gone, last: Option<Box<Attempt>>) {
        let (end, why) = match gone {
            Gone::Removed => (DeliveryEnd::Dropped, "was dropped, as the disk budget was spent,"),
            Gone::Erased => (DeliveryEnd::Erased, "was erased"),
            Gone::Damaged => (DeliveryEnd::Damaged, "was lost to damage on the disk"),
        };
        let ended = Some(self.ended(webhook.id, end, 0));
        if let Some(outcome) = last.and_then(|last| Attempt { ended, ..*last }.outcome()) {
            self.outbox.entries.push(LogEntry::Outcome(Box::new(outcome)));
        } else {
            let text = format!("webhook {}: event {seq} {why} before it was delivered", webhook.name);
            self.notice(webhook.id, text);
        }
    }

    /// Counts an attempt and has the log keep it; `event` is when its event was seen.
    pub(super) fn record(&mut self, attempt: Attempt, event: Option<Timestamp>) {
        let is_measured = self.slots.get(&attempt.webhook).is_some_and(|slot| slot.is_measured);
        self.counters.attempt(&attempt, event, is_measured);
        self.outbox.entries.push(LogEntry::Attempt(Box::new(attempt)));
    }

    pub(super) fn settle(&mut self, webhook: WebhookId, seq: Seq, settle: Settle) {
        if let Some(slot) = self.slots.get_mut(&webhook) {
            self.outbox.is_awaited |= slot.queue.settle(seq, settle);
            self.outbox.touched.insert(webhook);
            self.outbox.releases.push((webhook, seq));
        }
    }

    pub(super) fn later(&mut self, webhook: WebhookId, seq: Seq, pause: Duration) {
        let due = self.now().plus(pause);
        if let Some(slot) = self.slots.get_mut(&webhook) {
            slot.queue.settle(seq, Settle::Later(due));
            self.give_turn(webhook);
        }
    }

    fn pinged(&mut self, flight: &Flight, report: Report, reply: Option<oneshot::Sender<Result<u16, String>>>) {
        let Some(slot) = self.slots.get_mut(&flight.webhook.id) else { return };
        slot.pinging = false;
        slot.health.pinged(&flight.webhook.url, report.status == Some(200));
        self.outbox.health.insert(flight.webhook.id);
        if let Some(caller) = reply {
            let result = report.status.ok_or_else(|| report.failure().to_owned());
            self.outbox.replies.push(Reply::Ping(caller, result));
        }
        let attempt = flight.record(None, String::new(), report, String::new());
        self.record(attempt, None);
        // The URL may have changed while the ping was under way.
        self.webhook_changed(flight.webhook.id);
    }
}
