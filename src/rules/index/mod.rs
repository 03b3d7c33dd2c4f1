//! Which rules a request head may match: a path trie that returns all matches, then the most selective literal query or
//! form key, so that a thousand rules cost an exchange little more than ten.

mod alike;
mod bucket;
mod by_field;
mod gates;
mod needs;
mod trie;

use http::Method;

use crate::exchange::{
    CapturedBody, End, Exchange, HeadViews, ReadOptions, Reading, RequestHead, ResponseHead, Timestamp,
};

use super::expr::Expressions;
use super::matching::{Sight, Stage, Truth, decide, table};
use super::open_waits::{Awaiting, OpenWaits};
use super::path::segments;
use super::rule::{EventRule, RuleKind, Ruleset};
use super::sessions::request_keys;
use alike::Alike;
use bucket::Bucket;
use gates::Gates;
use needs::Needs;
use trie::Trie;

/// The compiled index.
#[derive(Debug, Default)]
pub struct Index {
    paths: Trie<Vec<(Method, Bucket)>>,
    gates: Gates,
    alike: Alike,
    needs: Vec<Needs>,
    /// The first rule that is what a wait waits for; those behind it are too.
    first_wait: u32,
}

/// Rules that may still match an exchange.
#[derive(Clone, Debug, Default)]
pub struct Candidates {
    /// Indexes into [`Ruleset::events`], ascending.
    pub rules: Vec<u32>,
    /// What was read of the exchange's heads to find them.
    heads: Option<HeadViews>,
}

impl Candidates {
    /// These rules, of an exchange nothing of which was read.
    pub fn of(rules: Vec<u32>) -> Self {
        Self { rules, heads: None }
    }

    /// An exchange as read for them, with its bodies.
    pub fn reading(&self, exchange: Exchange, options: ReadOptions) -> Reading {
        self.goes_on(Reading::new(exchange, options))
    }

    /// A reading of the same exchange, with what was read of its heads already.
    fn goes_on(&self, reading: Reading) -> Reading {
        if let Some(heads) = &self.heads { reading.after(heads) } else { reading }
    }
}

/// What the candidates still need to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// No rule can match any more.
    Nothing,
    /// No rule that is left reads the response's body.
    Head,
    /// Some rule reads the response's body.
    Body,
}

impl Index {
    /// Builds it.
    pub fn build(events: &[EventRule], expressions: &Expressions) -> Self {
        let mut paths = Trie::<Vec<(Method, Bucket)>>::default();
        for (number, event) in (0_u32..).zip(events) {
            // A look-up is no request of a visitor.
            let look_up = matches!(event.stateful.kind, RuleKind::Wait { look_up: true, .. });
            for on in event.on.iter().filter(|_| !look_up) {
                let methods = paths.entry(&on.path);
                for method in &on.methods {
                    let at = methods.iter().position(|(known, _)| known == method).unwrap_or_else(|| {
                        methods.push((method.clone(), Bucket::default()));
                        methods.len() - 1
                    });
                    methods[at].1.add(number);
                }
            }
        }
        paths.ends_mut().flatten().for_each(|(_, bucket)| bucket.settle(events));
        let needs = events.iter().map(|event| Needs::of(event, expressions)).collect();
        let waits = (0_u32..).zip(events).find(|(_, event)| matches!(event.stateful.kind, RuleKind::Wait { .. }));
        let first_wait = waits.map_or(u32::MAX, |(number, _)| number);
        Self { paths, gates: Gates::build(events), alike: Alike::build(events), needs, first_wait }
    }

    /// Candidates that what the request's body says does not rule out.
    pub(super) fn past_gates(&self, sight: &Sight<'_>, candidates: &Candidates) -> Vec<u32> {
        self.gates.past(sight, &candidates.rules)
    }

    fn needs(&self, rule: u32) -> Needs {
        self.needs.get(rule as usize).copied().unwrap_or_default()
    }
}

impl Ruleset {
    /// Which rules this request may match by method, path, host and query (and `[shop] ignore`); `None` if nobody cares.
    ///
    /// Conditions on the request's headers, cookies and referer narrow too. A rule that could match is never left out.
    /// What a wait waits for stands like a rule, for visitors who have such a wait open.
    pub fn wants(&self, head: &RequestHead, open: &OpenWaits) -> Option<Candidates> {
        let (mut rules, reading) = self.looked_up(head)?;
        self.with_open_wait(&mut rules, &reading, open);
        if rules.is_empty() {
            return None;
        }
        let sight = Sight::new(&reading, None);
        if self.shop.ignore.iter().any(|ignored| table(ignored, sight.scene(Stage::Request)) == Truth::Holds) {
            return None;
        }
        self.left(rules, &reading, Stage::Request)
    }

    /// Drops the rules that this response's status and headers rule out.
    pub fn narrow(&self, candidates: &mut Candidates, request: &RequestHead, response: &ResponseHead) -> Need {
        let status = response.status.as_u16();
        let fits = |rule: u32| self.events.get(rule as usize).is_some_and(|event| event.status.contains(status));
        if candidates.rules.iter().any(|rule| self.index.needs(*rule).head) {
            let reading = candidates.goes_on(self.reading_of(request, Some(response)));
            let rules = std::mem::take(&mut candidates.rules);
            // The status is among what is decided.
            *candidates = self.left(rules, &reading, Stage::Head).unwrap_or_default();
        } else {
            self.index.alike.retain(&mut candidates.rules, fits);
        }
        if candidates.rules.is_empty() {
            Need::Nothing
        } else if candidates.rules.iter().any(|rule| self.index.needs(*rule).body) {
            Need::Body
        } else {
            Need::Head
        }
    }

    /// Rules by method, path and one literal, ascending: what the index alone says. With the head read.
    fn looked_up(&self, head: &RequestHead) -> Option<(Vec<u32>, Reading)> {
        let path = segments(head.path(), self.shop.charset);
        let mut reading = None;
        let mut found = Vec::new();
        for (_, bucket) in self.index.paths.find(&path).flatten().filter(|(method, _)| *method == head.method) {
            bucket.find(reading.get_or_insert_with(|| self.reading_of(head, None)), &mut found);
        }
        if !found.is_sorted_by(|a, b| a < b) {
            found.sort_unstable();
            found.dedup();
        }
        reading.filter(|_| !found.is_empty()).map(|reading| (found, reading))
    }

    /// Leaves out what only waits of other visitors wait for.
    fn with_open_wait(&self, rules: &mut Vec<u32>, head: &Reading, open: &OpenWaits) {
        let waits = |rule: &u32| {
            let rule = self.events.get(*rule as usize)?;
            match rule.stateful.kind {
                RuleKind::Event | RuleKind::Learn => None,
                RuleKind::Wait { .. } => Some(Awaiting::Rule(rule.name.as_str())),
                RuleKind::FlashPage => Some(Awaiting::Messages),
            }
        };
        if rules.last().is_none_or(|last| *last < self.index.first_wait) {
            return;
        }
        let keys = if open.is_empty() { Vec::new() } else { request_keys(&self.session, head) };
        rules.retain(|rule| waits(rule).is_none_or(|awaited| keys.iter().any(|key| open.has(key, awaited))));
    }

    /// Those rules that do not fail by what is seen so far.
    fn left(&self, mut rules: Vec<u32>, reading: &Reading, stage: Stage) -> Option<Candidates> {
        let sight = Sight::new(reading, self.flash.as_ref());
        let stays = |rule: u32| {
            let event = self.events.get(rule as usize);
            event.is_some_and(|event| decide(event, sight.scene_of(stage, event)).0 != Truth::Fails)
        };
        self.index.alike.retain(&mut rules, stays);
        (!rules.is_empty()).then_some(Candidates { rules, heads: Some(reading.heads()) })
    }

    /// Heads as a reading, so that one code decides conditions early and late.
    fn reading_of(&self, request: &RequestHead, response: Option<&ResponseHead>) -> Reading {
        let exchange = Exchange {
            at: Timestamp::default(),
            request: request.clone(),
            request_body: CapturedBody::unread(),
            response: response.cloned(),
            response_body: CapturedBody::unread(),
            end: End::Complete,
        };
        Reading::new(exchange, ReadOptions { charset: self.shop.charset })
    }
}
