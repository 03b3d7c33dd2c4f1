//! What a match that waits keeps of the values computed when it matched.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::candidate::{Origin, is_created, key};
use super::evaluate::Values;
use crate::model::{Pending, Topic};
use crate::rules::rule::PayloadMode;

/// What was computed at the match, as it is kept.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Early {
    /// `null`: to be computed.
    pub(super) topics: Vec<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<String>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(super) key: Map<String, Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(super) payload: Map<String, Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(super) facts: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) arg: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resource: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) replace: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) skip_unchanged: bool,
}

impl Early {
    pub(super) fn of(pending: &Pending) -> Self {
        serde_json::from_value(Value::Object(pending.values.clone())).unwrap_or_default()
    }

    pub(super) fn origin(&self, pending: &Pending) -> Origin {
        Origin {
            rule: pending.rule.clone(),
            at: pending.at,
            source: pending.source.clone(),
            mode: if self.replace { PayloadMode::Replace } else { PayloadMode::Merge },
            skip_unchanged: self.skip_unchanged,
            stated: self.resource.is_some(),
            once: None,
        }
    }

    pub(super) fn into_values(self) -> Values {
        let topic = |text: Option<String>| text.and_then(|text| text.parse::<Topic>().ok());
        let keys = self.key.into_iter().filter_map(|(name, value)| key(name, value).ok().flatten());
        Values {
            topics: self.topics.into_iter().map(topic).collect(),
            id: self.id,
            keys: keys.collect(),
            payload: self.payload,
            facts: self.facts,
            arg: self.arg,
        }
    }
}

/// Whether a waiting match says that a resource was made.
pub(super) fn says_created(pending: &Pending) -> bool {
    let topics = Early::of(pending).topics;
    topics.iter().flatten().filter_map(|topic| topic.parse::<Topic>().ok()).any(|topic| is_created(&topic))
}

/// Whether an id is missing at all.
pub(super) fn lacks_id(pending: &Pending) -> bool {
    Early::of(pending).id.is_none()
}
