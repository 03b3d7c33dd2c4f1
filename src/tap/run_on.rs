//! Running an exchange on against the shop after its visitor has left.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use http_body::Body;

use super::hold::Deadline;
use super::observation::Observation;
use super::plan::Plan;

/// Gives what is left of an exchange to the layer's executor.
pub(super) type HandOver<F, R> = Box<dyn FnOnce(RunOn<F, R>) + Send>;

/// Spawns on the tokio runtime that runs where the visitor's side was dropped; where there is none, the exchange ends there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spawn;

impl<T> hyper::rt::Executor<T> for Spawn
where
    T: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, rest: T) {
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // Nobody waits for it: it ends by itself, by its deadline at the latest.
            drop(runtime.spawn(rest));
        }
    }
}

/// What is left of a candidate's exchange when its visitor has gone: the shop's answer is awaited and read as far as it is
/// captured, for the layer's run-on time at most, then observed. Dropped earlier, it is observed as failed.
#[must_use = "an exchange runs on only while this is polled"]
pub struct RunOn<F, R> {
    rest: Rest<F, R>,
    observation: Option<Box<Observation>>,
    /// Counted from the first poll.
    deadline: Option<Deadline>,
}

enum Rest<F, R> {
    /// The shop has not answered yet.
    Answer(Pin<Box<F>>),
    /// The answer's body.
    Body(Pin<Box<R>>),
}

impl<F, R> RunOn<F, R> {
    /// Waits for the answer.
    pub(super) fn answer(future: Pin<Box<F>>, observation: Box<Observation>) -> Self {
        Self { rest: Rest::Answer(future), observation: Some(observation), deadline: None }
    }

    /// Reads the rest of the answer's body.
    pub(super) fn body(body: Pin<Box<R>>, observation: Box<Observation>) -> Self {
        Self { rest: Rest::Body(body), observation: Some(observation), deadline: None }
    }
}

impl<F, R, E> Future for RunOn<F, R>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body<Data = Bytes>,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let Some(observation) = &mut this.observation else { return Poll::Ready(()) };
        let deadline = this.deadline.get_or_insert_with(|| Deadline::after(observation.limits().run_on));
        let due = deadline.poll(cx, observation.counters()).is_ready();
        let ended = this.rest.poll(cx, observation);
        if let Poll::Ready(completed) = ended {
            match this.observation.take() {
                Some(observation) if completed => observation.complete(),
                Some(observation) => observation.failed(),
                None => {}
            }
        } else if due {
            this.observation = None; // Its drop hands it over as failed.
        } else {
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

impl<F, R, E> Rest<F, R>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body<Data = Bytes>,
{
    /// Ready with whether all that is wanted was seen.
    fn poll(&mut self, cx: &mut Context<'_>, observation: &mut Observation) -> Poll<bool> {
        loop {
            match self {
                Self::Answer(future) => {
                    let Ok(response) = ready!(future.as_mut().poll(cx)) else { return Poll::Ready(false) };
                    let (parts, body) = response.into_parts();
                    match observation.answered(&parts, &body) {
                        Plan::Pass | Plan::AtHead => return Poll::Ready(true),
                        Plan::ReadAhead | Plan::AtEnd => *self = Self::Body(Box::pin(body)),
                    }
                }
                Self::Body(body) => {
                    if observation.is_cut() {
                        return Poll::Ready(true);
                    }
                    let frame = match ready!(body.as_mut().poll_frame(cx)) {
                        Some(Err(_)) => return Poll::Ready(false),
                        Some(Ok(frame)) => Some(frame),
                        None => None,
                    };
                    if observation.saw(frame.as_ref(), body.is_end_stream()) {
                        return Poll::Ready(true);
                    }
                }
            }
        }
    }
}

impl<F, R> fmt::Debug for RunOn<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunOn").field("observation", &self.observation).finish_non_exhaustive()
    }
}
