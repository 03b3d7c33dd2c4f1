//! Second step: candidates in order, over state and this exchange's own writes.

use std::collections::HashSet;
use std::rc::Rc;

use serde_json::{Map, Value};

use super::Draft;
use super::body::{self, Dates};
use super::candidate::{Candidate, Key, is_created};
use super::identify::Found;
use super::merge::laid_over;
use super::notes::Notes;
use super::overlay::Overlay;
use super::trace::{Traced, TracedEvent};
use crate::model::{Known, MAX_BODY_BYTES, Timestamp, Topic};
use crate::rules::rule::{PayloadMode, Ruleset};
use crate::rules::view::View;

/// The most bytes the bodies of one exchange may come to together.
const MAX_BODIES_BYTES: usize = 4 * MAX_BODY_BYTES;

/// Settles the candidates of one exchange.
pub(super) struct Settle<'a> {
    ruleset: &'a Ruleset,
    pub(super) state: Overlay<'a>,
    pub(super) now: Timestamp,
    bytes: usize,
    /// Keys whose id became clear, in order: waiting matches may have been after them.
    pub(super) learnt: Vec<Learnt>,
    /// Ids of which this exchange tells that they were made.
    pub(super) made: HashSet<(String, String)>,
}

/// A key whose id became clear.
#[derive(Clone, Debug)]
pub(super) struct Learnt {
    pub(super) resource: String,
    pub(super) key: Key,
    pub(super) id: String,
}

impl<'a> Settle<'a> {
    pub(super) fn new(ruleset: &'a Ruleset, view: &'a dyn View, now: Timestamp) -> Self {
        let (learnt, made) = (Vec::new(), HashSet::new());
        Self { ruleset, state: Overlay::new(view), now, bytes: 0, learnt, made }
    }

    /// The event of a candidate, if it gives one; its writes are kept.
    pub(super) fn candidate(&mut self, mut candidate: Candidate, notes: &mut Notes) -> Option<Draft> {
        let origin = Rc::clone(&candidate.origin);
        if candidate.id.is_none() && candidate.keys.is_empty() {
            notes.add(&origin.rule, format!("no event {}: neither id nor key is defined", candidate.topic));
            return None;
        }
        let found = self.identify(&candidate, notes);
        let draft = if candidate.topic.is_action() {
            self.action(&mut candidate, &found, notes)
        } else {
            let topic = decided(&candidate.topic, found.known.as_ref());
            if topic.event() == "deleted" {
                self.deleted(&mut candidate, topic, &found, notes)
            } else {
                self.told(&mut candidate, topic, &found, notes)
            }
        };
        notes.trace(|| {
            Traced::Settled(Box::new(TracedEvent {
                rule: origin.rule.clone(),
                wanted: candidate.topic.clone(),
                topic: draft.as_ref().map(|draft| draft.topic.clone()),
                resource: candidate.resource.clone(),
                identity: found.identity.clone(),
                id_by_key: candidate.id.is_none() && found.id.is_some(),
                known: found.known.as_ref().map(|known| known.deleted),
            }))
        });
        let draft = draft?;
        if let (true, Some(id)) = (is_created(&draft.topic), &draft.id) {
            self.made.insert((draft.resource.clone(), id.clone()));
        }
        if let Some((key, until)) = &origin.once {
            self.state.put_once(&origin.rule, key, *until);
        }
        Some(draft)
    }

    /// Created, updated, restored and all others that carry the resource.
    fn told(&mut self, candidate: &mut Candidate, topic: Topic, found: &Found, notes: &mut Notes) -> Option<Draft> {
        let origin = Rc::clone(&candidate.origin);
        let mut payload = std::mem::take(&mut candidate.payload);
        payload.shift_remove("id");
        // A new thing under a key that others had before it (the next order of one customer) begins with nothing.
        let fresh = topic.event() == "created" && found.id.is_none();
        let before = found.known.as_ref().filter(|_| !fresh);
        // A list may have shown it before a waiting event told of it, and later than that happened.
        let first_seen = before.map_or(origin.at, |known| known.created.min(origin.at));
        let last_modified = found.known.as_ref().map(|known| known.modified);
        let zone = &self.ruleset.shop.timezone;
        let dates = Dates::take(&mut payload, first_seen, last_modified, self.now, zone);
        let fields = match (origin.mode, before) {
            (PayloadMode::Merge, Some(before)) => laid_over(payload, &before.fields),
            _ => payload,
        };
        let facts = Self::facts(candidate, before);
        let may_skip = origin.skip_unchanged && topic.event() == "updated";
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
        let seen = found.known.as_ref().map_or(origin.at, |known| known.seen);
        let known = Known { fields, facts, created, modified, deleted: false, trimmed: false, seen, learnt: false };
        self.remember(candidate, found, known, notes);
        Some(draft)
    }

    /// The body names the resource and says nothing else; what was known is kept, for a later restored.
    fn deleted(&mut self, candidate: &mut Candidate, topic: Topic, found: &Found, notes: &mut Notes) -> Option<Draft> {
        let body = body::identity(found.id.as_deref(), &candidate.keys);
        let draft = self.draft(candidate, topic, found, &body, notes)?;
        let facts = Self::facts(candidate, found.known.as_ref());
        let before = found.known.clone().unwrap_or_else(|| Known {
            created: candidate.origin.at,
            seen: candidate.origin.at,
            ..Known::default()
        });
        let zone = &self.ruleset.shop.timezone;
        let last_modified = found.known.as_ref().map(|known| known.modified);
        let dates = Dates::take(&mut Map::new(), before.created, last_modified, self.now, zone);
        let known = Known { facts, modified: dates.modified, deleted: true, learnt: false, ..before };
        self.remember(candidate, found, known, notes);
        Some(draft)
    }

    fn action(&mut self, candidate: &mut Candidate, found: &Found, notes: &mut Notes) -> Option<Draft> {
        let topic = candidate.topic.clone();
        let body = body::action(topic.event(), candidate.arg.take(), found.id.as_deref(), &candidate.keys);
        let draft = self.draft(candidate, topic, found, &body, notes)?;
        // An action tells nothing of the resource itself, so it never makes one known; it may add facts to one.
        if let Some(known) = found.known.as_ref().filter(|_| !candidate.facts.is_empty()) {
            let facts = Self::facts(candidate, Some(known));
            self.remember(candidate, found, Known { facts, ..known.clone() }, notes);
        }
        Some(draft)
    }

    fn facts(candidate: &mut Candidate, before: Option<&Known>) -> Map<String, Value> {
        let facts = std::mem::take(&mut candidate.facts);
        match before {
            Some(before) => laid_over(facts, &before.facts),
            None => facts,
        }
    }

    fn remember(&mut self, candidate: &Candidate, found: &Found, known: Known, notes: &mut Notes) {
        if self.state.put_known(&candidate.resource, &found.identity, known) {
            // Without the id, so that many of them are one line of the log.
            let text = format!("one {} is too large to remember: only its dates are kept", candidate.resource);
            notes.add(&candidate.origin.rule, text);
        }
    }

    fn draft(
        &mut self,
        candidate: &Candidate,
        topic: Topic,
        found: &Found,
        body: &Map<String, Value>,
        notes: &mut Notes,
    ) -> Option<Draft> {
        let rule = &candidate.origin.rule;
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
            at: candidate.origin.at,
            topic,
            resource: candidate.resource.clone(),
            id: found.id.clone(),
            key,
            group: (candidate.resource.clone(), found.identity.clone()),
            body,
            rule: rule.clone(),
            source: candidate.origin.source.clone(),
        })
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
