//! The log as people search it.

use shopbell::id::{EventUid, Seq, WebhookId};
use shopbell::model::record::{EventEntry, LogEntry};
use shopbell::model::{DeliveryEnd, Ended, Timestamp, WebhookName, Write};
use shopbell::store::{LogLine, LogPosition, LogQuery, Options, StatusCodes, Store};

use super::support::{NOW, event, notice, open};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(NOW + seconds * 1_000)
}

// As JSON, so that a field added later needs no word here.
fn attempt(seconds: i64, webhook: u64, about: &str, topic: &str) -> LogEntry {
    let json = serde_json::json!({ "attempt": {
        "at": at(seconds), "webhook": webhook, "webhook_name": "erp", "event": 1, "topic": topic, "about": about,
        "delivery": "d1", "number": 1, "trigger": "first", "url": "https://erp.example/in", "status": 500,
        "verdict": { "failed": { "class": "status", "text": "500" } }, "answer": "Kaputt: Lager Größe",
    }});
    serde_json::from_value(json).unwrap()
}

fn outcome(seconds: i64) -> LogEntry {
    let json = serde_json::json!({ "outcome": {
        "at": at(seconds), "webhook": 2, "webhook_name": "crm", "event": 1, "uid": EventUid([1; 16]),
        "topic": "order.created", "about": "order 1", "delivery": "d2", "attempts": 3, "end": "delivered",
        "failure_count": 0,
    }});
    serde_json::from_value(json).unwrap()
}

async fn filled(dir: &std::path::Path) -> Store {
    let store = open(dir);
    let name = Write::WebhookName(WebhookName {
        name: "erp".to_owned(),
        id: WebhookId(1),
        created: Timestamp::default(),
        retired: None,
        secret: None,
    });
    store.commit(vec![], vec![name]).await.unwrap();
    for (id, seconds) in [("1", 0), ("11", 10), ("2", 20)] {
        let event = shopbell::model::Event { at: at(seconds), ..event(id, "tea", &[1]) };
        store.commit(vec![EventEntry::Event(Box::new(event))], vec![]).await.unwrap();
    }
    store.log(vec![attempt(1, 1, "order 1", "order.created")], vec![]).await.unwrap();
    store.log(vec![outcome(11), attempt(21, 1, "product 2", "product.updated")], vec![]).await.unwrap();
    store.log(vec![notice("began")], vec![]).await.unwrap();
    store
}

/// A line in short: kind and second.
fn short(line: &LogLine) -> String {
    let seconds = (line.at().as_millis() - NOW) / 1_000;
    let kind = match line {
        LogLine::Event { .. } => "event",
        LogLine::Log { entry: LogEntry::Attempt(_), .. } => "attempt",
        LogLine::Log { entry: LogEntry::Outcome(_), .. } => "outcome",
        LogLine::Log { entry: LogEntry::Notice(_), .. } => "notice",
    };
    format!("{kind} {seconds}")
}

#[tokio::test]
async fn every_filter_finds_its_lines_newest_first() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path()).await;
    let query = LogQuery::default;
    let text = |text: &str| Some(text.to_owned());
    let rows: Vec<(LogQuery, &[&str])> = vec![
        (LogQuery { kinds: vec!["event".to_owned()], ..query() }, &["event 20", "event 10", "event 0"]),
        (
            LogQuery { kinds: vec!["attempt".to_owned(), "outcome".to_owned()], ..query() },
            &["attempt 21", "outcome 11", "attempt 1"],
        ),
        (LogQuery { kinds: vec!["notice".to_owned()], ..query() }, &["notice 0"]),
        (LogQuery { id: text("1"), ..query() }, &["outcome 11", "attempt 1", "event 0"]),
        (LogQuery { id: text("2"), ..query() }, &["attempt 21", "event 20"]),
        (LogQuery { topic: text("product.*"), ..query() }, &["attempt 21"]),
        (LogQuery { topic: text("no topic"), ..query() }, &[]),
        (LogQuery { webhook: text("crm"), ..query() }, &["outcome 11"]),
        (LogQuery { webhook: text("2"), ..query() }, &["outcome 11"]),
        (LogQuery { webhook: text("erp"), ..query() }, &["attempt 21", "event 20", "event 10", "attempt 1", "event 0"]),
        (LogQuery { text: text("größe kaputt"), ..query() }, &["attempt 21", "attempt 1"]),
        (LogQuery { text: text("größe fehlt"), ..query() }, &[]),
        (LogQuery { since: Some(at(11)), ..query() }, &["attempt 21", "event 20", "outcome 11"]),
        (LogQuery { before: Some(at(10)), since: Some(at(1)), ..query() }, &["attempt 1"]),
        (LogQuery { limit: 2, ..query() }, &["attempt 21", "event 20"]),
        (LogQuery { limit: 1, before: Some(at(20)), ..query() }, &["outcome 11"]),
    ];
    for (query, expected) in rows {
        let found: Vec<_> = store.search(query.clone()).await.unwrap().iter().map(short).collect();
        assert_eq!(found, expected, "{query:?}");
    }
}

#[tokio::test]
async fn the_last_attempt_of_a_delivery_tells_of_the_attempt_and_of_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path()).await;
    let LogEntry::Attempt(mut attempt) = attempt(30, 1, "order 1", "order.created") else { panic!() };
    attempt.number = 4;
    attempt.uid = Some(EventUid([7; 16]));
    attempt.ended = Some(Ended { at: at(35), end: DeliveryEnd::Exhausted, replay: 3, failure_count: 2 });
    let from = store.log(vec![LogEntry::Attempt(attempt.clone())], vec![]).await.unwrap();
    let outcome = attempt.outcome().unwrap();
    assert_eq!((outcome.attempts, outcome.replay, outcome.uid), (4, 3, EventUid([7; 16])));
    let told = vec![(from, LogEntry::Attempt(attempt)), (from, LogEntry::Outcome(Box::new(outcome)))];
    assert_eq!(store.log_entries(from, 10).await.unwrap().0, told);
    assert!(store.delivery("d1".to_owned()).await.unwrap().ends_with(&told));
    let short = |lines: &[LogLine]| lines.iter().map(short).collect::<Vec<_>>();
    let since = LogQuery { since: Some(at(30)), ..LogQuery::default() };
    assert_eq!(short(&store.search(since).await.unwrap()), ["outcome 35", "attempt 30"]);
    let failed = LogQuery { kinds: vec!["outcome".to_owned()], ended_well: Some(false), ..LogQuery::default() };
    assert_eq!(short(&store.search(failed).await.unwrap()), ["outcome 35"]);
    // Each line is found by its own words only: the answer is the attempt's, the end is the outcome's.
    for (words, found) in [("kaputt", "attempt 30"), ("exhausted", "outcome 35")] {
        let text = LogQuery { since: Some(at(30)), text: Some(words.to_owned()), ..LogQuery::default() };
        assert_eq!(short(&store.search(text).await.unwrap()), [found], "{words}");
    }
    let (lines, _) = store.follow(LogQuery::default(), LogPosition { events: Seq(1_000), log: from }).await.unwrap();
    assert_eq!(short(&lines), ["attempt 30", "outcome 35"]);
}

#[tokio::test]
async fn a_search_reaches_over_many_windows() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.log(vec![notice("the needle")], vec![]).await.unwrap();
    store.log((0..1_000).map(|at| notice(&format!("hay {at}"))).collect(), vec![]).await.unwrap();
    let found = store.search(LogQuery { text: Some("needle".to_owned()), ..LogQuery::default() }).await.unwrap();
    assert_eq!(found.len(), 1);
    let found = store.search(LogQuery { limit: 300, ..LogQuery::default() }).await.unwrap();
    let LogLine::Log { entry: LogEntry::Notice(notice), .. } = &found[299] else { panic!("{:?}", found[299]) };
    assert_eq!((found.len(), notice.text.as_str()), (300, "hay 700"));
}

/// Attempts of many deliveries.
async fn many(dir: &std::path::Path, count: u64) -> Store {
    let store = open(dir);
    for number in 0..count {
        let entry = serde_json::json!({ "attempt": {
            "at": at(i64::try_from(number).unwrap()), "webhook": 1, "webhook_name": "erp", "event": number + 1,
            "topic": "order.created", "about": format!("order {}", number % 7), "delivery": format!("d{}", number % 50),
            "number": 1, "trigger": "first", "url": "https://erp.example/in", "status": if number % 2 == 0 { 404 } else { 503 },
            "verdict": { "failed": { "class": "status", "text": "no" } },
        }});
        store.log(vec![serde_json::from_value(entry).unwrap()], Vec::new()).await.unwrap();
    }
    store
}

#[tokio::test]
async fn pages_go_back_to_the_beginning_without_a_gap_or_a_repeat() {
    let dir = tempfile::tempdir().unwrap();
    let store = many(dir.path(), 200).await;
    let (mut seen, mut from) = (Vec::new(), None);
    loop {
        let query = LogQuery { limit: 7, kinds: vec!["attempt".to_owned()], ..LogQuery::default() };
        let page = store.search_page(query, from).await.unwrap();
        seen.extend(page.lines.iter().map(LogLine::at));
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    let wanted: Vec<_> = (0..200).rev().map(at).collect();
    assert_eq!(seen, wanted);
}

#[tokio::test]
async fn what_comes_is_followed_from_a_place_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = many(dir.path(), 3).await;
    let from = LogPosition { events: *store.head().borrow(), log: *store.log_head().borrow() };
    let query = LogQuery { text: Some("order".to_owned()), ..LogQuery::default() };
    let (lines, next) = store.follow(query.clone(), from).await.unwrap();
    assert!(lines.is_empty() && next == from);
    store.commit(vec![super::support::entry("9")], Vec::new()).await.unwrap();
    store.log(vec![notice("order!"), notice("else")], Vec::new()).await.unwrap();
    let (lines, next) = store.follow(query.clone(), from).await.unwrap();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(store.follow(query, next).await.unwrap().0.is_empty());
}

#[tokio::test]
async fn filters_by_resource_status_state_and_delivery() {
    let dir = tempfile::tempdir().unwrap();
    let store = many(dir.path(), 100).await;
    let base = LogQuery { limit: 1_000, kinds: vec!["attempt".to_owned()], ..LogQuery::default() };
    let rows = [
        (LogQuery { status: Some("404".parse().unwrap()), ..base.clone() }, 50),
        (LogQuery { status: Some("5xx".parse().unwrap()), ..base.clone() }, 50),
        (LogQuery { status: Some("2xx".parse().unwrap()), ..base.clone() }, 0),
        (LogQuery { ended_well: Some(false), ..base.clone() }, 100),
        (LogQuery { ended_well: Some(true), ..base.clone() }, 0),
        (LogQuery { delivery: Some("d7".to_owned()), ..base.clone() }, 2),
        (LogQuery { resource: Some("order".to_owned()), id: Some("0".to_owned()), ..base.clone() }, 15),
        (LogQuery { resource: Some("orde".to_owned()), ..base.clone() }, 0),
        (LogQuery { before: Some(at(50)), since: Some(at(40)), ..base.clone() }, 10),
    ];
    for (query, count) in rows {
        assert_eq!(store.search(query.clone()).await.unwrap().len(), count, "{query:?}");
    }
    for odd in ["", "xx", "9xx", "99", "600", "4x", "ü"] {
        assert!(odd.parse::<StatusCodes>().is_err(), "{odd}");
    }
}

#[tokio::test]
async fn a_delivery_is_found_by_its_id_with_and_without_an_index() {
    let dir = tempfile::tempdir().unwrap();
    let store = many(dir.path(), 120).await;
    let seqs = |found: Vec<(Seq, LogEntry)>| found.into_iter().map(|(seq, _)| seq.0).collect::<Vec<_>>();
    assert_eq!(seqs(store.delivery("d7".to_owned()).await.unwrap()).len(), 3);
    drop(store);
    // The partition is closed, and gets its index from the thread that has time.
    let options = Options { partition_bytes: 1, ..Options::default() };
    let store = Store::open(dir.path(), options, shopbell::clock::Clock::System).unwrap().0;
    store.log(vec![notice("closes it")], Vec::new()).await.unwrap();
    let index = super::support::partitions(dir.path(), "log")[0].join("deliveries");
    while !index.exists() {
        tokio::task::yield_now().await;
    }
    assert_eq!(seqs(store.delivery("d7".to_owned()).await.unwrap()).len(), 3);
    assert!(store.delivery("none".to_owned()).await.unwrap().is_empty());
}
