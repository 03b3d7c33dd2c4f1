//! The matches that wait, in memory: by visitor, by natural key, by deadline. Read from the store at start and followed by
//! every write; the store is what survives.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use crate::id::EventUid;
use crate::model::{Pending, Timestamp, Write};
use crate::rules::OpenWaits;

/// Open waits, owned by the thread that derives.
#[derive(Debug, Default)]
pub(super) struct Pendings {
    open: HashMap<EventUid, Pending>,
    by_session: HashMap<String, HashSet<EventUid>>,
    by_key: HashMap<(String, String, String), HashSet<EventUid>>,
    deadlines: BTreeSet<(Timestamp, EventUid)>,
}

impl Pendings {
    /// Follows the writes of an exchange.
    pub(super) fn apply(&mut self, writes: &[Write]) {
        for write in writes {
            if let Write::Pending { uid, pending } = write {
                self.close(*uid);
                if let Some(pending) = pending {
                    self.add(pending);
                }
            }
        }
    }

    fn add(&mut self, pending: &Pending) {
        let uid = pending.uid;
        self.by_session.entry(pending.session.clone()).or_default().insert(uid);
        for key in keys(pending) {
            self.by_key.entry(key).or_default().insert(uid);
        }
        self.deadlines.insert((pending.deadline, uid));
        self.open.insert(uid, pending.clone());
    }

    fn close(&mut self, uid: EventUid) {
        let Some(pending) = self.open.remove(&uid) else { return };
        self.deadlines.remove(&(pending.deadline, uid));
        take(&mut self.by_session, &pending.session, uid);
        for key in keys(&pending) {
            take(&mut self.by_key, &key, uid);
        }
    }

    pub(super) fn get(&self, uid: EventUid) -> Option<&Pending> {
        self.open.get(&uid)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Pending> {
        self.open.values()
    }

    pub(super) fn of_session(&self, session: &str) -> Vec<Pending> {
        self.found(self.by_session.get(session))
    }

    pub(super) fn of_key(&self, resource: &str, name: &str, value: &str) -> Vec<Pending> {
        self.found(self.by_key.get(&(resource.to_owned(), name.to_owned(), value.to_owned())))
    }

    fn found(&self, uids: Option<&HashSet<EventUid>>) -> Vec<Pending> {
        uids.into_iter().flatten().filter_map(|uid| self.open.get(uid)).cloned().collect()
    }

    /// Moves all deadlines by `millis`: the machine's clock was set, and a wait lasts as long as it was meant to.
    pub(super) fn shift(&mut self, millis: i64) {
        self.move_by(|_| millis);
    }

    /// As read from the store at `now`: where the clock was set back since a match was made, its waits begin anew and do
    /// not last the hours that were taken back too.
    pub(super) fn begin(&mut self, now: Timestamp) {
        self.move_by(|at| now.as_millis().saturating_sub(at.as_millis()).min(0));
    }

    /// Moves the deadlines of every match by what its moment gives. The store keeps them as they were.
    fn move_by(&mut self, millis: impl Fn(Timestamp) -> i64) {
        for pending in self.open.values_mut() {
            let millis = millis(pending.at);
            let waits = pending.waits.iter_mut().map(|wait| &mut wait.deadline);
            for deadline in waits.chain([&mut pending.deadline]) {
                *deadline = deadline.shifted(millis);
            }
        }
        self.deadlines = self.open.values().map(|pending| (pending.deadline, pending.uid)).collect();
    }

    /// When the next wait's time is up.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// The oldest wait whose time is up.
    pub(super) fn due(&self, now: Timestamp) -> Option<Pending> {
        let (deadline, uid) = self.deadlines.first()?;
        if *deadline > now { None } else { self.open.get(uid).cloned() }
    }
}

fn keys(pending: &Pending) -> impl Iterator<Item = (String, String, String)> + '_ {
    pending.keys.iter().map(|(name, value)| (pending.resource.clone(), name.clone(), value.clone()))
}

fn take<K: std::hash::Hash + Eq>(map: &mut HashMap<K, HashSet<EventUid>>, key: &K, uid: EventUid) {
    if let Some(uids) = map.get_mut(key) {
        uids.remove(&uid);
        if uids.is_empty() {
            map.remove(key);
        }
    }
}

/// Which visitors have an open wait, shared with the threads that forward traffic: they ask at every request.
#[derive(Debug, Default)]
pub(super) struct SharedWaits {
    any: AtomicBool,
    waits: RwLock<OpenWaits>,
}

impl SharedWaits {
    pub(super) fn apply(&self, writes: &[Write]) {
        if writes.iter().any(|write| matches!(write, Write::Pending { .. } | Write::Session { .. })) {
            let mut waits = self.waits.write().unwrap_or_else(PoisonError::into_inner);
            waits.apply(writes);
            self.any.store(!waits.is_empty(), Ordering::Release);
        }
    }

    /// Asks; where nobody waits, as nearly always, without taking the lock.
    pub(super) fn ask<T>(&self, ask: impl FnOnce(&OpenWaits) -> T) -> T {
        if self.any.load(Ordering::Acquire) {
            ask(&self.waits.read().unwrap_or_else(PoisonError::into_inner))
        } else {
            ask(&OpenWaits::default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(uid: u8, deadline: i64) -> Write {
        let uid = EventUid([uid; 16]);
        let keys = vec![("email".to_owned(), "a@b.example".to_owned())];
        let deadline = Timestamp::from_millis(deadline);
        let pending =
            Pending { uid, deadline, session: "s".into(), resource: "order".into(), keys, ..Pending::default() };
        Write::Pending { uid, pending: Some(Box::new(pending)) }
    }

    #[test]
    fn waits_are_found_by_visitor_key_and_deadline_until_they_are_settled() {
        let mut pendings = Pendings::default();
        pendings.apply(&[wait(1, 50), wait(2, 20)]);
        assert_eq!(pendings.of_session("s").len(), 2);
        assert_eq!(pendings.of_key("order", "email", "a@b.example").len(), 2);
        assert_eq!(pendings.next_deadline(), Some(Timestamp::from_millis(20)));
        assert_eq!(pendings.due(Timestamp::from_millis(19)), None);
        let due = pendings.due(Timestamp::from_millis(20)).unwrap();
        pendings.apply(&[Write::Pending { uid: due.uid, pending: None }, wait(1, 60)]);
        assert_eq!((pendings.all().count(), pendings.of_session("s").len()), (1, 1));
        assert_eq!(
            pendings.next_deadline(),
            Some(Timestamp::from_millis(60)),
            "written again, the old deadline is gone"
        );
        pendings.apply(&[Write::Pending { uid: EventUid([1; 16]), pending: None }]);
        assert!(pendings.by_session.is_empty() && pendings.by_key.is_empty() && pendings.deadlines.is_empty());
    }

    #[test]
    fn deadlines_move_with_a_clock_that_is_set() {
        const HOUR: i64 = 3_600_000;
        let at = Timestamp::from_millis;
        let mut pendings = Pendings::default();
        pendings.apply(&[wait(1, 50), wait(2, 20)]);
        pendings.shift(HOUR);
        assert_eq!(pendings.due(at(HOUR + 19)), None, "an hour ahead");
        assert_eq!(pendings.due(at(HOUR + 20)).unwrap().deadline, at(HOUR + 20));
        pendings.shift(-HOUR);
        assert_eq!(pendings.next_deadline(), Some(at(20)));
        pendings.begin(at(10));
        assert_eq!(pendings.next_deadline(), Some(at(20)), "made before now");
        pendings.begin(at(-HOUR));
        assert_eq!(pendings.next_deadline(), Some(at(20 - HOUR)), "made an hour from now: the clock was set back");
        let due = pendings.due(at(20 - HOUR)).unwrap();
        pendings.apply(&[Write::Pending { uid: due.uid, pending: None }]);
        assert_eq!(pendings.next_deadline(), Some(at(50 - HOUR)));
        pendings.apply(&[Write::Pending { uid: EventUid([1; 16]), pending: None }]);
        assert_eq!((pendings.next_deadline(), pendings.all().count()), (None, 0));
    }
}
