//! A recording through the rules, offline: the same derive, over a plain map and in virtual time.

use std::collections::HashMap;

use crate::exchange::{Exchange, PersistedDocuments, Reading, Timestamp};
use crate::model::{EventUid, GetPiece, LookUp, Pending, WaitsFor, glob};

use super::charsets::HostCharsets;
use super::derive::{Derived, Draft, Named, Note};
use super::index::{Candidates, Need};
use super::matching::Matched;
use super::open_waits::OpenWaits;
use super::rule::Ruleset;
use super::view::MemoryState;

/// Runs exchanges through a ruleset one after the other.
#[derive(Debug)]
pub struct Replay<'a> {
    ruleset: &'a Ruleset,
    state: MemoryState,
    open: OpenWaits,
    /// Lines whose rules wait.
    lines: HashMap<EventUid, usize>,
    /// Answers to look-ups: which path and query, as a glob, and the exchange.
    answers: Vec<(String, Exchange)>,
    uids: u64,
    last: usize,
    persisted: PersistedDocuments,
    charsets: HostCharsets,
}

/// One event of a replay.
#[derive(Debug)]
pub struct ReplayedEvent {
    /// 0-based line whose rule matched.
    pub seq: usize,
    /// 0-based line that completed it; where time did, the last line before.
    pub settled: usize,
    /// The event.
    pub draft: Draft,
}

/// What a step of a replay gave.
pub type Replayed = (Vec<ReplayedEvent>, Vec<Note>);

impl<'a> Replay<'a> {
    /// Starts with nothing known.
    pub fn new(ruleset: &'a Ruleset) -> Self {
        Self::resume(ruleset, MemoryState::default())
    }

    /// Goes on with what another one left ([`Replay::state`]), as after a restart.
    pub fn resume(ruleset: &'a Ruleset, state: MemoryState) -> Self {
        let mut open = OpenWaits::default();
        open.apply(&state.writes());
        // Names go on behind those that are taken.
        let uids = state.open().map(|pending| number(pending.uid)).max().unwrap_or(0);
        let (persisted, charsets) = (PersistedDocuments::default(), HostCharsets::default());
        let (lines, answers) = (HashMap::new(), Vec::new());
        Self { ruleset, state, open, lines, answers, uids, last: 0, persisted, charsets }
    }

    /// What is remembered so far.
    pub fn state(&self) -> &MemoryState {
        &self.state
    }

    /// States what the shop answers to look-ups whose path and query fit a glob; the request in `exchange` does not count.
    /// Look-ups without an answer stay unanswered until their time is up.
    pub fn answer(&mut self, target: &str, exchange: Exchange) {
        self.answers.push((target.to_owned(), exchange));
    }

    /// Feeds the next exchange (line `seq`); its `at` is the virtual time. Waits whose time is up by then end first.
    pub fn feed(&mut self, seq: usize, exchange: Exchange) -> Replayed {
        let now = exchange.at;
        let mut replayed = self.until(now);
        self.last = seq;
        let options = self.ruleset.read_options(self.charsets.of(&exchange.request));
        if let Some(response) = &exchange.response {
            self.charsets.note(&exchange.request, response);
        }
        let Some(candidates) = self.candidates(&exchange) else { return replayed };
        let reading = Reading::new(exchange, options).with_persisted(&self.persisted);
        let matched =
            if candidates.rules.is_empty() { Matched::default() } else { self.ruleset.matches(&reading, &candidates) };
        let derived = self.ruleset.derive(&reading, &matched, &self.state, now);
        let waiting = self.take(derived, Some(seq), &mut replayed);
        for pending in waiting {
            self.look_up(&pending, now, &mut replayed);
        }
        replayed
    }

    /// The recording is over: what still waits ends as its `else` says.
    pub fn finish(&mut self) -> Replayed {
        self.until(Timestamp::from_millis(i64::MAX))
    }

    /// Rules that may match; none, where only the visitor is to be followed; `None` where there is nothing to see.
    fn candidates(&self, exchange: &Exchange) -> Option<Candidates> {
        let response = exchange.response.as_ref()?;
        let mut candidates = self.ruleset.wants(&exchange.request, &self.open).unwrap_or_default();
        if !candidates.rules.is_empty()
            && self.ruleset.narrow(&mut candidates, &exchange.request, response) == Need::Nothing
        {
            candidates = Candidates::default();
        }
        (!candidates.rules.is_empty() || self.ruleset.session_cookie_set(response)).then_some(candidates)
    }

    /// Ends the waits whose time is up, in the order of their deadlines.
    fn until(&mut self, now: Timestamp) -> Replayed {
        let mut replayed = Replayed::default();
        loop {
            let due = self.state.open().filter(|pending| pending.deadline <= now);
            let Some(next) = due.min_by_key(|pending| (pending.deadline, pending.at, pending.uid)).cloned() else {
                return replayed;
            };
            let derived = self.ruleset.expire(&next, &self.state, next.deadline);
            self.take(derived, None, &mut replayed);
        }
    }

    fn look_up(&mut self, pending: &Pending, now: Timestamp, replayed: &mut Replayed) {
        for wait in &pending.waits {
            let WaitsFor::LookUp(look_up) = &wait.waits_for else { continue };
            let target = shown(look_up);
            let Some((_, answer)) = self.answers.iter().find(|(wanted, _)| glob(wanted, &target)) else { continue };
            let mut answer = Exchange { at: now, ..answer.clone() };
            answer.request.method = http::Method::GET;
            answer.request.uri = target.parse().unwrap_or_else(|_| http::Uri::from_static("/"));
            let options = self.ruleset.read_options(self.charsets.of(&answer.request));
            let reading = Reading::new(answer, options);
            let derived = self.ruleset.answered(pending, wait.place, &reading, &self.state, now);
            self.take(derived, None, replayed);
            if !self.state.open().any(|open| open.uid == pending.uid) {
                return;
            }
        }
    }

    /// Applies what came of something; gives the matches that wait now. `seq`: the line whose rules matched.
    fn take(&mut self, derived: Derived, seq: Option<usize>, replayed: &mut Replayed) -> Vec<Pending> {
        let uids = &mut self.uids;
        let (named, writes, notes) = derived.named(|| {
            *uids += 1;
            uid(*uids)
        });
        self.state.apply(&writes);
        self.open.apply(&writes);
        replayed.1.extend(notes);
        let mut waiting = Vec::new();
        for step in named {
            match step {
                Named::Event(_, draft) => {
                    let settled = self.last;
                    replayed.0.push(ReplayedEvent { seq: seq.unwrap_or(settled), settled, draft: *draft });
                }
                Named::Wait(pending) => {
                    self.lines.insert(pending.uid, self.last);
                    waiting.push(*pending);
                }
                Named::Settled(waited, events) => {
                    // What another replay left over comes of a line that is not known here.
                    let settled = self.last;
                    let seq = self.lines.remove(&waited.pending).or(seq).unwrap_or(settled);
                    replayed.0.extend(events.into_iter().map(|(_, draft)| ReplayedEvent { seq, settled, draft }));
                }
            }
        }
        waiting
    }
}

/// A look-up's path and query for people, kept values by their names.
fn shown(look_up: &LookUp) -> String {
    let pieces = look_up.get.iter().map(|piece| match piece {
        GetPiece::Text(text) => text.clone(),
        GetPiece::Kept(name) => format!("access.{name}"),
    });
    pieces.collect()
}

fn uid(number: u64) -> EventUid {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    EventUid(bytes)
}

fn number(uid: EventUid) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&uid.0[8..]);
    u64::from_be_bytes(bytes)
}
