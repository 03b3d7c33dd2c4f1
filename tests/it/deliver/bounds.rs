//! Bounds that keep attempts from beginning: they bite, they are counted, and afterwards everything goes out.

use std::time::Duration;

use shopbell::deliver::Bound;
use shopbell::model::record::EventEntry;
use shopbell::model::{DeliveryEnd, RetrySchedule, Webhook};

use super::rig::{Rig, event, webhook};

#[tokio::test(start_paused = true)]
async fn places_at_a_host_and_places_of_all_are_counted_when_they_run_out() {
    let data = tempfile::tempdir().unwrap();
    let wide = |id| Webhook { concurrency: 32, ..webhook(id) };
    let mut rig = Rig::start(data.path(), (1..=17).map(wide).collect()).await;
    let held_back = |rig: &Rig, bound| rig.deliverer.counters().held_back(bound);
    let mut calls = Vec::new();
    for order in 0..16 {
        rig.event(&format!("{order}"), &[1]).await;
        calls.push(rig.call().await);
    }
    rig.settle().await;
    assert_eq!(held_back(&rig, Bound::Host), 0, "nobody had to wait");
    rig.event("16", &[1]).await;
    rig.settle().await;
    assert!(rig.call_now().is_none() && held_back(&rig, Bound::Host) > 0);
    // 16 hosts with 16 places each are all places there are.
    let others: Vec<u64> = (2..=17).collect();
    for order in 0..16 {
        rig.event(&format!("{order}"), &others).await;
    }
    while calls.len() < 256 {
        calls.push(rig.call().await);
    }
    rig.settle().await;
    assert!(rig.call_now().is_none());
    assert_eq!(held_back(&rig, Bound::Flights), 1, "one time of waiting, however often the loop turned");
    let most = 17 + 16 * 16;
    for call in calls {
        call.answer(200);
    }
    for _ in 256..most {
        rig.call().await.answer(200);
    }
    let ends = rig.outcomes(most).await;
    assert!(ends.iter().all(|outcome| outcome.end == DeliveryEnd::Delivered));
}

/// More of one order than are set aside: others stand behind them, and people learn it.
#[tokio::test(start_paused = true)]
async fn a_full_set_is_told_once_and_lets_go() {
    let data = tempfile::tempdir().unwrap();
    let retry = RetrySchedule(vec![Duration::from_hours(1)]);
    let mut rig = Rig::start(data.path(), vec![Webhook { retry, ..webhook(1) }]).await;
    rig.event("7", &[1]).await;
    rig.call().await.answer(500);
    rig.logged(1).await;
    let many = (0..11_000).map(|_| EventEntry::Event(Box::new(event("7", &[1])))).collect();
    rig.store.commit(many, Vec::new()).await.unwrap();
    rig.event("8", &[1]).await;
    let told = rig.noticed("10000 deliveries wait behind others of their resource").await;
    assert!(told.contains("webhook hook-1") && told.contains("deliveries list --webhook hook-1"), "{told}");
    assert_eq!(rig.deliverer.counters().deferred_full(), 1);
    assert!(rig.call_now().is_none(), "the other order stands behind them");
    let again = rig.call_within(Duration::from_hours(2)).await;
    again.answer(200);
    for _ in 0..300 {
        rig.call().await.answer(200);
    }
    rig.settle().await;
    assert_eq!(rig.deliverer.counters().deferred_full(), 1, "once, while it stays near the bound");
}
