//! What a login for look-ups keeps of the shop's answer.

use serde_json::{Map, Value};

use crate::exchange::Reading;
use crate::model::Timestamp;

use super::expr::Context;
use super::rule::{AccessConfig, Login, Ruleset};
use super::view::MemoryState;

impl Ruleset {
    /// The rights of that name, for look-ups.
    pub fn access_named(&self, name: &str) -> Option<&AccessConfig> {
        self.access.iter().find(|access| access.name == name)
    }

    /// The values of `keep` over the answer to a login; one that is undefined or fails is left out.
    pub fn kept(&self, login: &Login, answer: &Reading, now: Timestamp) -> Map<String, Value> {
        let nothing = MemoryState::default();
        let context = Context::new(answer, &self.shop, &nothing, now);
        let rule = context.rule(&[], &[]);
        let value = |(name, template)| {
            let value = self.expressions.value(template, &rule).ok().flatten()?;
            Some((String::clone(name), value))
        };
        login.keep.iter().map(|(name, template)| (name, template)).filter_map(value).collect()
    }
}
