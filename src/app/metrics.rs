//! Everything that is counted, in one registry for `/metrics`.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::deliver::Deliverer;
use crate::engine::EngineCounters;
use crate::proxy;
use crate::store::Store;
use crate::tap;

/// Registers what every room counts: `shopbell_<room>_<what>`. What does not run (offline) is left out.
pub(super) fn registry(
    engine: &EngineCounters,
    deliverer: Option<&Deliverer>,
    store: &Store,
    traffic: Option<(Arc<proxy::Shared>, Arc<tap::Counters>)>,
) -> Arc<Registry> {
    let mut registry = Registry::default();
    engine.register(&mut registry);
    if let Some(deliverer) = deliverer {
        deliverer.counters().register(registry.sub_registry_with_prefix("shopbell_deliver"));
    }
    registry.register_collector(Box::new(Plain { store: store.clone(), traffic }));
    Arc::new(registry)
}

/// The rooms that know nothing of metrics and count in plain atomics.
#[derive(Debug)]
struct Plain {
    store: Store,
    traffic: Option<(Arc<proxy::Shared>, Arc<tap::Counters>)>,
}

/// Name, help, value.
type Row<'a> = (&'static str, &'static str, &'a AtomicU64);

impl Collector for Plain {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        counters(&mut encoder, "store", &store(self.store.counters()))?;
        disk(&mut encoder, &self.store)?;
        let Some((shared, tap)) = &self.traffic else { return Ok(()) };
        counters(&mut encoder, "proxy", &proxy(&shared.counters))?;
        let (open, idle) = (shared.open_connections(), shared.idle_connections());
        gauge(&mut encoder, "proxy_open_connections", "Visitors' connections open now", open)?;
        gauge(&mut encoder, "proxy_idle_connections", "Idle connections to the shop kept now", idle)?;
        counters(&mut encoder, "tap", &taps(tap))?;
        let bytes = tap.captured_bytes.load(Ordering::Relaxed);
        gauge(&mut encoder, "tap_captured_bytes", "Bytes of bodies held by captures now", bytes)
    }
}

fn counters(encoder: &mut DescriptorEncoder<'_>, room: &str, rows: &[Row<'_>]) -> fmt::Result {
    for (name, help, value) in rows {
        let counter = ConstCounter::new(value.load(Ordering::Relaxed));
        let name = format!("shopbell_{room}_{name}");
        counter.encode(encoder.encode_descriptor(&name, help, None, counter.metric_type())?)?;
    }
    Ok(())
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: usize) -> fmt::Result {
    let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
    let name = format!("shopbell_{name}");
    gauge.encode(encoder.encode_descriptor(&name, help, None, gauge.metric_type())?)
}

/// What the store takes of the disk, what it may take, and how long it waited for it.
fn disk(encoder: &mut DescriptorEncoder<'_>, store: &Store) -> fmt::Result {
    let gauges = [
        ("shopbell_store_disk_bytes", "Bytes on disk", &store.disk_use()[..]),
        ("shopbell_store_budget_bytes", "Bytes the journals may take", &store.budgets()[..]),
    ];
    for (name, help, rows) in gauges {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (kind, bytes) in rows {
            let gauge = ConstGauge::new(i64::try_from(*bytes).unwrap_or(i64::MAX));
            gauge.encode(family.encode_family(&[("kind", *kind)])?)?;
        }
    }
    let waited = Duration::from_micros(store.counters().sync_us.load(Ordering::Relaxed)).as_secs_f64();
    let (name, help) = ("shopbell_store_sync_seconds", "Seconds of waiting for the disk; with groups, the mean");
    ConstCounter::new(waited).encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)
}

fn store(counters: &crate::store::Counters) -> [Row<'_>; 13] {
    [
        ("commits", "Exchange commits acknowledged", &counters.commits),
        ("log_groups", "Log groups acknowledged", &counters.log_groups),
        ("records", "Records written to both journals", &counters.records),
        ("record_bytes", "Bytes of these records, as stored", &counters.bytes),
        ("groups", "Group commits: waits for the disk", &counters.groups),
        ("evictions", "Known resources and keys that left at a bound", &counters.evictions),
        ("removed_partitions", "Partitions removed when finished", &counters.removed_partitions),
        ("dropped_partitions", "Partitions dropped unfinished at the disk budget", &counters.dropped_partitions),
        ("dropped_deliveries", "Deliveries lost with them", &counters.dropped_deliveries),
        ("budget_warnings", "Times a journal came to four fifths of its budget", &counters.budget_warnings),
        ("sync_errors", "Groups refused because the disk was full or failing", &counters.sync_errors),
        ("damages", "Places where damage was found", &counters.damages),
        ("erases", "Erases done", &counters.erases),
    ]
}

fn proxy(counters: &proxy::Counters) -> [Row<'_>; 18] {
    [
        ("connections", "Connections accepted from visitors", &counters.connections),
        ("refused_connections", "Connections turned away at the bound", &counters.refused_connections),
        ("accept_errors", "Accepts that failed", &counters.accept_errors),
        ("slow_connections", "Connections ended because the visitor was too slow", &counters.slow_connections),
        ("cut_connections", "Connections cut at the end of the drain", &counters.cut_connections),
        ("requests", "Requests with a head", &counters.requests),
        ("refused_requests", "Requests refused unseen", &counters.refused_requests),
        ("upstream_connections", "Connections opened to the shop", &counters.upstream_connections),
        ("retries", "Requests sent again on a fresh connection", &counters.retries),
        ("tunnels", "Upgraded connections begun", &counters.tunnels),
        ("tunnels_ended", "Upgraded connections ended", &counters.tunnels_ended),
        ("connect_failed", "The shop could not be reached", &counters.connect_failed),
        ("connect_timeouts", "The shop did not accept in time", &counters.connect_timeouts),
        ("answer_timeouts", "The shop did not begin its answer in time", &counters.answer_timeouts),
        ("upstream_closed", "The shop closed before it answered", &counters.upstream_closed),
        ("upstream_not_http", "The shop's answer was not HTTP", &counters.upstream_not_http),
        ("answers_cut", "The shop's answer broke off or stalled", &counters.answers_cut),
        ("requests_cut", "The visitor's request broke off or stalled", &counters.requests_cut),
    ]
}

fn taps(counters: &tap::Counters) -> [Row<'_>; 8] {
    [
        ("candidates", "Exchanges some rule wanted at the request's head", &counters.candidates),
        ("observed", "Exchanges handed to the engine", &counters.observed),
        ("held", "Answers that waited for the commit", &counters.held),
        ("hold_expired", "Answers let go because the hold time ran out", &counters.hold_expired),
        ("captures_cut", "Bodies whose copy was cut", &counters.captures_cut),
        ("budget_spent", "Bodies cut because the budget of all captures was spent", &counters.budget_spent),
        ("panics", "Panics that were caught", &counters.observer_panics),
        ("ran_on", "Exchanges that ran on after the visitor had left", &counters.ran_on),
    ]
}
