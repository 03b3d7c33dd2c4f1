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
/// Pause before notes are written again that the store refused.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

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
        self.counters.count_note(kind, &note);
        if self.sender.try_send((kind, note)).is_err() {
            self.counters.notes_dropped.inc();
        }
    }
}

async fn write(mut receiver: mpsc::Receiver<(NoticeKind, Note)>, store: Store, clock: Clock, counters: EngineCounters) {
    // Kind → repeats not yet written; present at all = written within this minute.
    let mut kinds: HashMap<(NoticeKind, Note), u64> = HashMap::new();
    let mut minute = tokio::time::interval(EVERY);
    // What the store refused: kept here, bounded like the kinds, until it works again.
    let mut refused: Due = Vec::new();
    loop {
        let due = tokio::select! {
            taken = receiver.recv() => match taken {
                Some(kind) => fresh(&mut kinds, kind, &counters),
                None => break,
            },
            _ = minute.tick() => repeats(&mut kinds),
            () = tokio::time::sleep(AGAIN_AFTER), if !refused.is_empty() => Vec::new(),
        };
        due.iter().for_each(tell);
        let together = std::mem::take(&mut refused).into_iter().chain(due).collect();
        refused = log(&store, &clock, together).await;
        if refused.len() > MAX_KINDS {
            counters.notes_dropped.inc_by((refused.len() - MAX_KINDS) as u64);
            refused.truncate(MAX_KINDS);
        }
    }
    let last = repeats(&mut kinds);
    last.iter().for_each(tell);
    refused.extend(last);
    let lost = log(&store, &clock, refused).await;
    counters.notes_dropped.inc_by(lost.len() as u64);
}

fn tell(((_, note), count): &((NoticeKind, Note), u64)) {
    tracing::warn!(rule = note.rule, count, "{}", note.text);
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

/// Writes notices; gives back what the store refused.
async fn log(store: &Store, clock: &Clock, due: Due) -> Due {
    if due.is_empty() {
        return due;
    }
    let now = clock.now();
    let entries = due.iter().map(|((kind, note), count)| {
        let rule = Some(note.rule.clone()).filter(|rule| !rule.is_empty());
        LogEntry::Notice(Notice { rule, count: *count, ..Notice::new(now, *kind, note.text.clone()) })
    });
    match store.log(entries.collect(), Vec::new()).await {
        Ok(_) => Vec::new(),
        Err(error) => {
            tracing::debug!(%error, "notes about rules are kept in memory until the store works again");
            due
        }
    }
}
