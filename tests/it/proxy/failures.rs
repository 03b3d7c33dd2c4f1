use std::net::TcpListener;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use shopbell::proxy::{Config, Counters, Origin};

use crate::support::upstream::{Peer, Proxy, Scripted, Turn, eventually};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const SHORT: Duration = Duration::from_millis(200);

fn one(counter: &AtomicU64) -> bool {
    counter.load(Ordering::Relaxed) == 1
}

/// An address nobody listens on.
fn nobody() -> Config {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    Config::new(Origin::Tcp { host: "127.0.0.1".to_owned(), port })
}

#[test]
fn a_shop_that_is_down_is_a_502_that_says_nothing_secret() {
    let config = nobody();
    let Origin::Tcp { port, .. } = config.upstream else { unreachable!() };
    let missing = Config::new(Origin::Unix("/nowhere/shop.sock".into()));
    for config in [config, missing] {
        let proxy = Proxy::start(config);
        let mut client = proxy.client();
        for _ in 0..2 {
            client.send(GET);
            let seen = client.answer();
            assert_eq!((seen.first(), seen.values("X-Shopbell")), ("HTTP/1.1 502 Bad Gateway", vec!["proxy"]));
            let body = String::from_utf8(seen.body).unwrap();
            assert!(!body.contains(&port.to_string()) && !body.contains("nowhere") && body.len() < 100, "{body}");
        }
        assert_eq!(Counters::get(&proxy.shared.counters.connect_failed), 2);
    }
}

/// What a shop sends instead of an answer before it closes (or stays and sends no more), and what the visitor is told.
#[test]
fn shops_that_do_not_answer() {
    type Count = fn(&Counters) -> &AtomicU64;
    const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n";
    const CODED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n";
    const LENGTHS: &str = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd";
    let rows: [(&str, bool, &str, Count); 8] = [
        ("", false, "502", |c| &c.upstream_closed),
        ("HTTP/1.1 200 OK\r\nX: ", false, "502", |c| &c.upstream_closed),
        ("+OK POP3 ready\r\n\r\n", false, "502", |c| &c.upstream_not_http),
        (SWITCH, false, "502", |c| &c.upstream_not_http),
        (CODED, false, "502", |c| &c.upstream_not_http),
        (LENGTHS, false, "502", |c| &c.upstream_not_http),
        ("", true, "504", |c| &c.answer_timeouts),
        ("HTTP/1.1 200 OK\r\nX-Slow: ", true, "504", |c| &c.answer_timeouts),
    ];
    for (what, stays, status, count) in rows {
        let script = move |turn: &mut Turn| {
            turn.request();
            turn.peer.send(what);
            if stays {
                turn.peer.rest();
            }
        };
        let shop = Scripted::start(script);
        let mut config = shop.config();
        config.answer_timeout = SHORT;
        let proxy = Proxy::start(config);
        let mut client = proxy.client();
        client.send(GET);
        let seen = client.answer();
        assert_eq!((&seen.first()[9..12], seen.values("X-Shopbell")), (status, vec!["proxy"]), "{what:?}");
        assert!(one(count(&proxy.shared.counters)), "{what:?}: {:?}", proxy.shared.counters);
        eventually("the shop's connection ends", || shop.open() == 0);
        assert_eq!((shop.connections(), proxy.shared.idle_connections()), (1, 0), "{what:?}: sent once, kept never");
        client.send(GET);
        assert_eq!(&client.answer().first()[9..12], status, "{what:?}: the visitor's connection lives on");
    }
}

/// A banner before any request: the request was never begun.
#[test]
fn a_shop_that_speaks_first_is_no_http() {
    let shop = Scripted::start(|turn| {
        turn.peer.send("SSH-2.0-OpenSSH_9.2\r\n");
        turn.peer.rest();
    });
    assert_eq!(Proxy::before(&shop).ask(GET).first(), "HTTP/1.1 502 Bad Gateway");
}

/// A listener whose queue is full: the kernel drops further connection attempts without a word.
#[test]
fn a_connection_that_is_not_accepted_is_a_504() {
    use socket2::{Domain, Socket, Type};
    let socket = || Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let listener = socket();
    listener.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let fillers: Vec<Socket> = (0..8).map(|_| socket()).collect();
    for filler in &fillers {
        filler.set_nonblocking(true).unwrap();
        let _ = filler.connect(&address);
    }
    let port = address.as_socket().unwrap().port();
    let mut config = Config::new(Origin::Tcp { host: "127.0.0.1".to_owned(), port });
    config.connect_timeout = SHORT;
    let proxy = Proxy::start(config);
    assert_eq!(proxy.ask(GET).first(), "HTTP/1.1 504 Gateway Timeout");
    assert!(one(&proxy.shared.counters.connect_timeouts));
}

/// An answer that breaks off must be seen to break off.
#[test]
fn an_answer_cut_short_is_cut_short_for_the_visitor() {
    for (answer, reset) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello", false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n", false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello", true),
    ] {
        let shop = Scripted::start(move |turn| {
            turn.request();
            turn.peer.send(answer);
            if reset {
                let stream = turn.peer.stream.try_clone().unwrap();
                Peer::new(stream).reset();
            }
        });
        let proxy = Proxy::before(&shop);
        let mut client = proxy.client();
        client.send(GET);
        let all = String::from_utf8(client.rest()).unwrap();
        assert!(all.is_empty() || all.starts_with("HTTP/1.1 "), "{all}");
        assert!(!all.ends_with("0\r\n\r\n"), "{answer:?} looked whole: {all}");
        eventually("the cut is counted", || {
            one(&proxy.shared.counters.answers_cut) || one(&proxy.shared.counters.upstream_closed)
        });
    }
}

#[test]
fn an_answer_that_stalls_ends() {
    let shop = Scripted::start(|turn| {
        turn.request();
        turn.peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello");
        turn.peer.rest();
    });
    let mut config = shop.config();
    config.body_idle_timeout = SHORT;
    let proxy = Proxy::start(config);
    let mut client = proxy.client();
    client.send(GET);
    assert!(client.rest().ends_with(b"hello"));
    eventually("both ends are closed", || shop.open() == 0 && proxy.shared.open_connections() == 0);
    assert!(one(&proxy.shared.counters.answers_cut));
}

#[test]
fn a_request_that_stalls_is_a_408_and_the_shop_is_let_go() {
    let shop = Scripted::start(|turn| {
        turn.peer.rest();
    });
    let mut config = shop.config();
    config.body_idle_timeout = SHORT;
    let proxy = Proxy::start(config);
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhello");
    let seen = client.answer();
    assert_eq!((seen.first(), seen.values("Connection")), ("HTTP/1.1 408 Request Timeout", vec!["close"]));
    eventually("the shop is let go", || shop.open() == 0);
}

/// The clock of the answer stands still while the visitor still sends.
#[test]
fn a_long_upload_is_no_slow_answer() {
    let shop = Scripted::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let mut config = shop.config();
    config.answer_timeout = Duration::from_millis(100);
    let proxy = Proxy::start(config);
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n");
    for _ in 0..8 {
        std::thread::park_timeout(Duration::from_millis(60));
        client.send("x");
    }
    assert_eq!(client.answer().body, b"ok");
}

#[test]
fn a_visitor_that_leaves_takes_its_request_along() {
    let rows = [
        ("while the shop thinks", "", GET),
        ("while the answer streams", "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nhello", GET),
        ("while it sends", "", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhello"),
    ];
    for (when, answer, request) in rows {
        let shop = Scripted::start(move |turn| {
            turn.peer.head();
            turn.peer.send(answer);
            turn.peer.rest();
        });
        let proxy = Proxy::before(&shop);
        let mut client = proxy.client();
        client.send(request);
        if !answer.is_empty() {
            client.head();
        }
        eventually("the shop has it", || shop.open() == 1);
        drop(client);
        eventually(when, || shop.open() == 0 && proxy.shared.open_connections() == 0);
    }
}

/// A full answer while the request is still being sent: the visitor gets it, nothing leaks (hyper#4176).
#[test]
fn an_early_answer_reaches_the_visitor_and_leaks_nothing() {
    // How the shop goes on: it waits, ends its side, or closes over what it has not read (which resets the connection).
    for (answer, then) in [
        ("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig", "waits"),
        ("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n", "waits"),
        ("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n\r\nbig", "ends"),
        ("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig", "closes"),
    ] {
        let shop = Scripted::start(move |turn| {
            turn.peer.head();
            turn.peer.send(answer);
            if then == "ends" {
                turn.peer.close_write();
            }
            if then != "closes" {
                turn.peer.rest();
            }
        });
        let proxy = Proxy::before(&shop);
        let mut client = proxy.client();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", 50 * 1024 * 1024));
        let mut writer = client.stream.try_clone().unwrap();
        let sender = std::thread::spawn(move || {
            let piece = vec![0; 64 * 1024];
            while std::io::Write::write_all(&mut writer, &piece).is_ok() {}
        });
        let seen = client.answer();
        assert_eq!(seen.first(), "HTTP/1.1 413 Content Too Large", "{answer:?}");
        assert_eq!(seen.values("Connection"), ["close"], "{answer:?}");
        client.rest();
        drop(client);
        sender.join().unwrap();
        eventually("nothing stays open", || shop.open() == 0 && proxy.shared.open_connections() == 0);
        assert_eq!(proxy.shared.idle_connections(), 0);
    }
}
