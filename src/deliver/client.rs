//! The HTTP client of deliveries: guarded connections, TLS, a small pool, no redirects.
//!
//! [`Client`] is a tower service in a box: whoever embeds the delivery side, and every test on paused time, may put another
//! one in its place.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::RootCertStore;
use tower::service_fn;
use tower::util::BoxCloneSyncService;

use super::connector::Connector;
use super::{Guard, tls};
use crate::model::TlsKeys;

/// Any error on the way to a receiver; its chain says what happened.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a receiver's answer.
pub type AnswerBody = UnsyncBoxBody<Bytes, BoxError>;

/// What sends one request and gives the answer, never following a redirect. Where a webhook has certificates or keys of its
/// own, they stand among the request's extensions as `Arc<TlsKeys>`.
pub type Client = BoxCloneSyncService<Request<Full<Bytes>>, Response<AnswerBody>, BoxError>;

/// Idle connections kept for one receiver.
const IDLE_PER_HOST: usize = 8;

/// How long an idle connection is kept.
const IDLE_FOR: Duration = Duration::from_mins(1);

/// How often a connection of HTTP/2 is asked whether it still stands, and how long its answer may take.
const PING: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(10));

/// Sets of webhooks' own certificates and keys whose connections are kept; the one unused for longest leaves.
const OWN_MAX: usize = 64;

type Inner = legacy::Client<Connector, Full<Bytes>>;

/// One client for each set of certificates and keys.
#[derive(Debug)]
struct Clients {
    guard: Arc<Guard>,
    roots: RootCertStore,
    plain: Inner,
    /// Last used first.
    own: Mutex<Vec<(Arc<TlsKeys>, Inner)>>,
}

/// A client that connects only where `guard` lets it, over HTTP/1.1 or, where the receiver chooses it in the TLS handshake,
/// HTTP/2. Certificates are checked against the machine's roots, or Mozilla's where the machine has none.
pub(super) fn client(guard: Guard) -> Client {
    let (guard, roots) = (Arc::new(guard), tls::machine_roots());
    let plain = inner(Connector::new(Arc::clone(&guard), tls::config(roots.clone(), &TlsKeys::default())));
    let clients = Arc::new(Clients { guard, roots, plain, own: Mutex::new(Vec::new()) });
    Client::new(service_fn(move |request: Request<Full<Bytes>>| {
        let client = match request.extensions().get::<Arc<TlsKeys>>() {
            Some(keys) => clients.own(keys),
            None => clients.plain.clone(),
        };
        async move {
            let answer = client.request(request).await?;
            Ok(answer.map(|body| body.map_err(BoxError::from).boxed_unsync()))
        }
    }))
}

fn inner(connector: Connector) -> Inner {
    legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_FOR)
        .pool_max_idle_per_host(IDLE_PER_HOST)
        .http1_preserve_header_case(true)
        .http2_keep_alive_interval(PING.0)
        .http2_keep_alive_timeout(PING.1)
        .build(connector)
}

impl Clients {
    /// The client of a webhook's own keys.
    fn own(&self, keys: &Arc<TlsKeys>) -> Inner {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let known = own.iter().position(|(known, _)| known == keys).map(|at| own.remove(at));
        let entry = known.unwrap_or_else(|| {
            let config = tls::config(self.roots.clone(), keys);
            (Arc::clone(keys), inner(Connector::new(Arc::clone(&self.guard), config)))
        });
        let client = entry.1.clone();
        own.insert(0, entry);
        own.truncate(OWN_MAX);
        client
    }
}
