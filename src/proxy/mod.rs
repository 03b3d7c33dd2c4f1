//! The reverse proxy: accept, forward, hygiene, upgrades, errors. Knows HTTP, nothing of rules or store.
//!
//! What `app` puts together, per core: `serve(listener, tap.layer(Upstream::new(&config)), …)`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Where the shop is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `http://host:port`; the name is resolved at each connect.
    Tcp {
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// `unix:/path`.
    Unix(std::path::PathBuf),
}

/// Limits and switches of the proxy. Every time is that of one step, not of the whole.
#[derive(Clone, Debug)]
pub struct Config {
    /// The shop.
    pub upstream: Origin,
    /// Until a connection to the shop stands.
    pub connect_timeout: Duration,
    /// Until the shop's answer begins.
    pub answer_timeout: Duration,
    /// Between two frames of a body, either way.
    pub body_idle_timeout: Duration,
    /// Without a byte either way on an upgraded connection.
    pub tunnel_idle_timeout: Duration,
    /// Until a request's head is whole, and between requests of one connection.
    pub head_timeout: Duration,
    /// Idle connections kept to the shop, over all cores.
    pub idle_connections: usize,
    /// How long one is kept idle: below the shop's own keep-alive.
    pub idle_timeout: Duration,
    /// Connections from visitors at once, over all cores.
    pub max_connections: usize,
    /// Peers whose `X-Forwarded-*` and `Forwarded` headers are believed and added to; others' are replaced.
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// How long open requests may take after a stop was asked for.
    pub drain: Duration,
}

impl Config {
    /// The defaults in front of a shop.
    pub fn new(upstream: Origin) -> Self {
        Self {
            upstream,
            connect_timeout: Duration::from_secs(5),
            answer_timeout: Duration::from_secs(60),
            body_idle_timeout: Duration::from_secs(60),
            tunnel_idle_timeout: Duration::from_secs(3_600),
            head_timeout: Duration::from_secs(60),
            idle_connections: 32,
            idle_timeout: Duration::from_secs(3),
            max_connections: 10_000,
            trusted_proxies: Vec::new(),
            drain: Duration::from_secs(30),
        }
    }
}

/// Parses `--upstream`: `http://host[:port]` or `unix:/path`. The error is for people.
pub fn parse_origin(_text: &str) -> Result<Origin, String> {
    todo!()
}

/// One listener per core on the same address (`SO_REUSEPORT`); port 0 is resolved once for all.
pub fn bind(_address: SocketAddr, _cores: usize) -> std::io::Result<Vec<std::net::TcpListener>> {
    todo!()
}

/// Bounds and counters that the cores share.
#[derive(Debug)]
pub struct Shared {
    /// The configuration.
    pub config: Config,
}

/// The tower service that forwards one request to the shop. One per core; clones share that core's pool.
#[derive(Clone, Debug)]
pub struct Upstream {}

impl Upstream {
    /// For one core.
    pub fn new(_shared: Arc<Shared>) -> Self {
        todo!()
    }
}
