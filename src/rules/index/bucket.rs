//! Rules that share method and path, found by a literal: host or one query field.

use std::collections::HashMap;

use crate::exchange::{FieldPath, Reading};

use super::super::rule::{Condition, EventRule, Subject};
use super::by_field::{ByField, Had, Wanted, rarest};

/// The rules at one end of the tree for one method.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    /// Rules as they come in; sorted into the maps by [`Bucket::settle`].
    pending: Vec<u32>,
    /// Rules without a literal to find them by.
    always: Vec<u32>,
    /// By the request's host.
    hosts: HashMap<String, Vec<u32>>,
    /// By query field.
    query: ByField,
}

/// Where a literal stands: a query field, else the host.
type Place<'r> = Option<&'r FieldPath>;

impl Bucket {
    /// Puts a rule in.
    pub(super) fn add(&mut self, rule: u32) {
        if self.pending.last() != Some(&rule) {
            self.pending.push(rule);
        }
    }

    /// Chooses for each rule the literal that it shares with the fewest of its neighbours.
    pub(super) fn settle(&mut self, events: &[EventRule]) {
        let pending = std::mem::take(&mut self.pending);
        let literals: Vec<_> =
            pending.iter().map(|rule| events.get(*rule as usize).map_or(Vec::new(), literals)).collect();
        let mut crowds: HashMap<(Place<'_>, Option<&str>), usize> = HashMap::new();
        for (place, wanted) in literals.iter().flatten() {
            wanted.keys().for_each(|key| *crowds.entry((*place, key)).or_default() += 1);
        }
        let crowd = |(place, wanted): &(Place<'_>, Wanted<'_>)| {
            wanted.keys().map(|key| crowds.get(&(*place, key)).copied().unwrap_or(0)).sum()
        };
        for (rule, literals) in pending.iter().zip(&literals) {
            match rarest(literals.iter().copied(), crowd) {
                None => self.always.push(*rule),
                Some((Some(path), wanted)) => self.query.add(path, wanted, *rule),
                Some((None, wanted)) => {
                    for text in wanted.keys().flatten() {
                        self.hosts.entry(text.to_owned()).or_default().push(*rule);
                    }
                }
            }
        }
    }

    /// Rules whose literal stands in the request, and those without one.
    pub(super) fn find(&self, reading: &Reading, found: &mut Vec<u32>) {
        found.extend(&self.always);
        if !self.hosts.is_empty() {
            found.extend(self.hosts.get(&reading.exchange().request.host()).into_iter().flatten());
        }
        if self.query.is_empty() {
            return;
        }
        let query = reading.query();
        if query.damage().is_some() {
            // A field may be among those that were left out: none can be ruled out by its absence.
            found.extend(self.query.all());
        } else {
            self.query.find(Had::Fields(query), |rule| found.push(rule));
        }
    }
}

/// What the head of a request must hold for a rule's own conditions.
fn literals(rule: &EventRule) -> Vec<(Place<'_>, Wanted<'_>)> {
    rule.conditions.iter().filter_map(literal).collect()
}

fn literal(condition: &Condition) -> Option<(Place<'_>, Wanted<'_>)> {
    match (&condition.subject, Wanted::of(condition)?) {
        (Subject::Host, wanted @ Wanted::OneOf(_)) => Some((None, wanted)),
        (Subject::Query(path), wanted) if !path.parts.is_empty() => Some((Some(path), wanted)),
        _ => None,
    }
}
