//! Accepting visitors, running their connections, and the drain.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tower_service::Service;

use super::pulse::{Finding, Pulse, Watch, Watched};
use super::tunnel::Visitor;
use super::visit::Visit;
use super::{Counters, ProxyError, Shared, forwarded};

/// Header lines in one request's head.
const MAX_HEADERS: usize = 256;
/// Bytes of one request's head, of one read and of one write.
const MAX_BUFFER: usize = 64 * 1024;
/// Bytes of one HTTP/2 request's head.
const MAX_HEADER_LIST: u32 = 64 * 1024;
/// Requests at once on one HTTP/2 connection.
const MAX_STREAMS: u32 = 128;
/// Bytes of body in flight per HTTP/2 request, and per connection.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// HTTP/2 pings, and how long an answer to one may take.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_WAIT: Duration = Duration::from_secs(20);
/// Pauses after a failed accept (no file descriptors left): doubled from the first to the last.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);
/// What a visitor gets when there is no place left.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 39\r\n\
    X-Shopbell: proxy\r\nRetry-After: 1\r\nConnection: close\r\n\r\nThe shop is busy. Please come back soon";

/// Runs one core: a thread of its own with a current-thread runtime, in which `make` builds the service and [`serve`] runs it.
/// The thread's result is that of `serve`.
pub fn spawn_core<S, B>(
    index: usize,
    listener: std::net::TcpListener,
    make: impl FnOnce() -> S + Send + 'static,
    shared: Arc<Shared>,
    shutdown: watch::Receiver<bool>,
) -> io::Result<JoinHandle<io::Result<()>>>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = ProxyError> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new()
        .name(format!("proxy-{index}"))
        .spawn(move || runtime.block_on(async move { serve(listener, make(), shared, shutdown).await }))
}

/// Serves visitors until `shutdown` becomes true (or its sender is gone), then drains: no new connections, the idle end at once,
/// requests under way and tunnels have `Config::drain` to finish, and what is left is cut.
///
/// Fails only when the listener cannot be used.
pub async fn serve<S, B>(
    listener: std::net::TcpListener,
    service: S,
    shared: Arc<Shared>,
    mut shutdown: watch::Receiver<bool>,
) -> io::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = ProxyError> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let protocol = Arc::new(protocol());
    let stop = shutdown.clone();
    let mut stopped = pin!(shutdown.wait_for(|stop| *stop));
    let mut open = JoinSet::new();
    let mut pause = ACCEPT_PAUSE;
    loop {
        let accepted = tokio::select! {
            biased;
            _ = &mut stopped => break,
            accepted = listener.accept() => accepted,
        };
        while open.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer)) => {
                pause = ACCEPT_PAUSE;
                if let Some(place) = place(&stream, &shared) {
                    let caller = Caller { stream, peer, place, stop: stop.clone() };
                    open.spawn(converse(caller, service.clone(), Arc::clone(&shared), Arc::clone(&protocol)));
                }
            }
            Err(error) => {
                Counters::count(&shared.counters.accept_errors);
                if !gone(&error) {
                    tracing::warn!(%error, pause_ms = pause.as_millis(), "cannot accept connections");
                    // Out of descriptors or memory: the next accept would fail at once too.
                    tokio::select! {
                        _ = &mut stopped => break,
                        () = sleep(pause) => {}
                    }
                    pause = (pause * 2).min(ACCEPT_PAUSE_MAX);
                }
            }
        }
    }
    drop(listener);
    drain(open, &shared).await;
    Ok(())
}

async fn drain(mut open: JoinSet<()>, shared: &Shared) {
    let all = async {
        while open.join_next().await.is_some() {}
        // Its sender is in `shared`: no error.
        let _ = shared.under_way.subscribe().wait_for(|count| *count == 0).await;
    };
    if timeout(shared.config.drain, all).await.is_err() {
        while open.try_join_next().is_some() {}
        for _ in 0..open.len() {
            Counters::count(&shared.counters.cut_connections);
        }
        open.shutdown().await;
    }
}

/// Errors of one connection that was given up before we took it.
fn gone(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// A place for one more connection, else a short answer and nothing.
fn place(stream: &TcpStream, shared: &Shared) -> Option<OwnedSemaphorePermit> {
    Counters::count(&shared.counters.connections);
    let place = Arc::clone(&shared.places).try_acquire_owned().ok();
    if place.is_none() {
        Counters::count(&shared.counters.refused_connections);
        let _ = stream.try_write(FULL);
    }
    place
}

/// How HTTP is spoken with visitors. Time limits on heads and idle connections are `converse`'s.
fn protocol() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .preserve_header_case(true)
        .title_case_headers(true)
        .auto_date_header(false)
        .half_close(false)
        .keep_alive(true)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_BUFFER)
        .header_read_timeout(None);
    builder
        .http2()
        .auto_date_header(false)
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MAX_HEADER_LIST)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_WAIT)
        .timer(TokioTimer::new());
    builder
}

/// One accepted connection.
struct Caller {
    stream: TcpStream,
    peer: SocketAddr,
    place: OwnedSemaphorePermit,
    stop: watch::Receiver<bool>,
}

/// Runs one connection to its end, and the tunnel it may become.
async fn converse<S, B>(caller: Caller, inner: S, shared: Arc<Shared>, protocol: Arc<Builder<TokioExecutor>>)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = ProxyError> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let Caller { stream, peer, place: _place, mut stop } = caller;
    // Without it a small answer may wait for the visitor's acknowledgement of the last one; a failure only costs that time.
    let _ = stream.set_nodelay(true);
    let pulse = Arc::new(Pulse::default());
    let trusted = forwarded::trusted(peer.ip(), &shared.config.trusted_proxies);
    let visitor = Visitor::new(peer.ip(), trusted, Arc::clone(&pulse));
    let visit = Visit { inner, shared: Arc::clone(&shared), visitor: visitor.clone(), pulse: Arc::clone(&pulse) };
    let io = TokioIo::new(Watched::new(stream, Arc::clone(&pulse)));
    {
        let mut connection = pin!(protocol.serve_connection_with_upgrades(io, visit));
        let mut watch = Watch::new(shared.config.head_timeout, shared.config.body_idle_timeout);
        let mut tick = pin!(sleep(watch.period()));
        let mut stopped = pin!(stop.wait_for(|stop| *stop));
        let mut stopping = false;
        loop {
            tokio::select! {
                biased;
                // Errors here are the visitor's and have been answered as far as they can be.
                ended = connection.as_mut() => {
                    if ended.is_err_and(|error| error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse)) {
                        Counters::count(&shared.counters.refused_requests);
                    }
                    break;
                }
                _ = &mut stopped, if !stopping => {
                    stopping = true;
                    if pulse.is_idle() {
                        pulse.close_abruptly();
                    }
                    connection.as_mut().graceful_shutdown();
                }
                () = tick.as_mut() => {
                    if watch.tick(&pulse) != Finding::Fine {
                        Counters::count(&shared.counters.slow_connections);
                        return;
                    }
                    tick.as_mut().reset(Instant::now() + watch.period());
                }
            }
        }
    }
    if let Some(tunnel) = visitor.tunnel() {
        tunnel.run(&shared, &pulse).await;
    }
}
