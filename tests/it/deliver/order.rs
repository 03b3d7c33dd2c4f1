//! Who goes out when.

use std::collections::BTreeSet;
use std::time::Duration;

use shopbell::id::{Seq, WebhookId};
use shopbell::model::Webhook;
use shopbell::store::Counters;

use super::rig::{Rig, pass, webhook};

fn body(order: &str) -> String {
    format!(r#"{{"id":"{order}"}}"#)
}

#[tokio::test(start_paused = true)]
async fn one_of_a_group_at_a_time_and_groups_beside_each_other() {
    let data = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(data.path(), vec![webhook(1)]).await;
    let first = rig.event("7", &[1]).await;
    for order in ["7", "8", "7"] {
        rig.event(order, &[1]).await;
    }
    let (seven, eight) = (rig.call().await, rig.call().await);
    assert_eq!((&seven.body[..], &eight.body[..]), (body("7").as_bytes(), body("8").as_bytes()));
    let mut ids = vec![seven.header("x-wc-webhook-delivery-id").to_owned()];
    eight.answer(200);
    let eight = rig.outcomes(1).await.remove(0);
    assert_eq!((eight.event, eight.attempts, eight.about.as_str()), (Seq(first.0 + 2), 1, "order 8"));
    rig.settle().await;
    assert!(rig.call_now().is_none(), "the others of order 7 wait for the first");
    seven.answer(200);
    for _ in 0..2 {
        let next = rig.call().await;
        ids.push(next.header("x-wc-webhook-delivery-id").to_owned());
        assert_eq!(next.body, body("7"));
        rig.settle().await;
        assert!(rig.call_now().is_none());
        next.answer(200);
    }
    let outcomes = rig.outcomes(4).await;
    let of_seven: Vec<String> =
        outcomes.iter().filter(|end| end.about == "order 7").map(|end| end.delivery.clone()).collect();
    assert_eq!(of_seven, ids, "in order, each with an id of its own");
    rig.settle().await;
    assert_eq!(rig.deliverer.backlog(WebhookId(1)).await, (0, 0));
}

#[tokio::test(start_paused = true)]
async fn results_gather_for_a_moment_unless_a_delivery_waits_for_them() {
    let data = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(data.path(), vec![webhook(1)]).await;
    for order in ["7", "8", "9", "9"] {
        rig.event(order, &[1]).await;
    }
    let (seven, eight, nine) = (rig.call().await, rig.call().await, rig.call().await);
    let store = rig.store.clone();
    let written = || Counters::get(&store.counters().log_groups);
    let before = written();
    seven.answer(200);
    rig.still().await;
    assert_eq!(written(), before, "others are on their way");
    pass(Duration::from_millis(5)).await;
    rig.still().await;
    assert_eq!(written(), before + 1);
    nine.answer(200);
    let start = rig.clock.now();
    let second = rig.call().await;
    assert_eq!((rig.clock.now(), written()), (start, before + 2), "it has not waited");
    eight.answer(200);
    rig.still().await;
    second.answer(200);
    rig.still().await;
    assert_eq!((rig.clock.now(), written()), (start, before + 3), "nothing more is on its way");
}

#[tokio::test(start_paused = true)]
async fn actions_without_an_id_have_no_order_and_concurrency_is_kept() {
    let data = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(data.path(), vec![Webhook { concurrency: 3, ..webhook(1) }]).await;
    for _ in 0..5 {
        rig.event("", &[1]).await;
    }
    let mut calls = vec![rig.call().await, rig.call().await, rig.call().await];
    rig.settle().await;
    assert!(rig.call_now().is_none(), "three at once");
    assert_eq!(calls[0].header("x-wc-webhook-resource"), "action");
    assert_eq!(calls[0].header("x-wc-webhook-event"), "cart");
    calls.swap_remove(1).answer(200);
    rig.call().await.answer(200);
    rig.call().await.answer(200);
    for call in calls {
        call.answer(200);
    }
    assert_eq!(rig.outcomes(5).await.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn behind_a_failing_order_its_own_wait_and_others_go_on() {
    let data = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(data.path(), vec![webhook(1)]).await;
    for order in ["7", "7", "8", "7", "9"] {
        rig.event(order, &[1]).await;
    }
    let mut seen = BTreeSet::new();
    for _ in 0..3 {
        let call = rig.call().await;
        let failing = call.body == body("7");
        assert!(seen.insert(call.body.clone()));
        call.answer(if failing { 500 } else { 200 });
    }
    rig.outcomes(2).await;
    rig.logged(3).await;
    rig.settle().await;
    assert_eq!(
        rig.deliverer.backlog(WebhookId(1)).await,
        (3, 0),
        "one waits, two are deferred, the cursor is at the head"
    );
    rig.call_within(Duration::from_secs(8)).await.answer(200);
    rig.call().await.answer(200);
    rig.call().await.answer(200);
    let outcomes = rig.outcomes(5).await;
    let sevens: Vec<Seq> = outcomes.iter().filter(|end| end.about == "order 7").map(|end| end.event).collect();
    assert!(sevens.is_sorted(), "{sevens:?}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_receiver_slows_nobody() {
    let data = tempfile::tempdir().unwrap();
    let dead = Webhook { url: "https://dead.example/".into(), ..webhook(1) };
    let mut rig = Rig::start(data.path(), vec![dead, webhook(2), webhook(3)]).await;
    let mut held = Vec::new();
    for order in 0..100 {
        rig.event(&order.to_string(), &[1, 2, 3]).await;
    }
    let mut answered = 0;
    while answered < 200 {
        let call = rig.call().await;
        if call.uri.starts_with("https://dead") {
            held.push(call);
        } else {
            call.answer(204);
            answered += 1;
        }
    }
    assert_eq!(rig.outcomes(200).await.len(), 200, "no time has passed");
    assert_eq!(held.len(), Webhook::CONCURRENCY);
    let (_, behind) = rig.deliverer.backlog(WebhookId(1)).await;
    assert_eq!(behind, 100);
}

#[tokio::test(start_paused = true)]
async fn a_new_webhook_starts_at_the_head_and_goes_on_where_it_was() {
    let data = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(data.path(), vec![webhook(1)]).await;
    rig.event("1", &[1, 2]).await;
    rig.call().await.answer(200);
    rig.swap(vec![webhook(1), webhook(2)]);
    rig.settle().await;
    rig.event("2", &[2]).await;
    let call = rig.call().await;
    assert_eq!((call.uri.as_str(), &call.body[..]), ("https://2.example/in", body("2").as_bytes()));
    call.answer(200);
    rig.outcomes(2).await;
    // Taken out of the rules it stops, put back it goes on with what came meanwhile.
    rig.swap(vec![webhook(1)]);
    rig.settle().await;
    rig.event("3", &[2]).await;
    rig.event("4", &[1]).await;
    let call = rig.call().await;
    assert_eq!(call.body, body("4"));
    call.answer(200);
    rig.outcomes(3).await;
    assert!(rig.call_now().is_none());
    rig.swap(vec![webhook(1), Webhook { url: "https://moved.example/".into(), ..webhook(2) }]);
    let call = rig.call().await;
    assert_eq!((call.uri.as_str(), &call.body[..]), ("https://moved.example/", body("3").as_bytes()));
    call.answer(200);
    rig.outcomes(4).await;
}
