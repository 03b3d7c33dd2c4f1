//! Writes turned into rows: what they change, read through as if the database had it.

use std::collections::BTreeMap;
use std::ops::Bound;

use serde::Serialize;

use super::StoreError;
use super::disk::Disk;
use super::keys::{self, row};
use super::overlay::Overlay;
use super::rows::{self, Meta};
use crate::model::{Health, Write};

/// Rows read at once.
const PAGE: usize = 256;

/// How much may be remembered of resources and their natural keys; the least recently changed leave first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Resources and natural keys.
    pub(super) count: u64,
    /// Bytes of their keys and values.
    pub(super) bytes: u64,
}

/// Changes being made.
pub(super) struct Changes<'a> {
    disk: &'a Disk,
    rows: &'a mut Overlay,
    bounds: Bounds,
    /// Health that changed.
    pub(super) health: Vec<(u64, Option<Health>)>,
    /// Marks and totals as they will be.
    pub(super) meta: Meta,
}

impl<'a> Changes<'a> {
    /// Changes over what `rows` holds already; they go there too.
    pub(super) const fn new(disk: &'a Disk, rows: &'a mut Overlay, meta: Meta, bounds: Bounds) -> Self {
        Self { disk, rows, bounds, health: Vec::new(), meta }
    }

    /// Takes one write in.
    pub(super) fn write(&mut self, write: &Write) -> Result<(), StoreError> {
        match write {
            Write::Known { resource, identity, known } => {
                let age = self.meta.age + 1;
                let value = known.as_ref().map(|known| rows::encode_known(age, known)).transpose()?;
                self.remember(keys::known(resource, identity), value)
            }
            Write::Alias { resource, name, value, id } => {
                let age = self.meta.age + 1;
                let row = id.as_ref().map(|id| rows::encode(age, id)).transpose()?;
                self.remember(keys::alias(resource, name, value), row)
            }
            Write::Session { session, memory } => {
                let age = self.meta.age + 1;
                let value = memory.as_ref().map(|memory| rows::encode(age, memory)).transpose()?;
                self.remember(keys::session(session), value)
            }
            Write::SessionKey { key, session } => {
                let age = self.meta.age + 1;
                let value = session.as_ref().map(|session| rows::encode(age, session)).transpose()?;
                self.remember(keys::session_key(key), value)
            }
            Write::Once { rule, key, until } => {
                let age = self.meta.age + 1;
                let value = until.as_ref().map(|until| rows::encode(age, until)).transpose()?;
                self.remember(keys::once(rule, key), value)
            }
            Write::WebhookName(row) => {
                self.meta.next_webhook = self.meta.next_webhook.max(row.id.0 + 1);
                self.put(keys::name(&row.name), Some(row))
            }
            Write::WebhookGone { name, id } => self.forget(name, id.0),
            Write::Cursor { webhook, next } => self.put(keys::number(row::CURSOR, webhook.0), Some(next)),
            Write::Finished { webhook, event, done } => {
                self.put(keys::pair(row::FINISHED, webhook.0, event.0), done.then_some(&true))
            }
            Write::Waiting { webhook, event, waiting } => {
                self.put(keys::pair(row::WAITING, webhook.0, event.0), waiting.as_ref())
            }
            Write::Deferred { webhook, event, group } => {
                self.put(keys::pair(row::DEFERRED, webhook.0, event.0), group.as_ref())
            }
            Write::Health { webhook, health } => {
                self.health.push((webhook.0, health.clone()));
                self.put(keys::number(row::HEALTH, webhook.0), health.as_ref())
            }
            Write::Run { id, run } => {
                self.meta.next_run = self.meta.next_run.max(id.saturating_add(1));
                self.put(keys::number(row::RUN, u64::from(*id)), run.as_ref())
            }
            Write::Pending { uid, pending } => self.put(keys::pending(*uid), pending.as_ref()),
        }
    }

    /// Lets the least recently changed remembered things leave until the bounds are kept; gives how many.
    pub(super) fn evict(&mut self) -> Result<u64, StoreError> {
        let mut evicted = 0;
        while self.meta.remembered > self.bounds.count || self.meta.remembered_bytes > self.bounds.bytes {
            let page = self.range(&[row::AGE], PAGE)?;
            if page.is_empty() {
                break;
            }
            for (age, key) in page {
                if self.meta.remembered <= self.bounds.count && self.meta.remembered_bytes <= self.bounds.bytes {
                    break;
                }
                self.rows.set(age, None, true);
                self.remember(key, None)?;
                evicted += 1;
            }
        }
        Ok(evicted)
    }

    /// Takes a row out, remembered or not.
    pub(super) fn drop_row(&mut self, key: Vec<u8>) -> Result<(), StoreError> {
        const NOTHING: Option<&()> = None;
        match key.first() {
            Some(&(row::KNOWN | row::ALIAS | row::SESSION | row::SESSION_KEY | row::ONCE)) => self.remember(key, None),
            _ => self.put(key, NOTHING),
        }
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.rows.get(key) {
            Some(row) => Ok(row.now.clone()),
            None => self.disk.get(key),
        }
    }

    /// Puts or deletes a row of the small sets.
    fn put(&mut self, key: Vec<u8>, value: Option<&impl Serialize>) -> Result<(), StoreError> {
        let was = self.get(&key)?.is_some();
        let value = value.map(|value| rows::encode(0, value)).transpose()?;
        self.meta.rows = self.meta.rows.saturating_add(u64::from(value.is_some())).saturating_sub(u64::from(was));
        if was || value.is_some() {
            self.rows.set(key, value, was);
        }
        Ok(())
    }

    /// Puts or deletes a remembered row with its age.
    fn remember(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) -> Result<(), StoreError> {
        let size = |value: &[u8]| (key.len() + value.len()) as u64;
        let was = self.get(&key)?;
        if let Some(was) = &was {
            self.meta.remembered = self.meta.remembered.saturating_sub(1);
            self.meta.remembered_bytes = self.meta.remembered_bytes.saturating_sub(size(was));
            if let Some(age) = rows::age(was) {
                self.rows.set(keys::number(row::AGE, age), None, true);
            }
        }
        if let Some(value) = &value {
            self.meta.age += 1;
            self.meta.remembered += 1;
            self.meta.remembered_bytes += size(value);
            self.rows.set(keys::number(row::AGE, self.meta.age), Some(key.clone()), false);
        }
        if was.is_some() || value.is_some() {
            self.rows.set(key, value, was.is_some());
        }
        Ok(())
    }

    /// Forgets all of a webhook.
    fn forget(&mut self, name: &str, id: u64) -> Result<(), StoreError> {
        const NOTHING: Option<&()> = None;
        self.put(keys::name(name), NOTHING)?;
        self.put(keys::number(row::CURSOR, id), NOTHING)?;
        self.put(keys::number(row::HEALTH, id), NOTHING)?;
        self.health.push((id, None));
        for kind in [row::FINISHED, row::WAITING, row::DEFERRED] {
            loop {
                let page = self.range(&keys::number(kind, id), PAGE)?;
                if page.is_empty() {
                    break;
                }
                for (key, _) in page {
                    self.put(key, NOTHING)?;
                }
            }
        }
        Ok(())
    }

    /// The first rows that begin with `prefix`, as they will be.
    fn range(&self, prefix: &[u8], limit: usize) -> Result<Vec<super::disk::Pair>, StoreError> {
        let end = keys::after_prefix(prefix);
        let to = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut merged: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        let mut from = prefix.to_vec();
        // Rows on disk that are changed here are stepped over, page by page.
        while merged.len() < limit {
            let page = self.disk.range(&from, to, limit)?;
            let Some((last, _)) = page.last() else { break };
            from.clone_from(last);
            from.push(0);
            merged.extend(page.into_iter().filter(|(key, _)| self.rows.get(key).is_none()));
        }
        let ours = self.rows.range(prefix, to);
        merged.extend(ours.filter_map(|(key, value)| Some((key.to_vec(), value?.to_vec()))).take(limit));
        Ok(merged.into_iter().take(limit).collect())
    }
}
