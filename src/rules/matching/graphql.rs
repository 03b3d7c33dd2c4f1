//! The executed root fields of a GraphQL exchange.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::exchange::{Damage, GraphqlCall, GraphqlKind, Part, Reading};

/// What an exchange says in GraphQL.
pub(in super::super) enum Operations {
    /// These root fields were executed, in order.
    Are(Vec<FieldRun>),
    /// It is no GraphQL.
    None,
    /// It may be, but cannot be read.
    Damaged(Damage),
}

/// One executed root field.
pub(in super::super) struct FieldRun {
    /// Of a query or a mutation.
    pub(super) kind: GraphqlKind,
    /// Its name in the schema.
    pub(super) name: String,
    /// Whether it worked.
    pub(super) ok: bool,
    /// The root `field` of expressions: `name alias args data errors`.
    pub(super) value: Arc<Value>,
}

impl Operations {
    /// The names of the fields; `None` where they cannot be told.
    pub(in super::super) fn names(&self) -> Option<Vec<&str>> {
        match self {
            Self::Are(runs) => Some(runs.iter().map(|run| run.name.as_str()).collect()),
            Self::None => Some(Vec::new()),
            Self::Damaged(_) => None,
        }
    }
}

/// Reads them.
pub(super) fn operations(reading: &Reading) -> Operations {
    match reading.graphql() {
        Part::Is(calls) => Operations::Are(calls.iter().map(FieldRun::of).collect()),
        Part::NotThis => Operations::None,
        Part::Damaged(damage) => Operations::Damaged(damage),
    }
}

impl FieldRun {
    fn of(call: &GraphqlCall) -> Self {
        let GraphqlCall { kind, name, alias, args, data, errors, ok } = call;
        let value = json!({ "name": name, "alias": alias, "args": args, "data": data, "errors": errors });
        Self { kind: *kind, name: name.clone(), ok: *ok, value: Arc::new(value) }
    }
}

impl std::fmt::Display for FieldRun {
    /// `mutation createProduct`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.name)
    }
}
