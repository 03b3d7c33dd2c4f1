//! Scripted bodies, shops and observers.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use shopbell::exchange::{Exchange, RequestHead, ResponseHead};
use shopbell::tap::{Counters, Interest, Observer, Release, RequestBody, ResponseBody, TapLayer};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep};
use tower::{Layer, ServiceExt, service_fn};

/// What a scripted body does next.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Data(Bytes),
    Trailers,
    Fail,
    Wait(Duration),
}

/// A body that follows a script.
#[derive(Debug, Default)]
pub(super) struct Script {
    pub(super) acts: VecDeque<Act>,
    /// The length it announces.
    pub(super) length: Option<u64>,
    /// Whether it says `is_end_stream` after its last frame.
    pub(super) tells_end: bool,
    pub(super) timer: Option<Pin<Box<Sleep>>>,
}

/// A body of unknown length, as chunked and close-delimited ones are.
pub(super) fn chunked(parts: &[&'static str]) -> Script {
    let acts = parts.iter().map(|part| Act::Data(Bytes::from_static(part.as_bytes()))).collect();
    Script { acts, ..Script::default() }
}

/// A body of known length.
pub(super) fn sized(parts: &[&'static str]) -> Script {
    let length = Some(parts.iter().map(|part| part.len() as u64).sum());
    Script { length, tells_end: true, ..chunked(parts) }
}

impl Script {
    pub(super) fn then(mut self, act: Act) -> Self {
        self.acts.push_back(act);
        self
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        if let Some(Act::Wait(time)) = self.acts.front().cloned() {
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(time)));
            ready!(timer.as_mut().poll(cx));
            (self.timer, _) = (None, self.acts.pop_front());
        }
        Poll::Ready(self.acts.pop_front().map(|act| match act {
            Act::Data(data) => {
                self.length = self.length.map(|length| length - data.len() as u64);
                Ok(Frame::data(data))
            }
            Act::Trailers => Ok(Frame::trailers(HeaderMap::from_iter([(
                http::HeaderName::from_static("x-sum"),
                http::HeaderValue::from_static("7"),
            )]))),
            Act::Fail | Act::Wait(_) => Err("scripted failure"),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.tells_end && self.acts.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// What the observer does with an exchange.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Then {
    Release,
    Keep,
    Panic,
}

/// An observer that answers as told and sends what it gets to the test.
#[derive(Clone)]
pub(super) struct Watcher {
    pub(super) wants: bool,
    pub(super) interest: Interest,
    pub(super) then: Then,
    seen: mpsc::Sender<Seen>,
}

/// What an observer got.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) exchange: Exchange,
    /// Kept, if the observer keeps.
    pub(super) release: Option<Release>,
    pub(super) at: Instant,
}

impl Watcher {
    pub(super) fn new(interest: Interest, then: Then) -> (Self, mpsc::Receiver<Seen>) {
        let (seen, receiver) = mpsc::channel(64);
        (Self { wants: true, interest, then, seen }, receiver)
    }
}

impl Observer for Watcher {
    type Ticket = &'static str;

    fn wants(&self, request: &RequestHead) -> Option<&'static str> {
        assert_ne!(request.path(), "/panic/wants");
        self.wants.then_some("ticket")
    }

    fn narrow(&self, ticket: &mut &'static str, request: &RequestHead, _response: &ResponseHead) -> Interest {
        assert_eq!(std::mem::replace(ticket, "used"), "ticket");
        assert_ne!(request.path(), "/panic/narrow");
        self.interest
    }

    fn observe(&self, _ticket: &'static str, exchange: Exchange, release: Release) {
        assert_ne!(self.then, Then::Panic);
        let release = (self.then == Then::Keep).then_some(release);
        self.seen.try_send(Seen { exchange, release, at: Instant::now() }).expect("room for what was seen");
    }
}

/// A shop that reads the request, thinks, and gives one answer.
pub(super) struct Shop {
    pub(super) reads: bool,
    pub(super) thinks: Duration,
    pub(super) answer: Result<Response<Script>, &'static str>,
}

impl Shop {
    pub(super) fn answers(status: u16, body: Script) -> Self {
        let answer = Response::builder().status(status).body(body).expect("a status");
        Self { reads: true, thinks: Duration::ZERO, answer: Ok(answer) }
    }

    pub(super) fn with_header(mut self, name: &'static str, value: &'static str) -> Self {
        let headers = self.answer.as_mut().expect("an answer").headers_mut();
        headers.insert(name, http::HeaderValue::from_static(value));
        self
    }
}

/// Sends one request through the layer to the shop.
pub(super) async fn visit<O: Observer>(
    layer: &TapLayer<O>,
    shop: Shop,
    request: Request<Script>,
) -> Result<Response<ResponseBody<Script, &'static str>>, &'static str> {
    let shop = std::sync::Mutex::new(Some(shop));
    let shop = service_fn(move |request: Request<RequestBody<Script>>| {
        let shop = shop.lock().expect("no panic").take().expect("one request");
        async move {
            if shop.reads {
                request.into_body().collect().await?;
                tokio::time::sleep(shop.thinks).await;
                shop.answer
            } else {
                tokio::time::sleep(shop.thinks).await;
                drop(request);
                shop.answer
            }
        }
    });
    layer.layer(shop).oneshot(request).await
}

/// A form post with a whole body.
pub(super) fn post(path: &'static str) -> Request<Script> {
    Request::post(path).body(sized(&["product=", "7"])).expect("a path")
}

/// One line about a frame.
pub(super) fn describe<E: std::fmt::Display>(frame: Option<Result<Frame<Bytes>, E>>) -> String {
    match frame {
        None => "end".to_owned(),
        Some(Err(error)) => format!("error {error}"),
        Some(Ok(frame)) => match frame.into_data() {
            Ok(data) => format!("data {}", String::from_utf8_lossy(&data)),
            Err(_) => "trailers".to_owned(),
        },
    }
}

/// Reads a body to its end: what came, and when, in milliseconds from now.
pub(super) async fn read<B>(body: B) -> Vec<(String, u128)>
where
    B: Body<Data = Bytes>,
    B::Error: std::fmt::Display,
{
    let (start, mut body, mut got) = (Instant::now(), std::pin::pin!(body), Vec::new());
    loop {
        let frame = body.frame().await;
        let last = !matches!(frame, Some(Ok(_)));
        got.push((describe(frame), start.elapsed().as_millis()));
        if last {
            return got;
        }
    }
}

pub(super) fn count(counters: &Arc<Counters>, which: fn(&Counters) -> &AtomicU64) -> u64 {
    which(counters).load(Ordering::Relaxed)
}
