//! Real sockets: what a receiver sees, and what receivers do to us.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use shopbell::clock::Clock;
use shopbell::deliver::{Deliverer, Guard};
use shopbell::id::{EventUid, WebhookId};
use shopbell::mac;
use shopbell::model::record::{EventEntry, LogEntry};
use shopbell::model::{Attempt, DeliveryEnd, FailureClass, Outcome, RetrySchedule, Verdict, Webhook};
use shopbell::store::{LogLine, LogQuery, Options, Store};
use tokio::sync::watch;

use super::rig::{event, webhook};
use crate::support::receiver::{Answer, Receiver};

struct Running {
    store: Store,
    deliverer: Deliverer,
    _webhooks: watch::Sender<Arc<Vec<Arc<Webhook>>>>,
    _stop: watch::Sender<bool>,
}

async fn start(data: &Path, webhook: Webhook, guard: Guard) -> Running {
    let (store, _) = Store::open(data, Options::default(), Clock::System).expect("the store opens");
    let (webhooks, in_force) = watch::channel(Arc::new(vec![Arc::new(webhook)]));
    let (stop, stopping) = watch::channel(false);
    let deliverer = Deliverer::start(store.clone(), in_force, guard, Clock::System, stopping);
    deliverer.backlog(WebhookId(1)).await;
    Running { store, deliverer, _webhooks: webhooks, _stop: stop }
}

fn loopback() -> Guard {
    Guard { allowed: vec!["127.0.0.0/8".parse().expect("a network")], ours: Vec::new() }
}

impl Running {
    async fn event(&self, order: &str) -> EventUid {
        let event = event(order, &[1]);
        let uid = event.uid;
        self.store.commit(vec![EventEntry::Event(Box::new(event))], Vec::new()).await.expect("the store writes");
        uid
    }

    /// Waits for the first attempt in the log that is no ping.
    async fn attempt(&self) -> Attempt {
        loop {
            let query = LogQuery { limit: 100, kinds: vec!["attempt".into()], ..LogQuery::default() };
            let lines = self.store.search(query).await.expect("the log is searched");
            let attempt = lines.into_iter().rev().find_map(|line| match line {
                LogLine::Log { entry: LogEntry::Attempt(attempt), .. } if attempt.event.is_some() => Some(*attempt),
                _ => None,
            });
            if let Some(attempt) = attempt {
                return attempt;
            }
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn the_receiver_sees_woocommerces_headers_letter_by_letter() {
    let data = tempfile::tempdir().unwrap();
    let mut receiver = Receiver::start(vec![Answer::status(200)]).await;
    let headers = vec![("X-Tenant-ID".to_owned(), "tea".to_owned())];
    let table = Webhook { url: receiver.url("/in/woo?a=b"), headers, ..webhook(1) };
    let running = start(data.path(), table, loopback()).await;
    let ping = receiver.any().await;
    let host = receiver.address.to_string();
    assert_eq!(
        ping.lines,
        [
            "POST /in/woo?a=b HTTP/1.1",
            &format!("Host: {host}"),
            "X-Tenant-ID: tea",
            &format!("User-Agent: {}", Webhook::USER_AGENT),
            "Accept: */*",
            "Content-Type: application/x-www-form-urlencoded",
            "Content-Length: 12",
        ]
    );
    assert_eq!(ping.body, b"webhook_id=1");
    let uid = running.event("7").await;
    let delivery = receiver.delivery().await;
    let parts: [&[u8]; 3] = [&uid.0, &1_u64.to_be_bytes(), &0_u32.to_be_bytes()];
    let id = &shopbell::id::hex(&mac::hmac_sha256(&running.store.instance_key(), &parts))[..32];
    let at = delivery.header("webhook-timestamp").expect("a time").to_owned();
    let signature = mac::sign_base64(b"s3cr3t", &[br#"{"id":"7"}"#]);
    let standard = mac::sign_base64(b"s3cr3t", &[format!(r#"{id}.{at}.{{"id":"7"}}"#).as_bytes()]);
    assert_eq!(
        delivery.lines,
        [
            "POST /in/woo?a=b HTTP/1.1",
            &format!("Host: {host}"),
            "X-Tenant-ID: tea",
            &format!("User-Agent: {}", Webhook::USER_AGENT),
            "Accept: */*",
            "Content-Type: application/json",
            "X-WC-Webhook-Source: https://shop.example/",
            "X-WC-Webhook-Topic: order.updated",
            "X-WC-Webhook-Resource: order",
            "X-WC-Webhook-Event: updated",
            &format!("X-WC-Webhook-Signature: {signature}"),
            "X-WC-Webhook-ID: 1",
            &format!("X-WC-Webhook-Delivery-ID: {id}"),
            &format!("webhook-id: {id}"),
            &format!("webhook-timestamp: {at}"),
            &format!("webhook-signature: v1,{standard}"),
            "Content-Length: 10",
        ]
    );
    assert_eq!(delivery.body, br#"{"id":"7"}"#);
    running.event("8").await;
    assert_eq!(receiver.delivery().await.connection, delivery.connection, "the connection is used again");
    let attempt = running.attempt().await;
    assert_eq!((attempt.address, attempt.status, attempt.verdict), (Some(host), Some(200), Verdict::Ok));
    assert!(attempt.phases.first_byte_us.is_some() && attempt.phases.total_us > 0);
}

#[tokio::test]
async fn receivers_that_misbehave_cost_one_attempt_each() {
    let head = |length: &str| format!("HTTP/1.1 200 OK\r\n{length}\r\n");
    let failed = |class| Some(class);
    let rows: [(&str, Answer, Option<FailureClass>); 14] = [
        ("fine", Answer::Text(head("Content-Length: 2\r\n") + "ok"), None),
        ("closes", Answer::Close(head("") + "until the end"), None),
        ("301", Answer::Text("HTTP/1.1 301 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n".into()), None),
        ("302", Answer::Text("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n".into()), None),
        (
            "307",
            Answer::Text("HTTP/1.1 307 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n".into()),
            failed(FailureClass::Status),
        ),
        ("500", Answer::status(500), failed(FailureClass::Status)),
        ("endless", Answer::Endless(head("")), None),
        ("dripping", Answer::Drip(head("")), failed(FailureClass::Timeout)),
        ("silent", Answer::Hang(String::new()), failed(FailureClass::Timeout)),
        ("hangs in the body", Answer::Hang(head("Content-Length: 9\r\n") + "some"), failed(FailureClass::Timeout)),
        ("closes at once", Answer::Close(String::new()), failed(FailureClass::Reset)),
        ("cut body", Answer::Close(head("Content-Length: 9\r\n") + "some"), failed(FailureClass::Reset)),
        ("reset", Answer::Reset(head("Content-Length: 9\r\n") + "some"), failed(FailureClass::Reset)),
        ("garbage", Answer::Close("SSH-2.0-OpenSSH_9.6\r\n".into()), failed(FailureClass::Protocol)),
    ];
    for (name, answer, expected) in rows {
        let data = tempfile::tempdir().unwrap();
        let mut receiver = Receiver::start(vec![answer]).await;
        let table = Webhook { url: receiver.url("/"), timeout: Duration::from_millis(500), ..webhook(1) };
        let running = start(data.path(), table, loopback()).await;
        running.event("7").await;
        receiver.delivery().await;
        let attempt = running.attempt().await;
        let class = if let Verdict::Failed { class, .. } = &attempt.verdict { Some(*class) } else { None };
        assert_eq!(class, expected, "{name}: {attempt:?}");
        assert!(attempt.answer.len() <= 8 * 1024, "{name}");
    }
}

#[tokio::test]
async fn receivers_that_are_not_there_are_told_apart() {
    let unused = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = unused.local_addr().unwrap();
    drop(unused);
    let mut receiver = Receiver::start(vec![Answer::status(200)]).await;
    let (plain, host) = (receiver.url("/"), receiver.address);
    let ours = Guard { ours: vec![host], ..loopback() };
    let rows = [
        (format!("http://{nobody}/"), loopback(), FailureClass::Connect, "no connection to"),
        (
            "http://shop.invalid/".to_owned(),
            loopback(),
            FailureClass::Dns,
            "the name shop.invalid could not be resolved",
        ),
        (plain.clone(), Guard::default(), FailureClass::Blocked, "--allow-delivery-to 127.0.0.1/32"),
        (format!("http://localhost:{}/", host.port()), Guard::default(), FailureClass::Blocked, "(loopback)"),
        (format!("http://[::ffff:127.0.0.1]:{}/", host.port()), Guard::default(), FailureClass::Blocked, "(loopback)"),
        (plain.clone(), ours, FailureClass::Blocked, "a listener of our own or the shop itself; no setting allows it"),
        ("http://169.254.169.254/latest".to_owned(), loopback(), FailureClass::Blocked, "link-local"),
        (plain.replace("http:", "https:"), loopback(), FailureClass::Tls, "TLS failed"),
        (
            "ftp://shop.example/".to_owned(),
            loopback(),
            FailureClass::Unencodable,
            "must begin with http:// or https://",
        ),
    ];
    for (url, guard, expected, says) in rows {
        let data = tempfile::tempdir().unwrap();
        let running = start(data.path(), Webhook { url: url.clone(), ..webhook(1) }, guard).await;
        running.event("7").await;
        let attempt = running.attempt().await;
        let Verdict::Failed { class, text } = &attempt.verdict else { panic!("{url} was delivered") };
        assert_eq!(*class, expected, "{url}: {text}");
        assert!(text.contains(says), "{url}: {text}");
        let ping = running.deliverer.ping(WebhookId(1)).await.unwrap_err();
        assert!(ping.contains(says), "{url}: {ping}");
    }
    let data = tempfile::tempdir().unwrap();
    let running = start(data.path(), Webhook { url: plain, ..webhook(1) }, loopback()).await;
    running.event("last").await;
    assert_eq!(receiver.delivery().await.body, br#"{"id":"last"}"#, "nothing else ever came here");
}

/// Real time, real sockets, a receiver that fails now and then: nothing is lost, and every order's events end in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_deliveries_with_failures_between_them_end_in_order() {
    const EVENTS: usize = 300;
    let data = tempfile::tempdir().unwrap();
    let answer = |at: usize| Answer::status(if at.is_multiple_of(7) { 500 } else { 200 });
    let receiver = Receiver::start((0..=EVENTS).map(answer).chain([Answer::status(200)]).collect()).await;
    let retry = RetrySchedule(vec![Duration::from_millis(10); 8]);
    let running = start(data.path(), Webhook { url: receiver.url("/"), retry, ..webhook(1) }, loopback()).await;
    for at in 0..EVENTS {
        running.event(&(at % 20).to_string()).await;
    }
    let outcomes = loop {
        let query = LogQuery { limit: 2 * EVENTS, kinds: vec!["outcome".into()], ..LogQuery::default() };
        let lines = running.store.search(query).await.unwrap();
        if lines.len() == EVENTS {
            break lines;
        }
        tokio::task::yield_now().await;
    };
    let mut ends: HashMap<String, Vec<Outcome>> = HashMap::new();
    for line in outcomes.into_iter().rev() {
        let LogLine::Log { entry: LogEntry::Outcome(outcome), .. } = line else { continue };
        assert_eq!(outcome.end, DeliveryEnd::Delivered);
        ends.entry(outcome.about.clone()).or_default().push(*outcome);
    }
    assert_eq!(ends.len(), 20);
    assert!(ends.values().all(|ends| ends.is_sorted_by_key(|end| end.event)));
    assert!(ends.values().flatten().any(|end| end.attempts > 1), "some failed at first");
    assert_eq!(running.deliverer.counters().deliveries(DeliveryEnd::Delivered), EVENTS as u64);
}
