//! The rules directory in force: loaded at start, watched, and swapped whole when an edit compiles.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::diagnostic::{Diagnostic, Severity};
use crate::model::record::LogEntry;
use crate::model::{Notice, NoticeKind, Webhook};
use crate::rules::{self, Ruleset, SourceFile};
use crate::store::{Store, StoreError};

use super::active::{Active, Named, name_webhooks, resolve_webhooks};
use super::counters::EngineCounters;
use super::directory::{fingerprint, read_directory, stamps};
use super::last_good;
use super::watch::Watch;

/// How often stamps are compared, whatever hints came.
const POLL: Duration = Duration::from_millis(500);
/// A directory must have stood still for so long before it is read: editors and `git pull` write in steps.
const QUIET: Duration = Duration::from_millis(150);
/// Longest wait for quiet: a directory that never stands still is read all the same.
const QUIET_AT_MOST: Duration = Duration::from_millis(450);
/// Stack for compiling rules: expressions nest.
const COMPILE_STACK_BYTES: usize = 16 * 1024 * 1024;

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
        let mut loader =
            Loader { dir: dir.to_owned(), data: data.to_owned(), store, clock, counters, tried: String::new() };
        let first = loader.start().await?;
        let (webhooks_sender, webhooks) = watch::channel(Arc::clone(&first.webhooks));
        let (asked, asked_receiver) = mpsc::channel(16);
        let active = Arc::new(ArcSwap::from_pointee(first));
        let running = Running { loader, active: Arc::clone(&active), webhooks: webhooks_sender, asked: asked_receiver };
        let watching = tokio::spawn(running.run(shutdown));
        Ok((Self { active, webhooks, asked }, watching))
    }

    /// The directory (or the kept set) as it stands, for looking only: nothing is written, nothing is watched, and
    /// [`Rules::reload`] gives `None`.
    pub async fn offline(dir: &Path, data: &Path, store: Store, clock: Clock) -> Result<Self, StartError> {
        let counters = EngineCounters::default();
        let loader =
            Loader { dir: dir.to_owned(), data: data.to_owned(), store, clock, counters, tried: String::new() };
        let mut found = match loader.read().await {
            Ok(files) => loader.prepare(files).await?,
            Err(faults) => Err(faults),
        };
        if let (Err(_), Some(kept)) = (&found, last_good::read(data)) {
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

/// Reads, compiles, and puts into force.
struct Loader {
    dir: PathBuf,
    data: PathBuf,
    store: Store,
    clock: Clock,
    counters: EngineCounters,
    /// Fingerprint of the newest set that was compiled, whatever came of it.
    tried: String,
}

impl Loader {
    async fn start(&mut self) -> Result<Active, StartError> {
        let read = self.read().await;
        let (faults, stamp) = match read {
            Ok(files) => {
                self.tried = fingerprint(&files);
                match self.compile(files, true).await? {
                    Ok(active) => return Ok(active),
                    Err(faults) => (faults, self.tried.clone()),
                }
            }
            Err(faults) => (faults, String::new()),
        };
        let dir = self.dir.display().to_string();
        let Some(kept) = last_good::read(&self.data) else {
            return Err(StartError::Faults { dir, diagnostics: faults });
        };
        tell(&faults);
        let mut active = match self.compile(kept, true).await? {
            Ok(active) => active,
            Err(_) => return Err(StartError::Faults { dir, diagnostics: faults }),
        };
        self.tried = stamp;
        self.refused(&faults, "the set kept from before runs instead").await;
        (active.stale, active.from_last_good, active.problems) = (true, true, faults);
        Ok(active)
    }

    async fn read(&self) -> Result<Vec<SourceFile>, Vec<Diagnostic>> {
        let dir = self.dir.clone();
        tokio::task::spawn_blocking(move || read_directory(&dir)).await.unwrap_or_else(|_| {
            Err(vec![Diagnostic::of_file(
                "rules",
                "reading the rules directory failed unexpectedly; this is a fault of shopbell",
            )])
        })
    }

    /// Compiles a set and gives its webhooks their ids; nothing is written yet. Faults are the inner error.
    async fn prepare(&self, files: Vec<SourceFile>) -> Result<Result<Prepared, Vec<Diagnostic>>, StoreError> {
        let (files, loaded) = compile_aside(files).await;
        let Some(ruleset) = loaded.ruleset else { return Ok(Err(loaded.diagnostics)) };
        let now = self.clock.now();
        let (table, next) = self.store.webhook_names().await?;
        let named = name_webhooks(&ruleset.webhooks, &table, next, now);
        let (webhooks, unresolved) = resolve_webhooks(&ruleset, &named.rows);
        let mut problems = loaded.diagnostics;
        problems.extend(unresolved);
        let active = Active {
            ruleset: Arc::new(ruleset),
            webhooks: Arc::new(webhooks),
            loaded_at: now,
            fingerprint: fingerprint(&files),
            problems,
            stale: false,
            from_last_good: false,
        };
        Ok(Ok(Prepared { active, named, files }))
    }

    /// Puts a set into force: its webhooks' ids are durable before anything uses them. Faults are the inner error.
    async fn compile(
        &self,
        files: Vec<SourceFile>,
        at_start: bool,
    ) -> Result<Result<Active, Vec<Diagnostic>>, StoreError> {
        let Prepared { active, named, files } = match self.prepare(files).await? {
            Ok(prepared) => prepared,
            Err(faults) => return Ok(Err(faults)),
        };
        // At start a missing secret holds its webhook and all else works; an edit that brings one is a fault.
        if !at_start && active.webhooks.iter().any(|webhook| webhook.held.is_some()) {
            return Ok(Err(active.problems));
        }
        let (rules, webhooks, fingerprint) =
            (active.ruleset.summary().events, active.webhooks.len(), &active.fingerprint);
        tracing::info!(rules, webhooks, fingerprint, "rules in force");
        tell(&active.problems);
        let (now, text) =
            (active.loaded_at, format!("rules in force: {rules} rules, {webhooks} webhooks ({fingerprint})"));
        let mut entries = vec![LogEntry::Notice(Notice::new(now, NoticeKind::Reload, text))];
        entries.extend(named.notes.into_iter().map(|(id, text)| {
            LogEntry::Notice(Notice { webhook: Some(id), ..Notice::new(now, NoticeKind::Webhook, text) })
        }));
        self.store.log(entries, named.writes).await?;
        if let Err(error) = last_good::keep(&self.data, &files) {
            tracing::warn!(%error, "the rules in force could not be kept for the next start");
        }
        Ok(Ok(active))
    }

    async fn refused(&self, faults: &[Diagnostic], consequence: &str) {
        self.counters.reloads_refused.inc();
        let first = faults.iter().find(|fault| fault.severity == Severity::Error);
        let first = first.map(ToString::to_string).unwrap_or_default();
        let text = format!("the rules directory has {} faults, {consequence}; the first: {first}", faults.len());
        tracing::error!(faults = faults.len(), first, "the rules directory did not take effect, {consequence}");
        let notice = LogEntry::Notice(Notice::new(self.clock.now(), NoticeKind::Reload, text));
        if let Err(error) = self.store.log(vec![notice], Vec::new()).await {
            tracing::warn!(%error, "the refused reload could not be noted in the log");
        }
    }
}

/// A set that compiled, before it is in force.
struct Prepared {
    active: Active,
    named: Named,
    files: Vec<SourceFile>,
}

/// Compiles on a thread of its own with a large stack; a panic there is a fault of the set, not of the process.
async fn compile_aside(files: Vec<SourceFile>) -> (Vec<SourceFile>, rules::Loaded) {
    let (done, result) = oneshot::channel();
    let compile = move || {
        let loaded = rules::load(&files);
        let _ = done.send((files, loaded));
    };
    let spawned =
        std::thread::Builder::new().name("shopbell-compile".into()).stack_size(COMPILE_STACK_BYTES).spawn(compile);
    let failed = || {
        let fault =
            Diagnostic::of_file("rules", "compiling the rules failed unexpectedly; this is a fault of shopbell");
        (Vec::new(), rules::Loaded { ruleset: None::<Ruleset>, diagnostics: vec![fault] })
    };
    if spawned.is_err() {
        return failed();
    }
    result.await.unwrap_or_else(|_| failed())
}

fn tell(diagnostics: &[Diagnostic]) {
    for diagnostic in diagnostics {
        match diagnostic.severity {
            Severity::Error => tracing::error!(target: "shopbell::rules", "{diagnostic}"),
            Severity::Warning => tracing::warn!(target: "shopbell::rules", "{diagnostic}"),
        }
    }
}

/// The loop that watches.
struct Running {
    loader: Loader,
    active: Arc<ArcSwap<Active>>,
    webhooks: watch::Sender<Arc<Vec<Arc<Webhook>>>>,
    asked: mpsc::Receiver<oneshot::Sender<ReloadReport>>,
}

impl Running {
    async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        let mut watch = Watch::new(&self.loader.dir);
        let mut seen = self.stamps().await;
        loop {
            let answer = tokio::select! {
                asked = self.asked.recv() => match asked {
                    Some(answer) => Some(answer),
                    None => return,
                },
                () = watch.hinted() => None,
                () = tokio::time::sleep(POLL) => None,
                _ = shutdown.wait_for(|stop| *stop) => return,
            };
            watch.rearm();
            let now = self.stamps().await;
            if answer.is_none() && now == seen {
                continue;
            }
            seen = self.settled(now).await;
            if answer.is_some() {
                self.loader.tried.clear(); // somebody asked: compile even what was tried before (a secret may be there now)
            }
            let report = self.reload().await;
            if let Some(answer) = answer {
                let _ = answer.send(report);
            }
        }
    }

    async fn stamps(&self) -> super::directory::Stamps {
        let dir = self.loader.dir.clone();
        tokio::task::spawn_blocking(move || stamps(&dir)).await.unwrap_or_default()
    }

    /// Waits until the directory has stood still for [`QUIET`].
    async fn settled(&self, mut before: super::directory::Stamps) -> super::directory::Stamps {
        let deadline = tokio::time::Instant::now() + QUIET_AT_MOST;
        loop {
            tokio::time::sleep(QUIET).await;
            let now = self.stamps().await;
            if now == before || tokio::time::Instant::now() >= deadline {
                return now;
            }
            before = now;
        }
    }

    async fn reload(&mut self) -> ReloadReport {
        let files = match self.loader.read().await {
            Ok(files) if files.is_empty() && self.has_rules() => Err(vec![self.emptied()]),
            other => other,
        };
        let files = match files {
            Ok(files) => files,
            Err(faults) => return self.refuse(faults).await,
        };
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
                self.loader.tried.clear(); // tried again at the next look
                self.refuse(vec![Diagnostic::of_file("rules", format!("ids of webhooks could not be kept: {error}"))])
                    .await
            }
        }
    }

    fn has_rules(&self) -> bool {
        let active = self.active.load();
        !active.ruleset.events.is_empty() || !active.webhooks.is_empty()
    }

    fn emptied(&self) -> Diagnostic {
        let dir = self.loader.dir.display().to_string();
        let fault = Diagnostic::of_file(&dir, "the rules directory holds no rules any more");
        fault.hint("to run without rules, leave a file with a `[shop]` table in it")
    }

    async fn refuse(&mut self, faults: Vec<Diagnostic>) -> ReloadReport {
        let active = self.active.load_full();
        if active.stale && active.problems == faults {
            return ReloadReport { changed: false, ok: false, diagnostics: faults };
        }
        tell(&faults);
        self.loader.refused(&faults, "the set in force stays").await;
        self.active.store(Arc::new(Active {
            ruleset: Arc::clone(&active.ruleset),
            webhooks: Arc::clone(&active.webhooks),
            loaded_at: active.loaded_at,
            fingerprint: active.fingerprint.clone(),
            problems: faults.clone(),
            stale: true,
            from_last_good: active.from_last_good,
        }));
        ReloadReport { changed: false, ok: false, diagnostics: faults }
    }
}
