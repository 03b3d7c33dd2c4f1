//! State as derive sees it: the store, under the writes that are on their way into it.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use tokio::runtime::Handle;

use crate::model::{Identity, Known, Pending, SessionMemory, Timestamp, Write};
use crate::rules::View;
use crate::store::{Store, StoreError};

use super::pendings::Pendings;

/// Writes derived but not yet applied, each with the number of the group that made it.
#[derive(Debug, Default)]
pub(super) struct Overlay(Mutex<Maps>);

/// One kind of row: key → who wrote it, and what.
type Laid<K, V> = HashMap<K, (u64, Option<V>)>;

#[derive(Debug, Default)]
struct Maps {
    known: Laid<(String, Identity), Known>,
    aliases: Laid<(String, String, String), String>,
    keys: Laid<String, String>,
    sessions: Laid<String, SessionMemory>,
    once: Laid<(String, String), Timestamp>,
}

impl Overlay {
    fn maps(&self) -> std::sync::MutexGuard<'_, Maps> {
        // Each change is one insert: a panic in between leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lays the writes of exchange `number` over what is there.
    pub(super) fn lay(&self, number: u64, writes: &[Write]) {
        let mut maps = self.maps();
        for write in writes {
            match write.clone() {
                Write::Known { resource, identity, known } => {
                    maps.known.insert((resource, identity), (number, known));
                }
                Write::Alias { resource, name, value, id } => {
                    maps.aliases.insert((resource, name, value), (number, id));
                }
                Write::SessionKey { key, session } => {
                    maps.keys.insert(key, (number, session));
                }
                Write::Session { session, memory } => {
                    maps.sessions.insert(session, (number, memory));
                }
                Write::Once { rule, key, until } => {
                    maps.once.insert((rule, key), (number, until));
                }
                // Waits are kept in `pendings`; the delivery side's writes mean nothing to rules.
                _ => {}
            }
        }
    }

    /// Takes away what exchanges up to `number` laid: the store has it now.
    pub(super) fn applied(&self, number: u64) {
        let mut maps = self.maps();
        maps.known.retain(|_, (by, _)| *by > number);
        maps.aliases.retain(|_, (by, _)| *by > number);
        maps.keys.retain(|_, (by, _)| *by > number);
        maps.sessions.retain(|_, (by, _)| *by > number);
        maps.once.retain(|_, (by, _)| *by > number);
    }
}

/// The overlay over the store, for one derive. Must not be used inside a runtime: it blocks for the store's answers.
pub(super) struct OverlayView<'a> {
    pub(super) overlay: &'a Overlay,
    pub(super) pendings: &'a Pendings,
    pub(super) store: &'a Store,
    pub(super) runtime: &'a Handle,
    /// The first failed read, to be noted: what could not be read counts as unknown.
    pub(super) fault: Mutex<Option<String>>,
}

impl OverlayView<'_> {
    fn read<K: Hash + Eq, V: Clone>(
        &self,
        laid: impl FnOnce(&Maps) -> &Laid<K, V>,
        key: K,
        stored: impl AsyncFnOnce(K) -> Result<Vec<Option<V>>, StoreError>,
    ) -> Option<V> {
        if let Some((_, value)) = laid(&self.overlay.maps()).get(&key) {
            return value.clone();
        }
        let stored = std::pin::pin!(stored(key));
        match self.block_on(stored) {
            Ok(mut values) => values.pop().flatten(),
            Err(error) => {
                let mut fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
                fault.get_or_insert_with(|| error.to_string());
                None
            }
        }
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }
}

impl View for OverlayView<'_> {
    fn known(&self, resource: &str, identity: &Identity) -> Option<Known> {
        let key = (resource.to_owned(), identity.clone());
        self.read(|maps| &maps.known, key, async |key| self.store.known(&[key]).await)
    }

    fn id_of(&self, resource: &str, key: &str, value: &str) -> Option<String> {
        let key = (resource.to_owned(), key.to_owned(), value.to_owned());
        self.read(|maps| &maps.aliases, key, async |key| self.store.aliases(&[key]).await)
    }

    fn session_of(&self, key: &str) -> Option<String> {
        self.read(|maps| &maps.keys, key.to_owned(), async |key| self.store.session_keys(&[key]).await)
    }

    fn session(&self, session: &str) -> Option<SessionMemory> {
        self.read(|maps| &maps.sessions, session.to_owned(), async |key| self.store.sessions(&[key]).await)
    }

    fn once(&self, rule: &str, key: &str) -> Option<Timestamp> {
        let key = (rule.to_owned(), key.to_owned());
        self.read(|maps| &maps.once, key, async |key| self.store.once(&[key]).await)
    }

    fn pendings(&self, session: &str) -> Vec<Pending> {
        self.pendings.of_session(session)
    }

    fn pendings_for_key(&self, resource: &str, name: &str, value: &str) -> Vec<Pending> {
        self.pendings.of_key(resource, name, value)
    }
}
