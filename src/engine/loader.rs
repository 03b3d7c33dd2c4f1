//! One rules directory read, compiled and put into force; or the set kept from before.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::diagnostic::{Diagnostic, Severity};
use crate::model::record::LogEntry;
use crate::model::{Health, Notice, NoticeKind, Timestamp, Webhook, Write};
use crate::rules::{self, Ruleset, SourceFile, WebhookConfig};
use crate::store::{Store, StoreError};

use super::active::{Active, Named, name_webhooks};
use super::counters::EngineCounters;
use super::directory::{Stamps, fingerprint, read_directory, stamps_of};
use super::last_good;
use super::receivers::{resolve_webhooks, source_files};
use super::reload::StartError;

/// Stack for compiling rules: expressions nest.
const COMPILE_STACK_BYTES: usize = 16 * 1024 * 1024;

/// Reads, compiles, and puts into force.
pub(super) struct Loader {
    pub(super) dir: PathBuf,
    pub(super) data: PathBuf,
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) counters: EngineCounters,
    /// Fingerprint of the newest set that was compiled, whatever came of it; empty: compile whatever is there.
    pub(super) tried: String,
    /// Files of secrets, certificates and keys that the newest compiled set names, and their stamps before they were read.
    pub(super) sources: (Vec<PathBuf>, Stamps),
    /// When the next webhook whose table vanished is to be forgotten.
    pub(super) forget_at: Option<Timestamp>,
}

impl Loader {
    pub(super) fn new(dir: PathBuf, data: PathBuf, store: Store, clock: Clock, counters: EngineCounters) -> Self {
        Self { dir, data, store, clock, counters, tried: String::new(), sources: Default::default(), forget_at: None }
    }

    pub(super) async fn start(&mut self) -> Result<Active, StartError> {
        let kept = self.kept().await;
        let read = match self.read().await {
            // As empty as a mount that did not come up; the rules of before are not given up for it.
            Ok(files) if files.is_empty() && kept.as_ref().is_some_and(|kept| !kept.is_empty()) => {
                Err(vec![self.emptied()])
            }
            read => read,
        };
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
        let Some(kept) = kept else {
            return Err(StartError::Faults { dir, diagnostics: faults });
        };
        tell(&faults);
        let Ok(mut active) = self.compile(kept, true).await? else {
            return Err(StartError::Faults { dir, diagnostics: faults });
        };
        self.tried = stamp;
        self.refused(&faults, "the set kept from before runs instead").await;
        (active.stale, active.from_last_good, active.problems) = (true, true, faults);
        Ok(active)
    }

    /// The fault of a directory that had rules and has none.
    pub(super) fn emptied(&self) -> Diagnostic {
        let dir = self.dir.display().to_string();
        let fault = Diagnostic::of_file(&dir, "the rules directory holds no rules any more");
        fault.hint("to run without rules, leave a file with a `[shop]` table in it")
    }

    /// The set kept from before, if there is one.
    pub(super) async fn kept(&self) -> Option<Vec<SourceFile>> {
        let data = self.data.clone();
        tokio::task::spawn_blocking(move || last_good::read(&data)).await.ok().flatten()
    }

    pub(super) async fn read(&self) -> Result<Vec<SourceFile>, Vec<Diagnostic>> {
        let dir = self.dir.clone();
        tokio::task::spawn_blocking(move || read_directory(&dir))
            .await
            .unwrap_or_else(|_| Err(vec![failed_unexpectedly("reading the rules directory")]))
    }

    /// Compiles a set and gives its webhooks their ids; nothing is written yet. Faults are the inner error.
    pub(super) async fn prepare(
        &mut self,
        files: Vec<SourceFile>,
    ) -> Result<Result<Prepared, Vec<Diagnostic>>, StoreError> {
        let (files, loaded) = compile_aside(files).await;
        let Some(ruleset) = loaded.ruleset else { return Ok(Err(loaded.diagnostics)) };
        let now = self.clock.now();
        let (table, next) = self.store.webhook_names().await?;
        let named = name_webhooks(&ruleset.webhooks, &table, next, now);
        if !named.faults.is_empty() {
            return Ok(Err(loaded.diagnostics.into_iter().chain(named.faults).collect()));
        }
        let ruleset = Arc::new(ruleset);
        // Secrets are read from files: not on a thread that others wait for. Their stamps are taken before, so that a
        // change meanwhile is seen at the next look.
        let (own, rows, sources) = (Arc::clone(&ruleset), named.rows.clone(), source_files(&ruleset));
        let watched = sources.clone();
        let resolve = move || (stamps_of(watched), resolve_webhooks(&own, &rows, now));
        let Ok((stamps, (webhooks, unresolved))) = tokio::task::spawn_blocking(resolve).await else {
            return Ok(Err(vec![failed_unexpectedly("reading the webhooks' secrets")]));
        };
        self.sources = (sources, stamps);
        let (mut problems, whole) = (loaded.diagnostics, unresolved.is_empty());
        problems.extend(unresolved);
        let active = Active {
            ruleset,
            webhooks: Arc::new(webhooks),
            loaded_at: now,
            fingerprint: fingerprint(&files),
            problems,
            stale: false,
            from_last_good: false,
        };
        Ok(Ok(Prepared { active, named, files, whole }))
    }

    /// Puts a set into force: its webhooks' ids are durable before anything uses them. Faults are the inner error.
    pub(super) async fn compile(
        &mut self,
        files: Vec<SourceFile>,
        at_start: bool,
    ) -> Result<Result<Active, Vec<Diagnostic>>, StoreError> {
        let Prepared { active, named, files, whole } = match self.prepare(files).await? {
            Ok(prepared) => prepared,
            Err(faults) => return Ok(Err(faults)),
        };
        // At start a missing secret holds its webhook and all else works; an edit that brings one is a fault.
        if !at_start && !whole {
            return Ok(Err(active.problems));
        }
        let (rules, webhooks, fingerprint) = (active.ruleset.events.len(), active.webhooks.len(), &active.fingerprint);
        tracing::info!(rules, webhooks, fingerprint, "rules in force");
        tell(&active.problems);
        let (now, text) = (active.loaded_at, format!("in force: rules {rules}, webhooks {webhooks} ({fingerprint})"));
        let mut entries = vec![LogEntry::Notice(Notice::new(now, NoticeKind::Reload, text))];
        entries.extend(named.notes.into_iter().map(|(id, text)| {
            LogEntry::Notice(Notice { webhook: Some(id), ..Notice::new(now, NoticeKind::Webhook, text) })
        }));
        // A new webhook reads from here on: an event committed before the deliverer has looked at it must not be missed.
        let head = *self.store.head().borrow();
        let begins = named.fresh.iter().flat_map(|webhook| {
            let health = Health { pending_delivery: true, ..Health::default() };
            [Write::Cursor { webhook: *webhook, next: head }, Write::Health { webhook: *webhook, health: Some(health) }]
        });
        let writes = named.writes.into_iter().chain(begins).collect();
        self.store.log(entries, writes).await?;
        self.forget_at = named.forget_at;
        self.keep(files).await;
        Ok(Ok(active))
    }

    /// Whether a file of a secret, certificate or key has moved since it was last looked at.
    pub(super) async fn sources_moved(&mut self) -> bool {
        let files = self.sources.0.clone();
        if files.is_empty() {
            return false;
        }
        let now = tokio::task::spawn_blocking(move || stamps_of(files)).await.unwrap_or_default();
        std::mem::replace(&mut self.sources.1, now) != self.sources.1
    }

    /// The webhooks of a set in force with secrets, certificates and keys as they are now. `None` where one cannot be read:
    /// what is in force stays.
    pub(super) async fn renewed(&self, active: &Active) -> Option<Vec<Arc<Webhook>>> {
        let (table, _) = self.store.webhook_names().await.ok()?;
        let row = |config: &WebhookConfig| table.iter().find(|row| row.name == config.name).cloned();
        let rows = active.ruleset.webhooks.iter().map(row).collect::<Option<Vec<_>>>()?;
        let (ruleset, now) = (Arc::clone(&active.ruleset), self.clock.now());
        let (webhooks, faults) =
            tokio::task::spawn_blocking(move || resolve_webhooks(&ruleset, &rows, now)).await.ok()?;
        faults.is_empty().then_some(webhooks)
    }

    async fn keep(&self, files: Vec<SourceFile>) {
        let data = self.data.clone();
        let kept = tokio::task::spawn_blocking(move || last_good::keep(&data, &files)).await;
        if let Err(error) = kept.map_err(std::io::Error::other).flatten() {
            tracing::warn!(%error, "the rules in force could not be kept for the next start");
        }
    }

    pub(super) async fn refused(&self, told: &[Diagnostic], consequence: &str) {
        self.counters.reloads_refused.inc();
        let faults: Vec<_> = told.iter().filter(|fault| fault.severity == Severity::Error).collect();
        let first = faults.first().map(ToString::to_string).unwrap_or_default();
        let (count, plural) = (faults.len(), if faults.len() == 1 { "" } else { "s" });
        let text = format!("the rules directory has {count} fault{plural}, {consequence}; the first: {first}");
        tracing::error!(faults = count, first, "the rules directory did not take effect, {consequence}");
        let notice = LogEntry::Notice(Notice::new(self.clock.now(), NoticeKind::Reload, text));
        if let Err(error) = self.store.log(vec![notice], Vec::new()).await {
            tracing::warn!(%error, "the refused reload could not be noted in the log");
        }
    }
}

/// A set that compiled, before it is in force.
pub(super) struct Prepared {
    pub(super) active: Active,
    named: Named,
    files: Vec<SourceFile>,
    /// Whether every secret, certificate and key could be read.
    whole: bool,
}

/// Compiles on a thread of its own with a large stack; a panic there is a fault of the set, not of the process.
pub(super) async fn compile_aside(files: Vec<SourceFile>) -> (Vec<SourceFile>, rules::Loaded) {
    let (done, result) = oneshot::channel();
    let compile = move || {
        let loaded = rules::load(&files);
        let _ = done.send((files, loaded));
    };
    let spawned =
        std::thread::Builder::new().name("shopbell-compile".into()).stack_size(COMPILE_STACK_BYTES).spawn(compile);
    let failed = || {
        let fault = failed_unexpectedly("compiling the rules");
        (Vec::new(), rules::Loaded { ruleset: None::<Ruleset>, diagnostics: vec![fault] })
    };
    if spawned.is_err() {
        return failed();
    }
    result.await.unwrap_or_else(|_| failed())
}

fn failed_unexpectedly(what: &str) -> Diagnostic {
    Diagnostic::of_file("rules", format!("{what} failed unexpectedly; this is a fault of shopbell"))
}

pub(super) fn tell(diagnostics: &[Diagnostic]) {
    for diagnostic in diagnostics {
        match diagnostic.severity {
            Severity::Error => tracing::error!(target: "shopbell::rules", "{diagnostic}"),
            Severity::Warning => tracing::warn!(target: "shopbell::rules", "{diagnostic}"),
        }
    }
}
