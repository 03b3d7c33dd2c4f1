//! Partitions that go, and bounds that hold.

use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use shopbell::clock::{Clock, Timestamp};
use shopbell::id::WebhookId;
use shopbell::model::Write;
use shopbell::model::record::{EventEntry, LogEntry};
use shopbell::store::{Counters, Gone, LogLine, LogQuery, Options, Store};

use super::support::{NOW, all_events, cursor, entry, event, ids, notice, open_with, partitions, remember, title};

async fn fill(store: &Store, count: u64) {
    for _ in 0..count {
        let id = store.head().borrow().0.to_string();
        let event = event(&id, &"y".repeat(2_000), &[1]);
        store.commit(vec![EventEntry::Event(Box::new(event))], vec![]).await.unwrap();
    }
}

#[tokio::test]
async fn finished_partitions_go_when_the_budget_is_spent_and_disk_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { partition_bytes: 1, events_budget: 1, log_budget: 1, ..Options::default() };
    let (store, _) = open_with(dir.path(), options.clone());
    fill(&store, 12).await;
    for at in 0..4u32 {
        store.log(vec![notice(&at.to_string())], vec![]).await.unwrap();
    }
    store.close().await; // keeping house follows the answer
    assert_eq!(partitions(dir.path(), "events").len(), 1, "no webhook needs anything");
    assert!(partitions(dir.path(), "log").len() <= 2);
    assert!(Counters::get(&store.counters().removed_partitions) >= 12);
    assert_eq!(Counters::get(&store.counters().dropped_partitions), 0);
    let small = store.disk_bytes();
    drop(store);
    let (store, recovery) = open_with(dir.path(), Options { events_budget: 1 << 40, log_budget: 1 << 40, ..options });
    assert_eq!(recovery.notes, Vec::<String>::new(), "what retention removed is no loss");
    fill(&store, 8).await;
    assert!(store.disk_bytes() > small);
    assert_eq!(ids(&store).await.len(), 8);
}

#[tokio::test]
async fn what_somebody_needs_stays_until_the_budget_is_spent_and_is_counted_then() {
    let dir = tempfile::tempdir().unwrap();
    let keep = Options { partition_bytes: 1, retention: Duration::ZERO, ..Options::default() };
    let (store, _) = open_with(dir.path(), keep.clone());
    let webhook = WebhookId(1);
    store.commit(vec![], vec![cursor(1, 1), cursor(2, 1)]).await.unwrap();
    fill(&store, 6).await;
    let all = all_events(&store).await;
    assert_eq!(all.len(), 6, "the cursors have passed nothing");
    // One webhook has read all, the other still needs the last three, of which one is done.
    let (need, done) = (all[3].0, all[4].0);
    let finished = Write::Finished { webhook, event: done, done: true };
    store.log(vec![notice("a")], vec![cursor(2, 99), cursor(1, need.0), finished]).await.unwrap();
    store.close().await;
    let names: Vec<_> =
        partitions(dir.path(), "events").iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(names[0].to_str().unwrap().parse::<u64>().unwrap(), need.0 - 1, "{names:?}");
    drop(store);
    let (store, _) =
        open_with(dir.path(), Options { events_budget: 1, retention: Options::default().retention, ..keep });
    // The notices of the drop at the start go with the next group.
    store.log(vec![notice("b")], vec![]).await.unwrap();
    assert_eq!(partitions(dir.path(), "events").len(), 1);
    assert!(Counters::get(&store.counters().dropped_partitions) > 0);
    assert_eq!(store.why_gone(need).await.unwrap(), Gone::Removed);
    let lines = store.search(LogQuery { text: Some("budget".to_owned()), ..LogQuery::default() }).await.unwrap();
    let lost: u64 = lines
        .iter()
        .map(|line| match line {
            LogLine::Log { entry: LogEntry::Notice(notice), .. } if notice.webhook == Some(webhook) => notice.count,
            _ => 0,
        })
        .sum();
    assert_eq!((lost, Counters::get(&store.counters().dropped_deliveries)), (2, 2), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn old_partitions_go_with_time() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::simulated(Timestamp::from_millis(NOW));
    let day = Duration::from_hours(24);
    let (store, _) = Store::open(dir.path(), Options { retention: 3 * day, ..Options::default() }, clock).unwrap();
    let mut most = 0;
    for _ in 0..10 {
        fill(&store, 1).await;
        store.log(vec![notice("x")], vec![]).await.unwrap();
        most = most.max(partitions(dir.path(), "events").len());
        tokio::time::advance(day).await;
    }
    assert!((4..=6).contains(&most), "{most} partitions of a day each");
    drop(store);
    let (store, _) = open_with(dir.path(), Options::default());
    assert!(ids(&store).await.len() < 7, "the first days are gone");
}

/// The clock is set an hour back and forth all the time: records stay as long as before, but for that hour.
#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_keeps_and_removes_by_days_all_the_same() {
    static SET: AtomicI64 = AtomicI64::new(0);
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::simulated_set_by(Timestamp::from_millis(NOW), &SET);
    let day = Duration::from_hours(24);
    let (store, _) = Store::open(dir.path(), Options { retention: 3 * day, ..Options::default() }, clock).unwrap();
    for round in 0..10 {
        fill(&store, 1).await;
        let set = if round % 2 == 0 { -3_600_000 } else { 3_600_000 };
        SET.fetch_add(set, Ordering::SeqCst);
        store.log(vec![notice("x")], vec![]).await.unwrap();
        let found = partitions(dir.path(), "events").len();
        // A day that ends an hour late ends with the next: partitions may hold two.
        assert!(found <= 6, "round {round}: {found} partitions");
        let kept = ids(&store).await;
        assert!(kept.len() >= 3.min(round + 1), "round {round}: {kept:?}");
        tokio::time::advance(day).await;
    }
    // What is owed stays, however far the clock goes.
    let first = all_events(&store).await[0].0;
    store.log(vec![notice("x")], vec![cursor(1, first.0)]).await.unwrap();
    SET.fetch_add(30 * 24 * 3_600_000, Ordering::SeqCst);
    fill(&store, 2).await;
    store.close().await;
    assert_eq!(all_events(&store).await[0].0, first);
    assert_eq!(Counters::get(&store.counters().dropped_partitions), 0);
}

/// A shop that is closed: nothing is written, and what has become old goes all the same.
#[tokio::test(start_paused = true)]
async fn old_partitions_go_without_traffic() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::simulated(Timestamp::from_millis(NOW));
    let day = Duration::from_hours(24);
    let (store, _) = Store::open(dir.path(), Options { retention: 3 * day, ..Options::default() }, clock).unwrap();
    fill(&store, 3).await;
    assert_eq!(ids(&store).await.len(), 3);
    tokio::time::advance(day).await;
    // The keeper looks at the clock from a thread of its own, in real time; paused time stands still meanwhile.
    let until = async |fits: fn(&[PathBuf]) -> bool| {
        let deadline = Clock::System.now().plus(Duration::from_mins(1));
        loop {
            let found = partitions(dir.path(), "events");
            if fits(&found) {
                return;
            }
            assert!(Clock::System.now() < deadline, "{found:?}");
            tokio::task::spawn_blocking(std::thread::yield_now).await.unwrap();
        }
    };
    until(|found| found.len() == 2).await;
    tokio::time::advance(3 * day).await;
    // The first partition, and with it the only events.
    until(|found| !found[0].ends_with("00000000000000000001")).await;
    drop(store);
    let (store, _) = open_with(dir.path(), Options::keep_all());
    assert_eq!(ids(&store).await, Vec::<String>::new());
}

#[test]
fn a_budget_and_a_retention_hold_several_partitions() {
    let (mib, day) = (1u64 << 20, Duration::from_hours(24));
    let rows = [
        ((7 << 30, 3 << 30, 30 * day), (32 * mib, day)),
        ((16 * mib, 64 * mib, 2 * day), (2 * mib, day / 4)),
        ((mib, mib, Duration::from_hours(1)), (mib, Duration::from_secs(450))),
    ];
    for ((events, log, retention), (bytes, age)) in rows {
        let options = Options::within(events, log, retention);
        assert_eq!((options.events_budget, options.log_budget, options.retention), (events, log, retention));
        assert_eq!((options.partition_bytes, options.partition_age), (bytes, age), "{events} {log} {retention:?}");
    }
}

#[tokio::test]
async fn what_is_remembered_is_bounded_and_the_least_recently_changed_leave() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { known_count: 10, ..Options::default() };
    let (store, _) = open_with(dir.path(), options.clone());
    for id in 0..10u32 {
        store.commit(vec![], vec![remember(&id.to_string(), "old")]).await.unwrap();
    }
    store.commit(vec![], vec![remember("0", "new")]).await.unwrap();
    let writes = (10..15u32).map(|id| remember(&id.to_string(), "new")).collect();
    store.commit(vec![entry("x")], writes).await.unwrap();
    for id in 0..15u32 {
        let kept = id == 0 || id > 5;
        assert_eq!(title(&store, &id.to_string()).await.is_some(), kept, "{id}");
    }
    assert_eq!(Counters::get(&store.counters().evictions), 5);
    drop(store);
    let (store, recovery) = open_with(dir.path(), Options { known_bytes: 300, ..options });
    assert_eq!(recovery.notes, Vec::<String>::new());
    store.commit(vec![], vec![remember("new", "new")]).await.unwrap();
    assert!(title(&store, "new").await.is_some() && title(&store, "0").await.is_none());
}

#[tokio::test]
async fn a_journal_near_its_budget_says_so_once() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { partition_bytes: 1, ..Options::default() };
    let (store, _) = open_with(dir.path(), options.clone());
    store.commit(vec![], vec![cursor(1, 1)]).await.unwrap();
    fill(&store, 4).await;
    let bytes = store.disk_bytes();
    drop(store);
    // Four fifths of the budget are taken, of which nothing may go yet.
    let budget = bytes * 9 / 10;
    let (store, _) = open_with(dir.path(), Options { events_budget: budget, log_budget: 1 << 40, ..options.clone() });
    for _ in 0..3 {
        fill(&store, 1).await;
    }
    store.log(vec![notice("x")], vec![]).await.unwrap();
    let query = LogQuery { text: Some("of its budget of".to_owned()), ..LogQuery::default() };
    let told = store.search(query.clone()).await.unwrap();
    assert_eq!((told.len(), Counters::get(&store.counters().budget_warnings)), (1, 1), "{told:?}");
    drop(store);
    let (store, _) = open_with(dir.path(), Options { events_budget: 1 << 40, log_budget: 1 << 40, ..options });
    fill(&store, 1).await;
    assert_eq!(Counters::get(&store.counters().budget_warnings), 0, "far from it nothing is said");
}
