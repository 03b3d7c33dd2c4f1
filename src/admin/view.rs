//! What the API shows: plain data that the command line reads back.

use serde::{Deserialize, Serialize};

use crate::diagnostic::Diagnostic;
use crate::model::{DeliveryState, Ordering, Progress, RunState, Status};
use crate::store::Erased;

use super::row::LogRow;

/// A process and how it does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StatusView {
    /// Of shopbell.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// Whether a process runs, or the store was only opened to look into it.
    pub running: bool,
    /// When it started (RFC 3339).
    pub started: String,
    /// How long ago, in seconds.
    pub uptime_s: u64,
    /// Where visitors come in.
    pub listen: String,
    /// Where the shop is.
    pub upstream: String,
    /// The rules directory.
    pub rules_dir: String,
    /// The data directory.
    pub data_dir: String,
    /// Where the process runs: what relative paths, of these and in rules files, begin at.
    pub work_dir: String,
    /// The rules in force.
    pub rules: RulesView,
    /// The sequence the next record of the events journal gets.
    pub next_seq: u64,
    /// Webhooks that deliver, of all.
    pub active_webhooks: usize,
}

/// The rules in force.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RulesView {
    /// Names the texts: the same texts give the same fingerprint.
    pub fingerprint: String,
    /// When they took effect (RFC 3339).
    pub loaded_at: String,
    /// Event rules.
    pub event_rules: usize,
    /// Webhooks.
    pub webhooks: usize,
    /// Whether they are the last good ones, as the directory was broken at start.
    pub from_last_good: bool,
    /// Whether the newest edit did not take effect.
    pub stale: bool,
    /// Warnings; and the faults of the newest edit, if it did not take effect.
    pub problems: Vec<Diagnostic>,
}

/// What a reload came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReloadView {
    /// Whether a new set is in force.
    pub changed: bool,
    /// Whether the directory as it stands is the set in force.
    pub ok: bool,
    /// Errors (then the old set stays in force) and warnings.
    pub diagnostics: Vec<Diagnostic>,
    /// What is in force now.
    pub rules: RulesView,
}

/// Events from a sequence on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EventsView {
    /// In order.
    pub events: Vec<LogRow>,
    /// Where to go on.
    pub next: u64,
}

/// One page of a search of the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LogPageView {
    /// Newest first; a few may be more than were asked for.
    pub rows: Vec<LogRow>,
    /// `from` of the next page; absent at the end of what is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// That there is no such webhook, where one was asked for. Lines of one that was removed long ago may be found all the
    /// same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
}

/// What came to the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LogFollowView {
    /// Oldest first.
    pub rows: Vec<LogRow>,
    /// `from` of the next request.
    pub next: String,
}

/// Deliveries not yet ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backlog {
    /// Deliveries tried, and those behind one of these.
    pub waiting: u64,
    /// Events from the cursor on, owed to this webhook or not: to count those owed would be to read them all.
    pub unread: u64,
}

/// A webhook and how it does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WebhookView {
    /// The integer WooCommerce clients know it by.
    pub id: u64,
    /// NAME of its table.
    pub name: String,
    /// The display name.
    pub title: String,
    /// Topics and patterns.
    pub topics: Vec<String>,
    /// Where deliveries go, without user and password.
    pub url: String,
    /// The status in force.
    pub status: Status,
    /// What its file says.
    pub file_status: Status,
    /// Why the two differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Why it cannot deliver although its status says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    /// Consecutive failed deliveries.
    pub failure_count: u32,
    /// At so many it is disabled.
    pub max_delivery_failures: u32,
    /// The ping has not succeeded yet.
    pub pending_delivery: bool,
    /// Last delivered (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success: Option<String>,
    /// Last failed attempt (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
    /// What is still to be delivered; absent where no process runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backlog: Option<Backlog>,
    /// Limit of one attempt, in seconds.
    pub timeout_s: u64,
    /// Gaps between attempts, in seconds.
    pub retry_s: Vec<u64>,
    /// Attempts in flight at once.
    pub concurrency: usize,
    /// Attempts in a span of time, as in `10/s`; `None`: no limit.
    pub rate: Option<String>,
    /// Which deliveries leave in order.
    pub ordering: Ordering,
    /// The expression that its events must pass, as its file says it; `None`: all do.
    pub filter: Option<String>,
    /// Whether events are kept while it is paused.
    pub hold_when_paused: bool,
    /// How bodies are escaped: `none`, or `wordpress` as PHP does.
    pub json_escape: String,
    /// Names of the extra request headers (their values may be secret).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub header_names: Vec<String>,
    /// The secret that was made for it, as its file names none. Only where one webhook is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_secret: Option<String>,
}

/// How a ping went.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PingView {
    /// NAME of the webhook.
    pub webhook: String,
    /// Whether the receiver answered 200, as WooCommerce asks for.
    pub ok: bool,
    /// Status of the answer, if one came.
    pub status: Option<u16>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What a run would send.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlanView {
    /// Deliveries that fit.
    pub count: u64,
    /// Of these, those whose resource has a newer event that was delivered.
    pub outdated: u64,
    /// Time of the oldest event among them (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<String>,
    /// Time of the newest event among them (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<String>,
}

/// A run and how far it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunView {
    /// Its number.
    pub id: u32,
    /// What it does now.
    pub state: RunState,
    /// NAME of the webhook whose deliveries it sends.
    pub webhook: String,
    /// In which state they were when it was made.
    pub deliveries: DeliveryState,
    /// Their topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Events of this moment or newer (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Events older than this moment (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Words that stand in them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Only the newest event of each resource.
    #[serde(default)]
    pub latest: bool,
    /// Only the delivery of this event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<u64>,
    /// Deliveries a second, at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
    /// Who asked for it.
    pub actor: String,
    /// When it was made (RFC 3339).
    pub created: String,
    /// When it was over (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// How far it is.
    pub progress: Progress,
    /// Why its webhook's deliveries do not simply go out now, where they do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// Where one delivery was sent again: events of its resource delivered since, that the receiver now sees overtaken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outdated: Option<u64>,
    /// Where one delivery was asked for that had not ended: the run sends nothing itself, but makes it due in the webhook's
    /// own queue.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
}

/// What was erased, or would be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ErasedView {
    /// Whether it was only counted.
    pub dry_run: bool,
    /// The counts.
    #[serde(flatten)]
    pub erased: Erased,
    /// What no erase reaches, for people.
    pub unreached: Vec<String>,
}

/// An exchange that some rule cared about, and what came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SeenView {
    /// As a line of a recording.
    pub exchange: String,
    /// What is remembered of its visitor now.
    pub memory: serde_json::Map<String, serde_json::Value>,
    /// Its events: topic and what they are about.
    pub events: Vec<String>,
    /// What rules had to say.
    pub notes: Vec<String>,
}
