use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use crate::support::upstream::{Peer, Proxy, Scripted, eventually};

const MIB: usize = 1024 * 1024;

/// Bytes that no shift or loss leaves equal.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut step = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    (0..bytes).map(|_| step()).collect()
}

/// An answer on the wire, the method it answers, and what the visitor gets: status line, framing headers, body.
#[test]
fn answers_by_framing() {
    type Row = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)], &'static [u8]);
    let rows: [Row; 11] = [
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "200 OK", &[("Content-Length", "5")], b"hello"),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "200 OK", &[("Content-Length", "0")], b""),
        (
            "GET",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            "200 OK",
            &[("Transfer-Encoding", "chunked")],
            b"hello",
        ),
        ("GET", "HTTP/1.1 200 OK\r\n\r\nhello", "200 OK", &[("Transfer-Encoding", "chunked")], b"hello"),
        ("GET", "HTTP/1.0 200 OK\r\n\r\nhello", "200 OK", &[("Transfer-Encoding", "chunked")], b"hello"),
        (
            "GET",
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            "200 OK",
            &[("Transfer-Encoding", "chunked")],
            b"hello",
        ),
        ("GET", "HTTP/1.1 204 No Content\r\nX: y\r\n\r\n", "204 No Content", &[], b""),
        ("GET", "HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n", "304 Not Modified", &[], b""),
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", "200 OK", &[("Content-Length", "500")], b""),
        ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "200 OK", &[], b""),
        (
            "POST",
            "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
            "302 Found",
            &[("Content-Length", "0")],
            b"",
        ),
    ];
    for (method, answer, status, framing, body) in rows {
        let shop = Scripted::answering_once(answer);
        let proxy = Proxy::before(&shop);
        let mut client = proxy.client();
        client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"));
        let seen = client.message(method == "HEAD" || status.starts_with("204") || status.starts_with("304")).unwrap();
        assert_eq!((seen.first(), seen.body.as_slice()), (format!("HTTP/1.1 {status}").as_str(), body), "{answer:?}");
        for (name, value) in framing {
            assert_eq!(seen.values(name), [*value], "{answer:?}: {}", seen.head);
        }
        let lengths = seen.head.to_ascii_lowercase();
        let lengths = lengths.matches("content-length").count() + lengths.matches("transfer-encoding").count();
        assert_eq!(lengths, framing.len(), "{answer:?}: {}", seen.head);
        // The next request on the same connection shows that both sides agree where the answer ended.
        client.send(format!("{method} /2 HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert!(client.head().is_some_and(|head| head.starts_with("HTTP/1.1 ")), "{answer:?}");
    }
}

#[test]
fn an_old_visitor_gets_no_chunks() {
    let shop = Scripted::answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    let proxy = Proxy::before(&shop);
    let mut client = proxy.client();
    client.send("GET / HTTP/1.0\r\n\r\n");
    let all = String::from_utf8(client.rest()).unwrap();
    assert!(all.starts_with("HTTP/1.0 200 OK\r\n") && all.ends_with("\r\n\r\nhello"), "{all}");
}

#[test]
fn request_bodies_keep_their_framing_whatever_the_method() {
    let chunked = "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    for method in ["GET", "DELETE", "POST", "OPTIONS", "HEAD"] {
        for (framing, name, value, body) in [
            (chunked, "Transfer-Encoding", "chunked", &b"hello"[..]),
            ("Content-Length: 5\r\n\r\nhello", "Content-Length", "5", b"hello"),
            ("Content-Length: 0\r\n\r\n", "Content-Length", "0", b""),
        ] {
            let shop = Scripted::answering("HTTP/1.1 204 No Content\r\n\r\n");
            let proxy = Proxy::before(&shop);
            let mut client = proxy.client();
            client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\n{framing}"));
            assert_eq!(client.message(true).unwrap().first(), "HTTP/1.1 204 No Content");
            let seen = shop.request();
            assert_eq!((seen.values(name), seen.body.as_slice()), (vec![value], body), "{method} {framing:?}");
        }
    }
}

#[test]
fn trailers_pass_both_ways() {
    let shop = Scripted::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 9\r\n\r\n",
    );
    let seen = Proxy::before(&shop).ask(
        "POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTrailer: X-In\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-In: 7\r\n\r\n",
    );
    let tail = |raw: &[u8]| String::from_utf8_lossy(raw).to_ascii_lowercase();
    assert!(tail(&seen.raw).ends_with("0\r\nx-sum: 9\r\n\r\n"), "{}", tail(&seen.raw));
    assert!(tail(&shop.request().raw).ends_with("0\r\nx-in: 7\r\n\r\n"), "{}", tail(&shop.request().raw));
}

#[test]
fn ten_mebibytes_pass_both_ways_byte_for_byte() {
    let bytes = Arc::new(noise(10 * MIB));
    for chunked in [false, true] {
        let answer = Arc::clone(&bytes);
        let shop = Scripted::start(move |turn| {
            turn.request();
            if chunked {
                turn.peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                for chunk in answer.chunks(50_001) {
                    turn.peer.send(format!("{:x}\r\n", chunk.len()));
                    turn.peer.send(chunk);
                    turn.peer.send("\r\n");
                }
                turn.peer.send("0\r\n\r\n");
            } else {
                turn.peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", answer.len()));
                turn.peer.send(&*answer);
            }
        });
        let proxy = Proxy::before(&shop);
        let mut client = proxy.client();
        if chunked {
            client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
            for chunk in bytes.chunks(70_001) {
                client.send(format!("{:x}\r\n", chunk.len()));
                client.send(chunk);
                client.send("\r\n");
            }
            client.send("0\r\n\r\n");
        } else {
            client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", bytes.len()));
            client.send(&*bytes);
        }
        let seen = client.answer();
        assert!(seen.body == *bytes, "the answer differs (chunked: {chunked})");
        assert!(shop.request().body == *bytes, "the request differs (chunked: {chunked})");
    }
}

/// A visitor that reads nothing must stop the shop, not fill our memory: what the shop can write is bounded by the buffers on the
/// way (sockets' and ours), far below what it wants to send. Then the visitor reads on and gets all of it.
#[test]
fn a_slow_visitor_slows_the_shop() {
    const TOTAL: usize = 64 * MIB;
    const ON_THE_WAY: usize = 24 * MIB;
    let written = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&written);
    let shop = Scripted::start(move |turn| {
        turn.request();
        turn.peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {TOTAL}\r\n\r\n"));
        let piece = vec![b'x'; 64 * 1024];
        while counter.load(Ordering::SeqCst) < TOTAL && turn.peer.stream.write_all(&piece).is_ok() {
            counter.fetch_add(piece.len(), Ordering::SeqCst);
        }
    });
    let proxy = Proxy::before(&shop);
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut last = 0;
    let mut still = 0;
    eventually("the shop stands still", || {
        let now = written.load(Ordering::SeqCst);
        still = if now == last && now > 0 { still + 1 } else { 0 };
        last = now;
        still > 60
    });
    assert!(last < ON_THE_WAY, "{last} bytes are somewhere");
    let seen = client.answer();
    assert_eq!((seen.body.len(), written.load(Ordering::SeqCst)), (TOTAL, TOTAL));
}

#[test]
fn a_slow_shop_slows_the_visitor() {
    const ON_THE_WAY: usize = 24 * MIB;
    let (go, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let shop = Scripted::start(move |turn| {
        let head = turn.peer.head();
        let _ = wait.lock().unwrap().recv();
        drop(head);
    });
    let proxy = Proxy::before(&shop);
    let client = proxy.client();
    (&client.stream)
        .write_all(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", 64 * MIB).as_bytes())
        .unwrap();
    client.stream.set_nonblocking(true).unwrap();
    let piece = vec![b'x'; 64 * 1024];
    let (mut sent, mut still) = (0, 0);
    eventually("the visitor stands still", || {
        let Ok(bytes) = (&client.stream).write(&piece) else {
            still += 1;
            return still > 60;
        };
        sent += bytes;
        still = 0;
        sent >= 64 * MIB
    });
    assert!(sent < ON_THE_WAY, "{sent} bytes are somewhere");
    go.send(()).unwrap();
}

/// Each piece of a stream arrives before the next is made.
#[test]
fn server_sent_events_arrive_one_by_one() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let shop = Scripted::start(move |turn| {
        turn.request();
        turn.peer.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
        for n in 0..5 {
            turn.peer.send(format!("data: {n}\n\n"));
            wait.lock().unwrap().recv().unwrap();
        }
    });
    let proxy = Proxy::before(&shop);
    let mut client = proxy.client();
    client.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(client.head().unwrap().contains("text/event-stream"));
    for n in 0..5 {
        let piece = format!("9\r\ndata: {n}\n\n\r\n");
        assert_eq!(client.until(b"\n\n\r\n").unwrap(), piece.as_bytes());
        go.send(()).unwrap();
    }
    assert_eq!(client.until(b"0\r\n\r\n").unwrap(), b"0\r\n\r\n");
}

fn expecting(shop: &Scripted) -> (Proxy, Peer) {
    let proxy = Proxy::before(shop);
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    (proxy, client)
}

#[test]
fn a_body_waits_for_the_shops_continue() {
    let shop = Scripted::start(|turn| {
        let head = turn.peer.head().unwrap();
        assert!(head.contains("Expect: 100-continue"), "{head}");
        turn.peer.send("HTTP/1.1 100 Continue\r\n\r\n");
        let body = turn.peer.until(b"hello").unwrap();
        turn.peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()));
        turn.peer.send(body);
    });
    let (_proxy, mut client) = expecting(&shop);
    assert_eq!(client.head().unwrap(), "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("hello");
    assert_eq!(client.answer().body, b"hello");
}

#[test]
fn a_refusal_comes_instead_of_continue() {
    let shop = Scripted::start(|turn| {
        turn.peer.head();
        turn.peer.send("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno");
        turn.peer.rest();
    });
    let (_proxy, mut client) = expecting(&shop);
    let seen = client.answer();
    assert_eq!((seen.first(), seen.body.as_slice()), ("HTTP/1.1 417 Expectation Failed", &b"no"[..]));
    assert_eq!((seen.values("Connection"), client.rest()), (vec!["close"], vec![]));
    eventually("the shop's connection ends", || shop.open() == 0);
}

#[test]
fn a_shop_that_knows_no_continue_gets_the_body_all_the_same() {
    let shop = Scripted::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let (_proxy, mut client) = expecting(&shop);
    assert_eq!(client.head().unwrap(), "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("hello");
    assert_eq!(client.answer().body, b"ok");
    assert_eq!(shop.request().body, b"hello");
}
