//! Second step: candidates in order, over state and this exchange's own writes.

use serde_json::{Map, Value};

use super::Draft;
use super::body::{self, Dates};
use super::evaluate::Candidate;
use super::identify::Found;
use super::merge::laid_over;
use super::notes::Notes;
use super::overlay::Overlay;
use crate::exchange::Reading;
use crate::model::{Known, MAX_BODY_BYTES, Timestamp, Topic, Write};
use crate::rules::rule::{PayloadMode, Ruleset};
use crate::rules::view::View;

/// The most bytes the bodies of one exchange may come to together.
const MAX_BODIES_BYTES: usize = 4 * MAX_BODY_BYTES;

/// Settles the candidates of one exchange.
pub(super) struct Settle<'a> {
    ruleset: &'a Ruleset,
    pub(super) state: Overlay<'a>,
    at: Timestamp,
    now: Timestamp,
    source: String,
    bytes: usize,
}

impl<'a> Settle<'a> {
    pub(super) fn new(ruleset: &'a Ruleset, reading: &Reading, view: &'a dyn View, now: Timestamp) -> Self {
        let exchange = reading.exchange();
        let source = format!("{} {}", exchange.request.method, exchange.request.path());
        Self { ruleset, state: Overlay::new(view), at: exchange.at, now, source, bytes: 0 }
    }

    pub(super) fn into_writes(self) -> Vec<Write> {
        self.state.into_writes()
    }

    /// The event of a candidate, if it gives one; its writes are kept.
    pub(super) fn candidate(&mut self, mut candidate: Candidate<'_>, notes: &mut Notes) -> Option<Draft> {
        let rule = candidate.rule;
        if candidate.id.is_none() && candidate.keys.is_empty() {
            notes.add(&rule.name, format!("no event {}: neither id nor key is defined", candidate.topic));
            return None;
        }
        let found = self.identify(&candidate, notes);
        if candidate.topic.is_action() {
            return self.action(&mut candidate, &found, notes);
        }
        let topic = decided(&candidate.topic, found.known.as_ref());
        if topic.event() == "deleted" {
            return self.deleted(&mut candidate, topic, &found, notes);
        }
        self.told(&mut candidate, topic, &found, notes)
    }

    /// Created, updated, restored and all others that carry the resource.
    fn told(&mut self, candidate: &mut Candidate<'_>, topic: Topic, found: &Found, notes: &mut Notes) -> Option<Draft> {
        let rule = candidate.rule;
        let mut payload = std::mem::take(&mut candidate.payload);
        payload.shift_remove("id");
        // A new thing under a key that others had before it (the next order of one customer) begins with nothing.
        let fresh = topic.event() == "created" && found.id.is_none();
        let before = found.known.as_ref().filter(|_| !fresh);
        let first_seen = before.map_or(self.at, |known| known.created);
        let last_modified = found.known.as_ref().map(|known| known.modified);
        let zone = &self.ruleset.shop.timezone;
        let dates = Dates::take(&mut payload, first_seen, last_modified, self.now, zone);
        let fields = match (rule.payload_mode, before) {
            (PayloadMode::Merge, Some(before)) => laid_over(payload, &before.fields),
            _ => payload,
        };
        let facts = facts(candidate, before);
        let may_skip = rule.skip_unchanged && topic.event() == "updated";
        if let Some(known) = before.filter(|known| may_skip && !known.trimmed && known.fields == fields) {
            if known.facts != facts {
                let known = Known { facts, ..known.clone() };
                self.remember(candidate, found, known, notes);
            }
            return None;
        }
        let body = body::resource(found.id.as_deref(), &candidate.keys, dates, zone, &fields);
        let draft = self.draft(candidate, topic, found, &body, notes)?;
        let Dates { created, modified } = dates;
        let known = Known { fields, facts, created, modified, deleted: false, trimmed: false };
        self.remember(candidate, found, known, notes);
        Some(draft)
    }

    /// The body names the resource and says nothing else; what was known is kept, for a later restored.
    fn deleted(
        &mut self,
        candidate: &mut Candidate<'_>,
        topic: Topic,
        found: &Found,
        notes: &mut Notes,
    ) -> Option<Draft> {
        let body = body::identity(found.id.as_deref(), &candidate.keys);
        let draft = self.draft(candidate, topic, found, &body, notes)?;
        let facts = facts(candidate, found.known.as_ref());
        let before = found.known.clone().unwrap_or_else(|| Known { created: self.at, ..Known::default() });
        let zone = &self.ruleset.shop.timezone;
        let last_modified = found.known.as_ref().map(|known| known.modified);
        let dates = Dates::take(&mut Map::new(), before.created, last_modified, self.now, zone);
        let known = Known { facts, modified: dates.modified, deleted: true, ..before };
        self.remember(candidate, found, known, notes);
        Some(draft)
    }

    fn action(&mut self, candidate: &mut Candidate<'_>, found: &Found, notes: &mut Notes) -> Option<Draft> {
        let topic = candidate.topic.clone();
        let body = body::action(topic.event(), candidate.arg.take(), found.id.as_deref(), &candidate.keys);
        let draft = self.draft(candidate, topic, found, &body, notes)?;
        // An action tells nothing of the resource itself, so it never makes one known; it may add facts to one.
        if let Some(known) = found.known.as_ref().filter(|_| !candidate.facts.is_empty()) {
            let facts = facts(candidate, Some(known));
            self.remember(candidate, found, Known { facts, ..known.clone() }, notes);
        }
        Some(draft)
    }

    fn remember(&mut self, candidate: &Candidate<'_>, found: &Found, known: Known, notes: &mut Notes) {
        if self.state.put_known(&candidate.resource, &found.identity, known) {
            let name = found.id.as_deref().unwrap_or("(key)");
            let text = format!("{} {name} is too large to remember: only its dates are kept", candidate.resource);
            notes.add(&candidate.rule.name, text);
        }
    }

    fn draft(
        &mut self,
        candidate: &Candidate<'_>,
        topic: Topic,
        found: &Found,
        body: &Map<String, Value>,
        notes: &mut Notes,
    ) -> Option<Draft> {
        let rule = &candidate.rule.name;
        let Some(body) = body::compact(body) else {
            notes.add(rule, format!("no event {topic}: its body is larger than {MAX_BODY_BYTES} bytes"));
            return None;
        };
        self.bytes = self.bytes.saturating_add(body.get().len());
        if self.bytes > MAX_BODIES_BYTES {
            notes.add(
                rule,
                format!("no event {topic}: the exchange's bodies come to more than {MAX_BODIES_BYTES} bytes"),
            );
            return None;
        }
        let key = candidate.keys.iter().map(|key| (key.name.clone(), key.value.clone())).collect();
        Some(Draft {
            at: self.at,
            topic,
            resource: candidate.resource.clone(),
            id: found.id.clone(),
            key,
            group: (candidate.resource.clone(), found.identity.clone()),
            body,
            rule: rule.clone(),
            source: self.source.clone(),
        })
    }
}

/// The candidate's facts laid over those known.
fn facts(candidate: &mut Candidate<'_>, before: Option<&Known>) -> Map<String, Value> {
    let facts = std::mem::take(&mut candidate.facts);
    match before {
        Some(before) => laid_over(facts, &before.facts),
        None => facts,
    }
}

/// `saved` is decided by what is known; every other event is as the rule says.
fn decided(topic: &Topic, known: Option<&Known>) -> Topic {
    match (topic.event(), known) {
        ("saved", None) => topic.with_event("created"),
        ("saved", Some(known)) if known.deleted => topic.with_event("restored"),
        ("saved", Some(_)) => topic.with_event("updated"),
        _ => topic.clone(),
    }
}
