//! The disk of a running process obeys its settings.

use std::path::Path;

use super::full_disk::{FOUND, noise, prepare, save};
use crate::support::process::Process;
use crate::support::receiver::{Answer, Receiver};
use crate::support::upstream::{Scripted, eventually};

/// Bytes of all files below a directory.
fn bytes(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes(&entry.path()),
        Ok(metadata) => metadata.len(),
        // A partition may leave while it is looked at.
        Err(_) => 0,
    });
    sizes.sum()
}

/// Twice the budget goes through, all of it is delivered, and the disk never holds more than the budget and the partition
/// that is written; the metrics tell so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_delivered_leaves_when_the_budget_is_spent() {
    const BUDGET: u64 = 16 << 20;
    const BODY: usize = 60_000;
    let dir = tempfile::tempdir().unwrap();
    let mut receiver = Receiver::start(vec![Answer::status(200)]).await;
    prepare(dir.path(), Some(&receiver));
    let shop = Scripted::answering(FOUND);
    let limits = "export SHOPBELL_EVENTS_BUDGET=16MiB SHOPBELL_LOG_BUDGET=16MiB SHOPBELL_RETENTION=2d;";
    let process = Process::start(dir.path(), &format!("http://{}", shop.address), limits);
    let mut visitor = process.visitor();
    let (mut n, mut most) = (0, 0);
    while process.metric("shopbell_store_record_bytes_total") < 2 * BUDGET {
        for _ in 0..20 {
            save(&mut visitor, n, &noise(BODY));
            n += 1;
        }
        for _ in 0..20 {
            receiver.delivery().await;
        }
        most = most.max(bytes(&dir.path().join("data/journal/events")));
        assert!(n < 5_000, "the records are too small");
    }
    let partition = BUDGET / 8;
    assert!(most > BUDGET / 2 && most < BUDGET + 3 * partition, "{most} bytes at most");
    eventually("the last sweep", || {
        process.metric("shopbell_store_disk_bytes{kind=\"events\"}") < BUDGET + 3 * partition
    });
    assert!(process.metric("shopbell_store_removed_partitions_total") > 2);
    assert_eq!(process.metric("shopbell_store_dropped_partitions_total"), 0, "nothing that was owed");
    assert_eq!(process.metric("shopbell_store_budget_bytes{kind=\"log\"}"), BUDGET);
    assert!(process.metric("shopbell_store_disk_bytes{kind=\"log\"}") > 0);
    let page = process.ask("GET /metrics");
    let waited = page.lines().find_map(|line| line.strip_prefix("shopbell_store_sync_seconds_total "));
    assert!(waited.unwrap().parse::<f64>().unwrap() > 0.0, "it waited for the disk");
    assert_eq!(process.stop().code(), Some(0));
}
