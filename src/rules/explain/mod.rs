//! Why an exchange gave what it gave: for every rule near it, which condition decided, and what each step came to.
//!
//! Runs on [`Replay`], with its memory and its virtual time: what is told is what was computed, not computed again.

mod report;
mod rules;

use serde_json::{Map, Value};

use super::derive::Traced;
use super::matching::Matched;
use super::replay::{Progress, Replay};
use super::rule::{EventRule, RuleKind, Ruleset};
use super::view::{MemoryState, View};
use crate::exchange::{Exchange, Timestamp};
use crate::model::{SessionMemory, Write};

pub use report::{
    Answered, Asked, EventReport, Explanation, LateReport, LearntReport, Outcome, Remembered, RuleReport, Verdict,
    Visitor, WaitReport,
};

/// How long memory that is given from outside is kept.
const SEEDED: std::time::Duration = std::time::Duration::from_hours(48);

/// Explains exchanges one after the other; memory goes on from one to the next.
#[derive(Debug)]
pub struct Explainer<'a> {
    replay: Replay<'a>,
}

impl<'a> Explainer<'a> {
    /// Starts with nothing known.
    pub fn new(ruleset: &'a Ruleset) -> Self {
        let mut replay = Replay::resume(ruleset, MemoryState::default());
        replay.trace();
        Self { replay }
    }

    /// States what is remembered of an exchange's visitor, where nothing is yet: of one that comes from the middle of things.
    pub fn remember(&mut self, exchange: &Exchange, memory: &Map<String, Value>) {
        let ruleset = self.replay.ruleset();
        let reading = crate::exchange::Reading::new(exchange.clone(), ruleset.read_options(None));
        let keys = ruleset.session_keys(&reading);
        let state = self.replay.state();
        let Some(first) = keys.finding().first().cloned() else { return };
        if keys.finding().iter().any(|key| state.session_of(key).is_some()) {
            return;
        }
        let written = memory.keys().map(|name| (name.clone(), exchange.at)).collect();
        let memory = SessionMemory {
            memory: memory.clone(),
            written,
            keys: keys.finding().to_vec(),
            expires: exchange.at.plus(SEEDED),
        };
        let link = |key: &String| Write::SessionKey { key: key.clone(), session: Some(first.clone()) };
        let mut writes: Vec<Write> = keys.finding().iter().map(link).collect();
        writes.push(Write::Session { session: first, memory: Some(memory) });
        self.replay.seed(&writes);
    }

    /// States what the shop answers to a look-up from here on ([`Replay::answer`]); gives what that completes.
    pub fn answer(&mut self, target: &str, exchange: Exchange) -> Outcome {
        let progress = self.replay.answer_fully(target, exchange);
        report::outcome(progress, &[], self.replay.state())
    }

    /// Explains the next exchange, line `seq`; its `at` is the virtual time.
    pub fn exchange(&mut self, seq: usize, exchange: Exchange) -> Explanation {
        let at = exchange.at;
        let before = report::outcome(self.replay.until(at), &[], self.replay.state());
        let ruleset = self.replay.ruleset();
        let reading = self.replay.next_line(seq, exchange);
        let (session, memory) = ruleset.remembered(&reading, self.replay.state(), at);
        let seen = self.replay.candidates(reading.exchange());
        let mut progress = Progress::default();
        let matched = match &seen {
            Some(candidates) => self.replay.derive(seq, &reading, candidates, &mut progress),
            None => Matched::default(),
        };
        let candidates = seen.unwrap_or_default();
        let known = Value::Object(memory.clone());
        let near = rules::Near {
            ruleset,
            reading: &reading,
            memory: &known,
            matched: &matched,
            candidates: &candidates,
            trace: &progress.trace,
        };
        let reports = near.reports();
        let early: Vec<String> = reports.iter().map(|report| report.name.clone()).collect();
        let outcome = report::outcome(progress, &early, self.replay.state());
        let visitor = Visitor::of(&session, memory, self.replay.state());
        let nearest = if reports.is_empty() { near_path(ruleset, &reading) } else { None };
        Explanation {
            seq,
            at_ms: at.as_millis(),
            asked: Asked::of(&reading),
            answered: Answered::of(&reading),
            visitor,
            before,
            rules: reports,
            nearest,
            outcome,
        }
    }

    /// The recording is over: what still waits ends as its `else` says.
    pub fn finish(&mut self) -> Outcome {
        let progress = self.replay.until(Timestamp::from_millis(i64::MAX));
        report::outcome(progress, &[], self.replay.state())
    }
}

/// The method and path of a rule that look most like those of an exchange.
fn near_path(ruleset: &Ruleset, reading: &crate::exchange::Reading) -> Option<String> {
    let request = &reading.exchange().request;
    let asked = format!("{} {}", request.method, request.path());
    let of =
        |on: &super::rule::On| on.methods.iter().map(|method| format!("{method} {}", on.path.text)).collect::<Vec<_>>();
    // What waits for any page, or for an answer, has no path of its own.
    let own =
        |rule: &&EventRule| !matches!(rule.stateful.kind, RuleKind::FlashPage | RuleKind::Wait { look_up: true, .. });
    let known: Vec<String> = ruleset.events.iter().filter(own).flat_map(|rule| &rule.on).flat_map(of).collect();
    crate::diagnostic::nearest(&asked, known.iter().map(String::as_str)).map(str::to_owned)
}

/// Steps by the rule they belong to: NAME, whether its late half ran, and what it did.
fn runs(trace: &[Traced]) -> Vec<(&str, bool, Vec<&Traced>)> {
    let mut runs: Vec<(&str, bool, Vec<&Traced>)> = Vec::new();
    for step in trace {
        match step {
            Traced::Rule { name, late } => match runs.last_mut() {
                // A wait's own `when` and the late half it leads to are one.
                Some((last, true, _)) if *late && last == name => {}
                _ => runs.push((name, *late, Vec::new())),
            },
            Traced::NoMemory { .. } | Traced::Stopped { .. } | Traced::Settled(_) | Traced::Learnt { .. } => {}
            step => runs.last_mut().into_iter().for_each(|(_, _, steps)| steps.push(step)),
        }
    }
    runs
}
