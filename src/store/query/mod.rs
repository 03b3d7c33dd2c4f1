//! The log as people search it.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

mod filter;

use super::StoreError;
use super::journal::Journal;
use super::record::Stored;
use super::shared::Shared;
use crate::id::Seq;
use crate::model::record::LogEntry;
use crate::model::{Event, Timestamp};
use filter::Filter;

/// Lines given where the query names no limit.
const DEFAULT_LIMIT: usize = 50;

/// Lines given at most.
const MAX_LIMIT: usize = 1_000;

/// Records looked at by one search at most, over both journals.
const MAX_SCANNED: u64 = 50_000;

/// Records of one journal looked at by one reading forward, at most.
const FOLLOWED: usize = 2_000;

/// Sequences read at once, backwards.
const WINDOW: u64 = 64;

/// Records stand in the order in which they were written; their times may lie this much before that (a match that
/// waited), in milliseconds.
const DISORDER_MS: i64 = 3_600_000;

/// What to find. All given must fit.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LogQuery {
    /// At most so many lines; 0 stands for 50.
    pub limit: usize,
    /// Only older than this moment.
    pub before: Option<Timestamp>,
    /// Only this moment or newer.
    pub since: Option<Timestamp>,
    /// NAME or id of a webhook.
    pub webhook: Option<String>,
    /// Topic or pattern with `*`.
    pub topic: Option<String>,
    /// Id of the resource.
    pub id: Option<String>,
    /// Word of the resource: `order`.
    pub resource: Option<String>,
    /// Id of a delivery.
    pub delivery: Option<String>,
    /// Only attempts and outcomes that went well, or only those that did not.
    pub ended_well: Option<bool>,
    /// Only attempts with such a status of the answer.
    pub status: Option<StatusCodes>,
    /// Words that stand anywhere in the record.
    pub text: Option<String>,
    /// Only these kinds: `event`, `attempt`, `outcome`, `notice`.
    pub kinds: Vec<String>,
}

/// A status code, or all that begin with its first digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusCodes {
    first: u16,
    last: u16,
}

impl StatusCodes {
    fn holds(self, status: u16) -> bool {
        (self.first..=self.last).contains(&status)
    }
}

impl std::str::FromStr for StatusCodes {
    type Err = String;
    /// Reads `404` or `5xx`.
    fn from_str(text: &str) -> Result<Self, String> {
        let code = |text: &str| text.parse().ok().filter(|code: &u16| (100..=599).contains(code));
        let found = match text.strip_suffix("xx") {
            Some(digit) => code(&format!("{digit}00")).map(|first| Self { first, last: first + 99 }),
            None => code(text).map(|first| Self { first, last: first }),
        };
        found.ok_or_else(|| format!("`{text}` is no status code: write 404 or 5xx"))
    }
}

/// A place in both journals: the next sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPosition {
    /// Of the events journal.
    pub events: Seq,
    /// Of the log.
    pub log: Seq,
}

/// One page of a search.
#[derive(Clone, Debug)]
pub struct LogPage {
    /// Lines that fit, newest first.
    pub lines: Vec<LogLine>,
    /// Where to go on backwards; `None` if there is no more.
    pub next: Option<LogPosition>,
}

/// One line of the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLine {
    /// Something happened.
    Event {
        /// Its sequence.
        seq: Seq,
        /// It.
        event: Box<Event>,
    },
    /// An attempt, an outcome or a notice.
    Log {
        /// Its sequence in the log journal.
        seq: Seq,
        /// When.
        at: Timestamp,
        /// It.
        entry: LogEntry,
    },
}

impl LogLine {
    /// When it happened.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Event { event, .. } => event.at,
            Self::Log { at, .. } => *at,
        }
    }
}

/// Finds lines, newest first.
pub(super) fn search(shared: &Shared, query: &LogQuery) -> Result<Vec<LogLine>, StoreError> {
    let mut lines = page(shared, query, None)?.lines;
    lines.truncate(limit(query));
    Ok(lines)
}

const fn limit(query: &LogQuery) -> usize {
    match query.limit {
        0 => DEFAULT_LIMIT,
        limit if limit > MAX_LIMIT => MAX_LIMIT,
        limit => limit,
    }
}

/// Finds lines before a place, newest first; windows once looked at are given whole.
pub(super) fn page(shared: &Shared, query: &LogQuery, before: Option<LogPosition>) -> Result<LogPage, StoreError> {
    let filter = Filter::new(shared, query)?;
    let [mut events, mut log] = wanted(shared, &filter);
    if let Some(before) = before {
        events.start_before(before.events.0);
        log.start_before(before.log.0);
    }
    let mut sides = [events, log];
    let (mut lines, mut scanned) = (Vec::new(), 0);
    loop {
        let full = lines.len() >= limit(query);
        for side in &mut sides {
            while side.found.is_empty() && !side.ended && scanned < MAX_SCANNED && !full {
                scanned += side.step(&filter)?;
            }
        }
        let newest = sides.iter_mut().filter(|side| !side.found.is_empty());
        let Some(side) = newest.max_by_key(|side| side.found.front().map(LogLine::at)) else { break };
        lines.extend(side.found.pop_front());
    }
    let [events, log] = sides;
    let more = !events.ended || !log.ended;
    let next = more.then_some(LogPosition { events: events.place(), log: log.place() });
    Ok(LogPage { lines, next })
}

/// Finds lines from a place on, oldest first.
pub(super) fn follow(
    shared: &Shared,
    query: &LogQuery,
    from: LogPosition,
) -> Result<(Vec<LogLine>, LogPosition), StoreError> {
    let filter = Filter::new(shared, query)?;
    let mut lines = Vec::new();
    let read = |journal: &Journal, from: Seq, lines: &mut Vec<LogLine>| {
        let (records, next) = journal.read(from.0.max(1), u64::MAX, FOLLOWED)?;
        for stored in &records {
            lines.extend(told(stored).filter(|line| filter.fits(line, stored)));
        }
        Ok::<_, StoreError>(Seq(next))
    };
    let next = LogPosition {
        events: read(&shared.events, from.events, &mut lines)?,
        log: read(&shared.log, from.log, &mut lines)?,
    };
    lines.sort_by_key(LogLine::at);
    Ok((lines, next))
}

fn wanted<'a>(shared: &'a Shared, filter: &Filter<'_>) -> [Side<'a>; 2] {
    [
        Side::new(&shared.events, filter.kind("event")),
        Side::new(&shared.log, ["attempt", "outcome", "notice"].iter().any(|kind| filter.kind(kind))),
    ]
}

/// One journal read backwards.
struct Side<'a> {
    journal: &'a Journal,
    /// All from here on was looked at.
    before: u64,
    ended: bool,
    found: VecDeque<LogLine>,
}

impl<'a> Side<'a> {
    fn new(journal: &'a Journal, wanted: bool) -> Self {
        Self { journal, before: journal.next(), ended: !wanted, found: VecDeque::new() }
    }

    /// Begins there instead of at the newest; at 0 there is nothing before.
    fn start_before(&mut self, before: u64) {
        self.before = self.before.min(before);
        self.ended |= before <= self.journal.first();
    }

    /// Where to go on: 0 at the end.
    const fn place(&self) -> Seq {
        Seq(if self.ended { 0 } else { self.before })
    }

    /// Looks at one window of records before those seen; gives how many sequences that were.
    fn step(&mut self, filter: &Filter<'_>) -> Result<u64, StoreError> {
        let first = self.journal.first();
        let start = self.before.saturating_sub(WINDOW).max(first);
        let (mut from, mut lines, mut newest) = (start, Vec::new(), None);
        while from < self.before {
            let (records, next) = self.journal.read(from, self.before, usize::MAX)?;
            for stored in &records {
                for line in told(stored) {
                    newest = newest.max(Some(line.at()));
                    if filter.fits(&line, stored) {
                        lines.push(line);
                    }
                }
            }
            from = next;
        }
        // Written last is not always newest: sorted as far as one window sees. Equal times keep the order of writing.
        lines.reverse();
        lines.sort_by_key(|line| std::cmp::Reverse(line.at()));
        let seen = self.before.saturating_sub(start).max(1);
        self.before = start;
        let too_old = newest
            .zip(filter.query.since)
            .is_some_and(|(newest, since)| newest.as_millis().saturating_add(DISORDER_MS) < since.as_millis());
        self.ended = start <= first || too_old;
        self.found = lines.into();
        Ok(seen)
    }
}

/// A record as lines; what cannot be read is left out here, and told as damage elsewhere.
fn told(stored: &Stored) -> impl Iterator<Item = LogLine> {
    let seq = Seq(stored.place.seq);
    let event = stored.event().ok().flatten().map(|event| LogLine::Event { seq, event: Box::new(event) });
    let entry = if event.is_some() { None } else { stored.log_entry().ok().flatten() };
    let entries = entry.into_iter().flat_map(LogEntry::told).map(move |entry| {
        let at = match &entry {
            LogEntry::Attempt(attempt) => attempt.at,
            LogEntry::Outcome(outcome) => outcome.at,
            LogEntry::Notice(notice) => notice.at,
        };
        LogLine::Log { seq, at, entry }
    });
    event.into_iter().chain(entries)
}
