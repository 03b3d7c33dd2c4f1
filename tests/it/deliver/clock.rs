//! Somebody sets the machine's clock: gaps last as long as they were meant to.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use shopbell::clock::Clock;
use shopbell::id::WebhookId;
use shopbell::model::Breaker;
use tokio::time::Instant;

use super::rig::{BASE, Rig, webhook};

const HOUR: i64 = 3_600_000;

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_an_hour_either_way_moves_no_attempt() {
    static SET: AtomicI64 = AtomicI64::new(0);
    let data = tempfile::tempdir().unwrap();
    let mut rig = Rig::start_at(data.path(), vec![webhook(1)], Clock::simulated_set_by(BASE, &SET)).await;
    rig.event("7", &[1]).await;
    rig.call().await.answer(500);
    rig.logged(1).await;
    for (made, (set, gap)) in [(-HOUR, 5.0), (HOUR, 30.0), (-HOUR, 120.0)].into_iter().enumerate() {
        let start = Instant::now();
        SET.fetch_add(set, Ordering::SeqCst);
        rig.settle().await;
        assert!(rig.call_now().is_none(), "not early");
        rig.call_within(Duration::from_secs_f64(gap * 1.3)).await.answer(500);
        let waited = start.elapsed().as_secs_f64();
        assert!(waited >= gap - 1.0 && waited <= gap * 1.3, "{waited} s for {gap} s");
        rig.logged(made + 2).await;
    }
    // The same for the breaker's probes.
    rig.call_within(Duration::from_secs(800)).await.answer(500);
    rig.health(|health| matches!(health.breaker, Some(Breaker::Open { .. }))).await;
    let start = Instant::now();
    SET.fetch_sub(HOUR, Ordering::SeqCst);
    rig.call_within(Duration::from_secs(8)).await.answer(200);
    assert!(start.elapsed() <= Duration::from_secs(8));
    rig.outcomes(1).await;
}

#[test]
fn a_clock_set_back_while_nothing_ran_delays_by_one_gap_at_most() {
    let data = tempfile::tempdir().unwrap();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime().block_on(async {
        let mut rig = Rig::start(data.path(), vec![webhook(1)]).await;
        rig.event("7", &[1]).await;
        rig.call().await.answer(500);
        rig.logged(1).await;
        rig.order_stop();
        rig.stopped().await;
    });
    runtime().block_on(async {
        let clock = Clock::simulated(BASE.shifted(-HOUR));
        let mut rig = Rig::start_at(data.path(), vec![webhook(1)], clock).await;
        rig.call_within(Duration::from_secs(8)).await.answer(200);
        rig.outcomes(1).await;
        assert!(rig.store.webhook_state(WebhookId(1)).await.unwrap().waiting.is_empty());
    });
}
