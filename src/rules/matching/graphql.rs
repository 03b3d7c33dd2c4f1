//! The executed root fields of a GraphQL exchange.

use std::sync::Arc;

use serde_json::Value;

use crate::exchange::{Damage, Reading};

use super::super::rule::OperationKind;
use super::fit::Truth;

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
    pub(super) kind: OperationKind,
    /// Its name in the schema.
    pub(super) name: String,
    /// Whether it went well.
    pub(super) ok: Truth,
    /// The root `field` of expressions: `name alias args data errors`.
    pub(super) value: Arc<Value>,
}

impl std::fmt::Display for FieldRun {
    /// `mutation createProduct`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind.word(), self.name)
    }
}

/// Reads them.
pub(super) fn operations(_reading: &Reading) -> Operations {
    Operations::None
}
