//! What a rule may ask of an exchange.

use regex::Regex;
use serde_json::Value;

use crate::exchange::FieldPath;

use super::{FieldPart, FlashWanted, PathTemplate, StatusSet};

/// One condition.
#[derive(Clone, Debug)]
pub struct Condition {
    /// What is looked at.
    pub subject: Subject,
    /// What it must be.
    pub matcher: Matcher,
    /// As written (`query.route = "catalog/product/edit"`), for `explain`.
    pub text: String,
}

/// A JSON path: object keys and array indexes.
pub type JsonPath = Vec<String>;

/// What a condition looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Host and port of the request.
    Host,
    /// A query field.
    Query(FieldPath),
    /// A form field.
    Form(FieldPath),
    /// A value in the request's JSON.
    Json(JsonPath),
    /// Request headers whose name fits a glob (lower case).
    Header(String),
    /// Request cookies whose name fits a glob.
    Cookie(String),
    /// Part of the referer.
    Referer(UrlPart),
    /// Part of the location.
    Location(UrlPart),
    /// Response headers whose name fits a glob (lower case).
    ResponseHeader(String),
    /// Set cookies whose name fits a glob.
    ResponseCookie(String),
    /// The response's text.
    ResponseBody,
    /// A value in the response's JSON.
    ResponseJson(JsonPath),
    /// A value in what is remembered of the visitor.
    Session(JsonPath),
    /// The response's status, in a table of `any` or `none` ([`EventRule::status`](super::EventRule::status) is the rule's own).
    Status,
    /// The flash messages that the answer added.
    Flash,
    /// A value in the GraphQL root field the rule runs for.
    Graphql(FieldPart, JsonPath),
    /// What the rule's finds gave: NAME and the keys below it.
    Find(JsonPath),
}

/// Part of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UrlPart {
    /// Whether there is one at all, and the whole of it.
    Whole,
    /// Host and port.
    Host,
    /// The path against templates, of which one must fit; captures go to `location.params`.
    Template(Vec<PathTemplate>),
    /// What such a template of the same rule captured.
    Param(String),
    /// The path as text.
    Path,
    /// A query field.
    Query(FieldPath),
}

/// What a subject must be.
#[derive(Clone, Debug)]
pub enum Matcher {
    /// Equal as text, or one of several.
    OneOf(Vec<String>),
    /// `true`: there and not empty. `false`: absent or empty.
    Filled(bool),
    /// A path template fits ([`UrlPart::Template`] carries it).
    Template,
    /// The status is in the set ([`Subject::Status`]).
    Status(StatusSet),
    /// One message fits one of these ([`Subject::Flash`]).
    Flash(Vec<FlashWanted>),
    /// Operators that all hold.
    Ops(Vec<Op>),
    /// Equal to a text that the exchange which matched gave: its place among those of the wait.
    Bound(usize),
}

/// One operator of a matcher table.
#[derive(Clone, Debug)]
pub enum Op {
    /// Typed equality.
    Is(Value),
    /// The name is there, even if empty.
    Present(bool),
    /// None of these texts.
    Not(Vec<String>),
    /// A list that contains this.
    Has(String),
    /// A regular expression finds something.
    Regex(Regex),
    /// Begins with.
    Starts(String),
    /// Ends with.
    Ends(String),
    /// Contains.
    Contains(String),
    /// Greater than.
    Gt(f64),
    /// Greater or equal.
    Ge(f64),
    /// Less than.
    Lt(f64),
    /// Less or equal.
    Le(f64),
    /// One of these, its value a text that the exchange which matched gave ([`Matcher::Bound`]).
    Bound(Box<Op>, usize),
}

impl Matcher {
    /// Whether it holds against texts of the exchange that matched.
    pub fn is_bound(&self) -> bool {
        match self {
            Self::Bound(_) => true,
            Self::Ops(ops) => ops.iter().any(|op| matches!(op, Op::Bound(..))),
            _ => false,
        }
    }

    /// The same with these texts; `None` where one is no value for its operator.
    pub fn with_texts(&self, texts: &[String]) -> Option<Self> {
        match self {
            Self::Bound(at) => Some(Self::OneOf(vec![texts.get(*at)?.clone()])),
            Self::Ops(ops) => ops.iter().map(|op| op.with_texts(texts)).collect::<Option<_>>().map(Self::Ops),
            other => Some(other.clone()),
        }
    }
}

impl Op {
    fn with_texts(&self, texts: &[String]) -> Option<Self> {
        let Self::Bound(op, at) = self else { return Some(self.clone()) };
        let text = texts.get(*at)?;
        let number = || text.trim().parse().ok().filter(|number: &f64| number.is_finite());
        Some(match &**op {
            Self::Not(_) => Self::Not(vec![text.clone()]),
            Self::Has(_) => Self::Has(text.clone()),
            Self::Starts(_) => Self::Starts(text.clone()),
            Self::Ends(_) => Self::Ends(text.clone()),
            Self::Contains(_) => Self::Contains(text.clone()),
            Self::Gt(_) => Self::Gt(number()?),
            Self::Ge(_) => Self::Ge(number()?),
            Self::Lt(_) => Self::Lt(number()?),
            Self::Le(_) => Self::Le(number()?),
            Self::Is(_) | Self::Present(_) | Self::Regex(_) | Self::Bound(..) => return None,
        })
    }
}
