//! State as derive sees it: the store, under the writes that are on their way into it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::runtime::Handle;

use crate::model::{Identity, Known, Pending, SessionMemory, Timestamp, Write};
use crate::rules::View;
use crate::store::Store;

/// Writes derived but not yet applied, each with the number of the exchange that made it.
#[derive(Debug, Default)]
pub(super) struct Overlay(Mutex<Maps>);

#[derive(Debug, Default)]
struct Maps {
    known: HashMap<(String, Identity), (u64, Option<Known>)>,
    aliases: HashMap<(String, String, String), (u64, Option<String>)>,
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
            match write {
                Write::Known { resource, identity, known } => {
                    maps.known.insert((resource.clone(), identity.clone()), (number, known.clone()));
                }
                Write::Alias { resource, name, value, id } => {
                    maps.aliases.insert((resource.clone(), name.clone(), value.clone()), (number, id.clone()));
                }
                // The delivery side's writes mean nothing to rules.
                _ => {}
            }
        }
    }

    /// Takes away what exchanges up to `number` laid: the store has it now.
    pub(super) fn applied(&self, number: u64) {
        let mut maps = self.maps();
        maps.known.retain(|_, (by, _)| *by > number);
        maps.aliases.retain(|_, (by, _)| *by > number);
    }
}

/// The overlay over the store, for one derive. Must not be used inside a runtime: it blocks for the store's answers.
pub(super) struct OverlayView<'a> {
    pub(super) overlay: &'a Overlay,
    pub(super) store: &'a Store,
    pub(super) runtime: &'a Handle,
    /// The first failed read, to be noted: what could not be read counts as unknown.
    pub(super) fault: Mutex<Option<String>>,
}

impl OverlayView<'_> {
    fn failed<T>(&self, error: &crate::store::StoreError) -> Option<T> {
        let mut fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        fault.get_or_insert_with(|| error.to_string());
        None
    }
}

impl View for OverlayView<'_> {
    fn known(&self, resource: &str, identity: &Identity) -> Option<Known> {
        let key = (resource.to_owned(), identity.clone());
        if let Some((_, known)) = self.overlay.maps().known.get(&key) {
            return known.clone();
        }
        match self.runtime.block_on(self.store.known(&[key])) {
            Ok(mut known) => known.pop().flatten(),
            Err(error) => self.failed(&error),
        }
    }

    fn id_of(&self, resource: &str, key: &str, value: &str) -> Option<String> {
        let key = (resource.to_owned(), key.to_owned(), value.to_owned());
        if let Some((_, id)) = self.overlay.maps().aliases.get(&key) {
            return id.clone();
        }
        match self.runtime.block_on(self.store.aliases(&[key])) {
            Ok(mut ids) => ids.pop().flatten(),
            Err(error) => self.failed(&error),
        }
    }

    // Sessions, `once` and waits are read from the store when the engine carries them; until then nobody is remembered.
    fn session_of(&self, _: &str) -> Option<String> {
        None
    }

    fn session(&self, _: &str) -> Option<SessionMemory> {
        None
    }

    fn once(&self, _: &str, _: &str) -> Option<Timestamp> {
        None
    }

    fn pendings(&self, _: &str) -> Vec<Pending> {
        Vec::new()
    }

    fn pendings_for_key(&self, _: &str, _: &str, _: &str) -> Vec<Pending> {
        Vec::new()
    }
}
