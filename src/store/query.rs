//! The log as people search it.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::StoreError;
use super::journal::Journal;
use super::record::Stored;
use super::shared::Shared;
use crate::id::{Seq, WebhookId};
use crate::model::record::LogEntry;
use crate::model::{Event, Timestamp, Topic, TopicPattern};

/// Lines given where the query names no limit.
const DEFAULT_LIMIT: usize = 50;

/// Lines given at most.
const MAX_LIMIT: usize = 1_000;

/// Records looked at by one search at most, over both journals.
const MAX_SCANNED: u64 = 50_000;

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
    /// Words that stand anywhere in the record.
    pub text: Option<String>,
    /// Only these kinds: `event`, `attempt`, `outcome`, `notice`.
    pub kinds: Vec<String>,
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
    let filter = Filter::new(shared, query)?;
    let limit = if query.limit == 0 { DEFAULT_LIMIT } else { query.limit.min(MAX_LIMIT) };
    let mut sides = [
        Side::new(&shared.events, filter.kind("event")),
        Side::new(&shared.log, ["attempt", "outcome", "notice"].iter().any(|kind| filter.kind(kind))),
    ];
    let (mut lines, mut scanned) = (Vec::new(), 0);
    while lines.len() < limit {
        for side in &mut sides {
            while side.found.is_empty() && !side.ended && scanned < MAX_SCANNED {
                scanned += side.step(&filter)?;
            }
        }
        let newest = sides.iter_mut().filter(|side| !side.found.is_empty());
        let Some(side) = newest.max_by_key(|side| side.found.front().map(LogLine::at)) else { break };
        lines.extend(side.found.pop_front());
    }
    Ok(lines)
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

    /// Looks at one window of records before those seen; gives how many sequences that were.
    fn step(&mut self, filter: &Filter<'_>) -> Result<u64, StoreError> {
        let first = self.journal.first();
        let start = self.before.saturating_sub(WINDOW).max(first);
        let (mut from, mut lines, mut newest) = (start, Vec::new(), None);
        while from < self.before {
            let (records, next) = self.journal.read(from, self.before, usize::MAX)?;
            for stored in &records {
                let Some(line) = line(stored) else { continue };
                newest = newest.max(Some(line.at()));
                if filter.fits(&line, stored) {
                    lines.push(line);
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

/// A record as a line; what cannot be read is left out here, and told as damage elsewhere.
fn line(stored: &Stored) -> Option<LogLine> {
    let seq = Seq(stored.place.seq);
    if let Ok(Some(event)) = stored.event() {
        return Some(LogLine::Event { seq, event: Box::new(event) });
    }
    let entry = stored.log_entry().ok().flatten()?;
    let at = match &entry {
        LogEntry::Attempt(attempt) => attempt.at,
        LogEntry::Outcome(outcome) => outcome.at,
        LogEntry::Notice(notice) => notice.at,
    };
    Some(LogLine::Log { seq, at, entry })
}

struct Filter<'a> {
    query: &'a LogQuery,
    /// The query's topic, if it is one: nothing fits what is none.
    topic: Option<TopicPattern>,
    /// The id that the query's webhook stands for, if there is one.
    webhook: Option<WebhookId>,
    words: Vec<String>,
}

impl<'a> Filter<'a> {
    fn new(shared: &Shared, query: &'a LogQuery) -> Result<Self, StoreError> {
        let mut webhook = None;
        if let Some(text) = &query.webhook {
            let (names, _) = shared.state.names()?;
            let named = names.into_iter().find(|name| name.name == *text).map(|name| name.id);
            webhook = named.or_else(|| text.parse().ok().map(WebhookId));
        }
        let words = query.text.iter().flat_map(|text| text.split_whitespace()).map(str::to_lowercase).collect();
        Ok(Self { query, topic: query.topic.as_ref().and_then(|text| text.parse().ok()), webhook, words })
    }

    fn kind(&self, kind: &str) -> bool {
        self.query.kinds.is_empty() || self.query.kinds.iter().any(|wanted| wanted == kind)
    }

    fn fits(&self, line: &LogLine, stored: &Stored) -> bool {
        let seen = Seen::of(line);
        let in_time = self.query.before.is_none_or(|before| line.at() < before)
            && self.query.since.is_none_or(|since| line.at() >= since);
        in_time
            && self.kind(seen.kind)
            && (self.query.topic.is_none()
                || self.topic.as_ref().zip(seen.topic).is_some_and(|(fits, topic)| fits.matches(topic)))
            && self.query.webhook.as_ref().is_none_or(|name| {
                self.webhook.is_some_and(|id| seen.webhooks.contains(&id))
                    || (!name.is_empty() && seen.webhook_name == name)
            })
            && self.query.id.as_ref().is_none_or(|id| seen.is_about(id))
            && (self.words.is_empty() || stored.text().is_some_and(|text| has_all(&text, &self.words)))
    }
}

fn has_all(text: &str, words: &[String]) -> bool {
    let text = text.to_lowercase();
    words.iter().all(|word| text.contains(word.as_str()))
}

/// What a filter looks at in a line.
struct Seen<'a> {
    kind: &'static str,
    topic: Option<&'a Topic>,
    webhooks: &'a [WebhookId],
    webhook_name: &'a str,
    id: Option<&'a str>,
    about: &'a str,
}

impl<'a> Seen<'a> {
    fn of(line: &'a LogLine) -> Self {
        let none = Self { kind: "notice", topic: None, webhooks: &[], webhook_name: "", id: None, about: "" };
        match line {
            LogLine::Event { event, .. } => Self {
                kind: "event",
                topic: Some(&event.topic),
                webhooks: &event.webhooks,
                id: event.id.as_deref(),
                ..none
            },
            LogLine::Log { entry: LogEntry::Attempt(attempt), .. } => Self {
                kind: "attempt",
                topic: attempt.topic.as_ref(),
                webhooks: std::slice::from_ref(&attempt.webhook),
                webhook_name: &attempt.webhook_name,
                about: &attempt.about,
                ..none
            },
            LogLine::Log { entry: LogEntry::Outcome(outcome), .. } => Self {
                kind: "outcome",
                topic: Some(&outcome.topic),
                webhooks: std::slice::from_ref(&outcome.webhook),
                webhook_name: &outcome.webhook_name,
                about: &outcome.about,
                ..none
            },
            LogLine::Log { entry: LogEntry::Notice(notice), .. } => {
                Self { webhooks: notice.webhook.as_slice(), ..none }
            }
        }
    }

    /// Whether it is about the resource with this id. `about` is the resource and its id: `order 7`.
    fn is_about(&self, id: &str) -> bool {
        self.id == Some(id)
            || self.about == id
            || self.about.strip_suffix(id).is_some_and(|rest| rest.ends_with([' ', '/', '#', ':']))
    }
}
