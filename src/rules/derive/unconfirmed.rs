//! Matches that the messages of the visitor's next page decide: what is kept of them, and what comes of them.
//!
//! What the exchange tells is worked out at the match; the page says yes or no, and tells what finds read of its messages:
//! values that name these are computed then, over what was stored of the exchange. What would be remembered, forgotten or
//! used up (`once`) happens with the yes.

use std::time::Duration;

use serde_json::{Map, Value};

use super::early::Early;
use super::evaluate::{self, Run, Values};
use super::lessons::{is_open, is_undecided};
use super::merge::added;
use super::notes::Notes;
use super::payload;
use super::phase::{Phase, Stage};
use super::sink::{MemoryOp, Sink, Work};
use super::trace::Traced;
use super::{candidate::Candidate, candidate::Origin, waits};
use crate::exchange::Reading;
use crate::model::{OpenWait, Otherwise, Pending, SettledAs, Unconfirmed};
use crate::rules::expr::{Context, Late, RuleContext};
use crate::rules::matching::{NextPage, Shown, flash_value};
use crate::rules::rule::{EventRule, Ruleset};

/// How long the visitor's next page may take.
const SPAN: Duration = Duration::from_secs(30);

/// What is missing until then, for people.
const MISSING: &str = "the shop's message on the visitor's next page";

/// Lets a rule wait that matches but for its `flash`, or for what its finds read of the messages.
pub(super) fn wait(
    ruleset: &Ruleset,
    rule: &EventRule,
    (context, page): (&RuleContext<'_>, &NextPage),
    notes: &mut Notes,
    sink: &mut Sink<'_>,
) {
    let otherwise = if can_do_without(rule, context, page) { Otherwise::Send } else { Otherwise::Drop };
    if sink.session.is_empty() && otherwise == Otherwise::Send {
        evaluate::rule(ruleset, rule, context, notes, sink);
        return;
    }
    let mut run = Run::new(ruleset, rule, Phase::Early, notes).of_page(&page.finds);
    run.notes.trace(|| Traced::Rule { name: rule.name.clone(), late: false });
    if sink.session.is_empty() {
        return run.note("did not match: the next page shows the shop's message, and no [session] key leads to it");
    }
    let finds = &page.finds;
    run.each(context, |run, context, index, first| {
        let item = u32::try_from(index).unwrap_or(u32::MAX);
        run.unconfirmed(context, (item, otherwise), finds, first, sink)
    });
}

/// Whether the rule matches without the page, too: it asks for no message, and needs none of the finds that are open.
fn can_do_without(rule: &EventRule, context: &RuleContext<'_>, page: &NextPage) -> bool {
    let open = rule.finds.iter().filter(|find| page.finds.contains(&find.name));
    !page.asked && open.into_iter().all(|find| find.optional || context.has_found(&find.name))
}

impl Run<'_, '_> {
    /// One run of the rule; gives whether its `when` held. `first`: the first of its runs that does.
    fn unconfirmed(
        &mut self,
        context: &RuleContext<'_>,
        (item, otherwise): (u32, Otherwise),
        finds: &[String],
        first: bool,
        sink: &mut Sink<'_>,
    ) -> bool {
        if !self.when(context) {
            return false;
        }
        let rule = self.rule;
        let forget = if first { rule.stateful.forget.clone() } else { Vec::new() };
        let remember = payload::table(self, "remember", &rule.stateful.remember, context);
        let topics = if rule.is_learn() { vec![None] } else { self.topics(context) };
        if topics.is_empty() && forget.is_empty() && rule.stateful.remember.is_empty() {
            return true;
        }
        let once = match &rule.stateful.once {
            Some(once) if self.stage_of(&once.key) == Stage::Page => None,
            _ => match self.used(context, sink) {
                Ok(once) => once,
                Err(()) => return true,
            },
        };
        let values = self.values(context, topics);
        let confirmed = self.otherwise(&values);
        let stored = context.stored(&rule.stateful.stored_for_page);
        let nothing = rule.stateful.waits.is_empty() || self.waits_of_page() || self.knows(&values, sink);
        let open = if nothing { Vec::new() } else { self.open_waits(context, &values, sink) };
        let origin = Origin::of(rule, context.reading());
        let pending = self.pending(values, stored, &origin, open, sink);
        let deadline = pending.deadline;
        let finds = finds.to_vec();
        let unconfirmed = Unconfirmed { deadline, otherwise: confirmed, finds, once, forget, remember };
        let pending = Pending {
            item,
            deadline: sink.now.plus(SPAN),
            otherwise,
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

    /// Whether what the rule waits for then is told by the page only.
    fn waits_of_page(&self) -> bool {
        self.rule.wait_expressions().into_iter().any(|expr| self.stage(expr) == Stage::Page)
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
    if !open.iter().any(|pending| undecided(pending, sink)) || is_fragment(context.reading()) {
        return;
    }
    let Some(shown) = ruleset.shown_flash(context.reading()) else { return };
    for pending in open.iter_mut().filter(|pending| pending.unconfirmed.is_some()) {
        if undecided(pending, sink) {
            let page = Page { ruleset, context, shown: Some(&shown), settled_as: SettledAs::Completed };
            page.decide(pending, notes, sink);
        }
    }
    open.retain(|pending| is_open(pending, sink));
}

/// No page came in time, and the rule can do without.
pub(super) fn unseen(
    ruleset: &Ruleset,
    pending: &Pending,
    context: &Context<'_>,
    notes: &mut Notes,
    sink: &mut Sink<'_>,
) {
    let page = Page { ruleset, context, shown: None, settled_as: SettledAs::Fallback };
    page.decide(&mut pending.clone(), notes, sink);
}

/// Whether a script of a page asked, and not the visitor for a page: jQuery's header, and the browser's own (Fetch Metadata,
/// `Sec-Fetch-Dest`). What it gets shows no messages.
fn is_fragment(reading: &Reading) -> bool {
    let headers = &reading.exchange().request.headers;
    let other = headers.get("sec-fetch-dest").is_some_and(|wanted| wanted != "document" && wanted != "iframe");
    other || headers.contains_key("x-requested-with")
}

/// What decides about a match.
struct Page<'a> {
    ruleset: &'a Ruleset,
    context: &'a Context<'a>,
    /// The messages; `None` where no page came.
    shown: Option<&'a [Shown]>,
    settled_as: SettledAs,
}

/// What a confirmed match comes to.
#[derive(Default)]
struct Came {
    candidates: Vec<Candidate>,
    /// It goes on waiting under its name.
    waits: Option<Pending>,
}

impl Page<'_> {
    /// Settles a match, or confirms it where its rule waits for more.
    fn decide(&self, pending: &mut Pending, notes: &mut Notes, sink: &mut Sink<'_>) {
        let ruleset = self.ruleset;
        let Some(rule) = ruleset.rule_of(pending) else {
            notes.add(&pending.rule, format!("no event: the rule changed before {MISSING} came"));
            return sink.settle(pending.uid, SettledAs::Dropped, Vec::new());
        };
        let Some(word) = self.told(rule, pending) else {
            notes.remark(
                &pending.rule,
                "did not match: this page shows no such message, or not what a find looks for in it",
            );
            return sink.settle(pending.uid, SettledAs::Dropped, Vec::new());
        };
        let mut came = Came::default();
        let late = Late::new(&pending.stored);
        let context = self.context.rule(&[], &[]).with_late(&late);
        let mut run = Run::new(ruleset, rule, Phase::Page, notes).of_page(&word.finds);
        run.notes.trace(|| Traced::Rule { name: rule.name.clone(), late: true });
        run.each(&context, |run, context, _, first| {
            run.confirmed((self.context, context), (pending, &word), first, &mut came, sink)
        });
        match came.waits {
            Some(waits) => {
                sink.work.extend(came.candidates.into_iter().map(Work::Event));
                *pending = waits;
                sink.confirmed.push(pending.clone());
            }
            None => sink.settle(pending.uid, self.settled_as, came.candidates),
        }
    }

    /// Lays what the page tells under what was stored; `None` where it says no.
    fn told(&self, rule: &EventRule, pending: &mut Pending) -> Option<Unconfirmed> {
        let word = pending.unconfirmed.as_deref()?.clone();
        if let Some(shown) = self.shown {
            // What the rule can do without a page for has said so already.
            if pending.otherwise == Otherwise::Drop && !rule.flash_fits(shown) {
                return None;
            }
            let before = pending.stored.get("find").and_then(Value::as_object);
            let told = |name: &str| before.is_some_and(|finds| finds.contains_key(name));
            let reading = self.context.reading();
            let found = self.ruleset.shown_finds(rule, &word.finds, shown, reading, told)?;
            let found: Map<String, Value> = found.into_iter().map(|(name, value)| (name, (*value).clone())).collect();
            let finds = pending.stored.entry("find").or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(finds) = finds {
                finds.extend(found);
            }
            pending.stored.insert("flash".to_owned(), flash_value(shown.iter().map(|shown| &shown.message)));
        }
        pending.unconfirmed = None;
        Some(word)
    }
}

impl Run<'_, '_> {
    /// One run of a match that the page confirmed, over what was stored; gives whether its `when` held.
    fn confirmed(
        &mut self,
        (base, context): (&Context<'_>, &RuleContext<'_>),
        (pending, word): (&Pending, &Unconfirmed),
        first: bool,
        came: &mut Came,
        sink: &mut Sink<'_>,
    ) -> bool {
        if !self.when(context) {
            return false;
        }
        let (early, rule) = (Early::of(pending), self.rule);
        let origin = early.origin(pending);
        let values = self.with_later(context, early.into_values());
        let once = match &rule.stateful.once {
            Some(once) if self.stage_of(&once.key) == Stage::Page => match self.used(context, sink) {
                Ok(once) => once,
                Err(()) => return true,
            },
            _ => word.once.clone().filter(|_| first),
        };
        if let Some((key, until)) = once {
            sink.work.push(Work::Once { rule: rule.name.clone(), key, until });
        }
        self.remembers_with(context, (pending, word), first, sink);
        if rule.is_learn() {
            self.teaches(values, origin, sink);
            return true;
        }
        let (open, deadline) = self.still_open(context, &values, (pending, word), sink);
        let otherwise = self.otherwise(&values);
        let at_once = rule.stateful.waits.is_empty() || self.knows(&values, sink);
        let stored = context.stored(&rule.stateful.stored);
        let fresh = self.pending(values, stored, &origin, open, sink);
        let (uid, item, session) = (pending.uid, pending.item, pending.session.clone());
        let definition = pending.definition.clone();
        let next = Pending { uid, definition, item, deadline, otherwise, session, ..fresh };
        if at_once || !self.can_wait(&next, sink) {
            if at_once || otherwise == Otherwise::Send {
                let next = Pending { waits: Vec::new(), ..next };
                came.candidates.extend(waits::candidates(self.ruleset, &next, base, None, self.notes, sink));
            } else {
                self.note("no event: it cannot wait, and `else` says drop");
            }
        } else if came.waits.is_none() {
            came.waits = Some(next);
        } else {
            sink.work.push(Work::Wait(Box::new(next)));
        }
        true
    }

    /// `forget` and `remember`, of the match and of the page.
    fn remembers_with(
        &mut self,
        context: &RuleContext<'_>,
        (pending, word): (&Pending, &Unconfirmed),
        first: bool,
        sink: &mut Sink<'_>,
    ) {
        let rule = self.rule;
        let later = payload::table(self, "remember", &rule.stateful.remember, context);
        let remember = added(word.remember.clone(), later);
        let forget = if first { word.forget.clone() } else { Vec::new() };
        if forget.is_empty() && remember.is_empty() {
            return;
        }
        // Where two sessions met, the pending's own is the visitor's too.
        let session = if sink.session.is_empty() { pending.session.clone() } else { sink.session.clone() };
        sink.memory.push(MemoryOp { rule: rule.name.clone(), session, forget, remember });
    }

    /// What it waits for now, and until when.
    fn still_open(
        &mut self,
        context: &RuleContext<'_>,
        values: &Values,
        (pending, word): (&Pending, &Unconfirmed),
        sink: &Sink<'_>,
    ) -> (Vec<OpenWait>, crate::model::Timestamp) {
        if !self.waits_of_page() {
            return (pending.waits.clone(), word.deadline);
        }
        let before = std::mem::replace(&mut self.phase, Phase::All);
        let open = self.open_waits(context, values, sink);
        self.phase = before;
        let deadline = open.iter().map(|wait| wait.deadline).max().unwrap_or_default();
        (open, deadline)
    }
}
