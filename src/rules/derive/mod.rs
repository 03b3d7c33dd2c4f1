//! All that reads state: `when`, values, identity, `saved`, merging. Runs in order of arrival, over a [`View`].

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::exchange::Reading;
use crate::model::{Event, Identity, Timestamp, Topic, Write};

use super::matching::Matched;
use super::rule::Ruleset;
use super::view::View;

/// What an exchange comes to.
#[derive(Debug, Default)]
pub struct Derived {
    /// Events in order.
    pub events: Vec<Draft>,
    /// State writes in order; later ones win.
    pub writes: Vec<Write>,
    /// Things an operator should know.
    pub notes: Vec<Note>,
}

/// An event before it has a uid and knows its webhooks.
#[derive(Debug, Clone)]
pub struct Draft {
    /// When the exchange began.
    pub at: Timestamp,
    /// The topic, `saved` decided.
    pub topic: Topic,
    /// The resource.
    pub resource: String,
    /// The id.
    pub id: Option<String>,
    /// Natural keys.
    pub key: Map<String, Value>,
    /// Group of its deliveries.
    pub group: (String, Identity),
    /// The body, compact JSON.
    pub body: Box<RawValue>,
    /// NAME of the rule.
    pub rule: String,
    /// Method and path of the exchange.
    pub source: String,
}

impl Draft {
    /// The event, named and addressed.
    pub fn into_event(self, uid: crate::model::EventUid, webhooks: Vec<crate::model::WebhookId>) -> Event {
        let Self { at, topic, resource, id, key, group, body, rule, source } = self;
        Event { uid, at, topic, resource, id, key, group, body, rule, webhooks, source }
    }
}

/// Something an operator should know about a rule: counted per rule and text, noted now and then.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Note {
    /// NAME of the rule (empty: the exchange as a whole).
    pub rule: String,
    /// For people.
    pub text: String,
}

impl Ruleset {
    /// What the matched rules make of the exchange, given state as before it. `now` is the time of derivation.
    pub fn derive(&self, _reading: &Reading, _matched: &Matched, _view: &dyn View, _now: Timestamp) -> Derived {
        todo!()
    }

    /// Indexes of the webhooks whose topics and filter want this event (status is the engine's business).
    pub fn wanting(&self, _draft: &Draft) -> (Vec<usize>, Vec<Note>) {
        todo!()
    }
}
