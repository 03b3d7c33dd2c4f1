use std::time::Duration;

use shopbell::proxy::Counters;

use crate::support::upstream::{Peer, Proxy, Scripted, eventually};

const ASK: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const YES: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// A shop that switches and then echoes by lines, with a first line right behind its 101.
fn echo() -> Scripted {
    Scripted::start(|turn| {
        turn.request();
        turn.peer.send(format!("{YES}welcome\n"));
        while let Some(line) = turn.peer.until(b"\n") {
            turn.peer.send(line);
        }
    })
}

fn open(proxy: &Proxy) -> Peer {
    let mut client = proxy.client();
    client.send(ASK);
    let head = client.head().expect("bytes");
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
    for line in
        ["Upgrade: websocket\r\n", "Connection: Upgrade\r\n", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"]
    {
        assert!(head.contains(line), "{head}");
    }
    assert_eq!(client.until(b"\n").expect("bytes"), b"welcome\n");
    client
}

#[test]
fn a_websocket_passes_and_is_counted() {
    let shop = echo();
    let proxy = Proxy::before(&shop);
    let mut client = open(&proxy);
    let seen = shop.request();
    assert_eq!((seen.values("Upgrade"), seen.values("Connection")), (vec!["websocket"], vec!["Upgrade"]));
    assert_eq!(seen.values("Sec-WebSocket-Key"), ["dGhlIHNhbXBsZSBub25jZQ=="]);
    for n in 0..100 {
        client.send(format!("\u{1}line {n}\n"));
        assert_eq!(client.until(b"\n").unwrap(), format!("\u{1}line {n}\n").into_bytes());
    }
    client.close_write();
    assert_eq!(client.rest(), b"");
    let counters = &proxy.shared.counters;
    eventually("it ends", || Counters::get(&counters.tunnels_ended) == 1 && proxy.shared.open_connections() == 0);
    assert_eq!(Counters::get(&counters.tunnels), 1);
}

#[test]
fn bytes_sent_before_the_answer_are_not_lost() {
    let shop = echo();
    let proxy = Proxy::before(&shop);
    let mut client = proxy.client();
    client.send(format!("{ASK}early\n"));
    client.head();
    assert_eq!(client.until(b"early\n").unwrap(), b"welcome\nearly\n");
}

#[test]
fn a_refused_upgrade_is_an_answer_like_any_other() {
    let shop = Scripted::answering(
        "HTTP/1.1 426 Upgrade Required\r\nUpgrade: other\r\nConnection: upgrade\r\nContent-Length: 2\r\n\r\nno",
    );
    let proxy = Proxy::before(&shop);
    let mut client = proxy.client();
    for _ in 0..2 {
        client.send(ASK);
        let seen = client.answer();
        assert_eq!((seen.first(), seen.body.as_slice()), ("HTTP/1.1 426 Upgrade Required", &b"no"[..]));
        assert_eq!(seen.values("Upgrade"), ["other"]);
    }
    assert_eq!(shop.connections(), 1);
}

#[test]
fn another_protocol_than_asked_for_is_a_502() {
    let shop = Scripted::answering("HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: Upgrade\r\n\r\n");
    let seen = Proxy::before(&shop).ask(ASK);
    assert_eq!(seen.first(), "HTTP/1.1 502 Bad Gateway");
}

#[test]
fn a_silent_tunnel_ends() {
    let shop = echo();
    let mut config = shop.config();
    config.tunnel_idle_timeout = Duration::from_millis(200);
    let proxy = Proxy::start(config);
    let mut client = open(&proxy);
    assert_eq!(client.rest(), b"");
    eventually("both ends are closed", || shop.open() == 0 && proxy.shared.open_connections() == 0);
}

#[test]
fn a_tunnel_outlives_the_head_timeout_and_holds_up_a_drain_until_its_end() {
    let shop = echo();
    let mut config = shop.config();
    config.head_timeout = Duration::from_millis(40);
    config.drain = Duration::from_millis(300);
    let proxy = Proxy::start(config);
    let mut client = open(&proxy);
    std::thread::park_timeout(Duration::from_millis(100));
    proxy.stop();
    client.send("still here\n");
    assert_eq!(client.until(b"\n").unwrap(), b"still here\n");
    assert_eq!(client.rest(), b"");
    eventually("the core ends", || proxy.has_ended() && shop.open() == 0);
    assert_eq!(Counters::get(&proxy.shared.counters.cut_connections), 1);
}
