//! Second step: the work of an exchange in order, over state and its own writes.

use super::Draft;
use super::candidate::Candidate;
use super::notes::Notes;
use super::settle::Settle;
use super::sink::{MemoryOp, Sink, Work};
use super::step::{Derived, PendingDraft, Step};
use super::visitor::{Visitor, Waiting};
use super::waits;
use crate::model::{EventUid, Pending, SettledAs, Timestamp, Write};
use crate::rules::expr::Context;
use crate::rules::rule::Ruleset;
use crate::rules::view::View;

/// Settles what the rules came to.
pub(super) fn finish(
    ruleset: &Ruleset,
    visitor: Visitor,
    context: &Context<'_>,
    mut sink: Sink<'_>,
    mut notes: Notes,
) -> Derived {
    let mut settle = Settle::new(ruleset, sink.view, sink.now);
    let mut steps = Vec::new();
    let mut waits = false;
    for work in std::mem::take(&mut sink.work) {
        match work {
            Work::Event(candidate) => {
                steps.extend(settle.candidate(candidate, &mut notes).map(|draft| Step::Event(Box::new(draft))));
            }
            Work::Wait(pending) => {
                waits |= !pending.session.is_empty();
                steps.push(Step::Wait(Box::new(PendingDraft(*pending))));
            }
            Work::Once { rule, key, until } => settle.state.put_once(&rule, &key, until),
            Work::Learn(lesson) => settle.lesson(&lesson, &mut notes),
            Work::Settle { pending, settled_as, candidates } => {
                let step = settled(&mut settle, pending, settled_as, candidates, sink.now, &mut notes);
                steps.push(step);
            }
        }
    }
    for (pending, id) in settle.completed(&sink) {
        let mut candidates = waits::candidates(ruleset, &pending, context, None, &mut notes, &mut sink);
        for candidate in &mut candidates {
            candidate.id.get_or_insert_with(|| id.clone());
        }
        sink.settled.insert(pending.uid);
        let now = sink.now;
        steps.push(settled(&mut settle, pending.uid, SettledAs::Completed, candidates, now, &mut notes));
    }
    for pending in std::mem::take(&mut sink.confirmed) {
        if !sink.settled.contains(&pending.uid) {
            // Under the session that it belongs to now.
            let session = if sink.session.is_empty() { pending.session } else { sink.session.clone() };
            waits = true;
            steps.push(Step::Confirmed(Box::new(Pending { session, ..pending })));
        }
    }
    let mut writes = settle.state.into_writes();
    writes.extend(memories(ruleset, visitor, &sink, waits, &mut notes));
    let (notes, trace) = notes.into_parts();
    Derived { steps, writes, notes, trace }
}

fn settled(
    settle: &mut Settle<'_>,
    pending: EventUid,
    settled_as: SettledAs,
    candidates: Vec<Candidate>,
    at: Timestamp,
    notes: &mut Notes,
) -> Step {
    let events: Vec<Draft> =
        candidates.into_iter().filter_map(|candidate| settle.candidate(candidate, notes)).collect();
    let settled_as = if events.is_empty() { SettledAs::Dropped } else { settled_as };
    Step::Settle { pending, settled_as, events, at }
}

/// The memories that change: the visitor's own, and those of others whose waits ended here.
fn memories(ruleset: &Ruleset, visitor: Visitor, sink: &Sink<'_>, waits: bool, notes: &mut Notes) -> Vec<Write> {
    let config = &ruleset.session;
    let mut sessions: Vec<String> = visitor.sessions().cloned().collect();
    let own: Vec<&MemoryOp> = sink.memory.iter().filter(|op| sessions.contains(&op.session)).collect();
    let left = left(sink.view, &sessions, sink);
    let mut writes = visitor.writes(config, &own, Waiting { begins: waits, left: &left }, sink.now, notes);
    for op in &sink.memory {
        if sessions.contains(&op.session) {
            continue;
        }
        if op.session.is_empty() {
            notes.add(&op.rule, "nothing is remembered: the exchange carries no [session] key".to_owned());
            continue;
        }
        sessions.push(op.session.clone());
        let other = Visitor::of_session(&op.session, sink.view, sink.now);
        let own: Vec<&MemoryOp> = sink.memory.iter().filter(|other| other.session == op.session).collect();
        let left = self::left(sink.view, std::slice::from_ref(&op.session), sink);
        writes.extend(other.writes(config, &own, Waiting { begins: false, left: &left }, sink.now, notes));
    }
    writes
}

/// Waits of these sessions that are still open.
fn left(view: &dyn View, sessions: &[String], sink: &Sink<'_>) -> Vec<Pending> {
    let open = sessions.iter().flat_map(|session| view.pendings(session));
    open.filter(|pending| !sink.settled.contains(&pending.uid)).collect()
}
