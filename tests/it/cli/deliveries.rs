//! What became of deliveries, sending them again, searching and following the log, erasing.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;
use shopbell::cli::demo::shop::{Shop, router};

use super::running::{Running, run, said, serve, until};
use super::{Bench, demo_rules};

/// A receiver that answers as told, and sends back what it got.
#[derive(Clone, Default)]
struct Receiver {
    status: Arc<AtomicU16>,
    /// Delivery id and the id it repeats, of those it took.
    took: Arc<Mutex<Vec<(String, String)>>>,
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> (StatusCode, HeaderMap, String) {
    let header = |name| headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    let delivery = header("x-wc-webhook-delivery-id");
    if delivery.is_empty() {
        return (StatusCode::OK, HeaderMap::new(), String::new());
    }
    let status = receiver.status.load(Ordering::Relaxed);
    if status == 200 {
        receiver.took.lock().unwrap().push((delivery, header("x-webhook-replay-of")));
    }
    let mut cookie = HeaderMap::new();
    cookie.insert("set-cookie", "sid=confidential".parse().unwrap());
    let body: Value = serde_json::from_slice(&body).unwrap();
    let answer = serde_json::json!({ "sig": header("x-wc-webhook-signature"), "secret": "s3cr3t", "arg": body });
    (StatusCode::from_u16(status).unwrap(), cookie, answer.to_string())
}

async fn set_up() -> (Bench, SocketAddr, Receiver) {
    let receiver = Receiver::default();
    receiver.status.store(500, Ordering::Relaxed);
    let app = axum::Router::new().fallback(receive).with_state(receiver.clone());
    let (address, shop) = (serve(app).await, serve(router(Shop::new())).await);
    let bench = Bench::new();
    demo_rules(&bench.path("rules"));
    let webhooks = format!(
        "[webhook.erp]\ntopic = \"*\"\nurl = \"http://{address}/in\"\nsecret = \"s3cr3t\"\nretry = []\n\
         max_delivery_failures = 1000\n"
    );
    bench.write("rules/webhooks.toml", &webhooks);
    (bench, shop, receiver)
}

/// Puts a product into the cart so often: one event each.
async fn add(running: &Running, products: &[u32]) {
    for product in products {
        running.post("/cart/add", &format!("product_id={product}&quantity=1")).await;
    }
}

/// The ids of what fits, oldest first.
async fn ids(bench: &Bench, state: &str) -> Vec<String> {
    let output = run(bench, &["deliveries", "list", "--state", state, "--json"]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned();
    text.lines().map(id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_deliveries_are_looked_at_recovered_and_replayed() {
    let (bench, shop, receiver) = set_up().await;
    let running = Running::start(&bench, shop).await;
    add(&running, &[1, 2, 3]).await;
    let failed = |text: &str| text.matches("given up").count() == 3;
    until(&bench, &["deliveries", "list", "--state", "failed"], failed).await;
    let all = ids(&bench, "failed").await;
    let story = said(&bench, &["deliveries", "show", &all[0]]).await;
    for part in [
        "failed",
        "product 1",
        "seen by rule",
        "POST /cart/add",
        "attempt 1 (the first)",
        "/in at 127.0.0.1:",
        "total ",
    ] {
        assert!(story.contains(part), "{part}\n{story}");
    }
    for part in ["s3cr3t", "confidential"] {
        assert!(!story.contains(part), "{part}\n{story}");
    }
    assert!(story.contains("set-cookie: [redacted]") && story.contains(r#""sig":"[redacted]""#), "{story}");

    let count = said(&bench, &["deliveries", "recover", "--webhook", "erp", "--dry-run"]).await;
    assert!(count.starts_with("exit 0\n") && count.contains("3 deliveries fit"), "{count}");
    let one = ["deliveries", "recover", "--webhook", "erp", "--text", "product 1", "--dry-run"];
    let one = said(&bench, &one).await;
    assert!(one.starts_with("exit 0\n") && one.contains("1 delivery fits, of an event from "), "{one}");
    let refused = said(&bench, &["deliveries", "recover", "--webhook", "erp"]).await;
    assert!(refused.starts_with("exit 2\n") && refused.contains("--yes"), "{refused}");
    receiver.status.store(200, Ordering::Relaxed);
    let args = ["deliveries", "recover", "--webhook", "erp", "--text", "product 1", "--rate", "50/s", "--yes"];
    let made = said(&bench, &args).await;
    assert!(made.starts_with("exit 0\n") && made.contains("run                1"), "{made}");
    let notices = said(&bench, &["log", "--kind", "notice"]).await;
    assert!(notices.contains("run 1: it sends 1 delivery again (failed)"), "{notices}");
    until(&bench, &["runs", "show", "1"], |text| text.contains("done               1 of 1") && text.contains("done\n"))
        .await;
    let made = said(&bench, &["deliveries", "recover", "--webhook", "erp", "--yes", "--json"]).await;
    assert!(made.contains("\"id\":2") && made.contains("\"matched\":2"), "{made}");
    until(&bench, &["runs", "list"], |text| text.matches("done").count() == 2).await;
    let took = receiver.took.lock().unwrap().clone();
    assert_eq!(took.iter().map(|(id, _)| id).collect::<HashSet<_>>(), all.iter().collect(), "under the same ids");
    assert!(took.iter().all(|(_, of)| of.is_empty()));

    let replay = said(&bench, &["deliveries", "replay", &all[0]]).await;
    assert!(replay.starts_with("exit 0\n") && replay.contains("sent as run 3"), "{replay}");
    until(&bench, &["runs", "show", "3"], |text| text.contains("delivered          1")).await;
    let (new, of) = receiver.took.lock().unwrap().last().unwrap().clone();
    assert!(new != all[0] && of == all[0]);
    let story = said(&bench, &["deliveries", "show", &new]).await;
    assert!(story.contains(&format!("replay of     {}", all[0])) && story.contains("(asked for, run 3)"), "{story}");
    let old = said(&bench, &["deliveries", "show", "1:erp"]).await;
    assert!(old.contains(&all[0]) && old.contains(&format!("see also      {new}")), "{old}");
    what_is_not_there_is_told(&bench).await;
}

async fn what_is_not_there_is_told(bench: &Bench) {
    let rows: [(&[&str], i32, &str); 13] = [
        (&["deliveries", "list", "--webhook", "epr"], 1, "no webhook `epr`; did you mean `erp`?"),
        (&["log", "--webhook", "nosuch"], 1, "there is no webhook `nosuch`"),
        (&["log", "--webhook", "erp", "--text", "nosuch"], 0, "WEBHOOK"),
        (&["runs", "show", "erp"], 2, "invalid value 'erp' for '<RUN>'"),
        (&["runs", "show", "--help"], 0, "Its number, as `runs list` tells it"),
        (&["deliveries", "show", "nothing"], 1, "EVENT:WEBHOOK"),
        (&["deliveries", "replay", "77:erp"], 1, "holds no delivery 77:erp"),
        (&["deliveries", "recover", "--webhook", "epr", "--dry-run"], 1, "did you mean `erp`?"),
        (&["deliveries", "recover", "--webhook", "erp", "--rate", "fast", "--dry-run"], 2, "is no rate"),
        (&["deliveries", "recover", "--webhook", "erp", "--since", "later", "--dry-run"], 2, "is no time"),
        (&["runs", "pause", "1"], 1, "run 1 is done already"),
        (&["runs", "show", "9"], 1, "no run 9"),
        (&["deliveries", "list", "--state", "odd"], 2, "invalid value"),
    ];
    for (args, code, text) in rows {
        let said = said(bench, args).await;
        assert!(said.starts_with(&format!("exit {code}\n")) && said.contains(text), "{args:?}\n{said}");
    }
}

/// What was never tried has no line in the log, and is listed all the same: how it stands, and why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries_never_tried_are_listed_with_their_reason() {
    let (bench, shop, receiver) = set_up().await;
    let file = bench.path("rules/webhooks.toml");
    let rules = std::fs::read_to_string(&file).unwrap();
    let rules = rules.replace("retry = []", "retry = [\"1h\"]\nhold_when_paused = true");
    let other = rules.replace("webhook.erp", "webhook.crm").replace("\"*\"", "\"order.*\"");
    std::fs::write(&file, format!("{rules}{other}")).unwrap();
    let running = Running::start(&bench, shop).await;
    add(&running, &[1, 1, 2]).await;
    let list = |more: &[&'static str]| [&["deliveries", "list"], more].concat();
    let waiting = |text: &str| text.matches(" waiting ").count() == 2;
    until(&bench, &list(&["--state", "waiting"]), waiting).await;
    let queued = until(&bench, &list(&["--state", "queued"]), |text| text.contains("goes first")).await;
    assert!(queued.contains("2:erp") && queued.matches(" queued ").count() == 1, "{queued}");
    let paused = said(&bench, &["webhooks", "pause", "erp"]).await;
    assert!(paused.starts_with("exit 0"), "{paused}");
    add(&running, &[3]).await;
    until(&bench, &list(&["--state", "queued"]), |text| text.matches("the webhook is paused").count() == 2).await;
    for (more, rows) in [
        (&["--state", "held"][..], 4),
        (&[], 4),
        (&["--webhook", "erp"], 4),
        (&["--webhook", "2", "--state", "queued"], 2),
        (&["--webhook", "crm"], 0),
        (&["--state", "queued", "--limit", "1"], 1),
        (&["--state", "queued", "--topic", "order.*"], 0),
        (&["--state", "queued", "--resource", "product", "--id", "3"], 1),
        (&["--state", "queued", "--since", "1h", "--text", "product"], 2),
        (&["--state", "delivered"], 0),
        (&["--state", "failed"], 0),
    ] {
        let output = run(&bench, &[&list(more)[..], &["--json"]].concat()).await;
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text.lines().count(), rows, "{more:?}\n{text}");
    }
    // `crm` wants none of the four events, which are unread for it only until they are passed over.
    until(&bench, &["webhooks", "show", "crm"], |text| text.contains("waiting            0\nevents unread      0\n"))
        .await;
    let erp = said(&bench, &["webhooks", "show", "erp"]).await;
    assert!(erp.contains("waiting            3\nevents unread      1, for this webhook or not\n"), "{erp}");
    let listed = said(&bench, &["webhooks", "list"]).await;
    assert!(listed.contains("WAITING  EVENTS UNREAD  LAST DELIVERED"), "{listed}");
    a_replay_of_what_is_held_says_so(&bench).await;
    // By place or by id, the story so far is told; and the same without a process.
    let all = ids(&bench, "queued").await;
    assert_eq!(all.len(), 2);
    let stories = [("2:erp", "product 1"), (&all[0], "product 1"), ("4:erp", "product 3"), (&all[1], "product 3")];
    let told = async || {
        for (which, about) in stories {
            let story = said(&bench, &["deliveries", "show", which]).await;
            for part in ["queued: not tried yet", about, "seen by rule", "\nnot tried yet: the webhook is paused"] {
                assert!(story.contains(part), "{which}: {part}\n{story}");
            }
        }
    };
    told().await;
    // The id that JSON tells is the one under which it then goes out.
    assert_eq!(running.stop().await, Some(0));
    told().await;
    let ids = ids(&bench, "queued").await;
    assert_eq!(ids, all);
    receiver.status.store(200, Ordering::Relaxed);
    let _running = Running::start(&bench, shop).await;
    let resumed = said(&bench, &["webhooks", "resume", "erp"]).await;
    assert!(resumed.starts_with("exit 0"), "{resumed}");
    until(&bench, &list(&["--state", "delivered", "--id", "3"]), |text| text.contains(" delivered ")).await;
    let took: HashSet<String> = receiver.took.lock().unwrap().iter().map(|(id, _)| id.clone()).collect();
    assert!(took.contains(&ids[1]), "{ids:?} {took:?}");
}

/// What is asked for while the queue owes it is not sent beside the queue, but made due there.
async fn a_replay_of_what_is_held_says_so(bench: &Bench) {
    for (which, json, part) in [
        ("1:crm", "", "no delivery 1:crm"),
        ("1:erp", "", "it had not ended: run 1 makes it due now in the queue of webhook erp"),
        ("4:erp", "--json", "\"held\":true"),
    ] {
        let args: Vec<_> = ["deliveries", "replay", which, json].into_iter().filter(|arg| !arg.is_empty()).collect();
        let replay = said(bench, &args).await;
        assert!(replay.contains(part) && !replay.contains("sent as"), "{which}\n{replay}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_survives_kill_9_and_sends_nothing_it_knows_twice() {
    let (bench, shop, receiver) = set_up().await;
    let mut running = Running::start(&bench, shop).await;
    add(&running, &[1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3]).await;
    until(&bench, &["deliveries", "list", "--state", "failed"], |text| text.matches("given up").count() == 12).await;
    let all: HashSet<String> = ids(&bench, "failed").await.into_iter().collect();
    receiver.status.store(200, Ordering::Relaxed);
    said(&bench, &["deliveries", "recover", "--webhook", "erp", "--rate", "10/s", "--yes"]).await;
    until(&bench, &["runs", "show", "1"], |_| receiver.took.lock().unwrap().len() >= 4).await;
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    let at_kill = receiver.took.lock().unwrap().len();
    let running = Running::start(&bench, shop).await;
    let over = until(&bench, &["runs", "show", "1"], |text| text.contains("done               12 of 12")).await;
    assert!(over.contains("delivered          12"), "{over}");
    let took: Vec<String> = receiver.took.lock().unwrap().iter().map(|(id, _)| id.clone()).collect();
    assert_eq!(took.iter().cloned().collect::<HashSet<_>>(), all);
    // Only what was under way at the kill may come twice.
    assert!(took.len() <= all.len() + 1, "{} of {}, {at_kill} before the kill", took.len(), all.len());
    assert_eq!(running.stop().await, Some(0));
    let offline = said(&bench, &["runs", "list"]).await;
    assert!(offline.starts_with("exit 0\n") && offline.contains("done"), "{offline}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_narrowed_and_followed_over_a_restart() {
    let (bench, shop, _receiver) = set_up().await;
    let running = Running::start(&bench, shop).await;
    add(&running, &[1, 2]).await;
    until(&bench, &["log", "--kind", "outcome"], |text| text.matches("given up").count() == 2).await;
    let rows: [(&[&str], usize); 7] = [
        (&["--kind", "attempt", "--status", "5xx"], 2),
        (&["--kind", "attempt", "--status", "404"], 0),
        (&["--state", "failed", "--id", "2"], 2),
        (&["--resource", "product", "--since", "1h"], 6),
        (&["--resource", "product", "--until", "2020-01-01"], 0),
        (&["--text", "ADD_to_cart erp", "--kind", "outcome"], 2),
        (&["--webhook", "erp", "--kind", "event", "--limit", "1"], 1),
    ];
    for (args, count) in rows {
        let output = run(&bench, &[&["log", "--json"], args].concat()).await;
        assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), count, "{args:?} {output:?}");
    }
    for (args, text) in [(["--status", "abc"], "is no status code"), (["--state", "lost"], "is no state of a line")] {
        let said = said(&bench, &[&["log"], &args[..]].concat()).await;
        assert!(said.starts_with("exit 2\n") && said.contains(text), "{said}");
    }

    let mut follow = bench.command(&["log", "--follow", "--kind", "event", "--json"]);
    let mut child = follow.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (told, tells) = tokio::sync::mpsc::channel(100);
    let reader = std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| told.blocking_send(line)));
    let mut tells = tells;
    let mut next = async || {
        let line = tokio::time::timeout(super::running::PATIENCE, tells.recv()).await.expect("a line").unwrap();
        serde_json::from_str::<Value>(&line).unwrap()["seq"].as_u64().unwrap()
    };
    assert_eq!((next().await, next().await), (1, 2));
    add(&running, &[3]).await;
    assert_eq!(next().await, 3);
    assert_eq!(running.stop().await, Some(0));
    let running = Running::start(&bench, shop).await;
    add(&running, &[3]).await;
    assert!(next().await > 3, "it is found again, and nothing is missed");
    child.kill().unwrap();
    child.wait().unwrap();
    let _ = reader.join();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erase_is_counted_asked_for_and_done_with_and_without_a_process() {
    let (bench, shop, receiver) = set_up().await;
    receiver.status.store(200, Ordering::Relaxed);
    let running = Running::start(&bench, shop).await;
    let register = "email=ann%40example.com&first_name=Ann&last_name=Tea&password=geheim-42";
    running.post("/register", register).await;
    until(&bench, &["log", "--kind", "outcome"], |text| text.contains("delivered after")).await;
    let counted = said(&bench, &["erase", "--customer", "ann@example.com", "--dry-run"]).await;
    assert!(counted.starts_with("exit 0\n") && counted.contains("would erase      1 event\n"), "{counted}");
    assert!(counted.contains("the receivers of erp keep it"), "{counted}");
    let refused = said(&bench, &["erase", "--customer", "ann@example.com"]).await;
    assert!(refused.starts_with("exit 2\n") && refused.contains("--yes"), "{refused}");
    let erased = said(&bench, &["erase", "--customer", "ann@example.com", "--yes", "--json"]).await;
    assert!(erased.starts_with("exit 0\n") && erased.contains("\"dry_run\":false"), "{erased}");
    let log = said(&bench, &["log", "--json"]).await;
    assert!(!log.contains("ann@example.com"), "{log}");
    let done = ["log", "--text", "an erase is done"];
    until(&bench, &done, |text| text.contains("done: 1 event and ")).await;
    assert_eq!(running.stop().await, Some(0));
    let again = said(&bench, &["erase", "--customer", "ann@example.com", "--dry-run"]).await;
    assert!(again.starts_with("exit 0\n") && again.contains("0 events"), "{again}");
    let both = said(&bench, &["erase", "--customer", "1", "--order", "2", "--dry-run"]).await;
    assert!(both.starts_with("exit 2\n"), "{both}");
    assert!(said(&bench, &["erase"]).await.starts_with("exit 2\n"));
}
