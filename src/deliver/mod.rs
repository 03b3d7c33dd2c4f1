//! From the journal to the receivers: scheduler, attempts, signatures, retries, the address guard, pings.

use std::sync::Arc;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::model::{Health, Status, Webhook, WebhookId};
use crate::store::Store;

/// The webhooks in force, swapped as a whole.
pub type Webhooks = watch::Receiver<Arc<Vec<Arc<Webhook>>>>;

/// Where deliveries may go.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    /// `--allow-delivery-to`: private and loopback ranges that are allowed.
    pub allowed: Vec<ipnet::IpNet>,
    /// Our own listeners and the upstream: never allowed.
    pub ours: Vec<std::net::SocketAddr>,
}

/// The running delivery side; cheap to clone.
#[derive(Clone, Debug)]
pub struct Deliverer {}

impl Deliverer {
    /// Starts scheduling on the current runtime. Ends when `shutdown` changes: attempts in flight get up to 25 s.
    pub fn start(
        _store: Store,
        _webhooks: Webhooks,
        _guard: Guard,
        _clock: Clock,
        _shutdown: watch::Receiver<bool>,
    ) -> Self {
        todo!()
    }

    /// Waits until the scheduler has stopped.
    pub async fn stopped(&self) {
        todo!()
    }

    /// Lays a status over the file's, or takes the overlay away (`Active`: failure count and breaker are reset, held events
    /// go out in order). `actor` is for the log. `Err` tells people why not.
    pub async fn set_status(&self, _webhook: WebhookId, _status: Status, _actor: &str) -> Result<Health, String> {
        todo!()
    }

    /// Pings now: `Ok` is the answer's status, `Err` says what went wrong.
    pub async fn ping(&self, _webhook: WebhookId) -> Result<u16, String> {
        todo!()
    }

    /// Deliveries not yet ended: (waiting and deferred, journal events behind the cursor at least).
    pub async fn backlog(&self, _webhook: WebhookId) -> (u64, u64) {
        todo!()
    }
}
