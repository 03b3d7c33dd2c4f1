//! Rules that share method and path, found by a literal: host or one query field.

use std::collections::HashMap;

use crate::exchange::{FieldPath, Reading};

use super::super::matching::texts_at;
use super::super::rule::{EventRule, Matcher, Subject};

/// The rules at one end of the tree for one method.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    /// Rules as they come in; sorted into the maps by [`Bucket::settle`].
    pending: Vec<u32>,
    /// Rules without a literal to find them by.
    always: Vec<u32>,
    /// By the request's host.
    hosts: HashMap<String, Vec<u32>>,
    /// By query field: under the field's top name, so that a request asks only for names it has.
    fields: HashMap<String, Vec<Field>>,
}

#[derive(Debug)]
struct Field {
    path: FieldPath,
    values: HashMap<String, Vec<u32>>,
}

/// A literal a rule can be found by.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Selector {
    Host,
    Query(FieldPath),
}

impl Bucket {
    /// Puts a rule in.
    pub(super) fn add(&mut self, rule: u32) {
        if self.pending.last() != Some(&rule) {
            self.pending.push(rule);
        }
    }

    /// Chooses for each rule the literal with the most different values among its neighbours.
    pub(super) fn settle(&mut self, events: &[EventRule]) {
        let pending = std::mem::take(&mut self.pending);
        let literals: Vec<_> =
            pending.iter().map(|rule| events.get(*rule as usize).map_or(Vec::new(), literals)).collect();
        let mut spread: Vec<(Selector, Vec<&String>)> = Vec::new();
        for (selector, texts) in literals.iter().flatten() {
            let at = spread.iter().position(|(known, _)| known == selector).unwrap_or_else(|| {
                spread.push((selector.clone(), Vec::new()));
                spread.len() - 1
            });
            spread[at].1.extend(*texts);
        }
        for (_, texts) in &mut spread {
            texts.sort_unstable();
            texts.dedup();
        }
        for (rule, literals) in pending.iter().zip(&literals) {
            let width = |selector: &Selector| {
                spread.iter().find(|(known, _)| known == selector).map_or(0, |(_, all)| all.len())
            };
            match literals.iter().max_by_key(|(selector, _)| width(selector)) {
                None => self.always.push(*rule),
                Some((Selector::Host, texts)) => {
                    for text in *texts {
                        self.hosts.entry(text.clone()).or_default().push(*rule);
                    }
                }
                Some((Selector::Query(path), texts)) => {
                    let top = path.parts.first().cloned().unwrap_or_default();
                    let fields = self.fields.entry(top).or_default();
                    let at = fields.iter().position(|field| field.path == *path).unwrap_or_else(|| {
                        fields.push(Field { path: path.clone(), values: HashMap::new() });
                        fields.len() - 1
                    });
                    for text in *texts {
                        fields[at].values.entry(text.clone()).or_default().push(*rule);
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
        if self.fields.is_empty() {
            return;
        }
        let query = reading.query();
        if query.damage().is_some() {
            // A field may be among those that were left out: none can be ruled out by its absence.
            let all = self.fields.values().flatten().flat_map(|field| field.values.values().flatten());
            found.extend(all);
            return;
        }
        let Some(tree) = query.tree().as_object() else { return };
        for field in tree.keys().filter_map(|name| self.fields.get(name)).flatten() {
            let texts = texts_at(query, &field.path);
            found.extend(texts.iter().filter_map(|text| field.values.get(text)).flatten());
        }
    }
}

/// The literals of a rule's own conditions that a request's head decides.
fn literals(rule: &EventRule) -> Vec<(Selector, &Vec<String>)> {
    let literal = |condition: &'_ super::super::rule::Condition| match &condition.subject {
        Subject::Host => Some(Selector::Host),
        Subject::Query(path) if !path.parts.is_empty() => Some(Selector::Query(path.clone())),
        _ => None,
    };
    let conditions = rule.conditions.iter().filter_map(|condition| match &condition.matcher {
        Matcher::OneOf(texts) => Some((literal(condition)?, texts)),
        _ => None,
    });
    conditions.collect()
}
