//! First step: a matched rule's expressions, against state as before the exchange.

use std::rc::Rc;

use super::candidate::{Candidate, Key, MAX_KEYS, Origin, key};
use super::notes::Notes;
use super::payload;
use super::phase::{Phase, Stage};
use super::sink::{MemoryOp, Sink, Work};
use super::trace::Traced;
use crate::exchange::Damage;
use crate::model::Topic;
use crate::rules::expr::{Expr, RuleContext, RunError, Template};
use crate::rules::rule::{EventRule, KeySource, Ruleset};
use serde_json::{Map, Value};

/// The longest id, in bytes: it is a key of the store.
const MAX_ID_BYTES: usize = 512;

/// The most events one exchange may give.
const MAX_EVENTS: usize = 10_000;

/// One rule at work.
pub(super) struct Run<'r, 'n> {
    pub(super) ruleset: &'r Ruleset,
    pub(super) rule: &'r EventRule,
    pub(super) phase: Phase,
    /// When its `for_each` runs.
    pub(super) items: Stage,
    /// Finds that the visitor's next page tells, where the match waits for one.
    pub(super) page: Option<&'r [String]>,
    pub(super) notes: &'n mut Notes,
}

/// Adds what a rule comes to; gives whether it matched, for `stop`: its `when` held, at least for one item.
pub(super) fn rule(
    ruleset: &Ruleset,
    rule: &EventRule,
    context: &RuleContext<'_>,
    notes: &mut Notes,
    sink: &mut Sink<'_>,
) -> bool {
    let mut run = Run::new(ruleset, rule, Phase::Early, notes);
    run.notes.trace(|| Traced::Rule { name: rule.name.clone(), late: false });
    run.each(context, |run, context, index, first| run.once(context, index, first, sink))
}

impl<'r, 'n> Run<'r, 'n> {
    pub(super) fn new(ruleset: &'r Ruleset, rule: &'r EventRule, phase: Phase, notes: &'n mut Notes) -> Self {
        let items = if rule.late_items(&ruleset.expressions) { Stage::Late } else { Stage::Match };
        Self { ruleset, rule, phase, items, page: None, notes }
    }

    /// Runs `one` for each item of an early `for_each`, or once; gives whether it held. `one` is told which item it is, and
    /// whether it is the first that may hold.
    pub(super) fn each(
        &mut self,
        context: &RuleContext<'_>,
        mut one: impl FnMut(&mut Self, &RuleContext<'_>, usize, bool) -> bool,
    ) -> bool {
        let mut held = false;
        match self.rule.for_each.filter(|_| self.is_due(self.items)) {
            None => held = one(self, context, 0, true),
            Some(list) => {
                for (index, item) in self.items(list, context).iter().enumerate() {
                    self.notes.trace(|| Traced::Item { index, value: item.json() });
                    held |= one(self, &context.with_item(item, index), index, !held);
                }
                // Without an item there is nothing to hold for.
                held |= self.rule.when.is_empty();
            }
        }
        context.take_notes().into_iter().for_each(|text| self.note(&text));
        held
    }

    pub(super) fn note(&mut self, text: &str) {
        let place = &self.rule.place;
        self.notes.add(&self.rule.name, format!("{text} ({}:{})", place.file, place.line));
    }

    fn failed(&mut self, what: &str, error: &RunError) {
        self.note(&format!("{what}: {error}"));
    }

    pub(super) fn items(&mut self, list: Expr, context: &RuleContext<'_>) -> Vec<crate::rules::expr::Item> {
        if self.damaged("for_each", list, context) {
            return Vec::new();
        }
        let items = self.ruleset.expressions.elements(list, context).unwrap_or_else(|error| {
            self.failed("for_each", &error);
            Vec::new()
        });
        let expressions = &self.ruleset.expressions;
        self.notes.trace(|| Traced::Items { source: expressions.source(list).to_owned(), count: items.len() });
        items
    }

    /// Absence is never concluded from a body that is cut or cannot be decoded.
    fn damaged(&mut self, what: &str, expr: Expr, context: &RuleContext<'_>) -> bool {
        let Some((root, damage)) = self.ruleset.expressions.damage(expr, context) else { return false };
        self.note(&format!("did not match: `{what}` reads `{root}`, which is {}", damage.as_str()));
        true
    }

    /// One run of the whole rule; gives whether its `when` held. `first`: the first of its runs that does.
    fn once(&mut self, context: &RuleContext<'_>, item: usize, first: bool, sink: &mut Sink<'_>) -> bool {
        if !self.when(context) {
            return false;
        }
        self.remembers(context, first, sink);
        let rule = self.rule;
        if rule.is_learn() {
            self.learns(context, sink);
            return true;
        }
        let topics: Vec<Option<Topic>> = self.topics(context);
        if topics.is_empty() {
            return true;
        }
        let Ok(once) = self.used(context, sink) else { return true };
        let origin = Origin { once, ..Origin::of(rule, context.reading()) };
        if rule.stateful.waits.is_empty() {
            let early = self.values(context, topics);
            self.candidates(early, &Rc::new(origin), sink);
        } else {
            self.waits(context, topics, origin, item, sink);
        }
        true
    }

    /// Candidates, one for each topic.
    pub(super) fn candidates(&mut self, values: Values, origin: &Rc<Origin>, sink: &mut Sink<'_>) {
        for candidate in values.candidates(self.rule.resource.as_deref(), origin) {
            if sink.work.len() >= MAX_EVENTS {
                self.note(&format!("the exchange gives more than {MAX_EVENTS} events; the rest is left out"));
                break;
            }
            sink.work.push(Work::Event(candidate));
        }
    }

    /// What the rule says of its event, as far as it is due.
    pub(super) fn values(&mut self, context: &RuleContext<'_>, topics: Vec<Option<Topic>>) -> Values {
        let rule = self.rule;
        let (id, keys) = (self.id(context), self.keys(context));
        let about_resource = topics.iter().any(|topic| topic.as_ref().is_none_or(|topic| !topic.is_action()));
        let payload = if about_resource { payload::payload(self, context) } else { Map::new() };
        let facts = payload::table(self, "facts", &rule.facts, context);
        let arg = rule.arg.as_ref().and_then(|arg| payload::value(self, "arg", arg, context));
        Values { topics, id, keys, payload, facts, arg }
    }

    /// `forget` and `remember`.
    pub(super) fn remembers(&mut self, context: &RuleContext<'_>, first: bool, sink: &mut Sink<'_>) {
        let rule = self.rule;
        let forget = if first && self.phase != Phase::Late { rule.stateful.forget.as_slice() } else { &[] };
        let remember = payload::table(self, "remember", &rule.stateful.remember, context);
        if forget.is_empty() && remember.is_empty() {
            return;
        }
        let (rule, session) = (rule.name.clone(), sink.session.clone());
        sink.memory.push(MemoryOp { rule, session, forget: forget.to_vec(), remember });
    }

    fn learns(&mut self, context: &RuleContext<'_>, sink: &mut Sink<'_>) {
        let values = self.values(context, vec![None]);
        self.teaches(values, Origin::of(self.rule, context.reading()), sink);
    }

    /// What a learn rule saw of a resource.
    pub(super) fn teaches(&mut self, values: Values, origin: Origin, sink: &mut Sink<'_>) {
        let Some(resource) = self.rule.resource.clone() else { return };
        let Values { id, keys, payload, facts, .. } = values;
        if id.is_none() && keys.is_empty() {
            return;
        }
        if sink.work.len() >= MAX_EVENTS {
            return self.note(&format!("the exchange teaches more than {MAX_EVENTS} things; the rest is left out"));
        }
        let origin = Rc::new(origin);
        sink.work.push(Work::Learn(super::candidate::Lesson { origin, resource, id, keys, payload, facts }));
    }

    pub(super) fn when(&mut self, context: &RuleContext<'_>) -> bool {
        let rule = self.rule;
        rule.when.iter().enumerate().all(|(at, condition)| {
            let what = if rule.when.len() == 1 { "when".to_owned() } else { format!("when[{at}]") };
            if !self.is_due(self.stage(*condition)) {
                // What is stored for later lacks what the body does.
                return !self.damaged(&what, *condition, context);
            }
            let held = if self.damaged(&what, *condition, context) {
                Err("what it reads is cut or cannot be decoded".to_owned())
            } else {
                self.ruleset.expressions.truth(*condition, context).map_err(|error| {
                    self.failed(&what, &error);
                    error.message
                })
            };
            let expressions = &self.ruleset.expressions;
            self.notes.trace(|| Traced::When {
                source: expressions.source(*condition).to_owned(),
                held: held == Ok(true),
                error: held.clone().err(),
            });
            held.unwrap_or_default()
        })
    }

    /// The topics that are due, in their places; those that are undefined are left out. `None` is one that is not due.
    pub(super) fn topics(&mut self, context: &RuleContext<'_>) -> Vec<Option<Topic>> {
        let topics = self.rule.topic.iter().filter_map(|topic| {
            if self.template_is_due(topic) { self.topic(topic, context).map(Some) } else { Some(None) }
        });
        topics.collect()
    }

    fn topic(&mut self, template: &Template, context: &RuleContext<'_>) -> Option<Topic> {
        let text = self.text("topic", template, context)?;
        let topic = text.trim().parse::<Topic>();
        topic.map_err(|error| self.note(&format!("no event: {error}"))).ok()
    }

    fn id(&mut self, context: &RuleContext<'_>) -> Option<String> {
        let id = self.text("id", self.rule.id.as_ref()?, context)?;
        let id = id.trim();
        if id.len() > MAX_ID_BYTES {
            self.note(&format!("id: it is longer than {MAX_ID_BYTES} bytes"));
            return None;
        }
        (!id.is_empty()).then(|| id.to_owned())
    }

    fn keys(&mut self, context: &RuleContext<'_>) -> Vec<Key> {
        let rule = self.rule;
        let given: Vec<(String, Value)> = match &rule.key {
            KeySource::None => Vec::new(),
            KeySource::Fields(fields) => {
                let fields = fields.iter().map(|(name, template)| {
                    Some((name.clone(), self.value(&format!("key.{name}"), template, context)?))
                });
                fields.flatten().collect()
            }
            KeySource::Whole(template) => match self.value("key", template, context) {
                Some(Value::Object(map)) => map.into_iter().collect(),
                Some(Value::Null) | None => Vec::new(),
                Some(_) => {
                    self.note("key: the expression gives no table");
                    Vec::new()
                }
            },
        };
        let keys = given.into_iter().filter_map(|(name, value)| match key(name, value) {
            Ok(key) => key,
            Err(text) => {
                self.note(&text);
                None
            }
        });
        keys.take(MAX_KEYS).collect()
    }

    /// A value as text, if it is due; a run-time error makes it undefined and is told.
    pub(super) fn text(&mut self, what: &str, template: &Template, context: &RuleContext<'_>) -> Option<String> {
        if !self.template_is_due(template) {
            return None;
        }
        let unknown = self.unknown(template, context);
        let text = if unknown.is_some() { Ok(None) } else { self.ruleset.expressions.text(template, context) };
        self.traced(what, template, || text.clone().map(|text| text.map(Value::String)));
        self.told(what, unknown, text)
    }

    /// A value, if it is due; a run-time error makes it undefined and is told.
    pub(super) fn value(&mut self, what: &str, template: &Template, context: &RuleContext<'_>) -> Option<Value> {
        if !self.template_is_due(template) {
            return None;
        }
        let unknown = self.unknown(template, context);
        let value = if unknown.is_some() { Ok(None) } else { self.ruleset.expressions.value(template, context) };
        self.traced(what, template, || value.clone());
        self.told(what, unknown, value)
    }

    /// The body that does not tell all that a value names, which may stand in what is missing of it.
    fn unknown(&self, template: &Template, context: &RuleContext<'_>) -> Option<(&'static str, Damage)> {
        template.holes().find_map(|hole| self.ruleset.expressions.unknown(hole, context))
    }

    fn traced(&mut self, what: &str, template: &Template, gave: impl FnOnce() -> Result<Option<Value>, RunError>) {
        let expressions = &self.ruleset.expressions;
        self.notes.trace(|| {
            let (place, source) = (what.to_owned(), expressions.written(template));
            match gave() {
                Ok(value) => Traced::Value { place, source, value, error: None },
                Err(error) => Traced::Value { place, source, value: None, error: Some(error.message) },
            }
        });
    }

    fn told<T>(
        &mut self,
        what: &str,
        unknown: Option<(&'static str, Damage)>,
        got: Result<Option<T>, RunError>,
    ) -> Option<T> {
        if let Some((root, damage)) = unknown {
            self.note(&format!("{what} is undefined: `{root}` is {}", damage.as_str()));
        }
        got.unwrap_or_else(|error| {
            self.failed(what, &error);
            None
        })
    }
}

/// What a rule says of its event.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    /// In the rule's order; `None` is not computed yet.
    pub(super) topics: Vec<Option<Topic>>,
    pub(super) id: Option<String>,
    pub(super) keys: Vec<Key>,
    pub(super) payload: Map<String, Value>,
    pub(super) facts: Map<String, Value>,
    pub(super) arg: Option<Value>,
}

impl Values {
    /// One candidate for each topic that is known.
    pub(super) fn candidates(self, resource: Option<&str>, origin: &Rc<Origin>) -> Vec<Candidate> {
        let Self { topics, id, keys, payload, facts, arg } = self;
        let mut topics: Vec<Topic> = topics.into_iter().flatten().collect();
        let Some(last) = topics.pop() else { return Vec::new() };
        let resource = |topic: &Topic| resource.map_or_else(|| topic.resource().to_owned(), str::to_owned);
        let (origin, resource_of_last) = (Rc::clone(origin), resource(&last));
        let last = Candidate { origin, resource: resource_of_last, topic: last, id, keys, payload, facts, arg };
        let others = topics.into_iter().map(|topic| Candidate { resource: resource(&topic), topic, ..last.clone() });
        let mut all: Vec<Candidate> = others.collect();
        all.push(last);
        all
    }
}
