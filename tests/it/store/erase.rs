//! What is erased is gone from every file, and nothing else is.

use std::fs;
use std::path::Path;

use shopbell::id::{Seq, WebhookId};
use shopbell::model::record::{EventEntry, LogEntry};
use shopbell::model::{Event, Identity, Known, Pending, SessionMemory, Timestamp, Waiting, Write};
use shopbell::store::{Erase, Erased, Gone, LogQuery, Options, Store};

use super::support::{NOW, all_events, copy, event, notice, open, open_with, partitions};

const EMAIL: &str = "ann.secret@example.com";

fn customer(name: &str) -> Erase {
    Erase { resource: "customer".to_owned(), name: name.to_owned() }
}

/// An event of a customer, or of an order of theirs.
fn about(resource: &str, id: &str, email: &str) -> EventEntry {
    let mut key = serde_json::Map::new();
    if resource == "customer" {
        key.insert("email".to_owned(), email.into());
    }
    let event = Event {
        topic: format!("{resource}.created").parse().unwrap(),
        resource: resource.to_owned(),
        key,
        group: (resource.to_owned(), Identity::Id(id.to_owned())),
        ..event(id, &format!("mail {email}"), &[1])
    };
    EventEntry::Event(Box::new(event))
}

fn attempt(seq: Seq, about: &str, answer: &str) -> LogEntry {
    let json = serde_json::json!({ "attempt": {
        "at": NOW, "webhook": 1, "webhook_name": "erp", "event": seq, "topic": "order.created", "about": about,
        "delivery": format!("{:032}", seq.0), "number": 1, "trigger": "first", "url": "https://erp.example/in",
        "verdict": "ok", "answer": answer, "answer_headers": [["x-echo", answer]],
    }});
    serde_json::from_value(json).unwrap()
}

/// Two customers with an order each, in closed partitions and in the open ones, known, remembered and waited for.
async fn fill(store: &Store) -> Vec<Seq> {
    let mut seqs = Vec::new();
    for (id, email) in [("7", EMAIL), ("8", "bob@example.com")] {
        let alias = Write::Alias {
            resource: "customer".to_owned(),
            name: "email".to_owned(),
            value: email.to_owned(),
            id: Some(id.to_owned()),
        };
        let mut known = Known { created: Timestamp::from_millis(NOW), ..Known::default() };
        known.fields.insert("email".to_owned(), email.into());
        let known = |resource: &str, id: &str| Write::Known {
            resource: resource.to_owned(),
            identity: Identity::Id(id.to_owned()),
            known: Some(known.clone()),
        };
        let mut memory = SessionMemory { expires: Timestamp::from_millis(NOW), ..SessionMemory::default() };
        memory.memory.insert("email".to_owned(), email.into());
        let session = Write::Session { session: format!("s{id}"), memory: Some(memory) };
        let writes = vec![alias, known("customer", id), session];
        seqs.push(store.commit(vec![about("customer", id, email)], writes).await.unwrap());
        let order = format!("100{id}");
        let mut values = serde_json::Map::new();
        values.insert("email".to_owned(), email.into());
        let pending = Pending {
            uid: shopbell::id::EventUid([id.as_bytes()[0]; 16]),
            at: Timestamp::from_millis(NOW),
            rule: "r".to_owned(),
            deadline: Timestamp::from_millis(NOW),
            session: String::new(),
            missing: "x".to_owned(),
            values,
            ..Pending::default()
        };
        let pend = Write::Pending { uid: pending.uid, pending: Some(Box::new(pending.clone())) };
        let entries = vec![about("order", &order, email), EventEntry::Pending(Box::new(pending))];
        let seq = store.commit(entries, vec![known("order", &order), pend]).await.unwrap();
        seqs.push(seq);
        let group = ("customer".to_owned(), Identity::Key { name: "email".to_owned(), value: email.to_owned() });
        let waiting = Waiting {
            attempts: 1,
            uid: None,
            since: Timestamp::from_millis(NOW),
            due: Timestamp::from_millis(NOW),
            group,
        };
        let wait = Write::Waiting { webhook: WebhookId(1), event: seq, waiting: Some(waiting) };
        let entries =
            vec![attempt(seq, &format!("order {order}"), &format!("thanks {email}")), notice(&format!("x {email}"))];
        store.log(entries, vec![wait]).await.unwrap();
    }
    seqs
}

/// Files below `dir` that hold `needle`, as it is or in upper case.
fn holding(dir: &Path, needle: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holding(&path, needle));
        } else if fs::read(&path).unwrap().windows(needle.len()).any(|part| part == needle.as_bytes()) {
            found.push(path.display().to_string());
        }
    }
    found
}

async fn check(store: &Store, seqs: &[Seq]) {
    let events = all_events(store).await;
    let kept: Vec<Seq> = events.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(kept, seqs[2..4], "the other customer's stay, under their sequences");
    assert_eq!(store.why_gone(seqs[1]).await.unwrap(), Gone::Erased);
    let told = store.search(LogQuery { text: Some(EMAIL.to_owned()), ..LogQuery::default() }).await.unwrap();
    assert_eq!(told.len(), 0, "{told:?}");
    assert_eq!(store.search(LogQuery { kinds: vec!["attempt".into()], ..LogQuery::default() }).await.unwrap().len(), 2);
    let key = |resource: &str, id: &str| (resource.to_owned(), Identity::Id(id.to_owned()));
    let known = store.known(&[key("customer", "7"), key("order", "1007"), key("customer", "8")]).await.unwrap();
    assert_eq!(known[0], None);
    let order = known[1].as_ref().unwrap();
    assert!(order.trimmed && order.fields.is_empty(), "that there is such an order stays known");
    assert!(!known[2].as_ref().unwrap().fields.is_empty());
    let alias = |value: &str| ("customer".to_owned(), "email".to_owned(), value.to_owned());
    let ids = store.aliases(&[alias(EMAIL), alias("bob@example.com")]).await.unwrap();
    assert_eq!(ids, [None, Some("8".to_owned())]);
    let waiting = store.webhook_state(WebhookId(1)).await.unwrap().waiting;
    let groups: Vec<_> = waiting.into_iter().map(|(seq, waiting)| (seq, waiting.group.1)).collect();
    let [(theirs, Identity::None), (other, Identity::Key { value, .. })] = &groups[..] else { panic!("{groups:?}") };
    assert_eq!((*theirs, *other, value.as_str()), (seqs[1], seqs[3], "bob@example.com"), "each comes to its end");
}

#[tokio::test]
async fn a_customer_is_gone_from_every_file_by_id_or_by_key() {
    for name in ["7", "Ann.Secret@example.com"] {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let seqs = fill(&store).await;
        let counted = store.erase(customer(name), true).await.unwrap();
        assert_eq!(
            (
                counted.events,
                counted.known,
                counted.aliases,
                counted.sessions,
                counted.pendings,
                counted.webhooks.clone()
            ),
            (2, 2, 1, 1, 1, vec![1]),
            "{counted:?}"
        );
        assert_eq!(all_events(&store).await.len(), 4, "counting changes nothing");
        let erased = store.erase(customer(name), false).await.unwrap();
        assert_eq!((erased.events, erased.log_records), (2, counted.log_records), "{erased:?}");
        check(&store, &seqs).await;
        assert_eq!(store.erase(customer(name), true).await.unwrap(), Erased::default(), "{name}: nothing is left");
        store.commit(vec![about("order", "1", "carl@example.com")], vec![]).await.unwrap();
        drop(store);
        let store = open(dir.path());
        assert_eq!(all_events(&store).await.len(), 3);
        drop(store);
        // Once more: the state was copied at that start.
        assert_eq!(holding(dir.path(), EMAIL), Vec::<String>::new());
        assert!(!holding(dir.path(), "bob@example.com").is_empty());
        // What is built anew from the journals does not know either.
        fs::remove_dir_all(dir.path().join("state")).unwrap();
        let (store, _) = open_with(dir.path(), Options::default());
        let known = store.known(&[("customer".to_owned(), Identity::Id("7".to_owned()))]).await.unwrap();
        assert_eq!(known, [None]);
        drop(store);
        assert_eq!(holding(dir.path(), EMAIL), Vec::<String>::new());
    }
}

#[tokio::test]
async fn an_order_goes_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let seqs = fill(&store).await;
    let erase = Erase { resource: "order".to_owned(), name: "1007".to_owned() };
    assert_eq!(store.erase(erase, false).await.unwrap().events, 1);
    let kept: Vec<Seq> = all_events(&store).await.into_iter().map(|(seq, _)| seq).collect();
    assert_eq!(kept, [seqs[0], seqs[2], seqs[3]]);
}

#[tokio::test]
async fn an_erase_that_was_broken_off_goes_on_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open_with(dir.path(), Options { partition_bytes: 1, ..Options::default() });
    let seqs = fill(&store).await;
    drop(store);
    let parts = partitions(dir.path(), "events");
    assert!(parts.len() > 3, "{parts:?}");
    // As a process leaves it that is killed: asked for, one copy half made, one whole beside the old one, one whole alone.
    let name = |at: usize, end: &str| {
        parts[at].with_file_name(format!("{}{end}", parts[at].file_name().unwrap().to_str().unwrap()))
    };
    copy(&parts[0], &name(0, ".erasing"));
    fs::remove_file(name(0, ".erasing").join("db")).unwrap();
    copy(&parts[1], &name(1, ".erased"));
    fs::rename(&parts[2], name(2, ".erased")).unwrap();
    fs::write(dir.path().join("erase.json"), serde_json::to_vec(&customer("7")).unwrap()).unwrap();
    let store = open(dir.path());
    while dir.path().join("erase.json").exists() {
        tokio::task::yield_now().await;
    }
    check(&store, &seqs).await;
    store.log(vec![notice("after")], vec![]).await.unwrap();
    let told =
        store.search(LogQuery { text: Some("an erase is done".to_owned()), ..LogQuery::default() }).await.unwrap();
    assert_eq!(told.len(), 1);
    let entries = fs::read_dir(parts[0].parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(entries.into_iter().all(|name| !name.to_str().unwrap().contains(".eras")));
}
