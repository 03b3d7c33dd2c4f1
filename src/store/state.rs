//! The state: rows by key in one database, changed by absolute writes together with the mark "applied up to".
//!
//! Nothing here is ever the only copy: the journals carry every write, and what lies behind the mark is applied again. So
//! changes are gathered in memory, where every read sees them, and given to the database many at once: a row that changes
//! with every delivery, or comes and goes, costs it little.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};

use super::changes::{Bounds, Changes};
use super::disk::{Disk, directory_bytes};
use super::journal::lock;
use super::keys::{self, row};
use super::overlay::Overlay;
use super::rows::{self, Meta};
use super::{StoreError, WebhookState};
use crate::id::{Seq, WebhookId};
use crate::model::{Health, Identity, Known, Run, WebhookName, Write};

/// Cache of the state's database, in bytes.
const CACHE: u64 = 32 << 20;

/// Changes are given to the database when there are so many bytes of them (and once a second): what a start
/// after a crash applies again, and what one batch costs, stay small.
const GATHERED_BYTES: usize = 128 << 10;

/// Rows read at once.
const PAGE: usize = 512;

/// Remembered rows counted at start; where there are more, losing some is noticed only when they are read.
const COUNTED_ROWS: u64 = 100_000;

/// What becomes of a row.
#[derive(Debug)]
pub(super) enum Fate {
    Stays,
    Gone,
    Becomes(Box<Write>),
}

impl Fate {
    pub(super) const fn gone_if(gone: bool) -> Self {
        if gone { Self::Gone } else { Self::Stays }
    }

    pub(super) fn becomes_if(changed: bool, write: Write) -> Self {
        if changed { Self::Becomes(Box::new(write)) } else { Self::Stays }
    }
}

/// The state.
#[derive(Debug)]
pub(super) struct State {
    dir: PathBuf,
    bounds: Bounds,
    /// `None` while it is opened again after an error.
    disk: RwLock<Option<Disk>>,
    /// The database failed since it was opened: a full disk may have met sled's own writing, which nobody waits for.
    failing: AtomicBool,
    /// Whoever changes anything holds this.
    meta: Mutex<Meta>,
    overlay: RwLock<Overlay>,
    health: RwLock<HashMap<u64, Health>>,
}

impl State {
    /// Opens (or makes) the database and checks that its rows are as many as it says.
    pub(super) fn open(dir: &Path, bounds: Bounds) -> Result<Self, StoreError> {
        let state = Self {
            dir: dir.to_owned(),
            bounds,
            disk: RwLock::default(),
            failing: AtomicBool::default(),
            meta: Mutex::default(),
            overlay: RwLock::default(),
            health: RwLock::default(),
        };
        state.reopen()?;
        state.check()?;
        Ok(state)
    }

    /// Opens the database again after an error.
    pub(super) fn reopen(&self) -> Result<(), StoreError> {
        *self.disk.write().unwrap_or_else(PoisonError::into_inner) = None;
        let disk = Disk::open(&self.dir, CACHE)?;
        self.failing.store(false, Ordering::Relaxed);
        let meta = match disk.get(&[row::META])? {
            Some(row) => rows::decode(&row)?,
            None => Meta::default(),
        };
        let mut known = lock(&self.meta);
        self.overlay.write().unwrap_or_else(PoisonError::into_inner).clear();
        *known = meta;
        drop(known);
        *self.disk.write().unwrap_or_else(PoisonError::into_inner) = Some(disk);
        let mut health = HashMap::new();
        for (key, value) in self.rows(&[row::HEALTH])? {
            health.insert(keys::last_number(&key).unwrap_or_default(), rows::decode(&value)?);
        }
        *self.health.write().unwrap_or_else(PoisonError::into_inner) = health;
        Ok(())
    }

    fn check(&self) -> Result<(), StoreError> {
        let meta = self.meta();
        let mut rows = 0;
        for kind in
            [row::NAME, row::CURSOR, row::FINISHED, row::WAITING, row::DEFERRED, row::HEALTH, row::PENDING, row::RUN]
        {
            rows += self.count(kind, u64::MAX)?;
        }
        let limit = COUNTED_ROWS + 1;
        let mut remembered = 0_u64;
        for kind in [row::KNOWN, row::ALIAS, row::SESSION, row::SESSION_KEY, row::ONCE] {
            remembered = remembered.saturating_add(self.count(kind, limit)?);
        }
        let counted = meta.remembered <= COUNTED_ROWS;
        if rows != meta.rows || (counted && remembered != meta.remembered) {
            let text = format!(
                "{rows} rows of {} and {remembered} remembered things of {} were found",
                meta.rows, meta.remembered
            );
            return Err(StoreError::Corrupt { place: self.dir.display().to_string(), text });
        }
        Ok(())
    }

    /// Marks and totals.
    pub(super) fn meta(&self) -> Meta {
        lock(&self.meta).clone()
    }

    /// Whether nothing was ever written to it: not even the marks that opening writes.
    pub(super) fn is_blank(&self) -> Result<bool, StoreError> {
        Ok(self.disk()?.get(&[row::META])?.is_none())
    }

    /// Applies writes in order, with the marks they move to; reads see them at once. Gives how many remembered things had to
    /// leave. After an error the state must be opened again.
    pub(super) fn apply<'a>(
        &self,
        writes: impl IntoIterator<Item = &'a Write>,
        events: u64,
        log: u64,
    ) -> Result<u64, StoreError> {
        let disk = self.disk()?;
        let mut meta = lock(&self.meta);
        let mut overlay = self.overlay.write().unwrap_or_else(PoisonError::into_inner);
        let mut changes = Changes::new(&disk, &mut overlay, meta.clone(), self.bounds);
        for write in writes {
            changes.write(write)?;
        }
        let evicted = changes.evict()?;
        changes.meta.events = changes.meta.events.max(events);
        changes.meta.log = changes.meta.log.max(log);
        let Changes { meta: changed, health: moved, .. } = changes;
        *meta = changed;
        overlay.touched = true;
        let is_full = overlay.bytes() >= GATHERED_BYTES;
        drop(overlay);
        if !moved.is_empty() {
            let mut health = self.health.write().unwrap_or_else(PoisonError::into_inner);
            for (webhook, now) in moved {
                match now {
                    Some(now) => health.insert(webhook, now),
                    None => health.remove(&webhook),
                };
            }
        }
        if is_full {
            self.write_out(&disk, &meta)?;
        }
        Ok(evicted)
    }

    /// Whether the database failed, to a reader too: then it must be opened again.
    pub(super) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    fn noting<T>(&self, asked: Result<T, StoreError>) -> Result<T, StoreError> {
        if matches!(asked, Err(StoreError::Unavailable(_))) {
            self.failing.store(true, Ordering::Relaxed);
        }
        asked
    }

    /// Whether there are changes that the database does not have.
    pub(super) fn is_gathering(&self) -> bool {
        self.overlay.read().unwrap_or_else(PoisonError::into_inner).touched
    }

    /// Gives what was gathered to the database.
    pub(super) fn settle(&self) -> Result<(), StoreError> {
        let disk = self.disk()?;
        let meta = lock(&self.meta);
        self.write_out(&disk, &meta)
    }

    /// The same for who holds `meta`, so that nothing is gathered meanwhile.
    fn write_out(&self, disk: &Disk, meta: &Meta) -> Result<(), StoreError> {
        let overlay = self.overlay.read().unwrap_or_else(PoisonError::into_inner);
        if !overlay.touched {
            return Ok(());
        }
        let mut batch = overlay.batch();
        drop(overlay);
        batch.put(&[row::META], rows::encode(0, meta)?);
        // Until it has them, reads find the rows where they are.
        self.noting(disk.apply(batch))?;
        self.overlay.write().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(())
    }

    /// Shows all rows of a kind to `look`, page by page, and does with each what it says, unless that is only to be
    /// counted. Gives how many did not stay.
    pub(super) fn sift(
        &self,
        kind: u8,
        only_count: bool,
        look: impl Fn(&[u8], &[u8]) -> Result<Fate, StoreError>,
    ) -> Result<u64, StoreError> {
        let (mut sifted, mut from) = (0, vec![kind]);
        let end = keys::after_prefix(&[kind]);
        loop {
            let disk = self.disk()?;
            // Nobody changes the page while it is looked at.
            let mut meta = lock(&self.meta);
            self.write_out(&disk, &meta)?;
            let to = end.as_deref().map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
            let page = disk.range(&from, to, PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(sifted) };
            from.clone_from(last);
            from.push(0);
            let mut rows = Overlay::default();
            let mut changes = Changes::new(&disk, &mut rows, meta.clone(), self.bounds);
            for (key, value) in page {
                match look(&key, &value)? {
                    Fate::Stays => continue,
                    Fate::Gone => changes.drop_row(key)?,
                    Fate::Becomes(write) => changes.write(&write)?,
                }
                sifted += 1;
            }
            if !only_count {
                let changed = changes.meta;
                rows.touched = true;
                *self.overlay.write().unwrap_or_else(PoisonError::into_inner) = rows;
                *meta = changed;
                self.write_out(&disk, &meta)?;
            }
        }
    }

    /// Ids of webhooks below `webhook` and numbers of runs below `run` are never given away again.
    pub(super) fn raise_next(&self, webhook: u64, run: u32) -> Result<(), StoreError> {
        let disk = self.disk()?;
        let mut meta = lock(&self.meta);
        meta.next_webhook = meta.next_webhook.max(webhook);
        meta.next_run = meta.next_run.max(run);
        self.overlay.write().unwrap_or_else(PoisonError::into_inner).touched = true;
        self.write_out(&disk, &meta)
    }

    /// Brings what was applied onto the disk.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.settle()?;
        self.disk()?.sync()
    }

    /// Bytes on disk.
    pub(super) fn bytes(&self) -> u64 {
        directory_bytes(&self.dir)
    }

    /// Health from memory.
    pub(super) fn health(&self, webhook: WebhookId) -> Health {
        let health = self.health.read().unwrap_or_else(PoisonError::into_inner);
        health.get(&webhook.0).cloned().unwrap_or_default()
    }

    /// What is remembered of a resource.
    pub(super) fn known(&self, resource: &str, identity: &Identity) -> Result<Option<Known>, StoreError> {
        self.get(&keys::known(resource, identity))
    }

    /// The id a natural key stands for.
    pub(super) fn alias(&self, resource: &str, name: &str, value: &str) -> Result<Option<String>, StoreError> {
        self.get(&keys::alias(resource, name, value))
    }

    /// One webhook's delivery state.
    pub(super) fn webhook(&self, webhook: WebhookId) -> Result<WebhookState, StoreError> {
        let id = webhook.0;
        let event = |key: &[u8]| Seq(keys::last_number(key).unwrap_or_default());
        let mut state = WebhookState {
            cursor: self.get(&keys::number(row::CURSOR, id))?.unwrap_or_default(),
            health: self.health(webhook),
            ..WebhookState::default()
        };
        for (key, _) in self.rows(&keys::number(row::FINISHED, id))? {
            state.finished.push(event(&key));
        }
        for (key, value) in self.rows(&keys::number(row::WAITING, id))? {
            state.waiting.push((event(&key), rows::decode(&value)?));
        }
        for (key, value) in self.rows(&keys::number(row::DEFERRED, id))? {
            state.deferred.push((event(&key), rows::decode(&value)?));
        }
        Ok(state)
    }

    /// The table of names, and the next id.
    pub(super) fn names(&self) -> Result<(Vec<WebhookName>, u64), StoreError> {
        let mut names = Vec::new();
        for (_, value) in self.rows(&[row::NAME])? {
            names.push(rows::decode(&value)?);
        }
        Ok((names, self.meta().next_webhook.max(1)))
    }

    /// The runs, oldest first, and the next number.
    pub(super) fn runs(&self) -> Result<(Vec<Run>, u32), StoreError> {
        let mut runs = Vec::new();
        for (_, value) in self.rows(&[row::RUN])? {
            runs.push(rows::decode(&value)?);
        }
        Ok((runs, self.meta().next_run.max(1)))
    }

    /// Rows whose key begins with `prefix`. For the small sets only, never for what is remembered of resources.
    pub(super) fn rows(&self, prefix: &[u8]) -> Result<Vec<super::disk::Pair>, StoreError> {
        let mut all = Vec::new();
        self.pages(prefix, PAGE, |page| {
            all.extend(page);
            true
        })?;
        Ok(all)
    }

    pub(super) fn get<T: serde::de::DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        let overlay = self.overlay.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(row) = overlay.get(key) {
            return row.now.as_deref().map(rows::decode).transpose();
        }
        // Still held: what leaves the overlay is in the database before.
        self.noting(self.disk()?.get(key))?.map(|row| rows::decode(&row)).transpose()
    }

    /// How many rows there are of a kind; stops at `limit`.
    fn count(&self, kind: u8, limit: u64) -> Result<u64, StoreError> {
        let mut count = 0;
        self.pages(&[kind], PAGE, |page| {
            count += page.len() as u64;
            count < limit
        })?;
        Ok(count)
    }

    fn pages(
        &self,
        prefix: &[u8],
        size: usize,
        mut each: impl FnMut(Vec<super::disk::Pair>) -> bool,
    ) -> Result<(), StoreError> {
        self.settle()?;
        let disk = self.disk()?;
        let end = keys::after_prefix(prefix);
        let to = end.as_deref().map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let mut from = prefix.to_vec();
        loop {
            let page = self.noting(disk.range(&from, to, size))?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            from.clone_from(last);
            from.push(0);
            if !each(page) {
                return Ok(());
            }
        }
    }

    fn disk(&self) -> Result<Disk, StoreError> {
        let disk = self.disk.read().unwrap_or_else(PoisonError::into_inner).clone();
        disk.ok_or_else(|| StoreError::Unavailable("the state is being opened again".to_owned()))
    }
}
