//! What the store has to say in the log: kept in memory until the log takes it.

use std::time::Duration;

use super::writer::Target;
use crate::clock::Timestamp;
use crate::model::{Notice, NoticeKind};

/// Notices kept while the log cannot be written; equal ones are counted together.
const MAX_NOTICES: usize = 64;

/// How often an outage that goes on is told again.
const TELL_EVERY: Duration = Duration::from_mins(1);

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
    /// When it was told last, and how many entries it had refused then.
    told: Timestamp,
    counted: u64,
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

    /// A journal refused entries: said at the beginning and once a minute while it lasts, counted until it works again.
    pub(super) fn refused(&mut self, target: Target, count: u64, now: Timestamp, why: &str) {
        let Some(outage) = self.outages.iter_mut().find(|outage| outage.target == target) else {
            self.outages.push(Outage { target, since: now, refused: count, told: now, counted: count });
            self.say(now, format!("the {target} journal cannot be written: {why}"));
            return;
        };
        outage.refused += count;
        // A clock that was set back must not silence it for hours.
        outage.told = outage.told.min(now);
        if now.since(outage.told) < TELL_EVERY {
            return;
        }
        let since_told = outage.refused - outage.counted;
        (outage.told, outage.counted) = (now, outage.refused);
        let text = format!("the {target} journal still cannot be written, since {}: {why}", outage.since);
        self.keep(Notice { count: since_told.max(1), ..Notice::new(now, NoticeKind::Store, text) });
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

#[cfg(test)]
mod tests {
    use super::*;

    fn told(notices: &mut Notices) -> Vec<(String, u64)> {
        let short = |text: String| text.split(['2', ':']).next().unwrap_or_default().to_owned();
        notices.take().into_iter().map(|notice| (short(notice.text), notice.count)).collect()
    }

    #[test]
    fn an_outage_is_told_once_a_minute_while_it_lasts_and_at_its_end() {
        let (mut notices, begin) = (Notices::default(), Timestamp::from_millis(1_793_722_020_000));
        for second in 0..=130 {
            notices.refused(Target::Events, 2, begin.plus(Duration::from_secs(second)), "full");
        }
        let still = "the events journal still cannot be written, since ".to_owned();
        let first = ("the events journal cannot be written".to_owned(), 1);
        assert_eq!(told(&mut notices), [first, (still.clone(), 240)], "equal ones are counted together");
        notices.refused(Target::Events, 2, begin.minus(Duration::from_hours(1)), "full");
        notices.refused(Target::Events, 2, begin, "full");
        assert_eq!(told(&mut notices), [(still, 24)], "a clock that was set back silences nothing");
        notices.took(Target::Events, begin);
        assert_eq!(told(&mut notices), [("the events journal works again; since ".to_owned(), 266)]);
    }
}
