use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::mpsc::Receiver;

use crate::support::upstream::{Proxy, Scripted, eventually};

async fn connect<B>(address: SocketAddr) -> SendRequest<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::error::Error + Send + Sync,
{
    let stream = TcpStream::connect(address).await.expect("the proxy listens");
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("it speaks HTTP/2");
    tokio::spawn(connection);
    sender
}

async fn body(answer: Response<Incoming>) -> Bytes {
    answer.into_body().collect().await.expect("a whole body").to_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_become_http_1_and_answers_come_back() {
    let shop = Scripted::answering(
        "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    );
    let proxy = Proxy::before(&shop);
    let mut sender = connect(proxy.address).await;
    let request = Request::get("http://shop.example:81/a?b=c")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .header("x-custom", "c")
        .body(Full::<Bytes>::default())
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    let cookies: Vec<_> = answer.headers().get_all("set-cookie").iter().collect();
    assert_eq!((answer.status().as_u16(), cookies.len(), answer.headers().contains_key("date")), (200, 2, false));
    assert_eq!(body(answer).await, "ok");
    let seen = shop.request();
    assert_eq!(seen.first(), "GET /a?b=c HTTP/1.1");
    assert_eq!((seen.values("Host"), seen.values("Cookie")), (vec!["shop.example:81"], vec!["a=1; b=2"]));
    assert_eq!(seen.values("X-Forwarded-Host"), ["shop.example:81"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_without_a_length_are_chunked_whatever_the_method() {
    let shop = Scripted::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let proxy = Proxy::before(&shop);
    let mut sender = connect(proxy.address).await;
    for method in ["GET", "POST"] {
        let (pieces, queue) = tokio::sync::mpsc::channel(4);
        let request = Request::builder().method(method).uri("http://a/").body(Queue(queue)).unwrap();
        let answer = tokio::spawn(sender.send_request(request));
        pieces.send(Bytes::from_static(b"hel")).await.unwrap();
        pieces.send(Bytes::from_static(b"lo")).await.unwrap();
        drop(pieces);
        assert_eq!(body(answer.await.unwrap().unwrap()).await, "ok");
        let seen = shop.requests().pop().unwrap();
        assert_eq!(
            (seen.values("Transfer-Encoding"), seen.body.as_slice()),
            (vec!["chunked"], &b"hello"[..]),
            "{method}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_requests_at_once_share_one_connection() {
    let shop = Scripted::start(|turn| {
        while let Some(seen) = turn.request() {
            let path = seen.first().split(' ').nth(1).unwrap_or_default().to_owned();
            turn.peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}", path.len()));
        }
    });
    let proxy = Proxy::before(&shop);
    let sender = connect(proxy.address).await;
    let all: Vec<_> = (0..50)
        .map(|n| {
            let mut sender = sender.clone();
            tokio::spawn(async move {
                let request = Request::get(format!("http://a/{n}")).body(Full::<Bytes>::default()).unwrap();
                body(sender.send_request(request).await.unwrap()).await == format!("/{n}")
            })
        })
        .collect();
    for one in all {
        assert!(one.await.unwrap());
    }
    assert_eq!(proxy.shared.counters.connections.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_and_resets_stay_within_their_request() {
    let shop = Scripted::start(|turn| {
        while let Some(seen) = turn.request() {
            if seen.first().contains("/die") {
                return;
            }
            if seen.first().contains("/hang") {
                turn.peer.rest();
                return;
            }
            turn.peer.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let proxy = Proxy::before(&shop);
    let mut sender = connect(proxy.address).await;
    let get = |path: &str| Request::get(format!("http://a{path}")).body(Full::<Bytes>::default()).unwrap();
    assert_eq!(sender.send_request(get("/die")).await.unwrap().status(), 502);
    let hanging = tokio::spawn(sender.send_request(get("/hang")));
    eventually("it hangs", || shop.requests().len() == 2);
    hanging.abort();
    let _ = hanging.await;
    let answer = sender.send_request(get("/")).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers().contains_key("connection")), (413, false));
    let closed = tokio::task::spawn_blocking(move || {
        eventually("the reset let the shop go", || shop.open() <= 1);
        shop
    });
    closed.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_says_goodbye() {
    let shop = Scripted::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let proxy = Proxy::before(&shop);
    let mut sender = connect(proxy.address).await;
    let get = || Request::get("http://a/").body(Full::<Bytes>::default()).unwrap();
    assert_eq!(body(sender.send_request(get()).await.unwrap()).await, "ok");
    proxy.stop();
    let goodbye = std::future::poll_fn(|cx| {
        if matches!(sender.poll_ready(cx), Poll::Ready(Err(_))) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    });
    goodbye.await;
    let ended = tokio::task::spawn_blocking(move || eventually("the core ends", || proxy.has_ended()));
    ended.await.unwrap();
}

/// A body from a queue: of unknown length.
struct Queue(Receiver<Bytes>);

impl Body for Queue {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}
