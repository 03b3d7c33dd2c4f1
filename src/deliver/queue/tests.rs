//! Rows, and a property over random failures and crashes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::value::RawValue;

use super::{DEFERRED_MAX, Queue, Settle};
use crate::clock::Timestamp;
use crate::id::{EventUid, Seq, WebhookId};
use crate::model::{Event, Identity, Ordering, Waiting, Write};
use crate::store::WebhookState;

const WEBHOOK: WebhookId = WebhookId(7);
const UID: EventUid = EventUid([1; 16]);

/// An event of order `order`; 0 stands for an action without an id.
fn event(order: u64) -> Arc<Event> {
    let identity = if order == 0 { Identity::None } else { Identity::Id(order.to_string()) };
    Arc::new(Event {
        uid: UID,
        at: Timestamp::default(),
        topic: "order.updated".parse().unwrap(),
        resource: "order".into(),
        id: None,
        key: serde_json::Map::new(),
        group: ("order".into(), identity),
        body: RawValue::from_string("{}".into()).unwrap(),
        rule: "r".into(),
        webhooks: vec![WEBHOOK],
        source: String::new(),
    })
}

fn journal(orders: &[u64]) -> Vec<(Seq, Arc<Event>)> {
    (1..).map(Seq).zip(orders.iter().map(|order| event(*order))).collect()
}

fn queue(orders: &[u64]) -> Queue {
    let mut queue =
        Queue::new(WEBHOOK, Ordering::Resource, WebhookState { cursor: Seq(1), ..WebhookState::default() }, at(0));
    let events = journal(orders);
    queue.feed(&events, Seq(events.len() as u64 + 1));
    queue
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn wait(since: Timestamp, due: Timestamp) -> Settle {
    Settle::Wait { uid: UID, since, due, asked: false }
}

fn take(queue: &mut Queue, now: i64) -> Vec<u64> {
    std::iter::from_fn(|| queue.next(at(now))).map(|ready| ready.seq.0).collect()
}

fn done(queue: &mut Queue, seq: u64, settle: Settle) -> Vec<Write> {
    queue.settle(Seq(seq), settle);
    let (writes, _) = queue.take_writes();
    queue.release(Seq(seq));
    writes
}

#[test]
fn groups_are_in_order_and_beside_each_other() {
    let mut queue = queue(&[1, 1, 2, 0, 0, 1]);
    assert_eq!(take(&mut queue, 0), [1, 3, 4, 5], "one of each order, and every action");
    queue.settle(Seq(1), Settle::Done);
    assert_eq!(take(&mut queue, 0), [0; 0], "not before the result is on disk");
    queue.take_writes();
    queue.release(Seq(1));
    assert_eq!(take(&mut queue, 0), [2]);
}

#[test]
fn the_cursor_stands_at_the_first_that_is_not_known_to_the_state() {
    let mut queue = queue(&[1, 2, 3]);
    take(&mut queue, 0);
    let finished = |seq, done| Write::Finished { webhook: WEBHOOK, event: Seq(seq), done };
    let cursor = |next| Write::Cursor { webhook: WEBHOOK, next: Seq(next) };
    assert_eq!(done(&mut queue, 2, Settle::Done), [finished(2, true)]);
    assert_eq!(done(&mut queue, 1, Settle::Done), [finished(2, false), cursor(3)]);
    assert_eq!(done(&mut queue, 3, Settle::Done), [cursor(4)]);
}

#[test]
fn behind_a_waiting_head_its_group_is_deferred_and_others_go_on() {
    let mut queue = queue(&[1, 1, 2]);
    assert_eq!(take(&mut queue, 0), [1, 3]);
    let group = ("order".to_owned(), Identity::Id("1".into()));
    let waiting = Waiting { attempts: 1, uid: Some(UID), since: at(0), due: at(5_000), group: group.clone() };
    let writes = done(&mut queue, 1, wait(at(0), at(5_000)));
    assert_eq!(
        writes,
        [
            Write::Waiting { webhook: WEBHOOK, event: Seq(1), waiting: Some(waiting) },
            Write::Deferred { webhook: WEBHOOK, event: Seq(2), group: Some(group) },
            Write::Cursor { webhook: WEBHOOK, next: Seq(3) },
        ]
    );
    assert_eq!(queue.set_aside(), (1, 1));
    assert_eq!(take(&mut queue, 4_999), [0; 0]);
    assert_eq!(queue.next_due(), Some(at(5_000)));
    assert_eq!(take(&mut queue, 5_000), [1]);
    done(&mut queue, 1, Settle::Done);
    assert_eq!(take(&mut queue, 5_000), [2]);
    done(&mut queue, 2, Settle::Done);
    done(&mut queue, 3, Settle::Done);
    assert_eq!((queue.set_aside(), queue.cursor()), ((0, 0), Seq(4)));
}

#[test]
fn a_full_deferred_set_stops_the_cursor_and_loses_nothing() {
    let deferred: Vec<_> = (2..).take(DEFERRED_MAX).map(|seq| (Seq(seq), event(1).group.clone())).collect();
    let next = Seq(DEFERRED_MAX as u64 + 2);
    let waiting = vec![(
        Seq(1),
        Waiting { attempts: 1, uid: Some(UID), since: at(0), due: at(9), group: event(1).group.clone() },
    )];
    let state = WebhookState { cursor: next, waiting, deferred, ..WebhookState::default() };
    let mut queue = Queue::new(WEBHOOK, Ordering::Resource, state, at(0));
    let end = Seq(next.0 + super::AHEAD_MAX as u64 + 8);
    let behind: Vec<_> = (next.0..end.0).map(|seq| (Seq(seq), event(1))).collect();
    queue.feed(&behind, end);
    assert_eq!(queue.take_writes(), (Vec::new(), true));
    assert!(!queue.has_room() && queue.cursor() == next);
    for seq in 1..end.0 {
        assert_eq!(take(&mut queue, 9), [seq], "one after the other, in order");
        done(&mut queue, seq, Settle::Done);
    }
    assert_eq!((queue.set_aside(), queue.cursor()), ((0, 0), end));
}

#[test]
fn what_was_not_tried_goes_out_again_and_hurry_makes_all_due() {
    let mut queue = queue(&[1]);
    take(&mut queue, 0);
    queue.settle(Seq(1), Settle::Later(at(1_000)));
    assert_eq!((queue.busy(), queue.take_writes().0), (0, Vec::new()));
    assert_eq!(take(&mut queue, 999), [0; 0]);
    assert_eq!(take(&mut queue, 1_000), [1]);
    done(&mut queue, 1, wait(at(0), at(99_000)));
    queue.hurry();
    assert_eq!(take(&mut queue, 1_000), [1]);
}

#[test]
fn while_the_breaker_is_open_the_cursor_stands_and_probes_go_round() {
    let mut queue = queue(&[1, 2, 2]);
    assert_eq!(take(&mut queue, 0), [1, 2]);
    queue.stop(true);
    let waiting = Waiting { attempts: 1, uid: Some(UID), since: at(0), due: at(5_000), group: event(1).group.clone() };
    let write = Write::Waiting { webhook: WEBHOOK, event: Seq(1), waiting: Some(waiting) };
    let cursor = Write::Cursor { webhook: WEBHOOK, next: Seq(2) };
    assert_eq!(done(&mut queue, 1, wait(at(0), at(5_000))), [write, cursor]);
    done(&mut queue, 2, wait(at(0), at(6_000)));
    assert_eq!((queue.set_aside(), queue.cursor()), ((2, 0), Seq(3)), "what stands behind is not set aside");
    for probed in [1, 2, 1] {
        let probe = queue.next_probe(at(0)).unwrap();
        assert_eq!((probe.seq, probe.attempts, probe.probe), (Seq(probed), 1, true));
        assert!(queue.next_probe(at(0)).is_none() && queue.next(at(99_000)).is_none(), "one at a time");
        assert_eq!(done(&mut queue, probed, Settle::Later(at(0))), [], "it costs nothing");
    }
}

#[test]
fn a_probe_waits_as_long_as_the_receiver_asked() {
    let mut queue = queue(&[1, 2]);
    take(&mut queue, 0);
    let asked = Settle::Wait { uid: UID, since: at(0), due: at(600_000), asked: true };
    done(&mut queue, 1, asked);
    done(&mut queue, 2, wait(at(0), at(300_000)));
    queue.stop(true);
    let mut probe = |now| {
        let ready = queue.next_probe(at(now));
        let seq = ready.map(|ready| ready.seq.0);
        seq.inspect(|seq| _ = done(&mut queue, *seq, Settle::Later(at(now))))
    };
    assert_eq!([probe(1_000), probe(2_000)], [Some(2), Some(2)]);
    assert_eq!([probe(600_000), probe(600_000)], [Some(1), Some(2)]);
}

#[test]
fn a_clock_that_was_set_moves_what_is_due() {
    let mut queue = queue(&[1, 2]);
    take(&mut queue, 0);
    done(&mut queue, 1, wait(at(0), at(5_000)));
    queue.settle(Seq(2), wait(at(0), at(6_000)));
    queue.shift(-3_600_000);
    queue.take_writes();
    queue.release(Seq(2));
    assert_eq!(take(&mut queue, 6_000 - 3_600_001), [1]);
    assert_eq!(take(&mut queue, 6_000 - 3_600_000), [2]);
    // Set back while nothing ran: the gap counts from the start.
    let group = event(1).group.clone();
    let waiting = vec![(Seq(1), Waiting { attempts: 1, uid: Some(UID), since: at(10_000), due: at(15_000), group })];
    let state = WebhookState { cursor: Seq(2), waiting, ..WebhookState::default() };
    assert_eq!(Queue::new(WEBHOOK, Ordering::Resource, state, at(1_000)).next_due(), Some(at(6_000)));
}

#[test]
fn an_older_delivery_read_after_a_start_goes_first_where_all_is_one_lane() {
    let waiting = vec![(
        Seq(2),
        Waiting { attempts: 1, uid: Some(UID), since: at(0), due: at(0), group: event(2).group.clone() },
    )];
    let state = WebhookState { cursor: Seq(1), waiting, ..WebhookState::default() };
    let mut queue = Queue::new(WEBHOOK, Ordering::Webhook, state, at(0));
    queue.feed(&journal(&[1, 2, 3]), Seq(4));
    for seq in 1..4 {
        assert_eq!(take(&mut queue, 0), [seq]);
        done(&mut queue, seq, Settle::Done);
    }
}

#[test]
fn what_was_set_aside_above_the_cursor_is_not_read_again_when_done() {
    let waiting = vec![(
        Seq(2),
        Waiting { attempts: 1, uid: Some(UID), since: at(0), due: at(0), group: event(2).group.clone() },
    )];
    let mut queue = Queue::new(
        WEBHOOK,
        Ordering::Resource,
        WebhookState { cursor: Seq(1), waiting, ..WebhookState::default() },
        at(0),
    );
    assert_eq!(take(&mut queue, 0), [2]);
    done(&mut queue, 2, Settle::Done);
    queue.feed(&journal(&[1, 2]), Seq(3));
    assert_eq!(take(&mut queue, 0), [1]);
}

/// The state as a store would keep it.
#[derive(Clone, Default)]
struct Disk {
    cursor: Seq,
    finished: BTreeSet<Seq>,
    waiting: BTreeMap<Seq, Waiting>,
    deferred: BTreeMap<Seq, (String, Identity)>,
}

impl Disk {
    fn apply(&mut self, writes: Vec<Write>) {
        for write in writes {
            match write {
                Write::Cursor { next, .. } => self.cursor = next,
                Write::Finished { event, done: true, .. } => _ = self.finished.insert(event),
                Write::Finished { event, .. } => _ = self.finished.remove(&event),
                Write::Waiting { event, waiting: Some(waiting), .. } => _ = self.waiting.insert(event, waiting),
                Write::Waiting { event, .. } => _ = self.waiting.remove(&event),
                Write::Deferred { event, group: Some(group), .. } => _ = self.deferred.insert(event, group),
                Write::Deferred { event, .. } => _ = self.deferred.remove(&event),
                other => panic!("no write of a queue: {other:?}"),
            }
        }
    }

    fn queue(&self, ordering: Ordering) -> Queue {
        let state = WebhookState {
            cursor: self.cursor,
            finished: self.finished.iter().copied().collect(),
            waiting: self.waiting.clone().into_iter().collect(),
            deferred: self.deferred.clone().into_iter().collect(),
            ..WebhookState::default()
        };
        Queue::new(WEBHOOK, ordering, state, at(0))
    }
}

proptest! {
    /// Whatever fails and wherever it crashes: everything is delivered, in order within its group, and once where the
    /// result came to disk.
    #[test]
    fn nothing_is_lost_or_out_of_order(
        ordering in prop::sample::select(vec![Ordering::Resource, Ordering::Webhook, Ordering::None]),
        orders in prop::collection::vec(0_u64..4, 1..60),
        steps in prop::collection::vec((0_u8..12, any::<prop::sample::Index>()), 0..300),
    ) {
        let events = journal(&orders);
        let end = Seq(events.len() as u64 + 1);
        let mut disk = Disk { cursor: Seq(1), ..Disk::default() };
        let mut queue = disk.queue(ordering);
        let mut delivered: Vec<Seq> = Vec::new();
        let (mut flying, mut now): (Vec<Seq>, i64) = (Vec::new(), 0);
        for (step, index) in steps {
            if queue.has_room() && queue.read_from() < end {
                let from = queue.read_from();
                let read: Vec<_> = events.iter().filter(|(seq, _)| *seq >= from).take(5).cloned().collect();
                let next = read.last().map_or(end, |(seq, _)| seq.next());
                queue.feed(&read, next);
            }
            match step {
                0 => {
                    flying.clear();
                    queue = disk.queue(ordering);
                }
                1 => now += 10,
                2..=5 => flying.extend(queue.next(at(now)).map(|ready| ready.seq)),
                // The breaker opens for one probe.
                11 if flying.is_empty() => {
                    queue.stop(true);
                    flying.extend(queue.next_probe(at(0)).map(|ready| ready.seq));
                    prop_assert!(queue.next(at(now)).is_none() && queue.next_probe(at(0)).is_none());
                    queue.stop(false);
                }
                _ if flying.is_empty() => {}
                _ => {
                    let seq = flying.swap_remove(index.index(flying.len()));
                    let settle = match step {
                        6 => wait(at(now), at(now + 10)),
                        7 => Settle::Later(at(now)),
                        _ => Settle::Done,
                    };
                    if settle == Settle::Done {
                        delivered.push(seq);
                    }
                    queue.settle(seq, settle);
                    disk.apply(queue.take_writes().0);
                    queue.release(seq);
                }
            }
        }
        // To the end, without failures.
        queue = disk.queue(ordering);
        loop {
            let from = queue.read_from();
            let read: Vec<_> = events.iter().filter(|(seq, _)| *seq >= from).take(5).cloned().collect();
            queue.feed(&read, read.last().map_or(end, |(seq, _)| seq.next()));
            if let Some(ready) = queue.next(at(i64::MAX)) {
                delivered.push(ready.seq);
                queue.settle(ready.seq, Settle::Done);
                disk.apply(queue.take_writes().0);
                queue.release(ready.seq);
            } else if queue.read_from() == end {
                break;
            }
        }
        // What was read last may all have been done before the crash: the cursor's step over it came with no result.
        disk.apply(queue.take_writes().0);
        let mut sorted = delivered.clone();
        sorted.sort();
        let all: Vec<Seq> = events.iter().map(|(seq, _)| *seq).collect();
        prop_assert_eq!(&sorted, &all, "each exactly once: results were on disk");
        for order in 1..4 {
            let mine = all.iter().zip(&orders).filter(|(_, of)| **of == order);
            let mine: Vec<_> = mine.map(|(seq, _)| delivered.iter().position(|one| one == seq)).collect();
            prop_assert!(ordering == Ordering::None || mine.is_sorted(), "order {}: {:?}", order, mine);
        }
        prop_assert!(ordering != Ordering::Webhook || delivered.is_sorted(), "{:?}", delivered);
        prop_assert_eq!(disk.cursor, end);
        prop_assert!(disk.finished.is_empty() && disk.waiting.is_empty() && disk.deferred.is_empty());
    }
}
