//! What a rule remembers and waits for: its half that lives longer than one exchange.

use std::time::Duration;

use crate::exchange::FieldPath;
use crate::model::Otherwise;
use crate::rules::expr::{Expr, Template};

use super::{Place, SecretSource, ValueTree};

/// `[session]`: who belongs together.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// Cookies, as globs.
    pub cookies: Vec<String>,
    /// Query fields.
    pub query: Vec<FieldPath>,
    /// Headers, lower case, as globs.
    pub headers: Vec<String>,
    /// How long a visitor's memory is kept while they stay away.
    pub ttl: Duration,
}

impl SessionConfig {
    /// `ttl` where the file gives none.
    pub const TTL: Duration = Duration::from_hours(48);
}

impl Default for SessionConfig {
    /// Nobody is followed.
    fn default() -> Self {
        Self { cookies: Vec::new(), query: Vec::new(), headers: Vec::new(), ttl: Self::TTL }
    }
}

/// What an entry of [`super::Ruleset::events`] is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RuleKind {
    /// `[event.NAME]`.
    #[default]
    Event,
    /// `[learn.NAME]`: only writes memory and `known`.
    Learn,
    /// A `wait` of an event rule: the later exchange, or the answer to a look-up, that completes it.
    Wait {
        /// Its place in the rule's `wait`.
        place: u32,
        /// Whether it is a look-up, which no request of a visitor can match.
        look_up: bool,
    },
    /// No rule of the files: any page, for visitors of whom a match waits for the messages that it shows.
    FlashPage,
}

/// The stateful half of a rule.
#[derive(Debug, Default)]
pub struct Stateful {
    /// What it is.
    pub kind: RuleKind,
    /// Hash of the rule as written.
    pub definition: String,
    /// `remember.*`.
    pub remember: Vec<(String, ValueTree)>,
    /// `forget`: paths in the memory.
    pub forget: Vec<Vec<String>>,
    /// `once`.
    pub once: Option<Once>,
    /// `wait`: the first to complete wins.
    pub waits: Vec<Wait>,
    /// `else`, where the file says it.
    pub otherwise: Option<Otherwise>,
    /// Paths of the exchange that late values name: no path begins with another one.
    pub stored: Vec<Vec<String>>,
    /// Those that values name which the messages of the visitor's next page tell, and with them all of `stored`.
    pub stored_for_page: Vec<Vec<String>>,
    /// Its expressions name `flash`: where only the visitor's next page shows the messages, they are computed with it.
    pub names_flash: bool,
    /// Parts of the completing exchange that late values name; empty: all of them.
    pub then: Vec<String>,
    /// Of a wait: late values of its rule read the body of the exchange's response.
    pub reads_body: bool,
    /// Of a wait: there is something in it that can hold or not; a bare look-up goes on until a key is learnt.
    pub decides: bool,
}

/// `once`.
#[derive(Debug)]
pub struct Once {
    /// What must not come twice.
    pub key: Template,
    /// Within which time.
    pub span: Duration,
}

impl Once {
    /// `for` where the file gives none.
    pub const SPAN: Duration = Duration::from_hours(24);
}

/// One table of `wait`.
#[derive(Debug)]
pub struct Wait {
    /// What it waits for.
    pub event: Awaited,
    /// `for`.
    pub span: Duration,
}

impl Wait {
    /// `for` of a wait without a look-up where the file gives none.
    pub const SPAN: Duration = Duration::from_mins(10);
    /// `for` of a look-up where the file gives none.
    pub const LOOK_UP_SPAN: Duration = Duration::from_secs(30);
}

/// What a wait waits for.
#[derive(Debug)]
pub enum Awaited {
    /// A later exchange of the same session: the rule of kind [`RuleKind::Wait`] with the same name and place.
    Exchange {
        /// Values of that rule's conditions, over the first exchange ([`super::Matcher::Bound`]).
        texts: Vec<Template>,
    },
    /// The answer to a look-up.
    LookUp {
        /// Path and query, in pieces.
        get: Vec<GetPart>,
        /// `as`.
        access: crate::model::Access,
        /// As in [`Awaited::Exchange`].
        texts: Vec<Template>,
    },
    /// That an id is learnt.
    Learnt,
}

/// A piece of `get`.
#[derive(Clone, Debug, PartialEq)]
pub enum GetPart {
    /// As written.
    Text(String),
    /// A value, percent-encoded.
    Value(Expr),
    /// `{{ access.NAME }}`.
    Kept(String),
}

/// `[access.NAME]`: the rights a look-up is made with.
#[derive(Clone, Debug)]
pub struct AccessConfig {
    /// NAME.
    pub name: String,
    /// Where its header stands.
    pub place: Place,
    /// Request headers.
    pub headers: Vec<(String, SecretSource)>,
    /// `user:password`.
    pub basic: Option<SecretSource>,
    /// A login that gives cookies, and values that are kept.
    pub login: Option<Login>,
}

/// `login` of `[access.NAME]`.
#[derive(Clone, Debug)]
pub struct Login {
    /// Path and query the form is posted to.
    pub post: String,
    /// The form's fields.
    pub form: Vec<(String, SecretSource)>,
    /// Values kept of the answer, for `{{ access.NAME }}`.
    pub keep: Vec<(String, Template)>,
}

impl super::EventRule {
    /// Whether it is an `[event.NAME]` itself.
    pub fn is_event(&self) -> bool {
        self.stateful.kind == RuleKind::Event
    }

    /// Whether it is a `[learn.NAME]`.
    pub fn is_learn(&self) -> bool {
        self.stateful.kind == RuleKind::Learn
    }
}
