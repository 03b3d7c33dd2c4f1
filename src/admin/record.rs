//! Live traffic for people: a recording as it comes, and the last exchanges that some rule cared about.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body::Frame;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use crate::engine::{Kept, RecordFilter, Recorder, Recording};
use crate::exchange::{Exchange, Reading, Timestamp, to_line};
use crate::id::fill_random;
use crate::rules::Ruleset;
use crate::rules::disguise::{Disguise, REDACTED};

use super::Admin;
use super::error::ApiError;
use super::view::SeenView;

/// Lines that wait for a slow reader; more, and exchanges are missed.
const LINES: usize = 16;
/// Exchanges of one answer of `/v1/exchanges` where the request names no number.
const DEFAULT_LAST: usize = 20;
/// Version of the lines' form.
const FORM: u32 = 1;

/// `match=` (several), `files=`, `raw=`; read by hand, as a name may stand several times.
struct RecordParams {
    filter: RecordFilter,
    raw: bool,
}

impl RecordParams {
    fn parse(query: &str) -> Result<Self, ApiError> {
        let (mut patterns, mut files, mut raw) = (Vec::new(), false, false);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "match" => patterns.push(value.into_owned()),
                "files" => files = value == "true",
                "raw" => raw = value == "true",
                odd => return Err(ApiError::BadRequest(format!("`{odd}` is no parameter of a recording"))),
            }
        }
        Ok(Self { filter: RecordFilter::parse(&patterns, files).map_err(ApiError::BadRequest)?, raw })
    }
}

/// Lines as they come, until the reader leaves, [`end`] is asked for or the process stops: a head, an exchange each, and last
/// how many were missed.
pub(super) async fn record(State(admin): State<Admin>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let params = RecordParams::parse(query.as_deref().unwrap_or_default())?;
    let recorder = recorder(&admin)?;
    let recording = recorder
        .record(params.filter)
        .ok_or_else(|| ApiError::Conflict("too many recordings are being taken already: end one of them".to_owned()))?;
    let disguise = (!params.raw).then(|| disguise(Some(&admin.rules.active().ruleset)));
    let (sender, receiver) = mpsc::channel(LINES);
    tokio::spawn(write(recording, disguise, admin.clock.now(), sender));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::new(Lines(receiver))).into_response())
}

/// Ends a recording: what was seen until now is still written.
pub(super) async fn end(State(admin): State<Admin>, Path(number): Path<u64>) -> Result<Json<Value>, ApiError> {
    let ended = recorder(&admin)?.end(number);
    ended
        .then(|| Json(json!({ "ended": number })))
        .ok_or_else(|| ApiError::NotFound(format!("there is no recording {number}")))
}

/// The last exchanges that some rule cared about, oldest first.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct LastParams {
    last: Option<usize>,
    raw: bool,
}

pub(super) async fn last(
    State(admin): State<Admin>,
    params: Result<Query<LastParams>, QueryRejection>,
) -> Result<Json<Vec<SeenView>>, ApiError> {
    let Query(params) = params.map_err(|fault| ApiError::BadRequest(fault.body_text()))?;
    let kept = recorder(&admin)?.last(params.last.unwrap_or(DEFAULT_LAST));
    let active = admin.rules.active();
    let mut memories = Vec::with_capacity(kept.len());
    for kept in &kept {
        memories.push(memory(&admin, &active.ruleset, &kept.exchange).await?);
    }
    let mut disguise = (!params.raw).then(|| disguise(Some(&active.ruleset)));
    let seen = kept.iter().zip(memories).map(|(kept, memory)| {
        let Kept { exchange, events, notes } = &**kept;
        let memory = disguise.as_mut().map_or_else(|| memory.clone(), |disguise| disguise.table(memory.clone()));
        let notes = notes.iter().map(|note| format!("{}: {}", note.rule, note.text)).collect();
        SeenView { exchange: line(exchange, disguise.as_mut()), memory, events: events.clone(), notes }
    });
    Ok(Json(seen.collect()))
}

/// What is remembered now of the visitor of an exchange.
async fn memory(admin: &Admin, ruleset: &Ruleset, exchange: &Exchange) -> Result<Map<String, Value>, ApiError> {
    let keys = Reading::new(exchange.clone(), ruleset.read_options(None));
    let keys = ruleset.session_keys(&keys).finding().to_vec();
    let session = admin.store.session_keys(&keys).await?.into_iter().flatten().next();
    let Some(session) = session else { return Ok(Map::new()) };
    let memory = admin.store.sessions(&[session]).await?.into_iter().flatten().next();
    Ok(memory.map(|memory| memory.memory).unwrap_or_default())
}

fn recorder(admin: &Admin) -> Result<&Recorder, ApiError> {
    let none = || ApiError::Unavailable("no shopbell process runs: there is no traffic to look at".to_owned());
    admin.recorder.as_ref().ok_or_else(none)
}

/// A disguise for one file: its pseudonyms are like no other's. Rules say which names are secret beside the built-in list,
/// and which cookie carries messages, which stay.
pub fn disguise(ruleset: Option<&Ruleset>) -> Disguise {
    let messages = ruleset.and_then(|ruleset| ruleset.flash.as_ref()?.cookie.clone());
    let redact = ruleset.map_or(&[] as &[String], |ruleset| &ruleset.shop.redact);
    let mut salt = [0; 32];
    fill_random(&mut salt);
    Disguise::new(salt, redact, messages.as_slice())
}

fn line(exchange: &Exchange, disguise: Option<&mut Disguise>) -> String {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of some thousand years fit")]
    let t = exchange.at.as_millis() as f64 / 1000.0;
    match disguise {
        Some(disguise) => to_line(&disguise.exchange(exchange), Some(t)),
        None => to_line(exchange, Some(t)),
    }
}

/// Writes lines until nobody reads them any more, the recording is ended or the process stops; the last says how many exchanges
/// were missed.
async fn write(mut recording: Recording, mut disguise: Option<Disguise>, now: Timestamp, lines: mpsc::Sender<String>) {
    let redacted: &[&str] = if disguise.is_some() { &REDACTED } else { &[] };
    let head = json!({
        "shopbell": { "recording": FORM, "number": recording.number(), "version": env!("CARGO_PKG_VERSION"), "began": now.to_string(),
                      "redacted": redacted, "raw": disguise.is_none() },
    });
    let mut next = head.to_string();
    loop {
        if lines.send(next).await.is_err() {
            return;
        }
        let exchange = tokio::select! {
            exchange = recording.next() => exchange,
            () = lines.closed() => return,
        };
        let Some(exchange) = exchange else { break };
        // Pages are read through for secrets: not on a thread that answers.
        let done = tokio::task::spawn_blocking(move || {
            let mut disguise = disguise;
            let line = line(&exchange, disguise.as_mut());
            (line, disguise)
        });
        let Ok(done) = done.await else { return };
        (next, disguise) = done;
    }
    let end = json!({ "shopbell": { "ended": true, "missed": recording.missed() } });
    let _ = lines.send(end.to_string()).await;
}

/// Lines as a body.
struct Lines(mpsc::Receiver<String>);

impl http_body::Body for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|line| line.map(|line| Ok(Frame::data(Bytes::from(line + "\n")))))
    }
}
