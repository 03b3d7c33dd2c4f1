//! What a GraphQL document is made of, as far as it matters for what it does.

use serde_json::Value;

use super::GraphqlKind;
use crate::exchange::Damage;

/// Why a document cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is no executable document.
    Syntax,
    /// It passes a limit.
    TooLarge,
}

impl Fault {
    pub(super) const fn damage(self) -> Damage {
        match self {
            Self::Syntax => Damage::Undecodable,
            Self::TooLarge => Damage::TooLarge,
        }
    }
}

/// An executable document.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) operations: Vec<Operation>,
    pub(super) fragments: Vec<Fragment>,
}

#[derive(Debug)]
pub(super) struct Operation {
    pub(super) kind: GraphqlKind,
    pub(super) name: Option<String>,
    /// Variables with their default values.
    pub(super) variables: Vec<(String, Option<Value>)>,
    pub(super) selections: Vec<Selection>,
}

#[derive(Debug)]
pub(super) struct Fragment {
    pub(super) name: String,
    pub(super) condition: String,
    pub(super) selections: Vec<Selection>,
}

#[derive(Debug)]
pub(super) enum Selection {
    Field(Field),
    Spread { name: String, directives: Vec<Directive> },
    Inline { condition: Option<String>, directives: Vec<Directive>, selections: Vec<Selection> },
}

#[derive(Debug)]
pub(super) struct Field {
    /// Its key in the answer.
    pub(super) alias: Option<String>,
    /// Its name in the schema.
    pub(super) name: String,
    pub(super) arguments: Vec<(String, Input)>,
    pub(super) directives: Vec<Directive>,
    pub(super) selections: Vec<Selection>,
}

impl Field {
    /// The key under which the answer carries it.
    pub(super) fn key(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.name)
    }
}

#[derive(Debug)]
pub(super) struct Directive {
    pub(super) name: String,
    pub(super) arguments: Vec<(String, Input)>,
}

/// A value with variables in it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Input {
    Variable(String),
    /// Names of enums are texts.
    Plain(Value),
    List(Vec<Input>),
    Object(Vec<(String, Input)>),
}

impl Input {
    /// The value with variables filled in. `None`: it is a variable that has no value.
    pub(super) fn fill(&self, variables: &serde_json::Map<String, Value>) -> Option<Value> {
        Some(match self {
            Self::Variable(name) => variables.get(name)?.clone(),
            Self::Plain(value) => value.clone(),
            Self::List(items) => items.iter().map(|item| item.fill(variables).unwrap_or(Value::Null)).collect(),
            Self::Object(fields) => Value::Object(filled(fields, variables)),
        })
    }
}

/// Named values with variables filled in; those without a value are left out.
pub(super) fn filled(
    inputs: &[(String, Input)],
    variables: &serde_json::Map<String, Value>,
) -> serde_json::Map<String, Value> {
    inputs.iter().filter_map(|(name, input)| Some((name.clone(), input.fill(variables)?))).collect()
}
