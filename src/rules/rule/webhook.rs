//! Webhooks and API keys as the files give them.

use std::time::Duration;

use crate::model::{RetrySchedule, Secret, Status, TopicPattern};
use crate::rules::expr::Expr;

use super::Place;

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
