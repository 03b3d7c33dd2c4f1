//! Deliveries that have not ended, as the state knows them: of those never tried no line of the log tells.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::deliver::delivery_id;
use crate::id::{Seq, WebhookId};
use crate::model::{Event, Status};
use crate::store::Store;

use super::Admin;
use super::delivery_view::{DeliveryRow, Standing};
use super::error::ApiError;
use super::row;

/// Events one search for the id of a delivery never tried looks at.
const LOOK_MAX: usize = 50_000;

/// Of these, read at once.
const PAGE: usize = 256;

/// What is owed to every webhook there ever was, or to one of them, at one moment.
#[derive(Debug)]
pub(super) struct Owed {
    instance: [u8; 32],
    of: HashMap<WebhookId, Webhook>,
}

#[derive(Debug)]
struct Webhook {
    name: String,
    cursor: Seq,
    finished: HashSet<Seq>,
    waiting: HashSet<Seq>,
    deferred: HashSet<Seq>,
    /// Why nothing goes out now, if that is so.
    stopped: Option<&'static str>,
}

impl Owed {
    /// Reads what is owed; `which` is the NAME or id of one webhook.
    pub(super) async fn read(admin: &Admin, which: Option<&str>) -> Result<Self, ApiError> {
        let (names, _) = admin.store.webhook_names().await?;
        let mut of = HashMap::new();
        for name in names {
            if which.is_some_and(|which| which != name.name && which != name.id.to_string()) {
                continue;
            }
            let state = admin.store.webhook_state(name.id).await?;
            let webhook = Webhook {
                stopped: stopped(admin, name.id),
                name: name.name,
                cursor: state.cursor,
                finished: state.finished.into_iter().collect(),
                waiting: state.waiting.into_iter().map(|(seq, _)| seq).collect(),
                deferred: state.deferred.into_iter().map(|(seq, _)| seq).collect(),
            };
            of.insert(name.id, webhook);
        }
        Ok(Self { instance: admin.store.instance_key(), of })
    }

    /// Whether the webhook still waits for this event.
    pub(super) fn holds(&self, webhook: WebhookId, seq: Seq) -> bool {
        self.of.get(&webhook).is_some_and(|webhook| webhook.is_queued(seq) || webhook.waiting.contains(&seq))
    }

    /// Why a delivery was never tried; `None` where it was, or is not owed.
    pub(super) fn why(&self, webhook: WebhookId, seq: Seq) -> Option<String> {
        self.of.get(&webhook).filter(|webhook| webhook.is_queued(seq)).map(|webhook| webhook.why(seq))
    }

    /// Finds a delivery that was never tried by the id under which it will go out, among the oldest [`LOOK_MAX`] events
    /// that may be owed: ids are made of the event, and no log knows this one yet.
    pub(super) async fn find(&self, store: &Store, id: &str) -> Result<Option<(WebhookId, Seq)>, ApiError> {
        let is_it = |seq: Seq, event: &Event| {
            let queued = event.webhooks.iter().filter(|webhook| self.why(**webhook, seq).is_some());
            queued.copied().find(|webhook| delivery_id(&self.instance, event.uid, *webhook, 0) == id)
        };
        let cursor = self.of.values().map(|webhook| webhook.cursor).min().unwrap_or_default();
        let aside: BTreeSet<Seq> = self.of.values().flat_map(|webhook| &webhook.deferred).copied().collect();
        let aside: Vec<Seq> = aside.into_iter().filter(|seq| *seq < cursor).take(LOOK_MAX).collect();
        for some in aside.chunks(PAGE) {
            let events = store.events_at(some).await?;
            let found = some.iter().zip(events).find_map(|(seq, event)| Some((is_it(*seq, event.as_deref()?)?, *seq)));
            if found.is_some() {
                return Ok(found);
            }
        }
        let (mut from, mut left) = (cursor.max(Seq(1)), LOOK_MAX.saturating_sub(aside.len()));
        while left > 0 {
            let (events, next) = store.events(from, PAGE.min(left)).await?;
            if let Some(found) = events.iter().find_map(|(seq, event)| Some((is_it(*seq, event)?, *seq))) {
                return Ok(Some(found));
            }
            if next <= from {
                break;
            }
            (from, left) = (next, left.saturating_sub(PAGE));
        }
        Ok(None)
    }

    /// The deliveries of an event that were never tried.
    pub(super) fn queued(&self, seq: Seq, event: &Event) -> impl Iterator<Item = DeliveryRow> {
        event.webhooks.iter().filter_map(move |id| {
            let webhook = self.of.get(id).filter(|webhook| webhook.is_queued(seq))?;
            Some(DeliveryRow {
                id: delivery_id(&self.instance, event.uid, *id, 0),
                event: seq.0,
                webhook: webhook.name.clone(),
                topic: event.topic.to_string(),
                about: row::about(event),
                state: Standing::Queued,
                attempts: 0,
                at: event.at.to_string(),
                status: None,
                text: webhook.why(seq),
            })
        })
    }
}

impl Webhook {
    fn is_queued(&self, seq: Seq) -> bool {
        let ahead = seq >= self.cursor && !self.finished.contains(&seq) && !self.waiting.contains(&seq);
        ahead || self.deferred.contains(&seq)
    }

    fn why(&self, seq: Seq) -> String {
        let behind = self.deferred.contains(&seq).then_some("an earlier one of the same resource goes first");
        match self.stopped.or(behind) {
            Some(why) => format!("not tried yet: {why}"),
            None => "not tried yet".to_owned(),
        }
    }
}

/// Why a webhook's deliveries do not simply go out now.
pub(super) fn stopped(admin: &Admin, id: WebhookId) -> Option<&'static str> {
    let active = admin.rules.active();
    let Some(webhook) = active.webhooks.iter().find(|webhook| webhook.id == id) else {
        return Some("the rules no longer hold the webhook");
    };
    let health = admin.store.health(id);
    match health.status(webhook.status, &webhook.url) {
        Status::Paused => Some("the webhook is paused"),
        Status::Disabled => Some("the webhook is disabled"),
        Status::Active if webhook.held.is_some() => Some("the webhook is held"),
        Status::Active if health.probe_due().is_some() => Some("the receiver fails, and is probed"),
        Status::Active => None,
    }
}
