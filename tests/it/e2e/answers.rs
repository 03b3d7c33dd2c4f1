use std::io::Write as _;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use shopbell::id::Seq;

use crate::support::house::{House, form};
use crate::support::upstream::{Scripted, eventually};

const RULES: &str = r#"
[event.redirected]
on = "POST /redirect"
topic = "product.updated"
id = "{{ form.id }}"
payload.next = "{{ location.path }}"

[event.answered]
on = "POST /json"
topic = "order.created"
id = "{{ response.json.id }}"
payload.total = "{{ response.json.total | money }}"

[event.seen]
on = "POST /plain"
topic = "coupon.updated"
id = "{{ form.id }}"

[event.looked]
on = "GET|HEAD /look"
topic = "action.looked"
resource = "product"
id = "{{ query.id }}"

[event.streamed]
on = "GET /stream"
topic = "action.streamed"
resource = "product"
id = "{{ query.id }}"
payload.text = "{{ response.body }}"
"#;

/// One answer of the shop, and what must come of it.
struct Row {
    request: String,
    answer: Vec<u8>,
    /// The shop closes behind it.
    closes: bool,
    /// What the visitor gets as the body.
    body: Vec<u8>,
    event: &'static str,
}

fn row(request: String, answer: impl AsRef<[u8]>, body: impl AsRef<[u8]>, event: &'static str) -> Row {
    Row { request, answer: answer.as_ref().to_vec(), closes: false, body: body.as_ref().to_vec(), event }
}

fn gzip(plain: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn rows() -> Vec<Row> {
    const ORDER: &str = r#"{"id":7,"total":"9,50"}"#;
    const FOUND: &str = "HTTP/1.1 302 Found\r\nLocation: /list\r\n";
    const JSON: &str = "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n";
    let (redirect, json) = (|| form("/redirect", "id=7"), || form("/json", "a=b"));
    let (updated, created) = ("product.updated 7", "order.created 7");
    let closing = |row| Row { closes: true, ..row };
    let packed = gzip(ORDER);
    let packed_head = format!("{JSON}Content-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", packed.len());
    let (start, end) = ORDER.split_at(5);
    let chunks = format!("5\r\n{start}\r\n{:x}\r\n{end}\r\n0\r\n\r\n", end.len());
    vec![
        row(redirect(), format!("{FOUND}Content-Length: 0\r\n\r\n"), "", updated),
        row(redirect(), format!("{FOUND}Content-Length: 4\r\n\r\nhere"), "here", updated),
        row(redirect(), format!("{FOUND}Transfer-Encoding: chunked\r\n\r\n4\r\nhere\r\n0\r\n\r\n"), "here", updated),
        closing(row(redirect(), format!("{FOUND}Connection: close\r\n\r\nhere"), "here", updated)),
        row(json(), format!("{JSON}Content-Length: {}\r\n\r\n{ORDER}", ORDER.len()), ORDER, created),
        row(json(), format!("{JSON}Transfer-Encoding: chunked\r\n\r\n{chunks}"), ORDER, created),
        closing(row(json(), format!("{JSON}Connection: close\r\n\r\n{ORDER}"), ORDER, created)),
        row(json(), [packed_head.as_bytes(), &packed].concat(), &packed, created),
        row(form("/plain", "id=7"), "HTTP/1.1 204 No Content\r\n\r\n", "", "coupon.updated 7"),
        row(form("/plain", "id=7"), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", "coupon.updated 7"),
        row(
            "HEAD /look?id=7 HTTP/1.1\r\nHost: shop.example\r\n\r\n".into(),
            "HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n",
            "",
            "action.looked 7",
        ),
    ]
}

/// At the moment a visitor has the whole answer, its event is in the journal: whatever the answer's form is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_whole_has_its_event_in_the_journal() {
    for (at, row) in rows().into_iter().enumerate() {
        let shop = if row.closes { Scripted::answering_once(&row.answer) } else { Scripted::answering(&row.answer) };
        let house = House::open(&shop, RULES).await;
        let mut visitor = house.visitor();
        for round in 1..=2 {
            visitor.send(&row.request);
            let bodiless = row.request.starts_with("HEAD") || row.answer.starts_with(b"HTTP/1.1 204");
            let answer = visitor.message(bodiless).unwrap_or_else(|| panic!("row {at}: no answer"));
            let head = house.head();
            // A disk that is slower than the hold lets the visitor go first; then nothing can be said.
            if house.metric("shopbell_tap_hold_expired_total") == 0 {
                assert_eq!(head, Seq(round + 1), "row {at}, round {round}: the answer came before the commit");
            }
            assert_eq!(answer.body, row.body, "row {at}: {}", answer.head);
            assert!(row.answer.starts_with(answer.first().as_bytes()), "row {at}: {}", answer.head);
            if row.closes {
                break;
            }
        }
        let event = Arc::clone(&house.wait_for_events(1).await[0]);
        assert_eq!(format!("{} {}", event.topic.as_str(), event.id.as_deref().unwrap_or("-")), row.event, "row {at}");
        let (_, sent) = row.request.split_once("\r\n\r\n").unwrap();
        assert_eq!(shop.requests()[0].body, sent.as_bytes(), "row {at}: the body is the visitor's");
        house.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cookies_stay_apart_and_heads_are_the_shops() {
    const ANSWER: &str = "HTTP/1.1 303 See Other\r\nLocation: /cart\r\nSet-Cookie: sid=abc; Path=/; HttpOnly\r\n\
                          Set-Cookie: seen=1; Expires=Tue, 03 Nov 2026 16:07:00 GMT\r\nX-Odd-CASE: kept\r\n\
                          Vary: Cookie\r\nContent-Length: 0\r\n\r\n";
    let shop = Scripted::answering(ANSWER);
    let house = House::open(&shop, RULES).await;
    let mut visitor = house.visitor();
    for request in [form("/redirect", "id=7"), form("/unwatched", "id=7")] {
        visitor.send(request);
        assert_eq!(String::from_utf8(visitor.answer().raw).unwrap(), ANSWER);
    }
    house.wait_for_events(1).await;
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn event_streams_are_never_held() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let shop = Scripted::start(move |turn| {
        turn.request();
        turn.peer.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
        for n in 0..3 {
            turn.peer.send(format!("9\r\ndata: {n}\n\n\r\n"));
            // The next one is only sent once the visitor has this one.
            if wait.lock().unwrap().recv().is_err() {
                return;
            }
        }
        turn.peer.send("0\r\n\r\n");
    });
    let house = House::open(&shop, RULES).await;
    let mut visitor = house.visitor();
    visitor.send("GET /stream?id=7 HTTP/1.1\r\nHost: shop.example\r\n\r\n");
    assert!(visitor.head().unwrap().starts_with("HTTP/1.1 200 OK"));
    for n in 0..3 {
        visitor.until(format!("data: {n}\n\n\r\n").as_bytes()).expect("the stream goes on");
        go.send(()).unwrap();
    }
    visitor.until(b"0\r\n\r\n").expect("the stream ends");
    house.wait_for_events(1).await;
    assert_eq!(house.metric("shopbell_tap_held_total"), 0);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_passes_through_a_rule_that_wants_its_path() {
    let shop = Scripted::start(|turn| {
        turn.request();
        turn.peer.send(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nwelcome\n",
        );
        while let Some(line) = turn.peer.until(b"\n") {
            turn.peer.send(line);
        }
    });
    let house = House::open(&shop, RULES).await;
    let mut visitor = house.visitor();
    visitor.send(
        "GET /look?id=7 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    );
    assert!(visitor.head().unwrap().starts_with("HTTP/1.1 101 "));
    assert_eq!(visitor.until(b"\n").unwrap(), b"welcome\n");
    for n in 0..50 {
        visitor.send(format!("line {n}\n"));
        assert_eq!(visitor.until(b"\n").unwrap(), format!("line {n}\n").into_bytes());
    }
    visitor.close_write();
    assert_eq!(visitor.rest(), b"");
    eventually("the tunnel ends", || house.metric("shopbell_proxy_tunnels_ended_total") == 1);
    // 101 is no status a rule matches unless it says so.
    assert_eq!(house.events().await.len(), 0);
    house.close().await;
}
