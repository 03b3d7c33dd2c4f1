//! The composition root: the only place that knows every room. Build, run, drain.

mod cases;
mod error;
mod memory;
mod metrics;
mod process;

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
pub use memory::{allocator_environment, keep_little};
pub use process::{StopSignal, run};

/// How long events taken over may take to reach the disk when stopping; longer, and they are given up, loudly.
const COMMIT_AT_STOP: Duration = Duration::from_secs(10);

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
pub async fn start(settings: Settings) -> Result<Running, AppError> {
    let origin = proxy::parse_origin(&settings.upstream);
    let origin = origin.map_err(|fault| AppError::Settings(format!("--upstream: {fault}")))?;
    let address = settings.listen;
    let listeners = proxy::bind(address, settings.cores).map_err(|source| AppError::Listen { address, source })?;
    let bound = listeners.first().and_then(|listener| listener.local_addr().ok()).unwrap_or(address);
    let shop = addresses(&origin).await;
    if let Some(loops) = shop.iter().find(|shop| is_ours(**shop, bound)) {
        let (upstream, text) = (&settings.upstream, "is shopbell's own address: requests would go round in circles");
        return Err(AppError::Settings(format!(
            "--upstream: {upstream} ({loops}) {text}; name the address the shop itself listens on"
        )));
    }

    let clock = Clock::System;
    let (store, recovery) = open_store(settings.data.clone(), kept(&settings), clock).await?;
    let (stop_traffic, traffic) = watch::channel(false);
    let (stop_inside, inside_signal) = watch::channel(false);
    let counters = EngineCounters::default();
    let watched =
        Rules::start(&settings.rules, &settings.data, store.clone(), clock, counters.clone(), inside_signal.clone());
    let (rules, watching) = watched.await?;
    note_start(&store, clock, &recovery.notes).await?;

    let ours = shop.into_iter().chain([bound]).collect();
    let guard = Guard { allowed: settings.allow_delivery_to.clone(), ours };
    let deliverer = Deliverer::start_apart(store.clone(), rules.webhooks(), guard, clock, inside_signal.clone());
    let deliverer = deliverer.map_err(system("no thread could be made for deliveries"))?;

    let mut config = proxy::Config::new(origin);
    config.answer_timeout = settings.answer_timeout;
    config.drain = settings.drain;
    config.trusted_proxies.clone_from(&settings.trusted_proxies);
    let shared = proxy::Shared::new(config);
    let look_ups = look_up_client(Upstream::new(Arc::clone(&shared)));
    let started = Engine::start(rules.clone(), store.clone(), look_ups, clock, counters.clone(), inside_signal.clone());
    let (observer, engine) = started.await?;
    let tap = TapLayer::new(observer).secure_by(proxy::is_secure).executor(RunOns(Arc::clone(&shared)));
    let traffic_counters = (Arc::clone(&shared), tap.counters());
    let metrics = metrics::registry(&counters, Some(&deliverer), &store, Some(traffic_counters));
    let about = Arc::new(about(&settings, bound, clock));
    let control = settings.data.join("control.sock");
    let admin = Admin {
        store: store.clone(),
        deliverer: Some(deliverer.clone()),
        rules: rules.clone(),
        recorder: Some(engine.recorder()),
        metrics,
        clock,
        about,
    };
    let socket = admin::bind_control(&control).await?;
    let serving = tokio::spawn(admin::serve_control(socket, control.clone(), admin::router(admin), inside_signal));
    let cores = start_cores(listeners, &tap, &shared, &traffic)?;
    tracing::info!(listen = %bound, upstream = settings.upstream, "shopbell runs");
    let inside = vec![watching, serving];
    Ok(Running {
        proxy_addr: bound,
        control,
        rules,
        store,
        stop_traffic,
        stop_inside,
        cores,
        engine,
        deliverer,
        inside,
        clock,
    })
}

fn about(settings: &Settings, bound: SocketAddr, clock: Clock) -> About {
    About {
        started: clock.now(),
        listen: bound.to_string(),
        upstream: settings.upstream.clone(),
        rules_dir: settings.rules.display().to_string(),
        data_dir: settings.data.display().to_string(),
    }
}

impl Running {
    /// Stops in order: no more visitors, open requests drained, what was seen committed, attempts finished, store closed.
    pub async fn stop(self) {
        let Self { cores, engine, deliverer, inside, store, clock, .. } = self;
        let _ = self.stop_traffic.send(true);
        let drained = tokio::task::spawn_blocking(move || cores.into_iter().for_each(|core| drop(core.join())));
        let _ = drained.await;
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
    let (store, _recovery) = open_store(data.to_owned(), store::Options::keep_all(), clock).await?;
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
    let started = format!("shopbell {} started", env!("CARGO_PKG_VERSION"));
    let texts = std::iter::once((NoticeKind::Process, started))
        .chain(recovered.iter().map(|note| (NoticeKind::Store, note.clone())));
    for note in recovered {
        tracing::warn!("{note}");
    }
    let entries = texts.map(|(kind, text)| LogEntry::Notice(Notice::new(clock.now(), kind, text)));
    store.log(entries.collect(), Vec::new()).await.map(drop)
}

/// Where the shop listens, as far as its name says now.
async fn addresses(origin: &proxy::Origin) -> Vec<SocketAddr> {
    match origin {
        proxy::Origin::Tcp { host, port } => {
            tokio::net::lookup_host((host.as_str(), *port)).await.into_iter().flatten().collect()
        }
        proxy::Origin::Unix(_) => Vec::new(),
    }
}

/// Whether a connection to `shop` would come in at our own listener.
fn is_ours(shop: SocketAddr, bound: SocketAddr) -> bool {
    if shop.port() != bound.port() {
        return false;
    }
    let (shop, ours) = (shop.ip().to_canonical(), bound.ip().to_canonical());
    // An address of this machine is one that can be bound.
    let is_local = || shop.is_unspecified() || std::net::UdpSocket::bind((shop, 0)).is_ok();
    shop == ours || (shop.is_unspecified() && ours.is_loopback()) || (ours.is_unspecified() && is_local())
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

type Core = std::thread::JoinHandle<std::io::Result<()>>;

/// One thread with a runtime of its own per core: the shop's traffic never waits for anything of ours.
fn start_cores(
    listeners: Vec<std::net::TcpListener>,
    tap: &TapLayer<EngineObserver, RunOns>,
    shared: &Arc<proxy::Shared>,
    stop: &watch::Receiver<bool>,
) -> Result<Vec<Core>, AppError> {
    let start_core = |(number, listener): (usize, std::net::TcpListener)| {
        let (tap, upstream) = (tap.clone(), Arc::clone(shared));
        let make = move || tap.layer(Upstream::new(upstream));
        let core = proxy::spawn_core(number, listener, make, Arc::clone(shared), stop.clone());
        core.map_err(system("no thread could be made for a core"))
    };
    listeners.into_iter().enumerate().map(start_core).collect()
}
