//! One delivery, or one ping, on its way to the receiver, and what the log says of it.

use std::sync::Arc;
use std::time::Duration;

use http::{Extensions, HeaderName, HeaderValue};
use tokio::sync::oneshot;

use super::attempt::{self, Report};
use super::client::Client;
use super::queue::Ready;
use super::redact;
use super::request::{self, Draft};
use super::scheduler::Replay;
use crate::clock::{Clock, Timestamp};
use crate::id::WebhookId;
use crate::model::record::LogEntry;
use crate::model::{Attempt, Event, FailureClass, Trigger, Verdict, Webhook};
use crate::store::{Gone, Store, StoreError};

/// Limit of one ping (WordPress's default for a request that names none).
const PING: Duration = Duration::from_secs(5);

/// What an attempt needs besides the webhook and the event.
#[derive(Clone, Debug)]
pub(super) struct Means {
    pub(super) client: Client,
    pub(super) store: Store,
    pub(super) clock: Clock,
    /// The key of delivery ids.
    pub(super) instance: [u8; 32],
}

/// What is on its way.
#[derive(Debug)]
pub(super) struct Flight {
    /// The webhook as it was when the attempt began.
    pub(super) webhook: Arc<Webhook>,
    /// When it began.
    pub(super) at: Timestamp,
    /// `host:port` it goes to.
    pub(super) host: Arc<str>,
    pub(super) cargo: Cargo,
}

#[derive(Debug)]
pub(super) enum Cargo {
    /// A delivery.
    Delivery(Ready),
    /// A delivery that a run sends again.
    Replay(Box<Replay>),
    /// A ping, and who waits for its answer.
    Ping(Option<oneshot::Sender<Result<u16, String>>>),
}

/// How a flight ended.
#[derive(Debug)]
pub(super) enum Landing {
    /// An attempt was made, of this event with this delivery id.
    Delivered { event: Arc<Event>, delivery: String, report: Box<Report> },
    /// The ping was made.
    Pinged(Box<Report>),
    /// The journal no longer holds the event; the last attempt, as the log has it, where there was one.
    Missing(Gone, Option<Box<Attempt>>),
    /// The event could not be read now: nothing was sent.
    NotRead(String),
}

/// Names the delivery that a replay repeats.
const REPLAY_OF: HeaderName = HeaderName::from_static("x-webhook-replay-of");

/// Makes one attempt of the delivery with this replay number (0: the first delivery of the event).
pub(super) async fn deliver(
    means: Means,
    webhook: Arc<Webhook>,
    draft: Arc<Result<Draft, String>>,
    ready: Ready,
    replay: u32,
) -> Landing {
    let event = match ready.event {
        Some(event) => event,
        None => match means.store.events_at(&[ready.seq]).await.map(|mut events| events.pop().flatten()) {
            Ok(Some(event)) => event,
            Ok(None) => return missing(&means, webhook.id, &ready).await,
            Err(error) => return Landing::NotRead(error.to_string()),
        },
    };
    let id = |replay| request::delivery_id(&means.instance, event.uid, webhook.id, replay);
    let delivery = id(replay);
    let request = match &*draft {
        Ok(draft) => draft.delivery(&webhook, &event, &delivery, means.clock.now()),
        Err(text) => Err(text.clone()),
    };
    let report = match request {
        Ok(mut request) => {
            if replay > 0
                && let Ok(first) = HeaderValue::from_str(&id(0))
            {
                request.headers_mut().insert(REPLAY_OF, first);
            }
            tracing::trace!(target: "shopbell::step", "attempt begins");
            let sent = redact::Sent::with(request.headers());
            let mut report = attempt::run(means.client, request, webhook.timeout).await;
            tracing::trace!(target: "shopbell::step", "attempt answered");
            redact::answer(&mut report, &webhook, &sent);
            report
        }
        Err(text) => Report::failed(FailureClass::Unencodable, text),
    };
    Landing::Delivered { event, delivery, report: Box::new(report) }
}

async fn missing(means: &Means, webhook: WebhookId, ready: &Ready) -> Landing {
    let found = async {
        let gone = means.store.why_gone(ready.seq).await?;
        let Some(uid) = ready.uid else { return Ok((gone, None)) };
        let entries = means.store.delivery(request::delivery_id(&means.instance, uid, webhook, 0)).await?;
        let last = entries.into_iter().rev().find_map(|(_, entry)| match entry {
            LogEntry::Attempt(attempt) => Some(attempt),
            LogEntry::Outcome(_) | LogEntry::Notice(_) => None,
        });
        Ok::<_, StoreError>((gone, last))
    };
    match found.await {
        Ok((gone, last)) => Landing::Missing(gone, last),
        Err(error) => Landing::NotRead(error.to_string()),
    }
}

/// Pings. Only status 200 is an answer to a ping (WooCommerce's rule).
pub(super) async fn ping(means: Means, webhook: Arc<Webhook>, spelling: Extensions) -> Landing {
    let mut report = match request::ping(&webhook, &spelling) {
        Ok(request) => {
            let sent = redact::Sent::with(request.headers());
            let mut report = attempt::run(means.client, request, PING).await;
            redact::answer(&mut report, &webhook, &sent);
            report
        }
        Err(text) => Report::failed(FailureClass::Unencodable, text),
    };
    if let (Verdict::Ok, Some(status)) = (&report.verdict, report.status.filter(|status| *status != 200)) {
        let text = format!("the receiver answered the ping with {status}, not 200; deliveries are not affected");
        report.verdict = Verdict::Failed { class: FailureClass::Status, text };
    }
    Landing::Pinged(Box::new(report))
}

/// `order 17`, `customer email=a@b.example`, or the name of an action: what logs say an event is about.
pub(super) fn about(event: &Event) -> String {
    let what = match (&event.id, event.key.iter().next()) {
        (Some(id), _) => id.clone(),
        (None, Some((name, value))) => {
            format!("{name}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        }
        (None, None) => String::new(),
    };
    format!("{} {what}", event.resource).trim().to_owned()
}

impl Flight {
    /// The log's record of it; `event` and `delivery` where it was a delivery.
    pub(super) fn record(&self, event: Option<&Event>, delivery: String, report: Report, decision: String) -> Attempt {
        let (number, trigger, seq) = match &self.cargo {
            Cargo::Ping(_) => (1, Trigger::Ping, None),
            Cargo::Replay(replay) => (replay.attempts.saturating_add(1), replay.trigger, Some(replay.seq)),
            Cargo::Delivery(ready) if ready.probe => {
                (ready.attempts.saturating_add(1), Trigger::Probe, Some(ready.seq))
            }
            Cargo::Delivery(ready) if ready.attempts == 0 => (1, Trigger::First, Some(ready.seq)),
            Cargo::Delivery(ready) => (ready.attempts.saturating_add(1), Trigger::Retry, Some(ready.seq)),
        };
        let (run, replay_of) = match &self.cargo {
            Cargo::Replay(replay) => (Some(replay.run), replay.of.clone()),
            Cargo::Delivery(_) | Cargo::Ping(_) => (None, String::new()),
        };
        Attempt {
            at: self.at,
            webhook: self.webhook.id,
            webhook_name: self.webhook.name.clone(),
            event: seq,
            uid: event.map(|event| event.uid),
            topic: event.map(|event| event.topic.clone()),
            about: event.map(about).unwrap_or_default(),
            delivery,
            replay_of,
            run,
            number,
            trigger,
            url: request::shown_url(&self.webhook.url),
            address: report.address,
            reused: report.reused,
            resent: report.resent,
            tls: report.tls,
            http: report.http,
            status: report.status,
            verdict: report.verdict,
            answer_headers: report.headers,
            answer: report.answer,
            decision,
            phases: report.phases,
            ended: None,
        }
    }
}
