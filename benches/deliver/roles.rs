//! What runs in a process of its own, so that its CPU and memory can be told from all others'.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use shopbell::id::WebhookId;
use shopbell::model::Status;
use shopbell::store::Options;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::probe::{cpu_seconds, disk_mib, memory_mib, now_ns, percentile, seconds, seconds_since};
use super::shop::{self, Shop};
use super::{receiver, say};

/// Events that may be undelivered while more are committed.
const AHEAD: u64 = 2_048;

/// How often something is looked at that nobody tells.
const LOOK: Duration = Duration::from_millis(5);

fn block_on(work: impl Future<Output = ()>) {
    tokio::runtime::Runtime::new().expect("a runtime").block_on(work);
}

/// Commits events and delivers them meanwhile, each to every port.
pub(crate) fn live(data: &Path, ports: &[u16], events: u64) {
    block_on(async {
        let shop = Shop::start(shop::open(data, Options::default()), ports).await;
        let (start, cpu) = (now_ns(), cpu_seconds());
        shop.commit_as_delivered(events, AHEAD).await;
        shop.drained().await;
        tell(data, &shop, (start, cpu), events, ports).await;
    });
}

/// Delivers events that were all committed before, each to every port.
pub(crate) fn queued(data: &Path, ports: &[u16], events: u64) {
    block_on(async {
        let store = shop::open(data, Options::default());
        shop::queue(&store, events, ports.len() as u64).await;
        let (start, cpu) = (now_ns(), cpu_seconds());
        let shop = Shop::start(store, ports).await;
        shop.drained().await;
        tell(data, &shop, (start, cpu), events, ports).await;
    });
}

async fn tell(data: &Path, shop: &Shop, (start, cpu): (u64, f64), events: u64, ports: &[u16]) {
    let (seconds, cpu) = (seconds_since(start), cpu_seconds() - cpu);
    let taken = receiver::ask(ports[0], "take").await;
    let deliveries = events * ports.len() as u64;
    assert_eq!((&taken["count"], &taken["disorder"]), (&json!(deliveries), &json!(0)), "all came once and in order");
    assert_eq!(shop.delivered(), deliveries);
    say(&json!({
        "deliveries": deliveries, "seconds": seconds, "cpu": cpu, "peak_mib": memory_mib("VmHWM"),
        "disk_mib": disk_mib(data), "events": events,
    }));
}

/// Commits so many events a second, one by one, for each port and for the sick ones, and tells how long each was on its way
/// to the receivers that are well.
pub(crate) fn latency(data: &Path, ports: &[u16], sick: &[u16], rate: u32, events: u64) {
    block_on(async {
        let shop = Shop::start_beside(shop::open(data, Options::default()), ports, sick).await;
        let webhooks = (ports.len() + sick.len()) as u64;
        let times = Arc::new(Mutex::new(HashMap::new()));
        let (mut commits, mut tick) = (JoinSet::new(), tokio::time::interval(Duration::from_secs(1) / rate));
        tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for number in 1..=events {
            tick.tick().await;
            let (store, times) = (shop.store.clone(), Arc::clone(&times));
            commits.spawn(async move {
                let began = now_ns();
                store.commit(vec![shop::event(number, webhooks)], Vec::new()).await.expect("a commit");
                times.lock().unwrap_or_else(PoisonError::into_inner).insert(number, (began, now_ns()));
            });
        }
        commits.join_all().await;
        shop.drained().await;
        let arrivals = receiver::ask(ports[0], "arrivals").await;
        let arrivals: Vec<(u64, u64)> = serde_json::from_value(arrivals).expect("arrivals");
        assert_eq!(arrivals.len() as u64, events * ports.len() as u64, "each came");
        let times = times.lock().unwrap_or_else(PoisonError::into_inner);
        let commit = times.values().map(|(began, committed)| committed - began).collect();
        // It may be on its way before who committed it is told.
        let way = arrivals.iter().map(|(number, at)| at.saturating_sub(times[number].1)).collect();
        let whole = arrivals.iter().map(|(number, at)| at.saturating_sub(times[number].0)).collect();
        say(&json!({ "commit": both(commit), "way": both(way), "whole": both(whole) }));
    });
}

/// p50 and p99 of nanoseconds, in milliseconds.
pub(crate) fn both(mut values: Vec<u64>) -> Value {
    let mut at = |percent| seconds(percentile(&mut values, percent)) * 1e3;
    json!({ "p50": at(50), "p99": at(99), "max": at(100) })
}

/// Queues events for an endpoint that is down, with its webhook running all the time.
pub(crate) fn fill(data: &Path, port: u16, events: u64) {
    block_on(async {
        let start = now_ns();
        let shop = Shop::start(shop::open(data, Options::default()), &[port]).await;
        shop::commit_many(&shop.store, events, 1).await;
        let seconds = seconds_since(start);
        shop.stop().await;
        say(&json!({
            "seconds": seconds, "peak_mib": memory_mib("VmHWM"), "rss_mib": memory_mib("VmRSS"), "disk_mib": disk_mib(data),
        }));
    });
}

/// Starts over a queue, enables the webhook as an operator whose receiver is back would, and delivers all of it.
pub(crate) fn resume(data: &Path, port: u16, events: u64, began: u64) {
    block_on(async {
        let store = shop::open(data, Options::default());
        let opened = seconds_since(began);
        let shop = Shop::start(store, &[port]).await;
        shop.deliverer.set_status(WebhookId(1), Status::Active, "the benchmark").await.expect("it is in force");
        while receiver::ask(port, "look").await["first_ns"].is_null() {
            tokio::time::sleep(LOOK).await;
        }
        let first = receiver::ask(port, "look").await["first_ns"].as_u64().unwrap_or_default();
        let rss = memory_mib("VmRSS");
        shop.drained().await;
        let seconds_all = seconds_since(began);
        let taken = receiver::ask(port, "take").await;
        assert_eq!((&taken["count"], &taken["disorder"]), (&json!(events), &json!(0)), "all came once and in order");
        shop.stop().await;
        say(&json!({
            "opened": opened, "first": seconds(first.saturating_sub(began)), "seconds": seconds_all, "rss_mib": rss,
            "peak_mib": memory_mib("VmHWM"), "disk_mib": disk_mib(data),
        }));
    });
}

/// Opens the store with a retention of nothing: what is finished goes.
pub(crate) fn sweep(data: &Path) {
    block_on(async {
        let before = disk_mib(data);
        let store = shop::open(data, Options { retention: Duration::ZERO, ..Options::default() });
        // The writer sweeps when it starts; when it is closed it is done with that.
        store.close().await;
        say(&json!({ "before_mib": before, "after_mib": disk_mib(data) }));
    });
}
