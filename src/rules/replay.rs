//! A recording through the rules, offline: the same derive, over a plain map and in virtual time.

use std::collections::HashMap;

use crate::exchange::{CapturedBody, End, Exchange, PersistedDocuments, Reading, RequestHead, ResponseHead, Timestamp};
use crate::model::{EventUid, GetPiece, LookUp, Pending, WaitsFor, Write, glob};

use super::charsets::HostCharsets;
use super::derive::{Derived, Draft, Named, Note, Trace, Traced};
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
    /// Whether the rules' steps are kept.
    traced: bool,
}

/// What a step of a replay came to.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) events: Vec<ReplayedEvent>,
    pub(super) notes: Vec<Note>,
    /// Matches that wait now.
    pub(super) waiting: Vec<Pending>,
    /// Matches that wait no longer.
    pub(super) settled: Vec<EventUid>,
    /// Where it was asked for.
    pub(super) trace: Vec<Traced>,
}

impl From<Progress> for Replayed {
    fn from(progress: Progress) -> Self {
        (progress.events, progress.notes)
    }
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
        Self { ruleset, state, open, lines, answers, uids, last: 0, persisted, charsets, traced: false }
    }

    /// The rules it runs.
    pub(super) const fn ruleset(&self) -> &'a Ruleset {
        self.ruleset
    }

    /// From here on the rules' steps are kept.
    pub(super) const fn trace(&mut self) {
        self.traced = true;
    }

    /// What is remembered so far.
    pub fn state(&self) -> &MemoryState {
        &self.state
    }

    /// States what the shop answers, from here on, to look-ups whose path and query fit a glob; the request in `exchange`
    /// does not count. A later statement wins; matches that wait for such a look-up get the answer now. Look-ups without
    /// an answer stay unanswered until their time is up.
    pub fn answer(&mut self, target: &str, exchange: Exchange) -> Replayed {
        self.answer_fully(target, exchange).into()
    }

    pub(super) fn answer_fully(&mut self, target: &str, exchange: Exchange) -> Progress {
        let now = exchange.at;
        self.answers.push((target.to_owned(), exchange));
        let mut progress = Progress::default();
        let open: Vec<Pending> = self.state.open().cloned().collect();
        for pending in open {
            self.look_up(&pending, now, Some(self.answers.len() - 1), &mut progress);
        }
        progress
    }

    /// Feeds the next exchange (line `seq`); its `at` is the virtual time. Waits whose time is up by then end first.
    pub fn feed(&mut self, seq: usize, exchange: Exchange) -> Replayed {
        let mut progress = self.until(exchange.at);
        self.last = seq;
        let reading = self.read(exchange);
        if let Some(candidates) = self.candidates(reading.exchange()) {
            self.derive(seq, &reading, &candidates, &mut progress);
        }
        progress.into()
    }

    /// The recording is over: what still waits ends as its `else` says.
    pub fn finish(&mut self) -> Replayed {
        self.until(Timestamp::from_millis(i64::MAX)).into()
    }

    /// Writes that come from outside.
    pub(super) fn seed(&mut self, writes: &[Write]) {
        self.state.apply(writes);
        self.open.apply(writes);
    }

    /// The next line is read; its waits are ended already ([`Replay::until`]).
    pub(super) fn next_line(&mut self, seq: usize, exchange: Exchange) -> Reading {
        self.last = seq;
        self.read(exchange)
    }

    fn read(&mut self, exchange: Exchange) -> Reading {
        let options = self.ruleset.read_options(self.charsets.of(&exchange.request));
        if let Some(response) = &exchange.response {
            self.charsets.note(&exchange.request, response);
        }
        Reading::new(exchange, options).with_persisted(&self.persisted)
    }

    /// Matches, derives and applies; then looks up what stands to be looked up.
    pub(super) fn derive(
        &mut self,
        seq: usize,
        reading: &Reading,
        candidates: &Candidates,
        progress: &mut Progress,
    ) -> Matched {
        let now = reading.exchange().at;
        let matched =
            if candidates.rules.is_empty() { Matched::default() } else { self.ruleset.matches(reading, candidates) };
        let derived = self.ruleset.derive_traced(reading, &matched, &self.state, now, self.steps());
        let waiting = self.take(derived, Some(seq), progress);
        for pending in waiting.iter().filter(|pending| pending.unconfirmed.is_none()) {
            self.look_up(pending, now, None, progress);
        }
        progress.waiting.extend(waiting);
        matched
    }

    const fn steps(&self) -> Trace {
        if self.traced { Trace::on() } else { Trace::OFF }
    }

    /// Rules that may match; none, where only the visitor is to be followed; `None` where there is nothing to see.
    pub(super) fn candidates(&self, exchange: &Exchange) -> Option<Candidates> {
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
    pub(super) fn until(&mut self, now: Timestamp) -> Progress {
        let mut progress = Progress::default();
        loop {
            let due = self.state.open().filter(|pending| pending.deadline <= now);
            let Some(next) = due.min_by_key(|pending| (pending.deadline, pending.at, pending.uid)).cloned() else {
                return progress;
            };
            let derived = self.ruleset.expire_traced(&next, &self.state, next.deadline, self.steps());
            for pending in self.take(derived, None, &mut progress) {
                self.look_up(&pending, next.deadline, None, &mut progress);
            }
        }
    }

    /// Gives a waiting match the answers that stand for its look-ups (`only`: this one alone).
    fn look_up(&mut self, pending: &Pending, now: Timestamp, only: Option<usize>, progress: &mut Progress) {
        for wait in &pending.waits {
            let WaitsFor::LookUp(look_up) = &wait.waits_for else { continue };
            let target = shown(look_up);
            let mut fitting = self.answers.iter().enumerate().rev().filter(|(_, (wanted, _))| glob(wanted, &target));
            let Some((_, (_, answer))) = fitting.next().filter(|(at, _)| only.is_none_or(|only| only == *at)) else {
                continue;
            };
            let mut answer = Exchange { at: now, ..answer.clone() };
            answer.request.method = http::Method::GET;
            answer.request.uri = target.parse().unwrap_or_else(|_| http::Uri::from_static("/"));
            let options = self.ruleset.read_options(self.charsets.of(&answer.request));
            let reading = Reading::new(answer, options);
            let (steps, asked) = (self.steps(), (wait.place, &reading));
            let derived = self.ruleset.answered_traced(pending, asked, &self.state, now, steps);
            self.take(derived, None, progress);
            if !self.state.open().any(|open| open.uid == pending.uid) {
                return;
            }
        }
    }

    /// Applies what came of something; gives the matches that wait now. `seq`: the line whose rules matched.
    fn take(&mut self, mut derived: Derived, seq: Option<usize>, progress: &mut Progress) -> Vec<Pending> {
        progress.trace.append(&mut derived.trace);
        let uids = &mut self.uids;
        let (named, writes, notes) = derived.named(|| {
            *uids += 1;
            uid(*uids)
        });
        self.state.apply(&writes);
        self.open.apply(&writes);
        progress.notes.extend(notes);
        let mut waiting = Vec::new();
        for step in named {
            match step {
                Named::Event(_, draft) => {
                    let settled = self.last;
                    progress.events.push(ReplayedEvent { seq: seq.unwrap_or(settled), settled, draft: *draft });
                }
                Named::Wait(pending) => {
                    // One that a page confirmed stands under the line of its match.
                    self.lines.entry(pending.uid).or_insert(self.last);
                    waiting.push(*pending);
                }
                Named::Settled(waited, events) => {
                    progress.settled.push(waited.pending);
                    // What another replay left over comes of a line that is not known here.
                    let settled = self.last;
                    let seq = self.lines.remove(&waited.pending).or(seq).unwrap_or(settled);
                    progress.events.extend(events.into_iter().map(|(_, draft)| ReplayedEvent { seq, settled, draft }));
                }
            }
        }
        waiting
    }
}

/// What the shop says to a look-up, as an exchange for [`Replay::answer`]; `None`: it does not answer.
pub fn answer_exchange(at: Timestamp, response: Option<ResponseHead>, response_body: CapturedBody) -> Exchange {
    let (method, uri, headers) = (http::Method::GET, http::Uri::from_static("/"), http::HeaderMap::new());
    let request = RequestHead { method, uri, headers, secure: false };
    let end = if response.is_some() { End::Complete } else { End::Failed };
    Exchange { at, request, request_body: CapturedBody::default(), response, response_body, end }
}

/// A look-up's path and query for people, kept values by their names.
pub(super) fn shown(look_up: &LookUp) -> String {
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
