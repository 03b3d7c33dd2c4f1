//! The response's body on its way to the visitor.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::hold::{Deadline, Hold};
use super::observation::Observation;

pin_project! {
    /// A response's body as the visitor gets it: the inner service's own, frame by frame, with the same size hint and end.
    /// `X` is the error of `R`.
    pub struct ResponseBody<R, X> {
        #[pin]
        state: State<R, X>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<R, X> {
        Pass { #[pin] inner: R },
        Live { live: Box<Live<R, X>> },
    }
}

impl<R, X> ResponseBody<R, X> {
    /// A body nobody wants.
    pub(super) fn pass(inner: R) -> Self {
        Self { state: State::Pass { inner } }
    }

    /// A candidate's body.
    pub(super) fn live(live: Box<Live<R, X>>) -> Self {
        Self { state: State::Live { live } }
    }
}

impl<R: Body<Data = Bytes>> Body for ResponseBody<R, R::Error> {
    type Data = Bytes;
    type Error = R::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
        match self.project().state.project() {
            StateProj::Pass { inner } => inner.poll_frame(cx),
            StateProj::Live { live } => live.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Pass { inner } => inner.is_end_stream(),
            State::Live { live } => live.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Pass { inner } => inner.size_hint(),
            State::Live { live } => live.size_hint(),
        }
    }
}

impl<R, X> fmt::Debug for ResponseBody<R, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let observation = match &self.state {
            State::Pass { .. } => None,
            State::Live { live } => live.observation.as_ref(),
        };
        f.debug_struct("ResponseBody").field("observation", &observation).finish_non_exhaustive()
    }
}

/// Gives the rest of a body to the layer's executor.
pub(super) type Leave<R> = Box<dyn FnOnce(Pin<Box<R>>, Box<Observation>) + Send>;

/// A candidate's response body. Dropped before its end (the visitor left) it runs on, if the request was whole.
pub(super) struct Live<R, X> {
    /// Out of its place while it is polled, so that one that panicked is never polled again.
    inner: Option<Pin<Box<R>>>,
    /// Read already and not yet given.
    owed: VecDeque<Result<Frame<Bytes>, X>>,
    /// Holds back what is owed, or the end.
    hold: Option<Hold>,
    /// Until the exchange is handed over.
    observation: Option<Box<Observation>>,
    leave: Option<Leave<R>>,
    /// Where the inner body stands.
    inner_end: InnerEnd,
    /// The inner body's hint before anything was read, and what has been given since: the visitor's side must not see that
    /// we read ahead, or a chunked answer would turn into one with a length.
    hint: SizeHint,
    given: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InnerEnd {
    /// More may come.
    Open,
    /// It said `None`, which we still owe.
    Owed,
    /// It said `None`, and so did we.
    Given,
}

impl<R: Body<Data = Bytes>> Live<R, R::Error> {
    /// `leave`: what to do with the rest if the visitor leaves before the end.
    pub(super) fn new(inner: R, observation: Box<Observation>, leave: Leave<R>) -> Box<Self> {
        let hint = inner.size_hint();
        let (owed, hold, leave) = (VecDeque::new(), None, Some(leave));
        let (inner, observation) = (Some(Box::pin(inner)), Some(observation));
        Box::new(Self { inner, owed, hold, observation, leave, inner_end: InnerEnd::Open, hint, given: 0 })
    }

    /// Reads until the body's end, its error, or the layer's read-ahead limit. Ready with the observation to complete; with
    /// none, if the body failed.
    pub(super) fn read_ahead(&mut self, cx: &mut Context<'_>) -> Poll<Option<Box<Observation>>> {
        loop {
            let Some(observation) = &mut self.observation else { return Poll::Ready(None) };
            if observation.received() > observation.limits().read_ahead {
                observation.cut();
                return Poll::Ready(self.observation.take());
            }
            if let Some(observation) = ready!(self.read(cx)) {
                return Poll::Ready(Some(observation));
            }
        }
    }

    /// Whether the head cannot be kept back until the body has been read. Then the exchange is observed at its end.
    pub(super) fn is_overdue(&mut self, cx: &mut Context<'_>, deadline: &mut Deadline) -> bool {
        let Some(observation) = &mut self.observation else { return true };
        let overdue = deadline.poll(cx, observation.counters()).is_ready();
        if overdue {
            observation.let_go();
        }
        overdue
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
        loop {
            if let Some(hold) = &mut self.hold {
                ready!(hold.poll(cx));
                self.hold = None;
            }
            if let Some(frame) = self.owed.pop_front() {
                let data = frame.as_ref().ok().and_then(Frame::data_ref);
                self.given = self.given.saturating_add(data.map_or(0, |data| data.len() as u64));
                return Poll::Ready(Some(frame));
            }
            if self.inner_end != InnerEnd::Open {
                self.inner_end = InnerEnd::Given;
                return Poll::Ready(None);
            }
            if let Some(observation) = ready!(self.read(cx)) {
                self.hold = observation.complete_and_hold(None);
            }
        }
    }

    /// Reads one frame of the inner body into what is owed. Gives the observation once the exchange is complete.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Box<Observation>>> {
        let Some(mut inner) = self.inner.take() else {
            // It panicked, and somebody asks again: the exchange has failed.
            self.inner_end = InnerEnd::Owed;
            self.observation = None;
            return Poll::Ready(None);
        };
        let polled = inner.as_mut().poll_frame(cx);
        let ended = inner.is_end_stream();
        self.inner = Some(inner);
        let frame = match ready!(polled) {
            Some(Err(error)) => {
                self.owed.push_back(Err(error));
                if let Some(observation) = self.observation.take() {
                    observation.failed();
                }
                return Poll::Ready(None);
            }
            Some(Ok(frame)) => Some(frame),
            None => {
                self.inner_end = InnerEnd::Owed;
                None
            }
        };
        let complete = self.observation.as_mut().is_some_and(|observation| observation.saw(frame.as_ref(), ended));
        self.owed.extend(frame.map(Ok));
        Poll::Ready(if complete { self.observation.take() } else { None })
    }

    fn is_end_stream(&self) -> bool {
        let inner_ended = || self.inner.as_ref().is_some_and(Body::is_end_stream);
        match self.inner_end {
            InnerEnd::Given => true,
            InnerEnd::Owed => false,
            InnerEnd::Open => self.hold.is_none() && self.owed.is_empty() && inner_ended(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Some(inner) if self.owed.is_empty() && self.inner_end != InnerEnd::Owed => inner.size_hint(),
            _ => self.hint_less_given(),
        }
    }

    fn hint_less_given(&self) -> SizeHint {
        let mut hint = SizeHint::new();
        hint.set_lower(self.hint.lower().saturating_sub(self.given));
        if let Some(upper) = self.hint.upper() {
            hint.set_upper(upper.saturating_sub(self.given).max(hint.lower()));
        }
        hint
    }
}

impl<R, X> Drop for Live<R, X> {
    fn drop(&mut self) {
        let (Some(inner), Some(observation), Some(leave)) =
            (self.inner.take(), self.observation.take(), self.leave.take())
        else {
            return;
        };
        if observation.is_sent() {
            leave(inner, observation);
        }
    }
}
