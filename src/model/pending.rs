//! Matched, but waiting for a look-up or a later exchange: the records behind a rule's `wait`.
//!
//! The journal's schema names them from version 1 on; rules that make them come with the key `wait`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{EventUid, Timestamp};

/// A match whose event is not settled yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pending {
    /// Names the event to be.
    pub uid: EventUid,
    /// When the exchange began that matched.
    pub at: Timestamp,
    /// NAME of the rule.
    pub rule: String,
    /// Hash of the ruleset it matched in.
    #[serde(default)]
    pub ruleset: String,
    /// When `else` happens.
    pub deadline: Timestamp,
    /// The visitor it belongs to; empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub session: String,
    /// What is missing, for people and the scheduler.
    pub missing: String,
    /// Values computed at the match: topic, id, key, payload and facts as far as they name nothing late.
    #[serde(default)]
    pub values: Map<String, Value>,
    /// Paths of the exchange that late values name, with what stood there.
    #[serde(default)]
    pub stored: Map<String, Value>,
}

/// How a pending match was settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettledAs {
    /// What it waited for came: the event stands in the next record.
    Completed,
    /// Its time was up and `else = "send"`: the event stands in the next record.
    Fallback,
    /// Its time was up and `else = "drop"`.
    Dropped,
}

/// Closes a [`Pending`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// The match it closes: the uid of its event.
    pub pending: EventUid,
    /// When.
    pub at: Timestamp,
    /// How.
    #[serde(rename = "as")]
    pub settled_as: SettledAs,
}
