//! The rules directory in force: loaded at start, watched, and swapped whole when an edit compiles.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::diagnostic::Diagnostic;
use crate::model::Webhook;
use crate::rules::SourceFile;
use crate::store::{Store, StoreError};

use super::active::Active;
use super::counters::EngineCounters;
use super::directory::{Stamps, fingerprint, stamps};
use super::loader::{Loader, tell};
use super::watch::Watch;

/// How often stamps are compared, whatever hints came.
const POLL: Duration = Duration::from_millis(500);
/// A directory must have stood still for so long before it is read: editors and `git pull` write in steps.
const QUIET: Duration = Duration::from_millis(150);
/// Longest wait for quiet: a directory that never stands still is read all the same.
const QUIET_AT_MOST: Duration = Duration::from_millis(450);
/// Longest wait for whoever has a rules file open for writing: what stands there so far is no rule of theirs yet.
const WRITING_AT_MOST: Duration = Duration::from_secs(10);
/// A directory that moved while it was read is read again, so often at most; then the next look at its stamps decides.
const READS_AGAIN: usize = 3;

/// Why no ruleset is in force at start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The directory is broken and no set that took effect is kept.
    #[error("the rules in {dir} have faults and no earlier set is kept")]
    Faults {
        /// The directory.
        dir: String,
        /// All its faults.
        diagnostics: Vec<Diagnostic>,
    },
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a reload came to.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct ReloadReport {
    /// Whether another set is in force now.
    pub changed: bool,
    /// Whether the directory as it stands is the set in force.
    pub ok: bool,
    /// Faults and warnings of the directory as it stands.
    pub diagnostics: Vec<Diagnostic>,
}

/// The rules in force; cheap to clone.
#[derive(Clone, Debug)]
pub struct Rules {
    active: Arc<ArcSwap<Active>>,
    webhooks: watch::Receiver<Arc<Vec<Arc<Webhook>>>>,
    asked: mpsc::Sender<oneshot::Sender<ReloadReport>>,
}

impl Rules {
    /// Loads the directory (or, if it is broken, the set kept in `data`, loudly) and watches it until `shutdown`.
    pub async fn start(
        dir: &Path,
        data: &Path,
        store: Store,
        clock: Clock,
        counters: EngineCounters,
        shutdown: watch::Receiver<bool>,
    ) -> Result<(Self, tokio::task::JoinHandle<()>), StartError> {
        // Watched, and its stamps taken, before it is read: nothing that changes meanwhile is missed.
        let watch = Watch::new(dir);
        let seen = stamps_of(dir).await;
        let mut loader = Loader::new(dir.to_owned(), data.to_owned(), store, clock, counters);
        let first = loader.start().await?;
        let (webhooks_sender, webhooks) = watch::channel(Arc::clone(&first.webhooks));
        let (asked, asked_receiver) = mpsc::channel(16);
        let active = Arc::new(ArcSwap::from_pointee(first));
        let shared = Arc::clone(&active);
        let running =
            Running { loader, active: shared, webhooks: webhooks_sender, asked: asked_receiver, watch, again: false };
        let watching = tokio::spawn(running.run(seen, shutdown));
        Ok((Self { active, webhooks, asked }, watching))
    }

    /// The directory (or the kept set) as it stands, for looking only: nothing is written, nothing is watched, and
    /// [`Rules::reload`] gives `None`.
    pub async fn offline(dir: &Path, data: &Path, store: Store, clock: Clock) -> Result<Self, StartError> {
        let mut loader = Loader::new(dir.to_owned(), data.to_owned(), store, clock, EngineCounters::default());
        let mut found = match loader.read().await {
            Ok(files) => loader.prepare(files).await?,
            Err(faults) => Err(faults),
        };
        if let (Err(_), Some(kept)) = (&found, loader.kept().await) {
            found = loader.prepare(kept).await?;
        }
        let prepared =
            found.map_err(|diagnostics| StartError::Faults { dir: dir.display().to_string(), diagnostics })?;
        let (_sender, webhooks) = watch::channel(Arc::clone(&prepared.active.webhooks));
        let (asked, _closed) = mpsc::channel(1);
        Ok(Self { active: Arc::new(ArcSwap::from_pointee(prepared.active)), webhooks, asked })
    }

    /// The set in force.
    pub fn active(&self) -> Arc<Active> {
        self.active.load_full()
    }

    /// The webhooks in force, as they change.
    pub fn webhooks(&self) -> watch::Receiver<Arc<Vec<Arc<Webhook>>>> {
        self.webhooks.clone()
    }

    /// Reads the directory now, whatever its stamps say. `None` if the process is stopping.
    pub async fn reload(&self) -> Option<ReloadReport> {
        let (answer, report) = oneshot::channel();
        self.asked.send(answer).await.ok()?;
        report.await.ok()
    }
}

async fn stamps_of(dir: &Path) -> Stamps {
    let dir = dir.to_owned();
    tokio::task::spawn_blocking(move || stamps(&dir)).await.unwrap_or_default()
}

/// The loop that watches.
struct Running {
    loader: Loader,
    active: Arc<ArcSwap<Active>>,
    webhooks: watch::Sender<Arc<Vec<Arc<Webhook>>>>,
    asked: mpsc::Receiver<oneshot::Sender<ReloadReport>>,
    watch: Watch,
    /// The last attempt failed for a reason outside the directory: it is made again.
    again: bool,
}

impl Running {
    /// `seen`: the directory's stamps from before it was first read.
    async fn run(mut self, mut seen: Stamps, mut shutdown: watch::Receiver<bool>) {
        loop {
            let answer = tokio::select! {
                asked = self.asked.recv() => match asked {
                    Some(answer) => Some(answer),
                    None => return,
                },
                () = self.watch.hinted() => None,
                () = tokio::time::sleep(POLL) => None,
                _ = shutdown.wait_for(|stop| *stop) => return,
            };
            self.watch.rearm();
            let now = self.stamps().await;
            let forgets = self.loader.forget_at.is_some_and(|at| self.loader.clock.now() > at);
            let renewed = self.loader.sources_moved().await;
            if answer.is_none() && now == seen && !self.again && !forgets && !renewed {
                continue;
            }
            if answer.is_some() || forgets || renewed {
                self.loader.tried.clear(); // compile even what was tried before (a secret may be there now)
                self.loader.forget_at = None;
            }
            let report;
            (seen, report) = self.reload(now).await;
            if renewed && !report.ok {
                self.renew().await;
            }
            if let Some(answer) = answer {
                let _ = answer.send(report);
            }
        }
    }

    async fn stamps(&self) -> Stamps {
        stamps_of(&self.loader.dir).await
    }

    /// Waits until the directory has stood still for [`QUIET`] and nobody has a file of it open for writing.
    async fn settled(&self, mut before: Stamps) -> Stamps {
        let begun = tokio::time::Instant::now();
        loop {
            tokio::time::sleep(QUIET).await;
            let now = self.stamps().await;
            let limit = if self.watch.is_being_written() { WRITING_AT_MOST } else { QUIET_AT_MOST };
            let quiet = now == before && limit == QUIET_AT_MOST;
            if quiet || begun.elapsed() >= limit {
                return now;
            }
            before = now;
        }
    }

    /// Reads the directory once it stands still, and again if it moved meanwhile. Gives the stamps it had.
    async fn reload(&mut self, now: Stamps) -> (Stamps, ReloadReport) {
        let mut seen = self.settled(now).await;
        let mut read = self.loader.read().await;
        for _ in 0..READS_AGAIN {
            let after = self.stamps().await;
            if after == seen {
                break;
            }
            seen = self.settled(after).await;
            read = self.loader.read().await;
        }
        let read = match read {
            Ok(files) if files.is_empty() && self.has_rules() => Err(vec![self.loader.emptied()]),
            other => other,
        };
        let report = match read {
            Ok(files) => self.take(files).await,
            Err(faults) => {
                // The same texts as before, once they can be read again, mend this.
                self.loader.tried.clear();
                self.refuse(faults).await
            }
        };
        (seen, report)
    }

    async fn take(&mut self, files: Vec<SourceFile>) -> ReloadReport {
        self.again = false;
        let stamp = fingerprint(&files);
        let active = self.active.load_full();
        if stamp == self.loader.tried {
            return ReloadReport { changed: false, ok: !active.stale, diagnostics: active.problems.clone() };
        }
        self.loader.tried = stamp;
        match self.loader.compile(files, false).await {
            Ok(Ok(new)) => {
                let (diagnostics, new_fingerprint) = (new.problems.clone(), new.fingerprint.clone());
                let webhooks = Arc::clone(&new.webhooks);
                self.active.store(Arc::new(new));
                self.webhooks.send_replace(webhooks);
                self.loader.counters.reloads.inc();
                ReloadReport { changed: new_fingerprint != active.fingerprint, ok: true, diagnostics }
            }
            Ok(Err(faults)) => self.refuse(faults).await,
            Err(error) => {
                self.loader.tried.clear();
                self.again = true;
                let fault = Diagnostic::of_file("rules", format!("ids of webhooks could not be kept: {error}"));
                self.refuse(vec![fault.hint("it is tried again until the store can write")]).await
            }
        }
    }

    /// New secrets do not wait for somebody to mend the directory.
    async fn renew(&mut self) {
        let active = self.active.load_full();
        let Some(webhooks) = self.loader.renewed(&active).await.map(Arc::new) else {
            return tracing::error!("secrets, certificates or keys moved and cannot be read; those of before stay");
        };
        self.active.store(Arc::new(Active { webhooks: Arc::clone(&webhooks), ..active.as_ref().clone() }));
        self.webhooks.send_replace(webhooks);
        tracing::info!("secrets, certificates and keys were read again; the rules in force stay");
    }

    fn has_rules(&self) -> bool {
        let active = self.active.load();
        !active.ruleset.events.is_empty() || !active.webhooks.is_empty()
    }

    async fn refuse(&mut self, faults: Vec<Diagnostic>) -> ReloadReport {
        let active = self.active.load_full();
        if active.stale && active.problems == faults {
            return ReloadReport { changed: false, ok: false, diagnostics: faults };
        }
        tell(&faults);
        self.loader.refused(&faults, "the set in force stays").await;
        let stale = Active { problems: faults.clone(), stale: true, ..active.as_ref().clone() };
        self.active.store(Arc::new(stale));
        ReloadReport { changed: false, ok: false, diagnostics: faults }
    }
}
