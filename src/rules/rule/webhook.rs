//! Webhooks and API keys as the files give them.

use std::time::Duration;

use crate::model::{Ordering, Rate, RetrySchedule, Secret, Status, Timestamp, TopicPattern, WebhookId};
use crate::rules::expr::Expr;

use super::Place;

/// Secrets of before that may sign beside the new one.
pub const OLD_SECRETS: usize = 3;

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

/// One of `secret_previous`: it signs beside the new one until a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldSecretSource {
    /// The secret.
    pub secret: SecretSource,
    /// It signs no longer from this moment on.
    pub until: Timestamp,
}

/// `tls.*`: where PEM texts come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSource {
    /// Certificates trusted beside the machine's roots.
    pub ca: Option<SecretSource>,
    /// Our certificate chain, and its private key.
    pub client: Option<(SecretSource, SecretSource)>,
}

/// `[shop] alert`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertSource {
    /// Where it stands.
    pub place: Place,
    /// Where alerts are posted to.
    pub url: String,
    /// What they are signed with.
    pub secret: SecretSource,
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
    /// Secrets of before, during a rotation.
    pub old_secrets: Vec<OldSecretSource>,
    /// Certificates and keys of its own.
    pub tls: Option<TlsSource>,
    /// Version of WooCommerce's REST API its client knows.
    pub api_version: u8,
    /// Its id, where it was made over the API.
    pub id: Option<WebhookId>,
    /// Who made it over the API.
    pub created_by: Option<String>,
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
    /// Attempts in a span of time.
    pub rate: Option<Rate>,
    /// Which deliveries leave in order.
    pub ordering: Ordering,
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
