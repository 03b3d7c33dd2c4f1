//! What a result changes, and the writes that say so.

use super::{DEFERRED_MAX, Kept, Phase, Queue, WAITING_MAX};
use crate::clock::Timestamp;
use crate::id::{EventUid, Seq};
use crate::model::{Ordering, Waiting, Write};

/// What becomes of a delivery that was in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::deliver) enum Settle {
    /// It is over.
    Done,
    /// An attempt more of the event with this uid was made.
    Wait {
        uid: EventUid,
        /// When it ended.
        since: Timestamp,
        /// When the next is due.
        due: Timestamp,
        /// Whether the receiver asked for that.
        asked: bool,
    },
    /// No attempt was made: it goes out again, not before then. Nothing is written.
    Later(Timestamp),
}

impl Queue {
    /// Takes a result in. But for `Later`, the group stays closed until [`Queue::release`] says that the writes of the
    /// next [`Queue::take_writes`] are on disk. Gives whether another delivery of the group may go out then.
    pub(in crate::deliver) fn settle(&mut self, seq: Seq, settle: Settle) -> bool {
        let webhook = self.webhook;
        let Some(entry) = self.entries.get_mut(&seq).filter(|entry| entry.phase == Phase::InFlight) else {
            return false;
        };
        self.flying -= 1;
        let due = match settle {
            Settle::Done => None,
            Settle::Wait { uid, since, due, asked } => {
                entry.asked = asked;
                Some((uid, since, due))
            }
            Settle::Later(due) => {
                self.busy -= 1;
                self.back(seq, due);
                self.reorder_if_idle();
                return false;
            }
        };
        let kept = entry.kept;
        let is_awaited = due.is_none() && self.lanes.get(&entry.lane).is_some_and(|lane| lane.len() > 1);
        entry.phase = Phase::Settling(due.map(|(.., due)| due));
        if let Some((uid, since, due)) = due {
            entry.attempts += 1;
            entry.uid = Some(uid);
            entry.due = Some(due);
            entry.kept = Kept::Waiting;
            self.waiting += usize::from(kept != Kept::Waiting);
            let group = entry.group.as_ref().clone();
            let waiting = Some(Waiting { attempts: entry.attempts, uid: entry.uid, since, due, group });
            self.writes.push(Write::Waiting { webhook, event: seq, waiting });
        }
        match kept {
            Kept::Ahead => _ = self.ahead.remove(&seq),
            Kept::Waiting if due.is_none() => {
                self.waiting -= 1;
                self.writes.push(Write::Waiting { webhook, event: seq, waiting: None });
            }
            Kept::Waiting => {}
            Kept::Deferred => {
                self.deferred -= 1;
                self.writes.push(Write::Deferred { webhook, event: seq, group: None });
            }
        }
        self.let_go(seq);
        if due.is_none() {
            // Also what was set aside: after a crash the cursor may stand before it.
            self.done.push(seq);
        }
        is_awaited
    }

    /// The result of `seq` is on disk: its lane opens again.
    pub(in crate::deliver) fn release(&mut self, seq: Seq) {
        let Some(Phase::Settling(due)) = self.entries.get(&seq).map(|entry| entry.phase) else { return };
        self.busy -= 1;
        match due {
            Some(due) => self.back(seq, due),
            None => self.remove(seq),
        }
        self.reorder_if_idle();
    }

    /// Whether the state does not know yet how far this webhook is.
    pub(in crate::deliver) fn is_behind_on_disk(&self) -> bool {
        self.cursor() != self.stored_cursor
    }

    /// The writes since the last call, as one whole: they must be applied together and in this order. `true` where a
    /// delivery had to stay ahead of the cursor because the deferred set is full.
    pub(in crate::deliver) fn take_writes(&mut self) -> (Vec<Write>, bool) {
        let webhook = self.webhook;
        let full = self.defer();
        self.filled &= self.waiting >= WAITING_MAX / 2 || self.deferred >= DEFERRED_MAX / 2;
        let cursor = self.cursor();
        let mut writes = std::mem::take(&mut self.writes);
        for seq in std::mem::take(&mut self.done) {
            if seq >= cursor {
                self.finished.insert(seq);
                writes.push(Write::Finished { webhook, event: seq, done: true });
            }
        }
        while let Some(seq) = self.finished.first().copied().filter(|seq| *seq < cursor) {
            self.finished.pop_first();
            writes.push(Write::Finished { webhook, event: seq, done: false });
        }
        if cursor != self.stored_cursor {
            self.stored_cursor = cursor;
            writes.push(Write::Cursor { webhook, next: cursor });
        }
        (writes, full)
    }

    /// Sets aside what stands behind the waiting head of its group, so that the cursor passes it. Not where everything is one
    /// lane, and not while the breaker is open: there the cursor has nothing to pass for.
    fn defer(&mut self) -> bool {
        if self.waiting == 0 || self.stopped || self.ordering == Ordering::Webhook {
            return false;
        }
        let blocked: Vec<Seq> = self.ahead.iter().copied().filter(|seq| self.is_blocked(*seq)).collect();
        for seq in blocked {
            if self.deferred >= DEFERRED_MAX {
                return true;
            }
            let Some(entry) = self.entries.get_mut(&seq) else { continue };
            entry.kept = Kept::Deferred;
            let group = Some(entry.group.as_ref().clone());
            self.ahead.remove(&seq);
            self.let_go(seq);
            self.deferred += 1;
            self.writes.push(Write::Deferred { webhook: self.webhook, event: seq, group });
        }
        false
    }

    fn is_blocked(&self, seq: Seq) -> bool {
        let Some(entry) = self.entries.get(&seq).filter(|entry| entry.phase == Phase::Behind) else { return false };
        let head = self.lanes.get(&entry.lane).and_then(|lane| lane.front()).and_then(|seq| self.entries.get(seq));
        head.is_some_and(|head| head.kept != Kept::Ahead && head.phase != Phase::Settling(None))
    }
}
