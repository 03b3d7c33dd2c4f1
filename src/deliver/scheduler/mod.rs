//! The one task that schedules: it reads the journal, starts attempts under limits, and makes results durable.
//!
//! Nothing in its loop waits for a receiver or for the disk: attempts, reads and commits are tasks beside it, and what they
//! bring is an event of the loop like a due time or a changed webhook. Results of all webhooks go to disk together: those that
//! came while the last commit was under way, and, where no delivery waits for them, those of the next few milliseconds. Only
//! then does the next delivery of their groups go out.

mod alerts;
mod attempts;
mod commands;
mod journal;
mod outbox;
mod pace;
mod replays;
mod results;
mod slots;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{self, JoinSet};

use super::attempt::Report;
use super::client::Client;
use super::counters::{Bound, Counters};
use super::flight::{Flight, Landing, Means};
use super::{Webhooks, flight};
use crate::clock::{Clock, ClockWatch, Timestamp};
use crate::id::{Seq, WebhookId};
use crate::model::FailureClass;
use crate::store::Store;

pub(super) use commands::Command;
use outbox::{Batch, Outbox};
use pace::Hosts;
pub(super) use replays::{Replay, Replayed};
use slots::Slot;

/// Attempts of all webhooks at once.
const FLIGHTS_MAX: usize = 256;

/// Results of all webhooks that are not on disk yet; full: no attempt begins before some are.
const UNSETTLED_MAX: usize = 1_024;

/// How long attempts in flight may go on after the order to stop.
const DRAIN: Duration = Duration::from_secs(25);

/// How long the last results may take to the disk after that.
const LAST_COMMIT: Duration = Duration::from_secs(3);

/// The pause before the store is asked again after it failed.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// How long the state may lag behind a cursor that passed only events of no interest.
const CURSOR_LAG: Duration = Duration::from_secs(10);

/// When nothing is due, the loop still turns so often.
const IDLE: Duration = Duration::from_hours(1);

#[derive(Debug)]
pub(super) struct Scheduler {
    means: Means,
    counters: Counters,
    webhooks: Webhooks,
    head: watch::Receiver<Seq>,
    /// Every webhook seen since the start; those no longer in force only rest here.
    slots: HashMap<WebhookId, Slot>,
    /// Webhooks that may have something to send, in turn: one attempt each.
    turns: VecDeque<WebhookId>,
    /// When to give a webhook a turn because something is due.
    timers: BTreeSet<(Timestamp, WebhookId)>,
    hosts: Hosts,
    running: JoinSet<Landing>,
    flights: HashMap<task::Id, Flight>,
    reads: JoinSet<journal::Read>,
    /// Positions being read, and those to be read.
    reading: BTreeSet<Seq>,
    wanted: BTreeSet<Seq>,
    outbox: Outbox,
    /// At most one: the order of commits is the order of results.
    commit: JoinSet<Batch>,
    /// Results on their way to the disk.
    unsettled: usize,
    /// The bound that keeps attempts back now.
    bitten: Option<Bound>,
    /// When cursors are written that only passed events of no interest.
    cursors_at: Option<Timestamp>,
    /// When results are written that could wait for others.
    commit_at: Option<Timestamp>,
    /// When the store is asked again after it failed.
    store_at: Option<Timestamp>,
    /// Erases after which nothing of before is kept in memory.
    erases: u64,
    /// Alerts on their way.
    alerts: JoinSet<alerts::Posted>,
    watch: ClockWatch,
}

impl Scheduler {
    pub(super) fn new(client: Client, store: Store, webhooks: Webhooks, clock: Clock, counters: Counters) -> Self {
        let (head, instance) = (store.head(), store.instance_key());
        Self {
            means: Means { client, store, clock, instance },
            counters,
            webhooks,
            head,
            slots: HashMap::new(),
            turns: VecDeque::new(),
            timers: BTreeSet::new(),
            hosts: Hosts::default(),
            running: JoinSet::new(),
            flights: HashMap::new(),
            reads: JoinSet::new(),
            reading: BTreeSet::new(),
            wanted: BTreeSet::new(),
            outbox: Outbox::default(),
            commit: JoinSet::new(),
            unsettled: 0,
            bitten: None,
            cursors_at: None,
            commit_at: None,
            store_at: None,
            erases: 0,
            alerts: JoinSet::new(),
            watch: ClockWatch::new(clock),
        }
    }

    /// Schedules until `shutdown` shows `true` or its sender is gone.
    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Command>, mut shutdown: watch::Receiver<bool>) {
        self.follow_webhooks().await;
        loop {
            self.look_at_clock();
            // Here and not by the timer below alone, which a loop that is never idle might never come to.
            if self.next_wake() <= self.now() {
                self.wake_up().await;
            }
            self.start_reads();
            self.forget_erased();
            self.start_attempts();
            self.commit_if_due();
            let wake = self.means.clock.instant(self.next_wake());
            tokio::select! {
                () = async { _ = shutdown.wait_for(|stop| *stop).await } => break,
                Some(landed) = self.running.join_next_with_id() => self.land_all(landed),
                Some(batch) = self.commit.join_next() => self.committed(batch),
                Some(read) = self.reads.join_next() => self.take_read(read),
                Some(posted) = self.alerts.join_next() => self.posted(posted),
                Ok(()) = self.head.changed() => self.look_at_journal(),
                Ok(()) = self.webhooks.changed() => self.follow_webhooks().await,
                Some(command) = inbox.recv() => self.obey(command),
                () = tokio::time::sleep_until(wake) => {}
            }
        }
        drop(inbox);
        self.drain().await;
    }

    /// After an erase, events are read again before they go out.
    fn forget_erased(&mut self) {
        let erases = self.means.store.erases();
        if std::mem::replace(&mut self.erases, erases) != erases {
            for slot in self.slots.values_mut() {
                slot.queue.let_all_go();
                slot.replays.let_all_go();
            }
        }
    }

    fn now(&self) -> Timestamp {
        self.means.clock.now()
    }

    fn next_wake(&self) -> Timestamp {
        let timer = self.timers.first().map(|(due, _)| *due);
        let idle = self.now().plus(IDLE);
        [timer, self.cursors_at, self.store_at, self.commit_at].into_iter().flatten().min().unwrap_or(idle)
    }

    /// Something is due.
    async fn wake_up(&mut self) {
        let now = self.now();
        while let Some((_, webhook)) = self.timers.first().copied().filter(|(due, _)| *due <= now) {
            self.timers.pop_first();
            self.look_at_incident(webhook);
            self.give_turn(webhook);
        }
        if self.cursors_at.take_if(|at| *at <= now).is_some() {
            self.touch_lagging_cursors();
        }
        if self.store_at.take_if(|at| *at <= now).is_some() {
            self.follow_webhooks().await;
            self.look_at_journal();
        }
    }

    /// Where somebody has set the machine's clock, everything that is due moves along: a gap lasts as long as it was meant to.
    fn look_at_clock(&mut self) {
        let Some(set) = self.watch.look() else { return };
        tracing::warn!(seconds = set / 1000, "the machine's clock was set; due times move along");
        for slot in self.slots.values_mut() {
            slot.shift(set);
        }
        self.timers = self.timers.iter().map(|(due, webhook)| (due.shifted(set), *webhook)).collect();
        for at in [&mut self.cursors_at, &mut self.store_at, &mut self.commit_at].into_iter().flatten() {
            *at = at.shifted(set);
        }
    }

    fn give_turn(&mut self, webhook: WebhookId) {
        if let Some(slot) = self.slots.get_mut(&webhook).filter(|slot| !slot.has_turn) {
            slot.has_turn = true;
            self.turns.push_back(webhook);
        }
    }

    /// The store failed: ask it again a little later.
    fn pause_store(&mut self) {
        self.counters.count_store_failure();
        let at = self.now().plus(STORE_PAUSE);
        self.store_at = Some(self.store_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// Lets what is in flight come home, within limits, and brings the results to disk.
    async fn drain(mut self) {
        self.touch_lagging_cursors();
        let deadline = self.means.clock.instant(self.now().plus(DRAIN));
        loop {
            self.start_commit();
            if self.flights.is_empty() && self.commit.is_empty() {
                break;
            }
            tokio::select! {
                Some(landed) = self.running.join_next_with_id() => self.land(landed),
                Some(batch) = self.commit.join_next() => self.committed(batch),
                Some(posted) = self.alerts.join_next() => self.posted(posted),
                () = tokio::time::sleep_until(deadline) => break,
            }
        }
        self.give_up_alerts();
        self.running.shutdown().await;
        for (_, flight) in std::mem::take(&mut self.flights) {
            let event = match &flight.cargo {
                flight::Cargo::Delivery(ready) => ready.event.clone(),
                flight::Cargo::Replay(replay) => replay.event.clone(),
                flight::Cargo::Ping(_) => None,
            };
            let report = Report::failed(FailureClass::Shutdown, "shopbell stopped before the receiver answered");
            let attempt =
                flight.record(event.as_deref(), String::new(), report, "goes out again after the start".to_owned());
            self.record(attempt, None);
        }
        let deadline = self.means.clock.instant(self.now().plus(LAST_COMMIT));
        loop {
            self.start_commit();
            tokio::select! {
                batch = self.commit.join_next() => match batch {
                    Some(batch) => self.committed(batch),
                    None => return,
                },
                () = tokio::time::sleep_until(deadline) => {
                    tracing::error!("results of deliveries could not be written before the stop; they go out again");
                    return;
                }
            }
        }
    }
}
