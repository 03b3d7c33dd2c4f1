//! Things an operator should know about a rule.

use std::collections::HashSet;

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

/// The notes of one exchange, each once.
#[derive(Debug, Default)]
pub(super) struct Notes {
    list: Vec<Note>,
    seen: HashSet<Note>,
}

impl Notes {
    /// Begins with those of matching.
    pub(super) fn of(notes: &[Note]) -> Self {
        let mut all = Self::default();
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

    pub(super) fn into_list(self) -> Vec<Note> {
        self.list
    }
}
