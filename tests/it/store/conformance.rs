//! What any engine behind the store must do.

use shopbell::id::{Seq, WebhookId};
use shopbell::model::record::{EventEntry, LogEntry};
use shopbell::model::{Health, Identity, Settled, SettledAs, Timestamp, Waiting, WebhookName, Write};
use shopbell::store::{LogLine, LogQuery};

use super::support::{NOW, all_events, cursor, entry, event, ids, notice, open, remember, title};

#[tokio::test]
async fn what_is_committed_is_read_back_in_order_and_without_gaps() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let head = store.head();
    assert_eq!(*head.borrow(), Seq(1));
    assert_eq!(store.commit(vec![entry("a"), entry("b")], vec![]).await.unwrap(), Seq(1));
    assert_eq!(*head.borrow(), Seq(3));
    let settled = Settled {
        pending: shopbell::model::EventUid([1; 16]),
        at: Timestamp::from_millis(NOW),
        settled_as: SettledAs::Dropped,
    };
    assert_eq!(store.commit(vec![EventEntry::Settled(settled), entry("c")], vec![]).await.unwrap(), Seq(3));
    // Writes alone take a record too, so that they outlive the state.
    assert_eq!(store.commit(vec![], vec![remember("7", "tea")]).await.unwrap(), Seq(5));
    assert_eq!(store.commit(vec![entry("d")], vec![]).await.unwrap(), Seq(6));
    let seqs: Vec<u64> = all_events(&store).await.iter().map(|(seq, _)| seq.0).collect();
    assert_eq!(seqs, [1, 2, 4, 6]);
    assert_eq!(ids(&store).await, ["a", "b", "c", "d"]);
    let at = store.events_at(&[Seq(6), Seq(3), Seq(99), Seq(1)]).await.unwrap();
    let at: Vec<_> = at.iter().map(|event| event.as_ref().and_then(|event| event.id.as_deref())).collect();
    assert_eq!(at, [Some("d"), None, None, Some("a")]);
    assert_eq!(store.events(Seq(9), 10).await.unwrap().1, Seq(9));
}

#[tokio::test]
async fn writes_are_visible_when_commit_returns_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let group = ("order".to_owned(), Identity::Id("7".to_owned()));
    let waiting = Waiting {
        attempts: 2,
        uid: None,
        since: Timestamp::default(),
        due: Timestamp::from_millis(NOW + 5_000),
        group: group.clone(),
    };
    let health = Health { failure_count: 3, ..Health::default() };
    let alias = |id: Option<&str>| Write::Alias {
        resource: "customer".to_owned(),
        name: "email".to_owned(),
        value: "a@b.example".to_owned(),
        id: id.map(str::to_owned),
    };
    let webhook = WebhookId(3);
    let name = Write::WebhookName(WebhookName {
        name: "erp".to_owned(),
        id: webhook,
        created: Timestamp::default(),
        retired: None,
        secret: Some("s".to_owned()),
    });
    store.commit(vec![entry("7")], vec![remember("7", "tea"), alias(Some("12")), name]).await.unwrap();
    let writes = vec![
        cursor(3, 9),
        Write::Finished { webhook, event: Seq(4), done: true },
        Write::Finished { webhook, event: Seq(5), done: true },
        Write::Finished { webhook, event: Seq(4), done: false },
        Write::Waiting { webhook, event: Seq(2), waiting: Some(waiting.clone()) },
        Write::Deferred { webhook, event: Seq(6), group: Some(group.clone()) },
        Write::Health { webhook, health: Some(health.clone()) },
    ];
    store.log(vec![notice("one")], writes).await.unwrap();
    let key = ("customer".to_owned(), "email".to_owned(), "a@b.example".to_owned());
    let mut store = store;
    for round in 0..2 {
        assert_eq!(title(&store, "7").await.as_deref(), Some("tea"), "round {round}");
        assert_eq!(store.aliases(std::slice::from_ref(&key)).await.unwrap(), [Some("12".to_owned())]);
        let state = store.webhook_state(webhook).await.unwrap();
        assert_eq!((state.cursor, state.finished), (Seq(9), vec![Seq(5)]));
        assert_eq!((state.waiting, state.deferred), (vec![(Seq(2), waiting.clone())], vec![(Seq(6), group.clone())]));
        assert_eq!((store.health(webhook), state.health), (health.clone(), health.clone()));
        let (names, next) = store.webhook_names().await.unwrap();
        assert_eq!((names.len(), names[0].name.as_str(), names[0].secret.as_deref(), next), (1, "erp", Some("s"), 4));
        store.close().await;
        drop(store);
        store = open(dir.path());
    }
    store.commit(vec![], vec![alias(None), Write::WebhookGone { name: "erp".to_owned(), id: webhook }]).await.unwrap();
    assert_eq!(store.aliases(&[key]).await.unwrap(), [None]);
    let state = store.webhook_state(webhook).await.unwrap();
    assert!(state.finished.is_empty() && state.waiting.is_empty() && state.deferred.is_empty());
    assert_eq!((state.cursor, store.health(webhook)), (Seq(0), Health::default()));
    assert_eq!(store.webhook_names().await.unwrap(), (vec![], 4), "an id is never given twice");
}

#[tokio::test]
async fn large_bodies_come_back_from_memory_and_from_disk() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut seed = 7u32;
    let noise: String = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'a' + (seed >> 24) as u8 % 26)
    })
    .take(1 << 20)
    .collect();
    let large = event("1", &noise, &[]);
    let body = large.body.get().to_owned();
    store.commit(vec![EventEntry::Event(Box::new(large)), entry("2")], vec![]).await.unwrap();
    assert_eq!(all_events(&store).await[0].1.body.get(), body);
    drop(store);
    let store = open(dir.path());
    let events = all_events(&store).await;
    assert_eq!((events.len(), events[0].1.body.get()), (2, body.as_str()));
    assert_eq!(events[1].1.body.get(), r#"{"id":"2","text":""}"#);
}

#[tokio::test]
async fn groups_of_many_writers_stay_dense_and_whole() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut tasks = tokio::task::JoinSet::new();
    for at in 0..200 {
        let store = store.clone();
        tasks.spawn(async move {
            let log = store.log(vec![notice(&at.to_string())], vec![cursor(at, at)]);
            let pair = vec![entry(&format!("{at}a")), entry(&format!("{at}b"))];
            let (first, log) = tokio::join!(store.commit(pair, vec![remember(&at.to_string(), "x")]), log);
            log.unwrap();
            (first.unwrap(), at)
        });
    }
    let firsts = tasks.join_all().await;
    let events = all_events(&store).await;
    assert_eq!(events.len(), 400);
    assert!(events.iter().zip(1..).all(|((seq, _), at)| seq.0 == at));
    for (first, at) in firsts {
        let id = |seq: u64| events[usize::try_from(seq - 1).unwrap()].1.id.clone().unwrap();
        assert_eq!((id(first.0), id(first.0 + 1)), (format!("{at}a"), format!("{at}b")));
        assert_eq!(store.webhook_state(WebhookId(at)).await.unwrap().cursor, Seq(at));
    }
    let lines = store.search(LogQuery { limit: 1_000, ..LogQuery::default() }).await.unwrap();
    let notices = lines.iter().filter(|line| matches!(line, LogLine::Log { entry: LogEntry::Notice(_), .. }));
    assert_eq!(notices.count(), 200);
}

#[tokio::test]
async fn a_closed_store_reads_and_refuses_to_write() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit(vec![entry("a")], vec![]).await.unwrap();
    store.close().await;
    store.close().await;
    let error = store.commit(vec![entry("b")], vec![]).await.unwrap_err();
    assert!(error.to_string().contains("closed"), "{error}");
    assert_eq!(ids(&store).await, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn paused_time_stands_still_while_the_disk_works() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let timer = tokio::time::sleep(std::time::Duration::from_hours(1));
    tokio::select! {
        biased;
        seq = store.commit(vec![entry("a")], vec![]) => assert_eq!(seq.unwrap(), Seq(1)),
        () = timer => panic!("an hour went by while one commit was written"),
    }
}

#[tokio::test]
async fn visitors_and_waits_are_remembered_and_forgotten() {
    use shopbell::clock::Clock;
    use shopbell::model::{EventUid, Pending, SessionMemory};
    use shopbell::store::{Options, Store};
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path(), Options::default(), Clock::System).unwrap();
    let memory =
        SessionMemory { keys: vec!["k".into()], expires: Timestamp::from_millis(9), ..SessionMemory::default() };
    let uid = EventUid([7; 16]);
    let pending = Pending {
        uid,
        at: Timestamp::from_millis(1),
        rule: "order".into(),
        deadline: Timestamp::from_millis(5),
        session: "s".into(),
        ..Pending::default()
    };
    let until = Timestamp::from_millis(77);
    let puts = vec![
        Write::Session { session: "s".into(), memory: Some(memory.clone()) },
        Write::SessionKey { key: "k".into(), session: Some("s".into()) },
        Write::Once { rule: "order".into(), key: "7".into(), until: Some(until) },
        Write::Pending { uid, pending: Some(Box::new(pending.clone())) },
    ];
    store.commit(vec![EventEntry::Pending(Box::new(pending.clone()))], puts).await.unwrap();
    store.close().await;
    drop(store);
    let (store, _) = Store::open(dir.path(), Options::default(), Clock::System).unwrap();
    assert_eq!(store.session_keys(&["k".into(), "x".into()]).await.unwrap(), [Some("s".into()), None]);
    assert_eq!(store.sessions(&["s".into()]).await.unwrap(), [Some(memory)]);
    assert_eq!(
        store.once(&[("order".into(), "7".into()), ("order".into(), "8".into())]).await.unwrap(),
        [Some(until), None]
    );
    assert_eq!(store.pendings().await.unwrap(), [pending]);
    let deletes = vec![
        Write::Session { session: "s".into(), memory: None },
        Write::SessionKey { key: "k".into(), session: None },
        Write::Once { rule: "order".into(), key: "7".into(), until: None },
        Write::Pending { uid, pending: None },
    ];
    store.commit(Vec::new(), deletes).await.unwrap();
    assert_eq!(store.sessions(&["s".into()]).await.unwrap(), [None]);
    assert!(store.pendings().await.unwrap().is_empty() && store.session_keys(&["k".into()]).await.unwrap() == [None]);
}
