//! What a rule puts into an event.

use serde_json::Value;

use crate::rules::expr::Template;

/// Where natural keys come from.
#[derive(Debug, Default)]
pub enum KeySource {
    /// No key.
    #[default]
    None,
    /// `key.NAME = "…"` in written order.
    Fields(Vec<(String, Template)>),
    /// `key = "{{ … }}"`: one expression that gives a table.
    Whole(Template),
}

/// A value or a table of values, as written under `payload`, `facts`, `arg`.
#[derive(Debug)]
pub enum ValueTree {
    /// A string that may hold `{{ … }}`.
    Template(Template),
    /// A constant of another type.
    Constant(Value),
    /// A table.
    Table(Vec<(String, ValueTree)>),
    /// A list.
    List(Vec<ValueTree>),
}

/// A table of the exchange that is copied wholesale: `form`, `json`, `response.json.product`, `form.product`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourcePath {
    /// As written.
    pub text: String,
    /// Root and the keys below it.
    pub parts: Vec<String>,
}

impl SourcePath {
    /// Whether it copies from the exchange a rule waits for.
    pub fn is_late(&self) -> bool {
        self.parts.first().is_some_and(|root| root == "then")
    }
}

/// `payload_mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PayloadMode {
    /// Laid over what is known.
    #[default]
    Merge,
    /// Replaces what is known.
    Replace,
}
