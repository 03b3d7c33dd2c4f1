//! Sending deliveries again: one, or all that fit.

use std::path::Path;
use std::time::Duration;

use shopbell::clock::Clock;
use shopbell::deliver::plan;
use shopbell::id::{Seq, WebhookId};
use shopbell::model::{
    DeliveryEnd, DeliveryState, Outcome, Progress, RetrySchedule, Run, RunState, Selection, Trigger, Webhook,
};
use shopbell::store::{Options, Store};

use super::rig::{BASE, Rig, webhook};

/// One attempt for each delivery, and no end of them.
fn once() -> Webhook {
    Webhook { retry: RetrySchedule(Vec::new()), max_delivery_failures: 1_000, concurrency: 1, ..webhook(1) }
}

fn select(state: DeliveryState) -> Selection {
    Selection {
        webhook: WebhookId(1),
        state,
        topic: None,
        since: None,
        until: None,
        text: None,
        latest: false,
        only: None,
    }
}

/// Events that the receiver answers so, one after the other.
async fn deliver(rig: &mut Rig, answers: &[(&str, u16)]) -> Vec<Seq> {
    let mut seqs = Vec::new();
    let before = rig.outcomes(0).await.len();
    for (order, status) in answers {
        seqs.push(rig.event(order, &[1]).await);
        rig.call().await.answer(*status);
        rig.outcomes(before + seqs.len()).await;
    }
    // What is read from the log may not be in the state yet: one more group is.
    rig.store.log(Vec::new(), Vec::new()).await.unwrap();
    seqs
}

/// The run as it stands once it is so.
async fn run_is(rig: &Rig, id: u32, so: impl Fn(&Run) -> bool) -> Run {
    loop {
        let (runs, _) = rig.store.runs().await.unwrap();
        if let Some(run) = runs.into_iter().find(|run| run.id == id && so(run)) {
            return run;
        }
        rig.settle().await;
    }
}

fn ended(outcomes: &[Outcome]) -> Vec<(u64, DeliveryEnd, u32)> {
    outcomes.iter().map(|outcome| (outcome.event.0, outcome.end, outcome.replay)).collect()
}

#[tokio::test(start_paused = true)]
async fn failed_deliveries_are_sent_again_under_their_id_and_only_once() {
    let data = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(data.path(), vec![once()]).await;
    let seqs = deliver(&mut rig, &[("1", 500), ("2", 200), ("3", 500), ("1", 500)]).await;
    let failed = plan(&rig.store, &select(DeliveryState::Failed)).await.unwrap();
    assert_eq!((failed.count, failed.outdated, failed.oldest, failed.newest), (3, 0, Some(BASE), Some(BASE)));
    let ids: Vec<String> = rig.outcomes(4).await.into_iter().map(|outcome| outcome.delivery).collect();
    let run = rig.deliverer.make_run(select(DeliveryState::Failed), None, "test").await.unwrap();
    assert_eq!((run.id, run.progress.matched), (1, 3));
    for at in [0, 2, 3] {
        let call = rig.call().await;
        assert_eq!(call.header("x-wc-webhook-delivery-id"), ids[at]);
        assert_eq!(call.header("webhook-id"), ids[at]);
        assert!(call.headers.get("x-webhook-replay-of").is_none());
        call.answer(200);
    }
    let outcomes = rig.outcomes(7).await;
    assert_eq!(
        ended(&outcomes[4..]),
        [0, 2, 3].map(|at: usize| (seqs[at].0, DeliveryEnd::Delivered, 0)),
        "in the order of the events"
    );
    let over = run_is(&rig, 1, |run| run.state == RunState::Done).await;
    assert_eq!(over.progress, Progress { matched: 3, delivered: 3, failed: 0, left: 0 });
    assert_eq!(plan(&rig.store, &select(DeliveryState::Failed)).await.unwrap().count, 0, "nothing is left to do");
    let state = rig.store.webhook_state(WebhookId(1)).await.unwrap();
    assert_eq!((state.cursor, state.finished.len(), state.waiting.len()), (*rig.store.head().borrow(), 0, 0));
    assert_eq!(rig.attempts().await.last().unwrap().trigger, Trigger::Recover);
    let notices = rig.notices().await;
    assert!(notices.iter().any(|text| text == "run 1: it sends 3 deliveries again (failed)"), "{notices:?}");
    assert!(
        notices.iter().any(|text| text.starts_with("run 1: done; of 3 deliveries: 3 delivered, 0 failed")),
        "{notices:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_delivered_one_gets_a_new_id_that_names_the_old() {
    let data = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(data.path(), vec![once()]).await;
    let seqs = deliver(&mut rig, &[("1", 200), ("2", 200)]).await;
    let old = rig.outcomes(2).await[0].delivery.clone();
    let only = Selection { only: Some(seqs[0]), ..select(DeliveryState::Any) };
    assert_eq!(plan(&rig.store, &only).await.unwrap().count, 1);
    let mut new = Vec::new();
    // The second one fails: sending that again keeps its id.
    for (run, status) in [(1, 200), (2, 500), (3, 200)] {
        assert_eq!(rig.deliverer.make_run(only.clone(), None, "test").await.unwrap().id, run);
        let call = rig.call().await;
        assert_eq!(call.header("x-webhook-replay-of"), old);
        assert_eq!(&call.body[..], br#"{"id":"1"}"#, "the payload is that of the event");
        new.push(call.header("x-wc-webhook-delivery-id").to_owned());
        call.answer(status);
        run_is(&rig, run, |run| run.state == RunState::Done).await;
    }
    assert!(new[0] != old && new[1] != new[0] && new[1] == new[2], "{old} {new:?}");
    let attempt = rig.attempts().await.pop().unwrap();
    assert_eq!((attempt.trigger, attempt.replay_of, attempt.run), (Trigger::Manual, old, Some(3)));
    assert_eq!(rig.store.health(WebhookId(1)).failure_count, 0, "a replay that fails disables nothing");
}

#[tokio::test(start_paused = true)]
async fn a_selection_takes_what_fits_all_of_it() {
    let data = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(data.path(), vec![once(), webhook(2)]).await;
    deliver(&mut rig, &[("1", 500), ("", 500), ("2", 500), ("2", 200), ("3", 200)]).await;
    let later = BASE.plus(Duration::from_secs(1));
    let failed = select(DeliveryState::Failed);
    let rows = [
        (failed.clone(), 3, 1),
        (select(DeliveryState::Delivered), 2, 0),
        (select(DeliveryState::Held), 0, 0),
        (select(DeliveryState::Any), 5, 1),
        (Selection { topic: Some("order.*".parse().unwrap()), ..failed.clone() }, 2, 1),
        (Selection { since: Some(BASE), until: Some(later), ..failed.clone() }, 3, 1),
        (Selection { since: Some(later), ..failed.clone() }, 0, 0),
        (Selection { until: Some(BASE), ..failed.clone() }, 0, 0),
        (Selection { text: Some("ORDER 1".into()), ..failed.clone() }, 1, 0),
        (Selection { latest: true, ..failed.clone() }, 2, 0),
        (Selection { webhook: WebhookId(2), ..select(DeliveryState::Any) }, 0, 0),
    ];
    for (selection, count, outdated) in rows {
        let plan = plan(&rig.store, &selection).await.unwrap();
        assert_eq!((plan.count, plan.outdated), (count, outdated), "{selection:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_is_paused_survives_a_restart_and_goes_on() {
    let data = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(data.path(), vec![once()]).await;
    deliver(&mut rig, &[("1", 500), ("1", 500), ("1", 500), ("1", 500)]).await;
    rig.deliverer.make_run(select(DeliveryState::Failed), None, "test").await.unwrap();
    rig.call().await.answer(200);
    rig.outcomes(5).await;
    let under_way = rig.call().await;
    rig.deliverer.tell_run(1, RunState::Paused, "test").await.unwrap();
    under_way.answer(200);
    let paused = run_is(&rig, 1, |run| run.state == RunState::Paused).await;
    assert_eq!(paused.progress.delivered, 2, "what was under way comes home");
    rig.settle().await;
    assert!(rig.call_now().is_none());
    rig.order_stop();
    rig.stopped().await;

    let mut rig = Rig::start(data.path(), vec![once()]).await;
    rig.settle().await;
    assert!(rig.call_now().is_none(), "it stays paused");
    rig.deliverer.tell_run(1, RunState::Running, "test").await.unwrap();
    rig.call().await.answer(200);
    rig.outcomes(7).await;
    // Stopped at work, it goes on by itself.
    let last = rig.call().await;
    rig.order_stop();
    last.answer(503);
    rig.stopped().await;
    let mut rig = Rig::start(data.path(), vec![once()]).await;
    let over = run_is(&rig, 1, |run| run.state == RunState::Done).await;
    assert_eq!(over.progress, Progress { matched: 4, delivered: 3, failed: 1, left: 0 }, "no schedule, no second try");
    assert!(rig.call_now().is_none());
    let refused = rig.deliverer.tell_run(1, RunState::Running, "test").await.unwrap_err();
    assert!(refused.contains("run 1 is done already"), "{refused}");
    assert!(rig.deliverer.tell_run(9, RunState::Running, "test").await.unwrap_err().contains("no run 9"));
}

#[tokio::test(start_paused = true)]
async fn what_was_under_way_at_a_crash_goes_out_again_under_the_same_id() {
    let data = tempfile::tempdir().unwrap();
    let copy = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(data.path(), vec![once()]).await;
    deliver(&mut rig, &[("1", 200), ("2", 200), ("3", 200)]).await;
    rig.deliverer.make_run(select(DeliveryState::Delivered), None, "test").await.unwrap();
    rig.call().await.answer(200);
    rig.outcomes(4).await;
    let under_way = rig.call().await;
    let id = under_way.header("x-wc-webhook-delivery-id").to_owned();
    // The disk as it is now: nothing of what is under way is known there.
    rig.store.log(Vec::new(), Vec::new()).await.unwrap();
    crate::store::copy(data.path(), copy.path());
    under_way.answer(200);

    let mut again = Rig::start(copy.path(), vec![once()]).await;
    let first = again.call().await;
    assert_eq!(first.header("x-wc-webhook-delivery-id"), id);
    first.answer(200);
    again.call().await.answer(200);
    let over = run_is(&again, 1, |run| run.state == RunState::Done).await;
    assert_eq!(over.progress, Progress { matched: 3, delivered: 3, failed: 0, left: 0 });
    assert!(again.call_now().is_none(), "what had ended is not sent again");
    again.order_stop();
    rig.order_stop();
}

#[tokio::test(start_paused = true)]
async fn a_run_tries_again_and_keeps_its_rate() {
    let data = tempfile::tempdir().unwrap();
    let retry = RetrySchedule(vec![Duration::from_secs(5)]);
    let mut rig = Rig::start(data.path(), vec![Webhook { concurrency: 8, ..once() }]).await;
    deliver(&mut rig, &[("1", 500), ("2", 500), ("3", 500)]).await;
    rig.swap(vec![Webhook { retry, concurrency: 8, ..once() }]);
    rig.deliverer.make_run(select(DeliveryState::Failed), Some(2), "test").await.unwrap();
    rig.call().await.answer(500);
    rig.logged(4).await;
    for _ in 0..2 {
        rig.settle().await;
        assert!(rig.call_now().is_none(), "half a second lies between two");
        tokio::time::advance(Duration::from_millis(500)).await;
        rig.call().await.answer(200);
    }
    rig.logged(6).await;
    tokio::time::advance(Duration::from_secs(1)).await;
    run_is(&rig, 1, |run| run.state == RunState::Running && run.progress.delivered == 2).await;
    let again = rig.call_within(Duration::from_secs(8)).await;
    assert!(again.header("x-wc-webhook-delivery-id").len() == 32);
    again.answer(500);
    let over = run_is(&rig, 1, |run| run.state == RunState::Done).await;
    assert_eq!(over.progress, Progress { matched: 3, delivered: 2, failed: 1, left: 0 });
}

#[tokio::test(start_paused = true)]
async fn what_the_queue_still_owes_is_made_due_there() {
    let data = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(data.path(), vec![webhook(1)]).await;
    rig.event("1", &[1]).await;
    rig.call().await.answer(500);
    rig.logged(1).await;
    let held = select(DeliveryState::Held);
    assert_eq!(plan(&rig.store, &held).await.unwrap().count, 1);
    assert!(rig.call_now().is_none());
    rig.deliverer.make_run(held, None, "test").await.unwrap();
    rig.call().await.answer(200); // without any time passing
    assert_eq!(ended(&rig.outcomes(1).await)[0].1, DeliveryEnd::Delivered);
    let over = run_is(&rig, 1, |run| run.state == RunState::Done).await;
    assert_eq!(over.progress, Progress { matched: 1, delivered: 0, failed: 0, left: 1 });
    assert_eq!(rig.attempts().await[1].trigger, Trigger::Retry, "the queue's own attempt");
}

#[tokio::test(start_paused = true)]
async fn runs_are_in_the_checkpoint_and_their_numbers_are_never_used_again() {
    let data = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(data.path(), vec![once()]).await;
    deliver(&mut rig, &[("1", 500), ("2", 500)]).await;
    rig.deliverer.make_run(select(DeliveryState::Failed), None, "test").await.unwrap();
    let under_way = rig.call().await;
    rig.deliverer.tell_run(1, RunState::Cancelled, "test").await.unwrap();
    under_way.answer(500);
    let over = run_is(&rig, 1, |run| run.state == RunState::Cancelled).await;
    assert_eq!(over.progress, Progress { matched: 2, delivered: 0, failed: 1, left: 0 });
    rig.order_stop();
    rig.stopped().await;
    let reopen = |path: &Path, options| Store::open(path, options, Clock::System).unwrap().0;
    drop(reopen(data.path(), Options { partition_bytes: 1, ..Options::default() })); // a checkpoint follows
    let store = reopen(data.path(), Options { partition_bytes: 1, ..Options::default() });
    store.commit(Vec::new(), Vec::new()).await.unwrap();
    store.close().await;
    drop(store);
    std::fs::remove_dir_all(data.path().join("state")).unwrap();
    let store = reopen(data.path(), Options::default());
    assert_eq!(store.runs().await.unwrap(), (vec![over], 2));
}

#[tokio::test(start_paused = true)]
async fn a_directory_of_schema_1_delivers_the_rest() {
    let data = crate::store::fixture::copy();
    let mut rig = Rig::start(data.path(), vec![webhook(1)]).await;
    let mut orders = Vec::new();
    for _ in 0..3 {
        let call = rig.call().await;
        let body: serde_json::Value = serde_json::from_slice(&call.body).unwrap();
        orders.push(body["id"].as_str().unwrap().to_owned());
        call.answer(200);
    }
    orders.sort();
    assert_eq!(orders, ["2", "3", "4"], "1 was delivered, 2 had failed once");
    let outcomes = rig.outcomes(4).await;
    assert!(outcomes.iter().all(|outcome| outcome.end == DeliveryEnd::Delivered), "{outcomes:?}");
    assert_eq!(rig.attempts().await.len(), 5, "the attempt before the stop is the waiting one's first");
}

#[tokio::test(start_paused = true)]
async fn a_run_over_a_dead_receiver_probes_and_uses_up_no_attempt() {
    let data = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(data.path(), vec![once()]).await;
    let orders: Vec<String> = (0..8).map(|order| order.to_string()).collect();
    let answers: Vec<(&str, u16)> = orders.iter().map(|order| (order.as_str(), 500)).collect();
    deliver(&mut rig, &answers).await;
    rig.swap(vec![webhook(1)]);
    rig.deliverer.make_run(select(DeliveryState::Failed), None, "test").await.unwrap();
    // The breaker opens under the run, and then one goes out at a time.
    let mut failed = 0;
    while rig.store.health(WebhookId(1)).breaker.is_none() {
        rig.call_within(Duration::from_secs(8)).await.answer(500);
        failed += 1;
        rig.logged(8 + failed).await;
        rig.store.log(Vec::new(), Vec::new()).await.unwrap();
    }
    for _ in 0..4 {
        while let Some(under_way) = rig.call_now() {
            under_way.answer(500);
            failed += 1;
        }
        rig.logged(8 + failed).await;
        let probe = rig.call_within(Duration::from_mins(40)).await;
        rig.settle().await;
        assert!(rig.call_now().is_none(), "one probe at a time");
        probe.answer(500);
        failed += 1;
    }
    rig.logged(8 + failed).await;
    let run = run_is(&rig, 1, |_| true).await;
    assert_eq!((run.progress.delivered, run.state), (0, RunState::Running));
    for _ in 0..8 {
        rig.call_within(Duration::from_mins(40)).await.answer(200);
    }
    let over = run_is(&rig, 1, |run| run.state == RunState::Done).await;
    assert_eq!(over.progress, Progress { matched: 8, delivered: 8, failed: 0, left: 0 });
}
