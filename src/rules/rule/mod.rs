//! What the rules files compile to: the closed set of things a rule can say.

mod condition;
mod find;
mod flash;
mod graphql;
mod stateful;
mod value;
mod webhook;

use std::sync::Arc;

use encoding_rs::Encoding;
use http::Method;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::expr::{Expr, Expressions, Template};
use super::index::Index;

pub use condition::{Condition, JsonPath, Matcher, Op, Subject, UrlPart};
pub use find::{Column, Extract, Find, Markup, Pick, Source, What};
pub use flash::{Flash, FlashWanted};
pub use graphql::{FieldPart, GraphqlOk, GraphqlRule};
pub use stateful::{AccessConfig, Awaited, GetPart, Login, Once, RuleKind, SessionConfig, Stateful, Wait};
pub use value::{KeySource, PayloadMode, SourcePath, ValueTree};
pub use webhook::{AlertSource, KeyConfig, OLD_SECRETS, OldSecretSource, SecretSource, TlsSource, WebhookConfig};

/// A whole rules directory, compiled; immutable.
#[derive(Debug)]
pub struct Ruleset {
    /// `[shop]`.
    pub shop: Shop,
    /// `[session]`.
    pub session: SessionConfig,
    /// `[flash]`.
    pub flash: Option<Flash>,
    /// `[event.NAME]` and `[learn.NAME]` in order of evaluation: priority (higher first), file path, place in the file. At
    /// the end what the waits of event rules wait for ([`Stateful::kind`] tells which is which).
    pub events: Vec<EventRule>,
    /// `[access.NAME]` in name order.
    pub access: Vec<AccessConfig>,
    /// `[webhook.NAME]` in name order.
    pub webhooks: Vec<WebhookConfig>,
    /// `[key.NAME]` in name order.
    pub keys: Vec<KeyConfig>,
    /// Every compiled expression, and what they run in.
    pub expressions: Expressions,
    /// Which rules a request head may match.
    pub index: Index,
}

/// Where something stands in the user's files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Path relative to the rules directory.
    pub file: String,
    /// 1-based line.
    pub line: usize,
}

/// `[shop]`.
#[derive(Clone, Debug)]
pub struct Shop {
    /// Display name.
    pub name: String,
    /// `X-WC-Webhook-Source`, with a trailing slash.
    pub url: String,
    /// Charset of unlabelled form bodies.
    pub charset: &'static Encoding,
    /// Whether the files state it; else pages of the shop may name another.
    pub states_charset: bool,
    /// The shop's decimal sign, for `money`: `.` or `,`.
    pub decimal: char,
    /// The shop's zone, for `date` and the local date fields.
    pub timezone: TimeZone,
    /// Names (globs) of fields that wholesale copies leave out, beside the built-in list.
    pub redact: Vec<String>,
    /// `ignore`: request-head conditions; an exchange that fits one table is dropped unseen.
    pub ignore: Vec<Vec<Condition>>,
    /// Root `vars` of expressions: `[vars]` overlaid by `[shop.vars]`.
    pub vars: Arc<Value>,
    /// Where an operator wants to be told about failing webhooks.
    pub alert: Option<AlertSource>,
    /// WooCommerce version in `User-Agent`.
    pub wc_version: String,
    /// WordPress version in `User-Agent`.
    pub wp_version: String,
}

/// `[event.NAME]`.
#[derive(Debug, Default)]
pub struct EventRule {
    /// NAME.
    pub name: String,
    /// Where its header stands.
    pub place: Place,
    /// Higher first.
    pub priority: i64,
    /// No later event rule once this one matched.
    pub stop: bool,
    /// Methods and paths; one that fits is enough.
    pub on: Vec<On>,
    /// All must hold.
    pub conditions: Vec<Condition>,
    /// Each group: at least one of its tables holds.
    pub any: Vec<Vec<Vec<Condition>>>,
    /// None of these tables may hold.
    pub none: Vec<Vec<Condition>>,
    /// Response status.
    pub status: StatusSet,
    /// The GraphQL operations it is about.
    pub graphql: Option<GraphqlRule>,
    /// `find.NAME` in written order.
    pub finds: Vec<Find>,
    /// Expressions that all must hold.
    pub when: Vec<Expr>,
    /// One event per element.
    pub for_each: Option<Expr>,
    /// One event each.
    pub topic: Vec<Template>,
    /// The resource, where it is not the topic's.
    pub resource: Option<String>,
    /// The id.
    pub id: Option<Template>,
    /// Natural keys.
    pub key: KeySource,
    /// Tables copied wholesale, later over earlier.
    pub payload_from: Vec<SourcePath>,
    /// Names (globs) left out of those.
    pub omit: Vec<String>,
    /// `payload.*` as a tree.
    pub payload: Vec<(String, ValueTree)>,
    /// Whether the payload is laid over what is known, or replaces it.
    pub payload_mode: PayloadMode,
    /// An update that changes no remembered field gives no event.
    pub skip_unchanged: bool,
    /// `facts.*`: remembered, never sent.
    pub facts: Vec<(String, ValueTree)>,
    /// `arg` of an action.
    pub arg: Option<ValueTree>,
    /// What it remembers and waits for.
    pub stateful: Stateful,
}

/// One `METHOD[|METHOD] PATH` of `on`.
#[derive(Clone, Debug)]
pub struct On {
    /// Methods, upper case.
    pub methods: Vec<Method>,
    /// The path.
    pub path: PathTemplate,
}

/// A path with captures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTemplate {
    /// As written, `{$var}` filled in.
    pub text: String,
    /// Segments between raw slashes; a trailing slash is an empty last segment.
    pub segments: Vec<Segment>,
}

/// One segment of a path template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Stands for itself, compared case-sensitively after percent-decoding.
    Literal(String),
    /// `{name}`: one segment.
    Any(String),
    /// `{name:int}`: digits.
    Int(String),
    /// `**`: any number of segments, including none.
    Rest,
}

/// `status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusSet {
    /// Inclusive ranges.
    pub ranges: Vec<(u16, u16)>,
}

impl Default for StatusSet {
    /// `["2xx", "3xx"]`.
    fn default() -> Self {
        Self { ranges: vec![(200, 399)] }
    }
}

impl StatusSet {
    /// Whether `status` is in the set.
    pub fn contains(&self, status: u16) -> bool {
        self.ranges.iter().any(|(from, to)| (*from..=*to).contains(&status))
    }
}
