//! Damage of every kind at places that a seed chooses: the store opens, tells what it lost, and serves nothing that is wrong.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use shopbell::id::{Seq, WebhookId};
use shopbell::model::record::{EventEntry, LogEntry};
use shopbell::store::{Options, Store};

use super::support::{all_events, copy, cursor, entry, event, notice, open_with, remember, title};

/// Damages tried; each takes half a second.
const ROUNDS: u64 = 10;

/// Events of each closed partition but the small ones, each with a line of the log.
const EVENTS: u64 = 20;

/// Bytes of events' bodies: what shares a value of the database, has one, or has several.
const SIZES: [u64; 6] = [10, 300, 1_000, 1_000, 4_000, 40_000];

/// Records that flipped bytes beside each other may cost: those of the place, and one whose head is beside it.
const FLIP_COSTS: usize = 2;

/// Numbers that follow from a seed.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit.max(1)
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }

    fn text(&mut self, bytes: u64) -> String {
        (0..bytes).map(|_| char::from(b'#' + u8::try_from(self.below(50)).unwrap())).collect()
    }
}

/// A data directory with closed partitions and open ones, and what was put into it.
struct Whole {
    dir: tempfile::TempDir,
    seeded: Seeded,
    /// Body of each event.
    events: BTreeMap<u64, String>,
    /// Text of each notice.
    log: BTreeMap<u64, String>,
}

impl Whole {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut whole = Self { dir, seeded: Seeded(7), events: BTreeMap::new(), log: BTreeMap::new() };
        for round in 0..3 {
            if round > 0 {
                // Every write under this limit closes the partition before it.
                whole.fill(Options { partition_bytes: 1, ..Options::default() }, 1).await;
            }
            whole.fill(Options::default(), EVENTS).await;
        }
        whole
    }

    async fn fill(&mut self, options: Options, count: u64) {
        let (store, _) = open_with(self.dir.path(), options);
        for _ in 0..count {
            let id = self.log.len() as u64 + 1;
            let bytes = *self.seeded.pick(&SIZES);
            let event = event(&id.to_string(), &self.seeded.text(bytes), &[1]);
            let body = event.body.get().to_owned();
            let writes = vec![remember(&id.to_string(), "kept"), cursor(1, id)];
            let seq = store.commit(vec![EventEntry::Event(Box::new(event))], writes).await.unwrap();
            self.events.insert(seq.0, body);
            let text = format!("line {id} {}", self.seeded.text(bytes / 10));
            let seq = store.log(vec![notice(&text)], vec![]).await.unwrap();
            self.log.insert(seq.0, text);
        }
    }

    /// Looks at a damaged copy. Gives how many records are lost.
    async fn check(&self, data: &Path, what: &str) -> usize {
        let (store, recovery) = open_with(data, Options::default());
        let events = events(&store).await;
        assert!(events.iter().all(|one| self.events.get(one.0) == Some(one.1)), "{what}: an event is wrong");
        let mut lines = log(&store).await;
        lines.retain(|seq, _| self.log.contains_key(seq));
        assert!(lines.iter().all(|one| self.log.get(one.0) == Some(one.1)), "{what}: a line is wrong");
        let lost = self.events.len() - events.len() + self.log.len() - lines.len();
        let seq = store.commit(vec![entry("new")], vec![]).await.unwrap();
        store.log(vec![notice("next")], vec![]).await.unwrap();
        let told = !recovery.notes.is_empty() || log(&store).await.values().any(|text| text.contains("damaged"));
        assert!(told || lost == 0, "{what}: {lost} records are lost and nothing is told");
        for id in 1..=self.log.len() {
            assert_eq!(title(&store, &id.to_string()).await.as_deref(), Some("kept"), "{what}: {:?}", recovery.notes);
        }
        assert_eq!(store.webhook_state(WebhookId(1)).await.unwrap().cursor.0, self.log.len() as u64, "{what}");
        drop(store);
        let (store, recovery) = open_with(data, Options::default());
        assert_eq!(recovery.notes, Vec::<String>::new(), "{what}: it is mended");
        assert_eq!(self::events(&store).await.len(), events.len() + 1, "{what}: a mended partition stays as it is");
        let new = store.events_at(&[seq]).await.unwrap().remove(0);
        assert_eq!(new.unwrap().id.as_deref(), Some("new"), "{what}");
        lost
    }
}

async fn events(store: &Store) -> BTreeMap<u64, String> {
    all_events(store).await.into_iter().map(|(seq, event)| (seq.0, event.body.get().to_owned())).collect()
}

async fn log(store: &Store) -> BTreeMap<u64, String> {
    let (mut all, mut from) = (BTreeMap::new(), Seq(1));
    while from < *store.log_head().borrow() {
        let (entries, next) = store.log_entries(from, 1_000).await.unwrap();
        for (seq, entry) in entries {
            let LogEntry::Notice(notice) = entry else { continue };
            all.insert(seq.0, notice.text.clone());
        }
        from = next;
    }
    all
}

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for path in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// Damages something: two times of three a database. Gives what, and how many records that may cost.
fn damage(data: &Path, seeded: &mut Seeded) -> (String, usize) {
    let mut all = Vec::new();
    files(data, &mut all);
    all.sort();
    // A layout that is newer than we know is refused, and should be.
    all.retain(|path| !path.ends_with("lock") && !path.ends_with("layout"));
    if seeded.below(3) > 0 {
        all.retain(|path| path.ends_with("db"));
    }
    let path = seeded.pick(&all).clone();
    let length = fs::metadata(&path).unwrap().len();
    let place = path.strip_prefix(data).unwrap().display().to_string();
    let dir = path.parent().unwrap();
    match seeded.below(10) {
        0 => {
            let cut = seeded.below(length);
            fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(cut).unwrap();
            (format!("{place} cut to {cut}"), usize::MAX)
        }
        1 => {
            fs::write(&path, b"").unwrap();
            (format!("{place} is empty"), usize::MAX)
        }
        2 => {
            fs::remove_file(&path).unwrap();
            (format!("{place} is gone"), usize::MAX)
        }
        3 if dir != data => {
            fs::remove_dir_all(dir).unwrap();
            (format!("the directory of {place} is gone"), usize::MAX)
        }
        4 => {
            let name = *seeded.pick(&[
                "snap.00000000000000AA",
                "snap.0A.generating",
                "0000000000000000007x",
                "00000000000000000009",
            ]);
            fs::write(dir.join(name), b"rubbish").unwrap();
            (format!("{name} lies beside {place}"), 0)
        }
        _ => {
            let mut bytes = fs::read(&path).unwrap();
            // Most of a database is empty; damage there shows little.
            let used = (0..50).map(|_| usize::try_from(seeded.below(length)).unwrap()).find(|at| bytes[*at] != 0);
            let (at, count) = (used.unwrap_or(0), usize::try_from(1 + seeded.below(16)).unwrap());
            for byte in bytes.iter_mut().skip(at).take(count) {
                *byte ^= u8::try_from(1 + seeded.below(255)).unwrap();
            }
            fs::write(&path, bytes).unwrap();
            (format!("{count} bytes flipped at {at} of {place}"), FLIP_COSTS)
        }
    }
}

#[tokio::test]
async fn damage_costs_what_it_hits_and_is_told() {
    let whole = Whole::new().await;
    for round in 0..ROUNDS {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        copy(whole.dir.path(), &data);
        let mut seeded = Seeded(round * 7_919 + 1);
        seeded.below(2);
        let (what, cost) = damage(&data, &mut seeded);
        let what = format!("round {round}: {what}");
        let lost = whole.check(&data, &what).await;
        assert!(lost <= cost, "{what}: {lost} records are lost");
    }
}
