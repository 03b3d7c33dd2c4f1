//! What happened and what is owed: events, webhooks, deliveries, attempts, and the facts remembered about resources.
//!
//! Plain data and pure functions; no IO, no clock of its own. The records that the journal keeps for years are made of
//! these types: fields are only added, each with a default, and never change their meaning (see [`record`]).

mod attempt;
mod breaker;
mod delivery;
mod event;
mod health;
mod known;
mod notice;
mod pending;
pub mod record;
mod redact;
mod run;
mod topic;
mod webhook;
mod write;

pub use crate::clock::{Timestamp, span};
pub use crate::id::{EventUid, Seq, WebhookId};
pub use attempt::{Attempt, FailureClass, Phases, Trigger, Verdict};
pub use breaker::{Breaker, Trip};
pub use delivery::{Decision, DeliveryEnd, Ended, Outcome, Waiting};
pub use event::{Event, Identity, MAX_BODY_BYTES, id_json};
pub use health::{FailedAttempt, Health, Incident, Overlay, OverlayReason};
pub use known::{Known, SessionMemory};
pub use notice::{Notice, NoticeKind};
pub use pending::{
    Access, GetPiece, LookUp, OpenWait, Otherwise, Pending, Settled, SettledAs, Unconfirmed, WaitsFor, percent_encoded,
};
pub use redact::Redaction;
pub use run::{DeliveryState, Progress, Run, RunState, Selection};
pub use topic::{Topic, TopicError, TopicPattern, glob};
pub use webhook::{Alert, OldSecret, Ordering, Rate, RetrySchedule, Secret, Status, TlsKeys, Webhook};
pub use write::{WebhookName, Write};
