//! The one thread on which all that reads state runs, in order of arrival: exchanges, answers to look-ups, deadlines.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::clock::{Clock, ClockWatch};
use crate::exchange::Reading;
use crate::id::{EventUid, WebhookId};
use crate::model::record::EventEntry;
use crate::model::{NoticeKind, Pending, Write};
use crate::rules::{Derived, Draft, Named, Note, Ruleset, View as _};
use crate::store::Store;
use crate::tap::{Release, released};

use super::active::Active;
use super::counters::EngineCounters;
use super::lookup::{Answer, Asker, LookUps};
use super::notes::Notes;
use super::observer::Evaluated;
use super::overlay::{Overlay, OverlayView};
use super::pendings::{Pendings, SharedWaits};
use super::recorder::{Kept, Recorder};
use super::reload::Rules;

/// What one exchange came to, ready for the journal.
#[derive(Debug)]
pub(super) struct Ready {
    /// Number of the exchange, ascending from 1.
    pub(super) number: u64,
    pub(super) entries: Vec<EventEntry>,
    pub(super) writes: Vec<Write>,
    /// The visitor, until it is let go.
    pub(super) release: Option<Release>,
}

/// What the thread works on.
pub(super) struct Inputs {
    pub(super) evaluating: mpsc::Receiver<JoinHandle<Evaluated>>,
    pub(super) answers: mpsc::Receiver<Answer>,
}

enum Input {
    Exchange(Box<Evaluated>),
    /// Evaluating an exchange panicked.
    Panicked,
    Answer(Box<Answer>),
    Deadline,
    End,
}

#[derive(Debug)]
pub(super) struct Deriver {
    pub(super) rules: Rules,
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) counters: EngineCounters,
    pub(super) notes: Notes,
    pub(super) overlay: Arc<Overlay>,
    pub(super) runtime: Handle,
    pub(super) pendings: Pendings,
    pub(super) waits: Arc<SharedWaits>,
    pub(super) look_ups: LookUps,
    pub(super) recorder: Recorder,
    pub(super) number: u64,
}

impl Deriver {
    /// Runs until no more exchanges come. Blocks: on a thread of its own. Waits that are open then are in the store, and go
    /// on at the next start.
    pub(super) fn run(mut self, mut inputs: Inputs, ready: &mpsc::Sender<Ready>) {
        let (active, mut watch) = (self.rules.active(), ClockWatch::new(self.clock));
        self.pendings.begin(self.clock.now());
        for pending in self.pendings.all() {
            self.look_ups.start(&active.ruleset, pending, None);
        }
        loop {
            let input = self.next(&mut inputs);
            if let Some(set) = watch.look() {
                self.pendings.shift(set);
            }
            // A panic in evaluation or derive costs this one exchange its events; its release is dropped on the way.
            let done = match input {
                Input::Exchange(evaluated) => self.guarded(|this| this.exchange(*evaluated)),
                Input::Answer(answer) => self.guarded(|this| this.answer(*answer)),
                Input::Deadline => self.guarded(Self::deadline),
                Input::Panicked => {
                    self.panicked();
                    None
                }
                Input::End => return,
            };
            tracing::trace!(target: "shopbell::step", "derived");
            if done.is_some_and(|done| ready.blocking_send(done).is_err()) {
                return;
            }
        }
    }

    fn next(&self, inputs: &mut Inputs) -> Input {
        let deadline = self.pendings.next_deadline().map(|at| self.clock.instant(at));
        self.runtime.block_on(async {
            let due = async {
                match deadline {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                evaluation = inputs.evaluating.recv() => match evaluation {
                    Some(evaluation) => evaluation.await.map_or(Input::Panicked, |done| Input::Exchange(Box::new(done))),
                    None => Input::End,
                },
                Some(answer) = inputs.answers.recv() => Input::Answer(Box::new(answer)),
                () = due => Input::Deadline,
            }
        })
    }

    fn guarded(&mut self, work: impl FnOnce(&mut Self) -> Option<Ready>) -> Option<Ready> {
        catch_unwind(AssertUnwindSafe(|| work(self))).unwrap_or_else(|_| {
            self.panicked();
            None
        })
    }

    fn panicked(&self) {
        self.counters.panics.inc();
        let text = "evaluating an exchange failed unexpectedly, its events are missing; this is a fault of shopbell";
        self.notes.take(NoticeKind::Rule, Note { rule: String::new(), text: text.into() });
    }

    fn exchange(&mut self, evaluated: Evaluated) -> Option<Ready> {
        let Evaluated { active, reading, matched, release, candidate } = evaluated;
        let derived = self.with_view(|view, now| active.ruleset.derive(&reading, &matched, view, now));
        self.came_by(&active.ruleset, &reading);
        let told = candidate.then(|| (derived.notes.clone(), told(&derived)));
        let (entries, writes, waiting) = self.take(&active, derived);
        if !waiting.is_empty() {
            let asker = Asker::of(&reading);
            for pending in waiting.iter().filter(|pending| pending.unconfirmed.is_none()) {
                self.look_ups.start(&active.ruleset, pending, Some(&asker));
            }
        }
        if let Some((notes, events)) = told {
            self.recorder.keep(Kept::of(reading.into_exchange(), events, notes));
        }
        self.ready(entries, writes, release)
    }

    /// Look-ups with this visitor's rights were waiting for their next page.
    fn came_by(&self, ruleset: &Ruleset, reading: &Reading) {
        if !self.look_ups.await_visitors() {
            return;
        }
        let keys = ruleset.session_keys(reading);
        let session = self.with_view(|view, _| keys.finding().iter().find_map(|key| view.session_of(key)));
        if let Some(session) = session {
            self.look_ups.came_by(&session);
        }
    }

    fn answer(&mut self, answer: Answer) -> Option<Ready> {
        let pending = self.pendings.get(answer.uid)?.clone(); // settled in the meantime: nobody waits for the answer
        let active = self.rules.active();
        let reading = Reading::new(answer.exchange, active.ruleset.read_options(None));
        let answered =
            |view: &OverlayView<'_>, now| active.ruleset.answered(&pending, answer.place, &reading, view, now);
        let derived = self.with_view(answered);
        let (entries, writes, _) = self.take(&active, derived);
        self.ready(entries, writes, released())
    }

    fn deadline(&mut self) -> Option<Ready> {
        let pending = self.pendings.due(self.clock.now())?;
        let active = self.rules.active();
        let derived = self.with_view(|view, now| active.ruleset.expire(&pending, view, now));
        let (entries, writes, waiting) = self.take(&active, derived);
        // No page came that could have told more: it goes on with what its rule waits for.
        for pending in &waiting {
            self.look_ups.start(&active.ruleset, pending, None);
        }
        self.ready(entries, writes, released())
    }

    fn with_view<T>(&self, work: impl FnOnce(&OverlayView<'_>, crate::exchange::Timestamp) -> T) -> T {
        let fault = Mutex::default();
        let (overlay, pendings) = (&self.overlay, &self.pendings);
        let view = OverlayView { overlay, pendings, store: &self.store, runtime: &self.runtime, fault };
        let done = work(&view, self.clock.now());
        if let Some(fault) = view.fault.into_inner().unwrap_or_else(PoisonError::into_inner) {
            let text = format!("state could not be read, so something counted as unknown: {fault}");
            self.notes.take(NoticeKind::Store, Note { rule: String::new(), text });
        }
        done
    }

    /// Names what came of it, and gives the matches that wait now.
    fn take(&self, active: &Active, derived: Derived) -> (Vec<EventEntry>, Vec<Write>, Vec<Pending>) {
        let (named, writes, notes) = derived.named(EventUid::random);
        for note in notes {
            self.notes.take(NoticeKind::Rule, note);
        }
        let (mut entries, mut waiting) = (Vec::with_capacity(named.len()), Vec::new());
        for step in named {
            match step {
                Named::Event(uid, draft) => entries.push(self.address(active, uid, *draft)),
                Named::Wait(pending) => {
                    self.counters.waits.inc();
                    waiting.push(Pending::clone(&pending));
                    entries.push(EventEntry::Pending(pending));
                }
                Named::Settled(settled, events) => {
                    entries.push(EventEntry::Settled(settled));
                    entries.extend(events.into_iter().map(|(uid, draft)| self.address(active, uid, draft)));
                }
            }
        }
        (entries, writes, waiting)
    }

    /// Everybody who reads state sees the writes from here on; `None` if there is nothing to commit.
    fn ready(&mut self, entries: Vec<EventEntry>, writes: Vec<Write>, release: Release) -> Option<Ready> {
        if entries.is_empty() && writes.is_empty() {
            return None;
        }
        self.number += 1;
        self.overlay.lay(self.number, &writes);
        self.pendings.apply(&writes);
        self.waits.apply(&writes);
        Some(Ready { number: self.number, entries, writes, release: Some(release) })
    }

    /// Gives an event its uid and the webhooks that want it: decided here, later edits do not change history.
    fn address(&self, active: &Active, uid: EventUid, draft: Draft) -> EventEntry {
        let (wanting, notes) = active.ruleset.wanting(&draft);
        for note in notes {
            self.notes.take(NoticeKind::Rule, note);
        }
        let webhooks = wanting.into_iter().filter_map(|at| active.webhooks.get(at)).filter(|webhook| {
            self.store.health(webhook.id).wants(webhook.status, &webhook.url, webhook.hold_when_paused)
        });
        let webhooks: Vec<WebhookId> = webhooks.map(|webhook| webhook.id).collect();
        EventEntry::Event(Box::new(draft.into_event(uid, webhooks)))
    }
}

/// What came of an exchange, a line each.
fn told(derived: &Derived) -> Vec<String> {
    let of = |draft: &Draft| match (&draft.id, draft.key.is_empty()) {
        (Some(id), _) => format!("{} {id}", draft.topic),
        (None, false) => format!("{} {}", draft.topic, serde_json::Value::Object(draft.key.clone())),
        (None, true) => draft.topic.to_string(),
    };
    derived.drafts().map(of).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::exchange::{CapturedBody, End, Exchange, ReadOptions, Reading, RequestHead, Timestamp};
    use crate::rules::{Matched, SourceFile, load};
    use crate::store::Options;

    fn evaluated(release: Release) -> Evaluated {
        let file = SourceFile { path: "r.toml".into(), bytes: b"[shop]\nname = \"a\"\n".to_vec() };
        let ruleset = Arc::new(load(&[file]).ruleset.expect("rules"));
        let active = Active {
            ruleset,
            webhooks: Arc::default(),
            loaded_at: Timestamp::default(),
            fingerprint: String::new(),
            problems: Vec::new(),
            stale: false,
            from_last_good: false,
        };
        let request = http::Request::get("/").body(()).unwrap().into_parts().0;
        let exchange = Exchange {
            at: Timestamp::default(),
            request: RequestHead::of(&request),
            request_body: CapturedBody::whole(""),
            response: None,
            response_body: CapturedBody::unread(),
            end: End::Complete,
        };
        let reading = Reading::new(exchange, ReadOptions::default());
        Evaluated { active: Arc::new(active), reading, matched: Matched::default(), release, candidate: false }
    }

    /// A deriver over an empty store and no rules, and where answers would come from.
    async fn deriver(dir: &std::path::Path, clock: Clock) -> (Deriver, mpsc::Receiver<Answer>) {
        let (store, _) = Store::open(dir, Options::default(), clock).unwrap();
        let counters = EngineCounters::default();
        let (notes, _noting) = Notes::start(store.clone(), clock, counters.clone());
        let (_stop, shutdown) = tokio::sync::watch::channel(false);
        std::fs::create_dir(dir.join("rules")).unwrap();
        let started = Rules::start(&dir.join("rules"), dir, store.clone(), clock, counters.clone(), shutdown).await;
        let nobody = tower::service_fn(async |_| Err("no shop".into()));
        let (answering, answers) = mpsc::channel(1);
        let client = super::super::LookUpClient::new(nobody);
        let deriver = Deriver {
            rules: started.expect("rules").0,
            store,
            clock,
            counters: counters.clone(),
            overlay: Arc::default(),
            runtime: Handle::current(),
            pendings: Pendings::default(),
            waits: Arc::default(),
            look_ups: LookUps::new(client, clock, notes.clone(), counters, answering),
            notes,
            recorder: Recorder::new(tokio::sync::watch::channel(false).1),
            number: 0,
        };
        (deriver, answers)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_panic_costs_one_exchange_and_lets_its_visitor_go() {
        let dir = tempfile::tempdir().unwrap();
        let (evaluating, evaluations) = mpsc::channel(4);
        let (ready, _kept) = mpsc::channel(4);
        let (deriver, answers) = deriver(dir.path(), Clock::System).await;
        let counters = deriver.counters.clone();
        let inputs = Inputs { evaluating: evaluations, answers };
        let deriving = tokio::task::spawn_blocking(move || deriver.run(inputs, &ready));
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

    /// Set back an hour a wait must not last an hour longer; set forward, it must not end at once.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_wait_lasts_as_long_as_it_was_meant_to_when_the_clock_is_set() {
        static SET: AtomicI64 = AtomicI64::new(0);
        const HOUR: i64 = 3_600_000;
        for (set, span, ends) in [(-HOUR, 500, true), (HOUR, 1_800_000, false)] {
            let dir = tempfile::tempdir().unwrap();
            let clock = Clock::simulated_set_by(Timestamp::from_millis(1_793_722_020_000), &SET);
            let (mut deriver, answers) = deriver(dir.path(), clock).await;
            let (uid, at) = (EventUid([1; 16]), clock.now());
            let pending = Pending { uid, at, deadline: at.shifted(span), ..Pending::default() };
            deriver.pendings.apply(&[Write::Pending { uid, pending: Some(Box::new(pending)) }]);
            let (evaluating, evaluations) = mpsc::channel(4);
            let (ready, mut done) = mpsc::channel(4);
            let inputs = Inputs { evaluating: evaluations, answers };
            let deriving = tokio::task::spawn_blocking(move || deriver.run(inputs, &ready));
            // Twice: the thread has turned in between, and watches the clock.
            for set in [0, set] {
                SET.fetch_add(set, Ordering::SeqCst);
                let panicking = tokio::task::spawn_blocking(|| panic!("a fault of ours"));
                evaluating.send(panicking).await.unwrap();
                while evaluating.capacity() < evaluating.max_capacity() {
                    tokio::task::yield_now().await;
                }
            }
            if ends {
                let wait = tokio::time::timeout(Duration::from_secs(30), done.recv());
                assert!(wait.await.expect("the time is up").is_some());
            }
            drop(evaluating);
            deriving.await.unwrap();
            assert!(done.recv().await.is_none(), "set by {set} ms");
            SET.store(0, Ordering::SeqCst);
        }
    }
}
