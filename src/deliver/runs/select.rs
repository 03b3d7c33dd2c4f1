//! Which events a run sends, and what people are told before it is made.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::tally::Tally;
use crate::deliver::flight;
use crate::id::Seq;
use crate::model::{DeliveryState, Event, Identity, Selection, Timestamp};
use crate::store::{Store, StoreError};

/// Events read at once.
const PAGE: usize = 1_000;

/// What a run would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Deliveries that fit.
    pub count: u64,
    /// Of these, those whose resource has a newer event that was delivered: the receiver would see them out of order.
    pub outdated: u64,
    /// Time of the oldest event among them.
    pub oldest: Option<Timestamp>,
    /// Time of the newest event among them.
    pub newest: Option<Timestamp>,
}

/// A selection made ready.
#[derive(Debug)]
pub(super) struct Chooser {
    selection: Selection,
    words: Vec<String>,
    /// The newest event of each resource, where only those are wanted.
    newest: Option<HashMap<u64, Seq>>,
}

impl Chooser {
    /// Ready for the events before `end`.
    pub(super) async fn new(store: &Store, selection: &Selection, end: Seq) -> Result<Self, StoreError> {
        let words = selection.text.iter().flat_map(|text| text.split_whitespace()).map(str::to_lowercase).collect();
        let mut chooser = Self { selection: selection.clone(), words, newest: None };
        if selection.latest && selection.only.is_none() {
            let mut newest = HashMap::new();
            let mut from = Seq(1);
            while from < end {
                let (events, next) = store.events(from, PAGE).await?;
                let wanted = events.iter().filter(|(seq, event)| *seq < end && chooser.is_for_us(event));
                newest.extend(wanted.map(|(seq, event)| (group(*seq, event), *seq)));
                from = next.max(from.next());
            }
            chooser.newest = Some(newest);
        }
        Ok(chooser)
    }

    /// Where reading begins and ends, for a run over the events before `end`.
    pub(super) fn range(&self, end: Seq) -> (Seq, Seq) {
        self.selection.only.map_or((Seq(1), end), |only| (only, only.next()))
    }

    /// Whether an event fits.
    pub(super) fn fits(&self, seq: Seq, event: &Event, tally: &Tally) -> bool {
        let Selection { state, topic, since, until, only, .. } = &self.selection;
        let in_state = *state == DeliveryState::Any || tally.state(seq) == Some(*state);
        self.is_for_us(event)
            && only.is_none_or(|only| only == seq)
            && in_state
            && topic.as_ref().is_none_or(|topic| topic.matches(&event.topic))
            && since.is_none_or(|since| event.at >= since)
            && until.is_none_or(|until| event.at < until)
            && self.newest.as_ref().is_none_or(|newest| newest.get(&group(seq, event)) == Some(&seq))
            && (self.words.is_empty() || self.has_words(event))
    }

    fn is_for_us(&self, event: &Event) -> bool {
        event.webhooks.contains(&self.selection.webhook)
    }

    fn has_words(&self, event: &Event) -> bool {
        let about = flight::about(event);
        let text =
            [event.body.get(), event.topic.as_str(), &about, &event.rule, &event.source].join(" ").to_lowercase();
        self.words.iter().all(|word| text.contains(word.as_str()))
    }
}

/// Names the resource of an event: those of one leave in order. An event about nothing in particular stands alone.
pub(super) fn group(seq: Seq, event: &Event) -> u64 {
    let mut hasher = DefaultHasher::new();
    event.group.hash(&mut hasher);
    if event.group.1 == Identity::None {
        seq.hash(&mut hasher);
    }
    hasher.finish()
}

/// Counts what a run with this selection would send now. Reads the journals through and sends nothing.
pub async fn plan(store: &Store, selection: &Selection) -> Result<Plan, StoreError> {
    let (end, log_end) = (*store.head().borrow(), *store.log_head().borrow());
    let tally = Tally::take(store, selection.webhook, log_end, None).await?;
    let chooser = Chooser::new(store, selection, end).await?;
    let mut plan = Plan::default();
    // Fitting deliveries of each resource since one of its events was delivered.
    let mut open: HashMap<u64, u64> = HashMap::new();
    let (mut from, to) = chooser.range(end);
    while from < end {
        let (events, next) = store.events(from, PAGE).await?;
        for (seq, event) in events.iter().filter(|(seq, event)| *seq < end && chooser.is_for_us(event)) {
            let group = group(*seq, event);
            if tally.state(*seq) == Some(DeliveryState::Delivered) {
                plan.outdated += open.remove(&group).unwrap_or(0);
            }
            if *seq < to && chooser.fits(*seq, event, &tally) {
                *open.entry(group).or_default() += 1;
                plan.count += 1;
                plan.oldest = Some(plan.oldest.map_or(event.at, |oldest| oldest.min(event.at)));
                plan.newest = Some(plan.newest.map_or(event.at, |newest| newest.max(event.at)));
            }
        }
        from = next.max(from.next());
    }
    Ok(plan)
}
