//! The committer: groups of exchanges into the journal, then the visitors go on.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::model::record::EventEntry;
use crate::model::{NoticeKind, Write};
use crate::rules::Note;
use crate::store::{Store, StoreError};
use crate::tap::Release;

use super::counters::EngineCounters;
use super::derive::Ready;
use super::notes::Notes;
use super::overlay::Overlay;

/// Exchanges in one group, and exchanges that wait for theirs. While the journal cannot write these are kept in memory;
/// behind them the intake fills and further exchanges pass unobserved.
pub(super) const GROUP: usize = 256;
/// Events of one batch, at about most: a rule with `for_each` may give many for one exchange.
const BATCH_EVENTS: usize = 4096;
/// Bytes of their bodies, at about most.
const BATCH_BYTES: usize = 16 * 1024 * 1024;
/// First wait after a failed commit; doubles up to [`RETRY_AT_MOST`].
const RETRY_AT_FIRST: Duration = Duration::from_millis(100);
const RETRY_AT_MOST: Duration = Duration::from_secs(5);

pub(super) async fn run(
    mut ready: mpsc::Receiver<Ready>,
    store: Store,
    overlay: Arc<Overlay>,
    counters: EngineCounters,
    notes: Notes,
    mut give_up: watch::Receiver<bool>,
) {
    let mut lost = 0;
    let mut group = Vec::with_capacity(GROUP);
    // While one group is on its way to the disk the next gathers in the channel: that is the group commit.
    while ready.recv_many(&mut group, GROUP).await > 0 {
        let mut rest = group.drain(..).peekable();
        while rest.peek().is_some() {
            let batch = Batch::fill(&mut rest);
            let last = batch.last;
            let events = batch.entries.len();
            tokio::select! {
                biased;
                () = batch.commit(&store, &counters, &notes) => {}
                _ = give_up.wait_for(|now| *now) => lost += events,
            }
            overlay.applied(last);
        }
    }
    if lost > 0 {
        counters.events_lost.inc_by(lost as u64);
        tracing::error!(events = lost, "the journal did not take the last events before the stop: they are lost");
    }
}

/// Exchanges that reach the journal together.
#[derive(Default)]
struct Batch {
    last: u64,
    bytes: usize,
    entries: Vec<EventEntry>,
    writes: Vec<Write>,
    /// The first rule of each exchange, and its visitor.
    releases: Vec<(String, Release)>,
}

impl Batch {
    /// Takes exchanges until the batch is as large as one may be; always at least one.
    fn fill(rest: &mut std::iter::Peekable<impl Iterator<Item = Ready>>) -> Self {
        let mut batch = Self::default();
        while batch.entries.len() < BATCH_EVENTS && batch.bytes < BATCH_BYTES {
            let Some(ready) = rest.next() else { break };
            let rule = ready.entries.iter().find_map(rule_of).unwrap_or_default();
            batch.bytes += ready.entries.iter().map(size_of_entry).sum::<usize>();
            batch.entries.extend(ready.entries);
            batch.writes.extend(ready.writes);
            batch.releases.push((rule, ready.release));
            batch.last = ready.number;
        }
        batch
    }

    async fn commit(mut self, store: &Store, counters: &EngineCounters, notes: &Notes) {
        let mut wait = RETRY_AT_FIRST;
        while let Err(error) = store.commit(self.entries.clone(), self.writes.clone()).await {
            if let StoreError::TooLarge { .. } = error {
                let text = format!("events are lost, no journal takes them: {error}");
                notes.take(NoticeKind::Store, Note { rule: String::new(), text });
                return;
            }
            counters.commit_retries.inc();
            self.let_go(&error, counters, notes);
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(RETRY_AT_MOST);
        }
        counters.events.inc_by(self.entries.len() as u64);
        for (rule, release) in self.releases {
            if release.expired() {
                counters.released_early.inc();
                let text = "a visitor was let go before the events were on disk (they are now)";
                notes.take(NoticeKind::Released, Note { rule, text: text.into() });
            }
        }
    }

    /// Promise 1 before promise 2: the shop goes on, the events are kept here until the journal works again.
    fn let_go(&mut self, error: &StoreError, counters: &EngineCounters, notes: &Notes) {
        if self.releases.is_empty() {
            return;
        }
        let (events, visitors) = (self.entries.len(), self.releases.len());
        tracing::error!(%error, events, "the journal cannot write; events are kept in memory, the shop goes on");
        let text = format!("events waited in memory because the journal could not write: {error}");
        notes.take(NoticeKind::Store, Note { rule: String::new(), text });
        counters.released_early.inc_by(visitors as u64);
        for (rule, _visitor) in self.releases.drain(..) {
            let text = "a visitor was let go before the events were on disk: the journal could not write";
            notes.take(NoticeKind::Released, Note { rule, text: text.into() });
        }
    }
}

/// NAME of the rule that made an entry.
fn rule_of(entry: &EventEntry) -> Option<String> {
    match entry {
        EventEntry::Event(event) => Some(event.rule.clone()),
        EventEntry::Pending(pending) => Some(pending.rule.clone()),
        EventEntry::Settled(_) | EventEntry::Checkpoint(_) => None,
    }
}

/// Bytes of an entry, at about: bodies are what is large.
fn size_of_entry(entry: &EventEntry) -> usize {
    match entry {
        EventEntry::Event(event) => event.body.get().len(),
        EventEntry::Pending(_) | EventEntry::Settled(_) | EventEntry::Checkpoint(_) => 1024,
    }
}
