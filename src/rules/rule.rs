//! What the rules files compile to: the closed set of things a rule can say.

use std::time::Duration;

use encoding_rs::Encoding;
use http::Method;
use jiff::tz::TimeZone;
use regex::Regex;
use serde_json::{Map, Value};

use crate::exchange::FieldPath;
use crate::model::{RetrySchedule, Secret, Status, TopicPattern};

use super::expr::{Expr, Expressions, Template};
use super::index::Index;

/// A whole rules directory, compiled; immutable.
#[derive(Debug)]
pub struct Ruleset {
    /// `[shop]`.
    pub shop: Shop,
    /// `[event.NAME]` in order of evaluation: priority (higher first), file path, place in the file.
    pub events: Vec<EventRule>,
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
    /// The shop's decimal sign, for `money`: `.` or `,`.
    pub decimal: char,
    /// The shop's zone, for `date` and the local date fields.
    pub timezone: TimeZone,
    /// Names (globs) of fields that wholesale copies leave out, beside the built-in list.
    pub redact: Vec<String>,
    /// `ignore`: request-head conditions; an exchange that fits one table is dropped unseen.
    pub ignore: Vec<Vec<Condition>>,
    /// Root `vars` of expressions: `[vars]` overlaid by `[shop.vars]`.
    pub vars: Map<String, Value>,
    /// WooCommerce version in `User-Agent`.
    pub wc_version: String,
    /// WordPress version in `User-Agent`.
    pub wp_version: String,
}

/// `[event.NAME]`.
#[derive(Debug)]
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
    /// The response's status, in a table of `any` or `none` ([`EventRule::status`] is the rule's own).
    Status,
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
    /// Operators that all hold.
    Ops(Vec<Op>),
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
}

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

/// `payload_mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PayloadMode {
    /// Laid over what is known.
    #[default]
    Merge,
    /// Replaces what is known.
    Replace,
}

/// A secret as a file gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// Written out.
    Literal(Secret),
    /// From the environment.
    Env(String),
    /// From a file, one trailing newline cut.
    File(String),
}

/// `[webhook.NAME]`.
#[derive(Clone, Debug)]
pub struct WebhookConfig {
    /// NAME.
    pub name: String,
    /// Where its header stands.
    pub place: Place,
    /// Display name.
    pub title: Option<String>,
    /// Topics.
    pub topics: Vec<TopicPattern>,
    /// Where deliveries go.
    pub url: String,
    /// What they are signed with.
    pub secret: Option<SecretSource>,
    /// Status.
    pub status: Status,
    /// Which events of those topics; roots `topic resource event id key payload`.
    pub filter: Option<Expr>,
    /// Extra request headers.
    pub headers: Vec<(String, String)>,
    /// Gaps between attempts.
    pub retry: RetrySchedule,
    /// Limit of one attempt.
    pub timeout: Duration,
    /// Attempts in flight at once.
    pub concurrency: usize,
    /// Consecutive failed deliveries after which it is disabled.
    pub max_delivery_failures: u32,
    /// Whether events are kept while it is paused.
    pub hold_when_paused: bool,
    /// Whether bodies are written as PHP does.
    pub wordpress_json: bool,
}

/// `[key.NAME]`: a consumer key of the WooCommerce API.
#[derive(Clone, Debug)]
pub struct KeyConfig {
    /// NAME.
    pub name: String,
    /// Where its header stands.
    pub place: Place,
    /// `ck_…`.
    pub key: String,
    /// `cs_…`.
    pub secret: SecretSource,
    /// `read`, `write` or `read_write`.
    pub permission: String,
    /// Whether its secret signs webhooks that have none.
    pub default: bool,
}
