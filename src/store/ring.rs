//! The newest events in memory, so that deliveries that keep up read without the disk.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use super::journal::lock;
use crate::id::Seq;
use crate::model::Event;

/// Records kept.
const MAX_RECORDS: usize = 4_096;

/// Bytes of bodies kept.
const MAX_BYTES: usize = 16 << 20;

/// What an event weighs beside its body, in bytes, about.
const EVENT_BYTES: usize = 512;

/// Events with their sequences, and where to go on.
pub(super) type Page = (Vec<(Seq, Arc<Event>)>, Seq);

/// What the ring knows of a sequence.
#[derive(Debug)]
pub(super) enum Held {
    /// The event there; `None` if the record is no event.
    Here(Option<Arc<Event>>),
    /// Nothing: look in the journal.
    NotHere,
}

/// The newest records of the events journal; those that are no events stand as `None`.
#[derive(Debug, Default)]
pub(super) struct Ring(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    first: u64,
    records: VecDeque<Option<Arc<Event>>>,
    bytes: usize,
}

impl Ring {
    /// Takes in the record at `seq`. After a jump of the sequence the ring begins anew.
    pub(super) fn push(&self, seq: u64, event: Option<Arc<Event>>) {
        let mut inner = lock(&self.0);
        if inner.first + inner.records.len() as u64 != seq {
            *inner = Inner { first: seq, ..Inner::default() };
        }
        inner.bytes += weight(event.as_ref());
        inner.records.push_back(event);
        while inner.records.len() > MAX_RECORDS || (inner.bytes > MAX_BYTES && inner.records.len() > 1) {
            let gone = inner.records.pop_front().flatten();
            inner.bytes = inner.bytes.saturating_sub(weight(gone.as_ref()));
            inner.first += 1;
        }
    }

    /// Forgets all it holds; what was pushed is read from the journal.
    pub(super) fn clear(&self) {
        let mut inner = lock(&self.0);
        *inner = Inner { first: inner.first + inner.records.len() as u64, ..Inner::default() };
    }

    /// Events from `from` on, at most `limit`, and where to go on; `None` if the ring does not reach back to `from`.
    pub(super) fn range(&self, from: u64, limit: usize) -> Option<Page> {
        let inner = lock(&self.0);
        let start = usize::try_from(from.checked_sub(inner.first)?).ok()?;
        if start >= inner.records.len() {
            return None;
        }
        let (mut events, mut next) = (Vec::new(), from);
        for event in inner.records.range(start..) {
            if events.len() >= limit {
                break;
            }
            if let Some(event) = event {
                events.push((Seq(next), event.clone()));
            }
            next += 1;
        }
        Some((events, Seq(next)))
    }

    /// The record at `seq`.
    pub(super) fn at(&self, seq: u64) -> Held {
        let inner = lock(&self.0);
        let at = seq.checked_sub(inner.first).and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| inner.records.get(at)).map_or(Held::NotHere, |event| Held::Here(event.clone()))
    }
}

fn weight(event: Option<&Arc<Event>>) -> usize {
    event.map_or(0, |event| EVENT_BYTES + event.body.get().len())
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;
    use crate::id::EventUid;
    use crate::model::{Identity, Timestamp};

    fn event(body: usize) -> Arc<Event> {
        Arc::new(Event {
            uid: EventUid([0; 16]),
            at: Timestamp::default(),
            topic: "order.created".parse().unwrap(),
            resource: String::new(),
            id: None,
            key: serde_json::Map::new(),
            group: (String::new(), Identity::None),
            body: RawValue::from_string(format!("\"{}\"", "x".repeat(body))).unwrap(),
            rule: String::new(),
            webhooks: Vec::new(),
            source: String::new(),
        })
    }

    #[test]
    fn it_holds_the_newest_within_its_bounds() {
        let ring = Ring::default();
        for seq in 1..=5_000 {
            ring.push(seq, if seq % 10 == 0 { None } else { Some(event(10)) });
        }
        assert!(ring.range(904, 10).is_none() && matches!(ring.at(904), Held::NotHere));
        let (events, next) = ring.range(905, 10).unwrap();
        assert_eq!((events.len(), events[0].0, next), (10, Seq(905), Seq(916)), "910 is no event");
        assert!(matches!(ring.at(910), Held::Here(None)));
        assert!(ring.range(5_001, 10).is_none());
        ring.push(5_001, Some(event(MAX_BYTES + 1)));
        assert!(ring.range(5_000, 1).is_none() && ring.range(5_001, 1).is_some(), "one is always kept");
        ring.push(9_000, None);
        assert!(matches!(ring.at(5_001), Held::NotHere) && matches!(ring.at(9_000), Held::Here(None)));
    }
}
