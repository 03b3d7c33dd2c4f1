//! From the journal to the receivers: scheduler, attempts, signatures, retries, the address guard, pings.
//!
//! | file | role |
//! |---|---|
//! | `queue/` | one webhook's deliveries, pure: what may go out, what is written |
//! | `scheduler/` | the one task that reads the journal, starts attempts and makes results durable |
//! | `flight.rs`, `attempt.rs` | one delivery on its way, and its one POST with the verdict |
//! | `request.rs`, `php_json.rs`, `sign.rs`, `spelling.rs` | the bytes on the wire |
//! | `redact.rs` | what an answer must not keep |
//! | `retry.rs` | gaps, jitter, Retry-After |
//! | `client.rs`, `connector.rs`, `stream.rs`, `tls.rs`, `guard.rs` | connections, and where they may go |
//! | `failure.rs` | what kind of failure an error is |
//! | `runs/` | deliveries sent again in the background, one by one or all that fit |
//! | `counters.rs` | what is counted |
//! | `gauges.rs` | how each webhook stands, for the metrics page |

mod attempt;
mod client;
mod connector;
mod counters;
mod failure;
mod flight;
mod gauges;
mod guard;
mod php_json;
mod queue;
mod redact;
mod request;
mod retry;
mod runs;
mod scheduler;
mod sign;
mod spelling;
mod stream;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::model::{Health, Run, RunState, Selection, Status, Webhook, WebhookId};
use crate::store::Store;

pub use client::{AnswerBody, BoxError, Client};
pub use counters::{Bound, Counters};
use gauges::Standing;
pub use request::{delivery_id, shown_url};
use runs::Ask;
pub use runs::{Plan, plan};
use scheduler::{Command, Scheduler};

/// The webhooks in force, swapped as a whole.
pub type Webhooks = watch::Receiver<Arc<Vec<Arc<Webhook>>>>;

/// Where deliveries may go.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    /// `--allow-delivery-to`: private and loopback ranges that are allowed.
    pub allowed: Vec<ipnet::IpNet>,
    /// Our own listeners and the upstream: never allowed.
    pub ours: Vec<std::net::SocketAddr>,
}

/// Requests to the scheduler that may wait at once; more callers wait for their turn.
const COMMANDS_MAX: usize = 64;

/// How long measuring the webhooks for the metrics page may take.
const MEASURE: Duration = Duration::from_secs(2);

/// What callers are told once the scheduler has ended.
const STOPPING: &str = "deliveries are stopping: shopbell is shutting down";

/// The running delivery side; cheap to clone.
#[derive(Clone, Debug)]
pub struct Deliverer {
    commands: mpsc::Sender<Command>,
    runs: mpsc::Sender<Ask>,
    stopped: watch::Receiver<bool>,
    counters: Counters,
    store: Store,
    clock: Clock,
}

impl Deliverer {
    /// Starts scheduling on the current runtime. Ends when `shutdown` changes: attempts in flight get up to 25 s.
    pub fn start(
        store: Store,
        webhooks: Webhooks,
        guard: Guard,
        clock: Clock,
        shutdown: watch::Receiver<bool>,
    ) -> Self {
        Self::start_with(client::client(guard), store, webhooks, clock, shutdown)
    }

    /// The same on a thread with a runtime of its own. A delivery is many small steps (scheduler, attempt, connection): on one
    /// thread the next begins where the last ended, and nobody is woken for it.
    pub fn start_apart(
        store: Store,
        webhooks: Webhooks,
        guard: Guard,
        clock: Clock,
        shutdown: watch::Receiver<bool>,
    ) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let entered = runtime.enter();
        let deliverer = Self::start(store, webhooks, guard, clock, shutdown);
        drop(entered);
        let own = deliverer.clone();
        std::thread::Builder::new().name("deliver".to_owned()).spawn(move || runtime.block_on(own.stopped()))?;
        Ok(deliverer)
    }

    /// The same with a client of one's own. It answers for what [`Guard`] does otherwise, and must follow no redirect.
    pub fn start_with(
        client: Client,
        store: Store,
        webhooks: Webhooks,
        clock: Clock,
        shutdown: watch::Receiver<bool>,
    ) -> Self {
        let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
        let (done, stopped) = watch::channel(false);
        let (runs, asks) = mpsc::channel(COMMANDS_MAX);
        let keeping = tokio::spawn(runs::keep(store.clone(), commands.clone(), clock, asks, shutdown.clone()));
        let counters = Counters::default();
        let scheduler = Scheduler::new(client, store.clone(), webhooks, clock, counters.clone());
        tokio::spawn(async move {
            scheduler.run(inbox, shutdown).await;
            // A panic there was told on stderr; the runs go on after the next start.
            let _ = keeping.await;
            let _ = done.send(true);
        });
        Self { commands, runs, stopped, counters, store, clock }
    }

    /// Waits until the scheduler has stopped.
    pub async fn stopped(&self) {
        // An error says that the scheduler's task is gone, which is just as well.
        let _ = self.stopped.clone().wait_for(|stopped| *stopped).await;
    }

    /// Lays a status over the file's, or takes the overlay away (`Active`: failure count and breaker are reset, held events
    /// go out in order). `actor` is for the log. `Err` tells people why not. Returns when it is on disk.
    pub async fn set_status(&self, webhook: WebhookId, status: Status, actor: &str) -> Result<Health, String> {
        let actor = actor.to_owned();
        self.ask(|reply| Command::SetStatus { webhook, status, actor, reply }).await?
    }

    /// Pings now: `Ok` is the answer's status, `Err` says what went wrong.
    pub async fn ping(&self, webhook: WebhookId) -> Result<u16, String> {
        self.ask(|reply| Command::Ping { webhook, reply }).await?
    }

    /// Deliveries not yet ended: (waiting and deferred, journal events behind the cursor at least). Zeros for a webhook
    /// that is not in force.
    pub async fn backlog(&self, webhook: WebhookId) -> (u64, u64) {
        self.ask(|reply| Command::Backlog { webhook, reply }).await.unwrap_or_default()
    }

    /// Makes a run that sends deliveries again, and starts it: `rate` a second at most. `actor` is for the log. `Err` tells
    /// people why not. Returns when it is on disk.
    pub async fn make_run(&self, selection: Selection, rate: Option<u32>, actor: &str) -> Result<Run, String> {
        let (selection, actor) = (Box::new(selection), actor.to_owned());
        self.ask_runs(|reply| Ask::Make { selection, rate, actor, reply }).await
    }

    /// Pauses, resumes or cancels a run. What is on its way comes home first, and is counted then.
    pub async fn tell_run(&self, id: u32, state: RunState, actor: &str) -> Result<Run, String> {
        let actor = actor.to_owned();
        self.ask_runs(|reply| Ask::Tell { id, state, actor, reply }).await
    }

    /// What was counted since the start.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Measures how every webhook in force stands, for the gauges of the metrics page: two seconds at most, and where that
    /// is not enough they are left out.
    pub async fn measure(&self) {
        let (standings, left_out) = tokio::time::timeout(MEASURE, self.standings()).await.unwrap_or_default();
        self.counters.gauges.set(standings, left_out);
    }

    /// How the webhooks stand, and how many were left out.
    async fn standings(&self) -> (Vec<Standing>, usize) {
        let (mut standings, left_out) = self.ask(|reply| Command::Standings { reply }).await.unwrap_or_default();
        let (now, owing) = (self.clock.now(), standings.iter_mut().filter(|standing| standing.oldest.is_some()));
        let owing: Vec<_> = owing.collect();
        let oldest: Vec<_> = owing.iter().filter_map(|standing| standing.oldest).collect();
        // What cannot be read now has no age now; the store tells of its own troubles.
        let events = self.store.events_at(&oldest).await.unwrap_or_default();
        for (standing, event) in owing.into_iter().zip(events) {
            standing.age = event.map(|event| now.since(event.at));
        }
        (standings, left_out)
    }

    async fn ask_runs(&self, ask: impl FnOnce(runs::Answer) -> Ask) -> Result<Run, String> {
        let (reply, answer) = oneshot::channel();
        self.runs.send(ask(reply)).await.map_err(|_| STOPPING.to_owned())?;
        answer.await.map_err(|_| STOPPING.to_owned())?
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, String> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| STOPPING.to_owned())?;
        answer.await.map_err(|_| STOPPING.to_owned())
    }
}
