//! A store in a directory of its own, a deliverer over it, and a client that asks the test for every answer.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use serde_json::value::RawValue;
use shopbell::clock::{Clock, Timestamp};
use shopbell::deliver::{AnswerBody, BoxError, Client, Deliverer};
use shopbell::id::{EventUid, Seq, WebhookId};
use shopbell::model::record::{EventEntry, LogEntry};
use shopbell::model::{Attempt, Event, Health, Identity, Outcome, Secret, Webhook};
use shopbell::store::{Counters, LogLine, LogQuery, Options, Store};
use tokio::sync::{mpsc, oneshot, watch};

/// 2026-11-03T16:07:00Z.
pub(super) const BASE: Timestamp = Timestamp::from_millis(1_793_722_020_000);

/// A POST that waits for the test's answer.
pub(super) struct Call {
    pub(super) uri: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    answer: oneshot::Sender<Response<AnswerBody>>,
}

impl Call {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().expect("text")
    }

    pub(super) fn answer(self, status: u16) {
        self.answer_with(status, &[]);
    }

    pub(super) fn answer_with(self, status: u16, headers: &[(&str, &str)]) {
        let response = headers
            .iter()
            .fold(Response::builder().status(status), |response, (name, value)| response.header(*name, *value));
        self.answer_whole(response, Full::new(Bytes::new()).map_err(BoxError::from).boxed_unsync());
    }

    /// An answer whose body the test makes.
    pub(super) fn answer_whole(self, response: http::response::Builder, body: AnswerBody) {
        self.answer.send(response.body(body).expect("a response")).expect("the attempt waits");
    }
}

/// A client that hands every POST to the test; pings are answered with 200 and their own `Authorization` at once, and their
/// URLs kept.
fn client(calls: mpsc::Sender<Call>, pings: Arc<Mutex<Vec<String>>>) -> Client {
    Client::new(tower::service_fn(move |request: Request<Full<Bytes>>| {
        let (calls, pings) = (calls.clone(), Arc::clone(&pings));
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.expect("a whole body").to_bytes();
            if body.starts_with(b"webhook_id=") {
                pings.lock().expect("no panic").push(head.uri.to_string());
                let said =
                    head.headers.get(http::header::AUTHORIZATION).map(|value| Bytes::copy_from_slice(value.as_bytes()));
                return Ok(Response::new(Full::new(said.unwrap_or_default()).map_err(BoxError::from).boxed_unsync()));
            }
            let (answer, answered) = oneshot::channel();
            let call = Call { uri: head.uri.to_string(), headers: head.headers, body, answer };
            calls.send(call).await.map_err(BoxError::from)?;
            answered.await.map_err(BoxError::from)
        }
    }))
}

pub(super) struct Rig {
    pub(super) store: Store,
    pub(super) deliverer: Deliverer,
    pub(super) webhooks: watch::Sender<Arc<Vec<Arc<Webhook>>>>,
    pub(super) pings: Arc<Mutex<Vec<String>>>,
    pub(super) clock: Clock,
    calls: mpsc::Receiver<Call>,
    stop: watch::Sender<bool>,
    /// While a blocking task runs, paused time stands still, also when everybody waits for the store's thread.
    _still: std::sync::mpsc::Sender<()>,
}

impl Rig {
    /// A deliverer over the store in `data`, with these webhooks in force.
    pub(super) async fn start(data: &Path, webhooks: Vec<Webhook>) -> Self {
        Self::start_at(data, webhooks, Clock::simulated(BASE)).await
    }

    /// The same by another clock.
    pub(super) async fn start_at(data: &Path, webhooks: Vec<Webhook>, clock: Clock) -> Self {
        let (still, running) = std::sync::mpsc::channel();
        tokio::task::spawn_blocking(move || running.recv());
        let path = data.to_owned();
        let opening = tokio::task::spawn_blocking(move || Store::open(&path, Options::default(), clock));
        let (store, _) = opening.await.expect("no panic").expect("the store opens");
        let (sender, calls) = mpsc::channel(1_024);
        let pings = Arc::default();
        let (webhooks, in_force) = watch::channel(Arc::new(webhooks.into_iter().map(Arc::new).collect::<Vec<_>>()));
        let (stop, stopping) = watch::channel(false);
        let client = client(sender, Arc::clone(&pings));
        let deliverer = Deliverer::start_with(client, store.clone(), in_force, clock, stopping);
        // A new webhook starts at the journal's head: it must be there before the first event.
        deliverer.backlog(WebhookId(1)).await;
        Self { store, deliverer, webhooks, pings, clock, calls, stop, _still: still }
    }

    /// Puts an event of `order` for `webhooks` into the journal.
    pub(super) async fn event(&self, order: &str, webhooks: &[u64]) -> Seq {
        self.store
            .commit(vec![EventEntry::Event(Box::new(event(order, webhooks)))], Vec::new())
            .await
            .expect("the store writes")
    }

    /// The next POST that is no ping.
    pub(super) async fn call(&mut self) -> Call {
        self.calls.recv().await.expect("the deliverer runs")
    }

    /// A POST that came already.
    pub(super) fn call_now(&mut self) -> Option<Call> {
        self.calls.try_recv().ok()
    }

    pub(super) fn swap(&self, webhooks: Vec<Webhook>) {
        self.webhooks.send_replace(Arc::new(webhooks.into_iter().map(Arc::new).collect()));
    }

    /// Runs the scheduler until it has nothing to do for now, but for what comes with time.
    pub(super) async fn settle(&self) {
        self.still().await;
        // Results gather for a moment while attempts are in flight.
        pass(Duration::from_millis(5)).await;
        self.still().await;
    }

    /// The store's threads take the real time they take, so the scheduler has had its turns only once they, too, have nothing to do.
    pub(super) async fn still(&self) {
        let in_progress = &self.store.counters().in_progress;
        let mut quiet = 0;
        while quiet < 20 {
            self.deliverer.backlog(WebhookId(1)).await;
            // Once it has stopped, nothing is awaited there.
            tokio::task::yield_now().await;
            quiet = if Counters::get(in_progress) == 0 { quiet + 1 } else { 0 };
        }
    }

    /// Lets time run in steps until a POST comes.
    pub(super) async fn call_within(&mut self, limit: Duration) -> Call {
        for _ in 0..40 {
            self.settle().await;
            if let Some(call) = self.call_now() {
                return call;
            }
            tokio::time::advance(limit / 40).await;
        }
        self.settle().await;
        if let Some(call) = self.call_now() {
            return call;
        }
        panic!("no attempt within {limit:?}");
    }

    /// The newest thousand entries of a kind, of a webhook where one is named; oldest first.
    async fn log(&self, kind: &str, webhook: Option<&str>) -> Vec<LogEntry> {
        let webhook = webhook.map(str::to_owned);
        let query = LogQuery { limit: 1_000, kinds: vec![kind.to_owned()], webhook, ..LogQuery::default() };
        let lines = self.store.search(query).await.expect("the log is searched");
        let entries = lines.into_iter().rev().filter_map(|line| match line {
            LogLine::Log { entry, .. } => Some(entry),
            LogLine::Event { .. } => None,
        });
        entries.collect()
    }

    /// Attempts in the log without pings, oldest first.
    pub(super) async fn attempts(&self) -> Vec<Attempt> {
        self.log("attempt", None).await.into_iter().filter_map(attempt).collect()
    }

    /// Those of one webhook.
    pub(super) async fn attempts_of(&self, webhook: &str) -> Vec<Attempt> {
        self.log("attempt", Some(webhook)).await.into_iter().filter_map(attempt).collect()
    }

    /// Waits until so many deliveries have ended, and gives their ends, oldest first.
    pub(super) async fn outcomes(&self, count: usize) -> Vec<Outcome> {
        loop {
            let outcome = |entry| if let LogEntry::Outcome(outcome) = entry { Some(*outcome) } else { None };
            let outcomes: Vec<Outcome> = self.log("outcome", None).await.into_iter().filter_map(outcome).collect();
            if outcomes.len() >= count {
                return outcomes;
            }
            self.settle().await;
        }
    }

    /// Waits until health is so, and gives it.
    pub(super) async fn health(&self, so: impl Fn(&Health) -> bool) -> Health {
        loop {
            let health = self.store.health(WebhookId(1));
            if so(&health) {
                return health;
            }
            self.settle().await;
        }
    }

    /// Waits for a notice that says so.
    pub(super) async fn noticed(&self, so: &str) -> String {
        loop {
            if let Some(text) = self.notices().await.into_iter().find(|text| text.contains(so)) {
                return text;
            }
            self.settle().await;
        }
    }

    /// Texts of the notices in the log, oldest first.
    pub(super) async fn notices(&self) -> Vec<String> {
        let notice = |entry| if let LogEntry::Notice(notice) = entry { Some(notice.text) } else { None };
        self.log("notice", None).await.into_iter().filter_map(notice).collect()
    }

    /// Waits until so many attempts are in the log.
    pub(super) async fn logged(&self, count: usize) {
        while self.attempts().await.len() < count {
            self.settle().await;
        }
    }

    /// Orders the stop, without waiting for it.
    pub(super) fn order_stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits for the stop and closes the store.
    pub(super) async fn stopped(self) {
        self.deliverer.stopped().await;
        self.store.close().await;
    }
}

/// Lets time pass while something is awaited.
pub(super) async fn pass(time: Duration) {
    tokio::time::advance(time).await;
}

fn attempt(entry: LogEntry) -> Option<Attempt> {
    match entry {
        LogEntry::Attempt(attempt) if !attempt.delivery.is_empty() => Some(*attempt),
        _ => None,
    }
}

/// An event of `order` (empty: an action without an id) that says which order it is.
pub(super) fn event(order: &str, webhooks: &[u64]) -> Event {
    let (topic, identity) = match order {
        "" => ("action.cart", Identity::None),
        order => ("order.updated", Identity::Id(order.to_owned())),
    };
    Event {
        uid: EventUid::random(),
        at: BASE,
        topic: topic.parse().expect("a topic"),
        resource: "order".into(),
        id: (!order.is_empty()).then(|| order.to_owned()),
        key: serde_json::Map::new(),
        group: ("order".into(), identity),
        body: RawValue::from_string(format!(r#"{{"id":"{order}"}}"#)).expect("JSON"),
        rule: "order-saved".into(),
        webhooks: webhooks.iter().copied().map(WebhookId).collect(),
        source: "POST /admin".into(),
    }
}

pub(super) fn webhook(id: u64) -> Webhook {
    Webhook {
        secret: Secret::new("s3cr3t".into()),
        source: "https://shop.example/".into(),
        ..Webhook::new(WebhookId(id), &format!("hook-{id}"), &format!("https://{id}.example/in"))
    }
}
