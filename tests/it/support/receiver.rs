//! A receiver of webhooks: it keeps every request byte by byte, and answers as its script says.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How one request is answered. Texts are sent as they are.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// This text; the connection stays open.
    Text(String),
    /// This text, then the connection is closed.
    Close(String),
    /// This text, then the connection is reset.
    Reset(String),
    /// This text, then nothing for ever.
    Hang(String),
    /// This text, then a byte every ten milliseconds for ever.
    Drip(String),
    /// This text, then bytes as fast as they go, for ever.
    Endless(String),
}

impl Answer {
    /// A whole answer with this status and no body.
    pub(crate) fn status(status: u16) -> Self {
        Self::Text(format!("HTTP/1.1 {status} Said\r\nContent-Length: 0\r\n\r\n"))
    }
}

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// Which connection, counted from 0.
    pub(crate) connection: usize,
    /// Request line and header lines, as spelt.
    pub(crate) lines: Vec<String>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl Received {
    /// The value of a header, its name spelt exactly so.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.lines.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// Whether this is WooCommerce's ping.
    pub(crate) fn is_ping(&self) -> bool {
        self.body.starts_with(b"webhook_id=")
    }
}

/// A listening receiver; it stops when dropped.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    received: mpsc::Receiver<Received>,
    server: JoinHandle<()>,
}

impl Receiver {
    /// Listens on a free port. The answers are given one after the other, the last one again and again; pings get 200 and
    /// use up none.
    pub(crate) async fn start(answers: Vec<Answer>) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), answers).await
    }

    /// The same on a port that is known before.
    pub(crate) async fn start_at(address: SocketAddr, answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind(address).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (sender, received) = mpsc::channel(4_096);
        let (answers, used) = (Arc::new(answers), Arc::new(AtomicUsize::new(0)));
        let server = tokio::spawn(async move {
            for connection in 0.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                let script = Script {
                    answers: Arc::clone(&answers),
                    used: Arc::clone(&used),
                    sender: sender.clone(),
                    connection,
                };
                tokio::spawn(script.serve(stream));
            }
        });
        Self { address, received, server }
    }

    /// Its address as a URL.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The next request of any kind.
    pub(crate) async fn any(&mut self) -> Received {
        self.received.recv().await.expect("the receiver runs")
    }

    /// The next request that is no ping.
    pub(crate) async fn delivery(&mut self) -> Received {
        loop {
            let received = self.any().await;
            if !received.is_ping() {
                return received;
            }
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

struct Script {
    answers: Arc<Vec<Answer>>,
    used: Arc<AtomicUsize>,
    sender: mpsc::Sender<Received>,
    connection: usize,
}

impl Script {
    async fn serve(self, mut stream: TcpStream) {
        let mut buffer = Vec::new();
        while let Ok(Some(received)) = read(&mut stream, &mut buffer, self.connection).await {
            let answer = if received.is_ping() {
                Answer::status(200)
            } else {
                let index = self.used.fetch_add(1, Ordering::SeqCst);
                self.answers[index.min(self.answers.len() - 1)].clone()
            };
            if self.sender.send(received).await.is_err() || !give(&mut stream, answer).await.unwrap_or(false) {
                return;
            }
        }
    }
}

/// One request; `None` where the sender closed the connection.
async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>, connection: usize) -> io::Result<Option<Received>> {
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        // Something else than HTTP, such as TLS, gets what real servers say to it.
        if buffer.first().is_some_and(|byte| !byte.is_ascii_uppercase()) {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").await?;
            return Ok(None);
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    let lines: Vec<String> = head.split("\r\n").map(str::to_owned).collect();
    let length = |line: &String| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok();
    let whole = end + 4 + lines.iter().find_map(length).unwrap_or(0);
    while buffer.len() < whole {
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
    let body = buffer[end + 4..whole].to_vec();
    buffer.drain(..whole);
    Ok(Some(Received { connection, lines, body }))
}

/// Answers. Gives whether the connection stays.
async fn give(stream: &mut TcpStream, answer: Answer) -> io::Result<bool> {
    let (Answer::Text(text)
    | Answer::Close(text)
    | Answer::Reset(text)
    | Answer::Hang(text)
    | Answer::Drip(text)
    | Answer::Endless(text)) = &answer;
    stream.write_all(text.as_bytes()).await?;
    match answer {
        Answer::Text(_) => return Ok(true),
        Answer::Close(_) => stream.shutdown().await?,
        Answer::Reset(_) => stream.set_zero_linger()?,
        // Until the other side has had enough.
        Answer::Hang(_) => _ = stream.read(&mut [0; 1]).await?,
        Answer::Drip(_) => {
            let mut pace = tokio::time::interval(Duration::from_millis(10));
            loop {
                pace.tick().await;
                stream.write_all(b"x").await?;
            }
        }
        Answer::Endless(_) => loop {
            stream.write_all(&[b'x'; 4_096]).await?;
        },
    }
    Ok(false)
}
