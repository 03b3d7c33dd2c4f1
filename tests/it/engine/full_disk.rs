use std::collections::HashSet;
use std::time::Duration;

use shopbell::clock::Clock;
use shopbell::model::record::LogEntry;
use shopbell::model::{Notice, NoticeKind};
use shopbell::store::{Options, Store};
use tokio::time::Instant;

use crate::support::house::form;
use crate::support::process::Process;
use crate::support::receiver::{Answer, Receiver};
use crate::support::upstream::{Peer, Scripted, eventually};

pub(super) const FOUND: &str = "HTTP/1.1 302 Found\r\nLocation: /list\r\nContent-Length: 0\r\n\r\n";
/// A soft limit on the size of files stands in for a full disk: writes past it fail with an error.
const LIMIT: &str = "trap '' XFSZ; ulimit -S -f 1500;";

pub(super) fn prepare(dir: &std::path::Path, receiver: Option<&Receiver>) {
    let mut rules = r#"
[event.saved]
on = "POST /save"
topic = "product.saved"
id = "{{ form.id }}"
payload.n = "{{ form.n | int }}"
payload.text = "{{ form.text }}"
"#
    .to_owned();
    if let Some(receiver) = receiver {
        let url = receiver.url("/");
        rules = format!("{rules}[webhook.w]\ntopic = \"*\"\nurl = \"{url}\"\nsecret = \"s\"\n");
    }
    std::fs::create_dir(dir.join("rules")).unwrap();
    std::fs::write(dir.join("rules/r.toml"), rules).unwrap();
}

pub(super) fn save(visitor: &mut Peer, n: u64, text: &str) {
    visitor.send(form("/save", &format!("id=1&n={n}&text={text}")));
    assert_eq!(visitor.answer().first(), "HTTP/1.1 302 Found", "save {n}");
}

/// Random text, so that nothing makes it smaller on disk.
pub(super) fn noise(bytes: usize) -> String {
    let mut noise = vec![0; bytes];
    shopbell::id::fill_random(&mut noise);
    noise.iter().map(|byte| char::from(b'a' + byte % 26)).collect()
}

/// The disk fills up under traffic: visitors notice nothing, events wait in memory, too many of them pass unobserved and are
/// counted; when there is room again all that were taken are committed and delivered, once each and in order, and the log
/// tells what happened.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_no_visitor_and_loses_no_event_that_was_taken() {
    let dir = tempfile::tempdir().unwrap();
    let mut receiver = Receiver::start(vec![Answer::status(200)]).await;
    prepare(dir.path(), Some(&receiver));
    let shop = Scripted::answering(FOUND);
    let process = Process::start(dir.path(), &format!("http://{}", shop.address), LIMIT);
    let mut visitor = process.visitor();
    let mut n = 0;
    while process.metric("shopbell_engine_commit_retries_total") == 0 {
        save(&mut visitor, n, &noise(20_000));
        n += 1;
        assert!(n < 2_000, "the limit is never reached");
    }
    // Nobody waits for a disk that is known to be full, and more than the queues hold is not kept.
    let begun = Instant::now();
    while process.metric("shopbell_engine_unobserved_total") == 0 {
        for _ in 0..100 {
            save(&mut visitor, n, "");
            n += 1;
        }
        assert!(n < 10_000, "the queue never fills");
    }
    let each = begun.elapsed() / u32::try_from(n).unwrap();
    assert!(each < Duration::from_millis(100), "visitors wait for a full disk: {each:?} each");
    assert!(process.log().contains("the journal cannot write; events are kept in memory"), "{}", process.log());
    process.lift_file_limit();

    let unobserved = process.metric("shopbell_engine_unobserved_total");
    let taken = process.metric("shopbell_engine_exchanges_total");
    assert_eq!(taken + unobserved, n);
    eventually("all that were taken are committed", || process.metric("shopbell_engine_events_total") == taken);
    let (mut seen, mut last) = (HashSet::new(), None);
    while (seen.len() as u64) < taken {
        let received = receiver.delivery().await;
        let body: serde_json::Value = serde_json::from_slice(&received.body).unwrap();
        let n = body["n"].as_u64().unwrap();
        if seen.insert(n) {
            assert!(last.is_none_or(|last| last < n), "{n} came after {last:?}");
            last = Some(n);
        }
    }
    for text in ["passed%20unobserved", "waited%20in%20memory", "works%20again", "let%20go%20before"] {
        eventually(text, || process.ask(&format!("GET /v1/log?kind=notice&text={text}")).contains("\"text\""));
    }
    assert_eq!(process.stop().code(), Some(0));
}

/// Stopped while the disk is still full: it does not hang, and says how many events are lost.
#[test]
fn a_stop_over_a_full_disk_ends_and_says_what_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    prepare(dir.path(), None);
    let shop = Scripted::answering(FOUND);
    let process = Process::start(dir.path(), &format!("http://{}", shop.address), LIMIT);
    let mut visitor = process.visitor();
    let mut n = 0;
    while process.metric("shopbell_engine_commit_retries_total") == 0 {
        save(&mut visitor, n, &noise(20_000));
        n += 1;
        assert!(n < 2_000, "the limit is never reached");
    }
    save(&mut visitor, n, "");
    drop(visitor);
    assert_eq!(process.stop().code(), Some(0));
    let log = std::fs::read_to_string(dir.path().join("log")).unwrap();
    assert!(log.contains("they are lost") && log.contains("events="), "{log}");
}

/// The log is full while the events journal is not: results of deliveries and an edit of the rules cannot be noted. Nothing is
/// given up; both are tried again and done once there is room, without another edit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_log_delays_results_and_edits_and_loses_neither() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::start((0..200).map(|_| Answer::Text(noise_answer())).collect()).await;
    prepare(dir.path(), Some(&receiver));
    let file = dir.path().join("rules/r.toml");
    let rules = std::fs::read_to_string(&file).unwrap() + "retry = []\nmax_delivery_failures = 100000\n";
    std::fs::write(&file, rules).unwrap();
    let shop = Scripted::answering(FOUND);
    let process = Process::start(dir.path(), &format!("http://{}", shop.address), LIMIT);
    let mut visitor = process.visitor();
    let mut n = 0;
    let ended = "shopbell_deliver_deliveries_total{end=\"exhausted\"}";
    let full = || process.metric("shopbell_deliver_delivery_store_failures_total") > 0;
    while !full() {
        save(&mut visitor, n, "");
        n += 1;
        eventually("it is tried", || process.metric(ended) == n || full());
        assert!(n < 2_000, "the limit is never reached");
    }
    let more = "[event.more]\non = \"POST /more\"\ntopic = \"order.saved\"\nid = \"{{ form.id }}\"\n";
    std::fs::write(dir.path().join("rules/more.toml"), more).unwrap();
    eventually("the edit is refused", || process.ask("GET /v1/status").contains("could not be kept"));
    process.lift_file_limit();
    eventually("the edit is taken", || {
        let status = process.ask("GET /v1/status");
        status.contains("\"event_rules\":2") && status.contains("\"stale\":false")
    });
    eventually("every result is kept", || process.metric(ended) == n);
    assert_eq!(process.stop().code(), Some(0));
}

/// Less than [`start_without_room`] has in the log, so that nothing can be added to it.
const NO_ROOM: &str = "trap '' XFSZ; ulimit -S -f 60;";

/// A process whose disk is full from the start; visitors come in already.
fn start_without_room(dir: &std::path::Path, shop: &Scripted) -> Process {
    let (store, _) = Store::open(&dir.join("data"), Options::default(), Clock::System).unwrap();
    let notices = (0..4).map(|_| Notice::new(Clock::System.now(), NoticeKind::Process, noise(20_000)));
    let log = store.log(notices.map(LogEntry::Notice).collect(), Vec::new());
    tokio::runtime::Runtime::new().unwrap().block_on(log).unwrap();
    drop(store);
    let mut process = Process::spawn(dir, &format!("http://{}", shop.address), NO_ROOM);
    let listen = process.wait_for("is tried again every 5 seconds listen=");
    process.address = listen.parse().unwrap();
    process
}

/// Visitors reach the shop although nothing can be kept; whoever asks learns why; once there is room all works, and what
/// passed meanwhile is counted and noted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_on_a_full_disk_serves_the_shop_and_goes_on_when_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let mut receiver = Receiver::start(vec![Answer::status(200)]).await;
    prepare(dir.path(), Some(&receiver));
    let shop = Scripted::answering(FOUND);
    let mut process = tokio::task::block_in_place(|| start_without_room(dir.path(), &shop));
    let mut before = process.visitor();
    save(&mut before, 1, "");
    save(&mut before, 2, "");
    eventually("the control socket tells", || {
        let socket = std::os::unix::net::UnixStream::connect(dir.path().join("data/control.sock"));
        let status = socket.is_ok().then(|| process.ask("GET /v1/status"));
        status.is_some_and(|status| status.starts_with("HTTP/1.1 503 ") && status.contains("passes unobserved"))
    });
    process.lift_file_limit();
    process.wait_for("shopbell runs listen=");
    save(&mut process.visitor(), 3, "");
    let body: serde_json::Value = serde_json::from_slice(&receiver.delivery().await.body).unwrap();
    assert_eq!(body["n"], 3);
    eventually("what passed is noted", || {
        process.ask("GET /v1/log?kind=notice&text=2%20requests%20passed%20unobserved").contains("\"text\"")
    });
    assert_eq!(process.metric("shopbell_engine_unobserved_total"), 2);
    assert_eq!(process.stop().code(), Some(0));
}

/// A stop meanwhile lets requests end that are under way.
#[test]
fn a_stop_before_there_is_room_drains() {
    let dir = tempfile::tempdir().unwrap();
    prepare(dir.path(), None);
    let shop = Scripted::answering(FOUND);
    let process = start_without_room(dir.path(), &shop);
    save(&mut process.visitor(), 1, "");
    assert_eq!(process.stop().code(), Some(0));
    let log = std::fs::read_to_string(dir.path().join("log")).unwrap();
    assert!(log.contains("stopping: open requests are finished first"), "{log}");
}

/// A failure whose text nothing makes smaller.
fn noise_answer() -> String {
    let body = noise(8_000);
    format!("HTTP/1.1 500 No\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}
