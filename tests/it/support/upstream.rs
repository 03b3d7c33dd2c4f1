//! A scripted upstream that records exact bytes and answers exact bytes, a raw client, and a proxy between them.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use shopbell::proxy::{Config, Origin, Shared, Upstream, bind, spawn_core};
use tokio::sync::watch;

/// Longer than any step of a test takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until something holds.
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let steps = PATIENCE.as_millis() / 5;
    for _ in 0..steps {
        if holds() {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
    panic!("in vain: {what}");
}

/// One end of a raw connection.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
}

/// A message as it stood on the wire: `body` without chunk framing, `raw` with everything.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    pub(crate) raw: Vec<u8>,
}

impl Seen {
    /// All values of a header, by its exact name.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.filter(|(one, _)| *one == name).map(|(_, value)| value).collect()
    }

    /// Whether a header is there in any case.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.head.lines().skip(1).filter_map(|line| line.split_once(':')).any(|(one, _)| one.eq_ignore_ascii_case(name))
    }

    /// The first line.
    pub(crate) fn first(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }
}

impl Peer {
    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a test socket");
        stream.set_write_timeout(Some(PATIENCE)).expect("a test socket");
        stream.set_nodelay(true).expect("a test socket");
        Self { stream, buffer: Vec::new() }
    }

    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).expect("a test socket"))
    }

    /// Writes; an error is the other side's close, which the test sees elsewhere.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Reads some more; false at the end or at a reset.
    fn fill(&mut self) -> bool {
        let mut space = vec![0; 65_536];
        match self.stream.read(&mut space) {
            Ok(0) => false,
            Ok(read) => {
                self.buffer.extend_from_slice(&space[..read]);
                true
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => panic!("nothing came"),
            Err(_) => false,
        }
    }

    fn take(&mut self, bytes: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < bytes {
            if !self.fill() {
                return None;
            }
        }
        Some(self.buffer.drain(..bytes).collect())
    }

    /// Reads up to and with a mark.
    pub(crate) fn until(&mut self, mark: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.buffer.windows(mark.len()).position(|window| window == mark) {
                return self.take(at + mark.len());
            }
            if !self.fill() {
                return None;
            }
        }
    }

    /// The next head, without anything behind it.
    pub(crate) fn head(&mut self) -> Option<String> {
        self.until(b"\r\n\r\n").map(|head| String::from_utf8(head).expect("a test socket"))
    }

    /// The next message with its body, by Content-Length or chunks; `bodyless` for answers to HEAD, 204 and 304.
    pub(crate) fn message(&mut self, bodyless: bool) -> Option<Seen> {
        let head = self.head()?;
        let mut raw = head.clone().into_bytes();
        let seen = Seen { head, body: Vec::new(), raw: Vec::new() };
        let value = |name: &str| {
            let lines = seen.head.lines().filter_map(|line| line.split_once(':'));
            lines.filter(|(one, _)| one.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned()).next()
        };
        let mut body = Vec::new();
        if bodyless {
        } else if value("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            loop {
                let line = self.until(b"\r\n")?;
                let size =
                    usize::from_str_radix(std::str::from_utf8(&line).expect("text").trim(), 16).expect("a test socket");
                raw.extend_from_slice(&line);
                if size == 0 {
                    loop {
                        let trailer = self.until(b"\r\n")?;
                        raw.extend_from_slice(&trailer);
                        if trailer == b"\r\n" {
                            break;
                        }
                    }
                    break;
                }
                let chunk = self.take(size + 2)?;
                raw.extend_from_slice(&chunk);
                body.extend_from_slice(&chunk[..size]);
            }
        } else if let Some(length) = value("content-length") {
            body = self.take(length.parse().expect("a test socket"))?;
            raw.extend_from_slice(&body);
        }
        Some(Seen { body, raw, ..seen })
    }

    /// The next answer; a close counts as none.
    #[track_caller]
    pub(crate) fn answer(&mut self) -> Seen {
        self.message(false).expect("an answer")
    }

    /// Everything up to the end.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.buffer)
    }

    /// Ends the connection with a reset.
    pub(crate) fn reset(self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).expect("a test socket");
    }

    pub(crate) fn close_write(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }
}

/// A shop that does what a closure says with each connection.
#[derive(Debug)]
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
}

/// What a script has in its hands.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) peer: Peer,
    /// Which connection this is, from 0.
    pub(crate) nth: usize,
    requests: Arc<Mutex<Vec<Seen>>>,
}

impl Turn {
    /// Reads the next request and records it.
    pub(crate) fn request(&mut self) -> Option<Seen> {
        let seen = self.peer.message(false)?;
        self.requests.lock().expect("no poison").push(seen.clone());
        Some(seen)
    }
}

impl Scripted {
    /// Runs `script` in a thread per connection.
    pub(crate) fn start(script: impl Fn(&mut Turn) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a test socket");
        let address = listener.local_addr().expect("a test socket");
        let (requests, connections, open) =
            (Arc::default(), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let shop = Self {
            address,
            requests: Arc::clone(&requests),
            connections: Arc::clone(&connections),
            open: Arc::clone(&open),
        };
        let script = Arc::new(script);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let nth = connections.fetch_add(1, Ordering::SeqCst);
                open.fetch_add(1, Ordering::SeqCst);
                let mut turn = Turn { peer: Peer::new(stream), nth, requests: Arc::clone(&requests) };
                let (script, open) = (Arc::clone(&script), Arc::clone(&open));
                std::thread::spawn(move || {
                    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| script(&mut turn)));
                    drop(turn);
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        shop
    }

    /// Answers every request with the same bytes.
    pub(crate) fn answering(bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref().to_vec();
        Self::start(move |turn| while turn.request().is_some() && turn.peer.send(&bytes) {})
    }

    /// Answers with the same bytes and closes.
    pub(crate) fn answering_once(bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref().to_vec();
        Self::start(move |turn| {
            if turn.request().is_some() {
                turn.peer.send(&bytes);
            }
        })
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.requests.lock().expect("no poison").clone()
    }

    /// The only request.
    #[track_caller]
    pub(crate) fn request(&self) -> Seen {
        let requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests[0].clone()
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Connections open now.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// The defaults in front of this shop.
    pub(crate) fn config(&self) -> Config {
        Config::new(Origin::Tcp { host: "127.0.0.1".to_owned(), port: self.address.port() })
    }
}

/// A proxy on one core.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    pub(crate) shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    core: Option<JoinHandle<std::io::Result<()>>>,
}

impl Proxy {
    pub(crate) fn start(config: Config) -> Self {
        let shared = Shared::new(config);
        let listener = bind(([127, 0, 0, 1], 0).into(), 1).expect("a test socket").remove(0);
        let address = listener.local_addr().expect("a test socket");
        let (stop, stopped) = watch::channel(false);
        let upstream = Arc::clone(&shared);
        let core = spawn_core(0, listener, move || Upstream::new(upstream), Arc::clone(&shared), stopped)
            .expect("a test socket");
        Self { address, shared, stop, core: Some(core) }
    }

    /// In front of a shop, with the defaults.
    pub(crate) fn before(shop: &Scripted) -> Self {
        Self::start(shop.config())
    }

    pub(crate) fn client(&self) -> Peer {
        Peer::connect(self.address)
    }

    /// Sends raw bytes on a new connection and reads one answer.
    #[track_caller]
    pub(crate) fn ask(&self, request: impl AsRef<[u8]>) -> Seen {
        let mut client = self.client();
        client.send(request);
        client.answer()
    }

    /// Begins the drain.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Whether the core has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.core.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop();
        // A test that failed may have left connections open: the thread is not worth waiting for.
        if let Some(core) =
            self.core.take().filter(|_| !std::thread::panicking() && self.shared.open_connections() == 0)
        {
            core.join().expect("a test socket").expect("a test socket");
        }
    }
}
