//! Which deliveries leave one after the other.

use std::sync::Arc;

use super::{Entry, Kept, Phase, Queue};
use crate::clock::Timestamp;
use crate::id::Seq;
use crate::model::{Identity, Ordering};

/// Deliveries that leave in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Lane {
    /// Those of a group.
    Group(Arc<(String, Identity)>),
    /// All.
    All,
    /// This one alone.
    Alone(Seq),
}

impl Lane {
    fn new(ordering: Ordering, seq: Seq, group: &Arc<(String, Identity)>) -> Self {
        match ordering {
            Ordering::Webhook => Self::All,
            Ordering::Resource if group.1 != Identity::None => Self::Group(Arc::clone(group)),
            Ordering::Resource | Ordering::None => Self::Alone(seq),
        }
    }
}

impl Entry {
    /// An entry that was never tried; its lane and group come with [`Queue::insert`].
    pub(super) fn new(kept: Kept) -> Self {
        let group = Arc::new((String::new(), Identity::None));
        Self {
            lane: Lane::All,
            group,
            attempts: 0,
            due: None,
            event: None,
            uid: None,
            kept,
            phase: Phase::Behind,
            tried: false,
            asked: false,
        }
    }
}

impl Queue {
    /// Puts a delivery into its lane.
    pub(super) fn insert(&mut self, seq: Seq, group: &(String, Identity), entry: Entry) {
        let group = Arc::new(group.clone());
        let lane = Lane::new(self.ordering, seq, &group);
        self.line_up(seq, Entry { lane, group, ..entry });
    }

    fn line_up(&mut self, seq: Seq, entry: Entry) {
        let lane = self.lanes.entry(entry.lane.clone()).or_default();
        // Nearly always the end. After a start, what is read from the cursor on may be older than what was set aside.
        let place = lane.partition_point(|other| *other < seq);
        let displaced = lane.front().copied().filter(|_| place == 0);
        lane.insert(place, seq);
        let free = match displaced {
            Some(other) => self.step_back(other),
            None => place == 0,
        };
        self.entries.insert(seq, entry);
        if free {
            self.open(seq);
        }
    }

    /// An older delivery stands before `seq` now. Gives whether it can go at once: `seq` is not out.
    fn step_back(&mut self, seq: Seq) -> bool {
        let Some(entry) = self.entries.get_mut(&seq) else { return true };
        match entry.phase {
            Phase::InFlight | Phase::Settling(_) => return false,
            Phase::Due(due) => _ = self.due.remove(&(due, seq)),
            Phase::Ready => _ = self.ready.remove(&seq),
            Phase::Behind => {}
        }
        entry.phase = Phase::Behind;
        true
    }

    /// `seq` is no longer out; where it is not the first of its lane, that one goes on.
    pub(super) fn back(&mut self, seq: Seq, due: Timestamp) {
        let Some(entry) = self.entries.get_mut(&seq) else { return };
        entry.phase = Phase::Behind;
        let front = self.lanes.get(&entry.lane).and_then(|lane| lane.front()).copied();
        match front {
            Some(front) if front != seq => self.open(front),
            _ => self.make_due(seq, due),
        }
    }

    /// Takes a delivery that is over out of its lane; the next one opens.
    pub(super) fn remove(&mut self, seq: Seq) {
        let Some(entry) = self.entries.remove(&seq) else { return };
        let Some(lane) = self.lanes.get_mut(&entry.lane) else { return };
        if lane.front() == Some(&seq) {
            lane.pop_front();
        } else {
            lane.retain(|other| *other != seq);
        }
        match lane.front().copied() {
            Some(next) => self.open(next),
            None => _ = self.lanes.remove(&entry.lane),
        }
    }

    /// `seq` is now the first of its lane.
    fn open(&mut self, seq: Seq) {
        let Some(entry) = self.entries.get(&seq).filter(|entry| entry.phase == Phase::Behind) else { return };
        match entry.due {
            Some(due) => self.make_due(seq, due),
            None => self.make_ready(seq),
        }
    }

    /// Takes the webhook's `ordering` in. Another one than before takes effect once nothing is out: until then nothing new
    /// goes out.
    pub(in crate::deliver) fn order(&mut self, ordering: Ordering) {
        self.reorder = (ordering != self.ordering).then_some(ordering);
        self.reorder_if_idle();
    }

    pub(super) fn reorder_if_idle(&mut self) {
        let Some(ordering) = self.reorder.take_if(|_| self.busy == 0) else { return };
        self.ordering = ordering;
        self.lanes.clear();
        self.ready.clear();
        self.due.clear();
        let mut entries: Vec<_> = std::mem::take(&mut self.entries).into_iter().collect();
        entries.sort_by_key(|(seq, _)| *seq);
        for (seq, entry) in entries {
            let lane = Lane::new(ordering, seq, &entry.group);
            self.line_up(seq, Entry { lane, phase: Phase::Behind, ..entry });
        }
    }
}
