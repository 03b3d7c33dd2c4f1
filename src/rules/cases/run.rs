//! A case through the rules.

use serde_json::{Map, Value};

use super::super::derive::{DATES, Note};
use super::super::replay::{Replay, ReplayedEvent, answer_exchange};
use super::super::rule::Ruleset;
use super::super::virtual_time::VirtualTime;
use crate::exchange::{CaseText, CaseWhat};
use crate::model::id_json;

/// What came of a case.
#[derive(Debug, Default)]
pub struct CaseRun {
    /// Its events, in the order of the exchanges whose rules matched; those of one exchange as they came.
    pub events: Vec<Came>,
    /// What the rules had to say.
    pub notes: Vec<CaseNote>,
    /// How many exchanges it has.
    pub exchanges: usize,
}

/// An event that came.
#[derive(Clone, Debug, PartialEq)]
pub struct Came {
    /// Number of the exchange whose rule matched, from 0.
    pub seq: usize,
    /// Number of the exchange that completed it; where time did, of the last one before.
    pub settled: usize,
    /// NAME of the rule.
    pub rule: String,
    /// `topic`, `id`, `key`, `payload`; what there is none of is left out.
    pub event: Map<String, Value>,
}

/// A note of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseNote {
    /// Number of the exchange; `None`: after the last one.
    pub seq: Option<usize>,
    /// What it says.
    pub note: Note,
}

impl Came {
    fn of(replayed: ReplayedEvent) -> Self {
        let ReplayedEvent { seq, settled, draft } = replayed;
        let mut event = Map::new();
        event.insert("topic".to_owned(), draft.topic.as_str().into());
        event.extend(draft.id.as_deref().map(|id| ("id".to_owned(), id_json(id))));
        if !draft.key.is_empty() {
            event.insert("key".to_owned(), draft.key.into());
        }
        // A draft's body is JSON by construction.
        event.insert("payload".to_owned(), serde_json::from_str(draft.body.get()).unwrap_or_default());
        Self { seq, settled, rule: draft.rule, event }
    }

    /// All that a case can ask of it: also which exchanges it came of and by which rule.
    pub(super) fn whole(&self) -> Map<String, Value> {
        let mut event = self.event.clone();
        event.insert("seq".to_owned(), self.seq.into());
        event.insert("settled".to_owned(), self.settled.into());
        event.insert("rule".to_owned(), self.rule.clone().into());
        event
    }

    /// As a line of `=== events`: without the dates of its payload, which are virtual time's as a rule.
    pub fn line(&self) -> String {
        let mut event = self.event.clone();
        if let Some(Value::Object(payload)) = event.get_mut("payload") {
            payload.retain(|name, _| !DATES.contains(&name.as_str()));
        }
        Value::Object(event).to_string()
    }
}

/// Runs it from an empty state to its end, in virtual time.
pub(super) fn run(ruleset: &Ruleset, case: &CaseText) -> CaseRun {
    let (mut replay, mut time) = (Replay::new(ruleset), VirtualTime::default());
    let mut run = CaseRun::default();
    for step in &case.steps {
        let seq = run.exchanges;
        let (events, notes) = match &step.what {
            CaseWhat::Exchange { t, exchange } => {
                let mut exchange = (**exchange).clone();
                exchange.at = time.next(*t);
                run.exchanges += 1;
                replay.feed(seq, exchange)
            }
            CaseWhat::Answer { target, response, body } => {
                replay.answer(target, answer_exchange(time.now(), response.clone(), body.clone()))
            }
        };
        run.events.extend(events.into_iter().map(Came::of));
        run.notes.extend(notes.into_iter().map(|note| CaseNote { seq: Some(seq), note }));
    }
    let (events, notes) = replay.finish();
    run.events.extend(events.into_iter().map(Came::of));
    run.notes.extend(notes.into_iter().map(|note| CaseNote { seq: None, note }));
    run.events.sort_by_key(|event| event.seq);
    run
}
