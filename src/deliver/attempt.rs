//! One POST, from the request to the verdict.

use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{Extensions, HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};
use tokio::time::{Instant, timeout_at};
use tower::{Service as _, ServiceExt as _};

use super::client::{AnswerBody, BoxError, Client};
use super::connector::ConnectError;
use super::failure::Causes;
use super::stream::Wire;
use crate::model::{FailureClass, Phases, Verdict};

/// So much of an answer is read, in bytes; then the connection is closed.
const READ_MAX: usize = 64 * 1024;

/// So much of an answer's body is kept for the log, in bytes.
const KEPT_MAX: usize = 8 * 1024;

/// So many headers of an answer are kept, and so many bytes of them.
const HEADERS_MAX: (usize, usize) = (32, 8 * 1024);

/// So many kept connections that turn out to be closed an attempt tries one after the other.
const STALE_MAX: usize = 8;

/// How one POST went.
#[derive(Clone, Debug)]
pub(super) struct Report {
    pub(super) verdict: Verdict,
    pub(super) status: Option<u16>,
    /// `Retry-After` as it came.
    pub(super) retry_after: Option<String>,
    pub(super) address: Option<String>,
    pub(super) reused: bool,
    /// It was sent a second time at once.
    pub(super) resent: bool,
    pub(super) tls: Option<String>,
    pub(super) http: Option<String>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) answer: String,
    pub(super) phases: Phases,
}

impl Report {
    /// An attempt that never got to an answer.
    pub(super) fn failed(class: FailureClass, text: impl Into<String>) -> Self {
        Self::of(Verdict::Failed { class, text: text.into() })
    }

    fn of(verdict: Verdict) -> Self {
        Self {
            verdict,
            status: None,
            retry_after: None,
            address: None,
            reused: false,
            resent: false,
            tls: None,
            http: None,
            headers: Vec::new(),
            answer: String::new(),
            phases: Phases::default(),
        }
    }

    /// What failed, for people; empty where nothing did.
    pub(super) fn failure(&self) -> &str {
        match &self.verdict {
            Verdict::Ok => "",
            Verdict::Failed { text, .. } => text,
        }
    }

    /// A kept connection broke before a byte of the answer came: the receiver may have closed it before it saw the request.
    fn is_stale(&self) -> bool {
        let broke = matches!(self.verdict, Verdict::Failed { class: FailureClass::Reset, .. });
        broke && self.reused && self.status.is_none()
    }
}

/// Sends `request`; the whole attempt, with the answer's body, has `limit`. On a kept connection that turns out to be closed
/// it is sent again at once, on another (RFC 9112, section 9.3.1: the delivery's id makes it safe to repeat).
pub(super) async fn run(mut client: Client, request: Request<Full<Bytes>>, limit: Duration) -> Report {
    let start = Instant::now();
    let mut report = once(&mut client, request.clone(), start, limit).await;
    for _ in 0..STALE_MAX {
        if !report.is_stale() {
            break;
        }
        // The next one may be as old; a new one is none of these.
        report = Report { resent: true, ..once(&mut client, request.clone(), start, limit).await };
    }
    report
}

async fn once(client: &mut Client, mut request: Request<Full<Bytes>>, start: Instant, limit: Duration) -> Report {
    let deadline = start + limit;
    let late = |what: &str| Report::failed(FailureClass::Timeout, format!("{what} within {} s", limit.as_secs_f64()));
    let mut seen = Seen { start, reused: false, wire: None, phases: Phases::default() };
    let connection = capture_connection(&mut request);
    let mut report = match timeout_at(deadline, send(client, request, &connection, &mut seen)).await {
        Err(_) => late("no answer"),
        Ok(Err(error)) => {
            let causes = Causes::of(error.as_ref());
            if let Some(connect) = causes.connect() {
                seen.broken(connect);
            }
            let (class, text) = causes.classify();
            let mut report = Report::failed(class, text);
            report.address = causes.connect().and_then(|error| error.connected).map(|(address, _)| address.to_string());
            report
        }
        Ok(Ok(answer)) => {
            let (head, body) = answer.into_parts();
            let mut report = judge(head.status, &head.headers);
            report.http = Some(format!("{:?}", head.version));
            let mut kept = Vec::new();
            let read = timeout_at(deadline, read(body, &mut kept)).await;
            report.answer = String::from_utf8_lossy(&kept).into_owned();
            match read {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    let (class, text) = Causes::of(error.as_ref()).classify();
                    report.verdict = Verdict::Failed { class, text: format!("the answer broke off: {text}") };
                }
                Err(_) => report.verdict = late("the answer did not end").verdict,
            }
            report
        }
    };
    if let (Verdict::Failed { class: FailureClass::Timeout, .. }, Some(connected)) =
        (&report.verdict, connection.connection_metadata().as_ref())
    {
        // It may have gone silent for good; others that share it (HTTP/2) must not wait for it too.
        connected.poison();
    }
    seen.phases.total_us = micros(start, Instant::now());
    (report.phases, report.reused) = (seen.phases, seen.reused);
    if let Some(wire) = seen.wire {
        report.address = Some(wire.address.to_string());
        report.tls = wire.secured.map(|(_, version)| version);
    }
    report
}

/// What was seen of the connection on the way.
#[derive(Debug)]
struct Seen {
    start: Instant,
    reused: bool,
    wire: Option<Wire>,
    phases: Phases,
}

impl Seen {
    /// The request has a connection: a new one, whose steps count as this attempt's as far as they were made within it, or
    /// one that was there.
    fn connected(&mut self, connection: &CaptureConnection) {
        self.phases.connected_us = Some(micros(self.start, Instant::now()));
        let mut extras = Extensions::new();
        if let Some(connected) = connection.connection_metadata().as_ref() {
            connected.get_extras(&mut extras);
        }
        let Some(wire) = extras.remove::<Wire>() else { return };
        self.reused = wire.is_reused();
        if !self.reused {
            self.phases.dns_us = self.since_start(wire.resolved);
            self.phases.tcp_us = self.since_start(wire.connected);
            self.phases.tls_us = wire.secured.as_ref().and_then(|(at, _)| self.since_start(*at));
        }
        self.wire = Some(wire);
    }

    /// There is no connection; so far it came.
    fn broken(&mut self, error: &ConnectError) {
        self.phases.dns_us = error.resolved.and_then(|at| self.since_start(at));
        self.phases.tcp_us = error.connected.and_then(|(_, at)| self.since_start(at));
    }

    fn since_start(&self, at: Instant) -> Option<u64> {
        (at >= self.start).then(|| micros(self.start, at))
    }
}

/// Waits for the answer's head, and notes when the connection stood.
async fn send(
    client: &mut Client,
    request: Request<Full<Bytes>>,
    connection: &CaptureConnection,
    seen: &mut Seen,
) -> Result<Response<AnswerBody>, BoxError> {
    let mut waiting = connection.clone();
    let mut answer = std::pin::pin!(client.ready().await?.call(request));
    let mut watching = true;
    loop {
        tokio::select! {
            biased;
            stood = async { waiting.wait_for_connection_metadata().await.is_some() }, if watching => {
                watching = false;
                if stood {
                    seen.connected(connection);
                }
            }
            answer = &mut answer => {
                // Both may come in one turn.
                if watching && connection.connection_metadata().is_some() {
                    seen.connected(connection);
                }
                seen.phases.first_byte_us = answer.is_ok().then(|| micros(seen.start, Instant::now()));
                return answer;
            }
        }
    }
}

/// Reads the body as far as we care, so that the connection can be used again, and keeps its start.
async fn read(mut body: AnswerBody, kept: &mut Vec<u8>) -> Result<(), BoxError> {
    let mut seen = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        let room = KEPT_MAX.saturating_sub(kept.len()).min(data.len());
        kept.extend_from_slice(&data[..room]);
        seen += data.len();
        if seen >= READ_MAX {
            break;
        }
    }
    Ok(())
}

/// Success is 2xx, 301 and 302 (WooCommerce counts a redirect it does not follow as delivered).
fn judge(status: StatusCode, headers: &HeaderMap) -> Report {
    let good = status.is_success() || matches!(status.as_u16(), 301 | 302);
    let mut report = if good {
        Report::of(Verdict::Ok)
    } else {
        Report::failed(FailureClass::Status, format!("the receiver answered {status}"))
    };
    report.status = Some(status.as_u16());
    report.retry_after = headers.get(RETRY_AFTER).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let mut room = HEADERS_MAX.1;
    for (name, value) in headers.iter().take(HEADERS_MAX.0) {
        let Some(left) = room.checked_sub(name.as_str().len() + value.len()) else { break };
        room = left;
        report.headers.push((name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    }
    report
}

fn micros(start: Instant, end: Instant) -> u64 {
    u64::try_from(end.duration_since(start).as_micros()).unwrap_or(u64::MAX)
}
