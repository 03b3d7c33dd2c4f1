//! Rules that stand in each other's way: one that never comes because another one stops before it, and two that give the same
//! event. Warnings, not errors.

use std::collections::HashMap;

use super::super::expr::{Piece, Template};
use super::super::rule::{Condition, EventRule, KeySource, On, StatusSet};
use super::gather::Gathered;
use super::loader::Loader;
use super::never::implies;

/// Warns of them; `events` in the order in which they run.
pub(super) fn tell(loader: &mut Loader, events: &[EventRule], gathered: &Gathered<'_>) {
    let own: Vec<&EventRule> = events.iter().filter(|event| event.is_event()).collect();
    let mut found: Vec<(&EventRule, String, &str)> = Vec::new();
    let mut first: HashMap<String, &EventRule> = HashMap::new();
    for event in &own {
        let Some(same) = signature(loader, event) else { continue };
        if let Some(other) = first.get(&same) {
            let message = format!("event `{}` gives the same event as {}", event.name, named(other));
            found.push((event, message, "leave one of them out, or tell them apart by a condition"));
        } else {
            first.insert(same, event);
        }
    }
    let stopping: Vec<(usize, &&EventRule)> = own.iter().enumerate().filter(|(_, event)| event.stop).collect();
    for (at, event) in own.iter().enumerate() {
        let before = stopping.iter().take_while(|(stops, _)| *stops < at).map(|(_, other)| **other);
        if let Some(other) = before.into_iter().find(|other| covers(loader, other, event)) {
            let message = format!(
                "event `{}` never comes: {} matches whenever it does, comes first and says `stop`",
                event.name,
                named(other)
            );
            found.push((event, message, "give it a higher `priority`, or a condition more to the other one"));
        }
    }
    for (event, message, hint) in found {
        if let Some(entry) = gathered.events.iter().find(|entry| entry.key == event.name) {
            loader.report.warn(entry.at, message, hint.to_owned());
        }
    }
}

fn named(event: &EventRule) -> String {
    format!("`{}` ({}:{})", event.name, event.place.file, event.place.line)
}

/// All that says when a rule matches and about what: two with the same give the same event. `None` where it is about nothing.
fn signature(loader: &Loader, event: &EventRule) -> Option<String> {
    if event.id.is_none() && matches!(event.key, KeySource::None) || event.topic.is_empty() {
        return None;
    }
    let text = |template: &Template| written(loader, template);
    let source = |expr: &_| loader.expressions.source(*expr).to_owned();
    let mut conditions: Vec<&str> = event.conditions.iter().map(|condition| condition.text.as_str()).collect();
    conditions.sort_unstable();
    let mut topics: Vec<String> = event.topic.iter().map(text).collect();
    topics.sort();
    let key = match &event.key {
        KeySource::None => Vec::new(),
        KeySource::Fields(fields) => fields.iter().map(|(name, value)| format!("{name}={}", text(value))).collect(),
        KeySource::Whole(whole) => vec![text(whole)],
    };
    let groups: Vec<Vec<&str>> = event.any.iter().flatten().chain(&event.none).map(|table| texts(table)).collect();
    let on: Vec<String> = event.on.iter().map(|on| format!("{:?} {}", on.methods, on.path.text)).collect();
    let finds: Vec<&str> = event.finds.iter().map(|find| find.text.as_str()).collect();
    let when: Vec<String> = event.when.iter().chain(&event.for_each).map(source).collect();
    let graphql = event.graphql.as_ref().map(|graphql| format!("{graphql} {:?}", graphql.ok));
    let (id, waits) = (event.id.as_ref().map(text), event.stateful.waits.len());
    let trigger = (on, conditions, groups, event.any.len(), &event.status.ranges, finds, when, graphql);
    Some(format!("{trigger:?} {:?}", (topics, &event.resource, id, key, waits)))
}

/// Whether `first` matches whenever `second` does, as far as what is written shows.
fn covers(loader: &Loader, first: &EventRule, second: &EventRule) -> bool {
    let path = |on: &On| {
        let fits = |own: &On| own.path == on.path && on.methods.iter().all(|method| own.methods.contains(method));
        first.on.iter().any(fits)
    };
    let implied = |condition: &Condition| {
        second.conditions.iter().any(|own| own.text == condition.text || implies(own, condition))
    };
    let same_tables = |of: &[Vec<Condition>], among: &[Vec<Condition>]| {
        of.iter().all(|table| among.iter().any(|other| texts(other) == texts(table)))
    };
    let source = |expr: &_| loader.expressions.source(*expr);
    let same_any = first
        .any
        .iter()
        .all(|group| second.any.iter().any(|other| group.len() == other.len() && same_tables(group, other)));
    let find = |find: &super::super::rule::Find| {
        find.optional && !find.absent || second.finds.iter().any(|other| other.text == find.text)
    };
    let graphql = first.graphql.is_none() || first.graphql == second.graphql;
    let when = first.when.iter().all(|when| second.when.iter().any(|other| source(other) == source(when)));
    // A `when` over items holds for some of them or none: that is not the same in both.
    let items = first.for_each.is_none() || first.when.is_empty();
    !second.on.is_empty()
        && second.on.iter().all(path)
        && within(&second.status, &first.status)
        && first.conditions.iter().all(implied)
        && same_any
        && same_tables(&first.none, &second.none)
        && first.finds.iter().all(find)
        && graphql
        && when
        && items
}

fn texts(table: &[Condition]) -> Vec<&str> {
    let mut texts: Vec<&str> = table.iter().map(|condition| condition.text.as_str()).collect();
    texts.sort_unstable();
    texts
}

fn within(inner: &StatusSet, outer: &StatusSet) -> bool {
    let fits = |(from, to): &(u16, u16)| outer.ranges.iter().any(|(least, most)| least <= from && to <= most);
    inner.ranges.iter().all(fits)
}

/// A value as it is written.
fn written(loader: &Loader, template: &Template) -> String {
    let hole = |expr: &_| format!("{{{{{}}}}}", loader.expressions.source(*expr).trim());
    match template {
        Template::Literal(text) => text.clone(),
        Template::Single(expr) => hole(expr),
        Template::Mixed(pieces) => {
            let piece = |piece: &Piece| match piece {
                Piece::Text(text) => text.clone(),
                Piece::Hole(expr) => hole(expr),
            };
            pieces.iter().map(piece).collect()
        }
    }
}
