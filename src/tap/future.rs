//! The answer to come.

use std::fmt;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use http::response::Parts;
use http_body::Body;
use pin_project_lite::pin_project;

use super::counters::add;
use super::hold::{Deadline, Hold};
use super::observation::Observation;
use super::plan::Plan;
use super::response_body::{Leave, Live, ResponseBody};
use super::run_on::{HandOver, RunOn};

pin_project! {
    /// The inner service's answer, its body wrapped. `F` is the inner future, `R` its body, `X` that body's error.
    #[must_use = "futures do nothing unless polled"]
    pub struct TapFuture<F, R, X> {
        #[pin]
        state: State<F, R, X>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, R, X> {
        Pass { #[pin] inner: F },
        Candidate { candidate: Box<Candidate<F, R, X>> },
    }
}

impl<F, R, X> TapFuture<F, R, X> {
    /// The answer to a request nobody wants.
    pub(super) fn pass(inner: F) -> Self {
        Self { state: State::Pass { inner } }
    }

    /// The answer to a candidate. `hand_over`: what to do with the rest if the visitor leaves.
    pub(super) fn candidate(inner: F, observation: Box<Observation>, hand_over: HandOver<F, R>) -> Self {
        let waiting = Waiting { future: Box::pin(inner), observation, hand_over };
        Self { state: State::Candidate { candidate: Box::new(Candidate { step: Step::Waiting(waiting) }) } }
    }
}

impl<F, R, E> Future for TapFuture<F, R, R::Error>
where
    F: Future<Output = Result<Response<R>, E>> + 'static,
    R: Body<Data = Bytes> + 'static,
{
    type Output = Result<Answer<R>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Pass { inner } => inner.poll(cx).map_ok(|response| response.map(ResponseBody::pass)),
            StateProj::Candidate { candidate } => candidate.poll(cx),
        }
    }
}

impl<F, R, X> fmt::Debug for TapFuture<F, R, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let candidate = matches!(self.state, State::Candidate { .. });
        f.debug_struct("TapFuture").field("candidate", &candidate).finish_non_exhaustive()
    }
}

/// A candidate's way from the request to the answer's head.
struct Candidate<F, R, X> {
    /// [`Step::Done`] while it is polled, so that an inner future that panicked is never polled again.
    step: Step<F, R, X>,
}

enum Step<F, R, X> {
    /// For the shop's answer.
    Waiting(Waiting<F, R>),
    /// A redirect's body is read before its head goes out.
    ReadingAhead { parts: Parts, live: Box<Live<R, X>>, deadline: Deadline },
    /// The head waits for the observer.
    Held { hold: Hold, response: Response<ResponseBody<R, X>> },
    /// The answer has been given.
    Done,
}

struct Waiting<F, R> {
    future: Pin<Box<F>>,
    observation: Box<Observation>,
    hand_over: HandOver<F, R>,
}

/// The answer as the visitor gets it.
type Answer<R> = Response<ResponseBody<R, <R as Body>::Error>>;
/// What a step leads to.
type Next<F, R, X> = ControlFlow<Response<ResponseBody<R, X>>, Step<F, R, X>>;

impl<F, R, E> Candidate<F, R, R::Error>
where
    F: Future<Output = Result<Response<R>, E>> + 'static,
    R: Body<Data = Bytes> + 'static,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Answer<R>, E>> {
        loop {
            let next = match std::mem::replace(&mut self.step, Step::Done) {
                Step::Waiting(mut waiting) => match waiting.future.as_mut().poll(cx) {
                    Poll::Pending => return self.wait_in(Step::Waiting(waiting)),
                    Poll::Ready(Ok(response)) => waiting.answered(response),
                    Poll::Ready(Err(error)) => {
                        waiting.observation.failed();
                        return Poll::Ready(Err(error));
                    }
                },
                Step::ReadingAhead { parts, live, deadline } => ready!(self.read_ahead(cx, parts, live, deadline)),
                Step::Held { mut hold, response } => match hold.poll(cx) {
                    Poll::Pending => return self.wait_in(Step::Held { hold, response }),
                    Poll::Ready(()) => ControlFlow::Break(response),
                },
                Step::Done => panic!("TapFuture polled after it was ready, or after its inner future panicked"),
            };
            match next {
                ControlFlow::Continue(step) => self.step = step,
                ControlFlow::Break(response) => return Poll::Ready(Ok(response)),
            }
        }
    }

    fn wait_in<T>(&mut self, step: Step<F, R, R::Error>) -> Poll<T> {
        self.step = step;
        Poll::Pending
    }

    fn read_ahead(
        &mut self,
        cx: &mut Context<'_>,
        parts: Parts,
        mut live: Box<Live<R, R::Error>>,
        mut deadline: Deadline,
    ) -> Poll<Next<F, R, R::Error>> {
        match live.read_ahead(cx) {
            Poll::Ready(observation) => {
                let hold = observation.and_then(|observation| observation.complete_and_hold(Some(deadline)));
                Poll::Ready(held(hold, Response::from_parts(parts, ResponseBody::live(live))))
            }
            Poll::Pending if live.is_overdue(cx, &mut deadline) => {
                Poll::Ready(ControlFlow::Break(Response::from_parts(parts, ResponseBody::live(live))))
            }
            Poll::Pending => self.wait_in(Step::ReadingAhead { parts, live, deadline }),
        }
    }
}

impl<F, R, E> Waiting<F, R>
where
    F: Future<Output = Result<Response<R>, E>> + 'static,
    R: Body<Data = Bytes> + 'static,
{
    fn answered(mut self, response: Response<R>) -> Next<F, R, R::Error> {
        let (parts, body) = response.into_parts();
        match self.observation.answered(&parts, &body) {
            Plan::Pass => ControlFlow::Break(Response::from_parts(parts, ResponseBody::pass(body))),
            Plan::AtHead => {
                let hold = self.observation.complete_and_hold(None);
                held(hold, Response::from_parts(parts, ResponseBody::pass(body)))
            }
            Plan::ReadAhead => {
                let deadline = Deadline::after(self.observation.limits().hold);
                ControlFlow::Continue(Step::ReadingAhead { parts, live: self.into_live(body), deadline })
            }
            Plan::AtEnd => ControlFlow::Break(Response::from_parts(parts, ResponseBody::live(self.into_live(body)))),
        }
    }

    fn into_live(self, body: R) -> Box<Live<R, R::Error>> {
        let Self { observation, hand_over, .. } = self;
        let leave: Leave<R> = Box::new(move |body, observation| leave(RunOn::body, body, observation, hand_over));
        Live::new(body, observation, leave)
    }
}

impl<F, R> Waiting<F, R> {
    /// The visitor has left before the answer.
    fn left(self) {
        let Self { future, observation, hand_over } = self;
        if observation.is_sent() {
            leave(RunOn::answer, future, observation, hand_over);
        }
    }
}

impl<F, R, X> Drop for Candidate<F, R, X> {
    fn drop(&mut self) {
        if let Step::Waiting(waiting) = std::mem::replace(&mut self.step, Step::Done) {
            waiting.left();
        }
    }
}

/// Lets the rest of an exchange run on. An executor that panics costs this exchange's observation.
fn leave<T, F, R>(
    run_on: impl FnOnce(T, Box<Observation>) -> RunOn<F, R>,
    rest: T,
    observation: Box<Observation>,
    hand_over: HandOver<F, R>,
) {
    let counters = std::sync::Arc::clone(observation.counters());
    add(&counters.ran_on);
    counters.guard(|| hand_over(run_on(rest, observation)));
}

fn held<F, R, X>(hold: Option<Hold>, response: Response<ResponseBody<R, X>>) -> Next<F, R, X> {
    match hold {
        Some(hold) => ControlFlow::Continue(Step::Held { hold, response }),
        None => ControlFlow::Break(response),
    }
}
