//! A change of state as an absolute put or delete, so that applying it twice is applying it once.

use serde::{Deserialize, Serialize};

use super::{EventUid, Health, Identity, Known, Pending, Run, Seq, SessionMemory, Timestamp, Waiting, WebhookId};

/// A row of the table of webhook names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookName {
    /// NAME of the table in the rules files: the identity.
    pub name: String,
    /// Its id, never reused.
    pub id: WebhookId,
    /// When it was first seen.
    #[serde(default)]
    pub created: Timestamp,
    /// When its table vanished; it keeps id, cursor and backlog 7 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired: Option<Timestamp>,
    /// The secret made for it, where no file gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// One change of state. Records carry these; after a crash those behind the mark are applied again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "w", rename_all = "snake_case")]
pub enum Write {
    /// What is remembered of a resource; `None` forgets it.
    Known {
        /// The resource's word.
        resource: String,
        /// Which one.
        identity: Identity,
        /// What is remembered.
        known: Option<Known>,
    },
    /// Natural key → id; the value is trimmed and case-folded. `None` forgets it.
    Alias {
        /// The resource's word.
        resource: String,
        /// Name of the key.
        name: String,
        /// Its value.
        value: String,
        /// The id it stands for.
        id: Option<String>,
    },
    /// What is remembered of a visitor; `None` forgets it.
    Session {
        /// Which one.
        session: String,
        /// What is remembered.
        memory: Option<SessionMemory>,
    },
    /// A visitor's key (the hash of a cookie, token or header value) leads to this session; `None` unlinks it.
    SessionKey {
        /// The key's hash.
        key: String,
        /// The session it leads to.
        session: Option<String>,
    },
    /// A rule's `once` key was used, and counts until then; `None` forgets it.
    Once {
        /// NAME of the rule.
        rule: String,
        /// The key's value.
        key: String,
        /// Until when it counts.
        until: Option<Timestamp>,
    },
    /// A webhook's row in the table of names.
    WebhookName(WebhookName),
    /// Everything about a webhook is forgotten: name, cursor, sets and health.
    WebhookGone {
        /// NAME of the table.
        name: String,
        /// Its id.
        id: WebhookId,
    },
    /// The next sequence a webhook has to read: all before it are finished, waiting or deferred.
    Cursor {
        /// Whose.
        webhook: WebhookId,
        /// The next sequence.
        next: Seq,
    },
    /// A delivery above the cursor that is done (`true`), or one the cursor has passed (`false` clears it).
    Finished {
        /// Whose.
        webhook: WebhookId,
        /// The event.
        event: Seq,
        /// Done, or no longer needed to be remembered.
        done: bool,
    },
    /// A delivery that waits for its next attempt; `None` takes it out.
    Waiting {
        /// Whose.
        webhook: WebhookId,
        /// The event.
        event: Seq,
        /// When it is due, and its group.
        waiting: Option<Waiting>,
    },
    /// A delivery behind the waiting head of its group; `None` takes it out.
    Deferred {
        /// Whose.
        webhook: WebhookId,
        /// The event.
        event: Seq,
        /// Its group.
        group: Option<(String, Identity)>,
    },
    /// How a webhook is doing; `None` forgets it.
    Health {
        /// Whose.
        webhook: WebhookId,
        /// How it is doing.
        health: Option<Health>,
    },
    /// A run that sends deliveries again; `None` forgets it. Its number is never used again.
    Run {
        /// Its number.
        id: u32,
        /// How far it is.
        run: Option<Box<Run>>,
    },
    /// A match that waits; `None` when it is settled.
    Pending {
        /// Its event's uid.
        uid: EventUid,
        /// What waits.
        pending: Option<Box<Pending>>,
    },
}
