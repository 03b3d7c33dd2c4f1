//! Bounds that keep attempts from beginning: they bite, they are counted, and afterwards everything goes out.

use shopbell::deliver::Bound;
use shopbell::model::{DeliveryEnd, Webhook};

use super::rig::{Rig, webhook};

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
