//! What the API shows of deliveries.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::{Attempt, DeliveryEnd, Phases, Redaction, Trigger, Verdict};

use super::row::LogRow;

/// Names of headers whose values no log shows.
const SECRET_HEADERS: [&str; 5] =
    ["set-cookie", "authorization", "proxy-authorization", "x-wc-webhook-signature", "webhook-signature"];

/// How a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Never tried: it waits for its turn, behind another, or for the webhook to go on.
    Queued,
    /// Tried, and tried again when it is due.
    Waiting,
    /// The receiver took it.
    Delivered,
    /// Given up, dropped or cancelled.
    Failed,
    /// It has ended, and the log no longer tells how.
    Forgotten,
}

impl Standing {
    /// The word of the API and the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Forgotten => "forgotten",
        }
    }

    /// How a delivery stands that ended so.
    pub const fn of(end: DeliveryEnd) -> Self {
        match end {
            DeliveryEnd::Delivered => Self::Delivered,
            _ => Self::Failed,
        }
    }
}

/// One line of a list of deliveries.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeliveryRow {
    /// Its id.
    pub id: String,
    /// Sequence of its event.
    pub event: u64,
    /// NAME of the webhook then.
    pub webhook: String,
    /// Topic of the event.
    pub topic: String,
    /// Resource and id.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// How it stands.
    pub state: Standing,
    /// Attempts made.
    pub attempts: u32,
    /// When the newest line about it was written (RFC 3339).
    pub at: String,
    /// Status of the last answer, where that line says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What became of it, for people.
    pub text: String,
}

/// The whole story of a delivery.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeliveryView {
    /// Its id.
    pub id: String,
    /// How it stands.
    pub state: Standing,
    /// Why it was never tried, where it is queued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// NAME of the webhook; its id where no table has one.
    pub webhook: String,
    /// Id of the webhook.
    pub webhook_id: u64,
    /// Sequence of the event.
    pub seq: u64,
    /// The event with its rule and the exchange it came from; absent where the journal no longer holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<LogRow>,
    /// The body as sent, but for redacted fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
    /// The delivery this one repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay_of: Option<String>,
    /// Other deliveries of the same event to the same webhook.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replays: Vec<String>,
    /// All attempts, oldest first.
    pub attempts: Vec<AttemptView>,
    /// Its ends: more than one where it was sent again after it had failed.
    pub outcomes: Vec<OutcomeView>,
}

/// One attempt.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AttemptView {
    /// 1 for the first.
    pub number: u32,
    /// When it began (RFC 3339).
    pub at: String,
    /// Why it was made.
    pub trigger: Trigger,
    /// The run that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<u32>,
    /// Where it went, as sent.
    pub url: String,
    /// The address connected to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Whether the connection had been used before.
    #[serde(default)]
    pub reused: bool,
    /// Whether it was sent a second time at once, since the kept connection of the first was closed.
    #[serde(default)]
    pub resent: bool,
    /// Version of TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
    /// Version of HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<String>,
    /// Status of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How it went.
    pub verdict: Verdict,
    /// What was decided then.
    pub decision: String,
    /// Times of its steps.
    pub phases: Phases,
    /// Headers of the answer, as far as they are kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answer_headers: Vec<(String, String)>,
    /// Start of the answer's body.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub answer: String,
}

/// An end of a delivery.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OutcomeView {
    /// When (RFC 3339).
    pub at: String,
    /// How.
    pub end: DeliveryEnd,
    /// The same for people.
    pub text: String,
    /// Attempts made.
    pub attempts: u32,
    /// The webhook's `failure_count` after it.
    pub failure_count: u32,
    /// The run that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<u32>,
}

impl AttemptView {
    pub(super) fn of(attempt: Attempt, redaction: &Redaction) -> Self {
        let secret = |name: &str| SECRET_HEADERS.contains(&name.to_ascii_lowercase().as_str());
        let shown = |(name, value): (String, String)| {
            let value = if secret(&name) { "[redacted]".to_owned() } else { value };
            (name, value)
        };
        Self {
            number: attempt.number,
            at: attempt.at.to_string(),
            trigger: attempt.trigger,
            run: attempt.run,
            url: attempt.url,
            address: attempt.address,
            reused: attempt.reused,
            resent: attempt.resent,
            tls: attempt.tls,
            http: attempt.http,
            status: attempt.status,
            verdict: attempt.verdict,
            decision: attempt.decision,
            phases: attempt.phases,
            answer_headers: attempt.answer_headers.into_iter().map(shown).collect(),
            answer: redaction.text(&attempt.answer),
        }
    }
}
