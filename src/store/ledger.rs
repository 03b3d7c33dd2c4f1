//! What a journal knows to be absent, so that each loss is told once and retention is no loss.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::StoreError;
use super::checked::{self, Content};
use super::partition::failing;

/// Name of the file.
const FILE: &str = "ledger.json";

/// Absences of one journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Ledger {
    /// Retention removed all before this sequence.
    pub(super) kept_from: u64,
    /// Runs lost to damage between partitions: first and last of each.
    pub(super) gaps: Vec<(u64, u64)>,
}

impl Ledger {
    /// Reads the file.
    pub(super) fn read(journal: &Path) -> Content<Self> {
        checked::read(&journal.join(FILE))
    }

    /// Writes the file, durably.
    pub(super) fn write(&self, journal: &Path) -> Result<(), StoreError> {
        checked::write(&journal.join(FILE), self).map_err(|error| failing(journal, &error))
    }

    /// Whether all of `first..=last` is known to be absent.
    pub(super) fn explains(&self, first: u64, last: u64) -> bool {
        let mut at = first.max(self.kept_from);
        let mut gaps = self.gaps.clone();
        gaps.sort_unstable();
        for (from, to) in gaps {
            if from <= at && at <= to {
                at = to + 1;
            }
        }
        at > last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absences_are_explained_by_retention_and_known_gaps() {
        let ledger = Ledger { kept_from: 10, gaps: vec![(30, 39), (20, 29)] };
        let rows = [(1, 9, true), (1, 10, false), (20, 39, true), (25, 35, true), (19, 20, false), (30, 40, false)];
        for (first, last, explained) in rows {
            assert_eq!(ledger.explains(first, last), explained, "{first} to {last}");
        }
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Ledger::read(dir.path()), Content::Missing);
        ledger.write(dir.path()).unwrap();
        assert_eq!(Ledger::read(dir.path()), Content::Whole(ledger));
    }
}
