//! What of a body keeps most rules away from an exchange: a form field, a value in JSON, a root field of GraphQL. Read
//! once, whatever the number of rules.

use std::collections::HashMap;

use serde_json::Value;

use crate::exchange::{FieldPath, Part};

use super::super::matching::Sight;
use super::super::rule::{Condition, EventRule, Subject};
use super::by_field::{ByField, Had, Wanted, rarest};

/// Rules by that without which they cannot match.
#[derive(Debug, Default)]
pub(super) struct Gates {
    form: ByField,
    json: ByField,
    /// By the name of a root field.
    graphql: HashMap<String, Vec<u32>>,
    /// By rule: whether it is in one of them.
    gated: Vec<bool>,
}

/// What a rule can be found by.
#[derive(Clone, Debug)]
enum Gate<'r> {
    Form(&'r FieldPath, Wanted<'r>),
    Json(FieldPath, Wanted<'r>),
    Graphql(&'r [String]),
}

/// A gate's kind, its place and one value.
type Key<'g> = (u8, &'g [String], bool, Option<&'g str>);

impl Gates {
    /// Chooses for each rule, of the gates it has, the one that it shares with the fewest rules.
    pub(super) fn build(events: &[EventRule]) -> Self {
        let all: Vec<Vec<Gate<'_>>> = events.iter().map(gates).collect();
        let mut crowds: HashMap<Key<'_>, usize> = HashMap::new();
        for key in all.iter().flatten().flat_map(Gate::keys) {
            *crowds.entry(key).or_default() += 1;
        }
        let crowd = |gate: &&Gate<'_>| gate.keys().iter().map(|key| crowds.get(key).copied().unwrap_or(0)).sum();
        let mut built = Self::default();
        for (rule, choices) in (0_u32..).zip(&all) {
            let gate = rarest(choices, crowd);
            built.gated.push(gate.is_some());
            match gate {
                Some(Gate::Form(path, wanted)) => built.form.add(path, *wanted, rule),
                Some(Gate::Json(path, wanted)) => built.json.add(path, *wanted, rule),
                Some(Gate::Graphql(names)) => {
                    names.iter().for_each(|name| built.graphql.entry(name.clone()).or_default().push(rule));
                }
                None => {}
            }
        }
        built
    }

    /// Those of `rules` whose gate the exchange passes, and those without one. A body that is cut or cannot be read keeps
    /// nobody out.
    pub(super) fn past(&self, sight: &Sight<'_>, rules: &[u32]) -> Vec<u32> {
        let gated = |rule: u32| self.gated.get(rule as usize).copied().unwrap_or(false);
        if !rules.iter().any(|rule| gated(*rule)) {
            return rules.to_vec();
        }
        let mut passes = vec![false; self.gated.len()];
        let mut pass = |rule: u32| {
            if let Some(passes) = passes.get_mut(rule as usize) {
                *passes = true;
            }
        };
        if !self.form.is_empty() {
            match sight.reading.form() {
                Part::Is(form) if form.damage().is_none() => self.form.find(Had::Fields(form), &mut pass),
                Part::NotThis => {}
                Part::Is(_) | Part::Damaged(_) => self.form.all().for_each(&mut pass),
            }
        }
        if !self.json.is_empty() {
            match sight.reading.json() {
                Part::Is(Value::Object(tree)) => self.json.find(Had::Json(tree), &mut pass),
                // Below a list the first key of a path is a number.
                Part::Is(_) | Part::Damaged(_) => self.json.all().for_each(&mut pass),
                Part::NotThis => {}
            }
        }
        if !self.graphql.is_empty() {
            match sight.operations().names() {
                Some(names) => {
                    let rules = names.iter().filter_map(|name| self.graphql.get(*name)).flatten();
                    rules.copied().for_each(&mut pass);
                }
                None => self.graphql.values().flatten().copied().for_each(&mut pass),
            }
        }
        let stays = |rule: &u32| !gated(*rule) || passes.get(*rule as usize).copied().unwrap_or(true);
        rules.iter().copied().filter(stays).collect()
    }
}

impl Gate<'_> {
    fn keys(&self) -> Vec<Key<'_>> {
        match self {
            Self::Form(path, wanted) => wanted.keys().map(|key| (0, &*path.parts, path.list, key)).collect(),
            Self::Json(path, wanted) => wanted.keys().map(|key| (1, &*path.parts, false, key)).collect(),
            Self::Graphql(names) => names.iter().map(|name| (2, &[][..], false, Some(name.as_str()))).collect(),
        }
    }
}

fn gates(event: &EventRule) -> Vec<Gate<'_>> {
    let graphql = event.graphql.iter().map(|graphql| Gate::Graphql(&graphql.fields));
    event.conditions.iter().filter_map(gate).chain(graphql).collect()
}

fn gate(condition: &Condition) -> Option<Gate<'_>> {
    match (&condition.subject, Wanted::of(condition)?) {
        (Subject::Form(path), wanted) if !path.parts.is_empty() => Some(Gate::Form(path, wanted)),
        (Subject::Json(path), wanted) if !path.is_empty() => {
            Some(Gate::Json(FieldPath { parts: path.clone(), list: false }, wanted))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use http::Request;

    use super::Sight;
    use crate::exchange::{CapturedBody, End, Exchange, ReadOptions, Reading, RequestHead, Timestamp};
    use crate::rules::{SourceFile, load};

    /// Of 300 rules for one path, each with another literal in the form, one is asked.
    #[test]
    fn other_form_literals_cost_nothing() {
        let mut text = String::new();
        for n in 0..300 {
            let rule = "on = 'POST /x'\ntopic = 'a.b'\nid = 1\nform.kind = 'same'\nform.action";
            write!(text, "[event.r{n}]\n{rule} = 'do-{n}'\n").expect("a string takes it");
        }
        let files = [SourceFile { path: "a.toml".to_owned(), bytes: text.into_bytes() }];
        let rules = load(&files).ruleset.expect("it loads");
        let request = Request::post("/x").header("content-type", "application/x-www-form-urlencoded").body(());
        let request = RequestHead::of(&request.expect("a request").into_parts().0);
        let candidates =
            rules.wants(&request, &crate::rules::OpenWaits::default()).expect("the head cannot tell them apart");
        assert_eq!(candidates.rules.len(), 300);
        let past = |body: CapturedBody| {
            let (request, response_body) = (request.clone(), CapturedBody::default());
            let at = Timestamp::default();
            let exchange =
                Exchange { at, request, request_body: body, response: None, response_body, end: End::Complete };
            let reading = Reading::new(exchange, ReadOptions::default());
            rules.index.past_gates(&Sight::new(&reading, None), &candidates)
        };
        assert_eq!(past(CapturedBody::whole("kind=same&action=do-7")), [7]);
        assert_eq!(past(CapturedBody::whole("kind=same")), [0_u32; 0]);
        assert_eq!(past(CapturedBody::whole("{}")), [0_u32; 0]);
        let cut =
            CapturedBody { damage: Some(crate::exchange::Damage::Cut), ..CapturedBody::whole("kind=same&action=do") };
        assert_eq!(past(cut).len(), 300);
    }
}
