//! Who looks at the exchanges.

use tokio::sync::oneshot;

use crate::exchange::{Exchange, RequestHead, ResponseHead};

/// What an observer still wants of an exchange once the response's head is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Nothing: capture stops, nothing is held.
    Nothing,
    /// It, but not the response's body: observed at the response's head, which is held.
    Head,
    /// It with the response's body: the end is held.
    Body,
}

/// Looks at exchanges. Its methods are called on the visitor's path: they must not block and should not panic (a panic is
/// caught and costs this one observation). The best observer only does a `try_send`.
pub trait Observer: Clone + Send + Sync + 'static {
    /// What the observer remembers of an exchange between its calls.
    type Ticket: Send + 'static;

    /// Whether to capture an exchange, asked once its request's head is there. `None`: it passes untouched.
    fn wants(&self, request: &RequestHead) -> Option<Self::Ticket>;

    /// What is still wanted once the response's head is there.
    fn narrow(&self, ticket: &mut Self::Ticket, request: &RequestHead, response: &ResponseHead) -> Interest;

    /// Takes the exchange over. The visitor's answer is held until `release` is dropped, at most for the layer's hold time.
    fn observe(&self, ticket: Self::Ticket, exchange: Exchange, release: Release);
}

/// Holds the visitor's answer while it lives: drop it (or call [`Release::release`]) once the exchange is safe.
#[derive(Debug)]
pub struct Release {
    // Dropping the sender is what wakes the tap.
    _held: Option<oneshot::Sender<()>>,
    expired: std::sync::Arc<std::sync::atomic::AtomicBool>,
}

impl Release {
    /// A hold and the receiver that ends when it is released. `expired` is set by the tap when the hold time ran out.
    pub fn new() -> (Self, oneshot::Receiver<()>, std::sync::Arc<std::sync::atomic::AtomicBool>) {
        let (held, receiver) = oneshot::channel();
        let expired = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        (Self { _held: Some(held), expired: std::sync::Arc::clone(&expired) }, receiver, expired)
    }

    /// The visitor may go on.
    pub fn release(self) {}

    /// Whether the visitor was let go before this was released: promise 1 went before promise 2.
    pub fn expired(&self) -> bool {
        self.expired.load(std::sync::atomic::Ordering::Acquire)
    }
}

/// A hold on nobody: for exchanges that do not come through a tap (replays, tests).
pub fn released() -> Release {
    Release { _held: None, expired: std::sync::Arc::default() }
}
