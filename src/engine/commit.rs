//! The committer: groups of exchanges into the journal, then the visitors go on.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::model::record::EventEntry;
use crate::model::{NoticeKind, Write};
use crate::rules::Note;
use crate::store::Store;

use super::counters::EngineCounters;
use super::derive::Ready;
use super::notes::Notes;
use super::overlay::Overlay;

/// Exchanges in one group, and exchanges that wait for theirs. While the journal cannot write these are kept in memory;
/// behind them the intake fills and further exchanges pass unobserved.
pub(super) const GROUP: usize = 256;
/// First wait after a failed commit; doubles up to [`RETRY_AT_MOST`].
const RETRY_AT_FIRST: Duration = Duration::from_millis(100);
const RETRY_AT_MOST: Duration = Duration::from_secs(5);

pub(super) async fn run(
    mut ready: mpsc::Receiver<Ready>,
    store: Store,
    overlay: Arc<Overlay>,
    counters: EngineCounters,
    notes: Notes,
) {
    let mut group = Vec::with_capacity(GROUP);
    // While one group is on its way to the disk the next gathers in the channel: that is the group commit.
    while ready.recv_many(&mut group, GROUP).await > 0 {
        let last = group.last().map_or(0, |ready| ready.number);
        commit(&mut group, &store, &counters, &notes).await;
        overlay.applied(last);
    }
}

async fn commit(group: &mut Vec<Ready>, store: &Store, counters: &EngineCounters, notes: &Notes) {
    let mut entries = Vec::new();
    let mut writes: Vec<Write> = Vec::new();
    let mut releases = Vec::with_capacity(group.len());
    for ready in group.drain(..) {
        let rule = ready.events.first().map(|event| event.rule.clone()).unwrap_or_default();
        entries.extend(ready.events.into_iter().map(|event| EventEntry::Event(Box::new(event))));
        writes.extend(ready.writes);
        releases.push((rule, ready.release));
    }
    let count = entries.len() as u64;
    let mut wait = RETRY_AT_FIRST;
    while let Err(error) = store.commit(entries.clone(), writes.clone()).await {
        counters.commit_retries.inc();
        if !releases.is_empty() {
            // Promise 1 before promise 2: the shop goes on, the events are kept here until the journal works again.
            tracing::error!(%error, events = count, "the journal cannot write; events are kept in memory, the shop goes on");
            let text = format!("events waited in memory because the journal could not write: {error}");
            notes.take(NoticeKind::Store, Note { rule: String::new(), text });
            counters.released_early.inc_by(releases.len() as u64);
            releases.clear();
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(RETRY_AT_MOST);
    }
    counters.events.inc_by(count);
    for (rule, release) in releases {
        if release.expired() {
            counters.released_early.inc();
            let text = "a visitor was let go before the events were on disk (they are now)";
            notes.take(NoticeKind::Released, Note { rule, text: text.into() });
        }
    }
}
