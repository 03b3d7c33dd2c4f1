//! The side visitors see: bound listeners, the way to the shop, and the threads that serve them.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use super::AppError;
use super::error::system;
use crate::proxy;
use crate::settings::Settings;

/// A thread that serves visitors.
pub(super) type Core = std::thread::JoinHandle<io::Result<()>>;

/// Bound listeners in front of a shop; whoever serves them gets copies.
pub(super) struct Front {
    /// Where visitors connect to.
    pub(super) bound: SocketAddr,
    /// The shop's addresses and ours: no delivery goes there.
    pub(super) ours: Vec<SocketAddr>,
    origin: proxy::Origin,
    listeners: Vec<TcpListener>,
}

impl Front {
    /// Binds; refuses a shop that is shopbell itself.
    pub(super) async fn bind(settings: &Settings) -> Result<Self, AppError> {
        let origin = proxy::parse_origin(&settings.upstream);
        let origin = origin.map_err(|fault| AppError::Settings(format!("--upstream: {fault}")))?;
        let address = settings.listen;
        let listeners = proxy::bind(address, settings.cores).map_err(|source| AppError::Listen { address, source })?;
        let bound = listeners.first().and_then(|listener| listener.local_addr().ok()).unwrap_or(address);
        let shop = addresses(&origin).await;
        if let Some(loops) = shop.iter().find(|shop| is_ours(**shop, bound)) {
            let (upstream, text) =
                (&settings.upstream, "is shopbell's own address: requests would go round in circles");
            return Err(AppError::Settings(format!(
                "--upstream: {upstream} ({loops}) {text}; name the address the shop itself listens on"
            )));
        }
        let ours = shop.into_iter().chain([bound]).collect();
        Ok(Self { bound, ours, origin, listeners })
    }

    /// What all cores of one service share: limits as the settings say, and counters at zero.
    pub(super) fn shared(&self, settings: &Settings) -> Arc<proxy::Shared> {
        let mut config = proxy::Config::new(self.origin.clone());
        config.answer_timeout = settings.answer_timeout;
        config.drain = settings.drain;
        config.trusted_proxies.clone_from(&settings.trusted_proxies);
        proxy::Shared::new(config)
    }

    /// Has `spawn` serve a copy of each listener. Several may serve one at a time, so a service takes over from another
    /// without a connection refused.
    pub(super) fn start_cores(
        &self,
        spawn: impl Fn(usize, TcpListener) -> io::Result<Core>,
    ) -> Result<Vec<Core>, AppError> {
        let start = |(number, listener): (usize, &TcpListener)| {
            let core = listener.try_clone().and_then(|own| spawn(number, own));
            core.map_err(system("no thread could be made for a core"))
        };
        self.listeners.iter().enumerate().map(start).collect()
    }
}

/// Waits until cores that were told to stop have let their last visitor go.
pub(super) async fn drained(cores: Vec<Core>) {
    let _ = tokio::task::spawn_blocking(move || cores.into_iter().for_each(|core| drop(core.join()))).await;
}

/// Where the shop listens, as far as its name says now.
async fn addresses(origin: &proxy::Origin) -> Vec<SocketAddr> {
    match origin {
        proxy::Origin::Tcp { host, port } => {
            tokio::net::lookup_host((host.as_str(), *port)).await.into_iter().flatten().collect()
        }
        proxy::Origin::Unix(_) => Vec::new(),
    }
}

/// Whether a connection to `shop` would come in at our own listener.
fn is_ours(shop: SocketAddr, bound: SocketAddr) -> bool {
    if shop.port() != bound.port() {
        return false;
    }
    let (shop, ours) = (shop.ip().to_canonical(), bound.ip().to_canonical());
    // An address of this machine is one that can be bound.
    let is_local = || shop.is_unspecified() || std::net::UdpSocket::bind((shop, 0)).is_ok();
    shop == ours || (shop.is_unspecified() && ours.is_loopback()) || (ours.is_unspecified() && is_local())
}
