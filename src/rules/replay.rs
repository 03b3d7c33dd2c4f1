//! A recording through the rules, offline: the same derive, over a plain map.

use crate::exchange::Exchange;

use super::derive::{Draft, Note};
use super::rule::Ruleset;
use super::view::MemoryState;

/// Runs exchanges through a ruleset one after the other.
#[derive(Debug)]
pub struct Replay<'a> {
    ruleset: &'a Ruleset,
    state: MemoryState,
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
        Self { ruleset, state: MemoryState::default() }
    }

    /// Feeds the next exchange (line `seq`); its `at` is the virtual time.
    pub fn feed(&mut self, _seq: usize, _exchange: Exchange) -> (Vec<ReplayedEvent>, Vec<Note>) {
        let _ = (self.ruleset, &mut self.state);
        todo!()
    }
}
