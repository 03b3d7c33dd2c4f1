//! What became of a webhook's deliveries, out of the log and the state.

use std::collections::{HashMap, HashSet};

use super::seq_set::SeqSet;
use crate::id::{Seq, WebhookId};
use crate::model::record::LogEntry;
use crate::model::{DeliveryState, Outcome, Progress, Run};
use crate::store::{Store, StoreError, WebhookState};

/// Entries of the log read at once.
const PAGE: usize = 2_000;

/// The ends of one webhook's deliveries.
#[derive(Debug, Default)]
pub(super) struct Tally {
    delivered: SeqSet,
    failed: SeqSet,
    /// Replay numbers of failed deliveries that were replays.
    replays: HashMap<Seq, u32>,
    /// What the queue still owes.
    cursor: Seq,
    finished: HashSet<Seq>,
    aside: HashSet<Seq>,
    /// Ended by the run that is looked at.
    ours: SeqSet,
    /// How many those are.
    pub(super) progress: Progress,
}

impl Tally {
    /// Reads the log through: the ends before `log_end` are what a selection sees; those that `run` made are counted
    /// wherever they stand.
    pub(super) async fn take(
        store: &Store,
        webhook: WebhookId,
        log_end: Seq,
        run: Option<&Run>,
    ) -> Result<Self, StoreError> {
        let WebhookState { cursor, finished, waiting, deferred, .. } = store.webhook_state(webhook).await?;
        let aside = waiting.into_iter().map(|(seq, _)| seq).chain(deferred.into_iter().map(|(seq, _)| seq)).collect();
        let mut tally = Self { cursor, finished: finished.into_iter().collect(), aside, ..Self::default() };
        let mut from = Seq(1);
        let head = *store.log_head().borrow();
        let to = if run.is_some() { head } else { head.min(log_end) };
        while from < to {
            let (entries, next) = store.log_entries(from, PAGE).await?;
            for (seq, entry) in entries {
                if let LogEntry::Outcome(outcome) = entry
                    && outcome.webhook == webhook
                {
                    tally.count(&outcome, seq < log_end, run.map(|run| run.id));
                }
            }
            from = next.max(from.next());
        }
        Ok(tally)
    }

    fn count(&mut self, outcome: &Outcome, selects: bool, run: Option<u32>) {
        let (seq, state) = (outcome.event, DeliveryState::of(outcome.end));
        if run.is_some() && outcome.run == run {
            self.ours.insert(seq);
            match state {
                DeliveryState::Delivered => self.progress.delivered += 1,
                _ => self.progress.failed += 1,
            }
        }
        if !selects {
            return;
        }
        self.replays.remove(&seq);
        if state == DeliveryState::Delivered {
            self.delivered.insert(seq);
            self.failed.remove(seq);
        } else {
            self.failed.insert(seq);
            self.delivered.remove(seq);
            if outcome.replay > 0 {
                self.replays.insert(seq, outcome.replay);
            }
        }
    }

    /// In which state the delivery of an event is; `None` where the log no longer says it.
    pub(super) fn state(&self, seq: Seq) -> Option<DeliveryState> {
        if self.delivered.contains(seq) {
            Some(DeliveryState::Delivered)
        } else if self.failed.contains(seq) {
            Some(DeliveryState::Failed)
        } else {
            let owed = self.aside.contains(&seq) || (seq >= self.cursor && !self.finished.contains(&seq));
            owed.then_some(DeliveryState::Held)
        }
    }

    /// The replay number of the delivery that `run` makes of an event: a failed one goes on under its id, another gets a
    /// new one.
    pub(super) fn replay(&self, seq: Seq, run: u32) -> u32 {
        match self.state(seq) {
            Some(DeliveryState::Failed) => self.replays.get(&seq).copied().unwrap_or(0),
            _ => run,
        }
    }

    /// Whether the run that is looked at has ended this delivery.
    pub(super) fn is_done(&self, seq: Seq) -> bool {
        self.ours.contains(seq)
    }
}
