//! What may go: whole partitions, oldest first, so that disk really comes back.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::Ordering;

use super::StoreError;
use super::counters::Counters;
use super::journal::{Closed, Journal};
use super::keys::{self, row};
use super::rows;
use super::shared::Shared;
use crate::id::{Seq, WebhookId};
use crate::model::{Notice, NoticeKind};

/// So much of a budget is worth a warning, in percent.
const WARN_PERCENT: u128 = 80;

/// Below this the next warning is worth telling again, in percent.
const CALM_PERCENT: u128 = 70;

/// Records read at once when a partition is dropped unfinished.
const PAGE: usize = 256;

/// Removes what retention and budgets let go, and notes what was lost by it. `true`: a part of the log
/// is to go, and a new checkpoint would let it.
pub(super) fn sweep(shared: &Shared, notices: &mut Vec<Notice>) -> Result<bool, StoreError> {
    warn(shared, notices);
    let floor = floor(shared)?;
    let mut synced = false;
    while let Some((oldest, over)) = due(shared, &shared.events, shared.options.events_budget) {
        let finished = oldest.sealed.last < floor;
        if !finished && !over {
            break;
        }
        sync_once(shared, &mut synced)?;
        tracing::trace!(target: "shopbell::step", "partition to go");
        if finished {
            Counters::add(&shared.counters.removed_partitions, 1);
        } else {
            report(shared, &oldest, notices)?;
        }
        shared.events.remove_oldest()?;
        tracing::trace!(target: "shopbell::step", "partition gone");
    }
    while let Some((oldest, _)) = due(shared, &shared.log, shared.options.log_budget) {
        // After damage to the state the log is applied again from the last checkpoint.
        if oldest.sealed.last >= shared.checkpoint_log() {
            return Ok(true);
        }
        sync_once(shared, &mut synced)?;
        Counters::add(&shared.counters.removed_partitions, 1);
        shared.log.remove_oldest()?;
    }
    Ok(false)
}

/// Says once that a journal comes near its budget; again only after it had shrunk well below.
fn warn(shared: &Shared, notices: &mut Vec<Notice>) {
    let options = &shared.options;
    let both = [(&shared.events, options.events_budget), (&shared.log, options.log_budget)];
    for ((journal, budget), warned) in both.into_iter().zip(&shared.near_budget) {
        let percent = u128::from(journal.bytes()) * 100 / u128::from(budget.max(1));
        if percent >= WARN_PERCENT && !warned.swap(true, Ordering::Relaxed) {
            Counters::add(&shared.counters.budget_warnings, 1);
            let lost = if journal.name == "events" {
                "then the oldest partition goes, with deliveries that have not ended; look for webhooks that do not deliver"
            } else {
                "then its oldest partition goes"
            };
            let text =
                format!("the {} journal takes {percent} % of its budget of {} MiB: {lost}", journal.name, budget >> 20);
            notices.push(Notice::new(shared.clock.now(), NoticeKind::Store, text));
        } else if percent < CALM_PERCENT {
            warned.store(false, Ordering::Relaxed);
        }
    }
}

/// The oldest closed partition, if it is old enough or the budget is spent (then `true`).
fn due(shared: &Shared, journal: &Journal, budget: u64) -> Option<(Closed, bool)> {
    let oldest = journal.closed().into_iter().next()?;
    let over = journal.bytes() > budget;
    let old = shared.clock.now().since(oldest.sealed.at) >= shared.options.retention;
    (over || old).then_some((oldest, over))
}

/// The mark must be on disk before anything behind it goes.
fn sync_once(shared: &Shared, synced: &mut bool) -> Result<(), StoreError> {
    if !*synced {
        shared.state.sync()?;
        *synced = true;
    }
    Ok(())
}

/// The first sequence somebody still needs: cursors, waiting and deferred deliveries. Matches that wait are in the state
/// and in every checkpoint, and need no record.
fn floor(shared: &Shared) -> Result<u64, StoreError> {
    let mut floor = u64::MAX;
    for (_, value) in shared.state.rows(&[row::CURSOR])? {
        floor = floor.min(rows::decode::<Seq>(&value)?.0);
    }
    for kind in [row::WAITING, row::DEFERRED] {
        for (key, _) in shared.state.rows(&[kind])? {
            floor = floor.min(keys::last_number(&key).unwrap_or(u64::MAX));
        }
    }
    Ok(floor)
}

/// Counts, webhook by webhook, the deliveries that are lost with a partition.
fn report(shared: &Shared, oldest: &Closed, notices: &mut Vec<Notice>) -> Result<(), StoreError> {
    let (first, last) = (oldest.sealed.first, oldest.sealed.last);
    let mut owed: BTreeMap<u64, Owed> = BTreeMap::new();
    for (key, value) in shared.state.rows(&[row::CURSOR])? {
        let Some(id) = keys::first_number(&key) else { continue };
        let found = shared.state.webhook(WebhookId(id))?;
        let open = found.waiting.iter().map(|(seq, _)| seq.0).chain(found.deferred.iter().map(|(seq, _)| seq.0));
        let finished = found.finished.iter().map(|seq| seq.0).collect();
        owed.insert(id, Owed { cursor: rows::decode::<Seq>(&value)?.0, open: open.collect(), finished, lost: 0 });
    }
    let mut from = first;
    while from <= last {
        let (records, next) = shared.events.read(from, last + 1, PAGE)?;
        for stored in &records {
            let seq = stored.place.seq;
            // A record that cannot be read is lost already, and was told as damage.
            let Ok(Some(event)) = stored.event() else { continue };
            for webhook in event.webhooks {
                if let Some(owed) = owed.get_mut(&webhook.0)
                    && (owed.open.contains(&seq) || (seq >= owed.cursor && !owed.finished.contains(&seq)))
                {
                    owed.lost += 1;
                }
            }
        }
        from = next;
    }
    let now = shared.clock.now();
    let text = format!(
        "the disk budget of the events journal is spent: records {first} to {last} were removed before they were delivered"
    );
    let mut lost = 0;
    for (id, owed) in owed.into_iter().filter(|(_, owed)| owed.lost > 0) {
        lost += owed.lost;
        let webhook = Some(WebhookId(id));
        notices.push(Notice { webhook, count: owed.lost, ..Notice::new(now, NoticeKind::Store, text.clone()) });
    }
    if lost == 0 {
        notices.push(Notice::new(now, NoticeKind::Store, text));
    }
    Counters::add(&shared.counters.dropped_partitions, 1);
    Counters::add(&shared.counters.dropped_deliveries, lost);
    Ok(())
}

struct Owed {
    cursor: u64,
    open: HashSet<u64>,
    finished: HashSet<u64>,
    lost: u64,
}
