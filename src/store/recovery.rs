//! Bringing the state to where the journals are: applying again what lies behind the mark, or building it anew.

use std::fs;
use std::path::Path;

use super::StoreError;
use super::changes::Bounds;
use super::checkpoint;
use super::compact;
use super::journal::{Journal, aside_name};
use super::partition::failing;
use super::record::Stored;
use super::state::State;
use crate::clock::Clock;
use crate::model::Write;
use crate::model::record::Checkpoint;

/// Records read at once.
const PAGE: usize = 256;

/// Writes applied in one batch.
const BATCH: usize = 1_024;

/// What is told where the state was lost.
pub(super) const BUILT_ANEW: &str = "the state was lost and is built anew from the journals: deliveries are whole, what is \
    remembered of products, orders, customers and coupons only as far as the kept journals carry it";

/// Opens the state; a damaged one is set aside for an empty one. Says whether it was set aside.
pub(super) fn open_state(
    data: &Path,
    bounds: Bounds,
    clock: Clock,
    notes: &mut Vec<String>,
) -> Result<(State, bool), StoreError> {
    let dir = data.join("state");
    match compact::compact_state(data).and_then(|_| State::open(&dir, bounds)) {
        Ok(state) => Ok((state, false)),
        Err(error @ StoreError::Corrupt { .. }) => {
            Ok((replace_state(data, bounds, clock, &error.to_string(), notes)?, true))
        }
        Err(other) => Err(other),
    }
}

/// Sets the state aside, which nobody may have open, and begins an empty one.
pub(super) fn replace_state(
    data: &Path,
    bounds: Bounds,
    clock: Clock,
    why: &str,
    notes: &mut Vec<String>,
) -> Result<State, StoreError> {
    let dir = data.join("state");
    let aside = aside_name(&dir, clock.now());
    fs::rename(&dir, &aside).map_err(|error| failing(&dir, &error))?;
    notes.push(format!("{why}; {BUILT_ANEW} (the former files are in {})", aside.display()));
    State::open(&dir, bounds)
}

/// The last record of the events journal that was on disk before the newest of the log, as that says; 0 where none does.
pub(super) fn events_behind(log: &Journal) -> u64 {
    let next = log.next();
    let newest =
        log.read(next.saturating_sub(1).max(1), next, 1).ok().and_then(|(records, _)| records.into_iter().next_back());
    newest.map_or(0, |stored| stored.place.after)
}

/// Both journals and the state they lead to.
pub(super) struct Replay<'a> {
    pub(super) events: &'a Journal,
    pub(super) log: &'a Journal,
    pub(super) state: &'a State,
    pub(super) notes: &'a mut Vec<String>,
}

/// Where a replay stands, or ends: next sequences of the events and the log journal.
#[derive(Clone, Copy, Debug)]
struct Position {
    events: u64,
    log: u64,
}

impl Replay<'_> {
    /// Applies again what lies behind the mark; after a clean stop that is nothing.
    pub(super) fn catch_up(&mut self) -> Result<(), StoreError> {
        let meta = self.state.meta();
        let from = Position { events: meta.events + 1, log: meta.log + 1 };
        self.run(from, self.head(), Keep::All)
    }

    /// Builds the delivery side from the newest checkpoint forward, and what is remembered from all that is kept.
    pub(super) fn rebuild(&mut self) -> Result<(), StoreError> {
        let start = Position { events: self.events.first(), log: self.log.first() };
        let Some((seq, found)) = self.newest_checkpoint()? else { return self.run(start, self.head(), Keep::All) };
        let at = Position { events: seq, log: found.log_next.0 };
        self.run(start, at, Keep::Remembered)?;
        for writes in checkpoint::writes(&found).chunks(BATCH) {
            self.state.apply(writes, 0, 0)?;
        }
        self.state.raise_next(found.next_webhook, found.next_run)?;
        self.run(Position { events: seq + 1, ..at }, self.head(), Keep::All)
    }

    /// The log's next sequence at the newest checkpoint; the log's first where there is none.
    pub(super) fn last_checkpoint_log(&self) -> Result<u64, StoreError> {
        Ok(self.newest_checkpoint()?.map_or(self.log.first(), |(_, found)| found.log_next.0))
    }

    fn head(&self) -> Position {
        Position { events: self.events.next(), log: self.log.next() }
    }

    fn newest_checkpoint(&self) -> Result<Option<(u64, Checkpoint)>, StoreError> {
        for first in self.events.firsts().into_iter().rev() {
            let (records, _) = self.events.read(first, first + 1, 1)?;
            let found = records.first().and_then(|stored| stored.checkpoint().ok().flatten());
            if let Some(found) = found {
                return Ok(Some((first, found)));
            }
        }
        Ok(None)
    }

    /// Applies the writes of both journals from `from` on and before `to` in the order in which they were applied first:
    /// a record of the log follows the record of the events journal that its head names.
    fn run(&mut self, mut from: Position, to: Position, keep: Keep) -> Result<(), StoreError> {
        while from.log < to.log {
            let (records, next) = self.log.read(from.log, to.log, PAGE)?;
            let mut writes = Vec::new();
            for stored in &records {
                let after = (stored.place.after + 1).min(to.events);
                if after > from.events {
                    self.apply(&mut writes, keep, from.events.saturating_sub(1), stored.place.seq - 1)?;
                    from.events = self.run_events(from.events, after, keep)?;
                }
                self.take(stored, keep, &mut writes);
            }
            from.log = next;
            self.apply(&mut writes, keep, from.events.saturating_sub(1), from.log.saturating_sub(1))?;
        }
        from.events = self.run_events(from.events, to.events, keep)?;
        self.apply(&mut Vec::new(), keep, from.events.saturating_sub(1), from.log.saturating_sub(1))
    }

    fn run_events(&mut self, mut from: u64, to: u64, keep: Keep) -> Result<u64, StoreError> {
        while from < to {
            let (records, next) = self.events.read(from, to, PAGE)?;
            let mut writes = Vec::new();
            for stored in &records {
                self.take(stored, keep, &mut writes);
            }
            from = next;
            self.apply(&mut writes, keep, from.saturating_sub(1), 0)?;
        }
        Ok(from)
    }

    fn take(&mut self, stored: &Stored, keep: Keep, writes: &mut Vec<Write>) {
        match stored.writes() {
            Ok(found) => writes.extend(found.into_iter().filter(|write| keep.fits(write))),
            Err(error) => self.notes.push(format!("{error}: its changes of state are lost")),
        }
    }

    fn apply(&mut self, writes: &mut Vec<Write>, keep: Keep, events: u64, log: u64) -> Result<(), StoreError> {
        let (events, log) = if matches!(keep, Keep::All) { (events, log) } else { (0, 0) };
        self.state.apply(writes.iter(), events, log)?;
        writes.clear();
        Ok(())
    }
}

/// Which writes a replay applies.
#[derive(Clone, Copy, Debug)]
enum Keep {
    All,
    /// What is remembered of resources and visitors: no checkpoint holds it.
    Remembered,
}

impl Keep {
    const fn fits(self, write: &Write) -> bool {
        match self {
            Self::All => true,
            Self::Remembered => matches!(
                write,
                Write::Known { .. }
                    | Write::Alias { .. }
                    | Write::Session { .. }
                    | Write::SessionKey { .. }
                    | Write::Once { .. }
            ),
        }
    }
}
