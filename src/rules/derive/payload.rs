//! Tables of values: `payload`, `payload_from`, `facts`, `arg`.

use serde_json::{Map, Value};

use super::evaluate::Run;
use super::merge::laid_over;
use super::phase::{Phase, Stage};
use super::redact;
use super::trace::Traced;
use crate::rules::expr::RuleContext;
use crate::rules::rule::ValueTree;

/// The rule's payload: what it copies wholesale, less what is secret, with `payload.*` laid over it.
pub(super) fn payload(run: &mut Run<'_, '_>, context: &RuleContext<'_>) -> Map<String, Value> {
    let rule = run.rule;
    let mut copied = Map::new();
    for source in &rule.payload_from {
        if !run.is_due(run.stage_of_copy(source)) {
            continue;
        }
        if let Some(damage) = context.path_damage(&source.parts) {
            run.note(&format!("payload_from: `{}` may lack fields: its body is {}", source.text, damage.as_str()));
        }
        match context.path(&source.parts) {
            Some(Value::Object(map)) => {
                let redact = &run.ruleset.shop.redact;
                run.notes.trace(|| {
                    let left = redact::without(map.clone(), &rule.omit, redact);
                    let (kept, left_out) = map.keys().cloned().partition(|name| left.contains_key(name));
                    Traced::Copied { source: source.text.clone(), kept, left_out }
                });
                let map = redact::without(map, &rule.omit, redact);
                copied = laid_over(map, &copied);
            }
            Some(_) => run.note(&format!("payload_from: `{}` is no table", source.text)),
            None => {}
        }
    }
    laid_over(table(run, "payload", &rule.payload, context), &copied)
}

/// A table of values; undefined ones are left out.
pub(super) fn table(
    run: &mut Run<'_, '_>,
    place: &str,
    entries: &[(String, ValueTree)],
    context: &RuleContext<'_>,
) -> Map<String, Value> {
    below(run, &mut place.to_owned(), entries, context)
}

/// One value; `None` where it is undefined, or a table of which everything is.
pub(super) fn value(run: &mut Run<'_, '_>, place: &str, tree: &ValueTree, context: &RuleContext<'_>) -> Option<Value> {
    at(run, &mut place.to_owned(), tree, context)
}

/// `place` is one text that grows and shrinks on the way: it is needed only where something is to be said.
fn below(
    run: &mut Run<'_, '_>,
    place: &mut String,
    entries: &[(String, ValueTree)],
    context: &RuleContext<'_>,
) -> Map<String, Value> {
    let mut map = Map::with_capacity(entries.len());
    let length = place.len();
    for (name, tree) in entries {
        place.push('.');
        place.push_str(name);
        if let Some(value) = at(run, place, tree, context) {
            map.insert(name.clone(), value);
        }
        place.truncate(length);
    }
    map
}

fn at(run: &mut Run<'_, '_>, place: &mut String, tree: &ValueTree, context: &RuleContext<'_>) -> Option<Value> {
    match tree {
        ValueTree::Template(template) => run.value(place, template, context),
        ValueTree::Constant(constant) => run.is_due(Stage::Match).then(|| {
            run.notes.trace(|| {
                let (place, source) = (place.clone(), constant.to_string());
                Traced::Value { place, source, value: Some(constant.clone()), error: None }
            });
            constant.clone()
        }),
        ValueTree::Table(entries) => {
            let map = below(run, place, entries, context);
            (entries.is_empty() && run.is_due(Stage::Match) || !map.is_empty()).then_some(Value::Object(map))
        }
        ValueTree::List(items) => {
            // A list is computed as a whole: when the last thing in it can be.
            let mut stage = Stage::Match;
            tree.each_template(&mut |template| stage = stage.max(run.stage_of(template)));
            if !run.is_due(stage) {
                return None;
            }
            let before = std::mem::replace(&mut run.phase, Phase::All);
            let list = items.iter().enumerate();
            let list = list.filter_map(|(at, item)| value(run, &format!("{place}[{at}]"), item, context)).collect();
            run.phase = before;
            Some(list)
        }
    }
}
