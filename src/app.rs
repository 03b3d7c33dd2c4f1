//! The composition root: the only file that knows every room. Build, run, drain.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use tokio::sync::watch;

use crate::admin::{self, About, Admin};
use crate::clock::Clock;
use crate::deliver::{Deliverer, Guard};
use crate::diagnostic::Diagnostic;
use crate::engine::{Engine, EngineCounters, EngineObserver, Rules, StartError};
use crate::model::record::LogEntry;
use crate::model::{Notice, NoticeKind};
use crate::proxy::{self, Upstream};
use crate::rules::SourceFile;
use crate::settings::{LogFormat, Settings};
use crate::store::{self, Store, StoreError};
use crate::tap::TapLayer;
use tower_layer::Layer as _;

/// How long events taken over may take to reach the disk when stopping; longer, and they are given up, loudly.
const COMMIT_AT_STOP: Duration = Duration::from_secs(10);

/// Why a process does not run.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Something in the settings cannot be used.
    #[error("{0}")]
    Settings(String),
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {source}; choose another address with --listen, or stop what listens there")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The data directory.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The rules directory; the faults are in it.
    #[error(transparent)]
    Rules(#[from] StartError),
    /// The control socket.
    #[error(transparent)]
    Control(#[from] admin::ControlError),
    /// A thread or a runtime could not be made.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// Why not.
        source: std::io::Error,
    },
}

impl AppError {
    /// The faults of the rules directory, where those are why.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        match self {
            Self::Rules(StartError::Faults { diagnostics, .. }) => diagnostics,
            _ => &[],
        }
    }
}

fn system(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> AppError {
    let what = what.into();
    move |source| AppError::System { what, source }
}

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

    let clock = Clock::System;
    let (store, recovery) = open_store(settings.data.clone(), clock).await?;
    let (stop_traffic, traffic) = watch::channel(false);
    let (stop_inside, inside_signal) = watch::channel(false);
    let counters = EngineCounters::default();
    let watched =
        Rules::start(&settings.rules, &settings.data, store.clone(), clock, counters.clone(), inside_signal.clone());
    let (rules, watching) = watched.await?;
    note_start(&store, clock, &recovery.notes).await?;

    let guard = Guard { allowed: settings.allow_delivery_to.clone(), ours: ours(bound, &origin).await };
    let deliverer = Deliverer::start(store.clone(), rules.webhooks(), guard, clock, inside_signal.clone());
    let (observer, engine) =
        Engine::start(rules.clone(), store.clone(), clock, counters.clone(), inside_signal.clone());

    let mut config = proxy::Config::new(origin);
    config.answer_timeout = settings.answer_timeout;
    config.drain = settings.drain;
    config.trusted_proxies.clone_from(&settings.trusted_proxies);
    let shared = proxy::Shared::new(config);
    let tap = TapLayer::new(observer);
    let metrics = registry(&counters);
    let about = Arc::new(about(&settings, bound, clock));
    let control = settings.data.join("control.sock");
    let admin =
        Admin { store: store.clone(), deliverer: Some(deliverer.clone()), rules: rules.clone(), metrics, clock, about };
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

fn registry(engine: &EngineCounters) -> Arc<Registry> {
    let mut registry = Registry::default();
    engine.register(&mut registry);
    Arc::new(registry)
}

impl Running {
    /// Stops in order: no more visitors, open requests drained, what was seen committed, attempts finished, store closed.
    pub async fn stop(self) {
        let Self { cores, engine, deliverer, inside, store, clock, .. } = self;
        let _ = self.stop_traffic.send(true);
        let drained = tokio::task::spawn_blocking(move || cores.into_iter().for_each(|core| drop(core.join())));
        let _ = drained.await;
        let _ = self.stop_inside.send(true);
        if tokio::time::timeout(COMMIT_AT_STOP, engine.stopped()).await.is_err() {
            tracing::error!("the journal did not take the last events in {COMMIT_AT_STOP:?}; they are lost");
        }
        deliverer.stopped().await;
        for part in inside {
            let _ = part.await;
        }
        let stopped = LogEntry::Notice(Notice::new(clock.now(), NoticeKind::Process, "shopbell stopped"));
        let _ = store.log(vec![stopped], Vec::new()).await;
        store.close().await;
    }
}

/// Runs until SIGTERM or SIGINT, then drains. Blocks.
pub fn run(settings: Settings) -> Result<(), AppError> {
    start_log(settings.log_format, &settings.log)?;
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime =
        builder.enable_all().thread_name("shopbell-inside").build().map_err(system("no runtime could be made"))?;
    runtime.block_on(async {
        let mut stop = StopSignal::new().map_err(system("signals cannot be taken"))?;
        let running = start(settings).await?;
        stop.recv().await;
        tracing::info!("stopping: open requests are finished first");
        tokio::select! {
            () = running.stop() => {}
            () = stop.recv() => tracing::warn!("stopped at once on a second signal"),
        }
        Ok(())
    })
}

/// SIGTERM or Ctrl-C.
#[derive(Debug)]
pub struct StopSignal {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl StopSignal {
    /// From now on the signals are ours.
    pub fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one.
    pub async fn recv(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Starts the log on stderr.
fn start_log(format: LogFormat, filter: &str) -> Result<(), AppError> {
    let filter = tracing_subscriber::EnvFilter::try_new(filter).map_err(|error| {
        AppError::Settings(format!("`{filter}` is no log filter: {error}; write error, warn, info or debug"))
    })?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
        LogFormat::Json => log.json().try_init(),
    }
    .map_err(|error| AppError::Settings(format!("the log cannot be started: {error}")))
}

/// Reads a rules directory as `run` would; all faults at once.
pub fn read_rules_dir(dir: &Path) -> Result<Vec<SourceFile>, Vec<Diagnostic>> {
    crate::engine::read_directory(dir)
}

/// The admin router over a store that no process owns: what the CLI asks where nothing runs.
pub async fn offline(data: &Path, rules: &Path) -> Result<axum::Router, AppError> {
    let clock = Clock::System;
    let (store, _recovery) = open_store(data.to_owned(), clock).await?;
    let rules = Rules::offline(rules, data, store.clone(), clock).await?;
    let (metrics, about) = (registry(&EngineCounters::default()), Arc::default());
    Ok(admin::router(Admin { store, deliverer: None, rules, metrics, clock, about }))
}

async fn open_store(data: PathBuf, clock: Clock) -> Result<(Store, store::Recovery), StoreError> {
    let opened = tokio::task::spawn_blocking(move || Store::open(&data, store::Options::default(), clock)).await;
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

/// Addresses deliveries must never go to: our own listener and the shop.
async fn ours(bound: SocketAddr, origin: &proxy::Origin) -> Vec<SocketAddr> {
    let mut ours = vec![bound];
    if let proxy::Origin::Tcp { host, port } = origin {
        ours.extend(tokio::net::lookup_host((host.as_str(), *port)).await.into_iter().flatten());
    }
    ours
}

type Core = std::thread::JoinHandle<std::io::Result<()>>;

/// One thread with a runtime of its own per core: the shop's traffic never waits for anything of ours.
fn start_cores(
    listeners: Vec<std::net::TcpListener>,
    tap: &TapLayer<EngineObserver>,
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
