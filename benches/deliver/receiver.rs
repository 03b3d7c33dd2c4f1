//! The receiver, a process of its own: it takes every POST, checks the order within each resource, and tells what came.

use std::cell::RefCell;
use std::collections::HashMap;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::probe::{Running, now_ns};

/// Arrivals whose times are kept.
const ARRIVALS: usize = 1 << 20;

/// What came since the last question.
#[derive(Default)]
struct Taken {
    count: u64,
    /// Deliveries that were not newer than the last of their webhook and resource.
    disorder: u64,
    first_ns: Option<u64>,
    last_ns: u64,
    /// By webhook (its path) and resource: the number of the last.
    last: HashMap<(String, u64), u64>,
    /// Number and time of each.
    arrivals: Vec<(u64, u64)>,
}

impl Taken {
    fn take(&mut self, at: u64, path: &str, body: &[u8]) {
        let number = |name: &str| -> Option<u64> {
            let text = std::str::from_utf8(body.get(..64.min(body.len()))?).ok()?;
            let rest = &text[text.find(name)? + name.len()..];
            rest[..rest.find(|c: char| !c.is_ascii_digit())?].parse().ok()
        };
        // A ping.
        let (Some(resource), Some(number)) = (number("{\"id\":"), number(",\"n\":")) else { return };
        self.count += 1;
        self.first_ns.get_or_insert(at);
        self.last_ns = at;
        let last = match self.last.get_mut(&(path.to_owned(), resource)) {
            Some(last) => last,
            None => self.last.entry((path.to_owned(), resource)).or_default(),
        };
        self.disorder += u64::from(*last >= number);
        *last = number;
        if self.arrivals.len() < ARRIVALS {
            self.arrivals.push((number, at));
        }
    }

    fn tell(&self) -> Value {
        json!({ "count": self.count, "disorder": self.disorder, "first_ns": self.first_ns, "last_ns": self.last_ns })
    }
}

async fn answer(taken: Rc<RefCell<Taken>>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let at = now_ns();
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let mut taken = taken.borrow_mut();
    let said = match (head.method, head.uri.path()) {
        (Method::GET, "/take") => std::mem::take(&mut *taken).tell().to_string(),
        (Method::GET, "/look") => taken.tell().to_string(),
        (Method::GET, _) => json!(std::mem::take(&mut *taken).arrivals).to_string(),
        (_, path) => {
            taken.take(at, path, &body);
            String::new()
        }
    };
    Ok(Response::new(Full::from(said)))
}

/// Serves on so many ports until it is killed.
pub(crate) fn serve(ports: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, async {
        let taken = Rc::<RefCell<Taken>>::default();
        let mut bound = Vec::new();
        for _ in 0..ports {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            bound.push(listener.local_addr().expect("an address").port());
            tokio::task::spawn_local(listen(listener, Rc::clone(&taken)));
        }
        super::say(&json!({ "ports": bound }));
        std::future::pending::<()>().await;
    });
}

async fn listen(listener: TcpListener, taken: Rc<RefCell<Taken>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let taken = Rc::clone(&taken);
        let _ = stream.set_nodelay(true);
        let service = service_fn(move |request| answer(Rc::clone(&taken), request));
        let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::task::spawn_local(async move { serving.await.ok() });
    }
}

/// Serves answers of a thousand bytes, a byte a second, until it is killed.
pub(crate) fn drip() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        super::say(&json!({ "port": listener.local_addr().expect("an address").port() }));
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut tick = tokio::time::interval(Duration::from_secs(1));
                let mut bytes: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n";
                while stream.write_all(bytes).await.is_ok() {
                    tick.tick().await;
                    bytes = b".";
                }
            });
        }
    });
}

/// Starts one with so many ports.
pub(crate) fn start(ports: usize) -> (Running, Vec<u16>) {
    let running = Running::start(&["receive".to_owned(), ports.to_string()]);
    let ports = serde_json::from_value(running.said["ports"].clone()).expect("ports");
    (running, ports)
}

/// Asks the receiver: `take` (and begin anew), `look`, or `arrivals` (and begin anew).
pub(crate) async fn ask(port: u16, what: &str) -> Value {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the receiver runs");
    let request = format!("GET /{what} HTTP/1.1\r\nhost: receiver\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("it reads");
    let mut said = String::new();
    stream.read_to_string(&mut said).await.expect("it answers");
    let body = said.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    serde_json::from_str(body).expect("JSON")
}
