//! A line of the log, flat: what tables show and scripts read.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::Seq;
use crate::model::record::LogEntry;
use crate::model::{
    Attempt, DeliveryEnd, Event, Identity, Notice, Outcome, Redaction, Timestamp, Trigger, Verdict, id_json,
};
use crate::store::LogLine;

/// What a line of the log is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogKind {
    /// Something happened.
    Event,
    /// One POST.
    Attempt,
    /// The end of a delivery.
    Outcome,
    /// Something else an operator should find.
    Notice,
}

impl LogKind {
    /// The word of the API and the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Attempt => "attempt",
            Self::Outcome => "outcome",
            Self::Notice => "notice",
        }
    }
}

/// One line of the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LogRow {
    /// About what.
    pub kind: LogKind,
    /// Its sequence, in the events journal for an event, else in the log journal.
    pub seq: u64,
    /// When (RFC 3339).
    pub at: String,
    /// Topic of the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Resource and id or key: `order 1001`, `customer email=a@b.example`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// Id of the resource: an integer where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Value>,
    /// Sequence of the event an attempt or an outcome belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<u64>,
    /// NAME of the webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
    /// Ids of the webhook, or of those that want the event.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub webhook_ids: Vec<u64>,
    /// Id of the delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<String>,
    /// Whether an attempt or a delivery did its work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ok: Option<bool>,
    /// Status of the receiver's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How long an attempt took, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
    /// The rule that saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What happened, for people.
    pub text: String,
    /// The event's body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
}

impl LogRow {
    fn new(kind: LogKind, seq: Seq, at: Timestamp) -> Self {
        Self {
            kind,
            seq: seq.0,
            at: at.to_string(),
            topic: None,
            about: String::new(),
            id: None,
            event: None,
            webhook: None,
            webhook_ids: Vec::new(),
            delivery: None,
            ok: None,
            status: None,
            took_ms: None,
            rule: None,
            text: String::new(),
            payload: None,
        }
    }

    /// An event of the journal.
    pub(super) fn event(seq: Seq, event: &Event, redaction: &Redaction) -> Self {
        Self {
            topic: Some(event.topic.to_string()),
            about: about(event),
            id: event.id.as_deref().map(id_json),
            webhook_ids: event.webhooks.iter().map(|id| id.0).collect(),
            rule: Some(event.rule.clone()),
            text: event.source.clone(),
            payload: payload(event, redaction),
            ..Self::new(LogKind::Event, seq, event.at)
        }
    }

    fn attempt(seq: Seq, attempt: Attempt) -> Self {
        let ok = attempt.verdict == Verdict::Ok;
        let what = match attempt.trigger {
            Trigger::Ping => "ping".to_owned(),
            Trigger::Probe => "probe".to_owned(),
            _ => format!("attempt {}", attempt.number),
        };
        let answer = match (&attempt.verdict, attempt.status) {
            (Verdict::Failed { text, .. }, _) => text.clone(),
            (Verdict::Ok, Some(status)) => format!("answered {status}"),
            (Verdict::Ok, None) => "answered".to_owned(),
        };
        let decision = if attempt.decision.is_empty() { String::new() } else { format!("; {}", attempt.decision) };
        Self {
            topic: attempt.topic.map(String::from),
            about: attempt.about,
            event: attempt.event.map(|seq| seq.0),
            webhook: Some(attempt.webhook_name),
            webhook_ids: vec![attempt.webhook.0],
            delivery: Some(attempt.delivery).filter(|id| !id.is_empty()),
            ok: Some(ok),
            status: attempt.status,
            took_ms: Some(attempt.phases.total_us / 1000),
            text: format!("{what}: {answer}{decision}"),
            ..Self::new(LogKind::Attempt, seq, attempt.at)
        }
    }

    fn outcome(seq: Seq, outcome: Outcome) -> Self {
        let (end, plural) = (ended(outcome.end), if outcome.attempts == 1 { "" } else { "s" });
        Self {
            topic: Some(outcome.topic.to_string()),
            about: outcome.about,
            event: Some(outcome.event.0),
            webhook: Some(outcome.webhook_name),
            webhook_ids: vec![outcome.webhook.0],
            delivery: Some(outcome.delivery),
            ok: Some(outcome.end == DeliveryEnd::Delivered),
            text: format!("{end} after {} attempt{plural}", outcome.attempts),
            ..Self::new(LogKind::Outcome, seq, outcome.at)
        }
    }

    fn notice(seq: Seq, notice: Notice) -> Self {
        let times = if notice.count > 1 { format!(" ({} times)", notice.count) } else { String::new() };
        Self {
            webhook_ids: notice.webhook.iter().map(|id| id.0).collect(),
            rule: notice.rule,
            text: format!("{}{times}", notice.text),
            ..Self::new(LogKind::Notice, seq, notice.at)
        }
    }
}

impl LogRow {
    /// The row of a line.
    pub(super) fn of(line: LogLine, redaction: &Redaction) -> Self {
        match line {
            LogLine::Event { seq, event } => Self::event(seq, &event, redaction),
            LogLine::Log { seq, entry: LogEntry::Attempt(attempt), .. } => Self::attempt(seq, *attempt),
            LogLine::Log { seq, entry: LogEntry::Outcome(outcome), .. } => Self::outcome(seq, *outcome),
            LogLine::Log { seq, entry: LogEntry::Notice(notice), .. } => Self::notice(seq, notice),
        }
    }
}

/// The body of an event as logs show it.
pub(super) fn payload(event: &Event, redaction: &Redaction) -> Option<Value> {
    let mut payload = serde_json::from_str(event.body.get()).ok()?;
    redaction.json(&mut payload);
    Some(payload)
}

/// What logs say an event is about.
pub(super) fn about(event: &Event) -> String {
    match (&event.id, &event.group.1) {
        (Some(id), _) => format!("{} {id}", event.resource),
        (None, Identity::Id(id)) => format!("{} {id}", event.group.0),
        (None, Identity::Key { name, value }) => format!("{} {name}={value}", event.group.0),
        (None, Identity::None) => event.resource.clone(),
    }
}

pub(super) const fn ended(end: DeliveryEnd) -> &'static str {
    match end {
        DeliveryEnd::Delivered => "delivered",
        DeliveryEnd::Exhausted => "given up",
        DeliveryEnd::Gone => "given up: the receiver is gone (410)",
        DeliveryEnd::Unencodable => "given up: it cannot be sent",
        DeliveryEnd::Dropped => "dropped: the disk budget was spent",
        DeliveryEnd::Erased => "ended: its event was erased",
        DeliveryEnd::Damaged => "lost: its event stood where the disk is damaged",
        DeliveryEnd::Cancelled => "cancelled",
    }
}
