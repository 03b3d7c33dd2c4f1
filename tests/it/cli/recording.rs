//! `record`, `explain --live` and `case`: from live traffic to a case beside the rules.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use shopbell::cli::demo::shop::{Shop, router};
use shopbell::exchange::parse_har;

use super::running::{PATIENCE, Running, run, said, serve};
use super::{Bench, demo_rules};

async fn set_up() -> (Bench, Running) {
    let shop = serve(router(Shop::new())).await;
    let bench = Bench::new();
    demo_rules(&bench.path("rules"));
    let running = Running::start(&bench, shop).await;
    (bench, running)
}

/// Starts a recording and waits until it is taken.
async fn recording(bench: &Bench, args: &[&str]) -> std::process::Child {
    let log = format!("{}.log", args[0]);
    let all: Vec<&str> = ["record", "--out"].iter().chain(args).copied().collect();
    let log_file = fs::File::create(bench.path(&log)).unwrap();
    let child = bench.command(&all).stdout(Stdio::null()).stderr(log_file).spawn().unwrap();
    let begun = async {
        // The head is the first thing in the file, once the process has answered.
        while !fs::read_to_string(bench.path(&log)).unwrap().contains("Ctrl-C ends it") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, begun).await.expect("it begins");
    child
}

async fn ended(mut child: std::process::Child) -> Option<i32> {
    let ended = async {
        loop {
            match child.try_wait().unwrap() {
                Some(status) => break status.code(),
                None => tokio::task::yield_now().await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.expect("it ends")
}

fn interrupt(child: &std::process::Child) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
}

async fn until_file(bench: &Bench, file: &str, part: &str) -> String {
    let read = async {
        loop {
            let text = fs::read_to_string(bench.path(file)).unwrap_or_default();
            if text.contains(part) {
                break text;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, read).await.unwrap_or_else(|_| panic!("{file} never has {part}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traffic_is_recorded_without_secrets_and_becomes_a_case() {
    let (bench, running) = set_up().await;
    let all = recording(&bench, &["all.jsonl"]).await;
    let posts = recording(&bench, &["posts.har", "--har", "--match", "POST /cart/**"]).await;
    let raw = recording(&bench, &["raw.jsonl", "--raw", "--match", "/login"]).await;
    // No rule wants the login of nobody, nor what follows it.
    running.post("/login", "email=nobody%40x.example&password=geheim-123").await;
    running.post("/cart/add", "product_id=1").await;
    let text = until_file(&bench, "all.jsonl", "/cart/add").await;
    until_file(&bench, "posts.har", "/cart/add").await;
    until_file(&bench, "raw.jsonl", "/login").await;
    for child in [&all, &posts, &raw] {
        interrupt(child);
    }
    for child in [all, posts, raw] {
        assert_eq!(ended(child).await, Some(0));
    }
    assert!(!text.contains("ended"), "{text}");
    let text = fs::read_to_string(bench.path("all.jsonl")).unwrap();
    let mut lines = text.lines();
    let head: serde_json::Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    assert!(head["shopbell"]["redacted"][0] == "cookies" && head["shopbell"]["raw"] == false, "{head}");
    let rest: Vec<&str> = lines.collect();
    assert_eq!(rest.len(), 3, "two exchanges, and how it ended");
    let tail: serde_json::Value = serde_json::from_str(rest[2]).unwrap();
    assert_eq!((&tail["shopbell"]["ended"], &tail["shopbell"]["missed"]), (&true.into(), &0.into()), "{tail}");
    let har = fs::read_to_string(bench.path("posts.har")).unwrap();
    assert_eq!(parse_har(&har).unwrap().len(), 1, "{har}");
    assert!(har.contains("replaced by pseudonyms: cookies"), "{har}");
    let warned = fs::read_to_string(bench.path("raw.jsonl.log")).unwrap();
    assert!(warned.contains("warning: cookies, passwords") && warned.contains("1 exchange, "), "{warned}");
    let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(bench.path("all.jsonl")).unwrap());
    assert_eq!(mode & 0o777, 0o600);

    // From the recording to a case that passes, with the rules beside it.
    let case = ["case", "--exchanges", "all.jsonl", "--rules", "rules", "--out", "rules/cases/cart.txt"];
    let made = said(&bench, &case).await;
    assert!(made.contains("2 exchanges and 1 event in rules/cases/cart.txt"), "{made}");
    let text = fs::read_to_string(bench.path("rules/cases/cart.txt")).unwrap();
    assert!(text.contains("\npassword = x") && !text.contains("geheim") && text.contains("nobody@x.example"), "{text}");
    let tested = said(&bench, &["test"]).await;
    assert!(tested.starts_with("exit 0\n") && tested.contains("1 passed"), "{tested}");
    assert!(said(&bench, &case).await.contains("is there already"));
    let one = said(&bench, &["case", "--exchanges", "all.jsonl", "--seq", "1"]).await;
    assert!(one.contains(">>> POST /cart/add t=0\n") && !one.contains("/login"), "{one}");
    let one = said(&bench, &["case", "--exchanges", "raw.jsonl"]).await;
    assert!(one.contains("\npassword = x") && !one.contains("geheim"), "{one}");
    let one = said(&bench, &["case", "--exchanges", "raw.jsonl", "--raw"]).await;
    assert!(one.contains("password = geheim-123"), "{one}");

    let told = said(&bench, &["explain", "--live"]).await;
    assert!(
        told.contains("✓ add-to-cart") && told.contains("when it happened: action.woocommerce_add_to_cart 1"),
        "{told}"
    );
    assert!(told.contains("✗ customer-login") && !told.contains("geheim"), "{told}");
    let told = said(&bench, &["explain", "--live", "--last", "1", "--json"]).await;
    assert_eq!(told.matches("\"seq\":").count(), 2, "the exchange and its event: {told}");
    assert_eq!(running.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recordings_end_by_size_by_time_and_with_the_process() {
    let (bench, running) = set_up().await;
    let small = recording(&bench, &["small.har", "--har", "--max", "1KB"]).await;
    let short = recording(&bench, &["short.jsonl", "--for", "1s"]).await;
    let long = recording(&bench, &["long.jsonl"]).await;
    let twice = run(&bench, &["record", "--out", "long.jsonl"]).await;
    assert!(String::from_utf8_lossy(&twice.stderr).contains("is there already"));
    running.post("/cart/add", "product_id=1").await;
    running.post("/cart/add", "product_id=1").await;
    assert_eq!(ended(small).await, Some(0));
    let har = fs::read_to_string(bench.path("small.har")).unwrap();
    assert!(har.len() <= 1_000 && parse_har(&har).is_ok(), "{} {har}", har.len());
    assert!(fs::read_to_string(bench.path("small.har.log")).unwrap().contains("as large as --max allows"));
    assert_eq!(ended(short).await, Some(0));
    until_file(&bench, "long.jsonl", "/cart/add").await;
    assert_eq!(
        tokio::time::timeout(Duration::from_secs(20), running.stop()).await.unwrap(),
        Some(0),
        "it is not held up"
    );
    assert_eq!(ended(long).await, Some(0));
    let log = fs::read_to_string(bench.path("long.jsonl.log")).unwrap();
    assert!(log.contains("the process stopped") && !log.contains("missed"), "{log}");
    let long = fs::read_to_string(bench.path("long.jsonl")).unwrap();
    assert!(long.ends_with("{\"shopbell\":{\"ended\":true,\"missed\":0}}\n"), "{long}");
    let said = said(&bench, &["record", "--out", "none.jsonl"]).await;
    assert!(said.starts_with("exit 1\n") && said.contains("no shopbell runs on the data directory"), "{said}");
    for odd in [&["--for", "x"][..], &["--max", "5"]] {
        let args: Vec<&str> = ["record", "--out", "x.jsonl"].iter().chain(odd).copied().collect();
        assert_eq!(run(&bench, &args).await.status.code(), Some(2), "{odd:?}");
    }
}
