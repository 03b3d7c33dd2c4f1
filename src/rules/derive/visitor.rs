//! The visitor an exchange belongs to: found by any of their keys, followed when keys change, merged where two meet.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::merge::added;
use super::notes::Notes;
use super::sink::MemoryOp;
use crate::exchange::Reading;
use crate::model::{Pending, SessionMemory, Timestamp, Write, glob};
use crate::rules::rule::{Ruleset, SessionConfig};
use crate::rules::sessions::{SessionKeys, hash};
use crate::rules::view::View;

/// The most a visitor's memory may come to, in bytes of JSON. What would go beyond it is not remembered, and what stood
/// under its name is forgotten: old memory is worse than none.
const MAX_MEMORY_BYTES: usize = 16 * 1024;

/// The most keys that lead to one visitor; the oldest leave.
const MAX_KEYS: usize = 16;

/// The most names whose last write is known: where two sessions meet, the newer wins.
const MAX_WRITTEN: usize = 256;

/// An expiry is moved on only when it moves by this part of `ttl`: not every page is worth a write.
const TOUCHES: u32 = 16;

/// The visitor of one exchange.
pub(super) struct Visitor {
    keys: SessionKeys,
    /// The session; empty where the exchange carries no key.
    pub(super) id: String,
    /// Sessions that turn out to be the same visitor's.
    others: Vec<String>,
    /// What is remembered, as before the exchange.
    pub(super) memory: SessionMemory,
    /// The memory as conditions look into it.
    pub(super) whole: Arc<Value>,
    /// Whether there is such a session at all.
    exists: bool,
}

/// Matches of a visitor that wait once an exchange is through.
#[derive(Clone, Copy)]
pub(super) struct Waiting<'a> {
    /// One begins to wait here.
    pub(super) begins: bool,
    /// Those that waited before and still do.
    pub(super) left: &'a [Pending],
}

impl Visitor {
    /// Nobody.
    pub(super) fn nobody() -> Self {
        let (keys, memory) = (SessionKeys::default(), SessionMemory::default());
        Self {
            keys,
            id: String::new(),
            others: Vec::new(),
            memory,
            whole: Arc::new(Value::Object(Map::new())),
            exists: false,
        }
    }

    /// The visitor whose session is known by its id.
    pub(super) fn of_session(id: &str, view: &dyn View, now: Timestamp) -> Self {
        let memory = view.session(id).filter(|_| !id.is_empty());
        let exists = memory.is_some();
        let memory = alive(memory.unwrap_or_default(), now);
        let whole = Arc::new(Value::Object(memory.memory.clone()));
        Self { keys: SessionKeys::default(), id: id.to_owned(), others: Vec::new(), memory, whole, exists }
    }

    /// The visitor of an exchange.
    pub(super) fn of(ruleset: &Ruleset, reading: &Reading, view: &dyn View, now: Timestamp) -> Self {
        if ruleset.session.is_empty() {
            return Self::nobody();
        }
        let keys = ruleset.session_keys(reading);
        let mut found: Vec<String> = Vec::new();
        for key in keys.request.iter().chain(&keys.added) {
            let session = view.session_of(key).filter(|session| !found.contains(session));
            found.extend(session);
        }
        let Some(first) = keys.finding().first() else { return Self { keys, ..Self::nobody() } };
        let mut found = found.into_iter();
        let Some(id) = found.next() else {
            let id = fresh_id(first, view, now);
            return Self { keys, id, ..Self::nobody() };
        };
        let mut visitor = Self { keys, others: found.collect(), ..Self::of_session(&id, view, now) };
        for other in &visitor.others {
            if let Some(other) = view.session(other) {
                meet(&mut visitor.memory, alive(other, now));
            }
        }
        visitor.whole = Arc::new(Value::Object(visitor.memory.memory.clone()));
        visitor
    }

    /// Every session that is this visitor's.
    pub(super) fn sessions(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.id).chain(&self.others).filter(|id| !id.is_empty())
    }

    /// Writes what the exchange changed.
    pub(super) fn writes(
        mut self,
        config: &SessionConfig,
        ops: &[&MemoryOp],
        waiting: Waiting<'_>,
        now: Timestamp,
        notes: &mut Notes,
    ) -> Vec<Write> {
        let Waiting { begins: waits, left } = waiting;
        if self.id.is_empty() {
            return Vec::new();
        }
        let before = self.memory.clone();
        for op in ops {
            apply(&mut self.memory, op, now, notes);
        }
        if !self.exists && !waits && self.memory.memory.is_empty() {
            return Vec::new();
        }
        let mut writes = Vec::new();
        self.link(&before.keys, &mut writes);
        for other in &self.others {
            writes.push(Write::Session { session: other.clone(), memory: None });
        }
        for pending in left.iter().filter(|pending| pending.session != self.id) {
            let moved = Pending { session: self.id.clone(), ..pending.clone() };
            writes.push(Write::Pending { uid: pending.uid, pending: Some(Box::new(moved)) });
        }
        if self.memory.keys.is_empty() && left.is_empty() && !waits {
            // Nobody can be found here any more.
            writes.push(Write::Session { session: self.id, memory: None });
            return writes;
        }
        let expires = now.plus(config.ttl);
        let stale = expires.since(self.memory.expires) > config.ttl / TOUCHES;
        if waits || stale || !writes.is_empty() || self.memory != before {
            self.memory.expires = expires;
            writes.push(Write::Session { session: self.id, memory: Some(self.memory) });
        }
        writes
    }

    /// Keys the exchange adds or deletes, and those of sessions that were met.
    fn link(&mut self, before: &[String], writes: &mut Vec<Write>) {
        let keys = &mut self.memory.keys;
        for key in self.keys.request.iter().chain(&self.keys.added) {
            if !keys.contains(key) {
                keys.push(key.clone());
            }
        }
        let mut gone: Vec<String> = keys.iter().filter(|key| self.keys.removed.contains(key)).cloned().collect();
        keys.retain(|key| !self.keys.removed.contains(key));
        let surplus = keys.len().saturating_sub(MAX_KEYS);
        gone.extend(keys.drain(..surplus));
        // A key that was deleted and never led here needs no write, unless it led to a session that was met.
        let led = |key: &String| before.contains(key) || !self.others.is_empty();
        let unlinked = gone.into_iter().filter(led).map(|key| Write::SessionKey { key, session: None });
        writes.extend(unlinked);
        let own = !self.exists || !self.others.is_empty();
        let linked = keys.iter().filter(|key| own || !before.contains(key));
        writes.extend(linked.map(|key| Write::SessionKey { key: key.clone(), session: Some(self.id.clone()) }));
    }
}

/// Memory that has expired is empty; its keys still lead to it.
fn alive(memory: SessionMemory, now: Timestamp) -> SessionMemory {
    if memory.expires > now { memory } else { SessionMemory { keys: memory.keys, ..SessionMemory::default() } }
}

/// The hash of the first key names a session, unless there is one of that name to which the key leads no more.
fn fresh_id(key: &str, view: &dyn View, now: Timestamp) -> String {
    match view.session(key) {
        None => key.to_owned(),
        Some(_) => hash(format!("{key} {}", now.as_millis()).as_bytes()),
    }
}

/// Two sessions of one visitor: per name the newer write wins.
fn meet(own: &mut SessionMemory, other: SessionMemory) {
    let SessionMemory { mut memory, written, keys, .. } = other;
    for (name, at) in written {
        if own.written.get(&name).is_some_and(|own| *own >= at) {
            continue;
        }
        match memory.shift_remove(&name) {
            Some(value) => drop(own.memory.insert(name.clone(), value)),
            None => drop(own.memory.shift_remove(&name)),
        }
        own.written.insert(name, at);
    }
    for key in keys {
        if !own.keys.contains(&key) {
            own.keys.push(key);
        }
    }
}

fn apply(memory: &mut SessionMemory, op: &MemoryOp, now: Timestamp, notes: &mut Notes) {
    for path in &op.forget {
        let [name, below @ ..] = path.as_slice() else { continue };
        for name in named(&memory.memory, name) {
            if forget(&mut memory.memory, &name, below) {
                memory.written.insert(name, now);
            }
        }
    }
    for (name, value) in &op.remember {
        let more = [(name.clone(), value.clone())].into_iter().collect();
        memory.memory = added(std::mem::take(&mut memory.memory), more);
        memory.written.insert(name.clone(), now);
        let size = serde_json::to_vec(&memory.memory).map_or(usize::MAX, |json| json.len());
        if size > MAX_MEMORY_BYTES {
            memory.memory.shift_remove(name);
            let text = format!(
                "remember.{name}: the visitor's memory would come to more than {MAX_MEMORY_BYTES} bytes, so it is forgotten"
            );
            notes.add(&op.rule, text);
        }
    }
    while memory.written.len() > MAX_WRITTEN {
        let oldest = memory.written.iter().min_by_key(|(_, at)| **at).map(|(name, _)| name.clone());
        let Some(oldest) = oldest else { return };
        memory.written.remove(&oldest);
        memory.memory.shift_remove(&oldest);
    }
}

/// Takes a path out, whose names below the first are globs; gives whether there was anything.
fn forget(memory: &mut Map<String, Value>, name: &str, below: &[String]) -> bool {
    match (below, memory.get_mut(name)) {
        ([], _) => memory.shift_remove(name).is_some(),
        ([next, rest @ ..], Some(Value::Object(inner))) => {
            let mut any = false;
            for next in named(inner, next) {
                any |= forget(inner, &next, rest);
            }
            any
        }
        _ => false,
    }
}

/// The names that a glob stands for.
fn named(memory: &Map<String, Value>, pattern: &str) -> Vec<String> {
    if !pattern.contains('*') {
        return vec![pattern.to_owned()];
    }
    memory.keys().filter(|name| glob(pattern, name)).cloned().collect()
}
