//! Who gets a place when there are not enough.

use std::collections::HashMap;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame};
use shopbell::deliver::BoxError;
use shopbell::model::{DeliveryEnd, Ordering, Rate, Webhook};
use tokio::time::Interval;

use super::rig::{Call, Rig, pass, webhook};

/// A byte a second, for ever.
struct Drip(Interval);

impl Body for Drip {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.0.poll_tick(cx).map(|_| Some(Ok(Frame::data(Bytes::from_static(b"x")))))
    }
}

fn drip(call: Call) {
    let body = Drip(tokio::time::interval(Duration::from_secs(1)));
    call.answer_whole(http::Response::builder().status(200), body.boxed_unsync());
}

/// Answers everything but what goes to webhooks 1 (dead) and 2 (dripping), and counts it.
fn answer(call: Call, silent: &mut Vec<Call>) -> usize {
    match &call.uri {
        uri if uri.starts_with("https://1.") => silent.push(call),
        uri if uri.starts_with("https://2.") => drip(call),
        _ => {
            call.answer(200);
            return 1;
        }
    }
    0
}

#[tokio::test(start_paused = true)]
async fn of_twenty_webhooks_one_dead_and_one_dripping_cost_the_others_nothing() {
    let data = tempfile::tempdir().unwrap();
    let all: Vec<u64> = (1..=20).collect();
    let mut rig = Rig::start(data.path(), all.iter().copied().map(webhook).collect()).await;
    let mut silent = Vec::new();
    // Rounds over an hour: in each, what the others are owed leaves at once, whatever state the two sick ones are in.
    for round in 0..12 {
        for order in 0..10 {
            rig.event(&format!("{round}-{order}"), &all).await;
        }
        let mut answered = 0;
        let start = rig.clock.now();
        while answered < 18 * 10 {
            answered += answer(rig.call().await, &mut silent);
        }
        assert_eq!(rig.clock.now(), start, "no time has passed in round {round}");
        for _ in 0..60 {
            tokio::time::advance(Duration::from_secs(5)).await;
            rig.settle().await;
            while let Some(call) = rig.call_now() {
                answer(call, &mut silent);
            }
        }
    }
    let delivered = || rig.deliverer.counters().deliveries(DeliveryEnd::Delivered);
    while delivered() < 18 * 120 {
        pass(Duration::from_millis(1)).await;
    }
    assert_eq!(delivered(), 18 * 120, "and nothing of the sick ones");
    for sick in ["hook-1", "hook-2"] {
        let tried = rig.attempts_of(sick).await.len();
        assert!((9..=40).contains(&tried), "{sick} was tried {tried} times in an hour");
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_has_sixteen_places_shared_in_turn() {
    let data = tempfile::tempdir().unwrap();
    let at_one_host = |id: u64| Webhook { url: format!("https://shared.example/{id}"), concurrency: 16, ..webhook(id) };
    let mut webhooks: Vec<Webhook> = (1..=4).map(at_one_host).collect();
    webhooks.push(webhook(5));
    let mut rig = Rig::start(data.path(), webhooks).await;
    for order in 0..20 {
        rig.event(&order.to_string(), &[1, 2, 3, 4, 5]).await;
    }
    let mut calls = Vec::new();
    let mut elsewhere = 0;
    while calls.len() < 16 || elsewhere < 20 {
        let call = rig.call().await;
        if call.uri.starts_with("https://5.") {
            call.answer(200);
            elsewhere += 1;
        } else {
            calls.push(call);
        }
    }
    rig.settle().await;
    assert!(rig.call_now().is_none(), "sixteen at one host");
    let mut by: HashMap<String, usize> = HashMap::new();
    for call in &calls {
        *by.entry(call.uri.clone()).or_default() += 1;
    }
    for call in calls {
        call.answer(200);
    }
    for _ in 16..80 {
        let call = rig.call().await;
        *by.entry(call.uri.clone()).or_default() += 1;
        call.answer(200);
    }
    assert_eq!(by.into_values().collect::<Vec<_>>(), [20; 4]);
    assert_eq!(rig.outcomes(100).await.len(), 100);
}

#[tokio::test(start_paused = true)]
async fn all_together_have_256_places() {
    let data = tempfile::tempdir().unwrap();
    let ids: Vec<u64> = (1..=20).collect();
    let table = |id: &u64| Webhook { concurrency: 16, ..webhook(*id) };
    let mut rig = Rig::start(data.path(), ids.iter().map(table).collect()).await;
    for order in 0..16 {
        rig.event(&order.to_string(), &ids).await;
    }
    let mut calls = Vec::new();
    for _ in 0..256 {
        calls.push(rig.call().await);
    }
    rig.settle().await;
    assert!(rig.call_now().is_none());
    assert_eq!(rig.deliverer.counters().in_flight(), 256);
    for call in calls {
        call.answer(200);
    }
    for _ in 256..320 {
        rig.call().await.answer(200);
    }
    assert_eq!(rig.outcomes(320).await.len(), 320);
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_kept() {
    let data = tempfile::tempdir().unwrap();
    let rate = Some(Rate { count: 3, per: Duration::from_secs(1) });
    let mut rig = Rig::start(data.path(), vec![Webhook { rate, ..webhook(1) }]).await;
    for order in 0..9 {
        rig.event(&order.to_string(), &[1]).await;
    }
    let start = rig.clock.now();
    let mut at = Vec::new();
    for _ in 0..9 {
        let call = rig.call_within(Duration::from_millis(800)).await;
        at.push(rig.clock.now().since(start).as_millis());
        call.answer(200);
    }
    assert!(at[2] < 100, "{at:?}");
    assert!((2_000..=2_400).contains(&at[8]), "{at:?}");
    assert!(at.windows(4).all(|four| four[3] - four[0] >= 330), "{at:?}");
}

#[tokio::test(start_paused = true)]
async fn ordering_is_of_all_or_of_none() {
    for ordering in [Ordering::Webhook, Ordering::None] {
        let data = tempfile::tempdir().unwrap();
        let mut rig = Rig::start(data.path(), vec![Webhook { ordering, ..webhook(1) }]).await;
        for order in ["7", "7", "8"] {
            rig.event(order, &[1]).await;
        }
        let first = rig.call().await;
        rig.settle().await;
        let others: Vec<Call> = std::iter::from_fn(|| rig.call_now()).collect();
        assert_eq!(others.len(), if ordering == Ordering::None { 2 } else { 0 }, "{ordering:?}");
        first.answer(500);
        rig.logged(1).await;
        for call in others {
            call.answer(200);
        }
        rig.settle().await;
        assert!(rig.call_now().is_none());
        let state = rig.store.webhook_state(shopbell::id::WebhookId(1)).await.unwrap();
        assert_eq!((state.waiting.len(), state.deferred.len()), (1, 0), "{ordering:?}: the cursor stands, or need not");
        // From one to the other with a backlog: what is out comes home first, then the new order holds.
        let swapped = if ordering == Ordering::None { Ordering::Webhook } else { Ordering::None };
        rig.swap(vec![Webhook { ordering: swapped, ..webhook(1) }]);
        rig.settle().await;
        rig.event("9", &[1]).await;
        let expected = if swapped == Ordering::None { 3 } else { 0 };
        rig.settle().await;
        let more: Vec<Call> = std::iter::from_fn(|| rig.call_now()).collect();
        assert_eq!(more.len(), expected, "{swapped:?}");
        for call in more {
            call.answer(200);
        }
        rig.call_within(Duration::from_secs(8)).await.answer(200);
        if swapped == Ordering::Webhook {
            rig.call().await.answer(200);
        }
        assert_eq!(rig.outcomes(4).await.len(), 4);
    }
}
