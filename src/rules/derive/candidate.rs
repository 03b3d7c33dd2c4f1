//! What rules want to say, before state has its word.

use std::rc::Rc;

use serde_json::{Map, Value};

use crate::exchange::Reading;
use crate::model::{Timestamp, Topic};
use crate::rules::rule::{EventRule, PayloadMode};
use crate::rules::view::fold;

/// The longest value of a natural key, in bytes: it is a key of the store.
const MAX_KEY_BYTES: usize = 512;

/// The most natural keys one event may have.
pub(super) const MAX_KEYS: usize = 16;

/// Where a candidate comes from, and how its rule wants it treated.
#[derive(Clone, Debug, Default)]
pub(super) struct Origin {
    /// NAME of the rule.
    pub(super) rule: String,
    /// When the exchange began that matched.
    pub(super) at: Timestamp,
    /// Its method and path.
    pub(super) source: String,
    pub(super) mode: PayloadMode,
    pub(super) skip_unchanged: bool,
    /// The rule states the resource.
    pub(super) stated: bool,
    /// A `once` key that an event uses up, and until when.
    pub(super) once: Option<(String, Timestamp)>,
}

impl Origin {
    pub(super) fn of(rule: &EventRule, reading: &Reading) -> Self {
        let exchange = reading.exchange();
        Self {
            rule: rule.name.clone(),
            at: exchange.at,
            source: format!("{} {}", exchange.request.method, exchange.request.path()),
            mode: rule.payload_mode,
            skip_unchanged: rule.skip_unchanged,
            stated: rule.resource.is_some(),
            once: None,
        }
    }
}

/// What a rule wants to say.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) origin: Rc<Origin>,
    pub(super) topic: Topic,
    pub(super) resource: String,
    pub(super) id: Option<String>,
    pub(super) keys: Vec<Key>,
    pub(super) payload: Map<String, Value>,
    pub(super) facts: Map<String, Value>,
    pub(super) arg: Option<Value>,
}

impl Candidate {
    /// Whether it says that a resource was made.
    pub(super) fn is_created(&self) -> bool {
        is_created(&self.topic)
    }
}

/// Whether a topic says that a resource was made.
pub(super) fn is_created(topic: &Topic) -> bool {
    topic.event() == "created" && !topic.is_action()
}

/// What a learn rule saw of a resource.
#[derive(Clone, Debug)]
pub(super) struct Lesson {
    pub(super) origin: Rc<Origin>,
    pub(super) resource: String,
    pub(super) id: Option<String>,
    pub(super) keys: Vec<Key>,
    pub(super) payload: Map<String, Value>,
    pub(super) facts: Map<String, Value>,
}

/// A natural key.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Key {
    pub(super) name: String,
    /// As the rule gave it, text trimmed.
    pub(super) value: Value,
    /// As it is compared.
    pub(super) folded: String,
}

/// A natural key of a value; nothing where that is empty, and what is wrong where it is no such thing.
pub(super) fn key(name: String, value: Value) -> Result<Option<Key>, String> {
    let value = match value {
        Value::String(text) => Value::String(text.trim().to_owned()),
        Value::Number(_) => value,
        Value::Null => return Ok(None),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            return Err(format!("key.{name}: it is neither text nor a number"));
        }
    };
    let folded = fold(value.as_str().map_or_else(|| value.to_string(), str::to_owned).as_str());
    if folded.len() > MAX_KEY_BYTES {
        return Err(format!("key.{name}: it is longer than {MAX_KEY_BYTES} bytes"));
    }
    Ok((!folded.is_empty()).then_some(Key { name, value, folded }))
}
