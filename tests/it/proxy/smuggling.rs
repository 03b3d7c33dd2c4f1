use std::sync::atomic::Ordering;

use crate::support::upstream::{Proxy, Scripted};

/// Raw requests, the status they get, and what of them the shop sees. A second request hidden behind the first must never show.
#[test]
fn requests_that_two_readers_could_take_differently() {
    let hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
    let rows: [(String, &str, bool); 29] = [
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), "400", false),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n".to_owned(), "400", false),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n".to_owned(), "400", false),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n".to_owned(), "400", false),
        ("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "400", false),
        ("GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "400", false),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n".to_owned(), "405", false),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n".to_owned(), "501", false),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n".to_owned(), "400", false),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n".to_owned(), "400", false),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n".to_owned(), "400", false),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n".to_owned(), "400", false),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n".to_owned(), "400", false),
        ("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(), "400", false),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello".to_owned(), "400", false),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello".to_owned(), "400", false),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5 \r\nContent-Length: 5\r\n\r\nhello".to_owned(), "200", true),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n".to_owned(), "400", false),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n".to_owned(), "400", false),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n folded\r\n\r\n".to_owned(), "400", false),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n".to_owned(), "400", false),
        ("GET / HTTP/1.1\r\n Host: a\r\n\r\n".to_owned(), "400", false),
        ("GET / HTTP/1.1\r\nHost: a\r\nX y: a\r\n\r\n".to_owned(), "400", false),
        ("GET / HTTP/3.0\r\nHost: a\r\n\r\n".to_owned(), "400", false),
        ("GET /\r\n\r\n".to_owned(), "400", false),
        ("hello there\r\n\r\n".to_owned(), "400", false),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\x03\x03\r\n\r\n".to_owned(), "400", false),
        (
            format!(
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"
            ),
            "200",
            true,
        ),
        (
            format!(
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n{hidden}"
            ),
            "200",
            true,
        ),
    ];
    for (request, status, passes) in rows {
        let shop = Scripted::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        let proxy = Proxy::before(&shop);
        let mut client = proxy.client();
        client.send(&request);
        let answer = String::from_utf8_lossy(&client.message(false).map_or(Vec::new(), |seen| seen.raw)).into_owned();
        assert_eq!(answer.get(9..12), Some(status), "{request:?} got {answer:?}");
        if status != "200" || request.contains(hidden) {
            assert_eq!(client.rest(), b"", "{request:?}: the connection ends");
        }
        let seen: Vec<String> = shop.requests().into_iter().map(|seen| seen.head).collect();
        assert_eq!(seen.len(), usize::from(passes), "{request:?}: the shop saw {seen:?}");
        assert!(!seen.concat().contains("hidden"), "{seen:?}");
        for head in seen {
            let framing = head.to_ascii_lowercase();
            assert_eq!(
                framing.matches("content-length").count() + framing.matches("transfer-encoding").count(),
                1,
                "{head}"
            );
        }
    }
}

#[test]
fn malformed_chunks_are_the_visitors_fault() {
    let rows = [
        "5\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5;\nhello\r\n",
        "-5\r\nhello\r\n",
        "5\r\nhelloX",
        "+5\r\nhello\r\n",
        "5_\r\nhello\r\n",
    ];
    for chunks in rows {
        let shop = Scripted::start(|turn| {
            turn.peer.head();
            turn.peer.rest();
        });
        let proxy = Proxy::before(&shop);
        let mut client = proxy.client();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"));
        let answer = client.answer();
        assert_eq!(answer.first(), "HTTP/1.1 400 Bad Request", "{chunks:?}");
        assert_eq!(
            (answer.values("X-Shopbell"), answer.values("Connection")),
            (vec!["proxy"], vec!["close"]),
            "{chunks:?}"
        );
        assert_eq!(client.rest(), b"", "{chunks:?}");
        assert_eq!(proxy.shared.counters.requests_cut.load(Ordering::Relaxed), 1, "{chunks:?}");
    }
}

#[test]
fn oversized_heads_are_refused() {
    let shop = Scripted::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let proxy = Proxy::before(&shop);
    let long = "a".repeat(70_000);
    let many = (0..300).map(|n| format!("X-{n}: 1\r\n")).collect::<Vec<_>>().concat();
    for (request, status) in [
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"), "431"),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n"), "431"),
        (format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), "431"),
    ] {
        let answer = proxy.ask(&request);
        assert_eq!(&answer.first()[9..12], status, "{}", answer.head);
    }
    assert_eq!(shop.requests().len(), 0);
}
