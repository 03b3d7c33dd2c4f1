//! What rules worked out on the way, step by step, for `explain`: recorded where it is computed, so that nothing is
//! computed a second time and differently. Nobody asks: nothing is kept.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::model::{Identity, Topic};

/// The most steps kept of one exchange; more of them nobody reads.
const MAX_STEPS: usize = 20_000;

/// One step. Those of a rule follow its [`Traced::Rule`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Traced {
    /// A rule begins.
    Rule {
        /// NAME.
        name: String,
        /// Whether its late half runs: what it waited for has come, or its time is up.
        late: bool,
    },
    /// Its conditions on what is remembered of the visitor do not hold.
    NoMemory {
        /// NAME.
        rule: String,
    },
    /// An earlier rule with `stop` matched.
    Stopped {
        /// NAME.
        rule: String,
        /// NAME of the other one.
        by: String,
    },
    /// What `for_each` gave.
    Items {
        /// The expression.
        source: String,
        /// How many.
        count: usize,
    },
    /// The rule runs for one of them.
    Item {
        /// Which, from 0.
        index: usize,
        /// The item.
        value: Option<Value>,
    },
    /// A `when`.
    When {
        /// The expression.
        source: String,
        /// Whether it held.
        held: bool,
        /// Why it could not be computed.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// A value.
    Value {
        /// Where it stands: `id`, `payload.name`.
        place: String,
        /// As written.
        source: String,
        /// What it gave; `None`: it is undefined.
        value: Option<Value>,
        /// Why it could not be computed.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// `payload_from` copied a table.
    Copied {
        /// The path.
        source: String,
        /// Names of the fields that were copied.
        kept: Vec<String>,
        /// Names of those left out at its top, by `omit` or as secrets.
        left_out: Vec<String>,
    },
    /// `once` had its word.
    Once {
        /// The key.
        key: String,
        /// It was not used before.
        fresh: bool,
    },
    /// State had its word about an event.
    Settled(Box<TracedEvent>),
    /// Something was learnt of a resource.
    Learnt {
        /// NAME of the rule.
        rule: String,
        /// The resource.
        resource: String,
        /// Its id.
        id: Option<String>,
        /// Its keys.
        key: Map<String, Value>,
    },
}

/// An event and what state said to it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TracedEvent {
    /// NAME of the rule.
    pub rule: String,
    /// As the rule says it.
    pub wanted: Topic,
    /// As it was sent; `None`: not at all.
    pub topic: Option<Topic>,
    /// The resource.
    pub resource: String,
    /// What it goes by.
    pub identity: Identity,
    /// The id came of a key that is known.
    pub id_by_key: bool,
    /// Whether the resource was known, and then whether as deleted.
    pub known: Option<bool>,
}

/// The steps, where somebody asked for them.
#[derive(Debug, Default)]
pub(in crate::rules) struct Trace(Option<Vec<Traced>>);

impl Trace {
    /// Nobody asks.
    pub(in crate::rules) const OFF: Self = Self(None);

    /// Somebody does.
    pub(in crate::rules) const fn on() -> Self {
        Self(Some(Vec::new()))
    }

    /// Whether somebody does.
    pub(super) const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Keeps a step, which is made only if somebody asks.
    pub(super) fn step(&mut self, step: impl FnOnce() -> Traced) {
        if let Some(steps) = self.0.as_mut().filter(|steps| steps.len() < MAX_STEPS) {
            steps.push(step());
        }
    }

    pub(super) fn into_steps(self) -> Vec<Traced> {
        self.0.unwrap_or_default()
    }
}
