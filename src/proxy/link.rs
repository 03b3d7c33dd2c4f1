//! One connection to the shop.
//!
//! It has no task of its own: whoever waits for its answer polls it. That saves a wake-up and a switch per piece of an answer, and
//! dropping the waiter drops the connection.

use std::io;
use std::io::ErrorKind::{BrokenPipe, ConnectionReset};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::outgoing::Outgoing;
use super::{Config, Counters, Origin, ProxyError, Shared};

/// Header lines in one answer's head.
const MAX_ANSWER_HEADERS: usize = 256;
/// Bytes of one answer's head, and of one read.
const MAX_ANSWER_BUFFER: usize = 256 * 1024;

/// A socket to the shop.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A connection to the shop that speaks HTTP/1.1.
pub(super) struct Link {
    pub(super) sender: SendRequest<Outgoing>,
    connection: Option<Connection<TokioIo<Wire>, Outgoing>>,
    ended: bool,
}

impl Link {
    /// Opens one.
    pub(super) async fn open(shared: &Shared) -> Result<Box<Self>, ProxyError> {
        let config = &shared.config;
        let stream = match timeout(config.connect_timeout, Stream::connect(config)).await {
            Err(_) => return Err(ProxyError::ConnectTimeout),
            Ok(Err(error)) => return Err(ProxyError::Connect(error.kind())),
            Ok(Ok(stream)) => stream,
        };
        let (sender, connection) = Builder::new()
            .preserve_header_case(true)
            .title_case_headers(true)
            .allow_obsolete_multiline_headers_in_responses(true)
            .max_headers(MAX_ANSWER_HEADERS)
            .max_buf_size(MAX_ANSWER_BUFFER)
            .handshake(TokioIo::new(Wire { stream, deaf: false }))
            .await
            .map_err(|_| ProxyError::Closed)?;
        Counters::count(&shared.counters.upstream_connections);
        Ok(Box::new(Self { sender, connection: Some(connection), ended: false }))
    }

    /// Moves what can be moved. Ready: it ended, or was handed over after a 101.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.connection {
            Some(connection) if !self.ended => self.ended = connection.poll_without_shutdown(cx).is_ready(),
            _ => {}
        }
        if self.ended { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Whether it can take a request now. Finds out about a close that has reached us.
    pub(super) fn is_live(&mut self) -> bool {
        self.poll(&mut Context::from_waker(Waker::noop())).is_pending() && self.sender.is_ready()
    }

    /// Closes it. A request it never began then comes back to its sender.
    pub(super) fn close(&mut self) {
        self.connection = None;
        self.ended = true;
    }

    /// The socket, and what was read of it already; `None` when it is closed.
    pub(super) fn into_stream(self) -> Option<(Stream, Bytes)> {
        let parts = self.connection?.into_parts();
        Some((parts.io.into_inner().stream, parts.read_buf))
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl Stream {
    async fn connect(config: &Config) -> io::Result<Self> {
        match &config.upstream {
            Origin::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                Ok(Self::Tcp(stream))
            }
            Origin::Unix(path) => UnixStream::connect(path).await.map(Self::Unix),
        }
    }
}

/// A socket that HTTP goes over. A shop may answer early and close over the rest of the request (413, 401), which fails our next
/// write while its answer still waits to be read. So a write to a shop that is gone does not fail, it never ends: reading tells
/// how it really was.
struct Wire {
    stream: Stream,
    deaf: bool,
}

impl Wire {
    fn wrote(&mut self, wrote: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match wrote {
            Poll::Ready(Err(error)) if matches!(error.kind(), BrokenPipe | ConnectionReset) => {
                self.deaf = true;
                Poll::Pending
            }
            wrote => wrote,
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.deaf {
            return Poll::Pending;
        }
        let wrote = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.deaf {
            return Poll::Pending;
        }
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(wrote)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

macro_rules! either {
    ($self:expr, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Stream::Tcp($stream) => {
                let $stream = Pin::new($stream);
                $call
            }
            Stream::Unix($stream) => {
                let $stream = Pin::new($stream);
                $call
            }
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, stream => stream.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => stream.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_shutdown(cx))
    }
}
