//! The one thread on which all that reads state runs, in order of arrival.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::id::{EventUid, WebhookId};
use crate::model::{Event, NoticeKind, Write};
use crate::rules::{Draft, Named, Note};
use crate::store::Store;
use crate::tap::Release;

use super::active::Active;
use super::counters::EngineCounters;
use super::notes::Notes;
use super::observer::Evaluated;
use super::overlay::{Overlay, OverlayView};

/// What one exchange came to, ready for the journal.
#[derive(Debug)]
pub(super) struct Ready {
    /// Number of the exchange, ascending from 1.
    pub(super) number: u64,
    pub(super) events: Vec<Event>,
    pub(super) writes: Vec<Write>,
    pub(super) release: Release,
}

#[derive(Debug)]
pub(super) struct Deriver {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) counters: EngineCounters,
    pub(super) notes: Notes,
    pub(super) overlay: Arc<Overlay>,
    pub(super) runtime: Handle,
}

impl Deriver {
    /// Runs until no more exchanges come. Blocks: on a thread of its own.
    pub(super) fn run(self, mut evaluating: mpsc::Receiver<JoinHandle<Evaluated>>, ready: &mpsc::Sender<Ready>) {
        let mut number = 0;
        while let Some(evaluation) = evaluating.blocking_recv() {
            // A panic in evaluation or derive costs this one exchange its events; its release is dropped on the way.
            let Ok(evaluated) = self.runtime.block_on(evaluation) else {
                self.panicked();
                continue;
            };
            number += 1;
            let derived = catch_unwind(AssertUnwindSafe(|| self.derive(&evaluated)));
            let Ok(Some((events, writes))) = derived else {
                if derived.is_err() {
                    self.panicked();
                }
                continue;
            };
            self.overlay.lay(number, &writes);
            if ready.blocking_send(Ready { number, events, writes, release: evaluated.release }).is_err() {
                return;
            }
        }
    }

    fn panicked(&self) {
        self.counters.panics.inc();
        let text = "evaluating an exchange failed unexpectedly, its events are missing; this is a fault of shopbell";
        self.notes.take(NoticeKind::Rule, Note { rule: String::new(), text: text.into() });
    }

    /// `None` if nothing came of it.
    fn derive(&self, evaluated: &Evaluated) -> Option<(Vec<Event>, Vec<Write>)> {
        let Evaluated { active, reading, matched, .. } = evaluated;
        for note in &matched.notes {
            self.notes.take(NoticeKind::Rule, note.clone());
        }
        if matched.rules.is_empty() {
            return None;
        }
        let fault = Mutex::default();
        let view = OverlayView { overlay: &self.overlay, store: &self.store, runtime: &self.runtime, fault };
        let derived = active.ruleset.derive(reading, matched, &view, self.clock.now());
        let (named, writes, notes) = derived.named(EventUid::random);
        for note in notes {
            self.notes.take(NoticeKind::Rule, note);
        }
        if let Some(fault) = view.fault.into_inner().unwrap_or_else(PoisonError::into_inner) {
            let text = format!("state could not be read, so a resource counted as unknown: {fault}");
            self.notes.take(NoticeKind::Store, Note { rule: String::new(), text });
        }
        // Matches that wait reach the journal when the engine carries them.
        let events = named.into_iter().filter_map(|named| match named {
            Named::Event(uid, draft) => Some(self.address(active, uid, draft)),
            Named::Wait(_) | Named::Settled(..) => None,
        });
        let events = events.collect::<Vec<_>>();
        (!events.is_empty() || !writes.is_empty()).then_some((events, writes))
    }

    /// Gives an event its uid and the webhooks that want it: decided here, later edits do not change history.
    fn address(&self, active: &Active, uid: EventUid, draft: Draft) -> Event {
        let (wanting, notes) = active.ruleset.wanting(&draft);
        for note in notes {
            self.notes.take(NoticeKind::Rule, note);
        }
        let webhooks = wanting.into_iter().filter_map(|at| active.webhooks.get(at)).filter(|webhook| {
            self.store.health(webhook.id).wants(webhook.status, &webhook.url, webhook.hold_when_paused)
        });
        let webhooks: Vec<WebhookId> = webhooks.map(|webhook| webhook.id).collect();
        draft.into_event(uid, webhooks)
    }
}
