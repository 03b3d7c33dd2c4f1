//! Matched, but waiting for a look-up, a later exchange or an id: the records behind a rule's `wait`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{EventUid, Timestamp};

/// A match whose event is not settled yet. It holds all that the event needs, so that it survives a restart and a change
/// of the rules.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pending {
    /// Names the event to be (the first of them, where a late `for_each` gives several).
    pub uid: EventUid,
    /// When the exchange began that matched.
    pub at: Timestamp,
    /// NAME of the rule.
    pub rule: String,
    /// Hash of the rule as it stood: where it has changed since, only `else` can settle the match.
    #[serde(default)]
    pub definition: String,
    /// Which element of the rule's `for_each`; what one exchange completes, it completes for all elements of one match.
    #[serde(default)]
    pub item: u32,
    /// Method and path of the exchange that matched.
    #[serde(default)]
    pub source: String,
    /// When `else` happens.
    pub deadline: Timestamp,
    /// What happens then.
    #[serde(default)]
    pub otherwise: Otherwise,
    /// The visitor it belongs to; empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub session: String,
    /// What is missing, for people.
    pub missing: String,
    /// What it waits for; the first to come wins.
    #[serde(default)]
    pub waits: Vec<OpenWait>,
    /// The resource its keys belong to; empty where learning them settles nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub resource: String,
    /// Natural keys (name, value trimmed and case-folded): learning the id of one completes the event.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<(String, String)>,
    /// Values computed at the match: topics, id, key, payload and facts as far as they name nothing late.
    #[serde(default)]
    pub values: Map<String, Value>,
    /// Paths of the exchange that late values name, with what stood there.
    #[serde(default)]
    pub stored: Map<String, Value>,
    /// Whether there is a match at all is still to be said: by the messages of the visitor's next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unconfirmed: Option<Box<Unconfirmed>>,
}

/// What a match does once a page has confirmed it. If none does in time, it is dropped, or, where only finds that it can do
/// without are open ([`Pending::otherwise`] is to send), it goes on without them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Unconfirmed {
    /// Until when it then waits for what its rule waits for.
    #[serde(default)]
    pub deadline: Timestamp,
    /// What happens when that does not come.
    #[serde(default)]
    pub otherwise: Otherwise,
    /// Finds that the page's messages tell, or may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub finds: Vec<String>,
    /// The `once` key that is then used up, and until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub once: Option<(String, Timestamp)>,
    /// What is then forgotten of the visitor: paths in the memory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forget: Vec<Vec<String>>,
    /// And remembered.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub remember: Map<String, Value>,
}

/// What happens to a match when its time is up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Otherwise {
    /// The event goes out with what is known.
    #[default]
    Send,
    /// There is no event, and a notice says so.
    Drop,
}

/// One thing a match waits for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenWait {
    /// Its place in the rule's `wait`.
    pub place: u32,
    /// Until when.
    pub deadline: Timestamp,
    /// What it is.
    pub waits_for: WaitsFor,
}

impl OpenWait {
    /// What its conditions on the first exchange came to.
    pub fn texts(&self) -> &[String] {
        match &self.waits_for {
            WaitsFor::Exchange { texts } => texts,
            WaitsFor::LookUp(look_up) => &look_up.texts,
            WaitsFor::Learnt => &[],
        }
    }
}

/// What a match waits for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitsFor {
    /// A later exchange of the same session. The texts are those its conditions on the first exchange came to.
    Exchange {
        /// One for each of the wait's conditions that is a template, in their order.
        #[serde(default)]
        texts: Vec<String>,
    },
    /// The answer to a look-up.
    LookUp(LookUp),
    /// That the id of one of its keys is learnt.
    Learnt,
}

/// A GET to the shop that is due. Safe by construction: path and query only, values percent-encoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookUp {
    /// Path and query, in pieces.
    pub get: Vec<GetPiece>,
    /// With whose rights.
    #[serde(default)]
    pub access: Access,
    /// As in [`WaitsFor::Exchange`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub texts: Vec<String>,
}

/// A piece of a look-up's path and query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GetPiece {
    /// Ready text, values in it percent-encoded.
    Text(String),
    /// What the login of `[access.NAME]` keeps under this name, to be percent-encoded when it is known.
    Kept(String),
}

/// With whose rights a look-up is made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Nobody's: no cookies.
    #[default]
    None,
    /// The visitor's own cookies and tokens, after their next page or [`LookUp::VISITOR_DELAY`].
    Visitor,
    /// Those of `[access.NAME]`.
    Named(String),
}

impl LookUp {
    /// A look-up as the visitor runs after that visitor's next page, or this much later: never before, as it would eat
    /// one-time banners and take the shop's session lock.
    pub const VISITOR_DELAY: std::time::Duration = std::time::Duration::from_secs(5);

    /// Path and query, with what the login kept filled in; `None` if something is missing.
    pub fn target(&self, kept: &Map<String, Value>) -> Option<String> {
        let piece = |piece: &GetPiece| match piece {
            GetPiece::Text(text) => Some(text.clone()),
            GetPiece::Kept(name) => match kept.get(name)? {
                Value::String(text) => Some(percent_encoded(text)),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            },
        };
        self.get.iter().map(piece).collect()
    }
}

/// A value as it may stand in a path or a query: all but letters, digits and `-._~` escaped (RFC 3986 section 2.3).
pub fn percent_encoded(text: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    percent_encoding::utf8_percent_encode(text, KEPT).to_string()
}

/// How a pending match was settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettledAs {
    /// What it waited for came: the event stands in the next record.
    Completed,
    /// Its time was up and `else = "send"`: the event stands in the next record.
    Fallback,
    /// Its time was up and `else = "drop"`, or there was nothing to send: no event.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_whole_only_with_what_was_kept() {
        let get = vec![GetPiece::Text("/admin?q=a%20b&t=".into()), GetPiece::Kept("token".into())];
        let look_up = LookUp { get, access: Access::Named("office".into()), texts: Vec::new() };
        let kept: Map<String, Value> = [("token".to_owned(), Value::from("a&b/ü"))].into_iter().collect();
        assert_eq!(look_up.target(&kept).as_deref(), Some("/admin?q=a%20b&t=a%26b%2F%C3%BC"));
        assert_eq!(look_up.target(&Map::new()), None);
    }
}
