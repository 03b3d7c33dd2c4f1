//! A match that waits: what is kept of it, and what comes of it in the end.

use std::rc::Rc;

use serde_json::{Map, Value};

use super::candidate::{Candidate, Key, Origin, is_created};
use super::early::Early;
use super::evaluate::{Run, Values};
use super::merge::added;
use super::notes::Notes;
use super::phase::{Phase, Stage};
use super::sink::{Sink, Work};
use super::trace::Traced;
use crate::model::{
    Access, EventUid, GetPiece, LookUp, OpenWait, Otherwise, Pending, Topic, WaitsFor, percent_encoded,
};
use crate::rules::expr::{Context, Late, RuleContext, Template};
use crate::rules::rule::{Awaited, EventRule, GetPart, KeySource, PayloadMode, RuleKind, Ruleset};
use crate::rules::sessions::hash;

/// The most one waiting match may hold of its exchange, in bytes of JSON; above it `else` happens at once.
const MAX_PENDING_BYTES: usize = 64 * 1024;

/// The most open waits of one session, and of one natural key; above it `else` happens at once.
const MAX_OPEN: usize = 100;

/// `once` keys longer than this, in bytes, are kept as their hash.
const MAX_ONCE_BYTES: usize = 128;

impl Run<'_, '_> {
    /// The `once` key of this run and until when it counts; `Err` where it was used before.
    pub(super) fn used(
        &mut self,
        context: &RuleContext<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<Option<(String, crate::model::Timestamp)>, ()> {
        let Some(once) = &self.rule.stateful.once else { return Ok(None) };
        let Some(key) = self.text("once", &once.key, context).filter(|key| !key.is_empty()) else {
            self.note("once: the key is undefined, so the event counts as new");
            return Ok(None);
        };
        let key = if key.len() > MAX_ONCE_BYTES { hash(key.as_bytes()) } else { key };
        let rule = &self.rule.name;
        let before = sink.view.once(rule, &key).is_some_and(|until| until > sink.now);
        let fresh = !before && sink.used.insert((rule.clone(), key.clone()));
        self.notes.trace(|| Traced::Once { key: key.clone(), fresh });
        if fresh { Ok(Some((key, sink.now.plus(once.span)))) } else { Err(()) }
    }

    /// Lets a match wait, or does what `else` says where it cannot.
    pub(super) fn waits(
        &mut self,
        context: &RuleContext<'_>,
        topics: Vec<Option<Topic>>,
        origin: Origin,
        item: usize,
        sink: &mut Sink<'_>,
    ) {
        let values = self.values(context, topics);
        let rule = self.rule;
        let stored = context.stored(&rule.stateful.stored);
        let otherwise = self.otherwise(&values);
        if self.knows(&values, sink) {
            return self.at_once(values, &stored, &Rc::new(origin), context, sink);
        }
        let waits = self.open_waits(context, &values, sink);
        let pending = self.pending(values.clone(), stored, &origin, waits, sink);
        let pending = Pending { item: u32::try_from(item).unwrap_or(u32::MAX), otherwise, ..pending };
        if self.can_wait(&pending, sink) {
            if let Some((key, until)) = origin.once {
                sink.work.push(Work::Once { rule: origin.rule, key, until });
            }
            sink.work.push(Work::Wait(Box::new(pending)));
        } else if otherwise == Otherwise::Send {
            self.at_once(values, &pending.stored, &Rc::new(origin), context, sink);
        } else {
            self.note("no event: it cannot wait, and `else` says drop");
        }
    }

    /// What happens when nothing comes.
    pub(super) fn otherwise(&self, values: &Values) -> Otherwise {
        let default = if values.keys.is_empty() { Otherwise::Drop } else { Otherwise::Send };
        self.rule.stateful.otherwise.unwrap_or(default)
    }

    /// Whether there is nothing to wait for: only an id is missing, and a key of it is known.
    pub(super) fn knows(&self, values: &Values, sink: &Sink<'_>) -> bool {
        let decides = |wait: &crate::rules::rule::Wait| match wait.event {
            Awaited::Exchange { .. } => true,
            Awaited::Learnt => false,
            Awaited::LookUp { .. } => self.trigger_decides(),
        };
        if values.id.is_some() || self.rule.stateful.waits.iter().any(decides) {
            return false;
        }
        let topics: Vec<&Topic> = values.topics.iter().flatten().collect();
        let resource = resource_of(self.rule.resource.as_deref(), &topics);
        let known = |key: &Key| sink.view.id_of(&resource, &key.name, &key.folded).is_some();
        !topics.iter().any(|topic| is_created(topic)) && values.keys.iter().any(known)
    }

    fn trigger_decides(&self) -> bool {
        let own = |rule: &&EventRule| matches!(rule.stateful.kind, RuleKind::Wait { look_up: true, .. });
        self.ruleset.events.iter().filter(own).any(|rule| rule.name == self.rule.name && rule.stateful.decides)
    }

    /// The event as it is, late values without what they wait for.
    fn at_once(
        &mut self,
        values: Values,
        stored: &Map<String, Value>,
        origin: &Rc<Origin>,
        context: &RuleContext<'_>,
        sink: &mut Sink<'_>,
    ) {
        let late = Late::new(stored);
        let context = context.with_late(&late);
        for values in self.late(&context, values, false, sink) {
            self.candidates(values, origin, sink);
        }
    }

    /// What the match can wait for at all.
    pub(super) fn open_waits(&mut self, context: &RuleContext<'_>, values: &Values, sink: &Sink<'_>) -> Vec<OpenWait> {
        let waits = &self.rule.stateful.waits;
        let mut open = Vec::new();
        for (place, wait) in (0_u32..).zip(waits) {
            let waits_for = match &wait.event {
                Awaited::Exchange { .. } | Awaited::LookUp { access: Access::Visitor, .. }
                    if sink.session.is_empty() =>
                {
                    self.note("it cannot wait for the visitor: the exchange carries no [session] key");
                    None
                }
                Awaited::Exchange { texts } => self.texts(texts, context).map(|texts| WaitsFor::Exchange { texts }),
                Awaited::LookUp { get, access, texts } => {
                    let get = self.get(get, context);
                    let texts = self.texts(texts, context);
                    let access = access.clone();
                    get.zip(texts).map(|(get, texts)| WaitsFor::LookUp(LookUp { get, access, texts }))
                }
                Awaited::Learnt if values.keys.is_empty() => {
                    self.note("it cannot wait for an id: no key is defined");
                    None
                }
                Awaited::Learnt => Some(WaitsFor::Learnt),
            };
            let deadline = sink.now.plus(wait.span);
            open.extend(waits_for.map(|waits_for| OpenWait { place, deadline, waits_for }));
        }
        open
    }

    /// The values a later exchange, or an answer, is held against.
    fn texts(&mut self, templates: &[Template], context: &RuleContext<'_>) -> Option<Vec<String>> {
        let texts: Option<Vec<_>> = templates.iter().map(|template| self.text("wait", template, context)).collect();
        if texts.is_none() {
            self.note("it cannot wait: a value of its conditions is undefined");
        }
        texts
    }

    /// Path and query of a look-up, values percent-encoded.
    fn get(&mut self, parts: &[GetPart], context: &RuleContext<'_>) -> Option<Vec<GetPiece>> {
        let piece = |part: &GetPart| match part {
            GetPart::Text(text) => Some(GetPiece::Text(text.clone())),
            GetPart::Kept(name) => Some(GetPiece::Kept(name.clone())),
            GetPart::Value(expr) => {
                let text = self.text("wait.get", &Template::Single(*expr), context)?;
                Some(GetPiece::Text(percent_encoded(&text)))
            }
        };
        let pieces: Option<Vec<_>> = parts.iter().map(piece).collect();
        if pieces.is_none() {
            self.note("it cannot look anything up: a value of `get` is undefined");
        }
        pieces
    }

    pub(super) fn pending(
        &self,
        values: Values,
        stored: Map<String, Value>,
        origin: &Origin,
        waits: Vec<OpenWait>,
        sink: &Sink<'_>,
    ) -> Pending {
        let rule = self.rule;
        let topics: Vec<&Topic> = values.topics.iter().flatten().collect();
        // Where each item has its own key, none stands for the match as a whole.
        let resource =
            if self.items == Stage::Late { String::new() } else { resource_of(rule.resource.as_deref(), &topics) };
        let keys = values.keys.iter().filter(|_| values.id.is_none());
        let keys = keys.map(|key| (key.name.clone(), key.folded.clone())).collect();
        let early = Early {
            topics: values.topics.iter().map(|topic| topic.as_ref().map(|topic| topic.as_str().to_owned())).collect(),
            id: values.id,
            key: values.keys.into_iter().map(|key| (key.name, key.value)).collect(),
            payload: values.payload,
            facts: values.facts,
            arg: values.arg,
            resource: rule.resource.clone(),
            replace: origin.mode == PayloadMode::Replace,
            skip_unchanged: origin.skip_unchanged,
        };
        let values = match serde_json::to_value(early) {
            Ok(Value::Object(values)) => values,
            _ => Map::new(),
        };
        Pending {
            uid: EventUid::default(),
            at: origin.at,
            rule: rule.name.clone(),
            definition: rule.stateful.definition.clone(),
            source: origin.source.clone(),
            deadline: waits.iter().map(|wait| wait.deadline).max().unwrap_or_default(),
            session: sink.session.clone(),
            missing: missing(&waits),
            waits,
            resource,
            keys,
            values,
            stored,
            ..Pending::default()
        }
    }

    pub(super) fn can_wait(&mut self, pending: &Pending, sink: &Sink<'_>) -> bool {
        if pending.waits.is_empty() && pending.unconfirmed.is_none() {
            return false;
        }
        let size = serde_json::to_vec(&(&pending.values, &pending.stored, &pending.unconfirmed))
            .map_or(usize::MAX, |json| json.len());
        if size > MAX_PENDING_BYTES {
            self.note(&format!("it does not wait: what is kept of it comes to more than {MAX_PENDING_BYTES} bytes"));
            return false;
        }
        let own = |work: &&Work| matches!(work, Work::Wait(_));
        let fresh = sink.work.iter().filter(own).count();
        let of_session = if pending.session.is_empty() { 0 } else { sink.view.pendings(&pending.session).len() };
        let of_key = pending.keys.first().map_or(0, |(name, value)| {
            if pending.resource.is_empty() {
                0
            } else {
                sink.view.pendings_for_key(&pending.resource, name, value).len()
            }
        });
        if fresh + of_session.max(of_key) >= MAX_OPEN {
            self.note(&format!("it does not wait: {MAX_OPEN} others of this visitor or key do already"));
            return false;
        }
        true
    }

    /// Late values over early ones, one for each item of a late `for_each`. `completed`: what was waited for has come, so
    /// a late `when` decides.
    pub(super) fn late(
        &mut self,
        context: &RuleContext<'_>,
        early: Values,
        completed: bool,
        sink: &mut Sink<'_>,
    ) -> Vec<Values> {
        let before = std::mem::replace(&mut self.phase, Phase::Late);
        let mut all = Vec::new();
        match self.rule.for_each.filter(|_| self.is_due(self.items)) {
            None => all.extend(self.late_once(context, early, completed, sink)),
            Some(list) => {
                for (index, item) in self.items(list, context).iter().enumerate() {
                    self.notes.trace(|| Traced::Item { index, value: item.json() });
                    let context = context.with_item(item, index);
                    // Without what it waits for, an item's `when` still decides: it need not name `then`.
                    all.extend(self.late_once(&context, early.clone(), true, sink));
                }
            }
        }
        context.take_notes().into_iter().for_each(|text| self.note(&text));
        self.phase = before;
        all
    }

    fn late_once(
        &mut self,
        context: &RuleContext<'_>,
        early: Values,
        decides: bool,
        sink: &mut Sink<'_>,
    ) -> Option<Values> {
        if decides && !self.when(context) {
            return None;
        }
        self.remembers(context, false, sink);
        Some(self.with_later(context, early))
    }

    /// Values, with those laid over them that are due now.
    pub(super) fn with_later(&mut self, context: &RuleContext<'_>, early: Values) -> Values {
        let mut topics = early.topics;
        topics.extend(self.topics(context));
        topics.retain(Option::is_some);
        let later =
            self.rule.topic.iter().filter(|topic| self.phase == Phase::Page && self.stage_of(topic) == Stage::Late);
        topics.extend(later.map(|_| None));
        let late = self.values(context, topics.clone());
        let keys = self.in_order(early.keys, late.keys);
        Values {
            topics,
            id: early.id.or(late.id),
            keys,
            payload: added(early.payload, late.payload),
            facts: added(early.facts, late.facts),
            arg: late.arg.or(early.arg),
        }
    }

    /// Keys in the order of the file.
    fn in_order(&self, early: Vec<Key>, late: Vec<Key>) -> Vec<Key> {
        let mut keys = early;
        keys.extend(late);
        if let KeySource::Fields(fields) = &self.rule.key {
            keys.sort_by_key(|key| fields.iter().position(|(name, _)| *name == key.name));
        }
        keys
    }
}

/// The resource that keys belong to: the rule's, else that of the first topic that is no action's.
fn resource_of(stated: Option<&str>, topics: &[&Topic]) -> String {
    let of_topic = || topics.iter().find(|topic| !topic.is_action()).map(|topic| topic.resource());
    stated.or_else(of_topic).unwrap_or_default().to_owned()
}

pub(super) fn missing(waits: &[OpenWait]) -> String {
    let words = waits.iter().map(|wait| match &wait.waits_for {
        WaitsFor::Exchange { .. } => "a later page of the visitor",
        WaitsFor::LookUp(_) => "the answer to a look-up",
        WaitsFor::Learnt => "the id of its key",
    });
    words.collect::<Vec<_>>().join(", or ")
}

/// What a waiting match comes to: `by` is the exchange that completes it, `None` where none does. Where its rule is gone
/// or changed, what was kept of it is all there is.
pub(super) fn candidates(
    ruleset: &Ruleset,
    pending: &Pending,
    base: &Context<'_>,
    by: Option<&RuleContext<'_>>,
    notes: &mut Notes,
    sink: &mut Sink<'_>,
) -> Vec<Candidate> {
    let early = Early::of(pending);
    let origin = Rc::new(early.origin(pending));
    let resource = early.resource.clone();
    let values = early.into_values();
    let Some(rule) = ruleset.rule_of(pending) else {
        return values.candidates(resource.as_deref(), &origin);
    };
    let late = Late::new(&pending.stored);
    let late = by.map_or(late.clone(), |by| late.completed(by, &rule.stateful.then));
    let context = base.rule(&[], &[]).with_late(&late);
    let session = std::mem::replace(&mut sink.session, pending.session.clone());
    let mut run = Run::new(ruleset, rule, Phase::Late, notes);
    run.notes.trace(|| Traced::Rule { name: rule.name.clone(), late: true });
    let all = run.late(&context, values, by.is_some(), sink);
    sink.session = session;
    all.into_iter().flat_map(|values| values.candidates(resource.as_deref(), &origin)).collect()
}

impl Ruleset {
    /// The rule a match waits for, if it stands as it stood then.
    pub(super) fn rule_of(&self, pending: &Pending) -> Option<&EventRule> {
        let rule = self.events.iter().find(|rule| (rule.is_event() || rule.is_learn()) && rule.name == pending.rule)?;
        (rule.stateful.definition == pending.definition).then_some(rule)
    }
}
