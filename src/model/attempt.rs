//! One POST and how it went.

use serde::{Deserialize, Serialize};

use super::{Ended, EventUid, Seq, Timestamp, Topic, WebhookId};

/// Why an attempt was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// The delivery's first.
    First,
    /// A later one of its schedule.
    Retry,
    /// The breaker looks whether the receiver is back.
    Probe,
    /// Somebody asked for it.
    Manual,
    /// A replay or recovery run.
    Recover,
    /// `webhook_id=N`, WooCommerce's ping.
    Ping,
}

/// What kind of failure an attempt met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// An answer outside 2xx, 301, 302.
    Status,
    /// The name could not be resolved.
    Dns,
    /// Nobody listens there, or the connection was refused.
    Connect,
    /// No connection in time.
    ConnectTimeout,
    /// TLS failed.
    Tls,
    /// No answer in time, or one that did not end in time.
    Timeout,
    /// The connection broke.
    Reset,
    /// The answer was no HTTP.
    Protocol,
    /// The address guard refused every address.
    Blocked,
    /// The request could not be built.
    Unencodable,
    /// We were stopping; counts as no attempt.
    Shutdown,
}

/// Whether the attempt did its work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// 2xx, 301 or 302.
    Ok,
    /// Anything else.
    Failed {
        /// What kind of failure.
        class: FailureClass,
        /// For people: what was wrong and, where it helps, what to do.
        text: String,
    },
}

/// Times of one attempt in microseconds from its start; absent where the step was not reached or not needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phases {
    /// The name was resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_us: Option<u64>,
    /// The TCP connection stood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_us: Option<u64>,
    /// TLS stood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_us: Option<u64>,
    /// The connection stood (DNS, TCP and TLS together where it was new).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connected_us: Option<u64>,
    /// The answer's head came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_byte_us: Option<u64>,
    /// The whole attempt.
    #[serde(default)]
    pub total_us: u64,
}

/// One attempt, as the log keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it began.
    pub at: Timestamp,
    /// Whose delivery.
    pub webhook: WebhookId,
    /// Name of the webhook then.
    #[serde(default)]
    pub webhook_name: String,
    /// The event's sequence; absent for a ping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Seq>,
    /// The event's uid; absent for a ping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<EventUid>,
    /// The event's topic; absent for a ping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<Topic>,
    /// Resource and id, for the search.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// Id of the delivery, the same over retries; empty for a ping.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub delivery: String,
    /// The delivery this one sends again, where that had been delivered: its id (`X-Webhook-Replay-Of`).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub replay_of: String,
    /// The run that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<u32>,
    /// 1 for the first.
    pub number: u32,
    /// Why it was made.
    pub trigger: Trigger,
    /// Where it went.
    pub url: String,
    /// The address connected to, where there was a connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Whether the connection had carried an attempt before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reused: bool,
    /// Whether it was sent a second time at once, since the kept connection of the first was closed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resent: bool,
    /// Version of TLS: `TLSv1.3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
    /// Version of HTTP: `HTTP/1.1`, `HTTP/2.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<String>,
    /// Status of the answer, if one came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How it went.
    pub verdict: Verdict,
    /// Headers of the answer, as far as they are kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answer_headers: Vec<(String, String)>,
    /// Start of the answer's body, at most 8 KiB.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub answer: String,
    /// What was decided then: "retry in 32 s", "delivered", "disabled after 5 failed deliveries".
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub decision: String,
    /// How long it took.
    #[serde(default)]
    pub phases: Phases,
    /// The delivery's end, where this attempt was its last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
}
