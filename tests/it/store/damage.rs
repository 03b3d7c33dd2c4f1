//! What is not as it was written is told, set aside, and costs nothing else.

use std::fs;
use std::path::{Path, PathBuf};

use shopbell::clock::Clock;
use shopbell::id::{Seq, WebhookId};
use shopbell::model::record::EventEntry;
use shopbell::model::{Identity, Timestamp, Waiting, WebhookName, Write};
use shopbell::store::{Gone, LogQuery, Options, Store, StoreError};

use super::support::{NOW, copy, cursor, entry, event, ids, notice, open, open_with, partitions, remember, title};

/// Options under which every group begins a new partition.
fn tiny() -> Options {
    Options { partition_bytes: 1, ..Options::default() }
}

/// Commits events with these ids, each in a commit of its own, with a kilobyte of body.
async fn fill(store: &Store, from: u64, to: u64) {
    for id in from..to {
        let event = event(&id.to_string(), &format!("{id:01000}"), &[1]);
        let writes = vec![remember(&id.to_string(), "kept")];
        store.commit(vec![EventEntry::Event(Box::new(event))], writes).await.unwrap();
    }
}

/// Turns over 64 bytes where `needle` stands in a file, as often as it does.
fn flip(path: &Path, needle: &str) {
    let mut bytes = fs::read(path).unwrap();
    let places: Vec<usize> = bytes
        .windows(needle.len())
        .enumerate()
        .filter(|(_, part)| *part == needle.as_bytes())
        .map(|(at, _)| at)
        .collect();
    assert!(!places.is_empty(), "{needle} stands in {}", path.display());
    for at in places {
        bytes[at..at + needle.len()].iter_mut().for_each(|byte| *byte ^= 0xff);
    }
    fs::write(path, bytes).unwrap();
}

fn set_aside(data: &Path, room: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(data.join(room)).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.to_str().unwrap().contains(".damaged-")).collect()
}

#[tokio::test]
async fn a_damaged_closed_partition_is_mended_when_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open_with(dir.path(), Options::default());
    fill(&store, 1, 21).await;
    drop(store);
    // Ages the partition by a restart with a limit of one byte.
    let (store, _) = open_with(dir.path(), tiny());
    fill(&store, 21, 23).await;
    drop(store);
    let parts = partitions(dir.path(), "events");
    assert!(parts.len() >= 3, "{parts:?}");
    flip(&parts[0].join("db"), &format!("{:01000}", 10)[900..]);
    let (store, recovery) = open_with(dir.path(), Options::default());
    assert_eq!(recovery.notes, Vec::<String>::new(), "closed partitions are looked at later");
    let found = ids(&store).await;
    assert!(found.len() < 22 && found.contains(&"22".to_owned()) && !found.contains(&"10".to_owned()), "{found:?}");
    assert_eq!(set_aside(dir.path(), "journal/events").len(), 1);
    store.log(vec![notice("next")], vec![]).await.unwrap();
    let told = store.search(LogQuery { text: Some("was damaged".to_owned()), ..LogQuery::default() }).await.unwrap();
    assert_eq!(told.len(), 1, "{told:?}");
    drop(store);
    let store = open(dir.path());
    assert_eq!(ids(&store).await, found, "a mended partition stays as it is");
}

#[tokio::test]
async fn a_damaged_newest_partition_is_mended_at_start_and_no_sequence_is_used_twice() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    fill(&store, 1, 21).await;
    drop(store);
    let parts = partitions(dir.path(), "events");
    flip(&parts[0].join("db"), &format!("{:01000}", 5)[900..]);
    let (store, recovery) = open_with(dir.path(), Options::default());
    assert!(!recovery.notes.is_empty());
    let found = ids(&store).await;
    assert!(!found.contains(&"5".to_owned()), "{found:?}");
    assert!(store.commit(vec![entry("new")], vec![]).await.unwrap() > Seq(20));
    assert_eq!(ids(&store).await.last().unwrap(), "new");
    drop(store);
    let store = open(dir.path());
    assert_eq!(ids(&store).await.len(), found.len() + 1);
}

#[tokio::test]
async fn a_cut_or_lost_file_is_told_and_the_sequence_goes_on_behind_it() {
    for cut in [Some(2_000), Some(0), None] {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        fill(&store, 1, 21).await;
        drop(store);
        let part = partitions(dir.path(), "events").remove(0);
        match cut {
            Some(length) => fs::OpenOptions::new().write(true).open(part.join("db")).unwrap().set_len(length).unwrap(),
            None => fs::remove_dir_all(&part).unwrap(),
        }
        let (store, recovery) = open_with(dir.path(), Options::default());
        assert!(
            recovery.notes.last().is_some_and(|note| note.contains("lost its end")),
            "{cut:?}: {:?}",
            recovery.notes
        );
        assert_eq!(title(&store, "20").await.as_deref(), Some("kept"), "the state is whole");
        let seq = store.commit(vec![entry("new")], vec![]).await.unwrap();
        assert!(seq > Seq(20), "{cut:?}: {seq}");
        assert_eq!(ids(&store).await.last().unwrap(), "new");
        drop(store);
        let store = open(dir.path());
        assert_eq!(store.events_at(&[seq]).await.unwrap()[0].as_ref().unwrap().id.as_deref(), Some("new"));
    }
}

#[tokio::test]
async fn a_missing_partition_is_told_once() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open_with(dir.path(), tiny());
    fill(&store, 1, 6).await;
    let before = ids(&store).await;
    drop(store);
    fs::remove_dir_all(&partitions(dir.path(), "events")[1]).unwrap();
    let (store, recovery) = open_with(dir.path(), Options::default());
    assert!(recovery.notes.len() == 1 && recovery.notes[0].contains("missing"), "{:?}", recovery.notes);
    let found = ids(&store).await;
    assert_eq!((found.len(), before.len()), (4, 5), "{found:?}");
    assert_eq!(store.why_gone(Seq(2)).await.unwrap(), Gone::Damaged);
    drop(store);
    open(dir.path());
}

#[tokio::test]
async fn leftovers_of_a_start_up_snapshot_do_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    fill(&store, 1, 4).await;
    drop(store);
    for place in [partitions(dir.path(), "events").remove(0), dir.path().join("state")] {
        fs::write(place.join("snap.0000000000000000.generating"), b"half").unwrap();
    }
    let store = open(dir.path());
    assert_eq!(ids(&store).await, ["1", "2", "3"]);
}

#[tokio::test]
async fn an_older_state_is_brought_forward() {
    let dir = tempfile::tempdir().unwrap();
    let (state, old) = (dir.path().join("state"), dir.path().join("old"));
    let store = open(dir.path());
    fill(&store, 1, 4).await;
    store.log(vec![notice("a")], vec![cursor(1, 2)]).await.unwrap();
    drop(store);
    copy(&state, &old);
    let store = open(dir.path());
    store.log(vec![notice("b")], vec![cursor(1, 3)]).await.unwrap();
    store.commit(vec![entry("4")], vec![remember("3", "changed"), cursor(1, 4)]).await.unwrap();
    store.log(vec![notice("c")], vec![cursor(1, 5)]).await.unwrap();
    store.commit(vec![], vec![remember("3", "last"), cursor(2, 9)]).await.unwrap();
    drop(store);
    for _ in 0..2 {
        fs::remove_dir_all(&state).unwrap();
        copy(&old, &state);
        let store = open(dir.path());
        assert_eq!(title(&store, "3").await.as_deref(), Some("last"));
        assert_eq!(store.webhook_state(WebhookId(1)).await.unwrap().cursor, Seq(5), "journals are applied in turn");
        assert_eq!(store.webhook_state(WebhookId(2)).await.unwrap().cursor, Seq(9));
    }
}

#[tokio::test]
async fn an_end_lost_together_with_the_state_is_told_and_no_sequence_is_used_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open_with(dir.path(), Options::default());
    fill(&store, 1, 20).await;
    store.log(vec![notice("a result")], vec![cursor(1, 21)]).await.unwrap();
    let before = *store.head().borrow();
    store.close().await;
    drop(store);
    fs::remove_dir_all(dir.path().join("state")).unwrap();
    fs::remove_dir_all(&partitions(dir.path(), "events")[0]).unwrap();
    let (store, recovery) = open_with(dir.path(), Options::default());
    assert!(recovery.notes.iter().any(|note| note.contains("the events journal lost its end")), "{:?}", recovery.notes);
    assert!(store.commit(vec![entry("new")], vec![]).await.unwrap() >= before);
}

#[tokio::test]
async fn a_damaged_state_is_built_anew() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 4] = [
        ("gone", |state| fs::remove_dir_all(state).unwrap()),
        ("cut", |state| fs::OpenOptions::new().write(true).open(state.join("db")).unwrap().set_len(5_000).unwrap()),
        ("zeros", |state| fs::write(state.join("db"), vec![0; 600_000]).unwrap()),
        ("settings", |state| fs::write(state.join("conf"), b"nonsense of some length").unwrap()),
    ];
    let webhook = WebhookId(1);
    let group = ("order".to_owned(), Identity::Id("7".to_owned()));
    let waiting = Waiting {
        attempts: 2,
        uid: None,
        since: Timestamp::default(),
        due: Timestamp::from_millis(NOW),
        group: group.clone(),
    };
    for (name, damage) in damages {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = open_with(dir.path(), tiny());
        let name_row = Write::WebhookName(WebhookName {
            name: "erp".to_owned(),
            id: webhook,
            created: Timestamp::default(),
            retired: None,
            secret: None,
        });
        store.commit(vec![], vec![name_row, cursor(1, 1)]).await.unwrap();
        store
            .commit(
                vec![],
                vec![Write::WebhookName(WebhookName {
                    name: "x".to_owned(),
                    id: WebhookId(5),
                    created: Timestamp::default(),
                    retired: None,
                    secret: None,
                })],
            )
            .await
            .unwrap();
        store.commit(vec![], vec![Write::WebhookGone { name: "x".to_owned(), id: WebhookId(5) }]).await.unwrap();
        fill(&store, 1, 4).await;
        let writes = vec![cursor(1, 3), Write::Waiting { webhook, event: Seq(2), waiting: Some(waiting.clone()) }];
        store.log(vec![notice("a")], writes).await.unwrap();
        fill(&store, 4, 6).await;
        let writes = vec![cursor(1, 4), Write::Deferred { webhook, event: Seq(3), group: Some(group.clone()) }];
        store.log(vec![notice("b")], writes).await.unwrap();
        drop(store);
        damage(&dir.path().join("state"));
        let (store, recovery) = open_with(dir.path(), Options::default());
        let told = recovery.notes.iter().any(|note| note.contains("built anew"));
        // Cut short, it may be a whole older state: that is brought forward without a word. Settings are made again.
        assert!(told || name == "cut" || name == "settings", "{name}: {:?}", recovery.notes);
        let state = store.webhook_state(webhook).await.unwrap();
        assert_eq!((state.cursor, state.waiting), (Seq(4), vec![(Seq(2), waiting.clone())]), "{name}");
        assert_eq!(state.deferred, [(Seq(3), group.clone())], "{name}");
        let (names, next) = store.webhook_names().await.unwrap();
        assert_eq!((names.len(), next), (1, 6), "{name}");
        for id in 1..6u64 {
            assert_eq!(title(&store, &id.to_string()).await.as_deref(), Some("kept"), "{name}");
        }
        drop(store);
        open(dir.path());
    }
}

#[tokio::test]
async fn a_lost_instance_key_or_seal_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (store, recovery) = open_with(dir.path(), tiny());
    assert_eq!(recovery.notes, Vec::<String>::new(), "in a new directory it is no loss");
    fill(&store, 1, 4).await;
    let (key, all) = (store.instance_key(), ids(&store).await);
    drop(store);
    fs::remove_file(dir.path().join("instance")).unwrap();
    let seal = partitions(dir.path(), "events")[1].join("sealed.json");
    let text = fs::read_to_string(&seal).unwrap();
    fs::write(&seal, text.replace("\"count\":", "\"count\":1")).unwrap();
    let (store, recovery) = open_with(dir.path(), Options::default());
    let told = |part: &str| recovery.notes.iter().filter(|note| note.contains(part)).count();
    assert_eq!((recovery.notes.len(), told("the file instance"), told("sealed.json")), (2, 1, 1), "{recovery:?}");
    assert!(store.instance_key() != key);
    assert_eq!(ids(&store).await, all);
    assert!(set_aside(dir.path(), "journal/events").is_empty(), "a wrong seal is no wrong partition");
    drop(store);
    open(dir.path());
}

/// What stands in the file is made good where sled gives up, and the damaged file stays as it was found.
#[tokio::test]
async fn flipped_bytes_cost_the_records_they_hit() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    fill(&store, 1, 21).await;
    drop(store);
    let (store, _) = open_with(dir.path(), tiny());
    fill(&store, 21, 23).await;
    let all = ids(&store).await;
    drop(store);
    let db = partitions(dir.path(), "events")[0].join("db");
    flip(&db, &format!("{:01000}", 10)[900..]);
    let damaged = fs::read(&db).unwrap();
    let (store, _) = open_with(dir.path(), Options::default());
    let found = ids(&store).await;
    let lost: Vec<_> = all.iter().filter(|id| !found.contains(id)).collect();
    assert_eq!(lost, ["10"]);
    let aside = set_aside(dir.path(), "journal/events").remove(0);
    assert!(fs::read(aside.join("db")).unwrap() == damaged);
}

#[test]
fn a_directory_has_one_owner_and_must_be_usable() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let opened = || Store::open(&data, Options::default(), Clock::System);
    let store = opened().unwrap();
    let error = opened().unwrap_err();
    assert!(matches!(error, StoreError::InUse(_)) && error.to_string().contains("another shopbell"), "{error}");
    let key = store.0.instance_key();
    drop(store);
    assert_eq!(opened().unwrap().0.instance_key(), key);
    let mode =
        |path: &Path| std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions()) & 0o777;
    assert_eq!((mode(&data), mode(&data.join("instance"))), (0o700, 0o600));
    fs::write(data.join("instance"), "short").unwrap();
    let (store, recovery) = opened().unwrap();
    assert!(recovery.notes.len() == 1 && store.instance_key() != key, "{:?}", recovery.notes);
    drop(store);
    fs::write(data.join("layout"), "3\n").unwrap();
    assert!(opened().unwrap_err().to_string().contains("newer version"));
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Store::open(&file.join("data"), Options::default(), Clock::System).unwrap_err();
    assert!(matches!(error, StoreError::Directory { .. }), "{error}");
}

/// Damage that comes while the store is open, to a closed partition that is not in use: told, and the rest served.
#[tokio::test]
async fn damage_while_it_runs_is_told_and_the_rest_is_served() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage, u64); 5] = [
        ("gone", |part| fs::remove_dir_all(part).unwrap(), 5),
        ("cut", |part| fs::OpenOptions::new().write(true).open(part.join("db")).unwrap().set_len(1_000).unwrap(), 0),
        ("empty", |part| fs::write(part.join("db"), b"").unwrap(), 5),
        ("flipped", |part| flip(&part.join("db"), &format!("{:01000}", 3)[900..]), 1),
        ("leftover", |part| fs::write(part.join("snap.0000000000000000.generating"), b"half").unwrap(), 0),
    ];
    for (name, damage, least_lost) in damages {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        fill(&store, 1, 5).await;
        drop(store);
        let (store, _) = open_with(dir.path(), tiny());
        fill(&store, 5, 12).await;
        let all = ids(&store).await;
        assert_eq!(all.len(), 11, "{name}: the last two closed partitions are the open ones now");
        damage(&partitions(dir.path(), "events")[0]);
        let found = ids(&store).await;
        let lost: Vec<_> = all.iter().filter(|id| !found.contains(id)).collect();
        assert!(lost.len() as u64 >= least_lost, "{name}: {lost:?}");
        assert!(found.ends_with(&all[5..]), "{name}: what lies elsewhere is whole: {found:?}");
        store.log(vec![notice("next")], vec![]).await.unwrap();
        let query = LogQuery { text: Some("events journal damaged".to_owned()), ..LogQuery::default() };
        let told = store.search(query).await.unwrap();
        assert_eq!(told.is_empty(), lost.is_empty(), "{name}: {told:?}");
        assert!(store.commit(vec![entry("new")], vec![]).await.is_ok(), "{name}");
        drop(store);
        let (store, recovery) = open_with(dir.path(), Options::default());
        let again = ids(&store).await;
        assert!(
            again.starts_with(&found[..found.len().min(1)]) && again.last().unwrap() == "new",
            "{name}: {recovery:?}"
        );
    }
}
