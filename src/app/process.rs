//! The process around it: log, signals, and running until one comes.

use super::error::system;
use super::{AppError, unobserved};
use crate::settings::{LogFormat, Settings};

/// Runs until SIGTERM or SIGINT, then drains. Blocks.
pub fn run(settings: &Settings) -> Result<(), AppError> {
    start_log(settings.log_format, &settings.log)?;
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime =
        builder.enable_all().thread_name("shopbell-inside").build().map_err(system("no runtime could be made"))?;
    runtime.block_on(async {
        let mut stop = StopSignal::new().map_err(system("signals cannot be taken"))?;
        let Some(running) = unobserved::start(settings, &mut stop).await? else { return Ok(()) };
        stop.recv().await;
        finish(running.stop(), &mut stop).await;
        Ok(())
    })
}

/// Has what is open end; a second signal ends it at once.
pub(super) async fn finish(stopping: impl Future<Output = ()>, stop: &mut StopSignal) {
    tracing::info!("stopping: open requests are finished first");
    tokio::select! {
        () = stopping => {}
        () = stop.recv() => tracing::warn!("stopped at once on a second signal"),
    }
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
