//! What a rule may read of state.

use std::collections::HashMap;

use crate::model::{Identity, Known, Write};

/// State as derive reads it: the engine's overlay over the store, or a plain map for `replay`.
pub trait View {
    /// What is remembered of a resource.
    fn known(&self, resource: &str, identity: &Identity) -> Option<Known>;
    /// The id a natural key stands for; `value` is trimmed and case-folded.
    fn id_of(&self, resource: &str, key: &str, value: &str) -> Option<String>;
}

/// A natural key's value as it is compared: trimmed and case-folded.
pub(super) fn fold(value: &str) -> String {
    value.trim().to_lowercase()
}

/// State in memory: what `replay`, `test` and `explain` run on.
#[derive(Debug, Default)]
pub struct MemoryState {
    known: HashMap<(String, Identity), Known>,
    aliases: HashMap<(String, String, String), String>,
}

impl MemoryState {
    /// Applies the writes of an exchange.
    pub fn apply(&mut self, writes: &[Write]) {
        for write in writes {
            match write {
                Write::Known { resource, identity, known } => {
                    let key = (resource.clone(), identity.clone());
                    match known {
                        Some(known) => self.known.insert(key, known.clone()),
                        None => self.known.remove(&key),
                    };
                }
                Write::Alias { resource, name, value, id } => {
                    let key = (resource.clone(), name.clone(), value.clone());
                    match id {
                        Some(id) => self.aliases.insert(key, id.clone()),
                        None => self.aliases.remove(&key),
                    };
                }
                // The delivery side's writes mean nothing to rules.
                _ => {}
            }
        }
    }
}

impl View for MemoryState {
    fn known(&self, resource: &str, identity: &Identity) -> Option<Known> {
        self.known.get(&(resource.to_owned(), identity.clone())).cloned()
    }

    fn id_of(&self, resource: &str, key: &str, value: &str) -> Option<String> {
        self.aliases.get(&(resource.to_owned(), key.to_owned(), value.to_owned())).cloned()
    }
}
