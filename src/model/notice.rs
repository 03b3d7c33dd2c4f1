//! Something an operator should find in the log that is no event and no delivery.

use serde::{Deserialize, Serialize};

use super::{Timestamp, WebhookId};

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// The process started (with what recovery found) or stopped.
    Process,
    /// A rules directory took effect, or did not.
    Reload,
    /// A webhook appeared, vanished, changed its status or its URL.
    Webhook,
    /// A rule matched but gave no event, a value failed, keys disagreed.
    Rule,
    /// An exchange passed without being observed, or was released before its events were on disk.
    Released,
    /// Storage: damage, budget, disk full.
    Store,
}

/// One notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// When.
    pub at: Timestamp,
    /// About what.
    pub kind: NoticeKind,
    /// For people.
    pub text: String,
    /// The rule it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The webhook it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookId>,
    /// How many times it happened since the last such notice, at least 1.
    #[serde(default = "one")]
    pub count: u64,
}

const fn one() -> u64 {
    1
}

impl Notice {
    /// A notice of `text` at `at`.
    pub fn new(at: Timestamp, kind: NoticeKind, text: impl Into<String>) -> Self {
        Self { at, kind, text: text.into(), rule: None, webhook: None, count: 1 }
    }
}
