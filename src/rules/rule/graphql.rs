//! `graphql`: rules that run once for each executed root field of a name.

use crate::exchange::GraphqlKind;

/// Which operations a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphqlRule {
    /// Query or mutation.
    pub kind: GraphqlKind,
    /// Schema names of root fields; one that fits is enough.
    pub fields: Vec<String>,
    /// How the field must have gone.
    pub ok: GraphqlOk,
}

impl std::fmt::Display for GraphqlRule {
    /// `graphql.mutation = createProduct, updateProduct`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "graphql.{} = {}", self.kind.as_str(), self.fields.join(", "))
    }
}

/// `graphql.ok`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GraphqlOk {
    /// `true`: data not null, no error with that path, no `errorCode`, no `__typename` that ends in Error.
    #[default]
    Yes,
    /// `false`: the reverse.
    No,
    /// `"any"`.
    Any,
}

/// What a condition below `graphql` looks at in the field the rule runs for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldPart {
    /// Its arguments, variables filled in.
    Args,
    /// Its data, under schema names.
    Data,
}
