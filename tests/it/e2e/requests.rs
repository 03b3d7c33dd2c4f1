use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::handshake;
use hyper_util::rt::{TokioExecutor, TokioIo};
use shopbell::id::Seq;
use shopbell::settings::Settings;
use tokio::net::TcpStream;

use crate::support::house::{House, form, settings};
use crate::support::upstream::{Scripted, eventually};

const RULES: &str = r#"
[event.saved]
on = "POST /save"
topic = "product.updated"
id = "{{ form.id }}"
payload.name = "{{ form.product[1].name }}"
payload.tags = "{{ form['tags[]'] }}"

[event.made]
on = "POST|PUT /api/products/**"
topic = "product.created"
id = "{{ json.id }}"
payload.name = "{{ json.names[0].text }}"
payload.price = "{{ json.price | money }}"

[event.absolute]
on = "POST /absolute"
location = "/list"
topic = "product.updated"
id = "{{ form.id }}"
payload.back = "{{ location.url }}"
"#;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn multipart(file_bytes: usize) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend_from_slice(b"--XX\r\nContent-Disposition: form-data; name=\"id\"\r\n\r\n7\r\n");
    body.extend_from_slice(
        b"--XX\r\nContent-Disposition: form-data; name=\"image\"; filename=\"tea.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n",
    );
    body.extend((0..=250).cycle().take(file_bytes));
    for (name, value) in [("product[1][name]", "Gr\u{fc}ner Tee"), ("tags[]", "a"), ("tags[]", "b")] {
        body.extend_from_slice(
            format!("\r\n--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}").as_bytes(),
        );
    }
    body.extend_from_slice(b"\r\n--XX--\r\n");
    body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fields_after_a_large_file_are_seen_and_the_shop_gets_every_byte() {
    let shop = Scripted::answering(OK);
    let house = House::open(&shop, RULES).await;
    let body = multipart(3 << 20);
    let head = "POST /save HTTP/1.1\r\nHost: shop.example\r\nContent-Type: multipart/form-data; boundary=XX\r\n";
    let mut visitor = house.visitor();
    visitor.send(format!("{head}Content-Length: {}\r\n\r\n", body.len()));
    visitor.send(&body);
    assert_eq!(visitor.answer().body, b"ok");
    // The same in chunks.
    visitor.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n"));
    for piece in body.chunks(100_000) {
        visitor.send(format!("{:x}\r\n", piece.len()));
        visitor.send(piece);
        visitor.send("\r\n");
    }
    visitor.send("0\r\n\r\n");
    assert_eq!(visitor.answer().body, b"ok");
    let events = house.wait_for_events(2).await;
    for (event, seen) in events.iter().zip(shop.requests()) {
        assert_eq!(seen.body, body);
        let payload: serde_json::Value = serde_json::from_str(event.body.get()).unwrap();
        assert_eq!((&payload["name"], &payload["tags"]), (&"Gr\u{fc}ner Tee".into(), &serde_json::json!(["a", "b"])));
    }
    assert_eq!(house.metric("shopbell_tap_captures_cut_total"), 0);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_and_http_2_visitors() {
    let shop =
        Scripted::answering("HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
    let house = House::open(&shop, RULES).await;
    let json = r#"{"id":"A-7","names":[{"text":"Tee \u00fc"}],"price":9.5}"#;
    let mut visitor = house.visitor();
    visitor.send(format!(
        "PUT /api/products/7 HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{json}",
        json.len()
    ));
    assert_eq!(visitor.answer().first(), "HTTP/1.1 201 Created");

    let stream = TcpStream::connect(house.running.proxy_addr).await.unwrap();
    let (mut sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for n in 0..20 {
        let request = Request::post("http://shop.example/api/products")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(json)))
            .unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.status(), 201);
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "{}");
        if house.metric("shopbell_tap_hold_expired_total") == 0 {
            assert_eq!(house.head(), Seq(n + 3), "the stream ended before the commit");
        }
    }
    let events = house.wait_for_events(21).await;
    for event in events {
        assert_eq!(event.id.as_deref(), Some("A-7"));
        assert!(event.body.get().ends_with(r#""name":"Tee ü","price":"9.50"}"#), "{}", event.body.get());
    }
    house.close().await;
}

/// The visitor sends a whole request and leaves at once; the shop, which is slow, still does it, and the event comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visitor_who_leaves_still_causes_the_event() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let shop = Scripted::start(move |turn| {
        while turn.request().is_some() {
            if wait.lock().unwrap().recv().is_err() {
                return;
            }
            turn.peer.send(OK);
        }
    });
    let house = House::open(&shop, RULES).await;
    let (watched, unwatched) = (form("/save", "id=1"), form("/other", "id=2"));
    for (n, request) in [&watched, &unwatched].into_iter().enumerate() {
        let mut visitor = house.visitor();
        visitor.send(request);
        eventually("the shop has the request", || shop.requests().len() == n + 1);
        visitor.reset();
        eventually("the visitor is gone", || house.metric("shopbell_proxy_open_connections") == 0);
    }
    assert_eq!(house.metric("shopbell_tap_ran_on_total"), 1);
    go.send(()).unwrap();
    go.send(()).unwrap();
    assert_eq!(house.wait_for_events(1).await[0].id.as_deref(), Some("1"));
    // Who breaks off in the middle of the request causes nothing.
    let mut visitor = house.visitor();
    visitor.send(watched.replace("Content-Length: 4", "Content-Length: 9"));
    eventually("it is on its way", || house.metric("shopbell_tap_candidates_total") == 2);
    visitor.reset();
    eventually("it is over", || house.metric("shopbell_engine_exchanges_total") == 2);
    assert_eq!(house.events().await.len(), 1);
    house.close().await;
}

/// The stop comes between the visitor's leaving and the shop's answer: it waits for that, and the event is in the journal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_waits_for_what_visitors_have_left() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let shop = Scripted::start(move |turn| {
        turn.request();
        wait.lock().unwrap().recv().unwrap();
        turn.peer.send(OK);
    });
    let house = House::open(&shop, RULES).await;
    let mut visitor = house.visitor();
    visitor.send(form("/save", "id=1"));
    eventually("the shop has the request", || shop.requests().len() == 1);
    visitor.reset();
    eventually("it runs on", || house.metric("shopbell_tap_ran_on_total") == 1);
    let address = house.running.proxy_addr;
    let closing = tokio::spawn(house.close());
    eventually("it stops", || std::net::TcpStream::connect(address).is_err());
    go.send(()).unwrap();
    let house = House::open_in(closing.await.unwrap(), shop.address).await.unwrap();
    assert_eq!(house.events().await[0].id.as_deref(), Some("1"));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_before_us_shows_in_urls_only_where_the_proxy_is_trusted() {
    let shop = Scripted::answering("HTTP/1.1 302 Found\r\nLocation: /list\r\nContent-Length: 0\r\n\r\n");
    for (trusted, url) in [("127.0.0.0/8", "https://shop.example/list"), ("10.0.0.0/8", "http://shop.example/list")] {
        let dir = std::sync::Arc::new(tempfile::tempdir().unwrap());
        std::fs::create_dir(dir.path().join("rules")).unwrap();
        std::fs::write(dir.path().join("rules/r.toml"), RULES).unwrap();
        let trusted = vec![trusted.parse().unwrap()];
        let settings = Settings { trusted_proxies: trusted, ..settings(dir.path(), shop.address) };
        let house = House::open_with(dir, settings).await.unwrap();
        let mut visitor = house.visitor();
        visitor.send(form("/absolute", "id=7").replacen("Host:", "X-Forwarded-Proto: https\r\nHost:", 1));
        visitor.answer();
        let payload: serde_json::Value = serde_json::from_str(house.wait_for_events(1).await[0].body.get()).unwrap();
        assert_eq!(payload["back"], url);
        house.close().await;
    }
}
