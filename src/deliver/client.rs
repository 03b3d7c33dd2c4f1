//! The HTTP client of deliveries: guarded connections, TLS, a small pool, no redirects.
//!
//! [`Client`] is a tower service in a box: whoever embeds the delivery side, and every test on paused time, may put another
//! one in its place.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

use super::Guard;
use super::connector::Connector;

/// Any error on the way to a receiver; its chain says what happened.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a receiver's answer.
pub type AnswerBody = UnsyncBoxBody<Bytes, BoxError>;

/// What sends one request and gives the answer, never following a redirect.
pub type Client = BoxCloneSyncService<Request<Full<Bytes>>, Response<AnswerBody>, BoxError>;

/// Idle connections kept for one receiver.
const IDLE_PER_HOST: usize = 8;

/// How long an idle connection is kept.
const IDLE_FOR: Duration = Duration::from_mins(1);

/// A client that connects only where `guard` lets it, over HTTP/1.1. Certificates are checked against the machine's roots,
/// or Mozilla's where the machine has none.
pub(super) fn client(guard: Guard) -> Client {
    let connector: HttpsConnector<Connector> = HttpsConnectorBuilder::new()
        .with_tls_config(tls())
        .https_or_http()
        .enable_http1()
        .wrap_connector(Connector::new(guard));
    let client: legacy::Client<_, Full<Bytes>> = legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_FOR)
        .pool_max_idle_per_host(IDLE_PER_HOST)
        .http1_preserve_header_case(true)
        .build(connector);
    let boxed = |response: Response<Incoming>| response.map(|body| body.map_err(BoxError::from).boxed_unsync());
    Client::new(client.map_response(boxed).map_err(BoxError::from))
}

fn tls() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (added, ignored) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    tracing::debug!(added, ignored, errors = found.errors.len(), "root certificates loaded");
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider knows the default protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
