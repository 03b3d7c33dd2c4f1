//! What the store has to say in the log: kept in memory until the log takes it.

use super::writer::Target;
use crate::clock::Timestamp;
use crate::model::{Notice, NoticeKind};

/// Notices kept while the log cannot be written; equal ones are counted together.
const MAX_NOTICES: usize = 64;

/// Notices not yet written, and the outages that go on.
#[derive(Debug, Default)]
pub(super) struct Notices {
    kept: Vec<Notice>,
    outages: Vec<Outage>,
}

/// A journal that refuses writes.
#[derive(Debug)]
struct Outage {
    target: Target,
    since: Timestamp,
    refused: u64,
}

impl Notices {
    /// Keeps a sentence.
    pub(super) fn say(&mut self, now: Timestamp, text: String) {
        self.keep(Notice::new(now, NoticeKind::Store, text));
    }

    /// Keeps a notice.
    pub(super) fn keep(&mut self, notice: Notice) {
        tracing::warn!(count = notice.count, "{}", notice.text);
        self.put(notice);
    }

    fn put(&mut self, notice: Notice) {
        let same = |kept: &&mut Notice| kept.text == notice.text && kept.webhook == notice.webhook;
        if let Some(kept) = self.kept.iter_mut().find(same) {
            kept.count = kept.count.saturating_add(notice.count);
        } else if self.kept.len() < MAX_NOTICES {
            self.kept.push(notice);
        }
    }

    /// Takes all that waits, to be written.
    pub(super) fn take(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.kept)
    }

    /// Gives back what could not be written.
    pub(super) fn give_back(&mut self, notices: Vec<Notice>) {
        for notice in notices {
            self.put(notice);
        }
    }

    /// A journal refused entries: said once at the beginning, counted until it works again.
    pub(super) fn refused(&mut self, target: Target, count: u64, now: Timestamp, why: &str) {
        if let Some(outage) = self.outages.iter_mut().find(|outage| outage.target == target) {
            outage.refused += count;
            return;
        }
        self.outages.push(Outage { target, since: now, refused: count });
        self.say(now, format!("the {target} journal cannot be written: {why}"));
    }

    /// A journal took a write: an outage of it is over.
    pub(super) fn took(&mut self, target: Target, now: Timestamp) {
        if let Some(at) = self.outages.iter().position(|outage| outage.target == target) {
            let Outage { since, refused, .. } = self.outages.remove(at);
            let text = format!("the {target} journal works again; since {since} it had refused the counted entries");
            self.keep(Notice { count: refused.max(1), ..Notice::new(now, NoticeKind::Store, text) });
        }
    }
}
