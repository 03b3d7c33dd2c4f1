//! A webhook: who wants which events, where they go, and how failures are met.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Redaction, Timestamp, TopicPattern, WebhookId};

/// WooCommerce's three statuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Delivers.
    #[default]
    Active,
    /// Does not deliver; events in the meantime are missed unless `hold_when_paused`.
    Paused,
    /// Does not deliver.
    Disabled,
}

impl Status {
    /// The word of the file and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
        }
    }
}

/// A secret: never shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret in.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself, for signing.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Gaps before attempts 2, 3, …; empty: one attempt per delivery, as WooCommerce does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetrySchedule(pub Vec<Duration>);

impl Default for RetrySchedule {
    /// 5 s, 30 s, 2 m, 10 m, 30 m, 1 h, 3 h, 6 h, 12 h, 24 h, 24 h: twelve attempts in about 71 hours.
    fn default() -> Self {
        Self([5, 30, 120, 600, 1_800, 3_600, 10_800, 21_600, 43_200, 86_400, 86_400].map(Duration::from_secs).to_vec())
    }
}

impl RetrySchedule {
    /// From the first attempt to the last, without jitter.
    pub fn length(&self) -> Duration {
        self.0.iter().fold(Duration::ZERO, |sum, gap| sum.saturating_add(*gap))
    }
}

/// Which deliveries of one webhook leave in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ordering {
    /// Those of one resource and id; others beside them.
    #[default]
    Resource,
    /// All: one at a time, and while one waits for its next attempt so does everything behind it.
    Webhook,
    /// None.
    None,
}

impl Ordering {
    /// The word of the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resource => "resource",
            Self::Webhook => "webhook",
            Self::None => "none",
        }
    }
}

/// So many attempts in so long, and so many at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Attempts, at least 1.
    pub count: u32,
    /// In this span, more than zero.
    pub per: Duration,
}

impl fmt::Display for Rate {
    /// As a file writes it: `10/s`, `600/m`, `1000/h`; a span that no file can write in seconds, `3/90s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.per.as_secs() {
            1 => write!(f, "{}/s", self.count),
            60 => write!(f, "{}/m", self.count),
            3_600 => write!(f, "{}/h", self.count),
            other => write!(f, "{}/{other}s", self.count),
        }
    }
}

/// A secret that still signs beside the new one, for receivers that do not know the new one yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldSecret {
    /// The secret.
    pub secret: Secret,
    /// It signs no longer from this moment on.
    pub until: Timestamp,
}

/// What a webhook needs for TLS beside the machine's roots, as PEM texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsKeys {
    /// Certificates trusted beside the machine's roots.
    pub ca: Option<String>,
    /// Our certificate chain, and its private key.
    pub client: Option<(String, Secret)>,
}

/// `[shop] alert`: where an operator wants to be told that a webhook fails, is disabled or has recovered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Where it is posted to.
    pub url: String,
    /// What it is signed with.
    pub secret: Secret,
}

/// A subscription in force: a `[webhook.NAME]` table with its id and its secret resolved.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// The integer WooCommerce clients know it by.
    pub id: WebhookId,
    /// NAME of its table: the identity.
    pub name: String,
    /// The display name (`name = "…"`), or WooCommerce's default.
    pub title: String,
    /// Topics it wants; one that fits is enough.
    pub topics: Vec<TopicPattern>,
    /// Where deliveries go.
    pub url: String,
    /// What they are signed with.
    pub secret: Secret,
    /// What its file says; the status in force is this overlaid by [`super::Health`].
    pub status: Status,
    /// Secrets of before, during a rotation.
    pub old_secrets: Vec<OldSecret>,
    /// Certificates and keys of its own.
    pub tls: Option<Arc<TlsKeys>>,
    /// Version of WooCommerce's REST API its client knows (1, 2 or 3).
    pub api_version: u8,
    /// Who made it over the API; `None` where an operator wrote its file.
    pub created_by: Option<String>,
    /// Where alerts about it go.
    pub alert: Option<Arc<Alert>>,
    /// Extra request headers.
    pub headers: Vec<(String, String)>,
    /// Gaps between attempts.
    pub retry: RetrySchedule,
    /// Limit of one whole attempt, including the answer's body.
    pub timeout: Duration,
    /// Attempts in flight at once.
    pub concurrency: usize,
    /// Attempts in a span of time; `None`: no limit.
    pub rate: Option<Rate>,
    /// Which deliveries leave in order.
    pub ordering: Ordering,
    /// Consecutive failed deliveries after which it is disabled.
    pub max_delivery_failures: u32,
    /// Whether events are kept while it is paused.
    pub hold_when_paused: bool,
    /// Whether bodies are written as PHP's `json_encode` does (`\/`, `\u00e9`).
    pub wordpress_json: bool,
    /// Fields that no kept answer shows: `[shop] redact`.
    pub redact: Redaction,
    /// Why it cannot deliver although its status says so (its secret could not be resolved).
    pub held: Option<String>,
    /// `X-WC-Webhook-Source`: the shop's URL.
    pub source: String,
    /// `User-Agent`: `WooCommerce/<v> Hookshot (WordPress/<v>)`.
    pub user_agent: String,
}

impl Webhook {
    /// Default limit of one whole attempt.
    pub const TIMEOUT: Duration = Duration::from_secs(30);
    /// Default number of attempts in flight at once.
    pub const CONCURRENCY: usize = 8;
    /// Default of `max_delivery_failures` (WooCommerce's documented value).
    pub const MAX_DELIVERY_FAILURES: u32 = 5;
    /// Default `api_version` (WooCommerce's own).
    pub const API_VERSION: u8 = 3;
    /// Default `User-Agent`: the form of WooCommerce's own, which receivers filter by.
    pub const USER_AGENT: &str = "WooCommerce/10.3.0 Hookshot (WordPress/6.8)";

    /// An active webhook with every default, no topic and an empty secret.
    pub fn new(id: WebhookId, name: &str, url: &str) -> Self {
        Self {
            id,
            name: name.to_owned(),
            title: name.to_owned(),
            topics: Vec::new(),
            url: url.to_owned(),
            secret: Secret::default(),
            status: Status::Active,
            old_secrets: Vec::new(),
            tls: None,
            api_version: Self::API_VERSION,
            created_by: None,
            alert: None,
            headers: Vec::new(),
            retry: RetrySchedule::default(),
            timeout: Self::TIMEOUT,
            concurrency: Self::CONCURRENCY,
            rate: None,
            ordering: Ordering::default(),
            max_delivery_failures: Self::MAX_DELIVERY_FAILURES,
            hold_when_paused: false,
            wordpress_json: false,
            redact: Redaction::default(),
            held: None,
            source: String::new(),
            user_agent: Self::USER_AGENT.to_owned(),
        }
    }
}
