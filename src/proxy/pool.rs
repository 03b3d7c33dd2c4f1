//! A core's idle connections to the shop. The youngest goes out first, so that the others can age and go.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::time::{Duration, Instant, sleep_until};

use super::Shared;
use super::link::Link;

/// An idle connection and since when.
type Kept = (Instant, Box<Link>);

/// A core's idle connections to the shop.
pub(super) struct Pool {
    pub(super) shared: Arc<Shared>,
    idle: Mutex<Idle>,
    /// A kept connection was closed under a request once: from then on requests are kept repeatable.
    pub(super) wary: AtomicBool,
}

#[derive(Default)]
struct Idle {
    links: VecDeque<Kept>,
    reaping: bool,
}

impl Pool {
    pub(super) fn new(shared: Arc<Shared>) -> Arc<Self> {
        Arc::new(Self { shared, idle: Mutex::default(), wary: AtomicBool::new(false) })
    }

    /// A kept connection that can take a request, and how long it was idle.
    pub(super) fn take(&self) -> Option<(Duration, Box<Link>)> {
        loop {
            let (since, mut link) = self.lock().links.pop_back()?;
            self.shared.idle.fetch_sub(1, Ordering::Relaxed);
            let age = since.elapsed();
            if age < self.shared.config.idle_timeout && link.is_live() {
                return Some((age, link));
            }
        }
    }

    /// Keeps a connection whose exchange is over, if it can be used again and there is room.
    pub(super) fn keep(self: &Arc<Self>, mut link: Box<Link>) {
        if !link.is_live() {
            return;
        }
        let bound = self.shared.config.idle_connections;
        let room = |kept: usize| (kept < bound).then(|| kept + 1);
        if self.shared.idle.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_err() {
            return;
        }
        let mut idle = self.lock();
        idle.links.push_back((Instant::now(), link));
        if !idle.reaping {
            idle.reaping = true;
            tokio::spawn(reap(Arc::downgrade(self), self.shared.config.idle_timeout));
        }
    }

    /// Drops what is older than the limit; gives when to look again, unless nothing is left.
    fn expire(&self, limit: Duration) -> Option<Instant> {
        let mut old = Vec::new();
        let mut idle = self.lock();
        let next = loop {
            match idle.links.front() {
                Some((since, _)) if since.elapsed() >= limit => old.extend(idle.links.pop_front()),
                Some((since, _)) => break Some(*since + limit),
                None => break None,
            }
        };
        idle.reaping = next.is_some();
        drop(idle);
        self.shared.idle.fetch_sub(old.len(), Ordering::Relaxed);
        next
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let kept = self.lock().links.len();
        self.shared.idle.fetch_sub(kept, Ordering::Relaxed);
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("idle", &self.lock().links.len()).finish_non_exhaustive()
    }
}

/// Closes connections whose time is over, as long as there are any.
async fn reap(pool: Weak<Pool>, limit: Duration) {
    let mut next = Instant::now() + limit;
    loop {
        sleep_until(next).await;
        let Some(pool) = pool.upgrade() else { return };
        match pool.expire(limit) {
            Some(time) => next = time,
            None => return,
        }
    }
}
