//! Events and stores to test with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::value::RawValue;
use shopbell::clock::{Clock, Timestamp};
use shopbell::id::{EventUid, Seq, WebhookId};
use shopbell::model::record::{EventEntry, LogEntry};
use shopbell::model::{Event, Identity, Known, Notice, NoticeKind, Write};
use shopbell::store::{Options, Recovery, Store};

/// A moment in 2026, in milliseconds.
pub(super) const NOW: i64 = 1_793_722_020_000;

/// An event with a body of its own.
pub(super) fn event(id: &str, body: &str, webhooks: &[u64]) -> Event {
    let json = serde_json::json!({ "id": id, "text": body });
    Event {
        uid: EventUid::random(),
        at: Timestamp::from_millis(NOW),
        topic: "order.created".parse().unwrap(),
        resource: "order".to_owned(),
        id: Some(id.to_owned()),
        key: serde_json::Map::new(),
        group: ("order".to_owned(), Identity::Id(id.to_owned())),
        body: RawValue::from_string(json.to_string()).unwrap(),
        rule: "order-placed".to_owned(),
        webhooks: webhooks.iter().map(|id| WebhookId(*id)).collect(),
        source: "POST /checkout".to_owned(),
    }
}

/// One event as an entry.
pub(super) fn entry(id: &str) -> EventEntry {
    EventEntry::Event(Box::new(event(id, "", &[1])))
}

/// A notice as an entry of the log.
pub(super) fn notice(text: &str) -> LogEntry {
    LogEntry::Notice(Notice::new(Timestamp::from_millis(NOW), NoticeKind::Process, text))
}

/// A write that remembers an order under a title.
pub(super) fn remember(id: &str, title: &str) -> Write {
    let mut known = Known { created: Timestamp::from_millis(NOW), ..Known::default() };
    known.fields.insert("title".to_owned(), title.into());
    Write::Known { resource: "order".to_owned(), identity: Identity::Id(id.to_owned()), known: Some(known) }
}

/// The title under which an order is remembered.
pub(super) async fn title(store: &Store, id: &str) -> Option<String> {
    let known = store.known(&[("order".to_owned(), Identity::Id(id.to_owned()))]).await.unwrap();
    known.into_iter().next().flatten().and_then(|known| known.fields["title"].as_str().map(str::to_owned))
}

/// The cursor of a webhook.
pub(super) fn cursor(webhook: u64, next: u64) -> Write {
    Write::Cursor { webhook: WebhookId(webhook), next: Seq(next) }
}

/// Opens a store.
pub(super) fn open_with(data: &Path, options: Options) -> (Store, Recovery) {
    Store::open(data, options, Clock::simulated(Timestamp::from_millis(NOW))).expect("the store opens")
}

/// Opens a store with the default limits, which must find nothing to mend.
pub(super) fn open(data: &Path) -> Store {
    let (store, recovery) = open_with(data, Options::default());
    assert_eq!(recovery.notes, Vec::<String>::new());
    store
}

/// All events from the beginning.
pub(super) async fn all_events(store: &Store) -> Vec<(Seq, Arc<Event>)> {
    let (mut all, mut from) = (Vec::new(), Seq(1));
    let head = *store.head().borrow();
    while from < head {
        let (events, next) = store.events(from, 100).await.unwrap();
        assert!(next > from, "reading goes on");
        all.extend(events);
        from = next;
    }
    all
}

/// Ids of all events.
pub(super) async fn ids(store: &Store) -> Vec<String> {
    all_events(store).await.iter().map(|(_, event)| event.id.clone().unwrap()).collect()
}

/// The partitions of a journal, oldest first.
pub(super) fn partitions(data: &Path, journal: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(data.join("journal").join(journal)).unwrap();
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| name(path).bytes().all(|byte| byte.is_ascii_digit()));
    found.sort();
    found
}

/// Copies a directory.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
