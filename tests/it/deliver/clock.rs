//! Somebody sets the machine's clock: gaps last as long as they were meant to.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use shopbell::clock::Clock;
use shopbell::id::WebhookId;
use shopbell::model::{self, Breaker, OldSecret, Rate, Secret, Webhook};
use tokio::time::Instant;

use super::rig::{BASE, Rig, webhook};

const HOUR: i64 = 3_600_000;

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_an_hour_either_way_moves_no_attempt() {
    static SET: AtomicI64 = AtomicI64::new(0);
    // One delivery alone opens the breaker where all others wait behind it.
    let strict = Webhook { ordering: model::Ordering::Webhook, ..webhook(1) };
    let data = tempfile::tempdir().unwrap();
    let mut rig = Rig::start_at(data.path(), vec![strict], Clock::simulated_set_by(BASE, &SET)).await;
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

#[tokio::test(start_paused = true)]
async fn a_rate_stays_what_it_is_when_the_clock_is_set() {
    static SET: AtomicI64 = AtomicI64::new(0);
    let data = tempfile::tempdir().unwrap();
    let rate = Some(Rate { count: 1, per: Duration::from_secs(10) });
    let webhook = Webhook { rate, ..webhook(1) };
    let mut rig = Rig::start_at(data.path(), vec![webhook], Clock::simulated_set_by(BASE, &SET)).await;
    for order in ["1", "2", "3", "4", "5"] {
        rig.event(order, &[1]).await;
    }
    rig.call().await.answer(200);
    for set in [-HOUR, HOUR, HOUR, -HOUR] {
        let start = Instant::now();
        SET.fetch_add(set, Ordering::SeqCst);
        rig.settle().await;
        assert!(rig.call_now().is_none(), "no burst");
        rig.call_within(Duration::from_secs(12)).await.answer(200);
        let waited = start.elapsed().as_secs_f64();
        assert!((9.0..=11.0).contains(&waited), "{waited} s for one in ten seconds, the clock set by {set} ms");
    }
    rig.outcomes(5).await;
}

/// Until when an old secret signs is a moment of the calendar, written in a file: it goes by what the clock shows.
#[tokio::test(start_paused = true)]
async fn an_old_secret_signs_as_long_as_the_clock_shows_its_time() {
    static SET: AtomicI64 = AtomicI64::new(0);
    let data = tempfile::tempdir().unwrap();
    let old = OldSecret { secret: Secret::new("0ld".into()), until: BASE.plus(Duration::from_mins(30)) };
    let webhook = Webhook { old_secrets: vec![old], ..webhook(1) };
    let mut rig = Rig::start_at(data.path(), vec![webhook], Clock::simulated_set_by(BASE, &SET)).await;
    for (order, set, signatures) in [("1", 0, 2), ("2", HOUR, 1), ("3", -HOUR, 2), ("4", -HOUR, 2), ("5", 2 * HOUR, 1)]
    {
        SET.fetch_add(set, Ordering::SeqCst);
        rig.event(order, &[1]).await;
        let call = rig.call().await;
        let signed = call.header("webhook-signature").split(' ').count();
        assert_eq!(signed, signatures, "event {order}");
        let at: i64 = call.header("webhook-timestamp").parse().unwrap();
        assert_eq!(at, rig.clock.now().as_secs(), "the timestamp is that of the clock");
        call.answer(200);
    }
    rig.outcomes(5).await;
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
