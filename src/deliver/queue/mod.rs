//! One webhook's deliveries as a pure state machine: what the journal owes it, what may go out now, and the state writes
//! that make each step durable.
//!
//! The journal is read from `read` on. What it owes is **ahead** until the state knows it: the cursor stands at the first
//! one ahead, so whatever is lost in a crash is read again. What was tried and failed is **waiting**, what stands behind it
//! in its group is **deferred**; both are in the state, so the cursor moves on. Deliveries that are done while the cursor
//! still stands before them are **finished**.
//!
//! One delivery of a group (resource, identity) is out at a time, the oldest; a result closes its group until it is on
//! disk. Events without an identity (actions without an id) have nothing to be in order with: each is a group of its own.

mod settle;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::id::{Seq, WebhookId};
use crate::model::{Event, Identity, Write};
use crate::store::WebhookState;

pub(super) use settle::Settle;

/// Deliveries behind a waiting head that one webhook keeps beside its cursor; full: the cursor stops.
pub(super) const DEFERRED_MAX: usize = 10_000;

/// Deliveries between two attempts that one webhook keeps beside its cursor; full: nothing new is tried.
pub(super) const WAITING_MAX: usize = 10_000;

/// Deliveries read ahead of the cursor and not yet done, for one webhook; full: reading stops.
const AHEAD_MAX: usize = 32;

/// Deliveries done above a cursor that stands still; full: reading stops.
const FINISHED_MAX: usize = 1_024;

/// Bodies up to so many bytes stay in memory between reading and the attempt; larger ones are read again.
const KEPT_BODY_BYTES: usize = 16 * 1024;

/// A delivery that may go out now.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    /// The event.
    pub(super) seq: Seq,
    /// Attempts made so far.
    pub(super) attempts: u32,
    /// The event itself, where it is still in memory.
    pub(super) event: Option<Arc<Event>>,
}

/// Events that leave in order: a group, or one event alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Lane {
    group: Arc<(String, Identity)>,
    alone: Option<Seq>,
}

impl Lane {
    fn new(seq: Seq, group: &(String, Identity)) -> Self {
        let alone = (group.1 == Identity::None).then_some(seq);
        Self { group: Arc::new(group.clone()), alone }
    }
}

/// Where the state keeps a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    /// Nowhere: the cursor stands before it.
    Ahead,
    /// In the waiting set.
    Waiting,
    /// In the deferred set.
    Deferred,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Another of its lane goes first.
    Behind,
    /// It may go out.
    Ready,
    /// It may go out from this moment on.
    Due(Timestamp),
    /// An attempt is being made.
    InFlight,
    /// The result is on its way to the disk: done, or due again.
    Settling(Option<Timestamp>),
}

#[derive(Debug)]
struct Entry {
    lane: Lane,
    attempts: u32,
    due: Option<Timestamp>,
    event: Option<Arc<Event>>,
    kept: Kept,
    phase: Phase,
}

/// One webhook's deliveries.
#[derive(Debug)]
pub(super) struct Queue {
    webhook: WebhookId,
    /// Where reading goes on.
    read: Seq,
    /// The cursor as the state has it once the writes given out are applied.
    stored_cursor: Seq,
    finished: BTreeSet<Seq>,
    entries: HashMap<Seq, Entry>,
    lanes: HashMap<Lane, VecDeque<Seq>>,
    ahead: BTreeSet<Seq>,
    ready: BTreeSet<Seq>,
    due: BTreeSet<(Timestamp, Seq)>,
    /// Done, and not yet told apart into finished above the cursor and passed by it.
    done: Vec<Seq>,
    waiting: usize,
    deferred: usize,
    busy: usize,
    writes: Vec<Write>,
}

impl Queue {
    /// From what the state knows; `state.cursor` is where reading begins.
    pub(super) fn new(webhook: WebhookId, state: WebhookState) -> Self {
        let mut queue = Self {
            webhook,
            read: state.cursor,
            stored_cursor: state.cursor,
            finished: state.finished.into_iter().collect(),
            entries: HashMap::new(),
            lanes: HashMap::new(),
            ahead: BTreeSet::new(),
            ready: BTreeSet::new(),
            due: BTreeSet::new(),
            done: Vec::new(),
            waiting: state.waiting.len(),
            deferred: state.deferred.len(),
            busy: 0,
            writes: Vec::new(),
        };
        let waiting = state.waiting.into_iter().map(|(seq, w)| (seq, w.group, w.attempts, Some(w.due), Kept::Waiting));
        let deferred = state.deferred.into_iter().map(|(seq, group)| (seq, group, 0, None, Kept::Deferred));
        let mut all: Vec<_> = waiting.chain(deferred).collect();
        all.sort_by_key(|(seq, ..)| *seq);
        for (seq, group, attempts, due, kept) in all {
            let lane = Lane::new(seq, &group);
            queue.insert(seq, Entry { lane, attempts, due, event: None, kept, phase: Phase::Behind });
        }
        queue
    }

    /// Starts a webhook never seen before at the journal's `head`.
    pub(super) fn start_at(&mut self, head: Seq) {
        self.read = head;
    }

    /// The sequence reading goes on from.
    pub(super) fn read_from(&self) -> Seq {
        self.read
    }

    /// Whether more of the journal should be read.
    pub(super) fn has_room(&self) -> bool {
        self.ahead.len() < AHEAD_MAX && self.finished.len() < FINISHED_MAX
    }

    /// Takes events read from [`Queue::read_from`] on; `next` is where reading goes on. Gives whether one was owed.
    pub(super) fn feed(&mut self, events: &[(Seq, Arc<Event>)], next: Seq) -> bool {
        let mut owed = false;
        for (seq, event) in events {
            let known = *seq < self.read || self.finished.contains(seq) || self.entries.contains_key(seq);
            if known || !event.webhooks.contains(&self.webhook) {
                continue;
            }
            owed = true;
            self.ahead.insert(*seq);
            let lane = Lane::new(*seq, &event.group);
            let event = (event.body.get().len() <= KEPT_BODY_BYTES).then(|| Arc::clone(event));
            self.insert(*seq, Entry { lane, attempts: 0, due: None, event, kept: Kept::Ahead, phase: Phase::Behind });
        }
        self.read = self.read.max(next);
        owed
    }

    /// The next delivery to attempt at `now`, the oldest first; it counts as in flight from here on.
    pub(super) fn next(&mut self, now: Timestamp) -> Option<Ready> {
        while let Some((_, seq)) = self.due.first().copied().filter(|(due, _)| *due <= now) {
            self.due.pop_first();
            self.make_ready(seq);
        }
        let seq = *self.ready.first()?;
        let entry = self.entries.get_mut(&seq)?;
        if entry.kept == Kept::Ahead && self.waiting >= WAITING_MAX {
            return None;
        }
        entry.phase = Phase::InFlight;
        self.ready.remove(&seq);
        self.busy += 1;
        Some(Ready { seq, attempts: entry.attempts, event: entry.event.clone() })
    }

    /// When the next delivery is due that is not due yet.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Makes everything due now: somebody says that the receiver is back.
    pub(super) fn hurry(&mut self) {
        for (_, seq) in std::mem::take(&mut self.due) {
            self.make_ready(seq);
        }
    }

    /// Makes one delivery due now, or the one of its group that stands before it. Gives whether it is still owed.
    pub(super) fn hurry_one(&mut self, seq: Seq) -> bool {
        let Some(entry) = self.entries.get(&seq) else { return seq >= self.read };
        let head = self.lanes.get(&entry.lane).and_then(|lane| lane.front()).copied().unwrap_or(seq);
        if let Some(Phase::Due(due)) = self.entries.get(&head).map(|entry| entry.phase) {
            self.due.remove(&(due, head));
            self.make_ready(head);
        }
        true
    }

    /// Deliveries in flight, and those whose result is not yet on disk.
    pub(super) fn busy(&self) -> usize {
        self.busy
    }

    /// Deliveries beside the cursor: waiting, and deferred.
    pub(super) fn set_aside(&self) -> (usize, usize) {
        (self.waiting, self.deferred)
    }

    /// The next sequence that is neither finished, waiting nor deferred, nor of no interest.
    pub(super) fn cursor(&self) -> Seq {
        self.ahead.first().copied().unwrap_or(self.read)
    }

    fn insert(&mut self, seq: Seq, entry: Entry) {
        let lane = self.lanes.entry(entry.lane.clone()).or_default();
        lane.push_back(seq);
        let first = lane.len() == 1;
        self.entries.insert(seq, entry);
        if first {
            self.open(seq);
        }
    }

    /// `seq` is now the first of its lane.
    fn open(&mut self, seq: Seq) {
        match self.entries.get(&seq).and_then(|entry| entry.due) {
            Some(due) => self.make_due(seq, due),
            None => self.make_ready(seq),
        }
    }

    fn make_due(&mut self, seq: Seq, due: Timestamp) {
        if let Some(entry) = self.entries.get_mut(&seq) {
            entry.phase = Phase::Due(due);
            self.due.insert((due, seq));
        }
    }

    fn make_ready(&mut self, seq: Seq) {
        if let Some(entry) = self.entries.get_mut(&seq) {
            entry.phase = Phase::Ready;
            self.ready.insert(seq);
        }
    }
}
