//! Rows of the state that were changed and not yet given to its database. Nothing is lost with them: the journals carry every
//! change. What is put and deleted again before it is given on never costs the database anything.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::disk::Batch;

/// What one entry weighs beside its bytes, about.
const ENTRY_BYTES: usize = 64;

/// Changed rows by key.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    rows: BTreeMap<Vec<u8>, Row>,
    bytes: usize,
    /// Rows or marks changed since [`Overlay::clear`].
    pub(super) touched: bool,
}

/// A changed row.
#[derive(Debug)]
pub(super) struct Row {
    /// As it will be; `None`: deleted.
    pub(super) now: Option<Vec<u8>>,
    /// Whether the database has a row under this key.
    on_disk: bool,
}

impl Overlay {
    /// The row under a key, if it was changed.
    pub(super) fn get(&self, key: &[u8]) -> Option<&Row> {
        self.rows.get(key)
    }

    /// Changes a row. `on_disk` says whether the database has one, where nothing is known of the key here.
    pub(super) fn set(&mut self, key: Vec<u8>, now: Option<Vec<u8>>, on_disk: bool) {
        let on_disk = self.rows.get(&key).map_or(on_disk, |row| row.on_disk);
        if now.is_none() && !on_disk {
            self.rows.remove(&key);
            return;
        }
        self.bytes += ENTRY_BYTES + key.len() + now.as_ref().map_or(0, Vec::len);
        self.rows.insert(key, Row { now, on_disk });
    }

    /// Keys from `from` on and before `to`, with what is known of them.
    pub(super) fn range<'a>(
        &'a self,
        from: &[u8],
        to: Bound<&[u8]>,
    ) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> {
        let rows = self.rows.range::<[u8], _>((Bound::Included(from), to));
        rows.map(|(key, row)| (key.as_slice(), row.now.as_deref()))
    }

    /// Bytes of what was changed since [`Overlay::clear`], about; a row changed twice counts twice.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// All changes as one batch.
    pub(super) fn batch(&self) -> Batch {
        let mut batch = Batch::default();
        for (key, row) in &self.rows {
            match &row.now {
                Some(value) => batch.put(key, value.clone()),
                None => batch.delete(key),
            }
        }
        batch
    }

    /// The database has it all.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_and_goes_leaves_nothing_and_what_is_on_disk_is_deleted_there() {
        let mut overlay = Overlay::default();
        let rows = |overlay: &Overlay| -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
            let all = overlay.range(b"", Bound::Unbounded);
            all.map(|(key, now)| (key.to_vec(), now.map(<[u8]>::to_vec))).collect()
        };
        overlay.set(b"new".to_vec(), Some(b"1".to_vec()), false);
        overlay.set(b"old".to_vec(), Some(b"2".to_vec()), true);
        assert_eq!(overlay.get(b"new").unwrap().now.as_deref(), Some(b"1".as_slice()));
        assert!(overlay.get(b"none").is_none());
        overlay.set(b"new".to_vec(), None, true);
        overlay.set(b"old".to_vec(), None, false);
        assert_eq!(rows(&overlay), [(b"old".to_vec(), None)]);
        overlay.set(b"old".to_vec(), Some(b"3".to_vec()), false);
        overlay.set(b"old".to_vec(), None, false);
        assert_eq!(rows(&overlay), [(b"old".to_vec(), None)], "the database still has it");
        assert!(overlay.bytes() > 0);
        overlay.clear();
        assert!(rows(&overlay).is_empty() && overlay.bytes() == 0);
    }
}
