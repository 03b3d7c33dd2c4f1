//! A receiver that is down: one probe at a time, and everything else waits at the cursor.

use std::time::Duration;

use shopbell::id::WebhookId;
use shopbell::model::{Breaker, DeliveryEnd, OverlayReason, RetrySchedule, Status, Trigger, Webhook};

use super::rig::{Rig, webhook};

const MINUTE: Duration = Duration::from_mins(1);

fn is_open(health: &shopbell::model::Health) -> bool {
    matches!(health.breaker, Some(Breaker::Open { .. }))
}

/// Lets the first five attempts fail, one of each of five orders.
async fn break_it(rig: &mut Rig) {
    for order in ["1", "2", "3", "4", "5"] {
        rig.event(order, &[1]).await;
        rig.call().await.answer(500);
    }
    rig.health(is_open).await;
}

#[tokio::test(start_paused = true)]
async fn a_dead_receiver_gets_one_probe_at_a_time_and_loses_nothing() {
    let data = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(data.path(), vec![webhook(1)]).await;
    break_it(&mut rig).await;
    let cursor = rig.store.webhook_state(WebhookId(1)).await.unwrap().cursor;
    for order in 0..500 {
        rig.event(&format!("later-{order}"), &[1]).await;
    }
    let gaps = [5, 30, 120, 600, 1_800, 1_800, 1_800];
    let mut last = rig.clock.now();
    for (index, gap) in gaps.into_iter().enumerate() {
        let probe = rig.call_within(Duration::from_secs(gap).mul_f64(1.3)).await;
        let waited = rig.clock.now().since(last).as_secs_f64();
        let gap = Duration::from_secs(gap).as_secs_f64();
        assert!(waited >= gap - 1.0 && waited <= gap * 1.3, "{index}: {waited} s for {gap} s");
        rig.settle().await;
        assert!(rig.call_now().is_none(), "one at a time");
        last = rig.clock.now();
        probe.answer(500);
        rig.logged(6 + index).await;
    }
    let state = rig.store.webhook_state(WebhookId(1)).await.unwrap();
    assert_eq!((state.cursor, state.waiting.len(), state.deferred.len()), (cursor, 5, 0), "it costs an integer");
    assert!(state.waiting.iter().all(|(_, waiting)| waiting.attempts == 1), "probes use up no attempts");
    let attempts = rig.attempts().await;
    assert!(attempts[5..].iter().all(|attempt| attempt.trigger == Trigger::Probe && attempt.number <= 2));
    assert!(attempts[4].decision.ends_with("only probes go out until one succeeds"), "{}", attempts[4].decision);
    assert!(attempts[7].decision.starts_with("next probe in "), "{}", attempts[7].decision);

    // It is back: slowly at first, and then everything, each once.
    rig.call_within(Duration::from_secs(2_300)).await.answer(200);
    rig.outcomes(1).await;
    let mut widths = Vec::new();
    for width in [1, 2, 4, 8] {
        let mut calls = Vec::new();
        for _ in 0..width {
            calls.push(rig.call().await);
        }
        rig.settle().await;
        assert!(rig.call_now().is_none(), "slow start: {width}");
        widths.push(calls.len());
        // One success widens it; the others come with the next round.
        for call in calls {
            call.answer(200);
        }
        if width == 1 {
            rig.outcomes(2).await;
        } else {
            break;
        }
    }
    assert_eq!(widths, [1, 2]);
    // Two of slow start are answered; one had been before, and the first probe.
    for _ in 4..505 {
        rig.call().await.answer(200);
    }
    assert!(rig.store.health(WebhookId(1)).breaker.is_none());
    assert!(rig.outcomes(505).await.iter().all(|end| end.end == DeliveryEnd::Delivered));
    rig.noticed("its receiver answers again").await;
}

#[tokio::test(start_paused = true)]
async fn slow_start_falls_back_to_probes_on_a_failure() {
    let data = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(data.path(), vec![webhook(1)]).await;
    break_it(&mut rig).await;
    rig.call_within(8 * Duration::from_secs(1)).await.answer(200);
    rig.outcomes(1).await;
    rig.event("6", &[1]).await;
    let call = rig.call_within(8 * Duration::from_secs(1)).await;
    call.answer(500);
    rig.health(is_open).await;
    assert_eq!(rig.store.health(WebhookId(1)).failed_attempts, 1, "one was enough");
}

#[tokio::test(start_paused = true)]
async fn a_delivery_the_receiver_cannot_digest_opens_it_for_nobody() {
    let data = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(data.path(), vec![webhook(1)]).await;
    rig.event("poison", &[1]).await;
    for made in 1..=6 {
        rig.call_within(100 * MINUTE).await.answer(400);
        rig.logged(made).await;
    }
    let start = rig.clock.now();
    rig.event("fine", &[1]).await;
    let call = rig.call().await;
    assert!(call.body.ends_with(b"\"fine\"}"));
    call.answer(200);
    rig.outcomes(1).await;
    assert!(rig.clock.now().since(start) < MINUTE, "it waits for nobody");
    assert!(!is_open(&rig.store.health(WebhookId(1))));
}

#[tokio::test(start_paused = true)]
async fn several_of_them_do_but_what_was_never_out_is_probed_first() {
    let data = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(data.path(), vec![webhook(1)]).await;
    let mut made = 0;
    for order in ["poison", "venom"] {
        rig.event(order, &[1]).await;
    }
    while !is_open(&rig.store.health(WebhookId(1))) {
        rig.call_within(15 * MINUTE).await.answer(400);
        made += 1;
        rig.logged(made).await;
    }
    assert_eq!(made, 5);
    rig.settle().await;
    while let Some(out_before) = rig.call_now() {
        out_before.answer(400);
        rig.settle().await;
    }
    for order in ["bane", "fine"] {
        rig.event(order, &[1]).await;
    }
    for order in ["bane", "fine"] {
        let probe = rig.call_within(45 * MINUTE).await;
        assert!(probe.body.ends_with(format!("\"{order}\"}}").as_bytes()), "{:?}", probe.body);
        probe.answer(if order == "fine" { 200 } else { 400 });
        rig.settle().await;
    }
    assert_eq!(rig.outcomes(1).await[0].about, "order fine");
}

#[tokio::test(start_paused = true)]
async fn open_for_the_whole_schedule_it_is_unreachable_and_everything_is_held() {
    let data = tempfile::tempdir().unwrap();
    let retry = RetrySchedule([5, 30, 120].map(Duration::from_secs).to_vec());
    let table = Webhook { retry, ..webhook(1) };
    let mut rig = Rig::start(data.path(), vec![table.clone()]).await;
    break_it(&mut rig).await;
    let mut probes = 0;
    let mut decision = String::new();
    while !decision.ends_with("the webhook is disabled") {
        rig.call_within(3 * MINUTE).await.answer(500);
        probes += 1;
        rig.logged(5 + probes).await;
        decision = rig.attempts().await.pop().unwrap().decision;
    }
    assert!(
        (3..=4).contains(&probes),
        "at 5 s, 30 s and 120 s later 150 s have passed since the first, or more: {probes}"
    );
    let overlay = rig.health(|health| health.overlay.is_some()).await.overlay.unwrap();
    assert_eq!((overlay.status, overlay.reason), (Status::Disabled, OverlayReason::Unreachable));
    rig.noticed("hook-1 is disabled: its receiver was out of reach for the whole retry schedule").await;
    assert_eq!(rig.outcomes(0).await.len(), 0, "nothing was given up, the head is held with the rest");
    rig.event("6", &[1]).await;
    rig.settle().await;
    tokio::time::advance(10 * MINUTE).await;
    rig.settle().await;
    assert!(rig.call_now().is_none());
    // Somebody enables it, over a restart: slow start, in order.
    rig.order_stop();
    rig.stopped().await;
    let mut rig = Rig::start(data.path(), vec![table]).await;
    rig.settle().await;
    assert!(rig.call_now().is_none(), "a restart forgets nothing");
    rig.deliverer.set_status(WebhookId(1), Status::Active, "test").await.unwrap();
    let first = rig.call().await;
    rig.settle().await;
    assert!(rig.call_now().is_none(), "one at first");
    first.answer(200);
    for _ in 0..5 {
        rig.call().await.answer(200);
    }
    rig.outcomes(6).await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_does_not_forget_the_breaker_and_a_new_url_closes_it() {
    let data = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(data.path(), vec![webhook(1)]).await;
    break_it(&mut rig).await;
    rig.call_within(8 * Duration::from_secs(1)).await.answer(500);
    rig.logged(6).await;
    let before = rig.health(|health| matches!(health.breaker, Some(Breaker::Open { probes: 1, .. }))).await;
    rig.order_stop();
    rig.stopped().await;

    let mut rig = Rig::start(data.path(), vec![webhook(1)]).await;
    rig.settle().await;
    assert_eq!(rig.store.health(WebhookId(1)).breaker, before.breaker);
    assert!(rig.call_now().is_none());
    let probe = rig.call_within(MINUTE).await;
    rig.settle().await;
    assert!(rig.call_now().is_none(), "one at a time");
    // The address changes while the probe is out: what comes of it says nothing about the new one.
    rig.swap(vec![Webhook { url: "https://new.example/".into(), ..webhook(1) }]);
    rig.noticed("its file changed, so it is tried again").await;
    probe.answer(500);
    for _ in 0..5 {
        let call = rig.call_within(MINUTE).await;
        assert_eq!(call.uri, "https://new.example/");
        call.answer(200);
    }
    rig.outcomes(5).await;
    assert_eq!(rig.store.health(WebhookId(1)).breaker, None);
}

#[tokio::test(start_paused = true)]
async fn without_a_schedule_there_is_no_breaker() {
    let data = tempfile::tempdir().unwrap();
    let table = Webhook { retry: RetrySchedule(Vec::new()), max_delivery_failures: 100, ..webhook(1) };
    let mut rig = Rig::start(data.path(), vec![table]).await;
    for order in 0..8 {
        rig.event(&order.to_string(), &[1]).await;
        rig.call().await.answer(500);
        rig.outcomes(order + 1).await;
    }
    assert_eq!(rig.store.health(WebhookId(1)).breaker, None);
    for order in ["8", "9"] {
        rig.event(order, &[1]).await;
    }
    let _one = rig.call().await;
    rig.settle().await;
    assert!(rig.call_now().is_none(), "but one at a time, so that it holds nobody's place");
}
