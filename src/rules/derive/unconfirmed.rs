//! Matches that the messages of the visitor's next page decide: what is kept of them, and what comes of them.
//!
//! Everything a rule says is worked out at the match; the page only says yes or no. What would be remembered, forgotten or
//! used up (`once`) happens with the yes.

use std::time::Duration;

use super::evaluate::{Phase, Run};
use super::lessons::{is_open, is_undecided};
use super::notes::Notes;
use super::payload;
use super::sink::{MemoryOp, Sink, Work};
use super::trace::Traced;
use super::{candidate::Origin, waits};
use crate::exchange::{FlashMessage, Reading};
use crate::model::{Otherwise, Pending, SettledAs, Unconfirmed};
use crate::rules::expr::{Context, RuleContext};
use crate::rules::rule::{EventRule, Ruleset};

/// How long the visitor's next page may take.
const SPAN: Duration = Duration::from_secs(30);

/// What is missing until then, for people.
const MISSING: &str = "the shop's message on the visitor's next page";

/// Lets a rule wait that matches but for its `flash`.
pub(super) fn wait(
    ruleset: &Ruleset,
    rule: &EventRule,
    context: &RuleContext<'_>,
    notes: &mut Notes,
    sink: &mut Sink<'_>,
) {
    let mut run = Run::new(ruleset, rule, Phase::Early, notes);
    run.notes.trace(|| Traced::Rule { name: rule.name.clone(), late: false });
    if sink.session.is_empty() {
        return run.note("did not match: the next page shows the shop's message, and no [session] key leads to it");
    }
    run.each(context, |run, context, index, first| run.unconfirmed(context, index, first, sink));
}

impl Run<'_, '_> {
    /// One run of the rule; gives whether its `when` held. `first`: the first of its runs that does.
    fn unconfirmed(&mut self, context: &RuleContext<'_>, item: usize, first: bool, sink: &mut Sink<'_>) -> bool {
        if !self.when(context) {
            return false;
        }
        let rule = self.rule;
        let forget = if first { rule.stateful.forget.clone() } else { Vec::new() };
        let remember = payload::table(self, "remember", &rule.stateful.remember, context);
        let topics = if rule.is_learn() { Vec::new() } else { self.topics(context) };
        if topics.is_empty() && forget.is_empty() && remember.is_empty() {
            return true;
        }
        let Ok(once) = self.used(context, sink) else { return true };
        let values = self.values(context, topics);
        let otherwise = self.otherwise(&values);
        let stored = context.stored(&rule.stateful.stored);
        let nothing = rule.stateful.waits.is_empty() || self.knows(&values, sink);
        let open = if nothing { Vec::new() } else { self.open_waits(context, &values, sink) };
        let origin = Origin::of(rule, context.reading());
        let pending = self.pending(values, stored, &origin, open, sink);
        let unconfirmed = Unconfirmed { deadline: pending.deadline, otherwise, once, forget, remember };
        let pending = Pending {
            item: u32::try_from(item).unwrap_or(u32::MAX),
            deadline: sink.now.plus(SPAN),
            otherwise: Otherwise::Drop,
            missing: MISSING.to_owned(),
            unconfirmed: Some(Box::new(unconfirmed)),
            ..pending
        };
        if self.can_wait(&pending, sink) {
            sink.work.push(Work::Wait(Box::new(pending)));
        } else {
            self.note("did not match: it cannot wait for the shop's message on the next page");
        }
        true
    }
}

/// The exchange is a page of this visitor: what it shows decides about those of `open` that wait for it. They leave `open`,
/// or stay in it confirmed, where their rule waits for more.
pub(super) fn confirm(
    ruleset: &Ruleset,
    context: &Context<'_>,
    open: &mut Vec<Pending>,
    notes: &mut Notes,
    sink: &mut Sink<'_>,
) {
    let undecided = |pending: &Pending, sink: &Sink<'_>| pending.unconfirmed.is_some() && is_undecided(pending, sink);
    if !open.iter().any(|pending| undecided(pending, sink)) {
        return;
    }
    if is_fragment(context.reading()) {
        return;
    }
    let Some(messages) = ruleset.shown_flash(context.reading()) else { return };
    for pending in open.iter_mut().filter(|pending| pending.unconfirmed.is_some()) {
        if !undecided(pending, sink) {
            continue;
        }
        decide(ruleset, pending, &messages, notes, sink);
        if pending.unconfirmed.is_some() {
            sink.settle(pending.uid, SettledAs::Dropped, Vec::new());
        } else if pending.waits.is_empty() {
            let candidates = waits::candidates(ruleset, pending, context, None, notes, sink);
            sink.settle(pending.uid, SettledAs::Completed, candidates);
        } else {
            sink.confirmed.push(pending.clone());
        }
    }
    open.retain(|pending| is_open(pending, sink));
}

/// Whether a script of a page asked, and not the visitor for a page: jQuery's header, and the browser's own (Fetch Metadata,
/// `Sec-Fetch-Dest`). What it gets shows no messages.
fn is_fragment(reading: &Reading) -> bool {
    let headers = &reading.exchange().request.headers;
    let other = headers.get("sec-fetch-dest").is_some_and(|wanted| wanted != "document" && wanted != "iframe");
    other || headers.contains_key("x-requested-with")
}

/// Confirms a match where its rule still stands and the messages fit.
fn decide(ruleset: &Ruleset, pending: &mut Pending, messages: &[FlashMessage], notes: &mut Notes, sink: &mut Sink<'_>) {
    let Some(rule) = ruleset.rule_of(pending) else {
        return notes.add(&pending.rule, format!("no event: the rule changed before {MISSING} came"));
    };
    if !rule.flash_fits(messages.to_vec()) {
        return;
    }
    let Some(word) = pending.unconfirmed.take() else { return };
    let Unconfirmed { deadline, otherwise, once, forget, remember } = *word;
    if let Some((key, until)) = once {
        sink.work.push(Work::Once { rule: rule.name.clone(), key, until });
    }
    if !forget.is_empty() || !remember.is_empty() {
        // Where two sessions met, the pending's own is the visitor's too.
        let session = if sink.session.is_empty() { pending.session.clone() } else { sink.session.clone() };
        sink.memory.push(MemoryOp { rule: rule.name.clone(), session, forget, remember });
    }
    pending.deadline = deadline;
    pending.otherwise = otherwise;
    pending.missing = waits::missing(&pending.waits);
}
