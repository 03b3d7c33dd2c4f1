//! Deliveries that a run sends again, beside a webhook's own queue: they share its places, its rate and its breaker, and
//! leave its cursor alone.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::Scheduler;
use super::outbox::Reply;
use super::results::{chance, decision_text};
use crate::clock::Timestamp;
use crate::deliver::attempt::Report;
use crate::deliver::flight::{self, Cargo, Flight};
use crate::deliver::queue::Ready;
use crate::deliver::retry::{self, Wish};
use crate::id::{Seq, WebhookId};
use crate::model::{Attempt, Decision, DeliveryEnd, Event, Trigger, Webhook};

/// So many times a run tries a delivery again before it gives it up, after the first gaps of the webhook's schedule.
const RETRIES: u32 = 3;

/// One delivery to send again.
#[derive(Debug)]
pub(in crate::deliver) struct Replay {
    /// The run it belongs to.
    pub(in crate::deliver) run: u32,
    /// Why it goes out.
    pub(in crate::deliver) trigger: Trigger,
    /// Its event.
    pub(in crate::deliver) seq: Seq,
    /// As it was read; `None` after an erase: it is read again.
    pub(in crate::deliver) event: Option<Arc<Event>>,
    /// Its replay number: 0 keeps the id of the first delivery.
    pub(in crate::deliver) number: u32,
    /// Id of the first delivery, where this one has another.
    pub(in crate::deliver) of: String,
    /// Whether it goes out as a probe of a receiver that failed: then it is no attempt of its own.
    pub(in crate::deliver) probe: bool,
    /// Attempts the run has made of it.
    pub(in crate::deliver) attempts: u32,
    /// Told when the result is on disk.
    pub(in crate::deliver) reply: Option<oneshot::Sender<Replayed>>,
}

/// How one attempt of a replay went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::deliver) enum Replayed {
    /// The receiver took it.
    Delivered,
    /// It is given up.
    Failed,
    /// It may go out again from this moment on.
    Again(Timestamp),
    /// The same, and it was only a probe: no attempt was used up.
    Probed,
}

/// A webhook's replays.
#[derive(Debug, Default)]
pub(super) struct Replays {
    queue: VecDeque<Replay>,
    busy: usize,
}

impl Replays {
    /// How many are on their way.
    pub(super) const fn busy(&self) -> usize {
        self.busy
    }

    /// Whether none waits for its turn.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// What is kept of events in memory may be erased by now.
    pub(super) fn let_all_go(&mut self) {
        self.queue.iter_mut().for_each(|replay| replay.event = None);
    }

    /// Whether one should go before the webhook's own deliveries: one of its places is theirs, so that neither side stands
    /// still for the other.
    pub(super) fn go_first(&self) -> bool {
        self.busy == 0 && !self.queue.is_empty()
    }

    /// The next one, as a probe or not; it counts as on its way from here on.
    pub(super) fn next(&mut self, probe: bool) -> Option<Box<Replay>> {
        let replay = self.queue.pop_front()?;
        self.busy += 1;
        Some(Box::new(Replay { probe, ..replay }))
    }
}

impl Scheduler {
    /// Takes a replay in. Where the webhook is not known, whoever asked learns it by the missing answer.
    pub(super) fn take_replay(&mut self, webhook: WebhookId, replay: Replay) {
        if let Some(slot) = self.slots.get_mut(&webhook) {
            slot.replays.queue.push_back(replay);
            self.give_turn(webhook);
        }
    }

    /// Sends a replay of a webhook whose turn it is.
    pub(super) fn start_replay(&mut self, id: WebhookId, webhook: Arc<Webhook>, replay: Replay) {
        let at = self.now();
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let (means, draft, host) = (self.means.clone(), Arc::clone(&slot.draft), Arc::clone(&slot.host));
        let (event, uid) = (replay.event.clone(), replay.event.as_ref().map(|event| event.uid));
        let ready = Ready { seq: replay.seq, attempts: replay.attempts, probe: replay.probe, event, uid };
        let task = self.running.spawn(flight::deliver(means, Arc::clone(&webhook), draft, ready, replay.number));
        self.hosts.enter(&host);
        self.flights.insert(task.id(), Flight { webhook, at, host, cargo: Cargo::Replay(Box::new(replay)) });
        self.give_turn(id);
    }

    /// Makes a delivery due now that waits for its next attempt, or for one of its group before it. Gives whether the
    /// webhook's own queue still owes it.
    pub(super) fn hurry(&mut self, webhook: WebhookId, seq: Seq) -> bool {
        let Some(slot) = self.slots.get_mut(&webhook) else { return false };
        let owed = slot.queue.hurry_one(seq);
        self.give_turn(webhook);
        owed
    }

    /// Forgets the replays of a run that are not on their way yet.
    pub(super) fn withdraw(&mut self, run: u32) {
        for slot in self.slots.values_mut() {
            slot.replays.queue.retain(|replay| replay.run != run);
        }
    }

    /// A replay is back.
    pub(super) fn replay_landed(&mut self, webhook: WebhookId) {
        if let Some(slot) = self.slots.get_mut(&webhook) {
            slot.replays.busy = slot.replays.busy.saturating_sub(1);
        }
        self.give_turn(webhook);
    }

    /// Takes the result of one attempt in.
    pub(super) fn replayed(
        &mut self,
        flight: &Flight,
        caller: Option<oneshot::Sender<Replayed>>,
        event: &Event,
        delivery: String,
        report: Report,
    ) {
        let Cargo::Replay(replay) = &flight.cargo else { return };
        let (now, webhook) = (self.now(), &flight.webhook);
        let made = replay.attempts.saturating_add(1);
        let wish = Wish::of(report.status, &report.verdict, report.retry_after.as_deref(), now);
        let gap = retry::gap(&webhook.retry, made, chance(), wish).filter(|_| made <= RETRIES);
        let decision = Decision::after(&report.verdict, report.status, gap, now);
        // The delivery has failed before: only what the attempt says about the receiver counts.
        let health = match decision {
            Decision::GiveUp(_) => Decision::Retry { due: now },
            other => other,
        };
        let news = self.take_health(flight, health, &report, wish);
        let mut text = decision_text(decision, report.status, made, now);
        let (end, answer) = match decision {
            Decision::Delivered => (Some(DeliveryEnd::Delivered), Replayed::Delivered),
            _ if replay.probe => {
                "it was a probe: it goes out again when the receiver answers".clone_into(&mut text);
                (None, Replayed::Probed)
            }
            Decision::GiveUp(end) => (Some(end), Replayed::Failed),
            Decision::Retry { due } => (None, Replayed::Again(due)),
        };
        let failure = report.failure().to_owned();
        let attempt = flight.record(Some(event), delivery, report, text);
        let ended = end.map(|end| self.ended(webhook.id, end, replay.number));
        self.record(Attempt { ended, ..attempt }, None);
        for news in news {
            self.tell(webhook, &news, &failure);
        }
        if let Some(caller) = caller {
            self.outbox.replies.push(Reply::Replay(caller, answer));
        }
    }
}
