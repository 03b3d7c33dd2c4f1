//! One connection's service: refusals before the inner service, error answers after it.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tower::util::Oneshot;
use tower_service::Service;

use super::admit::{Refusal, admit};
use super::pulse::{Active, Pulse};
use super::tunnel::Visitor;
use super::{Counters, ProxyError, Shared, Side};

/// Marks answers that are ours and not the shop's.
const MARK: HeaderName = HeaderName::from_static("x-shopbell");

/// The service of one visitor's connection.
#[derive(Debug)]
pub(super) struct Visit<S> {
    pub(super) inner: S,
    pub(super) shared: Arc<Shared>,
    pub(super) visitor: Visitor,
    pub(super) pulse: Arc<Pulse>,
}

impl<S, B> hyper::service::Service<Request<Incoming>> for Visit<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = ProxyError> + Clone,
{
    type Response = Response<Reply<B>>;
    type Error = Infallible;
    type Future = Answering<S>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        Counters::count(&self.shared.counters.requests);
        let active = Some(self.pulse.begin());
        let http1 = request.version() != Version::HTTP_2;
        let (mut parts, body) = request.into_parts();
        let step = match admit(&parts) {
            Ok(()) => {
                parts.extensions.insert(self.visitor.clone());
                let future = Oneshot::new(self.inner.clone(), Request::from_parts(parts, body));
                Step::Inner { future }
            }
            Err(refusal) => {
                Counters::count(&self.shared.counters.refused_requests);
                Step::Refused { refusal }
            }
        };
        Answering { step, active, http1 }
    }
}

pin_project! {
    /// An answer under way.
    pub(super) struct Answering<S>
    where
        S: Service<Request<Incoming>>,
    {
        #[pin]
        step: Step<S>,
        active: Option<Active>,
        http1: bool,
    }
}

pin_project! {
    #[project = StepNow]
    enum Step<S>
    where
        S: Service<Request<Incoming>>,
    {
        Inner { #[pin] future: Oneshot<S, Request<Incoming>> },
        Refused { refusal: Refusal },
    }
}

impl<S, B> Future for Answering<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = ProxyError>,
{
    type Output = Result<Response<Reply<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = match this.step.project() {
            StepNow::Refused { refusal } => {
                let mut answer = own(refusal.status(), refusal.text(), this.active.take());
                if *refusal == Refusal::Connect {
                    answer
                        .headers_mut()
                        .insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
                }
                close(&mut answer, *this.http1);
                answer
            }
            StepNow::Inner { future } => match ready!(future.poll(cx)) {
                Ok(answer) => answer.map(|body| Reply::Passed { body, active: this.active.take() }),
                Err(error) => {
                    let mut answer = own(error.status(), error.text(), this.active.take());
                    if error.side() == Side::Downstream {
                        close(&mut answer, *this.http1);
                    }
                    answer
                }
            },
        };
        Poll::Ready(Ok(answer))
    }
}

/// An answer of ours: plain, and silent about addresses and causes.
fn own<B>(status: StatusCode, text: &'static str, active: Option<Active>) -> Response<Reply<B>> {
    let mut answer = Response::new(Reply::Own { text: Some(Bytes::from_static(text.as_bytes())), active });
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(MARK, HeaderValue::from_static("proxy"));
    answer
}

fn close<B>(answer: &mut Response<B>, http1: bool) {
    if http1 {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

pin_project! {
    /// The body of what the visitor gets.
    #[project = ReplyNow]
    pub(super) enum Reply<B> {
        /// The inner service's.
        Passed { #[pin] body: B, active: Option<Active> },
        /// Ours.
        Own { text: Option<Bytes>, active: Option<Active> },
    }
}

impl<B: Body<Data = Bytes>> Body for Reply<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project() {
            ReplyNow::Passed { body, .. } => body.poll_frame(cx),
            ReplyNow::Own { text, .. } => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Passed { body, .. } => body.is_end_stream(),
            Self::Own { text, .. } => text.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Passed { body, .. } => body.size_hint(),
            Self::Own { text, .. } => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
        }
    }
}
