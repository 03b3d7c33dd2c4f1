//! All that reads state: `when`, values, identity, `saved`, merging. Runs in order of arrival, over a [`View`].
//!
//! Two steps. **evaluate**: every matched rule's expressions run against state *as before the exchange* and give
//! candidates. **settle**: the candidates, in order, over an overlay of this exchange's own writes: identity is completed,
//! `saved` decided, payload laid over what is known, dates and body made.

mod body;
mod evaluate;
mod identify;
mod merge;
mod notes;
mod overlay;
mod payload;
mod redact;
mod settle;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::exchange::Reading;
use crate::model::{Event, Identity, Timestamp, Topic, Write};

use super::expr::Context;
use super::matching::Matched;
use super::rule::Ruleset;
use super::view::View;

pub use notes::Note;
pub(super) use redact::is_secret;

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

impl Ruleset {
    /// What the matched rules make of the exchange, given state as before it. `now` is the time of derivation.
    pub fn derive(&self, reading: &Reading, matched: &Matched, view: &dyn View, now: Timestamp) -> Derived {
        let mut notes = notes::Notes::of(&matched.notes);
        let context = Context::new(reading, &self.shop, view, now);
        let mut settle = settle::Settle::new(self, reading, view, now);
        let mut candidates = Vec::new();
        let mut stopped_by = None;
        for hit in &matched.rules {
            // A rule that stops the others still runs for each of its own GraphQL fields.
            if stopped_by.is_some_and(|rule| rule != hit.rule) {
                break;
            }
            let Some(rule) = usize::try_from(hit.rule).ok().and_then(|at| self.events.get(at)) else { continue };
            let context = context.rule(&hit.params, &hit.location_params).with_found(&hit.found);
            let held = evaluate::rule(self, rule, &context, &mut notes, &mut candidates);
            if held && rule.stop {
                stopped_by = Some(hit.rule);
            }
        }
        let mut events = Vec::new();
        for candidate in candidates {
            events.extend(settle.candidate(candidate, &mut notes));
        }
        Derived { events, writes: settle.into_writes(), notes: notes.into_list() }
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
