//! First step: a matched rule's expressions, against state as before the exchange.

use serde_json::{Map, Value};

use super::notes::Notes;
use super::payload;
use crate::model::Topic;
use crate::rules::expr::{Expr, RuleContext, RunError, Template};
use crate::rules::rule::{EventRule, KeySource, Ruleset};
use crate::rules::view::fold;

/// The longest id and the longest value of a natural key, in bytes: they are keys of the store.
const MAX_IDENTITY_BYTES: usize = 512;

/// The most natural keys one event may have.
const MAX_KEYS: usize = 16;

/// The most events one exchange may give.
const MAX_EVENTS: usize = 10_000;

/// What a rule wants to say, before state has its word.
#[derive(Clone, Debug)]
pub(super) struct Candidate<'r> {
    pub(super) rule: &'r EventRule,
    pub(super) topic: Topic,
    pub(super) resource: String,
    pub(super) id: Option<String>,
    pub(super) keys: Vec<Key>,
    pub(super) payload: Map<String, Value>,
    pub(super) facts: Map<String, Value>,
    pub(super) arg: Option<Value>,
}

/// A natural key.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) name: String,
    /// As the rule gave it, text trimmed.
    pub(super) value: Value,
    /// As it is compared.
    pub(super) folded: String,
}

/// One rule at work.
pub(super) struct Run<'r, 'n> {
    pub(super) ruleset: &'r Ruleset,
    pub(super) rule: &'r EventRule,
    notes: &'n mut Notes,
}

/// Adds the rule's candidates; gives whether it matched, for `stop`: its `when` held, at least for one item.
pub(super) fn rule<'r>(
    ruleset: &'r Ruleset,
    rule: &'r EventRule,
    context: &RuleContext<'_>,
    notes: &mut Notes,
    candidates: &mut Vec<Candidate<'r>>,
) -> bool {
    let mut run = Run { ruleset, rule, notes };
    let mut held = rule.when.is_empty();
    match rule.for_each {
        None => held = run.once(context, candidates),
        Some(list) => {
            for (index, item) in run.items(list, context).iter().enumerate() {
                held |= run.once(&context.with_item(item, index), candidates);
            }
        }
    }
    context.take_notes().into_iter().for_each(|text| run.note(&text));
    held
}

impl<'r> Run<'r, '_> {
    pub(super) fn note(&mut self, text: &str) {
        let place = &self.rule.place;
        self.notes.add(&self.rule.name, format!("{text} ({}:{})", place.file, place.line));
    }

    fn failed(&mut self, what: &str, error: &RunError) {
        self.note(&format!("{what}: {error}"));
    }

    fn items(&mut self, list: Expr, context: &RuleContext<'_>) -> Vec<crate::rules::expr::Item> {
        if self.damaged("for_each", list, context) {
            return Vec::new();
        }
        self.ruleset.expressions.elements(list, context).unwrap_or_else(|error| {
            self.failed("for_each", &error);
            Vec::new()
        })
    }

    /// Absence is never concluded from a body that is cut or cannot be decoded.
    fn damaged(&mut self, what: &str, expr: Expr, context: &RuleContext<'_>) -> bool {
        let Some((root, damage)) = self.ruleset.expressions.damage(expr, context) else { return false };
        self.note(&format!("did not match: `{what}` reads `{root}`, which is {}", damage.as_str()));
        true
    }

    /// One run of the whole rule; gives whether its `when` held.
    fn once(&mut self, context: &RuleContext<'_>, candidates: &mut Vec<Candidate<'r>>) -> bool {
        if !self.when(context) {
            return false;
        }
        let rule = self.rule;
        let topics: Vec<Topic> = rule.topic.iter().filter_map(|topic| self.topic(topic, context)).collect();
        if topics.is_empty() {
            return true;
        }
        let (id, keys) = (self.id(context), self.keys(context));
        let about_resource = topics.iter().any(|topic| !topic.is_action());
        let payload = if about_resource { payload::payload(self, context) } else { Map::new() };
        let facts = payload::table(self, "facts", &rule.facts, context);
        let arg = rule.arg.as_ref().and_then(|arg| payload::value(self, "arg", arg, context));
        for topic in topics {
            if candidates.len() >= MAX_EVENTS {
                self.note(&format!("the exchange gives more than {MAX_EVENTS} events; the rest is left out"));
                break;
            }
            let resource = rule.resource.clone().unwrap_or_else(|| topic.resource().to_owned());
            let (id, keys, payload, facts) = (id.clone(), keys.clone(), payload.clone(), facts.clone());
            candidates.push(Candidate { rule, topic, resource, id, keys, payload, facts, arg: arg.clone() });
        }
        true
    }

    fn when(&mut self, context: &RuleContext<'_>) -> bool {
        let rule = self.rule;
        rule.when.iter().enumerate().all(|(at, condition)| {
            let what = if rule.when.len() == 1 { "when".to_owned() } else { format!("when[{at}]") };
            if self.damaged(&what, *condition, context) {
                return false;
            }
            self.ruleset.expressions.truth(*condition, context).unwrap_or_else(|error| {
                self.failed(&what, &error);
                false
            })
        })
    }

    fn topic(&mut self, template: &Template, context: &RuleContext<'_>) -> Option<Topic> {
        let text = self.text("topic", template, context)?;
        let topic = text.trim().parse::<Topic>();
        topic.map_err(|error| self.note(&format!("no event: {error}"))).ok()
    }

    fn id(&mut self, context: &RuleContext<'_>) -> Option<String> {
        let id = self.text("id", self.rule.id.as_ref()?, context)?;
        let id = id.trim();
        if id.len() > MAX_IDENTITY_BYTES {
            self.note(&format!("id: it is longer than {MAX_IDENTITY_BYTES} bytes"));
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
        given.into_iter().filter_map(|(name, value)| self.key(name, value)).take(MAX_KEYS).collect()
    }

    fn key(&mut self, name: String, value: Value) -> Option<Key> {
        let value = match value {
            Value::String(text) => Value::String(text.trim().to_owned()),
            Value::Number(_) => value,
            Value::Null => return None,
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                self.note(&format!("key.{name}: it is neither text nor a number"));
                return None;
            }
        };
        let folded = fold(value.as_str().map_or_else(|| value.to_string(), str::to_owned).as_str());
        if folded.len() > MAX_IDENTITY_BYTES {
            self.note(&format!("key.{name}: it is longer than {MAX_IDENTITY_BYTES} bytes"));
            return None;
        }
        (!folded.is_empty()).then_some(Key { name, value, folded })
    }

    /// A value as text; a run-time error makes it undefined and is told.
    fn text(&mut self, what: &str, template: &Template, context: &RuleContext<'_>) -> Option<String> {
        let text = self.ruleset.expressions.text(template, context);
        self.told(what, template, context, text)
    }

    /// A value; a run-time error makes it undefined and is told.
    pub(super) fn value(&mut self, what: &str, template: &Template, context: &RuleContext<'_>) -> Option<Value> {
        let value = self.ruleset.expressions.value(template, context);
        self.told(what, template, context, value)
    }

    fn told<T>(
        &mut self,
        what: &str,
        template: &Template,
        context: &RuleContext<'_>,
        got: Result<Option<T>, RunError>,
    ) -> Option<T> {
        let got = got.unwrap_or_else(|error| {
            self.failed(what, &error);
            None
        });
        if got.is_none() {
            let damage = template.holes().find_map(|hole| self.ruleset.expressions.damage(hole, context));
            if let Some((root, damage)) = damage {
                self.note(&format!("{what} is undefined: `{root}` is {}", damage.as_str()));
            }
        }
        got
    }
}
