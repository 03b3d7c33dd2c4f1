//! How a visitor's connection gets on, and the socket that tells.
//!
//! Timers per request cost more than they tell: one slow tick per connection compares what moved since the last one. A time limit
//! is met to within a quarter of the shorter limit.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// How long a closing connection waits for the visitor to notice, reading and forgetting what still comes in: a close over unread
/// bytes resets the connection and the visitor may lose the answer (RFC 9112 9.6).
const LINGER_TIME: Duration = Duration::from_secs(2);
/// Bytes read and forgotten at most while closing.
const LINGER_BYTES: usize = 16 * 1024 * 1024;
/// Size of the buffer they are read into, in bytes.
const LINGER_BUFFER: usize = 16 * 1024;

/// What a connection has done so far.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    /// Requests begun.
    begun: AtomicU64,
    /// Requests not finished yet.
    active: AtomicUsize,
    /// Bytes moved either way.
    moved: AtomicU64,
    /// The last write found the visitor's window full.
    blocked: AtomicBool,
    /// A close does not wait for the visitor.
    abrupt: AtomicBool,
}

impl Pulse {
    /// A request begins; it ends when what is returned is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Active {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.active.fetch_add(1, Ordering::Relaxed);
        Active(Arc::clone(self))
    }

    /// From now on a close is just that: the connection is idle, or its bytes are not HTTP.
    pub(super) fn close_abruptly(&self) {
        self.abrupt.store(true, Ordering::Relaxed);
    }

    /// Whether no request is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.active.load(Ordering::Relaxed) == 0
    }

    /// Bytes moved either way so far.
    pub(super) fn moved(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    fn advance(&self, bytes: usize) {
        self.moved.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// A request under way.
#[derive(Debug)]
pub(super) struct Active(Arc<Pulse>);

impl Drop for Active {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a tick found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// It gets on, or is within its time.
    Fine,
    /// Without a request for too long.
    Idle,
    /// The visitor reads nothing of the answer for too long.
    Stalled,
}

/// Compares a pulse with itself, once per tick.
#[derive(Debug)]
pub(super) struct Watch {
    period: Duration,
    idle_limit: Duration,
    stall_limit: Duration,
    begun: u64,
    moved: u64,
    idle: Duration,
    stalled: Duration,
}

/// The shortest tick.
const MIN_PERIOD: Duration = Duration::from_millis(10);

impl Watch {
    pub(super) fn new(idle_limit: Duration, stall_limit: Duration) -> Self {
        let period = (idle_limit.min(stall_limit) / 4).max(MIN_PERIOD);
        let zero = Duration::ZERO;
        Self { period, idle_limit, stall_limit, begun: 0, moved: 0, idle: zero, stalled: zero }
    }

    /// Time between two ticks.
    pub(super) fn period(&self) -> Duration {
        self.period
    }

    /// Looks again, one period after the last time.
    pub(super) fn tick(&mut self, pulse: &Pulse) -> Finding {
        let (begun, moved) = (pulse.begun.load(Ordering::Relaxed), pulse.moved());
        let quiet = pulse.is_idle() && begun == self.begun;
        let stuck = pulse.blocked.load(Ordering::Relaxed) && moved == self.moved;
        self.idle = if quiet { self.idle.saturating_add(self.period) } else { Duration::ZERO };
        self.stalled = if stuck { self.stalled.saturating_add(self.period) } else { Duration::ZERO };
        (self.begun, self.moved) = (begun, moved);
        if self.stalled >= self.stall_limit {
            Finding::Stalled
        } else if self.idle >= self.idle_limit {
            Finding::Idle
        } else {
            Finding::Fine
        }
    }
}

/// A visitor's socket that keeps its pulse, and closes so that the last answer arrives.
#[derive(Debug)]
pub(super) struct Watched {
    stream: TcpStream,
    pulse: Arc<Pulse>,
    ended: bool,
    linger: Option<Pin<Box<Sleep>>>,
    forgotten: usize,
}

impl Watched {
    pub(super) fn new(stream: TcpStream, pulse: Arc<Pulse>) -> Self {
        Self { stream, pulse, ended: false, linger: None, forgotten: 0 }
    }

    fn wrote(&self, wrote: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &wrote {
            Poll::Ready(Ok(bytes)) => {
                self.pulse.blocked.store(false, Ordering::Relaxed);
                self.pulse.advance(*bytes);
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.pulse.blocked.store(true, Ordering::Relaxed),
        }
        wrote
    }
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let read = buf.filled().len() - before;
        if read == 0 && buf.remaining() > 0 {
            self.ended = true;
        }
        self.pulse.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let abrupt = this.ended || this.pulse.abrupt.load(Ordering::Relaxed);
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            if abrupt {
                return Poll::Ready(Ok(()));
            }
            this.linger = Some(Box::pin(tokio::time::sleep(LINGER_TIME)));
        }
        if this.linger.as_mut().is_some_and(|time| time.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(Ok(()));
        }
        let mut space = [0; LINGER_BUFFER];
        while this.forgotten < LINGER_BYTES {
            let mut buffer = ReadBuf::new(&mut space);
            match ready!(Pin::new(&mut this.stream).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => this.forgotten += buffer.filled().len(),
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_tells_idle_from_busy_and_stalled() {
        let pulse = Arc::new(Pulse::default());
        let mut watch = Watch::new(Duration::from_secs(4), Duration::from_secs(8));
        assert_eq!(watch.period(), Duration::from_secs(1));
        let ticks = |watch: &mut Watch, count: usize| (0..count).map(|_| watch.tick(&pulse)).last().unwrap();
        assert_eq!(ticks(&mut watch, 3), Finding::Fine);
        assert_eq!(ticks(&mut watch, 1), Finding::Idle);
        let active = pulse.begin();
        assert_eq!(ticks(&mut watch, 100), Finding::Fine, "a request under way is not idle");
        pulse.blocked.store(true, Ordering::Relaxed);
        assert_eq!(ticks(&mut watch, 7), Finding::Fine);
        pulse.advance(1);
        assert_eq!(ticks(&mut watch, 8), Finding::Fine, "it read something");
        assert_eq!(ticks(&mut watch, 1), Finding::Stalled);
        pulse.blocked.store(false, Ordering::Relaxed);
        drop(active);
        assert_eq!(ticks(&mut watch, 3), Finding::Fine);
        drop(pulse.begin());
        assert_eq!(ticks(&mut watch, 4), Finding::Fine, "a request came between two ticks");
        assert_eq!(ticks(&mut watch, 1), Finding::Idle);
    }
}
