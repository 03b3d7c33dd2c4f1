//! A connection to a receiver, and what the log wants to know of it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

/// How a connection came to be.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    /// Where it leads.
    pub(super) address: SocketAddr,
    /// When its name was resolved.
    pub(super) resolved: Instant,
    /// When TCP stood.
    pub(super) connected: Instant,
    /// When TLS stood, and its version.
    pub(super) secured: Option<(Instant, String)>,
    used: Arc<AtomicBool>,
}

impl Wire {
    /// Of a connection that has just come to be.
    pub(super) fn new(address: SocketAddr, resolved: Instant, connected: Instant) -> Self {
        Self { address, resolved, connected, secured: None, used: Arc::default() }
    }

    /// Takes note of an attempt over it. Gives whether there was one before.
    pub(super) fn is_reused(&self) -> bool {
        self.used.swap(true, Ordering::Relaxed)
    }
}

/// Bytes to and from a receiver.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) pipe: Pipe,
    pub(super) wire: Wire,
}

/// With TLS, or without.
#[derive(Debug)]
pub(super) enum Pipe {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        let connected = Connected::new().extra(self.wire.clone());
        match &self.pipe {
            // HTTP/2 where the receiver chose it (RFC 7301).
            Pipe::Tls(stream) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => connected.negotiated_h2(),
            Pipe::Plain(_) | Pipe::Tls(_) => connected,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().pipe {
            Pipe::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Pipe::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().pipe {
            Pipe::Plain(stream) => Pin::new(stream).poll_write(cx, data),
            Pipe::Tls(stream) => Pin::new(stream).poll_write(cx, data),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().pipe {
            Pipe::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
            Pipe::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.pipe {
            Pipe::Plain(stream) => stream.is_write_vectored(),
            Pipe::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().pipe {
            Pipe::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Pipe::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().pipe {
            Pipe::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Pipe::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
