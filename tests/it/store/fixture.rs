//! A data directory written by an older version of this program: every version since opens it, reads all of it, and goes on.
//!
//! `tests/fixtures/data-v1` was written by the first version that had schema 1, with [`make`], and is never written again: a
//! new schema gets a directory of its own beside it.

use std::path::Path;

use shopbell::clock::Clock;
use shopbell::id::{EventUid, Seq, WebhookId};
use shopbell::model::record::{EventEntry, LogEntry};
use shopbell::model::{
    Event, FailureClass, Health, Notice, NoticeKind, Timestamp, Verdict, Waiting, WebhookName, Write,
};
use shopbell::store::{LogQuery, Options, Store};

use super::support::{NOW, cursor, event, ids, open_with, remember, title};

/// Writes the directory named by `SHOPBELL_FIXTURE`.
#[tokio::test]
#[ignore = "writes a fixture; run by hand when the schema changes"]
async fn make() {
    let Some(data) = std::env::var_os("SHOPBELL_FIXTURE") else { return };
    let options = Options { partition_bytes: 1, ..Options::default() };
    let (store, _) = Store::open(Path::new(&data), Options::default(), Clock::System).unwrap();
    let webhook = WebhookId(1);
    let name = WebhookName {
        name: "hook-1".to_owned(),
        id: webhook,
        created: Timestamp::from_millis(NOW),
        retired: None,
        secret: Some("made".to_owned()),
    };
    let alias = Write::Alias {
        resource: "customer".to_owned(),
        name: "email".to_owned(),
        value: "ann@example.com".to_owned(),
        id: Some("7".to_owned()),
    };
    store.commit(vec![], vec![Write::WebhookName(name), cursor(1, 1), alias]).await.unwrap();
    for order in ["1", "2", "3"] {
        let entry = EventEntry::Event(Box::new(numbered(order)));
        store.commit(vec![entry], vec![remember(order, "kept")]).await.unwrap();
    }
    let health =
        Health { failed_attempts: 1, pinged_url: Some("https://1.example/in".to_owned()), ..Health::default() };
    let waiting = Waiting {
        attempts: 1,
        uid: None,
        since: Timestamp::from_millis(NOW),
        due: Timestamp::from_millis(NOW),
        group: numbered("2").group,
    };
    let failed = Verdict::Failed { class: FailureClass::Status, text: "500".to_owned() };
    let entries = vec![
        attempt(Seq(2), "1", &Verdict::Ok),
        outcome(Seq(2), "1"),
        attempt(Seq(3), "2", &failed),
        LogEntry::Notice(Notice::new(Timestamp::from_millis(NOW), NoticeKind::Process, "an old notice")),
    ];
    let writes = vec![
        Write::Waiting { webhook, event: Seq(3), waiting: Some(waiting) },
        cursor(1, 4),
        Write::Health { webhook, health: Some(health) },
    ];
    store.log(entries, writes).await.unwrap();
    drop(store);
    // A start with a limit of one byte closes the partition and begins one with a checkpoint.
    let (store, _) = Store::open(Path::new(&data), options, Clock::System).unwrap();
    let entry = EventEntry::Event(Box::new(numbered("4")));
    store.commit(vec![entry], vec![remember("4", "kept")]).await.unwrap();
    store.close().await;
}

/// An event that is the same in every run.
fn numbered(order: &str) -> Event {
    Event { uid: EventUid([order.as_bytes()[0]; 16]), ..event(order, "text", &[1]) }
}

/// Written as JSON, so that fields added since are left to their defaults, as in an old record.
fn attempt(event: Seq, order: &str, verdict: &Verdict) -> LogEntry {
    let made = numbered(order);
    let status = if *verdict == Verdict::Ok { 200 } else { 500 };
    let json = serde_json::json!({ "attempt": {
        "at": NOW, "webhook": 1, "webhook_name": "hook-1", "event": event, "uid": made.uid, "topic": made.topic,
        "about": format!("order {order}"), "delivery": format!("{order:0>32}"), "number": 1, "trigger": "first",
        "url": "https://1.example/in", "address": "203.0.113.7:443", "status": status, "verdict": verdict,
        "answer_headers": [["server", "old"]], "answer": "thanks",
        "phases": { "connected_us": 1_000, "first_byte_us": 2_000, "total_us": 3_000 },
    }});
    serde_json::from_value(json).unwrap()
}

fn outcome(event: Seq, order: &str) -> LogEntry {
    let made = numbered(order);
    let json = serde_json::json!({ "outcome": {
        "at": NOW, "webhook": 1, "webhook_name": "hook-1", "event": event, "uid": made.uid, "topic": made.topic,
        "about": format!("order {order}"), "delivery": format!("{order:0>32}"), "attempts": 1, "end": "delivered",
        "failure_count": 0,
    }});
    serde_json::from_value(json).unwrap()
}

/// A copy of the fixture to work in.
pub(crate) fn copy() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/data-v1");
    super::support::copy(&from, dir.path());
    dir
}

#[tokio::test]
async fn a_directory_of_schema_1_is_read_whole() {
    let dir = copy();
    let (store, recovery) = open_with(dir.path(), Options::default());
    assert_eq!(recovery.notes, Vec::<String>::new());
    assert_eq!(ids(&store).await, ["1", "2", "3", "4"]);
    let lines = store.search(LogQuery::default()).await.unwrap();
    let text = format!("{lines:?}");
    assert_eq!(lines.len(), 8, "{text}");
    assert!(text.contains("an old notice") && text.contains("203.0.113.7:443") && text.contains("Delivered"), "{text}");
    let state = store.webhook_state(WebhookId(1)).await.unwrap();
    assert_eq!((state.cursor, state.waiting.len(), state.health.failed_attempts), (Seq(4), 1, 1));
    for order in ["1", "2", "3", "4"] {
        assert_eq!(title(&store, order).await.as_deref(), Some("kept"));
    }
    let email = ("customer".to_owned(), "email".to_owned(), "ann@example.com".to_owned());
    assert_eq!(store.aliases(&[email]).await.unwrap(), [Some("7".to_owned())]);
    let (names, next) = store.webhook_names().await.unwrap();
    assert_eq!((names[0].name.as_str(), next), ("hook-1", 2));
    assert!(store.commit(vec![EventEntry::Event(Box::new(numbered("5")))], vec![]).await.is_ok());
    drop(store);
    std::fs::remove_dir_all(dir.path().join("state")).unwrap();
    let (store, _) = open_with(dir.path(), Options::default());
    let state = store.webhook_state(WebhookId(1)).await.unwrap();
    assert_eq!((state.cursor, state.waiting.len()), (Seq(4), 1), "an old checkpoint leads to the same state");
}
