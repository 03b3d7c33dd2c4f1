//! What people are told, once per incident.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use shopbell::id::WebhookId;
use shopbell::mac;
use shopbell::model::{Alert, RetrySchedule, Secret, Status, Webhook};

use super::rig::{Call, Rig, webhook};

const HOUR: Duration = Duration::from_hours(1);

fn watched(gaps: &[u64]) -> Webhook {
    let alert = Alert { url: "https://ops.example/alert".into(), secret: Secret::new("ops".into()) };
    let retry = RetrySchedule(gaps.iter().copied().map(Duration::from_secs).collect());
    Webhook { alert: Some(Arc::new(alert)), retry, ..webhook(1) }
}

/// Looks at an alert, answers it, and gives its topic and text.
fn read(call: Call, status: u16) -> (String, String) {
    assert_eq!(call.uri, "https://ops.example/alert");
    assert_eq!(call.header("x-wc-webhook-signature"), mac::sign_base64(b"ops", &[&call.body]));
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    assert_eq!(body["event"], call.header("x-wc-webhook-topic"));
    assert_eq!((&body["webhook"]["name"], &body["webhook"]["id"]), (&"hook-1".into(), &1.into()));
    let told = (body["event"].as_str().unwrap().to_owned(), body["text"].as_str().unwrap().to_owned());
    call.answer(status);
    told
}

#[tokio::test(start_paused = true)]
async fn failing_disabled_and_recovered_are_told_once_each() {
    let data = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(data.path(), vec![watched(&[])]).await;
    for order in 0..5 {
        rig.event(&order.to_string(), &[1]).await;
        rig.call().await.answer(500);
        rig.outcomes(order + 1).await;
        if order == 0 {
            let (topic, text) = read(rig.call().await, 200);
            assert_eq!(topic, "webhook.failing");
            assert!(
                text.starts_with("webhook hook-1 is failing: a delivery was given up; the last failure: "),
                "{text}"
            );
        }
    }
    let (topic, text) = read(rig.call().await, 200);
    assert_eq!(topic, "webhook.disabled");
    assert!(text.starts_with("webhook hook-1 is disabled: 5 deliveries failed in a row"), "{text}");
    rig.event("6", &[1]).await;
    rig.settle().await;
    assert!(rig.call_now().is_none());
    rig.deliverer.set_status(WebhookId(1), Status::Active, "test").await.unwrap();
    rig.call().await.answer(500);
    rig.outcomes(6).await;
    rig.settle().await;
    assert!(rig.call_now().is_none(), "the same incident");
    rig.event("7", &[1]).await;
    rig.call().await.answer(200);
    assert_eq!(read(rig.call().await, 200).0, "webhook.recovered");
    rig.event("8", &[1]).await;
    rig.call().await.answer(200);
    rig.outcomes(8).await;
    rig.settle().await;
    assert!(rig.call_now().is_none());
    let topics = ["webhook.failing", "webhook.disabled", "webhook.recovered"];
    assert_eq!(topics.map(|topic| rig.deliverer.counters().alerts(topic)), [1, 1, 1]);
    let notices = rig.notices().await;
    for says in ["is failing", "is disabled", "delivers again"] {
        assert_eq!(notices.iter().filter(|text| text.contains(says)).count(), 1, "{says}: {notices:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_hour_of_failures_is_told_also_over_a_restart_and_an_alert_is_posted_again() {
    let data = tempfile::tempdir().unwrap();
    let gaps = [5, 7_200, 7_200, 7_200];
    let mut rig = Rig::start(data.path(), vec![watched(&gaps)]).await;
    rig.event("7", &[1]).await;
    rig.call().await.answer(500);
    rig.logged(1).await;
    rig.call_within(Duration::from_secs(8)).await.answer(500);
    rig.logged(2).await;
    tokio::time::advance(HOUR / 2).await;
    rig.settle().await;
    assert!(rig.call_now().is_none());
    let clock = rig.clock;
    rig.order_stop();
    rig.stopped().await;

    let mut rig = Rig::start_at(data.path(), vec![watched(&gaps)], clock).await;
    let alert = rig.call_within(HOUR).await;
    let id = alert.header("webhook-id").to_owned();
    let (topic, text) = read(alert, 500);
    assert_eq!(topic, "webhook.failing");
    assert!(text.contains("nothing was delivered since 2026-11-03T16:07:00."), "{text}");
    // Its receiver fails too: it is posted again with the same id, a few times, and that is all.
    for gap in [5, 30, 120] {
        let again = rig.call_within(Duration::from_secs(gap).mul_f64(1.2)).await;
        assert_eq!(again.header("webhook-id"), id);
        read(again, 500);
    }
    rig.noticed("the alert webhook.failing could not be posted to the address of `[shop] alert`").await;
    rig.settle().await;
    assert!(rig.call_now().is_none());
    assert_eq!(rig.deliverer.counters().alerts("webhook.failing"), 1, "no alert about an alert");
}

#[tokio::test(start_paused = true)]
async fn an_alert_that_a_stop_leaves_unposted_is_noted() {
    let data = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(data.path(), vec![watched(&[])]).await;
    rig.event("7", &[1]).await;
    rig.call().await.answer(500);
    rig.outcomes(1).await;
    assert_eq!(read(rig.call().await, 500).0, "webhook.failing");
    rig.settle().await;
    rig.order_stop();
    rig.stopped().await;
    let rig = Rig::start(data.path(), vec![watched(&[])]).await;
    rig.noticed("1 alert could not be posted to the address of `[shop] alert` before the stop").await;
}
