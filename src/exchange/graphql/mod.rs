//! GraphQL: which root fields an exchange ran, with which arguments, and what each of them gave.
//!
//! What is run stands in the document alone: names of operations, aliases, comments and texts say nothing.

mod ast;
mod lexer;
mod parser;
mod persisted;
mod request;
mod shape;

use serde_json::{Map, Value};

use super::{Damage, Part};
use ast::{Document, Fault, Operation, filled};
pub use persisted::PersistedDocuments;
pub(super) use request::{Asked, from_form, from_query, from_request_json, from_text};
use shape::Layout;

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GraphqlKind {
    /// It reads.
    Query,
    /// It writes.
    Mutation,
    /// It listens.
    Subscription,
}

impl GraphqlKind {
    /// The word of the language, as rules write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Mutation => "mutation",
            Self::Subscription => "subscription",
        }
    }
}

/// One root field that was run.
#[derive(Clone, Debug, PartialEq)]
pub struct GraphqlCall {
    /// What its operation does.
    pub kind: GraphqlKind,
    /// Its name in the schema.
    pub name: String,
    /// Its key in the answer: the alias, else the name.
    pub alias: String,
    /// Its arguments, an object: inline ones with variables and their defaults filled in.
    pub args: Value,
    /// What it gave, with schema names at every level. A field asked for twice has its name once; the others keep their
    /// aliases. `None`: the answer holds nothing for it. `Some(null)` is what it says.
    pub data: Option<Value>,
    /// The answer's errors that name this field, or none.
    pub errors: Vec<Value>,
    /// It worked, as far as the answer says: data that is not null, no error at this field, no `errorCode`, no
    /// `__typename` that ends in `Error`.
    pub ok: bool,
}

/// Calls of one request, which may be a batch, with its answer. Calls beyond this are not run by any shop.
const MAX_CALLS: usize = 1_000;

/// The calls of what was asked, in order.
pub(super) fn calls(asked: &[Asked], answer: Part<&Value>, documents: &PersistedDocuments) -> Part<Vec<GraphqlCall>> {
    let answer = match answer {
        Part::Is(answer) => Some(answer),
        Part::NotThis => None,
        Part::Damaged(damage) => return Part::Damaged(damage),
    };
    let mut calls = Vec::new();
    for (place, one) in asked.iter().enumerate() {
        let own = match answer {
            Some(Value::Array(answers)) => answers.get(place),
            // A shop that refuses a batch says so once.
            other => other.filter(|_| asked.len() == 1),
        };
        match run(one, own, documents) {
            Ok(found) => calls.extend(found),
            Err(damage) => return Part::Damaged(damage),
        }
        if calls.len() > MAX_CALLS {
            return Part::Damaged(Damage::TooLarge);
        }
    }
    Part::Is(calls)
}

/// The calls of one operation.
fn run(asked: &Asked, answer: Option<&Value>, documents: &PersistedDocuments) -> Result<Vec<GraphqlCall>, Damage> {
    let Some(text) = asked.text(documents) else {
        // A hash nobody knows: the shop says the same, or it knows what we cannot.
        let refused = answer.is_some_and(|answer| data_of(answer).is_none());
        return if refused { Ok(Vec::new()) } else { Err(Damage::Undecodable) };
    };
    let document = parser::parse(&text).map_err(Fault::damage)?;
    let Some(operation) = chosen(&document, asked.operation_name.as_deref()) else { return Ok(Vec::new()) };
    let variables = variables(operation, &asked.variables);
    let shape = Layout::new(&document, &variables).shape(&operation.selections).map_err(Fault::damage)?;
    let calls = shape.roots().take(MAX_CALLS + 1).map(|(field, below)| {
        let data = answer.and_then(data_of).and_then(|data| data.get(field.key())).map(|data| below.rename(data));
        let errors = answer.map(|answer| errors_of(answer, field.key())).unwrap_or_default();
        GraphqlCall {
            kind: operation.kind,
            name: field.name.clone(),
            alias: field.key().to_owned(),
            args: Value::Object(filled(&field.arguments, &variables)),
            ok: data.as_ref().is_some_and(worked) && !errors.iter().any(|error| is_at(error, field.key())),
            data,
            errors,
        }
    });
    Ok(calls.collect())
}

/// The operation that runs: the one named, or the only one (section 6.1). Otherwise the shop refuses.
fn chosen<'a>(document: &'a Document, name: Option<&str>) -> Option<&'a Operation> {
    match (name.filter(|name| !name.is_empty()), document.operations.as_slice()) {
        (Some(name), operations) => operations.iter().find(|operation| operation.name.as_deref() == Some(name)),
        (None, [only]) => Some(only),
        (None, _) => None,
    }
}

/// The operation's variables: what was sent, else their defaults.
fn variables(operation: &Operation, sent: &Map<String, Value>) -> Map<String, Value> {
    let known = operation.variables.iter().filter_map(|(name, default)| {
        let value = sent.get(name).or(default.as_ref())?;
        Some((name.clone(), value.clone()))
    });
    known.collect()
}

fn data_of(answer: &Value) -> Option<&Map<String, Value>> {
    answer.get("data")?.as_object()
}

/// Errors at this field or below it, and those that name none.
fn errors_of(answer: &Value, key: &str) -> Vec<Value> {
    let errors = answer.get("errors").and_then(Value::as_array).into_iter().flatten();
    let its_own =
        errors.filter(|error| path_of(error).is_none_or(|path| path.first().is_none_or(|first| first == key)));
    its_own.cloned().collect()
}

/// Whether an error stands at the field itself. One further below leaves what the field did as it is.
fn is_at(error: &Value, key: &str) -> bool {
    path_of(error).is_some_and(|path| matches!(path.as_slice(), [first] if first == key))
}

fn path_of(error: &Value) -> Option<&Vec<Value>> {
    error.get("path").and_then(Value::as_array)
}

/// Whether data says that it worked. Of a list one item that did is enough.
fn worked(data: &Value) -> bool {
    match data {
        Value::Null => false,
        Value::Object(fields) => {
            let failed = fields.get("__typename").and_then(Value::as_str).is_some_and(|name| name.ends_with("Error"));
            !failed && fields.get("errorCode").is_none_or(Value::is_null)
        }
        Value::Array(items) => items.is_empty() || items.iter().any(worked),
        _ => true,
    }
}

#[cfg(test)]
mod tests;
