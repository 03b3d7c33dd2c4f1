//! The matched rules of an exchange at work, and the waits that end: by this exchange, by an answer, by time.

use super::candidate::Candidate;
use super::evaluate::{self, Run};
use super::finish::finish;
use super::lessons::{is_open, oldest_first};
use super::notes::Notes;
use super::phase::Phase;
use super::sink::Sink;
use super::step::Derived;
use super::trace::{Trace, Traced};
use super::unconfirmed;
use super::visitor::Visitor;
use super::waits;
use crate::exchange::{CapturedBody, End, Exchange, Reading, RequestHead};
use crate::model::{OpenWait, Otherwise, Pending, SettledAs, Timestamp, WaitsFor};
use crate::rules::expr::{Context, RuleContext};
use crate::rules::index::{Candidates, Need};
use crate::rules::matching::{Matched, MatchedRule, holds};
use crate::rules::open_waits::OpenWaits;
use crate::rules::rule::{EventRule, RuleKind, Ruleset};
use crate::rules::view::View;

/// A rule as an exchange sees it, with what its paths captured.
fn context_of<'a>(context: &'a Context<'a>, hit: &'a MatchedRule) -> RuleContext<'a> {
    let context = context.rule(&hit.params, &hit.location_params);
    context.with_referer(&hit.referer_params).with_found(&hit.found)
}

impl Ruleset {
    fn rule_at(&self, hit: &MatchedRule) -> Option<&EventRule> {
        usize::try_from(hit.rule).ok().and_then(|at| self.events.get(at))
    }

    /// Event and learn rules in their order.
    pub(super) fn evaluate(
        &self,
        matched: &Matched,
        context: &Context<'_>,
        visitor: &Visitor,
        notes: &mut Notes,
        sink: &mut Sink<'_>,
    ) {
        let mut stopped_by = None;
        for hit in &matched.rules {
            let Some(rule) = self.rule_at(hit) else { continue };
            let runs = match rule.stateful.kind {
                // A rule that stops the others still runs for each of its own GraphQL fields.
                RuleKind::Event => stopped_by.is_none_or(|by| by == hit.rule),
                RuleKind::Learn => true,
                RuleKind::Wait { .. } | RuleKind::FlashPage => false,
            };
            if !runs {
                if let (Some(by), true) = (stopped_by.and_then(|by| self.events.get(by as usize)), rule.is_event()) {
                    notes.trace(|| Traced::Stopped { rule: rule.name.clone(), by: by.name.clone() });
                }
                continue;
            }
            if !holds(self, rule, hit, context.reading(), (&visitor.whole, None)) {
                notes.trace(|| Traced::NoMemory { rule: rule.name.clone() });
                continue;
            }
            let held = evaluate::rule(self, rule, &context_of(context, hit), notes, sink);
            if held && rule.stop && rule.is_event() {
                stopped_by = Some(hit.rule);
            }
        }
        for hit in &matched.waiting {
            let Some(rule) = self.rule_at(hit) else { continue };
            if (rule.is_event() || rule.is_learn()) && holds(self, rule, hit, context.reading(), (&visitor.whole, None))
            {
                unconfirmed::wait(self, rule, (&context_of(context, hit), &hit.found.page), notes, sink);
            }
        }
    }

    /// Waits of this visitor that the exchange completes.
    pub(super) fn complete(
        &self,
        matched: &Matched,
        context: &Context<'_>,
        visitor: &Visitor,
        notes: &mut Notes,
        sink: &mut Sink<'_>,
    ) {
        let kind = |hit: &MatchedRule| self.rule_at(hit).map(|rule| rule.stateful.kind);
        let waits = |hit: &&MatchedRule| matches!(kind(hit), Some(RuleKind::Wait { look_up: false, .. }));
        let shows = matched.rules.iter().any(|hit| kind(hit) == Some(RuleKind::FlashPage));
        let mut hits = matched.rules.iter().filter(waits).peekable();
        if hits.peek().is_none() && !shows {
            return;
        }
        let mut open: Vec<Pending> = visitor.sessions().flat_map(|session| sink.view.pendings(session)).collect();
        oldest_first(&mut open);
        if shows {
            unconfirmed::confirm(self, context, &mut open, notes, sink);
        }
        for hit in hits {
            let Some(rule) = self.rule_at(hit) else { continue };
            let by = context_of(context, hit);
            let memory = &visitor.whole;
            notes.trace(|| Traced::Rule { name: rule.name.clone(), late: true });
            if !holds(self, rule, hit, context.reading(), (memory, None))
                || !Run::new(self, rule, Phase::All, notes).when(&by)
            {
                continue;
            }
            let fits = |pending: &Pending| {
                let texts = pending.waits.iter().find_map(|wait| match &wait.waits_for {
                    WaitsFor::Exchange { texts } if is_place(rule, wait.place) && wait.deadline > sink.now => {
                        Some(texts)
                    }
                    _ => None,
                });
                pending.rule == rule.name
                    && is_open(pending, sink)
                    && self.rule_of(pending).is_some()
                    && texts.is_some_and(|texts| {
                        holds(self, rule, hit, context.reading(), (memory, Some(texts.as_slice())))
                    })
            };
            // The oldest one, and with it the other items of the same match.
            let mut first: Option<(Timestamp, u32)> = None;
            let mut done: Vec<&Pending> = Vec::new();
            for pending in open.iter().filter(|pending| fits(pending)) {
                if first.is_some_and(|(at, item)| pending.at != at || pending.item <= item) {
                    break;
                }
                first = Some((pending.at, pending.item));
                done.push(pending);
            }
            for pending in done {
                let candidates = waits::candidates(self, pending, context, Some(&by), notes, sink);
                sink.settle(pending.uid, SettledAs::Completed, candidates);
            }
        }
    }

    /// The time of a waiting match is up: what its `else` says.
    pub fn expire(&self, pending: &Pending, view: &dyn View, now: Timestamp) -> Derived {
        self.expire_traced(pending, view, now, Trace::OFF)
    }

    /// The same; the trace comes back in [`Derived::trace`].
    pub(in crate::rules) fn expire_traced(
        &self,
        pending: &Pending,
        view: &dyn View,
        now: Timestamp,
        trace: Trace,
    ) -> Derived {
        let visitor = Visitor::of_session(&pending.session, view, now);
        let reading = Reading::new(nothing(now), self.read_options(None));
        let context = Context::new(&reading, &self.shop, view, now).with_session(&visitor.whole);
        let mut notes = Notes::of(&[], trace);
        let mut sink = Sink::new(view, now, pending.session.clone());
        match pending.otherwise {
            Otherwise::Send if pending.unconfirmed.is_some() => {
                unconfirmed::unseen(self, pending, &context, &mut notes, &mut sink);
            }
            Otherwise::Send => {
                let candidates = waits::candidates(self, pending, &context, None, &mut notes, &mut sink);
                let settled_as = settled_as(&candidates, SettledAs::Fallback, pending, &mut notes);
                sink.settle(pending.uid, settled_as, candidates);
            }
            Otherwise::Drop => {
                notes.add(&pending.rule, format!("no event: {} did not come in time", pending.missing));
                sink.settle(pending.uid, SettledAs::Dropped, Vec::new());
            }
        }
        finish(self, visitor, &context, sink, notes)
    }

    /// The shop answered the look-up of a waiting match: what the answer teaches, and the event if that completes it.
    /// `place` is that of the wait ([`crate::model::OpenWait::place`]); `answer` the look-up as an exchange. Where nothing
    /// is settled the match goes on waiting.
    pub fn answered(
        &self,
        pending: &Pending,
        place: u32,
        answer: &Reading,
        view: &dyn View,
        now: Timestamp,
    ) -> Derived {
        self.answered_traced(pending, (place, answer), view, now, Trace::OFF)
    }

    /// The same; the trace comes back in [`Derived::trace`].
    pub(in crate::rules) fn answered_traced(
        &self,
        pending: &Pending,
        (place, answer): (u32, &Reading),
        view: &dyn View,
        now: Timestamp,
        trace: Trace,
    ) -> Derived {
        let visitor = Visitor::of_session(&pending.session, view, now);
        let context = Context::new(answer, &self.shop, view, now).with_session(&visitor.whole);
        let exchange = answer.exchange();
        let is_learn = |number: &u32| self.events.get(*number as usize).is_some_and(EventRule::is_learn);
        let learns = self.wants(&exchange.request, &OpenWaits::default());
        let learns = learns.unwrap_or_default().rules.into_iter().filter(is_learn);
        let trigger = (0_u32..).zip(&self.events).find(|(_, rule)| {
            let kind = RuleKind::Wait { place, look_up: true };
            rule.stateful.kind == kind && rule.name == pending.rule && rule.stateful.decides
        });
        let rules = learns.chain(trigger.map(|(number, _)| number)).collect();
        let mut candidates = Candidates::of(rules);
        let need = exchange.response.as_ref().map(|head| self.narrow(&mut candidates, &exchange.request, head));
        let matched = match need {
            Some(Need::Head | Need::Body) => self.matches(answer, &candidates),
            Some(Need::Nothing) | None => Matched::default(),
        };
        let mut notes = Notes::of(&matched.notes, trace);
        let mut sink = Sink::new(view, now, pending.session.clone());
        let hit = trigger.and_then(|(number, _)| matched.rules.iter().find(|hit| hit.rule == number));
        if let (Some(hit), Some((_, rule))) = (hit, trigger) {
            let by = context_of(&context, hit);
            notes.trace(|| Traced::Rule { name: rule.name.clone(), late: true });
            let texts = pending.waits.iter().find(|wait| wait.place == place).map_or(&[][..], OpenWait::texts);
            let completes = is_open(pending, &sink)
                && self.rule_of(pending).is_some()
                && holds(self, rule, hit, answer, (&visitor.whole, Some(texts)))
                && Run::new(self, rule, Phase::All, &mut notes).when(&by);
            if completes {
                let candidates = waits::candidates(self, pending, &context, Some(&by), &mut notes, &mut sink);
                sink.settle(pending.uid, SettledAs::Completed, candidates);
            }
        }
        self.evaluate(&matched, &context, &visitor, &mut notes, &mut sink);
        finish(self, visitor, &context, sink, notes)
    }
}

fn is_place(rule: &EventRule, place: u32) -> bool {
    matches!(rule.stateful.kind, RuleKind::Wait { place: own, .. } if own == place)
}

/// A match that comes to no event is dropped, and a note says so.
fn settled_as(candidates: &[Candidate], otherwise: SettledAs, pending: &Pending, notes: &mut Notes) -> SettledAs {
    if !candidates.is_empty() {
        return otherwise;
    }
    notes.add(
        &pending.rule,
        format!("no event: {} did not come in time, and nothing is known to send", pending.missing),
    );
    SettledAs::Dropped
}

/// No exchange: what late values see beside what was stored.
fn nothing(at: Timestamp) -> Exchange {
    let request = RequestHead {
        method: http::Method::GET,
        uri: http::Uri::from_static("/"),
        headers: http::HeaderMap::new(),
        secure: false,
    };
    Exchange {
        at,
        request,
        request_body: CapturedBody::default(),
        response: None,
        response_body: CapturedBody::default(),
        end: End::Complete,
    }
}
