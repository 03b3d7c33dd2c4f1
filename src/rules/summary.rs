//! A ruleset in numbers, for `check` and the start of a run.

use super::rule::Ruleset;

/// What a ruleset holds, in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Event rules, those switched off left out.
    pub events: usize,
    /// Learn rules.
    pub learns: usize,
    /// Webhooks.
    pub webhooks: usize,
    /// Consumer keys.
    pub keys: usize,
}

impl std::fmt::Display for Summary {
    /// `12 events, 1 webhook, 0 keys`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = |number: usize, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
        let (events, webhooks) = (count(self.events, "event"), count(self.webhooks, "webhook"));
        write!(f, "{events}, {webhooks}, {}", count(self.keys, "key"))
    }
}

impl Ruleset {
    /// How much it holds.
    pub fn summary(&self) -> Summary {
        let events = self.events.iter().filter(|rule| rule.is_event()).count();
        let learns = self.events.iter().filter(|rule| rule.is_learn()).count();
        Summary { events, learns, webhooks: self.webhooks.len(), keys: self.keys.len() }
    }
}
