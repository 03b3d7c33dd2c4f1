//! What comes of an exchange, in the order of the journal.

use crate::model::{EventUid, Pending, Settled, SettledAs, Timestamp, Write};

use super::{Draft, Note, Traced};

/// What an exchange, an answer to a look-up or the end of a wait comes to.
#[derive(Debug, Default)]
pub struct Derived {
    /// In the order of the journal.
    pub steps: Vec<Step>,
    /// State writes in order; later ones win. That of a new wait is the caller's, who names it ([`Derived::named`]).
    pub writes: Vec<Write>,
    /// Things an operator should know.
    pub notes: Vec<Note>,
    /// What the rules worked out on the way; empty unless it was asked for.
    pub trace: Vec<Traced>,
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Step {
    /// An event.
    Event(Box<Draft>),
    /// A match that waits. The caller names it; its event will carry that uid.
    Wait(Box<PendingDraft>),
    /// A match that the visitor's next page confirmed; it goes on waiting, under its name.
    Confirmed(Box<Pending>),
    /// A match that waited is settled.
    Settle {
        /// Which.
        pending: EventUid,
        /// How.
        settled_as: SettledAs,
        /// Its events: the first takes the pending match's uid, further ones (a late `for_each`, several topics) get
        /// their own. None where it is dropped.
        events: Vec<Draft>,
        /// When.
        at: Timestamp,
    },
}

/// A step with its names, as the journal takes it.
#[derive(Clone, Debug)]
pub enum Named {
    /// An event.
    Event(EventUid, Box<Draft>),
    /// A match that waits.
    Wait(Box<Pending>),
    /// A match is settled, with its events.
    Settled(Settled, Vec<(EventUid, Draft)>),
}

/// A match that waits, before it has a uid.
#[derive(Clone, Debug)]
pub struct PendingDraft(pub(super) Pending);

impl PendingDraft {
    /// The match, named.
    pub fn into_pending(self, uid: EventUid) -> Pending {
        Pending { uid, ..self.0 }
    }

    /// What it holds; its uid is not the real one.
    pub fn pending(&self) -> &Pending {
        &self.0
    }
}

impl Step {
    /// The events in it.
    pub fn drafts(&self) -> &[Draft] {
        match self {
            Self::Event(draft) => std::slice::from_ref(&**draft),
            Self::Wait(_) | Self::Confirmed(_) => &[],
            Self::Settle { events, .. } => events,
        }
    }
}

impl Derived {
    /// Every event in it, in order.
    pub fn drafts(&self) -> impl Iterator<Item = &Draft> {
        self.steps.iter().flat_map(Step::drafts)
    }

    /// The steps named, and all writes: `uid` gives a fresh name each time.
    pub fn named(self, mut uid: impl FnMut() -> EventUid) -> (Vec<Named>, Vec<Write>, Vec<Note>) {
        let Self { steps, mut writes, notes, .. } = self;
        let mut named = Vec::with_capacity(steps.len());
        for step in steps {
            match step {
                Step::Event(draft) => named.push(Named::Event(uid(), draft)),
                Step::Wait(draft) => {
                    let pending = draft.into_pending(uid());
                    writes.push(Write::Pending { uid: pending.uid, pending: Some(Box::new(pending.clone())) });
                    named.push(Named::Wait(Box::new(pending)));
                }
                Step::Confirmed(pending) => {
                    writes.push(Write::Pending { uid: pending.uid, pending: Some(pending.clone()) });
                    named.push(Named::Wait(pending));
                }
                Step::Settle { pending, settled_as, events, at } => {
                    let uids = std::iter::once(pending).chain(std::iter::repeat_with(&mut uid));
                    let events = events.into_iter().zip(uids).map(|(draft, uid)| (uid, draft)).collect();
                    named.push(Named::Settled(Settled { pending, at, settled_as }, events));
                    writes.push(Write::Pending { uid: pending, pending: None });
                }
            }
        }
        (named, writes, notes)
    }

    /// Whether nothing came of it.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.writes.is_empty()
    }
}
