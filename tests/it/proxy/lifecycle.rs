use std::net::TcpStream;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use shopbell::proxy::{Counters, Origin, Shared, Upstream, bind, spawn_core};
use tower::ServiceExt;

use crate::support::upstream::{Peer, Proxy, Scripted, eventually};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const SHORT: Duration = Duration::from_millis(200);

#[test]
fn connections_are_used_again_on_both_sides() {
    let shop = Scripted::answering(OK);
    let proxy = Proxy::before(&shop);
    for _ in 0..2 {
        let mut client = proxy.client();
        for _ in 0..10 {
            client.send(GET);
            assert_eq!(client.answer().body, b"ok");
        }
    }
    assert_eq!((shop.requests().len(), shop.connections()), (20, 1));
    let counters = &proxy.shared.counters;
    assert_eq!((Counters::get(&counters.requests), Counters::get(&counters.connections)), (20, 2));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let shop = Scripted::start(|turn| {
        while let Some(seen) = turn.request() {
            let path = seen.first().split(' ').nth(1).unwrap_or_default().to_owned();
            turn.peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}", path.len()));
        }
    });
    let proxy = Proxy::before(&shop);
    let mut client = proxy.client();
    let all: Vec<String> = (0..20).map(|n| format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
    client.send(all.concat());
    for n in 0..20 {
        assert_eq!(client.answer().body, format!("/{n}").into_bytes());
    }
}

#[test]
fn idle_connections_are_bounded_and_age() {
    let shop = Scripted::answering(OK);
    let mut config = shop.config();
    config.idle_connections = 2;
    config.idle_timeout = SHORT;
    let proxy = Proxy::start(config);
    let mut clients: Vec<Peer> = (0..5).map(|_| proxy.client()).collect();
    for client in &mut clients {
        client.send(GET);
    }
    for client in &mut clients {
        assert_eq!(client.answer().body, b"ok");
    }
    assert!(proxy.shared.idle_connections() <= 2);
    eventually("they age", || proxy.shared.idle_connections() == 0 && shop.open() == 0);
    clients[0].send(GET);
    assert_eq!(clients[0].answer().body, b"ok");
}

/// The shop closes a kept connection: with notice, just as the next request goes out, or only after it read it.
#[test]
fn a_kept_connection_that_is_dead_costs_no_visitor_an_error() {
    let (close, closing) = mpsc::channel::<()>();
    let closing = std::sync::Mutex::new(closing);
    let shop = Scripted::start(move |turn| {
        turn.request();
        turn.peer.send(OK);
        if turn.nth == 0 {
            let _ = closing.lock().unwrap().recv();
        } else if turn.nth == 1 {
            turn.request();
        } else {
            while turn.request().is_some() && turn.peer.send(OK) {}
        }
    });
    let proxy = Proxy::before(&shop);
    let mut client = proxy.client();
    client.send(GET);
    assert_eq!(client.answer().body, b"ok");
    close.send(()).unwrap();
    eventually("the first is closed", || shop.open() == 0);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    assert_eq!(client.answer().body, b"ok", "nothing was sent on the closed one, so even a POST goes on a new one");
    std::thread::park_timeout(Duration::from_millis(20));
    client.send(GET);
    assert_eq!(client.answer().body, b"ok", "the second was closed over the request, which is asked again");
    assert_eq!((shop.connections(), Counters::get(&proxy.shared.counters.retries)), (3, 1));
}

/// A POST that went out is not repeated.
#[test]
fn what_the_shop_may_have_acted_on_is_not_sent_twice() {
    let shop = Scripted::start(|turn| {
        turn.request();
        turn.peer.send(OK);
        turn.request();
    });
    let proxy = Proxy::before(&shop);
    let mut client = proxy.client();
    client.send(GET);
    client.answer();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    assert_eq!(client.answer().first(), "HTTP/1.1 502 Bad Gateway");
    assert_eq!((shop.requests().len(), shop.connections()), (2, 1));
}

#[test]
fn unfinished_answers_are_not_mixed_up() {
    let shop = Scripted::start(|turn| {
        while turn.request().is_some() {
            turn.peer
                .send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
        }
    });
    let proxy = Proxy::before(&shop);
    let mut client = proxy.client();
    for _ in 0..3 {
        client.send(GET);
        assert_eq!(client.answer().body, b"ok");
    }
    assert_eq!(shop.connections(), 3, "bytes nobody asked for end a connection");
}

/// What a layer does between us and the shop: other bodies, both ways.
#[test]
fn a_layer_may_change_the_bodies() {
    use http_body_util::BodyExt;
    let shop = Scripted::answering(OK);
    let shared = Shared::new(shop.config());
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let listener = bind(([127, 0, 0, 1], 0).into(), 1).unwrap().remove(0);
    let mut client = Peer::connect(listener.local_addr().unwrap());
    let upstream = Arc::clone(&shared);
    let make = move || {
        let boxed = |request: http::Request<hyper::body::Incoming>| request.map(BodyExt::boxed);
        let inner = ServiceExt::<http::Request<_>>::map_request(Upstream::new(upstream), boxed);
        inner.map_response(|answer| answer.map(BodyExt::boxed_unsync))
    };
    let core = spawn_core(0, listener, make, shared, stopped).unwrap();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!((client.answer().body.as_slice(), shop.request().body.as_slice()), (&b"ok"[..], &b"hello"[..]));
    drop((client, stop));
    core.join().unwrap().unwrap();
}

/// Two cores on one port: the kernel spreads visitors over them, the bounds and counters are one.
#[test]
fn cores_share_the_port_and_the_bounds() {
    let shop = Scripted::answering(OK);
    let mut config = shop.config();
    config.idle_connections = 1;
    let shared = Shared::new(config);
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let listeners = bind(([127, 0, 0, 1], 0).into(), 2).unwrap();
    let address = listeners[0].local_addr().unwrap();
    let start = |(index, listener)| {
        let upstream = Arc::clone(&shared);
        spawn_core(index, listener, || Upstream::new(upstream), Arc::clone(&shared), stopped.clone()).unwrap()
    };
    let cores: Vec<_> = listeners.into_iter().enumerate().map(start).collect();
    for _ in 0..40 {
        let mut client = Peer::connect(address);
        client.send(GET);
        assert_eq!(client.answer().body, b"ok");
        assert!(shared.idle_connections() <= 1);
    }
    assert_eq!(Counters::get(&shared.counters.requests), 40);
    stop.send(true).unwrap();
    for core in cores {
        core.join().unwrap().unwrap();
    }
    assert_eq!((shared.open_connections(), shared.idle_connections()), (0, 0));
}

#[test]
fn a_unix_socket_is_a_shop_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let shop = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = listener.accept().unwrap();
        let (mut seen, mut byte) = (Vec::new(), [0]);
        while !seen.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
            seen.push(byte[0]);
        }
        stream.write_all(OK.as_bytes()).unwrap();
        String::from_utf8(seen).unwrap()
    });
    let proxy = Proxy::start(shopbell::proxy::Config::new(Origin::Unix(path)));
    assert_eq!(proxy.ask(GET).body, b"ok");
    assert!(shop.join().unwrap().starts_with("GET / HTTP/1.1\r\n"));
}

#[test]
fn one_visitor_too_many_is_told_so() {
    let shop = Scripted::answering(OK);
    let mut config = shop.config();
    config.max_connections = 2;
    let proxy = Proxy::start(config);
    let mut clients = [proxy.client(), proxy.client()];
    for client in &mut clients {
        client.send(GET);
        assert_eq!(client.answer().body, b"ok");
    }
    let mut third = proxy.client();
    assert_eq!(third.answer().first(), "HTTP/1.1 503 Service Unavailable");
    assert_eq!(third.rest(), b"");
    assert_eq!(Counters::get(&proxy.shared.counters.refused_connections), 1);
    drop(clients);
    eventually("there is room again", || proxy.shared.open_connections() == 0);
    assert_eq!(proxy.ask(GET).body, b"ok");
}

#[test]
fn slow_heads_and_idle_connections_end() {
    let shop = Scripted::answering(OK);
    for sent in ["", "P", "PRI * HTT", "GET / HT", "GET / HTTP/1.1\r\nHost: a\r\nX: "] {
        let mut config = shop.config();
        config.head_timeout = SHORT;
        let proxy = Proxy::start(config);
        let mut client = proxy.client();
        client.send(sent);
        assert_eq!(client.rest(), b"", "{sent:?}");
        let mut client = proxy.client();
        client.send(GET);
        client.answer();
        client.send(sent);
        assert_eq!(client.rest(), b"", "{sent:?} after a request");
        eventually("they are counted", || Counters::get(&proxy.shared.counters.slow_connections) == 2);
    }
}

#[test]
fn a_visitor_that_never_reads_is_let_go() {
    let shop = Scripted::start(|turn| {
        turn.request();
        turn.peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 256 * 1024 * 1024));
        let piece = vec![0; 64 * 1024];
        while turn.peer.send(&piece) {}
    });
    let mut config = shop.config();
    config.body_idle_timeout = Duration::from_millis(400);
    let proxy = Proxy::start(config);
    let mut client = proxy.client();
    client.send(GET);
    eventually("it is let go", || shop.open() == 0 && shop.connections() == 1);
    assert_eq!(Counters::get(&proxy.shared.counters.slow_connections), 1);
}

/// A stop: the idle and the fresh end at once, what is under way finishes, nobody new is let in.
#[test]
fn a_drain_lets_finish_what_began() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let shop = Scripted::start(move |turn| {
        while let Some(seen) = turn.request() {
            if seen.first().contains("/slow") {
                wait.lock().unwrap().recv().unwrap();
            }
            turn.peer.send(OK);
        }
    });
    let proxy = Proxy::before(&shop);
    let (mut fresh, mut idle, mut busy) = (proxy.client(), proxy.client(), proxy.client());
    idle.send(GET);
    idle.answer();
    busy.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually("all are in", || shop.requests().len() == 2 && proxy.shared.open_connections() == 3);
    proxy.stop();
    assert_eq!((fresh.rest(), idle.rest()), (vec![], vec![]));
    eventually("nobody is let in", || TcpStream::connect(proxy.address).is_err());
    assert!(!proxy.has_ended());
    go.send(()).unwrap();
    let seen = busy.answer();
    assert_eq!((seen.body.as_slice(), seen.values("Connection")), (&b"ok"[..], vec!["close"]));
    assert_eq!(busy.rest(), b"");
    drop(busy);
    eventually("the core ends", || proxy.has_ended());
    assert_eq!(Counters::get(&proxy.shared.counters.cut_connections), 0);
}

#[test]
fn a_drain_has_an_end() {
    let shop = Scripted::start(|turn| {
        turn.request();
        turn.peer.rest();
    });
    let mut config = shop.config();
    config.drain = SHORT;
    let proxy = Proxy::start(config);
    let mut client = proxy.client();
    client.send(GET);
    eventually("it is under way", || shop.requests().len() == 1);
    proxy.stop();
    assert_eq!(client.rest(), b"");
    eventually("the core ends", || proxy.has_ended() && shop.open() == 0);
    assert_eq!(Counters::get(&proxy.shared.counters.cut_connections), 1);
}
