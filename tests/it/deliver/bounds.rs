//! Bounds that keep attempts from beginning: they bite, they are counted, and afterwards everything goes out.

use std::task::Poll;

use shopbell::deliver::Bound;
use shopbell::id::{Seq, WebhookId};
use shopbell::model::{DeliveryEnd, Webhook, Write};

use super::rig::{Rig, webhook};

/// Rows that keep the store's one writer busy for a while; results wait behind them.
fn load() -> Vec<Write> {
    (0..60_000).map(|row| Write::Finished { webhook: WebhookId(99), event: Seq(row), done: true }).collect()
}

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

/// The store's writer is busy: results pile up until a webhook has no room for more, and then nobody has.
#[tokio::test(start_paused = true)]
async fn results_that_wait_for_the_disk_hold_attempts_back() {
    let data = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(data.path(), (1..=9).map(webhook).collect()).await;
    let all: Vec<u64> = (1..=9).collect();
    let held_back = |rig: &Rig, bound| rig.deliverer.counters().held_back(bound) > 0;
    let (mut made, mut round) = (0, 0);
    // A writer that is faster than we are gets another load.
    while !(held_back(&rig, Bound::Busy) && held_back(&rig, Bound::Unsettled)) {
        round += 1;
        assert!(round <= 20, "the bounds never bite");
        for order in 0..135 {
            rig.event(&format!("{round}-{order}"), &[1]).await;
            rig.event(&format!("{round}-{order}-all"), &all).await;
        }
        let owed = 135 * 10;
        let store = rig.store.clone();
        let writing = store.log(Vec::new(), load());
        tokio::pin!(writing);
        let queued = std::future::poll_fn(|cx| Poll::Ready(writing.as_mut().poll(cx))).await;
        assert!(queued.is_pending(), "the writer has it");
        for _ in 0..owed {
            rig.call().await.answer(200);
        }
        made += owed;
        writing.await.unwrap();
    }
    let delivered = || rig.deliverer.counters().deliveries(DeliveryEnd::Delivered);
    while delivered() < made {
        tokio::task::yield_now().await;
    }
    rig.settle().await;
    assert_eq!(delivered(), made, "all of it, once");
}
