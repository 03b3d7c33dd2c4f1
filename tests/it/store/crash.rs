//! Processes that die or run out of disk while they write. The process is this test binary again: see [`child`].

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use shopbell::clock::Clock;
use shopbell::id::{Seq, WebhookId};
use shopbell::model::record::EventEntry;
use shopbell::store::{Options, Store};

use super::support::{cursor, event, ids, notice, open_with, remember, title};

/// Names the data directory for the child.
const DATA: &str = "SHOPBELL_TEST_DATA";

/// Writes what it is asked to on stdin, and answers on stdout what became of it. `run` writes until it is killed.
#[tokio::test]
#[ignore = "the other process of the tests of this file"]
async fn child() {
    let Some(data) = std::env::var_os(DATA) else { return };
    let options = Options { partition_bytes: 1 << 20, ..Options::default() };
    let (store, _) = Store::open(Path::new(&data), options, Clock::System).unwrap();
    let mut next = *store.head().borrow();
    let body = "x".repeat(1_500);
    for line in std::io::stdin().lock().lines() {
        let (word, count) = line.as_deref().unwrap().split_once(' ').unwrap();
        for _ in 0..count.parse::<u64>().unwrap() {
            let id = next.0.to_string();
            let event = EventEntry::Event(Box::new(event(&id, &format!("{id}{body}"), &[1])));
            let writes = vec![remember("latest", &id), remember(&id, &id)];
            let both = async {
                tokio::join!(store.commit(vec![event], writes), store.log(vec![notice(&id)], vec![cursor(1, next.0)]))
            };
            match both.await {
                (Ok(seq), Ok(_)) => {
                    println!("@{word} {}", seq.0);
                    next = *store.head().borrow();
                }
                (commit, log) => println!("failed {:?}", commit.and(log)),
            }
        }
        println!("@done {}", next.0);
    }
}

struct Process {
    child: Child,
    asks: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts the child; `before` is a shell's preparation.
    fn start(data: &Path, before: &str) -> Self {
        let binary = std::env::current_exe().unwrap();
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(format!("{before} exec \"$0\" --exact store::crash::child --ignored --nocapture --test-threads=1"))
            .arg(binary)
            .env(DATA, data)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let asks = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, asks, lines }
    }

    fn ask(&mut self, what: &str) {
        writeln!(self.asks, "{what}").unwrap();
    }

    /// The next answer that begins with `word`: its rest. Gives also how many answers said "failed" before it.
    fn answer(&mut self, word: &str) -> (String, usize) {
        let mut failed = 0;
        loop {
            let line = self.lines.next().expect("the child answers").unwrap();
            // The test harness may have begun this line.
            match line.rsplit_once(&format!("@{word} ")) {
                Some((_, rest)) => return (rest.trim().to_owned(), failed),
                None => failed += usize::from(line.contains("failed")),
            }
        }
    }
}

#[tokio::test]
async fn a_killed_process_loses_nothing_it_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for round in 0..6u64 {
        let mut process = Process::start(dir.path(), "");
        process.ask("run 1000000");
        for _ in 0..=(37 * round) {
            acknowledged = process.answer("run").0.parse().unwrap();
        }
        process.child.kill().unwrap();
        process.child.wait().unwrap();
        let (store, recovery) = open_with(dir.path(), Options { partition_bytes: 1 << 20, ..Options::default() });
        let unfinished = |note: &String| note.contains("were not finished");
        assert!(recovery.notes.iter().all(unfinished), "{:?}", recovery.notes);
        let head = store.head().borrow().0;
        assert!(head > acknowledged, "round {round}: {head} after {acknowledged}");
        let last = store.events_at(&[Seq(acknowledged)]).await.unwrap()[0].clone().unwrap();
        assert_eq!(last.id, Some(acknowledged.to_string()));
        let found = ids(&store).await;
        assert_eq!(title(&store, "latest").await.as_ref(), found.last(), "the state is where the journal is");
        assert_eq!(title(&store, &acknowledged.to_string()).await, Some(acknowledged.to_string()));
        assert!(store.webhook_state(WebhookId(1)).await.unwrap().cursor.0 >= acknowledged);
    }
}

#[tokio::test]
async fn a_disk_that_refuses_writes_is_told_and_forgiven() {
    let dir = tempfile::tempdir().unwrap();
    // A limit on the size of files stands in for a full disk: writes past it fail with an error.
    let mut process = Process::start(dir.path(), "trap '' XFSZ; ulimit -S -f 1100;");
    process.ask("fill 400");
    let (_, refused) = process.answer("done");
    assert!(refused > 0, "the limit was reached");
    let unlimited = rustix::process::Rlimit { current: None, maximum: None };
    let pid = rustix::process::Pid::from_child(&process.child);
    rustix::process::prlimit(Some(pid), rustix::process::Resource::Fsize, unlimited).unwrap();
    process.ask("after 20");
    let (last, failed) = process.answer("done");
    assert_eq!(failed, 0, "the store works again without a restart");
    drop(process.asks);
    process.child.wait().unwrap();
    let (store, recovery) = open_with(dir.path(), Options { partition_bytes: 1 << 20, ..Options::default() });
    assert_eq!(recovery.notes, Vec::<String>::new());
    assert_eq!(store.head().borrow().0.to_string(), last);
    let found = ids(&store).await;
    assert!(found.windows(2).all(|pair| pair[0].parse::<u64>().unwrap() < pair[1].parse().unwrap()), "in order");
    assert_eq!(title(&store, "latest").await.as_ref(), found.last());
    let told = shopbell::store::LogQuery { text: Some("works again".to_owned()), ..Default::default() };
    let told = store.search(told).await.unwrap().len();
    assert!((1..=2).contains(&told), "the log says, once for each journal, that the disk failed: {told}");
}
