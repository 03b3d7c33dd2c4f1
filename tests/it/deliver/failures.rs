//! Retries, and webhooks that are disabled.

use std::time::Duration;

use shopbell::id::WebhookId;
use shopbell::model::{DeliveryEnd, FailureClass, OverlayReason, RetrySchedule, Status, Trigger, Verdict, Webhook};
use shopbell::store::Erase;

use super::rig::{Rig, pass, webhook};

#[tokio::test(start_paused = true)]
async fn the_whole_schedule_is_kept_with_one_delivery_id() {
    let data = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(data.path(), vec![webhook(1)]).await;
    rig.event("7", &[1]).await;
    let schedule = RetrySchedule::default().0;
    let call = rig.call().await;
    let id = call.header("x-wc-webhook-delivery-id").to_owned();
    let mut last = rig.clock.now();
    call.answer(500);
    for (index, gap) in schedule.iter().enumerate() {
        rig.logged(2 * index + 1).await;
        // Another order is delivered between any two: the receiver is up, the breaker stays closed.
        rig.event("8", &[1]).await;
        rig.call().await.answer(200);
        rig.logged(2 * index + 2).await;
        let call = rig.call_within(gap.mul_f64(1.3)).await;
        let (now, at) = (rig.clock.now(), call.header("webhook-timestamp").to_owned());
        let waited = now.since(last);
        assert!(waited >= *gap && waited <= gap.mul_f64(1.3), "{index}: {waited:?} for {gap:?}");
        assert_eq!(call.header("x-wc-webhook-delivery-id"), id);
        assert!(at.parse::<i64>().unwrap() <= now.as_secs() && at.parse::<i64>().unwrap() > last.as_secs());
        last = now;
        call.answer(500);
    }
    let outcome = rig.outcomes(12).await.remove(11);
    assert_eq!((outcome.end, outcome.attempts, outcome.failure_count), (DeliveryEnd::Exhausted, 12, 1));
    let mut attempts = rig.attempts().await;
    attempts.retain(|attempt| attempt.about == "order 7");
    let numbers: Vec<u32> = attempts.iter().map(|attempt| attempt.number).collect();
    assert_eq!(numbers, (1..=12).collect::<Vec<u32>>());
    assert_eq!((attempts[0].trigger, attempts[1].trigger), (Trigger::First, Trigger::Retry));
    assert!(attempts[0].decision.starts_with("retry in "), "{}", attempts[0].decision);
    assert_eq!(attempts[11].decision, "given up after 12 attempts");
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_obeyed_and_never_shortens_the_gap() {
    let data = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(data.path(), vec![webhook(1)]).await;
    rig.event("7", &[1]).await;
    let mut made = 0;
    for (value, at_least) in [("90", 90), ("1", 120)] {
        let call = rig.call_within(Duration::from_secs(160)).await;
        let start = rig.clock.now();
        call.answer_with(429, &[("retry-after", value)]);
        made += 1;
        rig.logged(made).await;
        let again = rig.call_within(Duration::from_secs(160)).await;
        assert!(rig.clock.now().since(start) >= Duration::from_secs(at_least), "{value}");
        again.answer_with(429, &[("retry-after", "0")]);
        made += 1;
        rig.logged(made).await;
    }
}

#[tokio::test(start_paused = true)]
async fn five_failed_deliveries_disable_and_activation_resumes_in_order() {
    let data = tempfile::tempdir().unwrap();
    let table = Webhook { retry: RetrySchedule(Vec::new()), concurrency: 1, ..webhook(1) };
    let mut rig = Rig::start(data.path(), vec![table]).await;
    // A success in between starts the count again.
    for (order, status) in [(0, 500), (1, 303), (2, 200), (3, 404), (4, 500), (5, 307), (6, 308), (7, 400)] {
        rig.event(&order.to_string(), &[1]).await;
        rig.call().await.answer(status);
        rig.outcomes(order + 1).await;
    }
    let health = rig.health(|health| health.overlay.is_some()).await;
    let overlay = health.overlay.as_ref().expect("disabled");
    assert_eq!((overlay.status, overlay.reason, health.failure_count), (Status::Disabled, OverlayReason::Failures, 5));
    let notices = rig.notices().await;
    assert!(
        notices.iter().any(|text| text.contains("hook-1 is disabled: 5 deliveries failed in a row")),
        "{notices:?}"
    );
    for order in ["a", "b", "a"] {
        rig.event(order, &[1]).await;
    }
    rig.settle().await;
    assert!(rig.call_now().is_none(), "held");
    let health = rig.deliverer.set_status(WebhookId(1), Status::Active, "test").await.unwrap();
    assert_eq!((health.failure_count, health.overlay), (0, None));
    // The first failure after it disables nothing.
    for (order, status) in [("a", 500), ("b", 200), ("a", 200)] {
        let call = rig.call().await;
        assert_eq!(call.body, format!(r#"{{"id":"{order}"}}"#));
        call.answer(status);
    }
    rig.outcomes(11).await;
    rig.health(|health| health.failure_count == 0 && health.overlay.is_none()).await;
}

#[tokio::test(start_paused = true)]
async fn gone_disables_at_once() {
    let data = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(data.path(), vec![webhook(1)]).await;
    rig.event("7", &[1]).await;
    rig.event("8", &[1]).await;
    let (gone, open) = (rig.call().await, rig.call().await);
    gone.answer(410);
    let outcome = rig.outcomes(1).await.remove(0);
    assert_eq!((outcome.end, outcome.attempts), (DeliveryEnd::Gone, 1));
    let health = rig.health(|health| health.overlay.is_some()).await;
    assert_eq!(health.overlay.map(|overlay| overlay.reason), Some(OverlayReason::Gone));
    // What was still out does not make it well, and of a disabled webhook no probe goes out.
    open.answer(200);
    rig.outcomes(2).await;
    rig.event("9", &[1]).await;
    rig.deliverer.set_status(WebhookId(1), Status::Active, "a test").await.unwrap();
    rig.call().await.answer(410);
    rig.outcomes(3).await;
    let told = rig.notices().await;
    assert!(!told.iter().any(|text| text.contains(" again") || text.contains("probes")), "{told:#?}");
    assert_eq!(told.iter().filter(|text| text.contains("is disabled")).count(), 2, "{told:#?}");
}

#[tokio::test(start_paused = true)]
async fn redirects_are_success_and_never_followed() {
    let data = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(data.path(), vec![webhook(1)]).await;
    for status in [200, 204, 299, 301, 302] {
        rig.event("7", &[1]).await;
        rig.call().await.answer_with(status, &[("location", "https://elsewhere.example/")]);
    }
    let outcomes = rig.outcomes(5).await;
    assert!(outcomes.iter().all(|outcome| outcome.end == DeliveryEnd::Delivered));
    assert_eq!(rig.attempts().await[4].decision, "delivered; the redirect was not followed");
}

#[tokio::test(start_paused = true)]
async fn a_silent_receiver_costs_one_attempt_of_the_set_length() {
    let data = tempfile::tempdir().unwrap();
    let table = Webhook { timeout: Duration::from_secs(12), ..webhook(1) };
    let mut rig = Rig::start(data.path(), vec![table]).await;
    rig.event("7", &[1]).await;
    let silent = rig.call().await;
    tokio::time::advance(Duration::from_secs(11)).await;
    rig.settle().await;
    assert_eq!(rig.attempts().await.len(), 0);
    tokio::time::advance(Duration::from_secs(1)).await;
    rig.logged(1).await;
    let attempt = rig.attempts().await.remove(0);
    let Verdict::Failed { class, text } = attempt.verdict else { panic!("it failed") };
    assert_eq!((class, text.as_str()), (FailureClass::Timeout, "no answer within 12 s"));
    drop(silent);
}

/// Its receiver may have had an attempt: whoever looks for the delivery learns what became of it, also after a restart.
#[tokio::test(start_paused = true)]
async fn a_delivery_whose_event_is_erased_ends_and_says_so() {
    for restarted in [false, true] {
        let data = tempfile::tempdir().unwrap();
        let mut rig = Rig::start(data.path(), vec![webhook(1)]).await;
        let mut ids = Vec::new();
        for order in ["7", "8"] {
            rig.event(order, &[1]).await;
            let call = rig.call().await;
            ids.push(call.header("x-wc-webhook-delivery-id").to_owned());
            call.answer(500);
        }
        // It waits behind the first and is never out.
        rig.event("7", &[1]).await;
        rig.logged(2).await;
        let erase = Erase { resource: "order".into(), name: "7".into() };
        assert_eq!(rig.store.erase(erase, false).await.unwrap().events, 2);
        if restarted {
            let clock = rig.clock;
            rig.order_stop();
            rig.stopped().await;
            rig = Rig::start_at(data.path(), vec![webhook(1)], clock).await;
        }
        let call = rig.call_within(Duration::from_mins(1)).await;
        assert_eq!(call.header("x-wc-webhook-delivery-id"), ids[1]);
        call.answer(200);
        pass(Duration::from_mins(1)).await;
        let outcomes = rig.outcomes(2).await;
        let erased = outcomes.iter().find(|outcome| outcome.delivery == ids[0]).expect("an end");
        assert_eq!((erased.end, erased.attempts, erased.about.as_str()), (DeliveryEnd::Erased, 1, ""));
        rig.noticed("event 3 was erased before it was delivered").await;
        pass(Duration::from_mins(1)).await;
        rig.settle().await;
        assert!(rig.call_now().is_none());
        assert_eq!(rig.outcomes(2).await.len(), 2);
    }
}

/// What was read ahead, and waits for a place, is read again after an erase.
#[tokio::test(start_paused = true)]
async fn an_erased_event_is_not_sent_from_memory() {
    let data = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(data.path(), vec![Webhook { concurrency: 1, ..webhook(1) }]).await;
    for order in ["6", "7", "8"] {
        rig.event(order, &[1]).await;
    }
    let first = rig.call().await;
    rig.settle().await;
    rig.store.erase(Erase { resource: "order".into(), name: "7".into() }, false).await.unwrap();
    first.answer(200);
    let next = rig.call().await;
    assert_eq!(next.body.as_ref(), br#"{"id":"8"}"#);
    next.answer(200);
    rig.noticed("event 2 was erased before it was delivered").await;
}

#[tokio::test(start_paused = true)]
async fn only_who_was_disabled_is_tried_at_once_when_enabled() {
    let data = tempfile::tempdir().unwrap();
    let retry = RetrySchedule(vec![Duration::from_hours(1)]);
    let mut rig = Rig::start(data.path(), vec![Webhook { retry, ..webhook(1) }]).await;
    rig.event("7", &[1]).await;
    rig.call().await.answer(500);
    rig.logged(1).await;
    for status in [Status::Active, Status::Paused, Status::Active] {
        rig.deliverer.set_status(WebhookId(1), status, "a test").await.unwrap();
        rig.settle().await;
        assert!(rig.call_now().is_none(), "it keeps its time");
    }
    for status in [Status::Disabled, Status::Active] {
        rig.deliverer.set_status(WebhookId(1), status, "a test").await.unwrap();
    }
    rig.call().await.answer(200);
}
