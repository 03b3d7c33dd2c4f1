//! The layer: an observer, an executor and the bounds.

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use tower_layer::Layer;

use super::counters::Counters;
use super::{Observer, Spawn, Tap};
use crate::exchange::Clock;

/// Most bytes kept of a request's body, if nothing else is said: 1 MiB.
pub const REQUEST_CAPTURE: usize = 1 << 20;
/// Most bytes kept of a response's body, if nothing else is said: 2 MiB.
pub const RESPONSE_CAPTURE: usize = 2 << 20;
/// Most bytes kept of all bodies together, until the observer has dropped them, if nothing else is said: 64 MiB.
pub const BUDGET: usize = 64 << 20;
/// How long a visitor's answer is held at most, if nothing else is said: 250 ms.
pub const HOLD: Duration = Duration::from_millis(250);
/// Most bytes of a redirect's body that are read before its head goes out, if nothing else is said: 64 KiB.
pub const READ_AHEAD: u64 = 64 << 10;
/// How long an exchange runs on after its visitor has left, if nothing else is said: 30 s.
pub const RUN_ON: Duration = Duration::from_secs(30);

/// The bounds of one exchange's observation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) request_capture: usize,
    pub(super) response_capture: usize,
    pub(super) budget: usize,
    pub(super) hold: Duration,
    pub(super) read_ahead: u64,
    pub(super) run_on: Duration,
}

/// Puts a [`Tap`] before a service. Clones, and the services they make, share the capture budget and the counters.
#[derive(Clone, Debug)]
pub struct TapLayer<O, E = Spawn> {
    observer: O,
    executor: E,
    settings: Settings,
}

/// What every tap of a layer goes by.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) limits: Limits,
    pub(super) clock: Clock,
    pub(super) secure: fn(&Parts) -> bool,
    pub(super) counters: Arc<Counters>,
}

impl<O: Observer> TapLayer<O> {
    /// A layer that shows exchanges to `observer`, with the bounds that the constants of [this module](super) name, on tokio.
    pub fn new(observer: O) -> Self {
        let limits = Limits {
            request_capture: REQUEST_CAPTURE,
            response_capture: RESPONSE_CAPTURE,
            budget: BUDGET,
            hold: HOLD,
            read_ahead: READ_AHEAD,
            run_on: RUN_ON,
        };
        let settings = Settings { limits, clock: Clock::System, secure: names_https, counters: Arc::default() };
        Self { observer, executor: Spawn, settings }
    }
}

impl<O, E> TapLayer<O, E> {
    /// Most bytes kept of a request's body, the contents of a form's files not counted ([`REQUEST_CAPTURE`]).
    #[must_use]
    pub fn request_capture(mut self, bytes: usize) -> Self {
        self.settings.limits.request_capture = bytes;
        self
    }

    /// Most bytes kept of a response's body ([`RESPONSE_CAPTURE`]).
    #[must_use]
    pub fn response_capture(mut self, bytes: usize) -> Self {
        self.settings.limits.response_capture = bytes;
        self
    }

    /// Most bytes kept of all bodies together, until the observer has dropped them ([`BUDGET`]).
    #[must_use]
    pub fn budget(mut self, bytes: usize) -> Self {
        self.settings.limits.budget = bytes;
        self
    }

    /// How long an answer is held at most ([`HOLD`]); zero: never.
    #[must_use]
    pub fn hold(mut self, time: Duration) -> Self {
        self.settings.limits.hold = time;
        self
    }

    /// Most bytes of a redirect's body that are read before its head goes out ([`READ_AHEAD`]); of a longer one the rest is
    /// not captured. The last frame read may exceed it.
    #[must_use]
    pub fn read_ahead(mut self, bytes: u64) -> Self {
        self.settings.limits.read_ahead = bytes;
        self
    }

    /// How long an exchange runs on after its visitor has left ([`RUN_ON`]).
    #[must_use]
    pub fn run_on(mut self, time: Duration) -> Self {
        self.settings.limits.run_on = time;
        self
    }

    /// Where the time of exchanges comes from ([`Clock::System`]).
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.settings.clock = clock;
        self
    }

    /// How to see that a visitor spoke TLS, for [`RequestHead::secure`](crate::exchange::RequestHead): from an extension the
    /// listener sets, say. By default a request is secure if its target names `https`, as over HTTP/2.
    #[must_use]
    pub fn secure_by(mut self, is_secure: fn(&Parts) -> bool) -> Self {
        self.settings.secure = is_secure;
        self
    }

    /// Who runs an exchange on after its visitor has left ([`Spawn`]).
    #[must_use]
    pub fn executor<T>(self, executor: T) -> TapLayer<O, T> {
        TapLayer { observer: self.observer, executor, settings: self.settings }
    }

    /// What this layer's taps have counted.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.settings.counters)
    }
}

impl<S, O: Clone, E: Clone> Layer<S> for TapLayer<O, E> {
    type Service = Tap<S, O, E>;

    fn layer(&self, inner: S) -> Tap<S, O, E> {
        Tap::new(inner, self.observer.clone(), self.executor.clone(), self.settings.clone())
    }
}

fn names_https(parts: &Parts) -> bool {
    parts.uri.scheme() == Some(&http::uri::Scheme::HTTPS)
}
