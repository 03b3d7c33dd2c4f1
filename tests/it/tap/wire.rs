//! hyper and axum over real sockets: the visitor gets the same bytes with and without the tap.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use shopbell::exchange::{End, Exchange};
use shopbell::tap::{Release, TapLayer, observe_fn};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tower::{Layer, Service, service_fn};

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// Frames as a shop streams them: every second time there is none yet.
struct Streamed {
    frames: VecDeque<Frame<Bytes>>,
    ready: bool,
}

impl Body for Streamed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.ready = !self.ready;
        if self.ready {
            return Poll::Ready(self.frames.pop_front().map(Ok));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

fn stream(frames: impl IntoIterator<Item = Frame<Bytes>>) -> UnsyncBoxBody<Bytes, Infallible> {
    Streamed { frames: frames.into_iter().collect(), ready: true }.boxed_unsync()
}

/// A shop with one answer of every kind.
async fn shop<B: Body<Data = Bytes, Error: std::fmt::Debug>>(request: Request<B>) -> Result<Answer, Infallible> {
    let (path, head) = (request.uri().path().to_owned(), request.method() == Method::HEAD);
    let sent =
        if path == "/early" { Bytes::new() } else { request.into_body().collect().await.expect("a body").to_bytes() };
    let chunks = |size: usize, count: u8| (0..count).map(move |n| Frame::data(Bytes::from(vec![b'a' + n % 26; size])));
    let body = match path.as_str() {
        // hyper would send a body over HTTP/2 here, and the client would take it for a fault.
        _ if head => Empty::new().boxed_unsync(),
        "/chunked" | "/moved" => stream(chunks(10, 3)),
        "/large" => stream(chunks(50_000, 100)),
        "/moved/large" => stream(chunks(50_000, 4)),
        "/trailers" => {
            let sum = HeaderMap::from_iter([(http::HeaderName::from_static("x-sum"), HeaderValue::from_static("7"))]);
            stream(chunks(10, 2).chain([Frame::trailers(sum)]))
        }
        "/empty" | "/204" | "/304" => Empty::new().boxed_unsync(),
        "/echo" => Full::new(sent).boxed_unsync(),
        _ => Full::new(Bytes::from("tea and biscuits")).boxed_unsync(),
    };
    let mut answer = Response::new(body);
    let headers = answer.headers_mut();
    headers.insert(header::DATE, HeaderValue::from_static("Tue, 03 Nov 2026 16:07:00 GMT"));
    headers.append(header::SET_COOKIE, HeaderValue::from_static("a=1"));
    headers.append(header::SET_COOKIE, HeaderValue::from_static("b=2"));
    match path.as_str() {
        "/moved" | "/moved/large" => {
            *answer.status_mut() = StatusCode::FOUND;
            answer.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/next"));
        }
        "/trailers" => drop(answer.headers_mut().insert(header::TRAILER, HeaderValue::from_static("x-sum"))),
        "/204" => *answer.status_mut() = StatusCode::NO_CONTENT,
        "/304" => *answer.status_mut() = StatusCode::NOT_MODIFIED,
        _ => {}
    }
    Ok(answer)
}

/// Serves HTTP/1 and HTTP/2 on a port of its own for as long as the test's runtime lives.
async fn serve<S, R>(service: S) -> SocketAddr
where
    S: Service<Request<Incoming>, Response = Response<R>, Future: Send> + Clone + Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    R: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).expect("an option");
            let service = TowerToHyperService::new(service.clone());
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                drop(server.serve_connection(TokioIo::new(stream), service).await);
            });
        }
    });
    address
}

/// An observer that releases from another task, as an engine does, and the exchanges it got.
fn watched() -> (TapLayer<impl shopbell::tap::Observer>, mpsc::Receiver<Exchange>) {
    let (seen, exchanges) = mpsc::channel(256);
    let layer = TapLayer::new(observe_fn(move |exchange, release: Release| {
        seen.try_send(exchange).expect("room");
        tokio::spawn(async move { release.release() });
    }));
    (layer, exchanges)
}

/// What comes back on a raw connection, byte for byte.
async fn raw(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    String::from_utf8(answer).expect("text")
}

const PATHS: [&str; 11] =
    ["/", "/empty", "/chunked", "/moved", "/moved/large", "/large", "/trailers", "/204", "/304", "/early", "/echo"];

#[tokio::test]
async fn http1_answers_are_the_same_byte_for_byte() {
    let (layer, mut exchanges) = watched();
    let bare = serve(service_fn(shop::<Incoming>)).await;
    let tapped = serve(layer.layer(service_fn(shop))).await;
    for path in PATHS {
        let close = "Host: shop.example\r\nTE: trailers\r\nConnection: close\r\n";
        let requests = [
            format!("GET {path} HTTP/1.1\r\n{close}\r\n"),
            format!("HEAD {path} HTTP/1.1\r\n{close}\r\n"),
            format!("GET {path} HTTP/1.0\r\nHost: shop.example\r\n\r\n"),
            format!("POST {path} HTTP/1.1\r\n{close}Content-Length: 9\r\n\r\nproduct=7"),
            format!("POST {path} HTTP/1.1\r\n{close}Transfer-Encoding: chunked\r\n\r\n9\r\nproduct=7\r\n0\r\n\r\n"),
        ];
        for request in requests {
            let expected = raw(bare, &request).await;
            assert!(expected.starts_with("HTTP/1."), "{expected}");
            assert!(raw(tapped, &request).await == expected, "differs: {request}");
            let exchange = exchanges.recv().await.expect("an exchange");
            assert_eq!(exchange.end, End::Complete, "{request}");
            let body = if request.starts_with("POST") && path != "/early" { &b"product=7"[..] } else { b"" };
            assert_eq!(&exchange.request_body.bytes[..], body, "{request}");
        }
    }
    assert_eq!(layer.counters().hold_expired.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn http2_answers_are_the_same() {
    let (layer, mut exchanges) = watched();
    let bare = serve(service_fn(shop::<Incoming>)).await;
    let tapped = serve(layer.layer(service_fn(shop))).await;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build(connector);
    for (path, method) in
        PATHS.into_iter().flat_map(|path| [(path, Method::GET), (path, Method::HEAD), (path, Method::POST)])
    {
        let mut answers = Vec::new();
        for address in [bare, tapped] {
            let request = Request::builder().method(&method).uri(format!("http://{address}{path}"));
            let answer = client
                .request(request.body(Full::<Bytes>::from("product=7")).expect("a request"))
                .await
                .expect("an answer");
            let (parts, body) = answer.into_parts();
            let body = body.collect().await.expect("a body");
            answers.push((parts.status, parts.headers, body.trailers().cloned(), body.to_bytes()));
        }
        assert!(answers[0] == answers[1], "differs: {method} {path}");
        assert_eq!(exchanges.recv().await.expect("an exchange").end, End::Complete, "{method} {path}");
    }
    assert_eq!(layer.counters().hold_expired.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn in_front_of_a_client_requests_are_seen_whole() {
    let (layer, mut exchanges) = watched();
    let upstream = serve(service_fn(shop::<Incoming>)).await;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let proxy = service_fn(move |mut request: Request<shopbell::tap::RequestBody<Incoming>>| {
        *request.uri_mut() = format!("http://{upstream}{}", request.uri().path()).parse().expect("a target");
        client.request(request)
    });
    let address = serve(layer.layer(proxy)).await;
    let close = "Host: shop.example\r\nConnection: close\r\n";
    for (path, kind) in [("/echo", "text"), ("/moved", "chunked"), ("/large", "large")] {
        for body in
            ["Content-Length: 9\r\n\r\nproduct=7", "Transfer-Encoding: chunked\r\n\r\n9\r\nproduct=7\r\n0\r\n\r\n"]
        {
            raw(address, &format!("POST {path} HTTP/1.1\r\n{close}{body}")).await;
            let exchange = exchanges.recv().await.expect("an exchange");
            assert_eq!((exchange.end, &exchange.request_body.bytes[..]), (End::Complete, &b"product=7"[..]), "{kind}");
            assert_eq!(exchange.request_body.damage, None, "{kind}");
        }
    }
}

#[tokio::test]
async fn inside_an_axum_router() {
    let (layer, mut exchanges) = watched();
    let add = axum::routing::post(|body: String| async move { axum::response::Redirect::to(&format!("/cart?{body}")) });
    let app = axum::Router::new().route("/cart/add", add).layer(layer);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, app).await });
    let request =
        "POST /cart/add HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\nContent-Length: 9\r\n\r\nproduct=7";
    let answer = raw(address, request).await;
    assert!(
        answer.starts_with("HTTP/1.1 303 See Other\r\n") && answer.contains("location: /cart?product=7\r\n"),
        "{answer}"
    );
    let exchange = exchanges.recv().await.expect("an exchange");
    assert_eq!(
        (exchange.request.host(), &exchange.request_body.bytes[..]),
        ("shop.example".to_owned(), &b"product=7"[..])
    );
    assert_eq!(exchange.response.expect("a head").status, 303);
}

#[tokio::test]
async fn a_closed_connection_does_not_stop_the_exchange() {
    let (layer, mut exchanges) = watched();
    let (counters, slow) = (layer.counters(), Arc::new(Notify::new()));
    let gate = Arc::clone(&slow);
    let service = service_fn(move |request| {
        let gate = Arc::clone(&gate);
        async move {
            let answer = shop(request).await;
            gate.notified().await;
            answer
        }
    });
    let address = serve(layer.layer(service)).await;
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let request = "POST /moved HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 9\r\n\r\nproduct=7";
    stream.write_all(request.as_bytes()).await.expect("sent");
    let until = |reached: &'static str, condition: Box<dyn Fn() -> bool>| async move {
        let reach = async {
            while !condition() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), reach).await.expect(reached);
    };
    let wanted = Arc::clone(&counters);
    until("a candidate", Box::new(move || wanted.candidates.load(Ordering::Relaxed) == 1)).await;
    drop(stream);
    until("running on", Box::new(move || counters.ran_on.load(Ordering::Relaxed) == 1)).await;
    slow.notify_one();
    let exchange = exchanges.recv().await.expect("an exchange");
    assert_eq!((exchange.end, exchange.response_body.total), (End::Complete, 30));
}
