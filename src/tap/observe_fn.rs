//! The simplest observer: a function that takes every exchange.

use super::{Interest, Observer, Release};
use crate::exchange::{Exchange, RequestHead, ResponseHead};

/// An observer that wants every exchange with both bodies and hands it to `take`. Dropping the [`Release`] lets the visitor
/// go on.
pub fn observe_fn<T>(take: T) -> ObserveFn<T>
where
    T: Fn(Exchange, Release) + Clone + Send + Sync + 'static,
{
    ObserveFn { take }
}

/// See [`observe_fn`].
#[derive(Clone, Copy)]
pub struct ObserveFn<T> {
    take: T,
}

impl<T> Observer for ObserveFn<T>
where
    T: Fn(Exchange, Release) + Clone + Send + Sync + 'static,
{
    type Ticket = ();

    fn wants(&self, _request: &RequestHead) -> Option<()> {
        Some(())
    }

    fn narrow(&self, (): &mut (), _request: &RequestHead, _response: &ResponseHead) -> Interest {
        Interest::Body
    }

    fn observe(&self, (): (), exchange: Exchange, release: Release) {
        (self.take)(exchange, release);
    }
}

impl<T> std::fmt::Debug for ObserveFn<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObserveFn").finish_non_exhaustive()
    }
}
