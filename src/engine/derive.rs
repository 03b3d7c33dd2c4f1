//! The one thread on which all that reads state runs, in order of arrival.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::id::{EventUid, WebhookId};
use crate::model::{Event, NoticeKind, Write};
use crate::rules::{Derived, Draft, Note};
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
    /// The visitor, until it is let go.
    pub(super) release: Option<Release>,
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
            if ready.blocking_send(Ready { number, events, writes, release: Some(evaluated.release) }).is_err() {
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
        if matched.rules.is_empty() {
            matched.notes.iter().for_each(|note| self.notes.take(NoticeKind::Rule, note.clone()));
            return None;
        }
        let fault = Mutex::default();
        let view = OverlayView { overlay: &self.overlay, store: &self.store, runtime: &self.runtime, fault };
        let Derived { events, writes, notes } = active.ruleset.derive(reading, matched, &view, self.clock.now());
        // Those of matching are among them.
        for note in notes {
            self.notes.take(NoticeKind::Rule, note);
        }
        if let Some(fault) = view.fault.into_inner().unwrap_or_else(PoisonError::into_inner) {
            let text = format!("state could not be read, so a resource counted as unknown: {fault}");
            self.notes.take(NoticeKind::Store, Note { rule: String::new(), text });
        }
        let events = events.into_iter().map(|draft| self.address(active, draft)).collect::<Vec<_>>();
        (!events.is_empty() || !writes.is_empty()).then_some((events, writes))
    }

    /// Gives an event its uid and the webhooks that want it: decided here, later edits do not change history.
    fn address(&self, active: &Active, draft: Draft) -> Event {
        let (wanting, notes) = active.ruleset.wanting(&draft);
        for note in notes {
            self.notes.take(NoticeKind::Rule, note);
        }
        let webhooks = wanting.into_iter().filter_map(|at| active.webhooks.get(at)).filter(|webhook| {
            self.store.health(webhook.id).wants(webhook.status, &webhook.url, webhook.hold_when_paused)
        });
        let webhooks: Vec<WebhookId> = webhooks.map(|webhook| webhook.id).collect();
        draft.into_event(EventUid::random(), webhooks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{CapturedBody, End, Exchange, ReadOptions, Reading, RequestHead};
    use crate::rules::{Matched, SourceFile, load};
    use crate::store::Options;

    fn evaluated(release: Release) -> Evaluated {
        let file = SourceFile { path: "r.toml".into(), bytes: b"[shop]\nname = \"a\"\n".to_vec() };
        let ruleset = Arc::new(load(&[file]).ruleset.expect("rules"));
        let active = Active {
            ruleset,
            webhooks: Arc::default(),
            loaded_at: crate::model::Timestamp::default(),
            fingerprint: String::new(),
            problems: Vec::new(),
            stale: false,
            from_last_good: false,
        };
        let request = http::Request::get("/").body(()).unwrap().into_parts().0;
        let exchange = Exchange {
            at: crate::model::Timestamp::default(),
            request: RequestHead::of(&request),
            request_body: CapturedBody::whole(""),
            response: None,
            response_body: CapturedBody::unread(),
            end: End::Complete,
        };
        let reading = Reading::new(exchange, ReadOptions::default());
        Evaluated { active: Arc::new(active), reading, matched: Matched::default(), release }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_panic_costs_one_exchange_and_lets_its_visitor_go() {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(dir.path(), Options::default(), Clock::System).unwrap();
        let counters = EngineCounters::default();
        let (notes, _noting) = Notes::start(store.clone(), Clock::System, counters.clone());
        let (evaluating, evaluations) = mpsc::channel(4);
        let (ready, _kept) = mpsc::channel(4);
        let deriver = Deriver {
            store,
            clock: Clock::System,
            counters: counters.clone(),
            notes,
            overlay: Arc::default(),
            runtime: Handle::current(),
        };
        let deriving = tokio::task::spawn_blocking(move || deriver.run(evaluations, &ready));
        let ((first, first_gone, _), (second, second_gone, _)) = (Release::new(), Release::new());
        let panicking = tokio::task::spawn_blocking(move || {
            let evaluated = evaluated(first);
            assert_eq!(evaluated.matched.rules.len(), 1, "a fault of ours");
            evaluated
        });
        evaluating.send(panicking).await.unwrap();
        evaluating.send(tokio::task::spawn_blocking(move || evaluated(second))).await.unwrap();
        assert!(first_gone.await.is_err() && second_gone.await.is_err(), "both are let go");
        drop(evaluating);
        deriving.await.unwrap();
        assert_eq!((counters.panics.get(), counters.notes(NoticeKind::Rule, "")), (1, 1));
    }
}
