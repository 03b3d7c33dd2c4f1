//! What receivers do to us, on real sockets: each costs one attempt, and the log says what it was.

use std::time::Duration;

use shopbell::deliver::Guard;
use shopbell::id::WebhookId;
use shopbell::model::{FailureClass, Verdict, Webhook};

use super::real::{loopback, start};
use super::rig::webhook;
use crate::support::receiver::{Answer, Receiver};

/// A redirect to elsewhere.
fn redirect(status: u16) -> Answer {
    Answer::Text(format!("HTTP/1.1 {status} Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"))
}

fn busy(status: u16, retry_after: &str) -> Answer {
    Answer::Text(format!("HTTP/1.1 {status} Busy\r\nRetry-After: {retry_after}\r\nContent-Length: 0\r\n\r\n"))
}

/// Each answer, what kind of failure it is (`None`: delivered), and how the decision after it begins.
fn misbehaving() -> [(&'static str, Answer, Option<FailureClass>, &'static str); 40] {
    use FailureClass::{Protocol, Reset, Status, Timeout};
    let head = |length: &str| format!("HTTP/1.1 200 OK\r\n{length}\r\n");
    let some = head("Content-Length: 9\r\n") + "some";
    [
        ("fine", Answer::Text(head("Content-Length: 2\r\n") + "ok"), None, "delivered"),
        ("closes", Answer::Close(head("") + "until the end"), None, "delivered"),
        ("301", redirect(301), None, "delivered; the redirect was not followed"),
        ("302", redirect(302), None, "delivered; the redirect was not followed"),
        ("303", redirect(303), Some(Status), "retry in 5 s"),
        ("307", redirect(307), Some(Status), "retry in 5 s"),
        ("308", redirect(308), Some(Status), "retry in 5 s"),
        ("304", Answer::status(304), Some(Status), "retry in 5 s"),
        ("404", Answer::status(404), Some(Status), "retry in 5 s"),
        ("410", Answer::status(410), Some(Status), "given up: the receiver is gone for good; the webhook is disabled"),
        ("500", Answer::status(500), Some(Status), "retry in 5 s"),
        ("429", Answer::status(429), Some(Status), "retry in 60 s"),
        ("502", Answer::status(502), Some(Status), "retry in 60 s"),
        ("503", Answer::status(503), Some(Status), "retry in 60 s"),
        ("504", Answer::status(504), Some(Status), "retry in 60 s"),
        ("seconds", busy(429, "90"), Some(Status), "retry in 90 s"),
        ("few seconds", busy(503, "1"), Some(Status), "retry in 5 s"),
        ("date", busy(429, "Fri, 06 Nov 2099 08:49:37 GMT"), Some(Status), "retry in 86400 s"),
        ("date gone by", busy(429, "Sun, 06 Nov 1994 08:49:37 GMT"), Some(Status), "retry in 5 s"),
        ("huge", busy(503, "99999999999999999999999"), Some(Status), "retry in 86400 s"),
        ("garbage", busy(503, "when the moon is full"), Some(Status), "retry in 60 s"),
        ("endless", Answer::Endless(head("")), None, "delivered"),
        ("dripping", Answer::Drip(head("")), Some(Timeout), "retry in 60 s"),
        ("silent", Answer::Hang(String::new()), Some(Timeout), "retry in 60 s"),
        ("hangs in the body", Answer::Hang(some.clone()), Some(Timeout), "retry in 60 s"),
        ("closes at once", Answer::Close(String::new()), Some(Reset), "retry in 5 s"),
        ("resets at once", Answer::Reset(String::new()), Some(Reset), "retry in 5 s"),
        ("cut body", Answer::Close(some.clone()), Some(Reset), "retry in 5 s"),
        ("200, then a reset", Answer::Reset(some), Some(Reset), "retry in 5 s"),
        (
            "interim",
            Answer::Text("HTTP/1.1 103 Early Hints\r\n\r\n".to_owned() + &head("Content-Length: 0\r\n")),
            None,
            "delivered",
        ),
        ("999", Answer::status(999), Some(Status), "retry in 5 s"),
        ("words for a status", Answer::Close("HTTP/1.1 two hundred\r\n\r\n".into()), Some(Protocol), "retry in 5 s"),
        ("a long status", Answer::Close("HTTP/1.1 20000 OK\r\n\r\n".into()), Some(Protocol), "retry in 5 s"),
        ("no status", Answer::Close("HTTP/1.1\r\n\r\n".into()), Some(Protocol), "retry in 5 s"),
        ("another version", Answer::Close("HTTP/7.3 200 OK\r\n\r\n".into()), Some(Protocol), "retry in 5 s"),
        ("bytes", Answer::Close("\u{0}\u{1}\u{fffd}\r\n\r\n".into()), Some(Protocol), "retry in 5 s"),
        ("a negative length", Answer::Close(head("Content-Length: -5\r\n")), Some(Protocol), "retry in 5 s"),
        ("a bad chunk", Answer::Close(head("Transfer-Encoding: chunked\r\n") + "zz\r\n"), Some(Reset), "retry in 5 s"),
        ("an endless head", Answer::Endless("HTTP/1.1 200 OK\r\nX: ".into()), Some(Protocol), "retry in 5 s"),
        ("no HTTP", Answer::Close("SSH-2.0-OpenSSH_9.6\r\n".into()), Some(Protocol), "retry in 5 s"),
    ]
}

#[tokio::test]
async fn receivers_that_misbehave_cost_one_attempt_each() {
    for (name, answer, expected, decision) in misbehaving() {
        let data = tempfile::tempdir().unwrap();
        let mut receiver = Receiver::start(vec![answer]).await;
        let limit = if expected == Some(FailureClass::Timeout) { 200 } else { 5_000 };
        let table = Webhook { url: receiver.url("/"), timeout: Duration::from_millis(limit), ..webhook(1) };
        let running = start(data.path(), table, loopback()).await;
        running.event("7").await;
        assert_eq!(receiver.delivery().await.lines[0], "POST / HTTP/1.1");
        let attempt = running.attempt().await;
        let class = if let Verdict::Failed { class, .. } = &attempt.verdict { Some(*class) } else { None };
        assert_eq!(class, expected, "{name}: {attempt:?}");
        // Jitter adds up to a fifth to the schedule's gap.
        let says = match decision.strip_suffix(" 5 s") {
            Some(start) => ["5", "6"].iter().any(|seconds| attempt.decision == format!("{start} {seconds} s")),
            None => attempt.decision.starts_with(decision),
        };
        assert!(says, "{name}: {}", attempt.decision);
        assert!(attempt.answer.len() <= 8 * 1024, "{name}");
        let steps = (attempt.phases.dns_us, attempt.phases.tcp_us);
        assert!(attempt.reused || matches!(steps, (Some(dns), Some(tcp)) if dns <= tcp), "{name}: {attempt:?}");
    }
}

/// It may have been closed before the request came: sent once more at once, on another connection, that is one attempt. A new
/// connection that breaks costs one.
#[tokio::test]
async fn a_kept_connection_that_is_closed_costs_no_attempt() {
    let data = tempfile::tempdir().unwrap();
    let closed = || Answer::Close(String::new());
    let mut receiver =
        Receiver::start(vec![Answer::status(200), closed(), Answer::status(200), closed(), closed()]).await;
    let running = start(data.path(), Webhook { url: receiver.url("/"), ..webhook(1) }, loopback()).await;
    let rows = [(1, false, true), (2, true, true), (2, true, false)];
    for (order, (sent, resent, ok)) in rows.into_iter().enumerate() {
        running.event(&order.to_string()).await;
        let (mut ids, mut connections) = (Vec::new(), Vec::new());
        for _ in 0..sent {
            let received = receiver.delivery().await;
            ids.push(received.header("X-WC-Webhook-Delivery-ID").map(str::to_owned));
            connections.push(received.connection);
        }
        ids.dedup();
        connections.dedup();
        assert_eq!((ids.len(), connections.len()), (1, sent), "one delivery, each time over another connection");
        let attempt = running.attempts(order + 1).await.remove(order);
        assert_eq!((attempt.resent, attempt.verdict == Verdict::Ok), (resent, ok), "{attempt:?}");
    }
}

#[tokio::test]
async fn receivers_that_are_not_there_are_told_apart() {
    let unused = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = unused.local_addr().unwrap();
    drop(unused);
    let mut receiver = Receiver::start(vec![Answer::status(200)]).await;
    let (plain, host) = (receiver.url("/"), receiver.address);
    let port = host.port();
    let ours = Guard { ours: vec![host], ..loopback() };
    let blocked = |host: &str, says| (format!("http://{host}:{port}/"), Guard::default(), FailureClass::Blocked, says);
    let rows = [
        (format!("http://{nobody}/"), loopback(), FailureClass::Connect, "no connection to"),
        ("http://shop.invalid/".to_owned(), loopback(), FailureClass::Dns, "shop.invalid could not be resolved"),
        blocked("127.0.0.1", "--allow-delivery-to 127.0.0.1/32"),
        blocked("localhost", "(loopback)"),
        blocked("LOCALHOST", "(loopback)"),
        blocked("[::1]", "(loopback); if the receiver may be there, start with --allow-delivery-to ::1/128"),
        blocked("[::127.0.0.1]", "::/8 is reserved"),
        blocked("[2002:7f00:1::]", "2002::/16 leads through 6to4 relays"),
        blocked("[64:ff9b:1::7f00:1]", "leads into a private IPv4 network"),
        blocked("017700000001", "(loopback)"),
        blocked("[::ffff:127.0.0.1]", "(loopback)"),
        blocked("[::ffff:7f00:1]", "(loopback)"),
        blocked("[64:ff9b::7f00:1]", "(loopback)"),
        // What the machine's resolver reads as an address: decimal, hexadecimal, octal, short.
        blocked("2130706433", "(loopback)"),
        blocked("0x7f000001", "(loopback)"),
        blocked("0177.0.0.1", "(loopback)"),
        blocked("0177.0x0.1", "(loopback)"),
        blocked("127.1", "(loopback)"),
        blocked("0", "0.0.0.0/8 is no destination; no setting allows it"),
        blocked("0xa9fea9fe", "link-local"),
        (plain.clone(), ours, FailureClass::Blocked, "a listener of our own or the shop itself; no setting allows it"),
        ("http://169.254.169.254/latest".to_owned(), loopback(), FailureClass::Blocked, "link-local"),
        ("ftp://shop.example/".to_owned(), loopback(), FailureClass::Unencodable, "must begin with http:// or"),
    ];
    for (url, guard, expected, says) in rows {
        // Who made a webhook changes nothing: an operator's file and the API get what the guard gives.
        for created_by in [None, Some("erp-key".to_owned())] {
            let data = tempfile::tempdir().unwrap();
            let table = Webhook { url: url.clone(), created_by, ..webhook(1) };
            let running = start(data.path(), table, guard.clone()).await;
            running.event("7").await;
            let attempt = running.attempt().await;
            let Verdict::Failed { class, text } = &attempt.verdict else { panic!("{url} was delivered") };
            assert_eq!(*class, expected, "{url}: {text}");
            assert!(text.contains(says), "{url}: {text}");
            let ping = running.deliverer.ping(WebhookId(1)).await.unwrap_err();
            assert!(ping.contains(says), "{url}: {ping}");
        }
    }
    let data = tempfile::tempdir().unwrap();
    let running = start(data.path(), Webhook { url: plain, ..webhook(1) }, loopback()).await;
    running.event("last").await;
    assert_eq!(receiver.delivery().await.body, br#"{"id":"last"}"#, "nothing else ever came here");
}
