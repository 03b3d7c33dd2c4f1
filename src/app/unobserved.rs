//! A start that the disk does not let through: the shop is served all the same, and the rest is tried until it works.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::front::{Core, Front, drained};
use super::process::{StopSignal, finish};
use super::{AppError, CONTROL, Running, observe};
use crate::admin::{self, ControlError};
use crate::clock::{Clock, Timestamp};
use crate::engine::{EngineCounters, StartError};
use crate::model::record::LogEntry;
use crate::model::{Notice, NoticeKind};
use crate::proxy::{self, Upstream};
use crate::settings::Settings;
use crate::store::{Store, StoreError};

/// Gap between two tries.
const AGAIN: Duration = Duration::from_secs(5);

/// A fault that stays is told again after this many tries: every minute.
const TOLD_EVERY: u32 = 12;

/// Starts. Where the store cannot be had because of the disk, traffic passes unobserved until it can (promise 1); `None` if
/// a signal came first.
pub(super) async fn start(settings: &Settings, stop: &mut StopSignal) -> Result<Option<Running>, AppError> {
    let front = Front::bind(settings).await?;
    let counters = EngineCounters::default();
    let fault = match observe(settings, &front, &counters).await {
        Err(fault) if may_pass(&fault) => fault,
        started => return started.map(Some),
    };
    let mut passing = Passing::serve(settings, &front, &fault)?;
    let running = tokio::select! {
        running = passing.until_observed(settings, &front, &counters) => running,
        () = stop.recv() => {
            drop(front);
            finish(passing.stop(), stop).await;
            return Ok(None);
        }
    };
    Ok(Some(passing.hand_over(running, counters)))
}

/// Whether the machine is why, and not what an operator wrote: that is refused, for whoever wrote it is there to read why.
fn may_pass(fault: &AppError) -> bool {
    match fault {
        AppError::Store(fault) | AppError::Rules(StartError::Store(fault)) => match fault {
            StoreError::Unavailable(_) => true,
            StoreError::Directory { source, .. } => !matches!(
                source.kind(),
                ErrorKind::NotFound
                    | ErrorKind::AlreadyExists
                    | ErrorKind::PermissionDenied
                    | ErrorKind::NotADirectory
                    | ErrorKind::InvalidInput
            ),
            StoreError::InUse(_) | StoreError::TooLarge { .. } | StoreError::Corrupt { .. } => false,
        },
        AppError::Control(ControlError::Io { .. }) => true,
        _ => false,
    }
}

/// Traffic that passes with nobody looking.
struct Passing {
    cores: Vec<Core>,
    shared: Arc<proxy::Shared>,
    stop: watch::Sender<bool>,
    since: Timestamp,
    /// Why the last try failed.
    fault: String,
}

impl Passing {
    fn serve(settings: &Settings, front: &Front, fault: &AppError) -> Result<Self, AppError> {
        let shared = front.shared(settings);
        let (stop, stopped) = watch::channel(false);
        let cores = front.start_cores(|number, listener| {
            let upstream = Arc::clone(&shared);
            let make = move || Upstream::new(upstream);
            proxy::spawn_core(number, listener, make, Arc::clone(&shared), stopped.clone())
        })?;
        let fault = fault.to_string();
        tracing::error!(listen = %front.bound, "{fault}; {MEANWHILE}");
        Ok(Self { cores, shared, stop, since: Clock::System.now(), fault })
    }

    /// Tries until everything runs.
    async fn until_observed(&mut self, settings: &Settings, front: &Front, counters: &EngineCounters) -> Running {
        let mut tries = 0;
        loop {
            let control = Control::serve(settings, &self.fault).await;
            tokio::time::sleep(AGAIN).await;
            drop(control);
            let fault = match observe(settings, front, counters).await {
                Ok(running) => return running,
                Err(fault) => fault.to_string(),
            };
            tries += 1;
            if fault != self.fault || tries % TOLD_EVERY == 0 {
                tracing::error!(listen = %front.bound, "{fault}; {MEANWHILE}");
            }
            self.fault = fault;
        }
    }

    /// The observed cores serve new connections now: the others end theirs, then what passed is counted and noted.
    fn hand_over(self, mut running: Running, counters: EngineCounters) -> Running {
        let (store, clock) = (running.store.clone(), running.clock);
        let Self { cores, shared, stop, since, fault } = self;
        let until = clock.now();
        running.inside.push(tokio::spawn(async move {
            let _ = stop.send(true);
            drained(cores).await;
            let requests = proxy::Counters::get(&shared.counters.requests);
            counters.unobserved.inc_by(requests);
            let plural = if requests == 1 { "" } else { "s" };
            let text = format!("{requests} request{plural} passed unobserved from {since} to {until}: {fault}");
            tracing::warn!("{text}");
            note(&store, Notice::new(until, NoticeKind::Released, text)).await;
        }));
        running
    }

    async fn stop(self) {
        let _ = self.stop.send(true);
        drained(self.cores).await;
    }
}

const MEANWHILE: &str = "the shop's traffic passes unobserved, and the start is tried again every 5 seconds";

async fn note(store: &Store, notice: Notice) {
    if let Err(error) = store.log(vec![LogEntry::Notice(notice)], Vec::new()).await {
        tracing::error!(%error, "what passed unobserved could not be noted");
    }
}

/// The control socket meanwhile: whoever asks learns why nothing else answers.
struct Control {
    path: PathBuf,
    serving: JoinHandle<()>,
}

impl Control {
    /// `None` where not even a socket can be made.
    async fn serve(settings: &Settings, fault: &str) -> Option<Self> {
        let path = settings.data.join(CONTROL);
        let socket = admin::bind_control(&path).await.ok()?;
        let router = admin::unavailable(format!("{fault}; {MEANWHILE}"));
        let served = path.clone();
        let serving = tokio::spawn(async move {
            let (_never, stopped) = watch::channel(false);
            admin::serve_control(socket, served, router, stopped).await;
        });
        Some(Self { path, serving })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.serving.abort();
        let _ = std::fs::remove_file(&self.path);
    }
}
