//! Bounds on results that wait for the disk: what no test from outside can hold long enough to see.

use std::collections::HashSet;
use std::sync::Arc;

use http_body_util::Full;
use serde_json::value::RawValue;
use tokio::sync::watch;

use super::*;
use crate::deliver::client::BoxError;
use crate::deliver::queue::Settle;
use crate::deliver::scheduler::slots::Turn;
use crate::id::EventUid;
use crate::model::{Event, Identity, Webhook};
use crate::store::Options;

const WEBHOOK: WebhookId = WebhookId(1);

fn event(order: u64) -> Arc<Event> {
    Arc::new(Event {
        uid: EventUid::random(),
        at: Timestamp::default(),
        topic: "order.updated".parse().unwrap(),
        resource: "order".into(),
        id: None,
        key: serde_json::Map::new(),
        group: ("order".into(), Identity::Id(order.to_string())),
        body: RawValue::from_string("{}".into()).unwrap(),
        rule: "r".into(),
        webhooks: vec![WEBHOOK],
        source: String::new(),
    })
}

/// A scheduler with one webhook that was owed nothing yet, and a client that nobody may ask.
async fn scheduler(data: &std::path::Path) -> Scheduler {
    let clock = Clock::simulated(Timestamp::default());
    let (store, _) = Store::open(data, Options::default(), clock).unwrap();
    let client = Client::new(tower::service_fn(|_: http::Request<Full<bytes::Bytes>>| async {
        Err::<http::Response<crate::deliver::AnswerBody>, BoxError>("nobody is to be asked".into())
    }));
    let webhook = Arc::new(Webhook::new(WEBHOOK, "erp", "https://erp.example/"));
    let (_, webhooks) = watch::channel(Arc::new(vec![webhook]));
    let mut scheduler = Scheduler::new(client, store, webhooks, clock, Counters::default());
    scheduler.follow_webhooks().await;
    scheduler
}

#[tokio::test]
async fn a_webhook_whose_results_all_wait_for_the_disk_waits_too_and_it_is_counted() {
    let data = tempfile::tempdir().unwrap();
    let mut scheduler = scheduler(data.path()).await;
    let (now, mut went) = (scheduler.now(), HashSet::new());
    let slot = scheduler.slots.get_mut(&WEBHOOK).unwrap();
    let webhook = slot.deliverable().cloned().unwrap();
    let first = slot.queue.read_from().0;
    for n in 0..500 {
        slot.queue.feed(&[(Seq(first + n), event(n))], Seq(first + n + 1));
        match slot.turn(&webhook, now, &mut scheduler.hosts) {
            Turn::Go(ready) => {
                slot.queue.settle(ready.seq, Settle::Done);
                went.insert(ready.seq);
            }
            Turn::Bound(Bound::Busy) => break,
            other => panic!("{other:?} after {}", went.len()),
        }
    }
    assert_eq!(went.len(), 384);
    assert_eq!(slot.queue.oldest(), Some(Seq(first)), "none of it is on disk: all is owed");
    scheduler.give_turn(WEBHOOK);
    let slot = scheduler.slots.get_mut(&WEBHOOK).unwrap();
    slot.health.pinged(&webhook.url, true);
    scheduler.start_attempts();
    assert_eq!((scheduler.flights.len(), scheduler.counters.held_back(Bound::Busy)), (0, 1));
    // One comes to the disk, and one more may go.
    let slot = scheduler.slots.get_mut(&WEBHOOK).unwrap();
    let _ = slot.queue.take_writes();
    slot.queue.release(Seq(first));
    scheduler.give_turn(WEBHOOK);
    scheduler.start_attempts();
    assert_eq!(scheduler.flights.len(), 1);
    assert_eq!(scheduler.slots[&WEBHOOK].queue.oldest(), Some(Seq(first + 1)));
}

#[tokio::test]
async fn too_many_results_on_their_way_to_the_disk_stop_all_and_are_counted_once_each_time() {
    let data = tempfile::tempdir().unwrap();
    let mut scheduler = scheduler(data.path()).await;
    let slot = scheduler.slots.get_mut(&WEBHOOK).unwrap();
    slot.health.pinged("https://erp.example/", true);
    let first = slot.queue.read_from().0;
    let held_back = |scheduler: &Scheduler| scheduler.counters.held_back(Bound::Unsettled);
    scheduler.unsettled = UNSETTLED_MAX;
    scheduler.give_turn(WEBHOOK);
    scheduler.start_attempts();
    assert_eq!(held_back(&scheduler), 0, "nothing is kept back by it");
    for (time, seq) in [(1, first), (2, first + 1)] {
        let slot = scheduler.slots.get_mut(&WEBHOOK).unwrap();
        slot.queue.feed(&[(Seq(seq), event(seq))], Seq(seq + 1));
        scheduler.unsettled = UNSETTLED_MAX;
        scheduler.give_turn(WEBHOOK);
        let before = scheduler.flights.len();
        for _ in 0..3 {
            scheduler.start_attempts();
        }
        assert_eq!((scheduler.flights.len(), held_back(&scheduler)), (before, time));
        scheduler.unsettled = UNSETTLED_MAX - 1;
        scheduler.start_attempts();
        assert_eq!((scheduler.flights.len(), held_back(&scheduler)), (before + 1, time));
    }
}
