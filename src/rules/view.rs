//! What a rule may read of state.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::model::{EventUid, Identity, Known, Pending, SessionMemory, Timestamp, Write};

/// State as derive reads it: the engine's overlay over the store, or a plain map for `replay`.
pub trait View {
    /// What is remembered of a resource.
    fn known(&self, resource: &str, identity: &Identity) -> Option<Known>;
    /// The id a natural key stands for; `value` is trimmed and case-folded.
    fn id_of(&self, resource: &str, key: &str, value: &str) -> Option<String>;
    /// The session a visitor's key leads to.
    fn session_of(&self, key: &str) -> Option<String>;
    /// What is remembered of a visitor, also where it has expired: rules see to that.
    fn session(&self, session: &str) -> Option<SessionMemory>;
    /// Until when a rule's `once` key counts as used.
    fn once(&self, rule: &str, key: &str) -> Option<Timestamp>;
    /// The open waits of a session, in any order.
    fn pendings(&self, session: &str) -> Vec<Pending>;
    /// The open waits whose [`Pending::resource`] and [`Pending::keys`] hold this one, in any order.
    fn pendings_for_key(&self, resource: &str, name: &str, value: &str) -> Vec<Pending>;
}

/// A natural key's value as it is compared: trimmed and case-folded.
pub(super) fn fold(value: &str) -> String {
    value.trim().to_lowercase()
}

/// State in memory: what `replay`, `test` and `explain` run on. Can be kept and read back, as a store's would.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MemoryState {
    known: HashMap<(String, Identity), Known>,
    aliases: HashMap<(String, String, String), String>,
    keys: HashMap<String, String>,
    sessions: HashMap<String, SessionMemory>,
    once: HashMap<(String, String), Timestamp>,
    pendings: BTreeMap<EventUid, Pending>,
}

/// The state as a list of writes that make it: what is kept of it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
struct Kept(Vec<Write>);

impl MemoryState {
    /// Applies the writes of an exchange.
    pub fn apply(&mut self, writes: &[Write]) {
        for write in writes {
            match write.clone() {
                Write::Known { resource, identity, known } => put(&mut self.known, (resource, identity), known),
                Write::Alias { resource, name, value, id } => put(&mut self.aliases, (resource, name, value), id),
                Write::SessionKey { key, session } => put(&mut self.keys, key, session),
                Write::Session { session, memory } => put(&mut self.sessions, session, memory),
                Write::Once { rule, key, until } => put(&mut self.once, (rule, key), until),
                Write::Pending { uid, pending: Some(pending) } => drop(self.pendings.insert(uid, *pending)),
                Write::Pending { uid, pending: None } => drop(self.pendings.remove(&uid)),
                // The delivery side's writes mean nothing to rules.
                _ => {}
            }
        }
    }

    /// Every open wait, by uid.
    pub fn open(&self) -> impl Iterator<Item = &Pending> {
        self.pendings.values()
    }

    /// The state as JSON.
    ///
    /// # Errors
    /// None in practice: it is made of what the journal holds too.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&Kept(self.writes()))
    }

    /// The state from what [`MemoryState::to_json`] gave.
    ///
    /// # Errors
    /// If the text is not that.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        let Kept(writes) = serde_json::from_str(text)?;
        let mut state = Self::default();
        state.apply(&writes);
        Ok(state)
    }

    /// Writes that make this state of an empty one.
    pub(super) fn writes(&self) -> Vec<Write> {
        let known = self.known.iter().map(|((resource, identity), known)| Write::Known {
            resource: resource.clone(),
            identity: identity.clone(),
            known: Some(known.clone()),
        });
        let aliases = self.aliases.iter().map(|((resource, name, value), id)| Write::Alias {
            resource: resource.clone(),
            name: name.clone(),
            value: value.clone(),
            id: Some(id.clone()),
        });
        let keys = self.keys.iter();
        let keys = keys.map(|(key, session)| Write::SessionKey { key: key.clone(), session: Some(session.clone()) });
        let sessions = self
            .sessions
            .iter()
            .map(|(session, memory)| Write::Session { session: session.clone(), memory: Some(memory.clone()) });
        let once = self.once.iter().map(|((rule, key), until)| Write::Once {
            rule: rule.clone(),
            key: key.clone(),
            until: Some(*until),
        });
        let pendings = self.pendings.iter();
        let pendings =
            pendings.map(|(uid, pending)| Write::Pending { uid: *uid, pending: Some(Box::new(pending.clone())) });
        known.chain(aliases).chain(keys).chain(sessions).chain(once).chain(pendings).collect()
    }
}

fn put<K: std::hash::Hash + Eq, V>(map: &mut HashMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}

impl View for MemoryState {
    fn known(&self, resource: &str, identity: &Identity) -> Option<Known> {
        self.known.get(&(resource.to_owned(), identity.clone())).cloned()
    }

    fn id_of(&self, resource: &str, key: &str, value: &str) -> Option<String> {
        self.aliases.get(&(resource.to_owned(), key.to_owned(), value.to_owned())).cloned()
    }

    fn session_of(&self, key: &str) -> Option<String> {
        self.keys.get(key).cloned()
    }

    fn session(&self, session: &str) -> Option<SessionMemory> {
        self.sessions.get(session).cloned()
    }

    fn once(&self, rule: &str, key: &str) -> Option<Timestamp> {
        self.once.get(&(rule.to_owned(), key.to_owned())).copied()
    }

    fn pendings(&self, session: &str) -> Vec<Pending> {
        self.pendings.values().filter(|pending| pending.session == session).cloned().collect()
    }

    fn pendings_for_key(&self, resource: &str, name: &str, value: &str) -> Vec<Pending> {
        let has = |pending: &&Pending| {
            pending.resource == resource && pending.keys.iter().any(|(own, text)| own == name && text == value)
        };
        self.pendings.values().filter(has).cloned().collect()
    }
}
