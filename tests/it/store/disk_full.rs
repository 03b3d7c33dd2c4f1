//! A disk that is really full: a small file system of its own, where the machine lets us mount one.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use shopbell::id::WebhookId;
use shopbell::model::record::EventEntry;
use shopbell::store::{LogQuery, Options, Store, StoreError};
use tokio::time::Instant;

use super::support::{all_events, cursor, event, ids, notice, open_with, partitions, remember, title};

/// Size of the file system, in MiB.
const SIZE: &str = "16";

/// A mounted file system; taken down when dropped.
struct Small(tempfile::TempDir);

impl Small {
    /// `None` where this process may not mount.
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let options = format!("size={SIZE}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(dir.path()).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(dir))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// Commits one event; gives its id if it was taken.
async fn put(store: &Store, id: u64) -> Result<String, StoreError> {
    let id = id.to_string();
    let event = event(&id, &"z".repeat(4_000), &[1]);
    store.commit(vec![EventEntry::Event(Box::new(event))], vec![]).await.map(|_| id)
}

#[tokio::test]
async fn a_full_disk_refuses_and_goes_on_when_there_is_room_again() {
    let Some(small) = Small::mount() else {
        eprintln!(
            "skipped: this process may not mount a file system; a limit on the size of files stands in, see crash.rs"
        );
        return;
    };
    let data = small.path().join("data");
    let options = Options { partition_bytes: 1 << 20, ..Options::default() };
    let (store, _) = open_with(&data, options.clone());
    let (mut taken, mut number) = (Vec::new(), 0);
    for round in 0..3 {
        for _ in 0..20 {
            number += 1;
            taken.push(put(&store, number).await.expect("there is room"));
        }
        // Somebody else fills the disk.
        let ballast = small.path().join("ballast");
        fill(&ballast);
        let mut refused = 0;
        while refused < 5 {
            number += 1;
            match put(&store, number).await {
                Ok(id) => taken.push(id),
                Err(StoreError::Unavailable(_)) => refused += 1,
                Err(other) => panic!("round {round}: {other}"),
            }
            assert!(number < 10_000, "round {round}: the disk is full, and refuses at last");
        }
        assert_eq!(all_events(&store).await.len(), taken.len(), "round {round}: reading goes on");
        fs::remove_file(&ballast).unwrap();
    }
    number += 1;
    taken.push(put(&store, number).await.expect("there is room again, and no restart was needed"));
    store.log(vec![notice("after")], vec![]).await.unwrap();
    let query = |text: &str| LogQuery { text: Some(text.to_owned()), ..LogQuery::default() };
    assert!(!store.search(query("events journal cannot be written")).await.unwrap().is_empty());
    assert!(!store.search(query("events journal works again")).await.unwrap().is_empty());
    drop(store);
    let (store, recovery) = open_with(&data, options);
    let found: Vec<String> = all_events(&store).await.iter().map(|(_, event)| event.id.clone().unwrap()).collect();
    assert_eq!(found, taken, "all that was taken, nothing that was refused: {:?}", recovery.notes);
}

/// How long the disk is full each time, and how often: sled writes by itself every 500 ms, the state is given to it once a
/// second, and the state falls behind where sled had something to write.
const FULL: Duration = Duration::from_millis(1_200);
const TIMES: u32 = 4;

/// Fills the disk; the file must be removed to have room again.
fn fill(ballast: &Path) {
    let mut file = fs::File::create(ballast).unwrap();
    while std::io::Write::write_all(&mut file, &[1; 4_096]).is_ok() {}
}

/// Commits one event with what it leaves to remember and, beside it, a line of the log with a cursor. Gives whether each
/// was taken.
async fn put_all(store: &Store, id: u64) -> (bool, bool) {
    let text = id.to_string();
    let entry = EventEntry::Event(Box::new(event(&text, "", &[1])));
    let put = store.commit(vec![entry], vec![remember(&text, &format!("{text} {}", "t".repeat(4_000)))]);
    let (put, log) = tokio::join!(put, store.log(vec![notice("a result")], vec![cursor(1, id)]));
    for refused in [put.as_ref().err(), log.as_ref().err()].into_iter().flatten() {
        assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
    }
    (put.is_ok(), log.is_ok())
}

/// What was taken is there, and nothing else.
async fn assert_kept(store: &Store, events: &[String], logged: &[u64]) {
    assert_eq!(ids(store).await, events);
    for id in events {
        let title = title(store, id).await;
        assert!(title.is_some_and(|title| title.starts_with(&format!("{id} "))), "order {id} is remembered");
    }
    let found = store.search(LogQuery { text: Some("a result".to_owned()), limit: 1_000, ..LogQuery::default() });
    assert_eq!(found.await.unwrap().len(), logged.len());
    // A reader may be the first to find that the state's database failed; it is opened again within a second or two.
    let asked = Instant::now();
    let state = loop {
        match store.webhook_state(WebhookId(1)).await {
            Ok(state) => break state,
            Err(error) => assert!(asked.elapsed() < Duration::from_secs(20), "{error}"),
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(Some(state.cursor.0), logged.last().copied());
}

#[tokio::test]
async fn a_state_that_fell_behind_on_a_full_disk_catches_up_when_there_is_room_again() {
    let Some(small) = Small::mount() else {
        eprintln!("skipped: this process may not mount a file system");
        return;
    };
    let data = small.path().join("data");
    let (store, _) = open_with(&data, Options::default());
    let (mut events, mut logged, mut number) = (Vec::new(), Vec::new(), 0);
    let ballast = small.path().join("ballast");
    for time in 0..TIMES {
        // So many that the state's database has something to write, and what is gathered for it too.
        for _ in 0..40 {
            number += 1;
            assert_eq!(put_all(&store, number).await, (true, true), "{time}: there is room, and no restart was needed");
            events.push(number.to_string());
            logged.push(number);
        }
        fill(&ballast);
        let (full, mut refused) = (Instant::now(), 0);
        while full.elapsed() < FULL {
            number += 1;
            let (put, log) = put_all(&store, number).await;
            events.extend(put.then(|| number.to_string()));
            logged.extend(log.then_some(number));
            refused += u32::from(!put);
            // Whoever reads the state may be the first to find that its database failed.
            let _ = store.webhook_state(WebhookId(1)).await;
        }
        assert!(refused > 0, "{time}: the disk was full");
        fs::remove_file(&ballast).unwrap();
    }
    number += 1;
    assert_eq!(put_all(&store, number).await, (true, true), "there is room again, and no restart was needed");
    events.push(number.to_string());
    logged.push(number);
    assert_kept(&store, &events, &logged).await;
    store.close().await;
    drop(store);
    let (store, _) = open_with(&data, Options::default());
    assert_kept(&store, &events, &logged).await;
}

#[tokio::test]
async fn a_quiet_store_can_be_read_again_when_there_is_room_again() {
    let Some(small) = Small::mount() else {
        eprintln!("skipped: this process may not mount a file system");
        return;
    };
    let (store, _) = open_with(&small.path().join("data"), Options::default());
    assert_eq!(put_all(&store, 1).await, (true, true));
    let ballast = small.path().join("ballast");
    fill(&ballast);
    let mut refused = 0;
    while refused < 3 {
        let (put, log) = put_all(&store, 2).await;
        refused += u32::from(!put && !log);
    }
    let lines = || store.search(LogQuery { text: Some("a result".to_owned()), ..LogQuery::default() });
    assert!(lines().await.is_err(), "what cannot be opened cannot be read");
    fs::remove_file(&ballast).unwrap();
    let freed = Instant::now();
    // Nobody writes: what has the state written has the journals opened, too.
    while let Err(error) = lines().await {
        assert!(freed.elapsed() < Duration::from_secs(20), "no write is needed for reading: {error}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn closed_partitions_can_be_read_while_the_disk_is_full() {
    let Some(small) = Small::mount() else {
        eprintln!("skipped: this process may not mount a file system");
        return;
    };
    let data = small.path().join("data");
    let options = Options { partition_bytes: 1, ..Options::default() };
    let (store, _) = open_with(&data, options);
    for id in 1..=2 {
        assert_eq!(put_all(&store, id).await, (true, true));
    }
    let lines = || store.search(LogQuery { text: Some("a result".to_owned()), ..LogQuery::default() });
    // Nobody has read them: in the background each is opened once, which leaves what a later opening needs.
    let is_snapshot = |file: fs::DirEntry| file.file_name().to_str().unwrap().starts_with("snap.");
    let opened = |journal: &str| {
        let parts = partitions(&data, journal);
        parts[..parts.len() - 1].iter().all(|part| fs::read_dir(part).unwrap().flatten().any(is_snapshot))
    };
    let begun = Instant::now();
    while !opened("events") || !opened("log") {
        assert!(begun.elapsed() < Duration::from_secs(60), "they are opened within seconds");
        tokio::task::yield_now().await;
    }
    fill(&small.path().join("ballast"));
    assert_eq!(lines().await.unwrap().len(), 2);
}
