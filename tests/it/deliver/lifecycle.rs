//! Pausing, stopping, crashing, pinging.

use std::sync::Arc;
use std::time::Duration;

use shopbell::id::WebhookId;
use shopbell::model::{FailureClass, Status, Verdict, Webhook};
use shopbell::store::LogQuery;

use super::rig::{Rig, webhook};

#[tokio::test(start_paused = true)]
async fn a_paused_webhook_keeps_what_is_owed() {
    let data = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(data.path(), vec![webhook(1)]).await;
    let health = rig.deliverer.set_status(WebhookId(1), Status::Paused, "test").await.unwrap();
    assert_eq!(
        health.overlay.map(|overlay| (overlay.status, overlay.detail)),
        Some((Status::Paused, "by test".into()))
    );
    rig.event("7", &[1]).await; // named although paused: it holds
    for _ in 0..5 {
        rig.event("8", &[]).await;
    }
    rig.settle().await;
    assert!(rig.call_now().is_none());
    rig.deliverer.set_status(WebhookId(1), Status::Active, "test").await.unwrap();
    rig.call().await.answer(200);
    rig.outcomes(1).await;
    // What is of no interest moves the cursor too, a little later.
    for _ in 0..5 {
        rig.event("8", &[]).await;
    }
    rig.settle().await;
    tokio::time::advance(Duration::from_secs(10)).await;
    let head = *rig.store.head().borrow();
    while rig.store.webhook_state(WebhookId(1)).await.unwrap().cursor < head {
        tokio::task::yield_now().await;
    }
    let notices = rig.notices().await;
    assert_eq!(notices, ["webhook hook-1: set to paused by test", "webhook hook-1: set to active by test"]);
    let unknown = rig.deliverer.set_status(WebhookId(9), Status::Active, "test").await.unwrap_err();
    assert!(unknown.starts_with("no webhook 9 is in the rules in force"), "{unknown}");
}

#[tokio::test(start_paused = true)]
async fn the_file_decides_again_when_it_changes() {
    let data = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(data.path(), vec![Webhook { status: Status::Paused, ..webhook(1) }]).await;
    rig.event("1", &[1]).await;
    rig.settle().await;
    assert!(rig.call_now().is_none(), "paused by its file");
    rig.deliverer.set_status(WebhookId(1), Status::Active, "test").await.unwrap();
    rig.call().await.answer(200);
    rig.outcomes(1).await;
    rig.swap(vec![Webhook { status: Status::Disabled, ..webhook(1) }]);
    rig.settle().await;
    rig.event("2", &[1]).await;
    rig.settle().await;
    assert!(rig.call_now().is_none(), "disabled by its file");
    rig.swap(vec![webhook(1)]);
    rig.call().await.answer(200);
    rig.outcomes(2).await;
}

#[tokio::test(start_paused = true)]
async fn a_webhook_without_its_secret_is_held() {
    let data = tempfile::tempdir().unwrap();
    let held = Webhook { held: Some("the variable ERP_SECRET is not set".into()), ..webhook(1) };
    let mut rig = Rig::start(data.path(), vec![held]).await;
    rig.event("1", &[1]).await;
    rig.settle().await;
    assert!(rig.call_now().is_none() && rig.pings.lock().unwrap().is_empty());
    rig.swap(vec![webhook(1)]);
    rig.call().await.answer(200);
    rig.outcomes(1).await;
}

#[tokio::test(start_paused = true)]
async fn what_comes_back_of_a_pings_own_headers_is_not_kept() {
    let data = tempfile::tempdir().unwrap();
    let headers = vec![("Authorization".to_owned(), "Bearer a-token-of-the-gateway".to_owned())];
    let rig = Rig::start(data.path(), vec![Webhook { headers, ..webhook(1) }]).await;
    assert_eq!(rig.deliverer.ping(WebhookId(1)).await, Ok(200));
    let lines = rig.store.search(LogQuery { kinds: vec!["attempt".to_owned()], ..LogQuery::default() }).await.unwrap();
    let json = serde_json::to_string(&lines).unwrap();
    assert!(json.contains("[redacted]") && !json.contains("a-token"), "{json}");
}

#[tokio::test(start_paused = true)]
async fn pings_go_out_once_for_each_url_of_an_active_webhook() {
    let data = tempfile::tempdir().unwrap();
    let rig = Rig::start(data.path(), vec![webhook(1), Webhook { status: Status::Paused, ..webhook(2) }]).await;
    let pinged = |count: usize| {
        let pings = Arc::clone(&rig.pings);
        async move {
            while pings.lock().unwrap().len() < count {
                tokio::task::yield_now().await;
            }
        }
    };
    pinged(1).await;
    assert!(!rig.health(|health| health.pinged_url.is_some()).await.pending_delivery);
    rig.swap(vec![webhook(1), webhook(2)]);
    pinged(2).await;
    rig.swap(vec![Webhook { url: "https://moved.example/".into(), ..webhook(1) }, webhook(2)]);
    pinged(3).await;
    assert_eq!(rig.deliverer.ping(WebhookId(2)).await, Ok(200));
    rig.settle().await;
    let expected = ["https://1.example/in", "https://2.example/in", "https://moved.example/", "https://2.example/in"];
    assert_eq!(*rig.pings.lock().unwrap(), expected);
    rig.order_stop();
    rig.stopped().await;
    let rig = Rig::start(data.path(), vec![Webhook { url: "https://moved.example/".into(), ..webhook(1) }]).await;
    rig.settle().await;
    assert!(rig.pings.lock().unwrap().is_empty(), "not again after a start");
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_attempts_and_what_it_drops_goes_out_again() {
    let data = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(data.path(), vec![Webhook { timeout: Duration::from_mins(1), ..webhook(1) }]).await;
    rig.event("7", &[1]).await;
    rig.event("8", &[1]).await;
    rig.event("8", &[1]).await;
    let (seven, eight) = (rig.call().await, rig.call().await);
    let id = seven.header("x-wc-webhook-delivery-id").to_owned();
    rig.order_stop();
    eight.answer(200);
    assert_eq!(rig.outcomes(1).await[0].about, "order 8", "what comes home is written");
    assert!(rig.call_now().is_none(), "nothing new is begun");
    tokio::time::advance(Duration::from_secs(25)).await;
    rig.stopped().await;
    drop(seven);

    let mut rig = Rig::start(data.path(), vec![webhook(1)]).await;
    let (seven, eight) = (rig.call().await, rig.call().await);
    assert_eq!((seven.header("x-wc-webhook-delivery-id"), &seven.body[..]), (id.as_str(), &br#"{"id":"7"}"#[..]));
    seven.answer(200);
    eight.answer(200);
    rig.outcomes(3).await;
    let mut attempts = rig.attempts().await;
    attempts.retain(|attempt| attempt.about == "order 7");
    assert_eq!(attempts.last().map(|attempt| attempt.number), Some(1), "a dropped attempt counts as none");
    let query = LogQuery { limit: 100, kinds: vec!["attempt".into()], ..Default::default() };
    let lines = serde_json::to_string(&rig.store.search(query).await.unwrap()).unwrap();
    let shutdown =
        serde_json::to_string(&Verdict::Failed { class: FailureClass::Shutdown, text: String::new() }).unwrap();
    assert!(shutdown.contains("shutdown") && lines.contains("\"shutdown\""), "{lines}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_with_256_attempts_in_flight_keeps_what_comes_home_and_sends_the_rest_again() {
    let data = tempfile::tempdir().unwrap();
    let ids: Vec<u64> = (1..=32).collect();
    let table = |id: &u64| Webhook { timeout: Duration::from_mins(1), ..webhook(*id) };
    let webhooks: Vec<Webhook> = ids.iter().map(table).collect();
    let mut rig = Rig::start(data.path(), webhooks.clone()).await;
    for order in 0..10 {
        rig.event(&order.to_string(), &ids).await;
    }
    let mut calls = Vec::new();
    for _ in 0..256 {
        calls.push(rig.call().await);
    }
    rig.settle().await;
    assert!(rig.call_now().is_none());
    rig.order_stop();
    let mut open = calls.split_off(128);
    for call in calls {
        call.answer(200);
    }
    rig.outcomes(128).await;
    assert!(rig.call_now().is_none(), "nothing new is begun");
    tokio::time::advance(Duration::from_secs(25)).await;
    rig.stopped().await;
    let name = |call: &super::rig::Call| call.header("x-wc-webhook-delivery-id").to_owned();
    let mut dropped: Vec<String> = open.drain(..).map(|call| name(&call)).collect();

    let mut rig = Rig::start(data.path(), webhooks).await;
    let mut again = Vec::new();
    for _ in 0..320 - 128 {
        let call = rig.call().await;
        again.push(name(&call));
        call.answer(200);
    }
    rig.outcomes(320).await;
    assert!(rig.call_now().is_none(), "what came home is not sent again");
    dropped.retain(|id| !again.contains(id));
    assert!(dropped.is_empty(), "with the same ids");
    assert!(ids.iter().all(|id| rig.store.health(WebhookId(*id)).failed_attempts == 0), "a stop is nobody's failure");
}

/// What a kill leaves: the runtime is dropped with everything on it, and nobody says goodbye.
#[test]
fn after_a_crash_deliveries_go_on_with_the_same_ids() {
    let data = tempfile::tempdir().unwrap();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let id = |call: &super::rig::Call| call.header("x-wc-webhook-delivery-id").to_owned();
    let mut before = runtime().block_on(async {
        let mut rig = Rig::start(data.path(), vec![webhook(1)]).await;
        for order in ["1", "2", "3", "3"] {
            rig.event(order, &[1]).await;
        }
        let (one, two, three) = (rig.call().await, rig.call().await, rig.call().await);
        let ids = vec![id(&one), id(&two), id(&three)];
        two.answer(200);
        three.answer(500);
        rig.outcomes(1).await;
        rig.logged(2).await;
        ids
    });
    runtime().block_on(async {
        let mut rig = Rig::start(data.path(), vec![webhook(1)]).await;
        let one = rig.call().await;
        assert_eq!(
            (id(&one), &one.body[..]),
            (before[0].clone(), &br#"{"id":"1"}"#[..]),
            "in flight at the crash: again"
        );
        one.answer(200);
        let three = rig.call_within(Duration::from_secs(10)).await;
        assert_eq!(id(&three), before.swap_remove(2), "tried once: its second attempt");
        three.answer(200);
        let last = rig.call().await;
        assert_eq!(&last.body[..], br#"{"id":"3"}"#);
        last.answer(200);
        let outcomes = rig.outcomes(4).await;
        assert_eq!(outcomes.iter().map(|end| end.attempts).collect::<Vec<_>>(), [1, 1, 2, 1]);
        assert!(rig.call_now().is_none(), "delivered before the crash: not again");
    });
}
