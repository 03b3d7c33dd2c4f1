//! One webhook's deliveries as a pure state machine: what the journal owes it, what may go out now, and the state writes
//! that make each step durable.
//!
//! The journal is read from `read` on. What it owes is **ahead** until the state knows it: the cursor stands at the first
//! one ahead, so whatever is lost in a crash is read again. What was tried and failed is **waiting**, what stands behind it
//! in its group is **deferred**; both are in the state, so the cursor moves on. Deliveries that are done while the cursor
//! still stands before them are **finished**.
//!
//! One delivery of a lane is out at a time, the oldest; a result closes its lane until it is on disk. What shares a lane is
//! the webhook's `ordering`: one group (resource, identity), everything, or nothing. Events without an identity (actions
//! without an id) have nothing to be in order with: each is a lane of its own.
//!
//! While the breaker is **open** the queue stands still: nothing is read, nothing is set aside, and the first of a lane,
//! each in turn, may go out as a probe.

mod lanes;
mod settle;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::id::{EventUid, Seq, WebhookId};
use crate::model::{Event, Identity, Ordering, Write};
use crate::store::WebhookState;

use lanes::Lane;
pub(super) use settle::Settle;

/// Deliveries behind a waiting head that one webhook keeps beside its cursor; full: the cursor stops.
pub(super) const DEFERRED_MAX: usize = 10_000;

/// Deliveries between two attempts that one webhook keeps beside its cursor; full: nothing new is tried.
pub(super) const WAITING_MAX: usize = 10_000;

/// Deliveries read ahead of the cursor and not yet done, for one webhook; full: reading stops. What is on its way to the
/// disk is among them: with as many as one wait for the disk takes, the receiver never waits for it.
const AHEAD_MAX: usize = 256;

/// Bytes of bodies that these keep in memory, for one webhook; full: reading stops.
const AHEAD_BYTES: usize = 512 * 1024;

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
    /// Whether it goes out as the breaker's probe, which uses up none of its attempts.
    pub(super) probe: bool,
    /// The event itself, where it is still in memory.
    pub(super) event: Option<Arc<Event>>,
    /// The event's uid, where it is known without the event.
    pub(super) uid: Option<EventUid>,
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
    group: Arc<(String, Identity)>,
    attempts: u32,
    due: Option<Timestamp>,
    event: Option<Arc<Event>>,
    uid: Option<EventUid>,
    kept: Kept,
    phase: Phase,
    /// It has been out, as an attempt of its own or as a probe.
    tried: bool,
    /// The receiver asked for the time until it is due (`Retry-After`): not even a probe goes out before.
    asked: bool,
}

/// One webhook's deliveries.
#[derive(Debug)]
pub(super) struct Queue {
    webhook: WebhookId,
    ordering: Ordering,
    /// Another ordering that waits until nothing is out.
    reorder: Option<Ordering>,
    /// The breaker is open.
    stopped: bool,
    /// The last delivery that was a probe.
    probed: Seq,
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
    /// Bytes of the bodies in `entries`.
    held: usize,
    waiting: usize,
    deferred: usize,
    /// One of these was full, and neither has been half empty since.
    filled: bool,
    busy: usize,
    /// Of these, those in flight.
    flying: usize,
    writes: Vec<Write>,
}

impl Queue {
    /// From what the state knows at `now`; `state.cursor` is where reading begins. Where the clock was set back since a
    /// delivery was put to waiting, it waits its gap from now on and not the hours that were taken back too.
    pub(super) fn new(webhook: WebhookId, ordering: Ordering, state: WebhookState, now: Timestamp) -> Self {
        let mut queue = Self {
            webhook,
            ordering,
            reorder: None,
            stopped: false,
            probed: Seq(0),
            read: state.cursor,
            stored_cursor: state.cursor,
            finished: state.finished.into_iter().collect(),
            entries: HashMap::new(),
            lanes: HashMap::new(),
            ahead: BTreeSet::new(),
            ready: BTreeSet::new(),
            due: BTreeSet::new(),
            done: Vec::new(),
            held: 0,
            waiting: state.waiting.len(),
            deferred: state.deferred.len(),
            filled: false,
            busy: 0,
            flying: 0,
            writes: Vec::new(),
        };
        let due = |since: Timestamp, due: Timestamp| {
            if since > now && since != Timestamp::default() { now.plus(due.since(since)) } else { due }
        };
        let waiting = state.waiting.into_iter();
        let waiting = waiting.map(|(seq, w)| {
            let due = Some(due(w.since, w.due));
            let tried = w.attempts > 0;
            (seq, w.group, Entry { attempts: w.attempts, uid: w.uid, due, tried, ..Entry::new(Kept::Waiting) })
        });
        let deferred = state.deferred.into_iter().map(|(seq, group)| (seq, group, Entry::new(Kept::Deferred)));
        let mut all: Vec<_> = waiting.chain(deferred).collect();
        all.sort_by_key(|(seq, ..)| *seq);
        for (seq, group, entry) in all {
            queue.insert(seq, &group, entry);
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
        // With the breaker open one that was never out is enough: it is what the probe carries.
        let is_new = |seq| self.entries.get(seq).is_some_and(|entry| !entry.tried);
        let enough = self.stopped && self.ahead.iter().any(is_new);
        !enough && self.ahead.len() < AHEAD_MAX && self.held < AHEAD_BYTES && self.finished.len() < FINISHED_MAX
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
            let bytes = event.body.get().len();
            let kept = (bytes <= KEPT_BODY_BYTES && self.held < AHEAD_BYTES).then(|| Arc::clone(event));
            self.held += if kept.is_some() { bytes } else { 0 };
            self.insert(*seq, &event.group, Entry { event: kept, uid: Some(event.uid), ..Entry::new(Kept::Ahead) });
        }
        self.read = self.read.max(next);
        owed
    }

    /// The next delivery to attempt at `now`, the oldest first; it counts as in flight from here on.
    pub(super) fn next(&mut self, now: Timestamp) -> Option<Ready> {
        if self.stopped || self.reorder.is_some() {
            return None;
        }
        while let Some((_, seq)) = self.due.first().copied().filter(|(due, _)| *due <= now) {
            self.due.pop_first();
            self.make_ready(seq);
        }
        let seq = *self.ready.first()?;
        if self.entries.get(&seq)?.kept == Kept::Ahead && self.waiting >= WAITING_MAX {
            return None;
        }
        self.take(seq, false)
    }

    /// The next probe at `now`, due or not, but for what the receiver asked to be left alone with: the first of a lane that
    /// was never out, else that of each lane in turn, so that one delivery the receiver cannot digest does not keep the
    /// breaker open for all. `None` while anything is out.
    pub(super) fn next_probe(&mut self, now: Timestamp) -> Option<Ready> {
        if self.busy > 0 || self.reorder.is_some() {
            return None;
        }
        let may = |due: Timestamp, seq| due <= now || self.entries.get(&seq).is_some_and(|entry| !entry.asked);
        let early = || self.due.iter().filter(|(due, seq)| may(*due, *seq)).map(|(_, seq)| *seq);
        let heads = || self.ready.iter().copied().chain(early());
        let is_new = |seq: &Seq| self.entries.get(seq).is_some_and(|entry| !entry.tried);
        let in_turn = || heads().filter(|seq| *seq > self.probed).min().or_else(|| heads().min());
        let seq = heads().filter(is_new).min().or_else(in_turn)?;
        self.probed = seq;
        self.take(seq, true)
    }

    fn take(&mut self, seq: Seq, probe: bool) -> Option<Ready> {
        let entry = self.entries.get_mut(&seq)?;
        if let Phase::Due(due) = entry.phase {
            self.due.remove(&(due, seq));
        }
        entry.phase = Phase::InFlight;
        entry.tried = true;
        self.ready.remove(&seq);
        self.busy += 1;
        self.flying += 1;
        Some(Ready { seq, attempts: entry.attempts, probe, event: entry.event.clone(), uid: entry.uid })
    }

    /// The body of a delivery is not needed in memory any more.
    fn let_go(&mut self, seq: Seq) {
        let event = self.entries.get_mut(&seq).and_then(|entry| entry.event.take());
        self.held -= event.map_or(0, |event| event.body.get().len());
    }

    /// What is kept of events in memory may be erased by now: they are read again.
    pub(super) fn let_all_go(&mut self) {
        let kept: Vec<Seq> =
            self.entries.iter().filter(|(_, entry)| entry.event.is_some()).map(|(seq, _)| *seq).collect();
        for seq in kept {
            self.let_go(seq);
        }
    }

    /// The breaker is open, or no longer.
    pub(super) fn stop(&mut self, stopped: bool) {
        self.stopped = stopped;
    }

    /// Moves everything due by `millis`: the clock was set.
    pub(super) fn shift(&mut self, millis: i64) {
        let due = std::mem::take(&mut self.due);
        for entry in self.entries.values_mut() {
            entry.due = entry.due.map(|due| due.shifted(millis));
            if let Phase::Settling(Some(due)) = &mut entry.phase {
                *due = due.shifted(millis);
            }
        }
        for (due, seq) in due {
            self.make_due(seq, due.shifted(millis));
        }
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

    /// Deliveries in flight.
    pub(super) fn flying(&self) -> usize {
        self.flying
    }

    /// Deliveries in flight, and those whose result is not yet on disk.
    pub(super) fn busy(&self) -> usize {
        self.busy
    }

    /// Deliveries beside the cursor: waiting, and deferred.
    pub(super) fn set_aside(&self) -> (usize, usize) {
        (self.waiting, self.deferred)
    }

    /// A set beside the cursor is full. `true` if that begins: what flickers around the bound is told once.
    pub(super) fn fills(&mut self) -> bool {
        !std::mem::replace(&mut self.filled, true)
    }

    /// Whether something could go out at `now`, if there were a place for it.
    pub(super) fn has_ready(&self, now: Timestamp) -> bool {
        !self.ready.is_empty() || self.next_due().is_some_and(|due| due <= now)
    }

    /// The oldest delivery still owed, of those read so far; everything owed is read, but for what is full or just coming.
    pub(super) fn oldest(&self) -> Option<Seq> {
        self.lanes.values().filter_map(|lane| lane.front()).min().copied()
    }

    /// The next sequence that is neither finished, waiting nor deferred, nor of no interest.
    pub(super) fn cursor(&self) -> Seq {
        self.ahead.first().copied().unwrap_or(self.read)
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
