//! Upgraded connections: WebSocket and whatever else both sides agree on. Bytes pass, nobody reads them.

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::time::sleep;

use super::link::Stream;
use super::pulse::Pulse;
use super::{Counters, Shared};

/// The visitor a request came from: `serve` puts it into the request's extensions.
#[derive(Clone, Debug)]
pub struct Visitor(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    address: IpAddr,
    trusted: bool,
    pulse: Arc<Pulse>,
    tunnel: Mutex<Option<Tunnel>>,
}

impl Visitor {
    /// `trusted`: one of the proxies before us, whose forwarding headers are believed.
    pub(super) fn new(address: IpAddr, trusted: bool, pulse: Arc<Pulse>) -> Self {
        Self(Arc::new(Inner { address, trusted, pulse, tunnel: Mutex::new(None) }))
    }

    /// The address the connection comes from: a proxy's, if there is one before us.
    pub fn address(&self) -> IpAddr {
        self.0.address
    }

    /// Whether that is a proxy before us whose forwarding headers are believed.
    pub fn is_trusted(&self) -> bool {
        self.0.trusted
    }

    /// Leaves a tunnel for the connection's task to run, once HTTP is over on it.
    pub(super) fn leave(&self, tunnel: Tunnel) {
        self.0.pulse.close_abruptly();
        *self.0.tunnel.lock().unwrap_or_else(PoisonError::into_inner) = Some(tunnel);
    }

    /// The tunnel that was left, if any.
    pub(super) fn tunnel(&self) -> Option<Tunnel> {
        self.0.tunnel.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Two ends that agreed on another protocol.
#[derive(Debug)]
pub(super) struct Tunnel {
    /// Resolves once the 101 has gone to the visitor.
    pub(super) visitor: OnUpgrade,
    /// The shop's end.
    pub(super) shop: Stream,
    /// What the shop sent right behind its 101.
    pub(super) early: Bytes,
}

impl Tunnel {
    /// Runs until both ends are closed, one fails, or nothing moved for too long.
    pub(super) async fn run(self, shared: &Shared, pulse: &Pulse) {
        Counters::count(&shared.counters.tunnels);
        let _ended = Ended(&shared.counters);
        tokio::select! {
            _ = self.copy() => {}
            () = silence(pulse, shared.config.tunnel_idle_timeout) => {}
        }
    }

    async fn copy(mut self) -> io::Result<()> {
        let upgraded = self.visitor.await.map_err(io::Error::other)?;
        let mut visitor = TokioIo::new(upgraded);
        visitor.write_all(&self.early).await?;
        copy_bidirectional(&mut visitor, &mut self.shop).await?;
        Ok(())
    }
}

struct Ended<'a>(&'a Counters);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        Counters::count(&self.0.tunnels_ended);
    }
}

/// Ends when nothing moved for the limit.
async fn silence(pulse: &Pulse, limit: Duration) {
    const LOOKS: u32 = 4;
    let (mut moved, mut quiet) = (pulse.moved(), 0);
    while quiet < LOOKS {
        sleep(limit / LOOKS).await;
        let now = pulse.moved();
        quiet = if now == moved { quiet + 1 } else { 0 };
        moved = now;
    }
}
