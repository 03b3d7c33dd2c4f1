//! Reading the journal for many webhooks at once: those that stand at the same place read it together.

use std::sync::Arc;

use tokio::task::JoinError;

use super::{CURSOR_LAG, Scheduler};
use crate::id::{Seq, WebhookId};
use crate::model::Event;
use crate::store::StoreError;

/// Places of the journal read at once.
const READS_MAX: usize = 4;

/// Events asked for at once.
const READ_LIMIT: usize = 128;

/// Events, and where to go on.
type Found = (Vec<(Seq, Arc<Event>)>, Seq);

/// What was read from a place on.
#[derive(Debug)]
pub(super) struct Read {
    from: Seq,
    found: Result<Found, StoreError>,
}

impl Scheduler {
    /// The journal has grown.
    pub(super) fn look_at_journal(&mut self) {
        self.head.mark_unchanged();
        let all: Vec<WebhookId> = self.slots.keys().copied().collect();
        for webhook in all {
            self.want_more(webhook);
        }
    }

    /// Reads on for a webhook, if there is more and it has room.
    pub(super) fn want_more(&mut self, webhook: WebhookId) {
        let head = *self.head.borrow();
        let Some(slot) = self.slots.get(&webhook).filter(|slot| slot.webhook.is_some()) else { return };
        if slot.queue.has_room() && slot.queue.read_from() < head {
            self.wanted.insert(slot.queue.read_from());
        }
    }

    pub(super) fn start_reads(&mut self) {
        if self.store_at.is_some() {
            return;
        }
        while self.reading.len() < READS_MAX {
            let Some(from) = self.wanted.pop_first() else { return };
            // Somebody came to this place while it is being read: take_read serves all that stand there.
            if self.reading.insert(from) {
                let store = self.means.store.clone();
                self.reads.spawn(async move { Read { from, found: store.events(from, READ_LIMIT).await } });
            }
        }
    }

    pub(super) fn take_read(&mut self, read: Result<Read, JoinError>) {
        let read = match read {
            Ok(read) => read,
            Err(error) => {
                tracing::error!(%error, "reading the journal panicked");
                self.reading.clear();
                return self.pause_store();
            }
        };
        self.reading.remove(&read.from);
        let (events, next) = match read.found {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(%error, from = %read.from, "the journal cannot be read; trying again");
                return self.pause_store();
            }
        };
        if next <= read.from {
            // Nothing there yet although the head is further on; the next change of the head asks again.
            return;
        }
        let here: Vec<WebhookId> = self
            .slots
            .iter()
            .filter(|(_, slot)| slot.webhook.is_some() && slot.queue.read_from() == read.from && slot.queue.has_room())
            .map(|(webhook, _)| *webhook)
            .collect();
        for webhook in here {
            let Some(slot) = self.slots.get_mut(&webhook) else { continue };
            if slot.queue.feed(&events, next) {
                // What now stands behind a waiting delivery is set aside by the next commit.
                if slot.queue.set_aside().0 > 0 {
                    self.outbox.touched.insert(webhook);
                }
                self.give_turn(webhook);
            } else if self.cursors_at.is_none() {
                self.cursors_at = Some(self.now().plus(CURSOR_LAG));
            }
            self.want_more(webhook);
        }
    }

    /// Has the next commit write every cursor that the state does not know yet.
    pub(super) fn touch_lagging_cursors(&mut self) {
        let lagging = self.slots.iter().filter(|(_, slot)| slot.queue.is_behind_on_disk()).map(|(webhook, _)| *webhook);
        self.outbox.touched.extend(lagging);
    }
}
