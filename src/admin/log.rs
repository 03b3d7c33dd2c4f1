//! The log as people search it, and the events as they come.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::Deserialize;

use crate::id::Seq;
use crate::model::{Timestamp, TopicPattern};
use crate::store::LogQuery;

use super::Admin;
use super::error::ApiError;
use super::row::LogRow;
use super::view::EventsView;

/// Lines of one answer, at most.
const MAX_LINES: usize = 10_000;
/// Lines of one answer where the request names no number.
const DEFAULT_LINES: usize = 50;
/// Events of one answer of `/v1/events`, at most.
const MAX_EVENTS: usize = 500;
/// The longest that `/v1/events` waits for the next event, in milliseconds: a process that stops waits for open requests.
const MAX_WAIT_MS: u64 = 5_000;

/// What to find, as the query says it. All given must fit.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct LogParams {
    webhook: Option<String>,
    topic: Option<String>,
    id: Option<String>,
    text: Option<String>,
    kind: Option<String>,
    since: Option<String>,
    before: Option<String>,
    limit: Option<usize>,
}

pub(super) async fn search(
    State(admin): State<Admin>,
    params: Result<Query<LogParams>, QueryRejection>,
) -> Result<Json<Vec<LogRow>>, ApiError> {
    let Query(params) = params.map_err(|fault| ApiError::BadRequest(fault.body_text()))?;
    let query = query(params, admin.clock.now())?;
    let lines = admin.store.search(query).await?;
    Ok(Json(lines.into_iter().map(LogRow::from).collect()))
}

fn query(params: LogParams, now: Timestamp) -> Result<LogQuery, ApiError> {
    let moment = |text: Option<String>| text.map(|text| moment(&text, now)).transpose();
    if let Some(topic) = &params.topic {
        topic.parse::<TopicPattern>().map_err(|fault| ApiError::BadRequest(fault.to_string()))?;
    }
    let kinds: Vec<String> = params.kind.unwrap_or_default().split(',').map(|kind| kind.trim().to_owned()).collect();
    let kinds: Vec<String> = kinds.into_iter().filter(|kind| !kind.is_empty()).collect();
    if let Some(odd) = kinds.iter().find(|kind| !matches!(kind.as_str(), "event" | "attempt" | "outcome" | "notice")) {
        return Err(ApiError::BadRequest(format!("`{odd}` is no kind: it must be event, attempt, outcome or notice")));
    }
    Ok(LogQuery {
        limit: params.limit.unwrap_or(DEFAULT_LINES).clamp(1, MAX_LINES),
        before: moment(params.before)?,
        since: moment(params.since)?,
        webhook: params.webhook,
        topic: params.topic,
        id: params.id,
        text: params.text,
        kinds,
        ..LogQuery::default()
    })
}

/// A moment as people write it: `15m`, `2h`, `3d` ago, or RFC 3339 (`2026-11-03T16:07:00Z`), or milliseconds since 1970.
fn moment(text: &str, now: Timestamp) -> Result<Timestamp, ApiError> {
    let text = text.trim();
    if let Ok(millis) = text.parse() {
        return Ok(Timestamp::from_millis(millis));
    }
    if let Some(span) = span(text) {
        return Ok(now.minus(span));
    }
    let parsed: Result<jiff::Timestamp, _> = text.parse();
    parsed.map(|at| Timestamp::from_millis(at.as_millisecond())).map_err(|_| {
        ApiError::BadRequest(format!("`{text}` is no time: write 15m, 2h or 3d (ago), or 2026-11-03T16:07:00Z"))
    })
}

fn span(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    Some(Duration::from_secs(number.parse::<u64>().ok()?.checked_mul(seconds)?))
}

/// Where to read on.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct EventsParams {
    from: u64,
    limit: Option<usize>,
    wait_ms: u64,
}

pub(super) async fn events(
    State(admin): State<Admin>,
    params: Result<Query<EventsParams>, QueryRejection>,
) -> Result<Json<EventsView>, ApiError> {
    let Query(params) = params.map_err(|fault| ApiError::BadRequest(fault.body_text()))?;
    let (from, limit) = (Seq(params.from.max(1)), params.limit.unwrap_or(DEFAULT_LINES).clamp(1, MAX_EVENTS));
    let mut head = admin.store.head();
    let wait = Duration::from_millis(params.wait_ms.min(MAX_WAIT_MS));
    // Either there is something to read by then, or the answer is an empty list.
    let _ = tokio::time::timeout(wait, head.wait_for(|next| *next > from)).await;
    let (events, next) = admin.store.events(from, limit).await?;
    let events = events.iter().map(|(seq, event)| LogRow::event(*seq, event)).collect();
    Ok(Json(EventsView { events, next: next.0 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_people_write_them() {
        let now = Timestamp::from_millis(1_793_722_020_000);
        let rows = [
            ("15m", 1_793_722_020_000 - 900_000),
            ("2d", 1_793_722_020_000 - 2 * 86_400_000),
            ("1793722020000", 1_793_722_020_000),
            ("2026-11-03T16:07:00Z", 1_793_722_020_000),
        ];
        for (text, millis) in rows {
            assert_eq!(moment(text, now), Ok(Timestamp::from_millis(millis)), "{text}");
        }
        for odd in ["", "yesterday", "m", "ü", "99999999999999999999d"] {
            assert!(moment(odd, now).is_err(), "{odd}");
        }
    }

    #[test]
    fn queries_are_checked() {
        let now = Timestamp::from_millis(0);
        let params = |kind: &str, topic: Option<&str>| LogParams {
            kind: Some(kind.to_owned()),
            topic: topic.map(str::to_owned),
            ..LogParams::default()
        };
        assert_eq!(query(params("event, attempt", Some("order.*")), now).unwrap().kinds, ["event", "attempt"]);
        assert!(query(params("delivery", None), now).is_err());
        assert!(query(params("", Some("no topic")), now).is_err());
    }
}
