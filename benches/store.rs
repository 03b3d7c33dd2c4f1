//! The store: how long one commit takes, how many log groups a second go through, what a record costs on disk.
//!
//! `cargo bench --bench store`; set TMPDIR to a directory on the disk to measure.

use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::value::RawValue;
use shopbell::clock::{Clock, Timestamp};
use shopbell::id::{EventUid, Seq, WebhookId};
use shopbell::model::record::{EventEntry, LogEntry};
use shopbell::model::{Event, Identity, Known, Notice, NoticeKind, Write};
use shopbell::store::{Options, Store};

/// Log groups that wait for the writer at once.
const QUEUED: u64 = 2_000;

fn event(id: u64) -> EventEntry {
    let id = id.to_string();
    let body = serde_json::json!({ "id": id, "status": "processing", "note": "x".repeat(1_500) });
    EventEntry::Event(Box::new(Event {
        uid: EventUid::random(),
        at: Timestamp::from_millis(1_793_722_020_000),
        topic: "order.created".parse().expect("a topic"),
        resource: "order".to_owned(),
        id: Some(id.clone()),
        key: serde_json::Map::new(),
        group: ("order".to_owned(), Identity::Id(id)),
        body: RawValue::from_string(body.to_string()).expect("JSON"),
        rule: "order-placed".to_owned(),
        webhooks: vec![WebhookId(1)],
        source: "POST /checkout".to_owned(),
    }))
}

fn known(id: u64) -> Write {
    let mut known = Known::default();
    known.fields.insert("status".to_owned(), "processing".into());
    Write::Known { resource: "order".to_owned(), identity: Identity::Id(id.to_string()), known: Some(known) }
}

fn group(at: u64) -> (Vec<LogEntry>, Vec<Write>) {
    let text = format!("delivered {at} {}", "y".repeat(400));
    let notice = LogEntry::Notice(Notice::new(Timestamp::from_millis(1_793_722_020_000), NoticeKind::Process, text));
    let webhook = WebhookId(at % 20);
    let finished = Write::Finished { webhook, event: Seq(at), done: at.is_multiple_of(2) };
    (vec![notice], vec![Write::Cursor { webhook, next: Seq(at) }, finished])
}

#[expect(clippy::print_stdout, reason = "the cost on disk is a result too")]
fn store(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let dir = tempfile::tempdir().expect("a directory");
    let (store, _) = Store::open(dir.path(), Options::default(), Clock::System).expect("the store opens");
    let mut at = 0;
    criterion.bench_function("one commit, alone", |bench| {
        bench.iter(|| {
            at += 1;
            runtime.block_on(store.commit(vec![event(at)], vec![known(at)])).expect("a commit")
        });
    });
    let mut groups = criterion.benchmark_group("many");
    groups.sample_size(20).throughput(Throughput::Elements(QUEUED));
    let store = Arc::new(store);
    groups.bench_function("log groups", |bench| {
        bench.iter(|| {
            runtime.block_on(async {
                let mut waiting = tokio::task::JoinSet::new();
                for one in 0..QUEUED {
                    let store = store.clone();
                    let (entries, writes) = group(one);
                    waiting.spawn(async move { store.log(entries, writes).await });
                }
                waiting.join_all().await.into_iter().for_each(|seq| assert!(seq.is_ok()));
            });
        });
    });
    groups.finish();
    let (written, groups) = (store.counters(), shopbell::store::Counters::get(&store.counters().groups));
    let (records, bytes) = (
        written.records.load(std::sync::atomic::Ordering::Relaxed),
        written.bytes.load(std::sync::atomic::Ordering::Relaxed),
    );
    println!("{records} records, {bytes} bytes in {groups} groups take {} bytes on disk", store.disk_bytes());
}

criterion_group!(benches, store);
criterion_main!(benches);
