//! Erasing all that tells of one customer or one order.
//!
//! What to erase stands in `data/erase.json` until it is done: a process that ends before takes it up again at its next
//! start. First the events that tell of it are found, then the state forgets, then both journals begin new partitions, so
//! that no partition that is written tells of it, and then every closed partition that does is copied without it: same
//! sequences, empty records in place of the events. Each step may be done twice.
//!
//! | file | role |
//! |---|---|
//! | `whom.rs` | who it is, and what tells of them |
//! | `scrub.rs` | one record without it |
//! | `state.rs` | forgetting in the state |

mod scrub;
mod state;
mod whom;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use super::StoreError;
use super::compact;
use super::counters::Counters;
use super::journal::{Journal, lock};
use super::keys::{self, row};
use super::partition::{failing, sync_directory, write_durably};
use super::record::{Encoded, Stored};
use super::rows;
use super::shared::Shared;
use crate::model::record::LogEntry;
use scrub::Scrub;
use whom::Whom;

/// File that says what is being erased.
const FILE: &str = "erase.json";

/// Records read at once.
const PAGE: usize = 256;

/// Names found for a customer may lead to more names; so often the journal is read for them.
const ROUNDS: usize = 4;

/// What to erase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erase {
    /// `customer` or `order`.
    pub resource: String,
    /// Its id, or one of its natural keys.
    pub name: String,
}

/// What was erased, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// Events whose payload is gone.
    pub events: u64,
    /// Attempts, outcomes and notices that no longer tell of it.
    pub log_records: u64,
    /// Partitions that were copied without it.
    pub partitions: u64,
    /// Resources that are forgotten, or of which only the dates are kept.
    pub known: u64,
    /// Natural keys that are forgotten.
    pub aliases: u64,
    /// Visitors whose memory is forgotten.
    pub sessions: u64,
    /// Matches that waited, and are forgotten.
    pub pendings: u64,
    /// Ids of webhooks that had attempts of these events: their receivers keep what they got.
    pub webhooks: Vec<u64>,
    /// Files set aside as damaged: nothing in them is erased.
    pub set_aside: Vec<String>,
}

/// Asks the writer to begin new partitions.
pub(super) type Roll<'a> = &'a dyn Fn() -> Result<(), StoreError>;

/// Finds what would be erased.
pub(super) fn count(shared: &Shared, erase: &Erase) -> Result<Erased, StoreError> {
    let never = AtomicBool::new(false);
    let (whom, events) = find(shared, erase, &never)?;
    let scrub = Scrub { whom: &whom, events: &events };
    let mut erased = begin(shared, &scrub, true)?;
    for (journal, change) in journals(shared, &scrub) {
        for first in journal.firsts() {
            let end = journal.end_of(first);
            let mut changed = 0;
            walk(journal, first, end, &never, |stored| {
                changed += u64::from(change(stored)?.is_some());
                Ok(())
            })?;
            erased.partitions += u64::from(changed > 0);
            if journal.name == "log" {
                erased.log_records += changed;
            }
        }
    }
    Ok(erased)
}

/// Erases. `stop` breaks it off between two records; it goes on at the next start.
pub(super) fn run(shared: &Shared, erase: &Erase, roll: Roll<'_>, stop: &AtomicBool) -> Result<Erased, StoreError> {
    let _alone = lock(&shared.erasing);
    let path = shared.data.join(FILE);
    let json = serde_json::to_vec(erase).map_err(io::Error::from);
    json.and_then(|json| write_durably(&path, &json)).map_err(|error| failing(&path, &error))?;
    compact::ask(&shared.data)?;
    let (whom, events) = find(shared, erase, stop)?;
    let scrub = Scrub { whom: &whom, events: &events };
    let mut erased = begin(shared, &scrub, false)?;
    shared.ring.clear();
    roll()?;
    for (journal, change) in journals(shared, &scrub) {
        for closed in journal.closed() {
            let (first, mut changed) = (closed.sealed.first, 0);
            walk(journal, first, closed.sealed.last + 1, stop, |stored| {
                changed += u64::from(change(stored)?.is_some());
                Ok(())
            })?;
            if changed == 0 {
                continue;
            }
            journal.rewrite(first, &change)?;
            lock(&shared.indexed).remove(&first);
            erased.partitions += 1;
            if journal.name == "log" {
                erased.log_records += changed;
            }
        }
    }
    // What a commit under way brought in the meantime.
    state::forget(&shared.state, &scrub, false)?;
    shared.state.sync()?;
    // Whoever holds events in memory reads them again.
    Counters::add(&shared.counters.erases, 1);
    fs::remove_file(&path).and_then(|()| sync_directory(&shared.data)).map_err(|error| failing(&path, &error))?;
    let count = |number: u64, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
    shared.log.note(format!(
        "an erase is done: {} and {} of the log no longer tell of it",
        count(erased.events, "event"),
        count(erased.log_records, "record")
    ));
    Ok(erased)
}

/// What a process that ended before left to be erased.
pub(super) fn unfinished(shared: &Shared) -> Option<Erase> {
    serde_json::from_slice(&fs::read(shared.data.join(FILE)).ok()?).ok()
}

/// The state's part, and what can be told before the journals are touched.
fn begin(shared: &Shared, scrub: &Scrub<'_>, only_count: bool) -> Result<Erased, StoreError> {
    let forgotten = state::forget(&shared.state, scrub, only_count)?;
    Ok(Erased {
        events: scrub.events.len() as u64,
        known: forgotten.known,
        aliases: forgotten.aliases,
        sessions: forgotten.sessions,
        pendings: forgotten.pendings,
        webhooks: receivers(shared, scrub.events)?,
        set_aside: set_aside(shared),
        ..Erased::default()
    })
}

type Change<'a> = Box<dyn Fn(&Stored) -> Result<Option<Encoded>, StoreError> + 'a>;

fn journals<'a>(shared: &'a Shared, scrub: &'a Scrub<'a>) -> [(&'a Journal, Change<'a>); 2] {
    [(&shared.events, Box::new(|stored| scrub.event(stored))), (&shared.log, Box::new(|stored| scrub.log(stored)))]
}

/// All names, and all events that tell of it.
fn find(shared: &Shared, erase: &Erase, stop: &AtomicBool) -> Result<(Whom, BTreeSet<u64>), StoreError> {
    let mut whom = Whom::new(&erase.resource, &erase.name);
    let (mut events, mut rounds) = (BTreeSet::new(), 0);
    loop {
        let mut learned = false;
        for (key, value) in shared.state.rows(&[row::ALIAS])? {
            if let [resource, _, value_text] = keys::texts(&key).unwrap_or_default().as_slice()
                && resource == whom.resource()
            {
                let id: String = rows::decode(&value)?;
                learned |= whom.learn(Some(&id), std::iter::once(value_text.as_str()));
            }
        }
        walk(&shared.events, shared.events.first(), shared.events.next(), stop, |stored| {
            if let Some(event) = stored.event()? {
                if event.resource == whom.resource() {
                    learned |= whom.learn(event.id.as_deref(), Whom::keys_of(&event));
                }
                if whom.is_told_by(&event) {
                    events.insert(stored.place.seq);
                }
            }
            Ok(())
        })?;
        rounds += 1;
        if !learned || rounds >= ROUNDS {
            return Ok((whom, events));
        }
    }
}

fn walk(
    journal: &Journal,
    mut from: u64,
    to: u64,
    stop: &AtomicBool,
    mut each: impl FnMut(&Stored) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    while from < to {
        if stop.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable(
                "the store is closing: the erase goes on at the next start".to_owned(),
            ));
        }
        let (records, next) = journal.read(from, to, PAGE)?;
        for stored in &records {
            match each(stored) {
                // A record that cannot be read tells nobody anything; it was told as damage.
                Err(StoreError::Corrupt { .. }) => {}
                other => other?,
            }
        }
        from = next.max(from + 1);
    }
    Ok(())
}

/// Webhooks with attempts of these events.
fn receivers(shared: &Shared, events: &BTreeSet<u64>) -> Result<Vec<u64>, StoreError> {
    let (mut webhooks, never) = (BTreeSet::new(), AtomicBool::new(false));
    if events.is_empty() {
        return Ok(Vec::new());
    }
    walk(&shared.log, shared.log.first(), shared.log.next(), &never, |stored| {
        if let Some(LogEntry::Attempt(attempt)) = stored.log_entry()?
            && attempt.event.is_some_and(|seq| events.contains(&seq.0))
        {
            webhooks.insert(attempt.webhook.0);
        }
        Ok(())
    })?;
    Ok(webhooks.into_iter().collect())
}

/// Directories and files set aside as damaged.
fn set_aside(shared: &Shared) -> Vec<String> {
    let journals = shared.data.join("journal");
    let rooms = [shared.data.clone(), journals.join("events"), journals.join("log")];
    let entries = rooms.iter().filter_map(|room| fs::read_dir(room).ok()).flatten().flatten();
    let names = entries.map(|entry| entry.path().display().to_string());
    names.filter(|name| name.contains(".damaged-")).collect()
}
