//! Where the evaluated rules of one exchange come together, in their order.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::candidate::{Candidate, Lesson};
use crate::model::{EventUid, Pending, SettledAs, Timestamp};
use crate::rules::view::View;

/// What is to be settled, in order.
#[derive(Debug)]
pub(super) enum Work {
    /// An event.
    Event(Candidate),
    /// A match that waits.
    Wait(Box<Pending>),
    /// A `once` key is used up.
    Once { rule: String, key: String, until: Timestamp },
    /// A resource was seen.
    Learn(Lesson),
    /// A match that waited is settled with these events.
    Settle { pending: EventUid, settled_as: SettledAs, candidates: Vec<Candidate> },
}

/// A change of a visitor's memory.
#[derive(Debug)]
pub(super) struct MemoryOp {
    pub(super) rule: String,
    /// Whose; empty where there is no visitor.
    pub(super) session: String,
    pub(super) forget: Vec<Vec<String>>,
    pub(super) remember: Map<String, Value>,
}

/// What the rules come to.
pub(super) struct Sink<'a> {
    pub(super) view: &'a dyn View,
    pub(super) now: Timestamp,
    /// The visitor; empty where the exchange carries no key.
    pub(super) session: String,
    pub(super) work: Vec<Work>,
    pub(super) memory: Vec<MemoryOp>,
    /// `once` keys used in this exchange: rule and key.
    pub(super) used: HashSet<(String, String)>,
    /// Waits that are settled here.
    pub(super) settled: HashSet<EventUid>,
    /// Matches that this exchange's messages confirm, and that wait for more.
    pub(super) confirmed: Vec<Pending>,
}

impl<'a> Sink<'a> {
    pub(super) fn new(view: &'a dyn View, now: Timestamp, session: String) -> Self {
        let (work, memory, confirmed) = (Vec::new(), Vec::new(), Vec::new());
        Self { view, now, session, work, memory, used: HashSet::new(), settled: HashSet::new(), confirmed }
    }

    pub(super) fn settle(&mut self, pending: EventUid, settled_as: SettledAs, candidates: Vec<Candidate>) {
        self.settled.insert(pending);
        self.work.push(Work::Settle { pending, settled_as, candidates });
    }
}
