//! A request's body on its way to the shop, and what the waiting side may know of it.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

use super::ProxyError;

/// How long a body whose visitor waits for `100 Continue` is held back for the shop's word (RFC 9110 10.1.1: a client must not
/// wait forever, and neither must we).
const CONTINUE_WAIT: Duration = Duration::from_secs(1);

/// How far a request's body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Stage {
    /// Held until the shop says `100 Continue`.
    Held,
    /// The shop takes it.
    Moving,
    /// The shop would take more, the visitor has not sent it.
    Awaiting,
    /// Whole.
    Done,
    /// Broke off or malformed.
    Cut,
    /// The visitor was too slow.
    Stalled,
    /// The shop answered without asking for it: it must not be sent any more.
    Unwanted,
}

const STAGES: [Stage; 7] =
    [Stage::Held, Stage::Moving, Stage::Awaiting, Stage::Done, Stage::Cut, Stage::Stalled, Stage::Unwanted];

/// Shared by a body and whoever waits for the answer.
#[derive(Debug)]
pub(super) struct Progress {
    stage: AtomicU8,
    frames: AtomicU64,
    held: Mutex<Option<Waker>>,
}

impl Progress {
    fn new(held: bool) -> Arc<Self> {
        let stage = if held { Stage::Held } else { Stage::Moving };
        Arc::new(Self { stage: AtomicU8::new(stage as u8), frames: AtomicU64::new(0), held: Mutex::new(None) })
    }

    pub(super) fn stage(&self) -> Stage {
        STAGES.get(usize::from(self.stage.load(Ordering::Acquire))).copied().unwrap_or(Stage::Cut)
    }

    /// Frames that went to the shop.
    pub(super) fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    /// The shop wants the body (or never says so, and the wait is over).
    pub(super) fn release(&self) {
        self.leave_hold(Stage::Moving);
    }

    /// The shop answered; a body it never asked for stays with the visitor.
    pub(super) fn refuse(&self) {
        self.leave_hold(Stage::Unwanted);
    }

    fn leave_hold(&self, to: Stage) {
        let held = Stage::Held as u8;
        if self.stage.compare_exchange(held, to as u8, Ordering::AcqRel, Ordering::Acquire).is_ok()
            && let Some(waker) = self.held.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            waker.wake();
        }
    }

    fn set(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Release);
    }
}

/// The one request body type of a connection to the shop: nothing, or a box. Most requests have none.
pub(super) struct Outgoing(Option<Pin<Box<dyn Body<Data = Bytes, Error = ProxyError> + Send>>>);

impl Outgoing {
    /// No body.
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// A body with its progress; `held` for `Expect: 100-continue`. `None` for the progress of a body that is empty.
    pub(super) fn new<B>(body: B, held: bool, idle: Duration) -> (Self, Option<Arc<Progress>>)
    where
        B: Body<Data = Bytes> + Send + 'static,
    {
        if body.is_end_stream() {
            return (Self::none(), None);
        }
        let progress = Progress::new(held);
        let guarded = Guarded { body, progress: Arc::clone(&progress), idle, timer: None };
        (Self(Some(Box::pin(guarded))), Some(progress))
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = ProxyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ProxyError>>> {
        self.0.as_mut().map_or(Poll::Ready(None), |body| body.as_mut().poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

pin_project! {
    struct Guarded<B> {
        #[pin]
        body: B,
        progress: Arc<Progress>,
        idle: Duration,
        #[pin]
        timer: Option<Sleep>,
    }
}

impl<B: Body<Data = Bytes>> Body for Guarded<B> {
    type Data = Bytes;
    type Error = ProxyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ProxyError>>> {
        let mut this = self.project();
        match this.progress.stage() {
            Stage::Held => {
                *this.progress.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
                ready!(wait(this.timer.as_mut(), CONTINUE_WAIT, cx));
                this.timer.set(None);
                this.progress.release();
            }
            Stage::Unwanted => return Poll::Pending,
            _ => {}
        }
        let Poll::Ready(frame) = this.body.as_mut().poll_frame(cx) else {
            this.progress.set(Stage::Awaiting);
            ready!(wait(this.timer.as_mut(), *this.idle, cx));
            this.progress.set(Stage::Stalled);
            return Poll::Ready(Some(Err(ProxyError::RequestStalled)));
        };
        this.timer.set(None);
        this.progress.frames.fetch_add(1, Ordering::Relaxed);
        let ended = frame.is_none() || this.body.is_end_stream();
        Poll::Ready(match frame {
            Some(Err(_)) => {
                this.progress.set(Stage::Cut);
                Some(Err(ProxyError::RequestCut))
            }
            frame => {
                this.progress.set(if ended { Stage::Done } else { Stage::Moving });
                frame.map(|frame| frame.map_err(|_| ProxyError::RequestCut))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Waits with a timer that is set at the first call.
pub(super) fn wait(mut timer: Pin<&mut Option<Sleep>>, time: Duration, cx: &mut Context<'_>) -> Poll<()> {
    if timer.is_none() {
        timer.set(Some(sleep(time)));
    }
    timer.as_pin_mut().map_or(Poll::Pending, |timer| timer.poll(cx))
}
