//! The request's body on its way to the shop.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::capture::Capture;
use crate::exchange::CapturedBody;

pin_project! {
    /// A request's body as the inner service gets it: the visitor's own, frame by frame. A candidate's is copied as it passes.
    #[derive(Debug)]
    pub struct RequestBody<B> {
        #[pin]
        inner: B,
        sent: Option<Arc<Sent>>,
    }
}

impl<B> RequestBody<B> {
    /// A body nobody wants.
    pub(super) fn pass(inner: B) -> Self {
        Self { inner, sent: None }
    }
}

impl<B: Body> RequestBody<B> {
    /// A candidate's body, and where its copy will be found.
    pub(super) fn watched(inner: B, capture: Capture) -> (Self, Arc<Sent>) {
        let left = inner.size_hint().exact();
        let whole = inner.is_end_stream() || left == Some(0);
        let state = State { capture: Some(capture), left, whole, broken: false };
        let sent = Arc::new(Sent { state: Mutex::new(state) });
        (Self { inner, sent: Some(Arc::clone(&sent)) }, sent)
    }
}

impl<B: Body<Data = Bytes>> Body for RequestBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let frame = ready!(this.inner.as_mut().poll_frame(cx));
        if let Some(sent) = this.sent {
            sent.saw(frame.as_ref(), this.inner.is_end_stream());
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// What was sent of a candidate's request body. Behind a lock, as clients often write a body on another task than the one
/// that waits for the answer; it is held for the copying of one frame, never across an await.
#[derive(Debug)]
pub(super) struct Sent {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The copy; taken when the exchange is observed.
    capture: Option<Capture>,
    /// Bytes still to come, where that is known: a client that has got them all does not ask for more.
    left: Option<u64>,
    /// The body has ended.
    whole: bool,
    /// The body has failed.
    broken: bool,
}

impl Sent {
    /// Whether the whole body has gone by.
    pub(super) fn is_whole(&self) -> bool {
        self.state().whole
    }

    /// Whether reading the body from the visitor failed.
    pub(super) fn is_broken(&self) -> bool {
        self.state().broken
    }

    /// The copy, as far as it has come. What follows is not copied any more.
    pub(super) fn take(&self) -> CapturedBody {
        let mut state = self.state();
        let whole = state.whole;
        state.capture.take().map_or_else(CapturedBody::unread, |capture| capture.into_body(whole))
    }

    fn saw<X>(&self, frame: Option<&Result<Frame<Bytes>, X>>, ended: bool) {
        let mut state = self.state();
        match frame {
            None => state.whole = true,
            Some(Err(_)) => state.broken = true,
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    state.left = state.left.map(|left| left.saturating_sub(data.len() as u64));
                    if let Some(capture) = &mut state.capture {
                        capture.push(data);
                    }
                }
                state.whole |= ended || frame.is_trailers() || state.left == Some(0);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
