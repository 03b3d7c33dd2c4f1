//! The kinds of records: what the second byte of a record's head says.

use std::sync::Arc;

use serde::Serialize;

use super::StoreError;
use super::index;
use super::record::{self, BARE, Encoded, Stored};
use crate::model::record::{Checkpoint, EventEntry, EventRecord, LogEntry, LogRecord};
use crate::model::{Event, Write};

const EVENT: u8 = 1;
const PENDING: u8 = 2;
const SETTLED: u8 = 3;
const CHECKPOINT: u8 = 4;
const ATTEMPT: u8 = 17;
const OUTCOME: u8 = 18;
const NOTICE: u8 = 19;

/// Records one group entry may have; the head counts them in 16 bits.
const MAX_ENTRY_RECORDS: usize = 65_535;

/// One entry of a group, ready to be written.
#[derive(Debug, Default)]
pub(super) struct Ready {
    /// Its records, each with how many follow.
    pub(super) records: Vec<(Encoded, u16)>,
    /// The events in it by position.
    pub(super) events: Vec<Option<Arc<Event>>>,
    /// By position, what the index has of those that tell of a delivery (log only).
    pub(super) deliveries: Vec<Option<u64>>,
    /// The state writes its last record carries.
    pub(super) writes: Vec<Write>,
    /// Bytes of the records.
    pub(super) bytes: usize,
}

/// Encodes one exchange's records; writes alone make a record without an entry.
pub(super) fn events(entries: Vec<EventEntry>, writes: Vec<Write>) -> Result<Ready, StoreError> {
    let mut ready = Ready::default();
    let mut writes = Some(writes);
    ready.lay_out(entries, |entry, last| {
        let kind = event_kind(entry.as_ref());
        let writes = if last { writes.take().unwrap_or_default() } else { Vec::new() };
        let said = EventRecord { entry, writes };
        let encoded = record::encode(kind, &said)?;
        let event = match said.entry {
            Some(EventEntry::Event(event)) => Some(Arc::from(event)),
            _ => None,
        };
        Ok((encoded, event, said.writes))
    })?;
    Ok(ready)
}

/// A [`LogRecord`] by reference.
#[derive(Serialize)]
struct Said<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<&'a LogEntry>,
    #[serde(skip_serializing_if = "<[Write]>::is_empty")]
    writes: &'a [Write],
}

/// Encodes one group of the log.
pub(super) fn log(entries: &[LogEntry], writes: Vec<Write>) -> Result<Ready, StoreError> {
    let mut ready = Ready { deliveries: entries.iter().map(index::key_of).collect(), ..Ready::default() };
    ready.lay_out(entries.iter().collect(), |entry, last| {
        let writes = if last { writes.as_slice() } else { &[] };
        Ok((record::encode(log_kind(entry), &Said { entry, writes })?, None, Vec::new()))
    })?;
    ready.writes = writes;
    Ok(ready)
}

/// A record of the events journal put together anew.
pub(super) fn event_record(said: &EventRecord) -> Result<Encoded, StoreError> {
    record::encode(event_kind(said.entry.as_ref()), said)
}

/// A record of the log put together anew.
pub(super) fn log_record(said: &LogRecord) -> Result<Encoded, StoreError> {
    record::encode(log_kind(said.entry.as_ref()), said)
}

const fn event_kind(entry: Option<&EventEntry>) -> u8 {
    match entry {
        None => BARE,
        Some(EventEntry::Event(_)) => EVENT,
        Some(EventEntry::Pending(_)) => PENDING,
        Some(EventEntry::Settled(_)) => SETTLED,
        Some(EventEntry::Checkpoint(_)) => CHECKPOINT,
    }
}

const fn log_kind(entry: Option<&LogEntry>) -> u8 {
    match entry {
        None => BARE,
        Some(LogEntry::Attempt(_)) => ATTEMPT,
        Some(LogEntry::Outcome(_)) => OUTCOME,
        Some(LogEntry::Notice(_)) => NOTICE,
    }
}

type Laid = (Encoded, Option<Arc<Event>>, Vec<Write>);

impl Ready {
    fn lay_out<E>(
        &mut self,
        entries: Vec<E>,
        mut encode: impl FnMut(Option<E>, bool) -> Result<Laid, StoreError>,
    ) -> Result<(), StoreError> {
        if entries.len() > MAX_ENTRY_RECORDS {
            return Err(StoreError::TooLarge { bytes: entries.len() });
        }
        let mut entries: Vec<Option<E>> = entries.into_iter().map(Some).collect();
        if entries.is_empty() {
            entries.push(None);
        }
        let count = entries.len();
        for (at, entry) in entries.into_iter().enumerate() {
            let left = u16::try_from(count - 1 - at).unwrap_or(u16::MAX);
            let (encoded, event, writes) = encode(entry, left == 0)?;
            self.bytes += encoded.len();
            self.records.push((encoded, left));
            self.events.push(event);
            self.writes.extend(writes);
        }
        Ok(())
    }
}

impl Stored {
    /// The event, if it is one.
    pub(super) fn event(&self) -> Result<Option<Event>, StoreError> {
        if self.kind != EVENT {
            return Ok(None);
        }
        match self.decode::<EventRecord>()?.entry {
            Some(EventEntry::Event(event)) => Ok(Some(*event)),
            _ => Ok(None),
        }
    }

    /// The checkpoint, if it is one.
    pub(super) fn checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        if self.kind != CHECKPOINT {
            return Ok(None);
        }
        match self.decode::<EventRecord>()?.entry {
            Some(EventEntry::Checkpoint(checkpoint)) => Ok(Some(*checkpoint)),
            _ => Ok(None),
        }
    }

    /// The log's entry, if it has one.
    pub(super) fn log_entry(&self) -> Result<Option<LogEntry>, StoreError> {
        if self.kind == BARE { Ok(None) } else { Ok(self.decode::<LogRecord>()?.entry) }
    }

    /// The state writes of its group entry, if it carries them. Of either journal.
    pub(super) fn writes(&self) -> Result<Vec<Write>, StoreError> {
        #[derive(serde::Deserialize)]
        struct Writes {
            #[serde(default)]
            writes: Vec<Write>,
        }
        if self.place.left > 0 { Ok(Vec::new()) } else { Ok(self.decode::<Writes>()?.writes) }
    }
}
