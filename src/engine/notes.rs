//! Notes about rules: the first of a kind is logged at once, its repeats as one count a minute.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::model::record::LogEntry;
use crate::model::{Notice, NoticeKind};
use crate::rules::Note;
use crate::store::Store;

use super::counters::EngineCounters;

/// Notes waiting to be taken; more are counted as dropped.
const QUEUE: usize = 1024;
/// Kinds of notes kept between two minutes; more are counted as dropped.
const MAX_KINDS: usize = 1000;
/// How often repeats are written.
const EVERY: Duration = Duration::from_secs(60);

/// Takes notes; cheap to clone, never blocks.
#[derive(Clone, Debug)]
pub(super) struct Notes {
    sender: mpsc::Sender<(NoticeKind, Note)>,
    counters: EngineCounters,
}

impl Notes {
    /// Starts the writer of notices; it ends when every clone is dropped.
    pub(super) fn start(store: Store, clock: Clock, counters: EngineCounters) -> (Self, tokio::task::JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let writing = tokio::spawn(write(receiver, store, clock, counters.clone()));
        (Self { sender, counters }, writing)
    }

    pub(super) fn take(&self, kind: NoticeKind, note: Note) {
        if self.sender.try_send((kind, note)).is_err() {
            self.counters.notes_dropped.inc();
        }
    }
}

async fn write(mut receiver: mpsc::Receiver<(NoticeKind, Note)>, store: Store, clock: Clock, counters: EngineCounters) {
    // Kind → repeats not yet written; present at all = written within this minute.
    let mut kinds: HashMap<(NoticeKind, Note), u64> = HashMap::new();
    let mut minute = tokio::time::interval(EVERY);
    loop {
        let due = tokio::select! {
            taken = receiver.recv() => match taken {
                Some(kind) => fresh(&mut kinds, kind, &counters),
                None => break,
            },
            _ = minute.tick() => repeats(&mut kinds),
        };
        log(&store, &clock, due).await;
    }
    log(&store, &clock, repeats(&mut kinds)).await;
}

type Due = Vec<((NoticeKind, Note), u64)>;

fn fresh(kinds: &mut HashMap<(NoticeKind, Note), u64>, kind: (NoticeKind, Note), counters: &EngineCounters) -> Due {
    if let Some(count) = kinds.get_mut(&kind) {
        *count += 1;
        return Vec::new();
    }
    if kinds.len() == MAX_KINDS {
        counters.notes_dropped.inc();
        return Vec::new();
    }
    kinds.insert(kind.clone(), 0);
    vec![(kind, 1)]
}

fn repeats(kinds: &mut HashMap<(NoticeKind, Note), u64>) -> Due {
    let due = kinds.iter().filter(|(_, count)| **count > 0).map(|(kind, count)| (kind.clone(), *count)).collect();
    kinds.retain(|_, count| std::mem::take(count) > 0);
    due
}

async fn log(store: &Store, clock: &Clock, due: Due) {
    if due.is_empty() {
        return;
    }
    let now = clock.now();
    let entries = due.into_iter().map(|((kind, note), count)| {
        tracing::warn!(rule = note.rule, count, "{}", note.text);
        let rule = Some(note.rule).filter(|rule| !rule.is_empty());
        LogEntry::Notice(Notice { rule, count, ..Notice::new(now, kind, note.text) })
    });
    if let Err(error) = store.log(entries.collect(), Vec::new()).await {
        tracing::warn!(%error, "notes about rules could not be kept in the log");
    }
}
