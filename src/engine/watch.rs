//! Hints that the rules directory moved. The only file that says `notify`.
//!
//! A hint may be missing (network mounts, a replaced directory): the reload loop compares stamps all the same.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

use super::directory::is_rules_file;

/// Watches a directory and wakes whoever waits for a hint.
#[derive(Debug)]
pub(super) struct Watch {
    root: PathBuf,
    inode: Option<u64>,
    watcher: Option<RecommendedWatcher>,
    told: Arc<Told>,
}

/// What the watcher's thread told.
#[derive(Debug, Default)]
struct Told {
    hint: Notify,
    /// Rules files that were written to and not yet closed.
    writing: Mutex<HashSet<PathBuf>>,
}

impl Watch {
    pub(super) fn new(root: &Path) -> Self {
        let mut watch = Self { root: root.to_owned(), inode: None, watcher: None, told: Arc::default() };
        watch.rearm();
        watch
    }

    /// Resolves at the next hint; never, if the system cannot watch.
    pub(super) async fn hinted(&self) {
        self.told.hint.notified().await;
    }

    /// Whether somebody is in the middle of writing a rules file, as far as the system tells.
    pub(super) fn is_being_written(&self) -> bool {
        !self.told.writing().is_empty()
    }

    /// Watches anew where the directory itself was replaced (a deploy by `mv`): the old watch is silent for ever.
    pub(super) fn rearm(&mut self) {
        use std::os::unix::fs::MetadataExt as _;
        let inode = std::fs::metadata(&self.root).ok().map(|meta| meta.ino());
        if inode == self.inode && (self.watcher.is_some() || inode.is_none()) {
            return;
        }
        self.inode = inode;
        self.told = Arc::default();
        self.watcher = inode.and_then(|_| self.arm());
    }

    fn arm(&self) -> Option<RecommendedWatcher> {
        let told = Arc::clone(&self.told);
        let armed = notify::recommended_watcher(move |event| told.take(event)).and_then(|mut watcher| {
            watcher.watch(&self.root, RecursiveMode::Recursive)?;
            Ok(watcher)
        });
        armed.map_err(|error| tracing::debug!(%error, "the rules directory cannot be watched, it is polled")).ok()
    }
}

impl Told {
    fn writing(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        // Each change is one insert or removal: a panic in between leaves nothing half done.
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, event: notify::Result<Event>) {
        match event {
            Ok(event) if !event.need_rescan() => match event.kind {
                EventKind::Modify(ModifyKind::Data(_)) => {
                    self.writing().extend(event.paths.into_iter().filter(|path| is_rules_file(path)));
                }
                // Reading the files is an event too; taking it for a change would reload for ever.
                EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write) => return,
                EventKind::Access(_) | EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)) => {
                    event.paths.iter().for_each(|path| _ = self.writing().remove(path));
                }
                _ => {}
            },
            // Events were lost: nothing is known of who writes.
            Ok(_) | Err(_) => self.writing().clear(),
        }
        self.hint.notify_one();
    }
}
