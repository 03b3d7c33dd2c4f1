//! What learn rules saw of resources, and the waiting matches that their ids complete.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::candidate::{Key, Lesson};
use super::early::{lacks_id, says_created};
use super::identify::key_identity;
use super::merge::laid_over;
use super::notes::Notes;
use super::settle::{Learnt, Settle};
use super::sink::Sink;
use super::trace::Traced;
use crate::model::{EventUid, Identity, Known, Pending, Timestamp};

impl Settle<'_> {
    /// Remembers what was seen of a resource; nothing is written where nothing is new, as such pages pass all the time.
    pub(super) fn lesson(&mut self, lesson: &Lesson, notes: &mut Notes) {
        let resource = lesson.resource.clone();
        let by_key = |settle: &Self, key: &Key| settle.state.id_of(&resource, &key.name, &key.folded);
        let id = lesson.id.clone().or_else(|| lesson.keys.iter().find_map(|key| by_key(self, key)));
        notes.trace(|| Traced::Learnt {
            rule: lesson.origin.rule.clone(),
            resource: resource.clone(),
            id: id.clone(),
            key: lesson.keys.iter().map(|key| (key.name.clone(), key.value.clone())).collect(),
        });
        let Some(id) = id else {
            let Some(key) = lesson.keys.first() else { return };
            return self.seen(lesson, &key_identity(key), notes);
        };
        // Before its keys: an id is known from here on, whatever they stood for.
        self.seen(lesson, &Identity::Id(id.clone()), notes);
        for key in &lesson.keys {
            let before = by_key(self, key);
            if before.as_deref() != Some(id.as_str()) && !self.is_older(&resource, key, before.as_deref(), &id) {
                self.state.put_alias(&resource, &key.name, &key.folded, &id);
            }
            self.absorb(&resource, key, &id);
        }
    }

    /// Whether this very exchange showed a newer thing under the same key: lists show several, in any order.
    pub(super) fn is_older(&self, resource: &str, key: &Key, before: Option<&str>, id: &str) -> bool {
        let Some(before) = before else { return false };
        self.saw(resource, key, before)
            && matches!((number(before), number(id)), (Some(before), Some(id)) if before > id)
    }

    /// Whether this very exchange showed that a key stands for an id.
    pub(super) fn saw(&self, resource: &str, key: &Key, id: &str) -> bool {
        let same = |own: &Key| own.name == key.name && own.folded == key.folded;
        self.learnt.iter().any(|learnt| learnt.resource == resource && learnt.id == id && same(&learnt.key))
    }

    fn seen(&mut self, lesson: &Lesson, identity: &Identity, notes: &mut Notes) {
        let at = lesson.origin.at;
        let before = self.state.known(&lesson.resource, identity);
        let mut fields = lesson.payload.clone();
        fields.shift_remove("id");
        let fresh = || Known { created: at, seen: at, learnt: true, ..Known::default() };
        let base = before.clone().unwrap_or_else(fresh);
        let known = Known {
            fields: laid_over(fields, &base.fields),
            facts: laid_over(lesson.facts.clone(), &base.facts),
            ..base
        };
        // Of what was dropped for its size nothing can be said to be new.
        let same = before.is_some_and(|before| before.trimmed || before == known);
        if !same && self.state.put_known(&lesson.resource, identity, known) {
            let text = format!("one {} is too large to remember: only its dates are kept", lesson.resource);
            notes.add(&lesson.origin.rule, text);
        }
    }

    /// Which waiting matches the ids that became clear complete: n events with one key that say `created` take the n
    /// highest of those that are new to them, the oldest event first; all others take what the key stands for now.
    pub(super) fn completed(&self, sink: &Sink<'_>) -> Vec<(Pending, String)> {
        let mut by_key: Vec<(&Learnt, Vec<&str>)> = Vec::new();
        let mut places: HashMap<(&str, &str, &str), usize> = HashMap::new();
        for learnt in &self.learnt {
            let key = (learnt.resource.as_str(), learnt.key.name.as_str(), learnt.key.folded.as_str());
            let place = *places.entry(key).or_insert(by_key.len());
            match by_key.get_mut(place) {
                Some((_, ids)) if ids.contains(&learnt.id.as_str()) => {}
                Some((_, ids)) => ids.push(&learnt.id),
                None => by_key.push((learnt, vec![&learnt.id])),
            }
        }
        let mut taken: HashMap<EventUid, (Pending, String)> = HashMap::new();
        let mut order = Vec::new();
        for (learnt, ids) in by_key {
            for (pending, id) in self.of_key(learnt, &ids, sink) {
                if let Entry::Vacant(place) = taken.entry(pending.uid) {
                    order.push(pending.uid);
                    place.insert((pending, id));
                }
            }
        }
        order.into_iter().filter_map(|uid| taken.remove(&uid)).collect()
    }

    fn of_key(&self, learnt: &Learnt, ids: &[&str], sink: &Sink<'_>) -> Vec<(Pending, String)> {
        let Learnt { resource, key, .. } = learnt;
        let mut open = self.state.before().pendings_for_key(resource, &key.name, &key.folded);
        let keyed = |pending: &&Pending| {
            pending.resource == *resource && pending.keys.iter().any(|own| own.0 == key.name && own.1 == key.folded)
        };
        // What this very exchange confirms waits under its key as before.
        open.extend(sink.confirmed.iter().filter(keyed).cloned());
        open.retain(|pending| is_open(pending, sink) && lacks_id(pending));
        oldest_first(&mut open);
        let (created, others): (Vec<_>, Vec<_>) = open.into_iter().partition(says_created);
        let mut found = self.highest(resource, created, ids);
        if let Some(id) = self.state.id_of(resource, &key.name, &key.folded) {
            found.extend(others.into_iter().map(|pending| (pending, id.clone())));
        }
        found
    }

    fn highest(&self, resource: &str, open: Vec<Pending>, ids: &[&str]) -> Vec<(Pending, String)> {
        let Some(oldest) = open.first().map(|pending| pending.at) else { return Vec::new() };
        let is_free = |id: &&str, at: Timestamp| {
            self.is_fresh(resource, id, at) && !self.made.contains(&(resource.to_owned(), (*id).to_owned()))
        };
        let mut free: Vec<&str> = ids.iter().copied().filter(|id| is_free(id, oldest)).collect();
        let numbers: Option<Vec<u64>> = free.iter().map(|id| number(id)).collect();
        if numbers.is_some() {
            free.sort_by_key(|id| number(id));
            free.drain(..free.len().saturating_sub(open.len()));
        } else if free.len() != open.len() {
            return Vec::new();
        }
        let pairs = open.into_iter().zip(free).filter(|(pending, id)| is_free(id, pending.at));
        pairs.map(|(pending, id)| (pending, id.to_owned())).collect()
    }
}

/// Whether a wait can still be completed.
pub(super) fn is_open(pending: &Pending, sink: &Sink<'_>) -> bool {
    pending.unconfirmed.is_none() && is_undecided(pending, sink)
}

/// Whether it is neither over nor settled.
pub(super) fn is_undecided(pending: &Pending, sink: &Sink<'_>) -> bool {
    !sink.settled.contains(&pending.uid) && pending.deadline > sink.now
}

/// The order waits are completed in.
pub(super) fn oldest_first(pendings: &mut [Pending]) {
    pendings.sort_by_key(|pending| (pending.at, pending.item, pending.uid));
}

/// An id that is an integer.
pub(super) fn number(id: &str) -> Option<u64> {
    let digits = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    id.parse().ok().filter(|_| digits)
}
