//! The tap over the proxy, put together as `app` does it.

use std::sync::{Arc, mpsc};

use shopbell::exchange::Exchange;
use shopbell::proxy::{Shared, Upstream, bind, spawn_core};
use shopbell::tap::{TapLayer, observe_fn};
use tower::Layer;

use crate::support::upstream::{PATIENCE, Peer, Scripted};

/// A form post answered by a redirect, a page, a chunked upload: the shop and the visitor see what they see without the tap,
/// and each exchange is observed with both bodies.
#[test]
fn exchanges_are_observed_and_pass_untouched() {
    let shop = Scripted::start(|turn| {
        while let Some(seen) = turn.request() {
            turn.peer.send(if seen.first().starts_with("POST") {
                "HTTP/1.1 302 Found\r\nLocation: /done\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
            } else {
                "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage"
            });
        }
    });
    let shared = Shared::new(shop.config());
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let listener = bind(([127, 0, 0, 1], 0).into(), 1).unwrap().remove(0);
    let mut client = Peer::connect(listener.local_addr().unwrap());
    let (seen, exchanges) = mpsc::sync_channel::<Exchange>(8);
    let upstream = Arc::clone(&shared);
    let make = move || {
        let observer = observe_fn(move |exchange, release| {
            let _ = seen.try_send(exchange);
            release.release();
        });
        TapLayer::new(observer).layer(Upstream::new(upstream))
    };
    let core = spawn_core(0, listener, make, Arc::clone(&shared), stopped).unwrap();
    let rows = [
        ("POST /save HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\na=b&c", "HTTP/1.1 302 Found", "a=b&c", "ok"),
        ("GET /done HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK", "", "page"),
        (
            "POST /save HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na=b\r\n0\r\n\r\n",
            "HTTP/1.1 302 Found",
            "a=b",
            "ok",
        ),
    ];
    for (request, status, sent, received) in rows {
        client.send(request);
        let answer = client.answer();
        assert_eq!((answer.first(), answer.body.as_slice()), (status, received.as_bytes()), "{request}");
        assert_eq!(shop.requests().pop().unwrap().body, sent.as_bytes(), "{request}");
        let exchange = exchanges.recv_timeout(PATIENCE).unwrap();
        assert_eq!(
            (&*exchange.request_body.bytes, &*exchange.response_body.bytes),
            (sent.as_bytes(), received.as_bytes())
        );
    }
    assert_eq!(shop.connections(), 1);
    drop((client, stop));
    core.join().unwrap().unwrap();
}
