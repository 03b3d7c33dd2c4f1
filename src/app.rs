//! The composition root: the only place that knows every room. Build, run, drain.

mod cases;
mod error;
mod front;
mod memory;
mod metrics;
mod process;
pub mod rotation;
mod unobserved;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::admin::{self, About, Admin};
use crate::clock::Clock;
use crate::deliver::{Deliverer, Guard};
use crate::diagnostic::Diagnostic;
use crate::engine::{Engine, EngineCounters, EngineObserver, LookUpBody, LookUpClient, Rules};
use crate::model::record::LogEntry;
use crate::model::{Notice, NoticeKind};
use crate::proxy::{self, Upstream};
use crate::rules::{Ruleset, SourceFile};
use crate::settings::Settings;
use crate::store::{self, Store, StoreError};
use crate::tap::{Spawn, TapLayer};
use tower_layer::Layer as _;

pub use cases::{CaseFile, case_files};
pub use error::AppError;
use error::system;
use front::{Core, Front};
pub use memory::{allocator_environment, keep_little};
pub use process::{StopSignal, run};

/// How long events taken over may take to reach the disk when stopping; longer, and they are given up, loudly.
const COMMIT_AT_STOP: Duration = Duration::from_secs(10);

/// The control socket's name in the data directory.
pub(crate) const CONTROL: &str = "control.sock";

/// A running shopbell.
#[derive(Debug)]
pub struct Running {
    /// Where visitors connect to.
    pub proxy_addr: SocketAddr,
    /// The control socket.
    pub control: PathBuf,
    /// The rules in force.
    pub rules: Rules,
    /// The journal and the state.
    pub store: Store,
    stop_traffic: watch::Sender<bool>,
    stop_inside: watch::Sender<bool>,
    cores: Vec<Core>,
    engine: Engine,
    deliverer: Deliverer,
    inside: Vec<tokio::task::JoinHandle<()>>,
    clock: Clock,
}

/// Builds everything and starts it on the current runtime. Listeners are bound first: a port in use changes nothing on disk.
/// A fault refuses the start; [`run`] serves the shop also where the disk is why.
pub async fn start(settings: Settings) -> Result<Running, AppError> {
    let front = Front::bind(&settings).await?;
    observe(&settings, &front, &EngineCounters::default()).await
}

/// Starts everything behind bound listeners. After a fault nothing of it goes on, and it may be tried again.
async fn observe(settings: &Settings, front: &Front, counters: &EngineCounters) -> Result<Running, AppError> {
    let clock = Clock::System;
    let (store, recovery) = open_store(settings.data.clone(), kept(settings), clock).await?;
    let inside = Inside { settings, front, counters, store: store.clone(), clock };
    let (stop_inside, inside_signal) = watch::channel(false);
    let running = inside.start(&recovery.notes, stop_inside.clone(), inside_signal).await;
    if running.is_err() {
        let _ = stop_inside.send(true);
        store.close().await;
    }
    running
}

/// What a start needs once the store is open.
struct Inside<'a> {
    settings: &'a Settings,
    front: &'a Front,
    counters: &'a EngineCounters,
    store: Store,
    clock: Clock,
}

impl Inside<'_> {
    async fn start(
        self,
        recovered: &[String],
        stop_inside: watch::Sender<bool>,
        signal: watch::Receiver<bool>,
    ) -> Result<Running, AppError> {
        let Self { settings, front, counters, store, clock } = self;
        let watched =
            Rules::start(&settings.rules, &settings.data, store.clone(), clock, counters.clone(), signal.clone());
        let (rules, watching) = watched.await?;
        note_start(&store, clock, recovered).await?;

        let guard = Guard { allowed: settings.allow_delivery_to.clone(), ours: front.ours.clone() };
        let deliverer = Deliverer::start_apart(store.clone(), rules.webhooks(), guard, clock, signal.clone());
        let deliverer = deliverer.map_err(system("no thread could be made for deliveries"))?;

        let shared = front.shared(settings);
        let look_ups = look_up_client(Upstream::new(Arc::clone(&shared)));
        let started = Engine::start(rules.clone(), store.clone(), look_ups, clock, counters.clone(), signal.clone());
        let (observer, engine) = started.await?;
        let tap = TapLayer::new(observer).secure_by(proxy::is_secure).executor(RunOns(Arc::clone(&shared)));
        let traffic_counters = (Arc::clone(&shared), tap.counters());
        let metrics = metrics::registry(counters, Some(&deliverer), &store, Some(traffic_counters));
        let admin = Admin {
            store: store.clone(),
            deliverer: Some(deliverer.clone()),
            rules: rules.clone(),
            recorder: Some(engine.recorder()),
            metrics,
            clock,
            about: Arc::new(about(settings, front.bound, clock)),
        };
        let control = settings.data.join(CONTROL);
        let socket = admin::bind_control(&control).await?;
        let serving = tokio::spawn(admin::serve_control(socket, control.clone(), admin::router(admin), signal));
        let (stop_traffic, traffic) = watch::channel(false);
        let cores = start_cores(front, &tap, &shared, &traffic)?;
        tracing::info!(listen = %front.bound, upstream = settings.upstream, "shopbell runs");
        Ok(Running {
            proxy_addr: front.bound,
            control,
            rules,
            store,
            stop_traffic,
            stop_inside,
            cores,
            engine,
            deliverer,
            inside: vec![watching, serving],
            clock,
        })
    }
}

fn about(settings: &Settings, bound: SocketAddr, clock: Clock) -> About {
    About {
        started: clock.now(),
        listen: bound.to_string(),
        upstream: settings.upstream.clone(),
        rules_dir: settings.rules.display().to_string(),
        data_dir: settings.data.display().to_string(),
        work_dir: std::env::current_dir().unwrap_or_default().display().to_string(),
    }
}

impl Running {
    /// Stops in order: no more visitors, open requests drained, what was seen committed, attempts finished, store closed.
    pub async fn stop(self) {
        let Self { cores, engine, deliverer, inside, store, clock, .. } = self;
        let _ = self.stop_traffic.send(true);
        front::drained(cores).await;
        let _ = self.stop_inside.send(true);
        engine.stopped(COMMIT_AT_STOP).await;
        deliverer.stopped().await;
        for part in inside {
            let _ = part.await;
        }
        let stopped = LogEntry::Notice(Notice::new(clock.now(), NoticeKind::Process, "shopbell stopped"));
        let _ = store.log(vec![stopped], Vec::new()).await;
        store.close().await;
    }
}

/// Reads a rules directory as `run` would; all faults at once.
pub fn read_rules_dir(dir: &Path) -> Result<Vec<SourceFile>, Vec<Diagnostic>> {
    crate::engine::read_directory(dir)
}

/// Secrets that the webhooks of a ruleset name and that cannot be had here, as warnings: where shopbell will run they may be.
pub fn missing_secrets(ruleset: &Ruleset) -> Vec<Diagnostic> {
    crate::engine::missing_secrets(ruleset)
}

/// The admin router over a store that no process owns: what the CLI asks where nothing runs.
pub async fn offline(data: &Path, rules: &Path) -> Result<axum::Router, AppError> {
    let clock = Clock::System;
    let (store, recovery) = open_store(data.to_owned(), store::Options::keep_all(), clock).await?;
    if !recovery.notes.is_empty() {
        // What is mended now is not found again by the next start: it is told here or never.
        note(&store, clock, &recovery.notes, None).await?;
    }
    let rules = Rules::offline(rules, data, store.clone(), clock).await?;
    let metrics = metrics::registry(&EngineCounters::default(), None, &store, None);
    let about = Arc::default();
    Ok(admin::router(Admin { store, deliverer: None, rules, recorder: None, metrics, clock, about }))
}

fn kept(settings: &Settings) -> store::Options {
    store::Options::within(settings.events_budget, settings.log_budget, settings.retention)
}

async fn open_store(
    data: PathBuf,
    options: store::Options,
    clock: Clock,
) -> Result<(Store, store::Recovery), StoreError> {
    let opened = tokio::task::spawn_blocking(move || Store::open(&data, options, clock)).await;
    opened.unwrap_or_else(|_| {
        Err(StoreError::Unavailable("opening it failed unexpectedly; this is a fault of shopbell".into()))
    })
}

async fn note_start(store: &Store, clock: Clock, recovered: &[String]) -> Result<(), StoreError> {
    note(store, clock, recovered, Some(format!("shopbell {} started", env!("CARGO_PKG_VERSION")))).await
}

/// Tells what recovery found, in the log and in our own output.
async fn note(store: &Store, clock: Clock, recovered: &[String], first: Option<String>) -> Result<(), StoreError> {
    let first = first.map(|text| (NoticeKind::Process, text)).into_iter();
    let texts = first.chain(recovered.iter().map(|note| (NoticeKind::Store, note.clone())));
    for note in recovered {
        tracing::warn!("{note}");
    }
    let entries = texts.map(|(kind, text)| LogEntry::Notice(Notice::new(clock.now(), kind, text)));
    store.log(entries.collect(), Vec::new()).await.map(drop)
}

/// What look-ups reach the shop by: the proxy's way to it, without the tap.
fn look_up_client(upstream: Upstream) -> LookUpClient {
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;
    let boxed = |response: http::Response<proxy::UpstreamBody>| -> http::Response<LookUpBody> {
        response.map(|body| body.map_err(std::io::Error::other).boxed_unsync())
    };
    let ask = move |request: http::Request<http_body_util::Full<bytes::Bytes>>| {
        let answer = upstream.clone().oneshot(request);
        async move { answer.await.map(boxed).map_err(Into::into) }
    };
    LookUpClient::new(tower::service_fn(ask))
}

/// Runs on what visitors have left, on the core it began on, so that the drain waits for it.
#[derive(Clone, Debug)]
struct RunOns(Arc<proxy::Shared>);

impl<T: Future<Output = ()> + Send + 'static> hyper::rt::Executor<T> for RunOns {
    fn execute(&self, rest: T) {
        let under_way = self.0.begin_under_way();
        let rest = async move {
            rest.await;
            drop(under_way);
        };
        Spawn.execute(rest);
    }
}

/// The shop's traffic never waits for anything of ours: each core has a runtime of its own.
fn start_cores(
    front: &Front,
    tap: &TapLayer<EngineObserver, RunOns>,
    shared: &Arc<proxy::Shared>,
    stop: &watch::Receiver<bool>,
) -> Result<Vec<Core>, AppError> {
    front.start_cores(|number, listener| {
        let (tap, upstream) = (tap.clone(), Arc::clone(shared));
        let make = move || tap.layer(Upstream::new(upstream));
        proxy::spawn_core(number, listener, make, Arc::clone(shared), stop.clone())
    })
}
