//! An event: what happened, fixed in the journal for good.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{EventUid, Timestamp, Topic, WebhookId};

/// The largest body of a webhook, in bytes; a larger one is refused with a notice.
pub const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// What a resource is known by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// The shop's own id, trimmed, compared as text.
    Id(String),
    /// A natural key: the first of the rule's keys, trimmed and case-folded.
    Key {
        /// Name of the key (`email`, `code`).
        name: String,
        /// Its value.
        value: String,
    },
    /// Nothing that could be told apart (an action without an id).
    None,
}

/// What happened. Immutable once it is in the journal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Names this event for ever.
    pub uid: EventUid,
    /// When the exchange began that caused it.
    pub at: Timestamp,
    /// What kind of thing happened.
    pub topic: Topic,
    /// The resource it is about: the topic's, or that of an action.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub resource: String,
    /// The resource's id as text, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Natural keys in written order, as the rule gave them.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub key: serde_json::Map<String, Value>,
    /// Deliveries of one group leave in order: (resource, identity), fixed at the event.
    pub group: (String, Identity),
    /// The body of the webhook, exactly as sent: compact JSON.
    pub body: Box<RawValue>,
    /// NAME of the rule that saw it.
    pub rule: String,
    /// Ids of the webhooks that want it, decided at the event.
    #[serde(default)]
    pub webhooks: Vec<WebhookId>,
    /// The exchange it came from: method and path, for the log.
    #[serde(default)]
    pub source: String,
}

/// An id as bodies and output carry it: a JSON integer if it is `0` or up to 16 digits without a leading zero, else text.
pub fn id_json(id: &str) -> Value {
    let digits = !id.is_empty() && id.len() <= 16 && id.bytes().all(|byte| byte.is_ascii_digit());
    match id.parse::<u64>() {
        Ok(number) if digits && (id == "0" || !id.starts_with('0')) => number.into(),
        _ => id.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_integers_where_they_look_like_one() {
        let rows = [
            ("7", "7"),
            ("0", "0"),
            ("007", "\"007\""),
            ("1234567890123456", "1234567890123456"),
            ("12345678901234567", "\"12345678901234567\""),
            ("A-7", "\"A-7\""),
            ("", "\"\""),
            ("+7", "\"+7\""),
        ];
        for (id, json) in rows {
            assert_eq!(id_json(id).to_string(), json);
        }
    }
}
