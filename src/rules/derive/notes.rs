//! Things an operator should know about a rule.

use std::collections::HashSet;

use super::trace::{Trace, Traced};

/// The most different notes one exchange leaves; more of them say nothing new.
const MAX_NOTES: usize = 64;

/// Something an operator should know about a rule: counted per rule and text, noted now and then.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Note {
    /// NAME of the rule (empty: the exchange as a whole).
    pub rule: String,
    /// For people.
    pub text: String,
}

/// The notes of one exchange, each once; and the trace, where somebody asks for it.
#[derive(Debug, Default)]
pub(super) struct Notes {
    list: Vec<Note>,
    seen: HashSet<Note>,
    trace: Trace,
}

impl Notes {
    /// Begins with those of matching.
    pub(super) fn of(notes: &[Note], trace: Trace) -> Self {
        let mut all = Self { trace, ..Self::default() };
        for note in notes {
            all.push(note.clone());
        }
        all
    }

    /// Adds one about `rule`.
    pub(super) fn add(&mut self, rule: &str, text: String) {
        self.push(Note { rule: rule.to_owned(), text });
    }

    fn push(&mut self, note: Note) {
        if self.list.len() < MAX_NOTES && self.seen.insert(note.clone()) {
            self.list.push(note);
        }
    }

    /// Keeps a step, if somebody asks for them.
    pub(super) fn trace(&mut self, step: impl FnOnce() -> Traced) {
        self.trace.step(step);
    }

    /// Says something to those who ask for steps; nobody else need know.
    pub(super) fn remark(&mut self, rule: &str, text: &str) {
        if self.trace.is_on() {
            self.add(rule, text.to_owned());
        }
    }

    pub(super) fn into_parts(self) -> (Vec<Note>, Vec<Traced>) {
        (self.list, self.trace.into_steps())
    }
}
