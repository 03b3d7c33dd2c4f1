//! The log as people search it.

use shopbell::id::{EventUid, Seq, WebhookId};
use shopbell::model::record::{EventEntry, LogEntry};
use shopbell::model::{Attempt, DeliveryEnd, Outcome, Phases, Timestamp, Trigger, Verdict, WebhookName, Write};
use shopbell::store::{LogLine, LogQuery, Store};

use super::support::{NOW, event, notice, open};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(NOW + seconds * 1_000)
}

fn attempt(seconds: i64, webhook: u64, about: &str, topic: &str) -> LogEntry {
    LogEntry::Attempt(Box::new(Attempt {
        at: at(seconds),
        webhook: WebhookId(webhook),
        webhook_name: "erp".to_owned(),
        event: Some(Seq(1)),
        uid: None,
        topic: Some(topic.parse().unwrap()),
        about: about.to_owned(),
        delivery: "d1".to_owned(),
        number: 1,
        trigger: Trigger::First,
        url: "https://erp.example/in".to_owned(),
        address: None,
        reused: false,
        tls: None,
        http: None,
        status: Some(500),
        verdict: Verdict::Ok,
        answer_headers: vec![],
        answer: "Kaputt: Lager Größe".to_owned(),
        decision: String::new(),
        phases: Phases::default(),
    }))
}

fn outcome(seconds: i64) -> LogEntry {
    LogEntry::Outcome(Box::new(Outcome {
        at: at(seconds),
        webhook: WebhookId(2),
        webhook_name: "crm".to_owned(),
        event: Seq(1),
        uid: EventUid([1; 16]),
        topic: "order.created".parse().unwrap(),
        about: "order 1".to_owned(),
        delivery: "d2".to_owned(),
        attempts: 3,
        end: DeliveryEnd::Delivered,
        failure_count: 0,
    }))
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
