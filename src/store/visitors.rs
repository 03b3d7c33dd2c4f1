//! What is remembered of visitors and of matches that wait, as the engine reads it.

use super::keys::{self, row};
use super::{Store, StoreError, rows};
use crate::model::{Pending, SessionMemory, Timestamp};

#[expect(clippy::unused_async, reason = "an engine behind a network, as design 12 foresees, waits here")]
impl Store {
    /// The sessions that visitors' keys lead to.
    pub async fn session_keys(&self, keys: &[String]) -> Result<Vec<Option<String>>, StoreError> {
        keys.iter().map(|key| self.state().get(&keys::session_key(key))).collect()
    }

    /// What is remembered of visitors, also where it has expired: that is for the reader to see.
    pub async fn sessions(&self, sessions: &[String]) -> Result<Vec<Option<SessionMemory>>, StoreError> {
        sessions.iter().map(|session| self.state().get(&keys::session(session))).collect()
    }

    /// Until when rules' `once` keys count: (rule, key).
    pub async fn once(&self, keys: &[(String, String)]) -> Result<Vec<Option<Timestamp>>, StoreError> {
        keys.iter().map(|(rule, key)| self.state().get(&keys::once(rule, key))).collect()
    }

    /// Every match that waits: read once at start, then followed by its reader.
    pub async fn pendings(&self) -> Result<Vec<Pending>, StoreError> {
        self.state().rows(&[row::PENDING])?.iter().map(|(_, value)| rows::decode(value)).collect()
    }
}
