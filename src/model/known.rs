//! What is remembered of a resource.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Timestamp;

/// What is remembered of a visitor between exchanges (`remember`), until it has been idle for `[session] ttl`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SessionMemory {
    /// `remember.NAME` of the rules.
    #[serde(default)]
    pub memory: Map<String, Value>,
    /// When each name was last written: where two sessions meet the newer wins.
    #[serde(default)]
    pub written: BTreeMap<String, Timestamp>,
    /// Hashes of the keys that lead here, oldest first.
    #[serde(default)]
    pub keys: Vec<String>,
    /// When it is forgotten if the visitor stays away.
    pub expires: Timestamp,
}

/// A resource as the last event left it: what an update is merged over, and what tells created from restored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// Payload fields, without id and dates.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub fields: Map<String, Value>,
    /// `facts.*` of rules: remembered, never sent.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub facts: Map<String, Value>,
    /// When it was first seen or, if the rule says so, made.
    pub created: Timestamp,
    /// `date_modified` of the last event; strictly increasing in whole seconds (real clients de-duplicate on it).
    pub modified: Timestamp,
    /// Whether the last event was `deleted`.
    #[serde(default)]
    pub deleted: bool,
    /// Whether fields and facts were dropped because they were larger than the bound of one record.
    #[serde(default)]
    pub trimmed: bool,
    /// When it came into our sight: a `created` takes only ids that were not known before its exchange.
    #[serde(default)]
    pub seen: Timestamp,
    /// Whether it was only learnt of, from pages passing by: no event told of it yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub learnt: bool,
}
