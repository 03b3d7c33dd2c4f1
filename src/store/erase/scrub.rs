//! One record without what is erased.

use std::collections::BTreeSet;

use super::whom::Whom;
use crate::id::Seq;
use crate::model::record::{EventEntry, EventRecord, LogEntry, LogRecord};
use crate::model::{Attempt, Identity, Known, Notice, Outcome, Verdict, Write};
use crate::store::StoreError;
use crate::store::kinds;
use crate::store::record::{Encoded, Stored};

/// Stands where a text was.
const MARK: &str = "[erased]";

/// Whom to erase, and the events that tell of them.
#[derive(Debug)]
pub(super) struct Scrub<'a> {
    pub(super) whom: &'a Whom,
    pub(super) events: &'a BTreeSet<u64>,
}

impl Scrub<'_> {
    /// A record of the events journal as it is to stand there from now on; `None`: as it is. An event that is erased leaves
    /// an empty record at its sequence.
    pub(super) fn event(&self, stored: &Stored) -> Result<Option<Encoded>, StoreError> {
        let EventRecord { mut entry, mut writes } = stored.decode()?;
        let mut changed = self.writes(&mut writes);
        let gone = match &mut entry {
            Some(EventEntry::Event(_)) => self.events.contains(&stored.place.seq),
            Some(EventEntry::Pending(pending)) => self.whom.is_in_pending(pending),
            Some(EventEntry::Checkpoint(checkpoint)) => {
                let before = checkpoint.pendings.len();
                checkpoint.pendings.retain(|pending| !self.whom.is_in_pending(pending));
                changed |= checkpoint.pendings.len() < before;
                for webhook in &mut checkpoint.webhooks {
                    for (seq, waiting) in &mut webhook.waiting {
                        changed |= self.group(*seq, &mut waiting.group);
                    }
                    for (seq, group) in &mut webhook.deferred {
                        changed |= self.group(*seq, group);
                    }
                }
                false
            }
            Some(EventEntry::Settled(_)) | None => false,
        };
        if gone {
            entry = None;
        }
        if gone || changed { kinds::event_record(&EventRecord { entry, writes }).map(Some) } else { Ok(None) }
    }

    /// A record of the log likewise. What was sent when, and how it went, stays.
    pub(super) fn log(&self, stored: &Stored) -> Result<Option<Encoded>, StoreError> {
        let LogRecord { mut entry, mut writes } = stored.decode()?;
        let mut changed = self.writes(&mut writes);
        match &mut entry {
            Some(LogEntry::Attempt(attempt)) => changed |= self.attempt(attempt),
            Some(LogEntry::Outcome(outcome)) => changed |= self.outcome(outcome),
            Some(LogEntry::Notice(notice)) => changed |= self.notice(notice),
            None => {}
        }
        if changed { kinds::log_record(&LogRecord { entry, writes }).map(Some) } else { Ok(None) }
    }

    fn attempt(&self, attempt: &mut Attempt) -> bool {
        let is_theirs = attempt.event.is_some_and(|seq| self.events.contains(&seq.0));
        let tells = is_theirs || self.whom.is_about(&attempt.about) || self.whom.stands_in_text(&attempt.answer);
        // What was scrubbed before is left as it is, so that an erase that is taken up again ends.
        if !tells || (attempt.about.is_empty() && attempt.answer.is_empty() && attempt.answer_headers.is_empty()) {
            return false;
        }
        attempt.about.clear();
        attempt.answer.clear();
        attempt.answer_headers.clear();
        if let Verdict::Failed { text, .. } = &mut attempt.verdict
            && self.whom.stands_in_text(text)
        {
            MARK.clone_into(text);
        }
        true
    }

    fn outcome(&self, outcome: &mut Outcome) -> bool {
        let is_theirs = self.events.contains(&outcome.event.0) || self.whom.is_about(&outcome.about);
        is_theirs && !std::mem::take(&mut outcome.about).is_empty()
    }

    fn notice(&self, notice: &mut Notice) -> bool {
        let tells = self.whom.stands_in_text(&notice.text);
        if tells {
            MARK.clone_into(&mut notice.text);
        }
        tells
    }

    /// Takes out the writes that would bring it back if the state were built anew.
    fn writes(&self, writes: &mut Vec<Write>) -> bool {
        let before = writes.len();
        writes.retain(|write| !self.is_theirs(write));
        let mut changed = writes.len() < before;
        for write in writes {
            changed |= match write {
                Write::Known { known: Some(known), .. } if self.whom.is_in_known(known) => {
                    *known = trimmed(known);
                    true
                }
                Write::Waiting { event, waiting: Some(waiting), .. } => self.group(*event, &mut waiting.group),
                Write::Deferred { event, group: Some(group), .. } => self.group(*event, group),
                _ => false,
            };
        }
        changed
    }

    /// A delivery stays owed, so that it comes to an end that the log tells; whom it is about is forgotten.
    pub(super) fn group(&self, event: Seq, group: &mut (String, Identity)) -> bool {
        let nobody = (String::new(), Identity::None);
        let tells = self.events.contains(&event.0) && *group != nobody;
        if tells {
            *group = nobody;
        }
        tells
    }

    fn is_theirs(&self, write: &Write) -> bool {
        match write {
            Write::Known { resource, identity, known } => known.is_some() && self.whom.is(resource, identity),
            Write::Alias { resource, value, id, .. } => self.whom.has_alias(resource, value, id.as_deref()),
            Write::Session { memory, .. } => memory.as_ref().is_some_and(|memory| self.whom.is_in_session(memory)),
            Write::Once { key, .. } => self.whom.stands_in_text(key),
            Write::Pending { pending, .. } => pending.as_ref().is_some_and(|pending| self.whom.is_in_pending(pending)),
            _ => false,
        }
    }
}

/// What stays known of a resource that only tells of the one erased: that it is there, and its dates.
pub(super) fn trimmed(known: &Known) -> Known {
    Known { fields: serde_json::Map::new(), facts: serde_json::Map::new(), trimmed: true, ..known.clone() }
}

/// The identity that the texts of a known resource's key say.
pub(super) fn identity(texts: &[String]) -> Option<(&str, Identity)> {
    match texts {
        [resource, kind, id] if kind == "i" => Some((resource, Identity::Id(id.clone()))),
        [resource, kind, name, value] if kind == "k" => {
            Some((resource, Identity::Key { name: name.clone(), value: value.clone() }))
        }
        [resource, kind] if kind == "n" => Some((resource, Identity::None)),
        _ => None,
    }
}
