//! The committer: groups of exchanges into the journal, then the visitors go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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

/// Brings groups of exchanges into the journal.
#[derive(Debug)]
pub(super) struct Committer {
    pub(super) store: Store,
    pub(super) overlay: Arc<Overlay>,
    pub(super) counters: EngineCounters,
    pub(super) notes: Notes,
    /// Shown to the observers while the journal refuses.
    pub(super) failing: Arc<AtomicBool>,
}

impl Committer {
    /// Runs until no more come. After `give_up` what the journal has not taken is lost, loudly.
    pub(super) async fn run(self, mut ready: mpsc::Receiver<Ready>, mut give_up: watch::Receiver<bool>) {
        let mut lost = 0;
        let mut group = Vec::with_capacity(GROUP);
        // While one group is on its way to the disk the next gathers in the channel: that is the group commit.
        while ready.recv_many(&mut group, GROUP).await > 0 {
            let mut rest = group.drain(..).peekable();
            while rest.peek().is_some() {
                let batch = Batch::fill(&mut rest);
                let (last, events) = (batch.last(), batch.events());
                tokio::select! {
                    biased;
                    () = self.commit(batch) => {}
                    _ = give_up.wait_for(|now| *now) => lost += events,
                }
                self.overlay.applied(last);
            }
        }
        if lost > 0 {
            self.counters.events_lost.inc_by(lost as u64);
            tracing::error!(events = lost, "the journal did not take the last events before the stop: they are lost");
        }
    }

    async fn commit(&self, batch: Batch) {
        // A batch that is too large for one record is halved, down to one exchange, whose writes are then left out.
        let mut open = vec![batch];
        while let Some(mut batch) = open.pop() {
            let Err(bytes) = self.commit_one(&mut batch).await else { continue };
            match batch.halve() {
                Some(second) => open.extend([second, batch]),
                None => self.too_large(batch, &mut open, bytes),
            }
        }
    }

    /// Commits, however long it takes. `Err`: no journal takes it whole, that many bytes are too many.
    async fn commit_one(&self, batch: &mut Batch) -> Result<(), usize> {
        let mut wait = RETRY_AT_FIRST;
        loop {
            let (entries, writes) = batch.content();
            match self.store.commit(entries, writes).await {
                Ok(_) => break,
                Err(StoreError::TooLarge { bytes }) => return Err(bytes),
                Err(error) => {
                    self.failing.store(true, Ordering::Relaxed);
                    self.counters.commit_retries.inc();
                    self.let_go(batch, &error);
                }
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(RETRY_AT_MOST);
        }
        tracing::trace!(target: "shopbell::step", "committed");
        self.failing.store(false, Ordering::Relaxed);
        self.counters.events.inc_by(batch.events() as u64);
        for (rule, release) in batch.releases() {
            if release.expired() {
                self.released_early(rule, "a visitor was let go before the events were on disk (they are now)");
            }
        }
        tracing::trace!(target: "shopbell::step", "released");
        Ok(())
    }

    fn too_large(&self, mut batch: Batch, open: &mut Vec<Batch>, bytes: usize) {
        let rule = batch.rule();
        let Some(ready) = batch.0.first_mut() else { return };
        if ready.writes.is_empty() {
            let text = format!("events are lost: {bytes} bytes of one exchange are more than the journal takes");
            self.counters.events_lost.inc_by(ready.entries.len() as u64);
            self.notes.take(NoticeKind::Store, Note { rule, text });
            return;
        }
        ready.writes.clear();
        let text =
            format!("what an exchange would have remembered is lost: {bytes} bytes are more than the journal takes");
        self.notes.take(NoticeKind::Store, Note { rule, text });
        open.push(batch);
    }

    /// Promise 1 before promise 2: the shop goes on, the events are kept here until the journal works again.
    fn let_go(&self, batch: &mut Batch, error: &StoreError) {
        let visitors = batch.releases();
        if visitors.is_empty() {
            return;
        }
        let events = batch.events();
        tracing::error!(%error, events, "the journal cannot write; events are kept in memory, the shop goes on");
        let text = format!("events waited in memory because the journal could not write: {error}");
        self.notes.take(NoticeKind::Store, Note { rule: String::new(), text });
        for (rule, _visitor) in visitors {
            self.released_early(
                rule,
                "a visitor was let go before the events were on disk: the journal could not write",
            );
        }
    }

    fn released_early(&self, rule: String, text: &str) {
        self.counters.released_early.inc();
        self.notes.take(NoticeKind::Released, Note { rule, text: text.to_owned() });
    }
}

/// Exchanges that reach the journal together.
#[derive(Debug, Default)]
struct Batch(Vec<Ready>);

impl Batch {
    /// Takes exchanges until the batch is as large as one may be; always at least one.
    fn fill(rest: &mut impl Iterator<Item = Ready>) -> Self {
        let (mut batch, mut bytes) = (Self::default(), 0);
        while batch.events() < BATCH_EVENTS && bytes < BATCH_BYTES {
            let Some(ready) = rest.next() else { break };
            bytes += ready.entries.iter().map(size_of_entry).sum::<usize>();
            batch.0.push(ready);
        }
        batch
    }

    /// Number of the last exchange.
    fn last(&self) -> u64 {
        self.0.last().map_or(0, |ready| ready.number)
    }

    fn events(&self) -> usize {
        self.0.iter().map(|ready| ready.entries.len()).sum()
    }

    /// The first rule of the first exchange.
    fn rule(&self) -> String {
        self.0.first().and_then(|ready| ready.entries.iter().find_map(rule_of)).unwrap_or_default()
    }

    /// What the journal gets.
    fn content(&self) -> (Vec<EventEntry>, Vec<Write>) {
        let entries = self.0.iter().flat_map(|ready| &ready.entries);
        let writes = self.0.iter().flat_map(|ready| &ready.writes);
        (entries.cloned().collect(), writes.cloned().collect())
    }

    /// Takes the visitors out, each with the first rule of its exchange.
    fn releases(&mut self) -> Vec<(String, Release)> {
        let taken = self.0.iter_mut().filter_map(|ready| {
            let rule = ready.entries.iter().find_map(rule_of).unwrap_or_default();
            Some((rule, ready.release.take()?))
        });
        taken.collect()
    }

    /// Keeps the first half; gives the second, unless there is only one exchange.
    fn halve(&mut self) -> Option<Self> {
        (self.0.len() > 1).then(|| Self(self.0.split_off(self.0.len() / 2)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::id::EventUid;
    use crate::model::{Event, Identity, Known, Timestamp};
    use crate::store::Options;

    fn ready(number: u64, id: &str, remembered: usize) -> Ready {
        let identity = Identity::Id(id.to_owned());
        let event = Event {
            uid: EventUid::random(),
            at: Timestamp::from_millis(0),
            topic: "product.updated".parse().unwrap(),
            resource: "product".into(),
            id: Some(id.to_owned()),
            key: serde_json::Map::new(),
            group: ("product".into(), identity.clone()),
            body: serde_json::value::RawValue::from_string("{}".into()).unwrap(),
            rule: "saved".into(),
            webhooks: Vec::new(),
            source: String::new(),
        };
        let fields = [("text".to_owned(), "x".repeat(remembered).into())].into_iter().collect();
        let known = Some(Known { fields, ..Known::default() });
        let writes = vec![Write::Known { resource: "product".into(), identity, known }];
        Ready {
            number,
            entries: vec![EventEntry::Event(Box::new(event))],
            writes,
            release: Some(crate::tap::released()),
        }
    }

    #[tokio::test]
    async fn one_exchange_too_large_to_be_remembered_costs_no_event() {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(dir.path(), Options::default(), Clock::System).unwrap();
        let counters = EngineCounters::default();
        let (notes, _writing) = Notes::start(store.clone(), Clock::System, counters.clone());
        let (store, overlay) = (store, Arc::new(Overlay::default()));
        let committer =
            Committer { store: store.clone(), overlay, counters: counters.clone(), notes, failing: Arc::default() };
        // Larger than any record, but its event is not.
        committer.commit(Batch(vec![ready(1, "1", 8), ready(2, "2", 65 << 20), ready(3, "3", 8)])).await;
        let (events, _) = store.events(crate::id::Seq(1), 10).await.unwrap();
        let ids: Vec<_> = events.iter().filter_map(|(_, event)| event.id.as_deref()).collect();
        assert_eq!(ids, ["1", "2", "3"], "all of them, in order");
        let key = |id: &str| ("product".to_owned(), Identity::Id(id.to_owned()));
        let known = store.known(&[key("1"), key("2"), key("3")]).await.unwrap();
        assert_eq!(known.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true]);
        assert_eq!((counters.events.get(), counters.events_lost.get()), (3, 0));
        assert_eq!(counters.notes(NoticeKind::Store, "saved"), 1);
    }
}
