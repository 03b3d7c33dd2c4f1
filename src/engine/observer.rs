//! The tap's observer: asks the ruleset in force, hands exchanges over, never blocks.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::clock::Clock;
use crate::exchange::{Exchange, ReadOptions, Reading, RequestHead, ResponseHead};
use crate::model::NoticeKind;
use crate::rules::{Candidates, Matched, Need, Note, OpenWaits};
use crate::store::Store;
use crate::tap::{Interest, Observer, Release};

use super::active::Active;
use super::commit;
use super::counters::EngineCounters;
use super::derive;
use super::notes::Notes;
use super::overlay::Overlay;
use super::reload::Rules;

/// Exchanges taken over and not yet evaluated; further ones pass unobserved, counted and noted.
const INTAKE: usize = 1024;
/// Exchanges whose conditions are evaluated at once.
const EVALUATING: usize = 64;

/// Hands exchanges of the tap to the engine; cheap to clone.
#[derive(Clone, Debug)]
pub struct EngineObserver {
    rules: Rules,
    intake: mpsc::Sender<Observed>,
    counters: EngineCounters,
    notes: Notes,
}

/// What the observer keeps of an exchange on its way: the ruleset it began with, and the rules that may match.
#[derive(Debug)]
pub struct Ticket {
    pub(super) active: Arc<Active>,
    candidates: Candidates,
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
}

/// The running engine.
#[derive(Debug)]
pub struct Engine {
    parts: Vec<tokio::task::JoinHandle<()>>,
}

impl Engine {
    /// Starts the engine on the current runtime. After `shutdown` what was taken over is still committed.
    pub fn start(
        rules: Rules,
        store: Store,
        clock: Clock,
        counters: EngineCounters,
        shutdown: watch::Receiver<bool>,
    ) -> (EngineObserver, Self) {
        let (notes, noting) = Notes::start(store.clone(), clock, counters.clone());
        let (intake, observed) = mpsc::channel(INTAKE);
        let (evaluating, evaluated) = mpsc::channel(EVALUATING);
        let (derived_sender, derived) = mpsc::channel(commit::GROUP);
        let overlay = Arc::new(Overlay::default());
        let dispatching = tokio::spawn(dispatch(observed, evaluating, counters.clone(), shutdown));
        let deriver = derive::Deriver {
            store: store.clone(),
            clock,
            counters: counters.clone(),
            notes: notes.clone(),
            overlay: Arc::clone(&overlay),
            runtime: tokio::runtime::Handle::current(),
        };
        let deriving = tokio::task::spawn_blocking(move || deriver.run(evaluated, &derived_sender));
        let committing = tokio::spawn(commit::run(derived, store, overlay, counters.clone(), notes.clone()));
        let observer = EngineObserver { rules, intake, counters, notes };
        (observer, Self { parts: vec![dispatching, deriving, committing, noting] })
    }

    /// Waits until everything taken over is on disk. The observers must be dropped for the notes to end.
    pub async fn stopped(self) {
        for part in self.parts {
            let _ = part.await;
        }
    }
}

impl Observer for EngineObserver {
    type Ticket = Ticket;

    fn wants(&self, request: &RequestHead) -> Option<Ticket> {
        let active = self.rules.active();
        let candidates = active.ruleset.wants(request, &OpenWaits::default())?;
        Some(Ticket { active, candidates })
    }

    fn narrow(&self, ticket: &mut Ticket, request: &RequestHead, response: &ResponseHead) -> Interest {
        match ticket.active.ruleset.narrow(&mut ticket.candidates, request, response) {
            Need::Nothing => Interest::Nothing,
            Need::Head => Interest::Head,
            Need::Body => Interest::Body,
        }
    }

    fn observe(&self, ticket: Ticket, exchange: Exchange, release: Release) {
        match self.intake.try_send(Observed { ticket, exchange, release }) {
            Ok(()) => {
                self.counters.exchanges.inc();
            }
            Err(_full) => {
                self.counters.unobserved.inc();
                let text = "exchanges passed unobserved: the queue was full, so their events are missing";
                self.notes.take(NoticeKind::Released, Note { rule: String::new(), text: text.into() });
            }
        }
    }
}

type Evaluating = tokio::task::JoinHandle<Evaluated>;

/// Starts the evaluation of each exchange and passes it on in order of arrival.
async fn dispatch(
    mut observed: mpsc::Receiver<Observed>,
    evaluating: mpsc::Sender<Evaluating>,
    counters: EngineCounters,
    mut shutdown: watch::Receiver<bool>,
) {
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
        let evaluation = tokio::task::spawn_blocking(move || evaluate(next));
        if evaluating.send(evaluation).await.is_err() {
            counters.unobserved.inc();
        }
    }
}

fn evaluate(observed: Observed) -> Evaluated {
    let Observed { ticket: Ticket { active, candidates }, exchange, release } = observed;
    let reading = Reading::new(exchange, ReadOptions { charset: active.ruleset.shop.charset });
    let matched = active.ruleset.matches(&reading, &candidates);
    Evaluated { active, reading, matched, release }
}
