//! All that reads state: `when`, values, identity, `saved`, merging. Runs in order of arrival, over a [`View`].
//!
//! Two steps. **evaluate**: every matched rule's expressions run against state *as before the exchange* and give work in
//! order: events, matches that wait, lessons, waits that are over (`complete`). **finish**: the work in order, over an
//! overlay of this exchange's own writes: identity is completed, `saved` decided, payload laid over what is known, dates
//! and body made; then the waits whose keys were learnt, and the visitor's memory.

mod body;
mod candidate;
mod complete;
mod early;
mod evaluate;
mod finish;
mod identify;
mod lessons;
mod merge;
mod notes;
mod overlay;
mod payload;
mod phase;
mod redact;
mod settle;
mod sink;
mod step;
mod trace;
mod unconfirmed;
mod visitor;
mod waits;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::exchange::Reading;
use crate::model::{Event, Identity, Timestamp, Topic};

use super::expr::Context;
use super::matching::Matched;
use super::rule::Ruleset;
use super::view::View;

use notes::Notes;
use sink::Sink;
use visitor::Visitor;

pub(super) use body::DATES;
pub(super) use redact::{is_card, is_secret};

pub use notes::Note;
pub use step::{Derived, Named, PendingDraft, Step};
pub(super) use trace::Trace;
pub use trace::{Traced, TracedEvent};

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

impl Ruleset {
    /// What the matched rules make of the exchange, given state as before it. `now` is the time of derivation. Without a
    /// matched rule the visitor is still followed.
    pub fn derive(&self, reading: &Reading, matched: &Matched, view: &dyn View, now: Timestamp) -> Derived {
        self.derive_traced(reading, matched, view, now, Trace::OFF)
    }

    /// The same; the trace comes back in [`Derived::trace`].
    pub(super) fn derive_traced(
        &self,
        reading: &Reading,
        matched: &Matched,
        view: &dyn View,
        now: Timestamp,
        trace: Trace,
    ) -> Derived {
        let visitor = Visitor::of(self, reading, view, now);
        let context = Context::new(reading, &self.shop, view, now).with_session(&visitor.whole);
        let mut notes = Notes::of(&matched.notes, trace);
        let mut sink = Sink::new(view, now, visitor.id.clone());
        self.complete(matched, &context, &visitor, &mut notes, &mut sink);
        self.evaluate(matched, &context, &visitor, &mut notes, &mut sink);
        finish::finish(self, visitor, &context, sink, notes)
    }

    /// The session an exchange belongs to (empty: none), and what is remembered of its visitor, as before it.
    pub(super) fn remembered(
        &self,
        reading: &Reading,
        view: &dyn View,
        now: Timestamp,
    ) -> (String, Map<String, Value>) {
        let visitor = Visitor::of(self, reading, view, now);
        (visitor.id, visitor.memory.memory)
    }

    /// Indexes of the webhooks whose topics and filter want this event (status is the engine's business).
    pub fn wanting(&self, draft: &Draft) -> (Vec<usize>, Vec<Note>) {
        let mut notes = Vec::new();
        let mut filter_input = None;
        let mut wanting = Vec::new();
        for (at, webhook) in self.webhooks.iter().enumerate() {
            if !webhook.topics.iter().any(|pattern| pattern.matches(&draft.topic)) {
                continue;
            }
            let wants = webhook.filter.is_none_or(|filter| {
                let input = filter_input.get_or_insert_with(|| draft.filter_input());
                self.expressions.filter(filter, input).unwrap_or_else(|error| {
                    let text = format!("filter of webhook {} failed and lets the event through: {error}", webhook.name);
                    notes.push(Note { rule: draft.rule.clone(), text });
                    true
                })
            });
            if wants {
                wanting.push(at);
            }
        }
        (wanting, notes)
    }
}

impl Draft {
    /// The variables of a webhook's filter: `topic resource event id key payload`.
    fn filter_input(&self) -> Map<String, Value> {
        let payload = serde_json::from_str(self.body.get()).unwrap_or_default();
        let id = self.id.as_deref().map_or(Value::Null, crate::model::id_json);
        let pairs = [
            ("topic", self.topic.as_str().into()),
            ("resource", self.resource.as_str().into()),
            ("event", self.topic.event().into()),
            ("id", id),
            ("key", self.key.clone().into()),
            ("payload", payload),
        ];
        pairs.into_iter().map(|(name, value): (&str, Value)| (name.to_owned(), value)).collect()
    }
}
