//! Rules found by a field that each of them needs: by its value, or by its being there.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::exchange::{FieldPath, Fields};

use super::super::matching::{json_texts, texts_at};
use super::super::rule::{Condition, Matcher, Op};

/// What a field must be, as far as an index can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted<'r> {
    /// One of these texts.
    OneOf(&'r [String]),
    /// There at all.
    There,
}

impl<'r> Wanted<'r> {
    /// What a condition needs of its field; `None` where it may hold without it.
    pub(super) fn of(condition: &'r Condition) -> Option<Self> {
        match &condition.matcher {
            Matcher::OneOf(texts) => Some(Self::OneOf(texts)),
            Matcher::Filled(true) => Some(Self::There),
            Matcher::Ops(ops) => ops.iter().any(needs_it).then_some(Self::There),
            Matcher::Filled(false) | Matcher::Template | Matcher::Status(_) | Matcher::Flash(_) | Matcher::Bound(_) => {
                None
            }
        }
    }

    /// The values to be found by; none where it is enough to be there.
    pub(super) fn keys(self) -> impl Iterator<Item = Option<&'r str>> {
        let texts = if let Self::OneOf(texts) = self { texts } else { &[] };
        let there = (self == Self::There).then_some(None);
        texts.iter().map(|text| Some(text.as_str())).chain(there)
    }
}

/// Whether an operator never holds of what is absent.
fn needs_it(op: &Op) -> bool {
    !matches!(op, Op::Is(_) | Op::Not(_) | Op::Present(false) | Op::Bound(..))
}

/// Of what a rule could be found by, what fewest other rules share; of equals the last. `crowd`: how many rules want it.
pub(super) fn rarest<T>(choices: impl IntoIterator<Item = T>, crowd: impl Fn(&T) -> usize) -> Option<T> {
    let mut best: Option<(usize, T)> = None;
    for choice in choices {
        let size = crowd(&choice);
        if best.as_ref().is_none_or(|(least, _)| size <= *least) {
            best = Some((size, choice));
        }
    }
    best.map(|(_, choice)| choice)
}

/// The fields of an exchange.
#[derive(Clone, Copy, Debug)]
pub(super) enum Had<'t> {
    /// Of a query or form.
    Fields(&'t Fields),
    /// Of JSON.
    Json(&'t Map<String, Value>),
}

impl<'t> Had<'t> {
    fn len(self) -> usize {
        match self {
            Self::Fields(fields) => fields.tops().len(),
            Self::Json(tree) => tree.len(),
        }
    }

    fn tops(self) -> Vec<&'t str> {
        match self {
            Self::Fields(fields) => fields.tops().collect(),
            Self::Json(tree) => tree.keys().map(String::as_str).collect(),
        }
    }

    fn has(self, top: &str) -> bool {
        match self {
            Self::Fields(fields) => fields.has_top(top),
            Self::Json(tree) => tree.contains_key(top),
        }
    }

    fn texts(self, path: &FieldPath) -> Vec<String> {
        match self {
            Self::Fields(fields) => texts_at(fields, path),
            Self::Json(tree) => json_texts(tree, &path.parts),
        }
    }
}

/// Rules by field.
#[derive(Debug, Default)]
pub(super) struct ByField {
    /// Under the field's top name, so that an exchange asks only for names it has.
    tops: HashMap<String, Vec<Field>>,
}

#[derive(Debug)]
struct Field {
    path: FieldPath,
    there: Vec<u32>,
    values: HashMap<String, Vec<u32>>,
}

impl ByField {
    /// Puts a rule in.
    pub(super) fn add(&mut self, path: &FieldPath, wanted: Wanted<'_>, rule: u32) {
        let top = path.parts.first().cloned().unwrap_or_default();
        let fields = self.tops.entry(top).or_default();
        let at = fields.iter().position(|field| field.path == *path).unwrap_or_else(|| {
            fields.push(Field { path: path.clone(), there: Vec::new(), values: HashMap::new() });
            fields.len() - 1
        });
        for key in wanted.keys() {
            match key {
                Some(text) => fields[at].values.entry(text.to_owned()).or_default().push(rule),
                None => fields[at].there.push(rule),
            }
        }
    }

    /// Whether no rule is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.tops.is_empty()
    }

    /// The rules whose field an exchange has.
    pub(super) fn find(&self, had: Had<'_>, mut found: impl FnMut(u32)) {
        // Whichever is shorter leads.
        let fields: Vec<&Field> = if had.len() < self.tops.len() {
            had.tops().into_iter().filter_map(|name| self.tops.get(name)).flatten().collect()
        } else {
            self.tops.iter().filter(|(name, _)| had.has(name)).flat_map(|(_, fields)| fields).collect()
        };
        for field in fields {
            field.there.iter().copied().for_each(&mut found);
            if !field.values.is_empty() {
                let rules = had.texts(&field.path).into_iter().filter_map(|text| field.values.get(&text));
                rules.flatten().copied().for_each(&mut found);
            }
        }
    }

    /// Every rule.
    pub(super) fn all(&self) -> impl Iterator<Item = u32> {
        let fields = self.tops.values().flatten();
        fields.flat_map(|field| field.there.iter().chain(field.values.values().flatten())).copied()
    }
}
