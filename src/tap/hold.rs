//! Waiting on the visitor's path: never longer than a deadline.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep_until};

use super::counters::{Counters, add};

/// A moment to give up at. Its timer is armed only once somebody has to wait.
#[derive(Debug)]
pub(super) struct Deadline {
    at: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    /// `span` from now.
    pub(super) fn after(span: Duration) -> Self {
        Self { at: Instant::now() + span, timer: None }
    }

    /// Ready once the moment has come. Where no timer can be armed (no tokio runtime with time) it has come at once: a
    /// wait nobody can end would cost traffic.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, counters: &Counters) -> Poll<()> {
        if self.timer.is_none() {
            self.timer = counters.guard(|| Box::pin(sleep_until(self.at)));
        }
        self.timer.as_mut().map_or(Poll::Ready(()), |timer| timer.as_mut().poll(cx))
    }
}

/// An answer that waits for its observer's release.
#[derive(Debug)]
pub(super) struct Hold {
    released: oneshot::Receiver<()>,
    expired: Arc<AtomicBool>,
    deadline: Deadline,
    counters: Arc<Counters>,
}

impl Hold {
    /// The hold that `released` ends; `None` if it has ended already.
    pub(super) fn begin(
        mut released: oneshot::Receiver<()>,
        expired: Arc<AtomicBool>,
        deadline: Deadline,
        counters: &Arc<Counters>,
    ) -> Option<Self> {
        if released.try_recv() != Err(oneshot::error::TryRecvError::Empty) {
            return None;
        }
        add(&counters.held);
        Some(Self { released, expired, deadline, counters: Arc::clone(counters) })
    }

    /// Ready when the visitor may go on: released, or the deadline has come (then the release's holder is told).
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if Pin::new(&mut self.released).poll(cx).is_ready() {
            return Poll::Ready(());
        }
        std::task::ready!(self.deadline.poll(cx, &self.counters));
        self.expired.store(true, Ordering::Release);
        add(&self.counters.hold_expired);
        Poll::Ready(())
    }
}
