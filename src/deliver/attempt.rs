//! One POST, from the request to the verdict.

use std::error::Error;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::connect::{HttpInfo, capture_connection};
use tokio::time::{Instant, timeout_at};
use tower::ServiceExt as _;

use super::client::{AnswerBody, BoxError, Client};
use super::connector::ConnectError;
use crate::model::{FailureClass, Phases, Verdict};

/// So much of an answer is read, in bytes; then the connection is closed.
const READ_MAX: usize = 64 * 1024;

/// So much of an answer's body is kept for the log, in bytes.
const KEPT_MAX: usize = 8 * 1024;

/// So many headers of an answer are kept, and so many bytes of them.
const HEADERS_MAX: (usize, usize) = (32, 8 * 1024);

/// How one POST went.
#[derive(Clone, Debug)]
pub(super) struct Report {
    pub(super) verdict: Verdict,
    pub(super) status: Option<u16>,
    /// `Retry-After` as it came.
    pub(super) retry_after: Option<String>,
    pub(super) address: Option<String>,
    pub(super) reused: bool,
    pub(super) tls: Option<String>,
    pub(super) http: Option<String>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) answer: String,
    pub(super) phases: Phases,
}

impl Report {
    /// An attempt that never got to an answer.
    pub(super) fn failed(class: FailureClass, text: impl Into<String>) -> Self {
        let verdict = Verdict::Failed { class, text: text.into() };
        Self {
            verdict,
            status: None,
            retry_after: None,
            address: None,
            reused: false,
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
}

/// Sends `request`; the whole attempt, with the answer's body, has `limit`.
pub(super) async fn run(client: Client, request: Request<Full<Bytes>>, limit: Duration) -> Report {
    let start = Instant::now();
    let deadline = start + limit;
    let late = |what: &str| Report::failed(FailureClass::Timeout, format!("{what} within {} s", limit.as_secs_f64()));
    let mut phases = Phases::default();
    let mut report = match timeout_at(deadline, send(client, request, start, &mut phases)).await {
        Err(_) => late("no answer"),
        Ok(Err(error)) => {
            let (class, text) = classify(error.as_ref());
            Report::failed(class, text)
        }
        Ok(Ok(answer)) => {
            let (head, body) = answer.into_parts();
            let mut report = judge(head.status, &head.headers);
            report.address = head.extensions.get::<HttpInfo>().map(|info| info.remote_addr().to_string());
            let mut kept = Vec::new();
            let read = timeout_at(deadline, read(body, &mut kept)).await;
            report.answer = String::from_utf8_lossy(&kept).into_owned();
            match read {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    let (class, text) = classify(error.as_ref());
                    report.verdict = Verdict::Failed { class, text: format!("the answer broke off: {text}") };
                }
                Err(_) => report.verdict = late("the answer did not end").verdict,
            }
            report
        }
    };
    phases.total_us = micros(start);
    report.phases = phases;
    report
}

/// Waits for the answer's head, and notes when the connection stood.
async fn send(
    client: Client,
    mut request: Request<Full<Bytes>>,
    start: Instant,
    phases: &mut Phases,
) -> Result<Response<AnswerBody>, BoxError> {
    let mut connection = capture_connection(&mut request);
    let mut answer = std::pin::pin!(client.oneshot(request));
    let mut watching = true;
    loop {
        tokio::select! {
            biased;
            stood = async { connection.wait_for_connection_metadata().await.is_some() }, if watching => {
                watching = false;
                phases.connected_us = stood.then(|| micros(start));
            }
            answer = &mut answer => {
                phases.first_byte_us = answer.is_ok().then(|| micros(start));
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
    let text = format!("the receiver answered {status}");
    let mut report = Report::failed(FailureClass::Status, text);
    if good {
        report.verdict = Verdict::Ok;
    }
    report.status = Some(status.as_u16());
    report.retry_after = headers.get(RETRY_AFTER).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let mut room = HEADERS_MAX.1;
    for (name, value) in headers.iter().filter(|(name, _)| **name != http::header::SET_COOKIE).take(HEADERS_MAX.0) {
        let Some(left) = room.checked_sub(name.as_str().len() + value.len()) else { break };
        room = left;
        report.headers.push((name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    }
    report
}

/// What kind of failure an error is, by its causes, and what to tell people.
fn classify(error: &(dyn Error + 'static)) -> (FailureClass, String) {
    let (mut chain, mut next) = (Vec::new(), Some(error));
    while let Some(cause) = next {
        chain.push(cause);
        next = cause.source();
    }
    let text = chain.last().map_or_else(String::new, ToString::to_string);
    for cause in &chain {
        if let Some(connect) = cause.downcast_ref::<ConnectError>() {
            return (connect_class(connect), connect.to_string());
        }
        if let Some(tls) = tls_error(*cause) {
            return (FailureClass::Tls, format!("TLS failed: {tls}"));
        }
    }
    let http = chain.iter().find_map(|cause| cause.downcast_ref::<hyper::Error>());
    match http {
        Some(http) if http.is_parse() => (FailureClass::Protocol, format!("the answer is no HTTP: {text}")),
        Some(http) if http.is_incomplete_message() => {
            (FailureClass::Reset, "the receiver closed the connection before the answer was whole".to_owned())
        }
        _ => match chain.iter().find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind) {
            Some(io::ErrorKind::InvalidData) => (FailureClass::Protocol, format!("the answer is no HTTP: {text}")),
            Some(_) => (FailureClass::Reset, format!("the connection broke: {text}")),
            None => (FailureClass::Protocol, text),
        },
    }
}

fn connect_class(error: &ConnectError) -> FailureClass {
    match error {
        ConnectError::Dns(..) => FailureClass::Dns,
        ConnectError::Blocked(_) => FailureClass::Blocked,
        ConnectError::Refused(..) => FailureClass::Connect,
        ConnectError::TimedOut(_) => FailureClass::ConnectTimeout,
    }
}

/// rustls hides its error inside io errors, which are no links of the chain.
fn tls_error<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut cause = cause;
    while let Some(inner) = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        cause = inner;
    }
    cause.downcast_ref::<rustls::Error>()
}

fn micros(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX)
}
