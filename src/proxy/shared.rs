//! What the cores share: the configuration, the bounds over all of them, and what they count.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::{Semaphore, watch};

use super::{Config, ProxyError};

/// Bounds and counters that the cores share.
#[derive(Debug)]
pub struct Shared {
    /// The configuration.
    pub config: Config,
    /// What happened so far.
    pub counters: Counters,
    /// Places for visitors' connections.
    pub(super) places: Arc<Semaphore>,
    /// Idle connections to the shop, over all cores.
    pub(super) idle: AtomicUsize,
    /// Requests that go on although their connection has gone.
    pub(super) under_way: watch::Sender<usize>,
}

/// While it lives, the drain waits (within its limit) although the visitor's connection may have gone.
#[derive(Debug)]
pub struct UnderWay(Arc<Shared>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.send_modify(|count| *count = count.saturating_sub(1));
    }
}

impl Shared {
    /// Nothing open, nothing counted.
    pub fn new(config: Config) -> Arc<Self> {
        let places = Arc::new(Semaphore::new(config.max_connections.min(Semaphore::MAX_PERMITS)));
        Arc::new(Self {
            config,
            counters: Counters::default(),
            places,
            idle: AtomicUsize::new(0),
            under_way: watch::Sender::new(0),
        })
    }

    /// A request that goes on without its visitor's connection: the drain waits for it.
    pub fn begin_under_way(self: &Arc<Self>) -> UnderWay {
        self.under_way.send_modify(|count| *count = count.saturating_add(1));
        UnderWay(Arc::clone(self))
    }

    /// Visitors' connections that are open now, over all cores.
    pub fn open_connections(&self) -> usize {
        self.config.max_connections.min(Semaphore::MAX_PERMITS).saturating_sub(self.places.available_permits())
    }

    /// Idle connections to the shop that are kept now, over all cores.
    pub fn idle_connections(&self) -> usize {
        self.idle.load(Ordering::Relaxed)
    }
}

/// What happened since the start. All are totals; read them with [`Counters::get`].
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections accepted from visitors.
    pub connections: AtomicU64,
    /// Connections turned away because `max_connections` were open.
    pub refused_connections: AtomicU64,
    /// Accepts that failed (out of file descriptors, for example).
    pub accept_errors: AtomicU64,
    /// Connections ended because the visitor was too slow: no head, no next request, or not reading.
    pub slow_connections: AtomicU64,
    /// Connections cut at the end of the drain.
    pub cut_connections: AtomicU64,
    /// Requests that reached us whole enough to have a head.
    pub requests: AtomicU64,
    /// Requests refused unseen (400, 405, 501), also what is no HTTP at all.
    pub refused_requests: AtomicU64,
    /// Connections opened to the shop.
    pub upstream_connections: AtomicU64,
    /// Requests sent a second time because the kept connection they went out on was already closed.
    pub retries: AtomicU64,
    /// Upgraded connections (WebSocket and others) begun.
    pub tunnels: AtomicU64,
    /// Upgraded connections ended.
    pub tunnels_ended: AtomicU64,
    /// The shop refused, or could not be reached.
    pub connect_failed: AtomicU64,
    /// The shop took longer than `connect_timeout` to accept.
    pub connect_timeouts: AtomicU64,
    /// The shop took longer than `answer_timeout` to begin its answer.
    pub answer_timeouts: AtomicU64,
    /// The shop closed the connection before it answered.
    pub upstream_closed: AtomicU64,
    /// The shop's answer was not HTTP, or broke its rules.
    pub upstream_not_http: AtomicU64,
    /// The shop's answer broke off, or stalled longer than `body_idle_timeout`.
    pub answers_cut: AtomicU64,
    /// The visitor's request body broke off, was malformed or stalled.
    pub requests_cut: AtomicU64,
}

impl Counters {
    /// Reads one counter.
    pub fn get(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }

    pub(super) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an error under its kind.
    pub(super) fn error(&self, error: &ProxyError) {
        Self::count(match error {
            ProxyError::Connect(_) => &self.connect_failed,
            ProxyError::ConnectTimeout => &self.connect_timeouts,
            ProxyError::AnswerTimeout => &self.answer_timeouts,
            ProxyError::Closed => &self.upstream_closed,
            ProxyError::NotHttp | ProxyError::Coding | ProxyError::Switched => &self.upstream_not_http,
            ProxyError::AnswerCut | ProxyError::AnswerStalled => &self.answers_cut,
            ProxyError::RequestCut | ProxyError::RequestStalled => &self.requests_cut,
        });
    }
}
