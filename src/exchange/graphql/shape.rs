//! Which fields of a document are executed, and what their answers mean.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::ast::{Directive, Document, Fault, Field, Fragment, Selection, filled};
use super::parser::MAX_DEPTH;

/// Fields of one operation with all fragments laid out: fragments within fragments multiply.
const MAX_FIELDS: usize = 10_000;

/// A selection set with fragments laid out.
#[derive(Debug, Default)]
pub(super) struct Shape<'a> {
    entries: Vec<Entry<'a>>,
    /// Entries by their key in the answer.
    places: HashMap<&'a str, Vec<usize>>,
}

/// All fields of one key and one name.
#[derive(Debug)]
struct Entry<'a> {
    /// Types of the fragments they stand in; `None` for outside of one.
    conditions: Vec<Option<&'a str>>,
    /// The first of them.
    field: &'a Field,
    below: Shape<'a>,
}

/// Lays out selections.
pub(super) struct Layout<'a> {
    fragments: HashMap<&'a str, &'a Fragment>,
    variables: &'a Map<String, Value>,
    /// Fields laid out so far.
    fields: usize,
}

impl<'a> Layout<'a> {
    pub(super) fn new(document: &'a Document, variables: &'a Map<String, Value>) -> Self {
        let fragments = document.fragments.iter().map(|fragment| (fragment.name.as_str(), fragment));
        Self { fragments: fragments.collect(), variables, fields: 0 }
    }

    /// Lays out what is executed of these selections, all levels.
    pub(super) fn shape(&mut self, selections: &'a [Selection]) -> Result<Shape<'a>, Fault> {
        let mut shape = Shape::default();
        self.add(&mut shape, selections, None, 0)?;
        Ok(shape)
    }

    fn add(
        &mut self,
        shape: &mut Shape<'a>,
        selections: &'a [Selection],
        condition: Option<&'a str>,
        depth: usize,
    ) -> Result<(), Fault> {
        // A fragment that names itself ends here.
        if depth > MAX_DEPTH {
            return Err(Fault::TooLarge);
        }
        for selection in selections {
            self.fields += 1;
            if self.fields > MAX_FIELDS {
                return Err(Fault::TooLarge);
            }
            match selection {
                Selection::Field(field) if self.runs(&field.directives) => {
                    let below = shape.below(field, condition);
                    self.add(below, &field.selections, None, depth + 1)?;
                }
                Selection::Inline { condition: own, directives, selections } if self.runs(directives) => {
                    self.add(shape, selections, own.as_deref().or(condition), depth + 1)?;
                }
                Selection::Spread { name, directives } if self.runs(directives) => {
                    let fragment = *self.fragments.get(name.as_str()).ok_or(Fault::Syntax)?;
                    self.add(shape, &fragment.selections, Some(&fragment.condition), depth + 1)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// `@skip` and `@include` (section 3.13).
    fn runs(&self, directives: &[Directive]) -> bool {
        directives.iter().all(|directive| {
            let condition = filled(&directive.arguments, self.variables).get("if").and_then(Value::as_bool);
            match directive.name.as_str() {
                "skip" => condition != Some(true),
                "include" => condition != Some(false),
                _ => true,
            }
        })
    }
}

impl<'a> Shape<'a> {
    /// What stands below a field, with what is known of others of its key and name.
    fn below(&mut self, field: &'a Field, condition: Option<&'a str>) -> &mut Shape<'a> {
        let places = self.places.entry(field.key()).or_default();
        let known =
            places.iter().copied().find(|at| self.entries.get(*at).is_some_and(|entry| entry.field.name == field.name));
        let at = known.unwrap_or(self.entries.len());
        if known.is_none() {
            places.push(at);
            self.entries.push(Entry { conditions: Vec::new(), field, below: Shape::default() });
        }
        let entry = &mut self.entries[at];
        entry.conditions.push(condition);
        &mut entry.below
    }

    /// The root fields in the order in which they run, with what stands below them.
    pub(super) fn roots(&self) -> impl Iterator<Item = (&'a Field, &Self)> {
        self.entries.iter().map(|entry| (entry.field, &entry.below))
    }

    /// An answer's value with aliases undone at every level.
    pub(super) fn rename(&self, value: &Value) -> Value {
        match value {
            Value::Array(items) => items.iter().map(|item| self.rename(item)).collect(),
            Value::Object(fields) => Value::Object(self.rename_fields(fields)),
            scalar => scalar.clone(),
        }
    }

    fn rename_fields(&self, fields: &Map<String, Value>) -> Map<String, Value> {
        let typename =
            fields.iter().find(|(key, _)| self.entry(key, None).is_some_and(|entry| entry.field.name == "__typename"));
        let typename = typename.and_then(|(_, value)| value.as_str());
        let mut renamed = Map::with_capacity(fields.len());
        let mut again = Vec::new();
        for (key, value) in fields {
            let Some(entry) = self.entry(key, typename) else {
                // What nobody asked for: a scalar of many fields, or an answer to something else.
                renamed.insert(key.clone(), value.clone());
                continue;
            };
            let value = if entry.below.entries.is_empty() { value.clone() } else { entry.below.rename(value) };
            if renamed.contains_key(&entry.field.name) {
                again.push((key, value));
            } else {
                renamed.insert(entry.field.name.clone(), value);
            }
        }
        // A field asked for twice: the first has its name, the others keep their aliases.
        for (key, value) in again {
            renamed.entry(key).or_insert(value);
        }
        renamed
    }

    /// What stands under a key. Fragments on several types may give one key to different fields: the type that came decides.
    fn entry(&self, key: &str, typename: Option<&str>) -> Option<&Entry<'a>> {
        let entries = || self.places.get(key).into_iter().flatten().filter_map(|at| self.entries.get(*at));
        let of_type = |wanted: Option<&str>| entries().find(|entry| entry.conditions.contains(&wanted));
        typename.and_then(|name| of_type(Some(name))).or_else(|| of_type(None)).or_else(|| entries().next())
    }
}
