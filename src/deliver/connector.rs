//! Connections to receivers. The address guard stands here, after the resolver and before the connect, so that an answer of
//! the DNS that changes between a check and its use (rebinding) gains nothing.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tower_service::Service;

use super::Guard;
use super::guard::Refusal;

/// The longest wait for the resolver.
const DNS: Duration = Duration::from_secs(5);

/// The longest wait for one address to take the connection.
const CONNECT: Duration = Duration::from_secs(5);

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum ConnectError {
    /// The name could not be resolved.
    Dns(String, io::Error),
    /// The guard refused every address.
    Blocked(Refusal),
    /// Refused, or unreachable.
    Refused(SocketAddr, io::Error),
    /// No answer in time.
    TimedOut(SocketAddr),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(host, error) => write!(f, "the name {host} could not be resolved: {error}"),
            Self::Blocked(refusal) => refusal.fmt(f),
            Self::Refused(address, error) => write!(f, "no connection to {address}: {error}"),
            Self::TimedOut(address) => write!(f, "no connection to {address} within {} s", CONNECT.as_secs()),
        }
    }
}

impl std::error::Error for ConnectError {}

/// Makes guarded TCP connections.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    guard: Arc<Guard>,
}

impl Connector {
    pub(super) fn new(guard: Guard) -> Self {
        Self { guard: Arc::new(guard) }
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let guard = Arc::clone(&self.guard);
        Box::pin(async move {
            let addresses = resolve(&uri).await?;
            let addresses = guard.vet(&addresses).map_err(|refusal| match refusal {
                Some(refusal) => ConnectError::Blocked(refusal),
                None => no_address(uri.host().unwrap_or_default()),
            })?;
            connect(&addresses).await
        })
    }
}

/// Every address of the URI's host. A literal is no matter for the resolver, but is vetted like the rest.
async fn resolve(uri: &Uri) -> Result<Vec<SocketAddr>, ConnectError> {
    let host = uri.host().unwrap_or_default();
    let default = if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
    let port = uri.port_u16().unwrap_or(default);
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let failed = |error| ConnectError::Dns(host.to_owned(), error);
    match timeout(DNS, lookup_host((host, port))).await {
        Ok(Ok(addresses)) => Ok(addresses.collect()),
        Ok(Err(error)) => Err(failed(error)),
        Err(_) => Err(failed(io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", DNS.as_secs())))),
    }
}

fn no_address(host: &str) -> ConnectError {
    ConnectError::Dns(host.to_owned(), io::Error::new(io::ErrorKind::NotFound, "it has no address"))
}

/// A connection to the first of `addresses` that takes it.
async fn connect(addresses: &[SocketAddr]) -> Result<TokioIo<TcpStream>, ConnectError> {
    let mut last = no_address("the receiver");
    for &address in addresses.iter().take(ADDRESSES_MAX) {
        last = match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Deliveries are small: waiting for more to fill a packet only costs time. Without it, it still works.
                let _ = stream.set_nodelay(true);
                return Ok(TokioIo::new(stream));
            }
            Ok(Err(error)) => ConnectError::Refused(address, error),
            Err(_) => ConnectError::TimedOut(address),
        };
    }
    Err(last)
}
