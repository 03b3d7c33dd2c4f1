//! Real sockets: what a receiver sees.

use std::collections::HashMap;
use std::time::Duration;

use shopbell::mac;
use shopbell::model::record::LogEntry;
use shopbell::model::{DeliveryEnd, Outcome, RetrySchedule, Verdict, Webhook};
use shopbell::store::{LogLine, LogQuery};

use super::real::{loopback, start};
use super::rig::webhook;
use crate::support::receiver::{Answer, Receiver};

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
    assert_eq!(attempt.reused, delivery.connection == ping.connection);
    assert!(attempt.phases.first_byte_us.is_some() && attempt.phases.total_us > 0);
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
