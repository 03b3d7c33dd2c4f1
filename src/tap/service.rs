//! The service: asks at the request's head whether anybody cares.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use hyper::rt::Executor;
use tower_service::Service;

use super::capture::Capture;
use super::counters::add;
use super::layer::Settings;
use super::observation::Observation;
use super::run_on::HandOver;
use super::{Observer, RequestBody, ResponseBody, RunOn, Spawn, TapFuture};
use crate::exchange::RequestHead;

/// A service whose exchanges are observed. Made by a [`TapLayer`](super::TapLayer).
#[derive(Clone, Debug)]
pub struct Tap<S, O, E = Spawn> {
    inner: S,
    observer: O,
    executor: E,
    settings: Settings,
}

impl<S, O, E> Tap<S, O, E> {
    pub(super) fn new(inner: S, observer: O, executor: E, settings: Settings) -> Self {
        Self { inner, observer, executor, settings }
    }
}

impl<S, O: Observer, E> Tap<S, O, E> {
    /// The request's head and the observer's ticket, if it wants the exchange. The head is lent to the observer and copied only
    /// then: nearly all traffic is wanted by nobody.
    fn ask(&self, parts: &mut Parts) -> Option<(RequestHead, O::Ticket)> {
        let secure = self.settings.counters.guard(|| (self.settings.secure)(parts)).unwrap_or(false);
        let (method, uri) = (std::mem::take(&mut parts.method), std::mem::take(&mut parts.uri));
        let head = RequestHead { method, uri, headers: std::mem::take(&mut parts.headers), secure };
        let ticket = self.settings.counters.guard(|| self.observer.wants(&head)).flatten();
        let Some(ticket) = ticket else {
            (parts.method, parts.uri, parts.headers) = (head.method, head.uri, head.headers);
            return None;
        };
        (parts.method, parts.uri, parts.headers) = (head.method.clone(), head.uri.clone(), head.headers.clone());
        add(&self.settings.counters.candidates);
        Some((head, ticket))
    }

    /// Begins to observe an exchange: the body for the inner service, and the observation.
    fn begin<B: Body>(&self, (head, ticket): (RequestHead, O::Ticket), body: B) -> (RequestBody<B>, Box<Observation>) {
        let Settings { limits, clock, counters, .. } = &self.settings;
        let content_type = head.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let capture = Capture::new(limits.request_capture, limits.budget, Arc::clone(counters)).of_type(content_type);
        let (body, sent) = RequestBody::watched(body, capture);
        let observer = (self.observer.clone(), ticket);
        (body, Observation::begin(observer, (clock.now(), head, sent), *limits, Arc::clone(counters)))
    }
}

impl<S, O, E, B, R> Service<Request<B>> for Tap<S, O, E>
where
    S: Service<Request<RequestBody<B>>, Response = Response<R>>,
    S::Future: 'static,
    O: Observer,
    E: Executor<RunOn<S::Future, R>> + Clone + Send + 'static,
    B: Body<Data = Bytes>,
    R: Body<Data = Bytes> + 'static,
{
    type Response = Response<ResponseBody<R, R::Error>>;
    type Error = S::Error;
    type Future = TapFuture<S::Future, R, R::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        let Some(wanted) = self.ask(&mut parts) else {
            return TapFuture::pass(self.inner.call(Request::from_parts(parts, RequestBody::pass(body))));
        };
        let (body, observation) = self.begin(wanted, body);
        let answer = self.inner.call(Request::from_parts(parts, body));
        let executor = self.executor.clone();
        let hand_over: HandOver<S::Future, R> = Box::new(move |rest| executor.execute(rest));
        TapFuture::candidate(answer, observation, hand_over)
    }
}
