//! The tap's observer: asks the ruleset in force, hands exchanges over, never blocks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use encoding_rs::Encoding;
use tokio::sync::{mpsc, watch};

use crate::clock::Clock;
use crate::exchange::{Exchange, PersistedDocuments, Reading, RequestHead, ResponseHead};
use crate::model::{NoticeKind, Write};
use crate::rules::{Candidates, HostCharsets, Matched, Need, Note};
use crate::store::{Store, StoreError};
use crate::tap::{Interest, Observer, Release, released};

use super::active::Active;
use super::commit;
use super::counters::EngineCounters;
use super::derive;
use super::lookup::{LookUpClient, LookUps};
use super::notes::Notes;
use super::overlay::Overlay;
use super::pendings::{Pendings, SharedWaits};
use super::recorder::Recorder;
use super::reload::Rules;

/// Exchanges taken over and not yet evaluated; further ones pass unobserved, counted and noted.
const INTAKE: usize = 1024;
/// Exchanges whose conditions are evaluated at once, or have been and wait for their turn: each may hold what its bodies decode
/// to, and more than there are processors make nothing faster.
const EVALUATING: usize = 16;

/// Hands exchanges of the tap to the engine. A clone is one count: the tap makes one for every request.
#[derive(Clone, Debug)]
pub struct EngineObserver(Arc<Intake>);

#[derive(Debug)]
struct Intake {
    rules: Rules,
    waits: Arc<SharedWaits>,
    charsets: Arc<RwLock<HostCharsets>>,
    queue: mpsc::Sender<Observed>,
    counters: EngineCounters,
    notes: Notes,
    recorder: Recorder,
    /// The journal refused the last commit: nobody is held for it until it works again.
    failing: Arc<AtomicBool>,
}

/// What the observer keeps of an exchange on its way: the ruleset it began with, and the rules that may match.
#[derive(Debug)]
pub struct Ticket {
    pub(super) active: Arc<Active>,
    candidates: Candidates,
    /// The engine wants it, not only somebody who records.
    wanted: bool,
    /// Somebody records it.
    recorded: bool,
    /// Some rule could have matched it when its request came.
    near: bool,
}

#[derive(Debug)]
struct Observed {
    ticket: Ticket,
    exchange: Exchange,
    release: Release,
}

/// An exchange whose own conditions have been evaluated.
#[derive(Debug)]
pub(super) struct Evaluated {
    pub(super) active: Arc<Active>,
    pub(super) reading: Reading,
    pub(super) matched: Matched,
    pub(super) release: Release,
    /// Some rule cared about it.
    pub(super) candidate: bool,
}

/// The running engine.
#[derive(Debug)]
pub struct Engine {
    recorder: Recorder,
    parts: Vec<tokio::task::JoinHandle<()>>,
    give_up: watch::Sender<bool>,
}

impl Engine {
    /// Starts the engine on the current runtime; look-ups go to the shop by `client`. After `shutdown` what was taken over is
    /// still committed.
    ///
    /// # Errors
    /// If the matches that wait cannot be read from the store.
    pub async fn start(
        rules: Rules,
        store: Store,
        client: LookUpClient,
        clock: Clock,
        counters: EngineCounters,
        shutdown: watch::Receiver<bool>,
    ) -> Result<(EngineObserver, Self), StoreError> {
        let (notes, noting) = Notes::start(store.clone(), clock, counters.clone());
        let (queue, observed) = mpsc::channel(INTAKE);
        let (evaluating, evaluated) = mpsc::channel(EVALUATING);
        let (derived_sender, derived) = mpsc::channel(commit::GROUP);
        let overlay = Arc::new(Overlay::default());
        let (waits, pendings) = waiting(&store).await?;
        let (answering, answers) = mpsc::channel(EVALUATING);
        let look_ups = LookUps::new(client, clock, notes.clone(), counters.clone(), answering);
        let charsets = Arc::<RwLock<HostCharsets>>::default();
        let recorder = Recorder::new(shutdown.clone());
        let dispatching =
            tokio::spawn(dispatch(observed, evaluating, Arc::clone(&charsets), counters.clone(), shutdown));
        let deriver = derive::Deriver {
            rules: rules.clone(),
            pendings,
            waits: Arc::clone(&waits),
            look_ups,
            number: 0,
            store: store.clone(),
            clock,
            counters: counters.clone(),
            notes: notes.clone(),
            overlay: Arc::clone(&overlay),
            runtime: tokio::runtime::Handle::current(),
            recorder: recorder.clone(),
        };
        let deriving = tokio::task::spawn_blocking(move || {
            deriver.run(derive::Inputs { evaluating: evaluated, answers }, &derived_sender);
        });
        let (give_up, given_up) = watch::channel(false);
        let failing = Arc::new(AtomicBool::new(false));
        let committer = commit::Committer {
            store,
            overlay,
            counters: counters.clone(),
            notes: notes.clone(),
            failing: Arc::clone(&failing),
        };
        let committing = tokio::spawn(committer.run(derived, given_up));
        let intake = Intake { rules, waits, charsets, queue, counters, notes, failing, recorder: recorder.clone() };
        let parts = vec![dispatching, deriving, committing, noting];
        Ok((EngineObserver(Arc::new(intake)), Self { recorder, parts, give_up }))
    }

    /// Traffic for people to look at.
    pub fn recorder(&self) -> Recorder {
        self.recorder.clone()
    }

    /// Waits until everything taken over is on disk, for `limit` at most: what the journal has not taken by then is given
    /// up, loudly. The observers must be dropped for the notes to end.
    pub async fn stopped(mut self, limit: Duration) {
        if tokio::time::timeout(limit, self.join()).await.is_err() {
            let _ = self.give_up.send(true);
            self.join().await;
        }
    }

    async fn join(&mut self) {
        while let Some(part) = self.parts.first_mut() {
            let _ = part.await;
            self.parts.remove(0);
        }
    }
}

impl Observer for EngineObserver {
    type Ticket = Ticket;

    fn wants(&self, request: &RequestHead) -> Option<Ticket> {
        let active = self.0.rules.active();
        let candidates = self.0.waits.ask(|open| active.ruleset.wants(request, open));
        let recorded = self.0.recorder.wants(request);
        // Where visitors are followed, every answer but those of files may change a visitor's key.
        let followed = !active.ruleset.session.is_empty() && !is_file(request.path());
        let near = candidates.is_some();
        let wanted = near || followed;
        let candidates = candidates.unwrap_or_default();
        let ticket = (wanted || recorded).then_some(Ticket { active, candidates, wanted, recorded, near })?;
        tracing::trace!(target: "shopbell::step", "wanted");
        Some(ticket)
    }

    fn narrow(&self, ticket: &mut Ticket, request: &RequestHead, response: &ResponseHead) -> Interest {
        tracing::trace!(target: "shopbell::step", "answer begun");
        let ruleset = &ticket.active.ruleset;
        if !ruleset.shop.states_charset {
            self.note_charset(request, response);
        }
        let interest = match ruleset.narrow(&mut ticket.candidates, request, response) {
            Need::Head => Interest::Head,
            Need::Body => Interest::Body,
            // Noted for the visitor's new key, its heads alone.
            Need::Nothing if ruleset.session_cookie_set(response) => Interest::Head,
            Need::Nothing => Interest::Nothing,
        };
        ticket.wanted &= interest != Interest::Nothing;
        match interest {
            _ if ticket.recorded => Interest::Body,
            // Who asks why nothing came of it wants to see it: its heads and what was sent, and nobody waits for that.
            Interest::Nothing if ticket.near => Interest::Head,
            interest => interest,
        }
    }

    fn observe(&self, ticket: Ticket, exchange: Exchange, release: Release) {
        if ticket.recorded {
            self.0.recorder.take(&exchange);
        }
        if !ticket.wanted {
            if ticket.near {
                self.0.recorder.glance(exchange);
            }
            return;
        }
        // Following a visitor is never waited for; of those the journal cannot take, the committer tells.
        let waits = !ticket.candidates.rules.is_empty() && !self.0.failing.load(Ordering::Relaxed);
        let release = if waits { release } else { released() };
        match self.0.queue.try_send(Observed { ticket, exchange, release }) {
            Ok(()) => {
                tracing::trace!(target: "shopbell::step", "handed over");
                self.0.counters.exchanges.inc();
            }
            Err(_full) => {
                self.0.counters.unobserved.inc();
                let text = "exchanges passed unobserved: the queue was full, so their events are missing";
                self.0.notes.take(NoticeKind::Released, Note { rule: String::new(), text: text.into() });
            }
        }
    }
}

impl EngineObserver {
    /// Asked at nearly every answer, changed nearly never: the lock for writing is taken only for news.
    fn note_charset(&self, request: &RequestHead, response: &ResponseHead) {
        let mut named = HostCharsets::default();
        if !named.note(request, response) {
            return;
        }
        let known = self.0.charsets.read().unwrap_or_else(PoisonError::into_inner).of(request);
        if known != named.of(request) {
            self.0.charsets.write().unwrap_or_else(PoisonError::into_inner).note(request, response);
        }
    }
}

/// Whether a path names a file that shops serve as it is: such answers set no visitor's key that matters.
pub(super) fn is_file(path: &str) -> bool {
    const ENDINGS: [&str; 16] = [
        ".css", ".js", ".mjs", ".map", ".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp", ".avif", ".ico", ".woff",
        ".woff2", ".ttf", ".mp4",
    ];
    ENDINGS.iter().any(|ending| path.ends_with(ending))
}

/// The matches that wait, with what leads to their visitors.
async fn waiting(store: &Store) -> Result<(Arc<SharedWaits>, Pendings), StoreError> {
    let (waits, mut pendings) = (Arc::<SharedWaits>::default(), Pendings::default());
    let open = store.pendings().await?;
    let sessions: Vec<String> = open.iter().map(|pending| pending.session.clone()).collect();
    let memories = store.sessions(&sessions).await?;
    let mut writes: Vec<Write> = Vec::new();
    for (pending, memory) in open.into_iter().zip(memories) {
        writes.push(Write::Session { session: pending.session.clone(), memory });
        writes.push(Write::Pending { uid: pending.uid, pending: Some(Box::new(pending)) });
    }
    waits.apply(&writes);
    pendings.apply(&writes);
    Ok((waits, pendings))
}

type Evaluating = tokio::task::JoinHandle<Evaluated>;

/// Starts the evaluation of each exchange and passes it on in order of arrival.
async fn dispatch(
    mut observed: mpsc::Receiver<Observed>,
    evaluating: mpsc::Sender<Evaluating>,
    charsets: Arc<RwLock<HostCharsets>>,
    counters: EngineCounters,
    mut shutdown: watch::Receiver<bool>,
) {
    // Documents of persisted queries are the shop's, whatever the rules: kept across reloads.
    let persisted = PersistedDocuments::default();
    loop {
        let next = tokio::select! {
            biased;
            next = observed.recv() => next,
            _ = shutdown.wait_for(|stop| *stop), if !observed.is_closed() => {
                observed.close();
                continue;
            }
        };
        let Some(next) = next else { return };
        let learnt = charsets.read().unwrap_or_else(PoisonError::into_inner).of(&next.exchange.request);
        let persisted = persisted.clone();
        let evaluation = tokio::task::spawn_blocking(move || evaluate(next, learnt, &persisted));
        if evaluating.send(evaluation).await.is_err() {
            counters.unobserved.inc();
        }
    }
}

fn evaluate(observed: Observed, learnt: Option<&'static Encoding>, persisted: &PersistedDocuments) -> Evaluated {
    let Observed { ticket: Ticket { active, candidates, .. }, exchange, release } = observed;
    let reading = candidates.reading(exchange, active.ruleset.read_options(learnt)).with_persisted(persisted);
    let matched =
        if candidates.rules.is_empty() { Matched::default() } else { active.ruleset.matches(&reading, &candidates) };
    tracing::trace!(target: "shopbell::step", "evaluated");
    Evaluated { active, reading, matched, release, candidate: !candidates.rules.is_empty() }
}
