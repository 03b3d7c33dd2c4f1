//! Which rules a request head may match: a path trie that returns all matches, then the most selective literal query or
//! form key, so that a thousand rules cost an exchange little more than ten.

use crate::exchange::{RequestHead, ResponseHead};

use super::rule::{EventRule, Ruleset};

/// The compiled index.
#[derive(Debug)]
pub struct Index {}

/// Rules that may still match an exchange: indexes into [`Ruleset::events`], ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidates {
    /// Indexes into [`Ruleset::events`].
    pub rules: Vec<u32>,
}

/// What the candidates still need to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// No rule can match any more.
    Nothing,
    /// No rule that is left reads the response's body.
    Head,
    /// Some rule reads the response's body.
    Body,
}

impl Index {
    /// Builds it.
    pub fn build(_events: &[EventRule]) -> Self {
        todo!()
    }
}

impl Ruleset {
    /// Which rules this request may match by method, path, host and query (and `[shop] ignore`); `None` if nobody cares.
    pub fn wants(&self, _head: &RequestHead) -> Option<Candidates> {
        todo!()
    }

    /// Drops the rules that this response's status and headers rule out.
    pub fn narrow(&self, _candidates: &mut Candidates, _request: &RequestHead, _response: &ResponseHead) -> Need {
        todo!()
    }
}
