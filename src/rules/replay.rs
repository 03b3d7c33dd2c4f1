//! A recording through the rules, offline: the same derive, over a plain map.

use crate::exchange::{Exchange, PersistedDocuments, Reading};

use super::charsets::HostCharsets;
use super::derive::{Draft, Note};
use super::index::Need;
use super::rule::Ruleset;
use super::view::MemoryState;

/// Runs exchanges through a ruleset one after the other.
#[derive(Debug)]
pub struct Replay<'a> {
    ruleset: &'a Ruleset,
    state: MemoryState,
    persisted: PersistedDocuments,
    charsets: HostCharsets,
}

/// One event of a replay.
#[derive(Debug)]
pub struct ReplayedEvent {
    /// 0-based line whose rule matched.
    pub seq: usize,
    /// 0-based line that completed it.
    pub settled: usize,
    /// The event.
    pub draft: Draft,
}

impl<'a> Replay<'a> {
    /// Starts with nothing known.
    pub fn new(ruleset: &'a Ruleset) -> Self {
        let (state, persisted) = (MemoryState::default(), PersistedDocuments::default());
        Self { ruleset, state, persisted, charsets: HostCharsets::default() }
    }

    /// Feeds the next exchange (line `seq`); its `at` is the virtual time.
    pub fn feed(&mut self, seq: usize, exchange: Exchange) -> (Vec<ReplayedEvent>, Vec<Note>) {
        let options = self.ruleset.read_options(self.charsets.of(&exchange.request));
        if let Some(response) = &exchange.response {
            self.charsets.note(&exchange.request, response);
        }
        let Some(mut candidates) = self.ruleset.wants(&exchange.request) else { return Default::default() };
        let Some(response) = &exchange.response else { return Default::default() };
        if self.ruleset.narrow(&mut candidates, &exchange.request, response) == Need::Nothing {
            return Default::default();
        }
        let now = exchange.at;
        let reading = Reading::new(exchange, options).with_persisted(&self.persisted);
        let matched = self.ruleset.matches(&reading, &candidates);
        let derived = self.ruleset.derive(&reading, &matched, &self.state, now);
        self.state.apply(&derived.writes);
        let events = derived.events.into_iter().map(|draft| ReplayedEvent { seq, settled: seq, draft });
        (events.collect(), derived.notes)
    }
}
