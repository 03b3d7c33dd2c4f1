//! A store, a deliverer and its own client, on real sockets and real time.

use std::path::Path;
use std::sync::Arc;

use shopbell::clock::Clock;
use shopbell::deliver::{Deliverer, Guard};
use shopbell::id::{EventUid, WebhookId};
use shopbell::model::record::{EventEntry, LogEntry};
use shopbell::model::{Attempt, Webhook};
use shopbell::store::{LogLine, LogQuery, Options, Store};
use tokio::sync::watch;

use super::rig::event;

pub(super) struct Running {
    pub(super) store: Store,
    pub(super) deliverer: Deliverer,
    _webhooks: watch::Sender<Arc<Vec<Arc<Webhook>>>>,
    _stop: watch::Sender<bool>,
}

/// A deliverer with this webhook over a store in `data`.
pub(super) async fn start(data: &Path, webhook: Webhook, guard: Guard) -> Running {
    let (store, _) = Store::open(data, Options::default(), Clock::System).expect("the store opens");
    let (webhooks, in_force) = watch::channel(Arc::new(vec![Arc::new(webhook)]));
    let (stop, stopping) = watch::channel(false);
    let deliverer = Deliverer::start(store.clone(), in_force, guard, Clock::System, stopping);
    deliverer.backlog(WebhookId(1)).await;
    Running { store, deliverer, _webhooks: webhooks, _stop: stop }
}

/// Receivers of tests may be on this machine.
pub(super) fn loopback() -> Guard {
    Guard { allowed: vec!["127.0.0.0/8".parse().expect("a network")], ours: Vec::new() }
}

impl Running {
    /// Puts an event of `order` into the journal.
    pub(super) async fn event(&self, order: &str) -> EventUid {
        let event = event(order, &[1]);
        let uid = event.uid;
        self.store.commit(vec![EventEntry::Event(Box::new(event))], Vec::new()).await.expect("the store writes");
        uid
    }

    /// Waits for the first attempt in the log that is no ping.
    pub(super) async fn attempt(&self) -> Attempt {
        self.attempts(1).await.remove(0)
    }

    /// Waits until there are so many, and gives them, oldest first.
    pub(super) async fn attempts(&self, count: usize) -> Vec<Attempt> {
        loop {
            let query = LogQuery { limit: 100, kinds: vec!["attempt".into()], ..LogQuery::default() };
            let lines = self.store.search(query).await.expect("the log is searched");
            let attempts = lines.into_iter().rev().filter_map(|line| match line {
                LogLine::Log { entry: LogEntry::Attempt(attempt), .. } if attempt.event.is_some() => Some(*attempt),
                _ => None,
            });
            let attempts: Vec<_> = attempts.collect();
            if attempts.len() >= count {
                return attempts;
            }
            tokio::task::yield_now().await;
        }
    }
}
