//! Hints that the rules directory moved. The only file that says `notify`.
//!
//! A hint may be missing (network mounts, a replaced directory): the reload loop compares stamps all the same.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

/// Watches a directory and wakes whoever waits for a hint.
#[derive(Debug)]
pub(super) struct Watch {
    root: PathBuf,
    inode: Option<u64>,
    watcher: Option<RecommendedWatcher>,
    hint: Arc<Notify>,
}

impl Watch {
    pub(super) fn new(root: &Path) -> Self {
        let mut watch = Self { root: root.to_owned(), inode: None, watcher: None, hint: Arc::new(Notify::new()) };
        watch.rearm();
        watch
    }

    /// Resolves at the next hint; never, if the system cannot watch.
    pub(super) async fn hinted(&self) {
        self.hint.notified().await;
    }

    /// Watches anew where the directory itself was replaced (a deploy by `mv`): the old watch is silent for ever.
    pub(super) fn rearm(&mut self) {
        use std::os::unix::fs::MetadataExt as _;
        let inode = std::fs::metadata(&self.root).ok().map(|meta| meta.ino());
        if inode == self.inode && (self.watcher.is_some() || inode.is_none()) {
            return;
        }
        self.inode = inode;
        self.watcher = inode.and_then(|_| self.arm());
    }

    fn arm(&self) -> Option<RecommendedWatcher> {
        let hint = Arc::clone(&self.hint);
        let told = move |event: notify::Result<notify::Event>| match event {
            // Reading the files is an event too; taking it for a change would reload for ever.
            Ok(event) if matches!(event.kind, EventKind::Access(_)) => {}
            Ok(_) | Err(_) => hint.notify_one(),
        };
        let armed = notify::recommended_watcher(told).and_then(|mut watcher| {
            watcher.watch(&self.root, RecursiveMode::Recursive)?;
            Ok(watcher)
        });
        armed.map_err(|error| tracing::debug!(%error, "the rules directory cannot be watched, it is polled")).ok()
    }
}
