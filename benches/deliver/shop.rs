//! What is delivered: events of orders, a body of about 1 KiB each, and a store with webhooks over it.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use shopbell::clock::Clock;
use shopbell::deliver::{Deliverer, Guard};
use shopbell::id::{EventUid, WebhookId};
use shopbell::model::record::EventEntry;
use shopbell::model::{DeliveryEnd, Event, Identity, Secret, Webhook, Write};
use shopbell::store::{Options, Store};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Orders that the events are about, in turn.
const ORDERS: u64 = 1_000;

/// Events of one commit where many are queued.
const COMMIT: usize = 32;

/// Commits under way at once where many are queued.
const COMMITS: usize = 4;

/// How often something is looked at that nobody tells.
const LOOK: Duration = Duration::from_millis(2);

pub(crate) fn url(port: u16, webhook: u64) -> String {
    format!("http://127.0.0.1:{port}/in/{webhook}")
}

/// The body of event `number`, from 1.
pub(crate) fn body(number: u64) -> String {
    let order = number % ORDERS;
    let items = r#"{"id":7,"name":"Green tea of the first harvest","product_id":93,"quantity":2,"total":"25.00","sku":"TEA-7"}"#;
    format!(
        r#"{{"id":{order},"n":{number},"status":"processing","currency":"EUR","total":"75.00","billing":{{"first_name":"Ann","last_name":"Example","address_1":"12 Long Street","city":"Leiden","postcode":"2311 AB","country":"NL","email":"ann{order}@example.com","phone":"+31 71 555 01 23"}},"shipping":{{"first_name":"Ann","last_name":"Example","address_1":"12 Long Street","city":"Leiden","postcode":"2311 AB","country":"NL"}},"payment_method":"ideal","payment_method_title":"iDEAL","customer_note":"please leave it with the neighbours at number 14","line_items":[{items},{items},{items}]}}"#
    )
}

/// Event `number` for webhooks 1 to `webhooks`.
pub(crate) fn event(number: u64, webhooks: u64) -> EventEntry {
    let order = (number % ORDERS).to_string();
    EventEntry::Event(Box::new(Event {
        uid: EventUid::random(),
        at: Clock::System.now(),
        topic: "order.updated".parse().expect("a topic"),
        resource: "order".to_owned(),
        id: Some(order.clone()),
        key: serde_json::Map::new(),
        group: ("order".to_owned(), Identity::Id(order)),
        body: RawValue::from_string(body(number)).expect("JSON"),
        rule: "order-saved".to_owned(),
        webhooks: (1..=webhooks).map(WebhookId).collect(),
        source: "POST /admin/index.php".to_owned(),
    }))
}

/// A store with a deliverer over it.
pub(crate) struct Shop {
    pub(crate) store: Store,
    pub(crate) deliverer: Deliverer,
    webhooks: u64,
    _in_force: watch::Sender<Arc<Vec<Arc<Webhook>>>>,
    stop: watch::Sender<bool>,
}

/// Opens the store.
pub(crate) fn open(data: &Path, options: Options) -> Store {
    Store::open(data, options, Clock::System).expect("the store opens").0
}

impl Shop {
    /// Webhooks 1, 2, … deliver to these ports, with every default.
    pub(crate) async fn start(store: Store, ports: &[u16]) -> Self {
        Self::start_beside(store, ports, &[]).await
    }

    /// The same, and after them webhooks to ports that nothing is awaited of.
    pub(crate) async fn start_beside(store: Store, ports: &[u16], sick: &[u16]) -> Self {
        let table = |(id, port): (u64, &u16)| {
            let webhook = Webhook::new(WebhookId(id), &format!("erp-{id}"), &url(*port, id));
            let secret = Secret::new("a secret of forty random characters ....".to_owned());
            Arc::new(Webhook { secret, source: "https://shop.example/".to_owned(), ..webhook })
        };
        let table: Vec<_> = (1u64..).zip(ports.iter().chain(sick)).map(table).collect();
        let webhooks = ports.len() as u64;
        let (in_force, receiver) = watch::channel(Arc::new(table));
        let (stop, stopping) = watch::channel(false);
        let guard = Guard { allowed: vec!["127.0.0.0/8".parse().expect("a network")], ours: Vec::new() };
        let deliverer = Deliverer::start_apart(store.clone(), receiver, guard, Clock::System, stopping);
        let deliverer = deliverer.expect("a thread");
        // A new webhook starts at the journal's head: it must be there before the first event.
        deliverer.backlog(WebhookId(1)).await;
        Self { store, deliverer, webhooks, _in_force: in_force, stop }
    }

    /// Deliveries that ended well since the start.
    pub(crate) fn delivered(&self) -> u64 {
        self.deliverer.counters().deliveries(DeliveryEnd::Delivered)
    }

    /// Waits until every webhook but the sick ones has all events of the journal behind it, on disk.
    pub(crate) async fn drained(&self) {
        for webhook in (1..=self.webhooks).map(WebhookId) {
            while self.deliverer.backlog(webhook).await != (0, 0) {
                tokio::time::sleep(LOOK).await;
            }
            while self.store.webhook_state(webhook).await.expect("the state is read").cursor
                < *self.store.head().borrow()
            {
                tokio::time::sleep(LOOK).await;
            }
        }
    }

    /// Commits events while no more than `ahead` of them are undelivered.
    pub(crate) async fn commit_as_delivered(&self, events: u64, ahead: u64) {
        for batch in batches(events) {
            while batch.end > self.delivered() / self.webhooks + ahead {
                tokio::time::sleep(LOOK).await;
            }
            let batch = batch.map(|number| event(number, self.webhooks)).collect();
            self.store.commit(batch, Vec::new()).await.expect("a commit");
        }
    }

    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        self.deliverer.stopped().await;
        self.store.close().await;
    }
}

/// Queues `events` for webhooks 1 to `webhooks`, which read from here on.
pub(crate) async fn queue(store: &Store, events: u64, webhooks: u64) {
    let next = *store.head().borrow();
    let cursors = (1..=webhooks).map(|id| Write::Cursor { webhook: WebhookId(id), next }).collect();
    store.log(Vec::new(), cursors).await.expect("a commit");
    commit_many(store, events, webhooks).await;
}

/// Commits `events` as fast as it goes. Commits under way at once are of different orders, so each order's stay in order.
pub(crate) async fn commit_many(store: &Store, events: u64, webhooks: u64) {
    let mut under_way = JoinSet::new();
    for batch in batches(events) {
        let batch = batch.map(|number| event(number, webhooks)).collect();
        let store = store.clone();
        under_way.spawn(async move { store.commit(batch, Vec::new()).await });
        if under_way.len() >= COMMITS {
            under_way.join_next().await.expect("some").expect("no panic").expect("a commit");
        }
    }
    under_way.join_all().await.into_iter().for_each(|done| assert!(done.is_ok(), "{done:?}"));
}

/// The numbers 1 to `events`, one commit's after the other's.
fn batches(events: u64) -> impl Iterator<Item = Range<u64>> {
    (1..=events).step_by(COMMIT).map(move |first| first..(events + 1).min(first + COMMIT as u64))
}
