//! The shop's answer on its way to the visitor.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tokio::task::AbortHandle;
use tokio::time::Sleep;

use super::link::Link;
use super::outgoing::wait;
use super::pool::Pool;
use super::{Counters, ProxyError};

/// Who moves the connection that an answer's body comes over.
pub(super) enum Source {
    /// The body itself does, when it is polled; the connection is kept when the body ends.
    Inline(Box<Link>),
    /// A task of its own: the request's body is still on its way, and must get on even while the visitor reads nothing.
    Apart(Task),
    /// Nobody: the body is over.
    Over,
}

/// A connection's task, which ends with the answer. Otherwise one whose request never ends would stay for good (hyper#4176).
pub(super) struct Task(AbortHandle);

impl Task {
    pub(super) fn of(mut link: Box<Link>) -> Self {
        Self(tokio::spawn(async move { std::future::poll_fn(|cx| link.poll(cx)).await }).abort_handle())
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pin_project! {
    /// The body of the shop's answer. Dropping it before its end closes the connection it comes over.
    pub struct UpstreamBody {
        incoming: Option<Incoming>,
        source: Source,
        pool: Arc<Pool>,
        limit: Duration,
        #[pin]
        timer: Option<Sleep>,
    }
}

impl UpstreamBody {
    pub(super) fn new(incoming: Incoming, source: Source, pool: Arc<Pool>) -> Self {
        let limit = pool.shared.config.body_idle_timeout;
        Self { incoming: Some(incoming), source, pool, limit, timer: None }
    }

    /// Nothing follows the head.
    pub(super) fn none(pool: Arc<Pool>) -> Self {
        Self { incoming: None, source: Source::Over, pool, limit: Duration::ZERO, timer: None }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = ProxyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ProxyError>>> {
        let mut this = self.project();
        let Some(incoming) = this.incoming.as_mut() else { return Poll::Ready(None) };
        let polled = match this.source {
            Source::Inline(link) => poll_inline(link, incoming, cx),
            Source::Apart(_) | Source::Over => Pin::new(incoming).poll_frame(cx),
        };
        let error = match polled {
            Poll::Ready(Some(Ok(frame))) => {
                this.timer.set(None);
                if this.incoming.as_ref().is_some_and(Body::is_end_stream) {
                    end(this.incoming, this.source, this.pool);
                }
                return Poll::Ready(Some(Ok(frame)));
            }
            Poll::Ready(None) => {
                this.timer.set(None);
                end(this.incoming, this.source, this.pool);
                return Poll::Ready(None);
            }
            Poll::Ready(Some(Err(_))) => ProxyError::AnswerCut,
            Poll::Pending => match wait(this.timer.as_mut(), *this.limit, cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) => ProxyError::AnswerStalled,
            },
        };
        this.timer.set(None);
        (*this.incoming, *this.source) = (None, Source::Over);
        Poll::Ready(Some(Err(counted(error, &this.pool.shared.counters))))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

/// The frames only ever come out of the connection polled right here, so the body's own waker would wake this very task for
/// nothing: it gets none.
fn poll_inline(
    link: &mut Link,
    incoming: &mut Incoming,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
    let mut idle = Context::from_waker(Waker::noop());
    if let Poll::Ready(frame) = Pin::new(&mut *incoming).poll_frame(&mut idle) {
        return Poll::Ready(frame);
    }
    let _ = link.poll(cx);
    Pin::new(incoming).poll_frame(&mut idle)
}

fn end(incoming: &mut Option<Incoming>, source: &mut Source, pool: &Arc<Pool>) {
    *incoming = None;
    if let Source::Inline(link) = std::mem::replace(source, Source::Over) {
        pool.keep(link);
    }
}

impl std::fmt::Debug for UpstreamBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let source: &dyn std::fmt::Debug = match &self.source {
            Source::Inline(link) => link,
            Source::Apart(task) => &task.0,
            Source::Over => &"over",
        };
        f.debug_struct("UpstreamBody").field("source", source).finish_non_exhaustive()
    }
}

/// Counts an answer that broke off before its head as well as after it.
pub(super) fn counted(error: ProxyError, counters: &Counters) -> ProxyError {
    tracing::debug!(%error, "no answer");
    counters.error(&error);
    error
}
