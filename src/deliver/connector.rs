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
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tower_service::Service;

use super::Guard;
use super::guard::Refusal;
use super::stream::{Pipe, Stream, Wire};
use super::tls;

/// The longest wait for the resolver.
const DNS: Duration = Duration::from_secs(5);

/// The longest wait for one address to take the connection.
const CONNECT: Duration = Duration::from_secs(5);

/// The longest wait for a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum Fault {
    /// The name could not be resolved.
    Dns(String, io::Error),
    /// The guard refused every address.
    Blocked(Refusal),
    /// Refused, or unreachable.
    Refused(SocketAddr, io::Error),
    /// No answer in time.
    TimedOut(SocketAddr),
    /// The TLS handshake failed.
    Tls(io::Error),
    /// It did not end in time.
    TlsTimedOut,
    /// The webhook's own certificates and keys cannot be used.
    Keys(String),
    /// No certificate can be for such a name.
    Name(String),
}

/// Why there is no connection, and how far it came.
#[derive(Debug)]
pub(super) struct ConnectError {
    pub(super) fault: Fault,
    /// When the name was resolved.
    pub(super) resolved: Option<Instant>,
    /// Where TCP stood, and when.
    pub(super) connected: Option<(SocketAddr, Instant)>,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.fault {
            Fault::Dns(host, error) => write!(f, "the name {host} could not be resolved: {error}"),
            Fault::Blocked(refusal) => refusal.fmt(f),
            Fault::Refused(address, error) => write!(f, "no connection to {address}: {error}"),
            Fault::TimedOut(address) => write!(f, "no connection to {address} within {} s", CONNECT.as_secs()),
            Fault::Tls(error) => match tls::inside(error) {
                Some(error) => write!(f, "TLS failed: {}", tls::explain(error)),
                None => write!(f, "TLS failed: it closed the connection during the handshake: {error}"),
            },
            Fault::TlsTimedOut => write!(f, "TLS failed: no handshake within {} s", HANDSHAKE.as_secs()),
            Fault::Keys(text) => write!(f, "TLS failed: {text}"),
            Fault::Name(host) => write!(f, "TLS failed: {host} is no name a certificate could be for"),
        }
    }
}

impl std::error::Error for ConnectError {}

impl From<Fault> for ConnectError {
    fn from(fault: Fault) -> Self {
        Self { fault, resolved: None, connected: None }
    }
}

/// Who says which addresses a name has.
#[derive(Clone, Debug)]
pub(super) enum Resolver {
    /// The machine.
    System,
    /// A test: one answer after the other.
    #[cfg(test)]
    Script(Arc<std::sync::Mutex<std::collections::VecDeque<Vec<SocketAddr>>>>),
    /// A test: it never answers.
    #[cfg(test)]
    Silent,
}

/// Makes guarded connections, with TLS where the URL asks for it.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    guard: Arc<Guard>,
    resolver: Resolver,
    /// What TLS is spoken with; or why it cannot be.
    tls: Result<Arc<ClientConfig>, String>,
}

impl Connector {
    pub(super) fn new(guard: Arc<Guard>, tls: Result<Arc<ClientConfig>, String>) -> Self {
        Self { guard, resolver: Resolver::System, tls }
    }

    /// A connection for `uri`.
    async fn connect(self, uri: Uri) -> Result<TokioIo<Stream>, ConnectError> {
        let host = uri.host().unwrap_or_default();
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let secure = uri.scheme() == Some(&Scheme::HTTPS);
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let found = self.resolve(bare, port).await?;
        let resolved = Instant::now();
        let failed = |fault| ConnectError { fault, resolved: Some(resolved), connected: None };
        let addresses = self.guard.vet(&found).map_err(|refusal| match refusal {
            Some(refusal) => failed(Fault::Blocked(refusal)),
            None => failed(no_address(bare)),
        })?;
        let (address, stream) = dial(&addresses).await.map_err(failed)?;
        let mut wire = Wire::new(address, resolved, Instant::now());
        if !secure {
            return Ok(TokioIo::new(Stream { pipe: Pipe::Plain(stream), wire }));
        }
        let connected = Some((address, wire.connected));
        let failed = |fault| ConnectError { fault, resolved: Some(resolved), connected };
        let config = self.tls.map_err(|text| failed(Fault::Keys(text)))?;
        let name = ServerName::try_from(bare.to_owned()).map_err(|_| failed(Fault::Name(bare.to_owned())))?;
        let shaken = timeout(HANDSHAKE, TlsConnector::from(config).connect(name, stream)).await;
        let stream = shaken.map_err(|_| failed(Fault::TlsTimedOut))?.map_err(|error| failed(Fault::Tls(error)))?;
        let version = stream.get_ref().1.protocol_version().and_then(|version| version.as_str());
        wire.secured = Some((Instant::now(), version.unwrap_or("TLS").replace('_', ".")));
        Ok(TokioIo::new(Stream { pipe: Pipe::Tls(Box::new(stream)), wire }))
    }

    /// Every address of a host. A literal is no matter for the resolver, but is vetted like the rest; other forms of one
    /// (decimal, octal, hexadecimal) are read by the machine's resolver, and come back as addresses too.
    async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Fault> {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        let failed = |error| Fault::Dns(host.to_owned(), error);
        let looking = async {
            match &self.resolver {
                Resolver::System => lookup_host((host, port)).await.map(Iterator::collect),
                #[cfg(test)]
                Resolver::Script(answers) => Ok(answers.lock().unwrap().pop_front().unwrap_or_default()),
                #[cfg(test)]
                Resolver::Silent => std::future::pending().await,
            }
        };
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", DNS.as_secs()));
        timeout(DNS, looking).await.map_err(late).flatten().map_err(failed)
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

fn no_address(host: &str) -> Fault {
    Fault::Dns(host.to_owned(), io::Error::new(io::ErrorKind::NotFound, "it has no address"))
}

/// A connection to the first of `addresses` that takes it.
async fn dial(addresses: &[SocketAddr]) -> Result<(SocketAddr, TcpStream), Fault> {
    let mut last = no_address("the receiver");
    for &address in addresses.iter().take(ADDRESSES_MAX) {
        last = match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Deliveries are small: waiting for more to fill a packet only costs time. Without it, it still works.
                let _ = stream.set_nodelay(true);
                return Ok((address, stream));
            }
            Ok(Err(error)) => Fault::Refused(address, error),
            Err(_) => Fault::TimedOut(address),
        };
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_resolver_that_never_answers_costs_five_seconds() {
        let guard = Arc::new(Guard::default());
        let connector = Connector { guard, resolver: Resolver::Silent, tls: Err("none".to_owned()) };
        let begun = Instant::now();
        let error = connector.connect(Uri::from_static("http://slow.example/")).await.unwrap_err();
        assert_eq!(error.to_string(), "the name slow.example could not be resolved: no answer within 5 s");
        assert_eq!(begun.elapsed(), DNS);
    }

    /// The DNS says one thing first and another later; each answer is judged when it is used, and only what was judged is
    /// connected to.
    #[tokio::test]
    async fn an_answer_that_changes_between_two_looks_gains_nothing() {
        let listeners =
            [TcpListener::bind("127.0.0.2:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap()];
        let [good, evil] = listeners.each_ref().map(|listener| listener.local_addr().unwrap());
        let mapped = SocketAddr::new(IpAddr::V6(std::net::Ipv4Addr::LOCALHOST.to_ipv6_mapped()), evil.port());
        let guard = Guard { allowed: vec!["127.0.0.2/32".parse().unwrap()], ours: Vec::new() };
        let rows: [(Vec<SocketAddr>, Result<SocketAddr, &str>); 6] = [
            (vec![good], Ok(good)),
            (vec![evil], Err("the address guard refused 127.0.0.1")),
            (vec![mapped], Err("the address guard refused")),
            (vec![evil, good, mapped], Ok(good)),
            (vec![good], Ok(good)),
            (Vec::new(), Err("it has no address")),
        ];
        let script = rows.iter().map(|(answer, _)| answer.clone()).collect();
        let connector = Connector {
            guard: Arc::new(guard),
            resolver: Resolver::Script(Arc::new(Mutex::new(script))),
            tls: Err("none".to_owned()),
        };
        for (answer, expected) in rows {
            let got = connector.clone().connect(Uri::from_static("http://rebind.example/")).await;
            match (got, expected) {
                (Ok(stream), Ok(address)) => assert_eq!(stream.inner().wire.address, address, "{answer:?}"),
                (Err(error), Err(says)) => assert!(error.to_string().contains(says), "{answer:?}: {error}"),
                (got, _) => panic!("{answer:?}: {got:?}"),
            }
        }
    }

    /// What only looks like a name is one to the resolver, and what comes of it is judged like all else.
    #[tokio::test]
    async fn other_forms_of_an_address_are_judged_by_what_they_mean() {
        let local: SocketAddr = "127.0.0.1:80".parse().unwrap();
        let rows = [
            ("localhost", "127.0.0.1:80"),
            ("localhost.", "127.0.0.1:80"),
            ("LOCALHOST.", "[::1]:80"),
            ("a.localhost", "127.0.0.1:80"),
            ("2130706433", "127.0.0.1:80"),
            ("0x7f000001", "127.0.0.1:80"),
            ("0x7f.1", "127.0.0.1:80"),
            ("0177.0.0.1", "127.0.0.1:80"),
            ("017700000001", "127.0.0.1:80"),
            ("127.1", "127.0.0.1:80"),
            ("127.0.0.1.", "127.0.0.1:80"),
            ("2852039166", "169.254.169.254:80"),
            ("0xa9fea9fe", "169.254.169.254:80"),
            ("0251.0376.0251.0376", "169.254.169.254:80"),
        ];
        for (host, means) in rows {
            let script = Resolver::Script(Arc::new(Mutex::new([vec![means.parse().unwrap()]].into())));
            let connector = Connector { guard: Arc::default(), resolver: script, tls: Err("none".to_owned()) };
            let error = connector.connect(format!("http://{host}/").parse().unwrap()).await.unwrap_err().to_string();
            let ip = means.trim_end_matches(":80");
            assert!(error.contains(&format!("the address guard refused {ip}")), "{host}: {error}");
        }
        // Literals never get to the resolver: it is silent here.
        for host in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "0.0.0.0"] {
            let connector =
                Connector { guard: Arc::default(), resolver: Resolver::Silent, tls: Err("none".to_owned()) };
            let error = connector.connect(format!("http://{host}/").parse().unwrap()).await.unwrap_err().to_string();
            assert!(error.contains("the address guard refused"), "{host}: {error}");
        }
        assert!(Guard::default().check(local).is_err());
    }
}
