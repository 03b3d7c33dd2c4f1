//! A disk that is really full: a small file system of its own, where the machine lets us mount one.

use std::fs;
use std::path::Path;
use std::process::Command;

use shopbell::model::record::EventEntry;
use shopbell::store::{LogQuery, Options, Store, StoreError};

use super::support::{all_events, event, notice, open_with};

/// Size of the file system, in MiB.
const SIZE: &str = "12";

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
        let mut file = fs::File::create(&ballast).unwrap();
        while std::io::Write::write_all(&mut file, &[1; 4_096]).is_ok() {}
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
        drop(file);
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
