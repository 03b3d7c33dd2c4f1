//! The log as people search it, and the events as they come.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::Deserialize;

use crate::id::Seq;
use crate::model::{Redaction, Timestamp, TopicPattern};
use crate::store::{LogPosition, LogQuery};

use super::Admin;
use super::error::ApiError;
use super::row::LogRow;
use super::time::moment;
use super::view::{EventsView, LogFollowView, LogPageView};
use super::webhooks::unknown;

/// Lines of one answer, at most.
const MAX_LINES: usize = 10_000;
/// Lines of one answer where the request names no number.
const DEFAULT_LINES: usize = 50;
/// Events of one answer of `/v1/events`, at most.
const MAX_EVENTS: usize = 500;
/// The longest that an answer waits for something new, in milliseconds: a process that stops waits for open requests.
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
    resource: Option<String>,
    delivery: Option<String>,
    state: Option<String>,
    status: Option<String>,
    since: Option<String>,
    /// Another word for `until`.
    before: Option<String>,
    until: Option<String>,
    limit: Option<usize>,
    /// Where a page begins, or following goes on: `next` of the answer before.
    from: Option<String>,
    wait_ms: u64,
}

pub(super) async fn search(
    State(admin): State<Admin>,
    params: Result<Query<LogParams>, QueryRejection>,
) -> Result<Json<Vec<LogRow>>, ApiError> {
    let Query(params) = params.map_err(|fault| ApiError::BadRequest(fault.body_text()))?;
    let query = query(params, admin.clock.now())?;
    let lines = admin.store.search(query).await?;
    Ok(Json(rows(&admin, lines)))
}

/// One page of a search that goes on as far as the journals are kept.
pub(super) async fn page(
    State(admin): State<Admin>,
    params: Result<Query<LogParams>, QueryRejection>,
) -> Result<Json<LogPageView>, ApiError> {
    let Query(params) = params.map_err(|fault| ApiError::BadRequest(fault.body_text()))?;
    let before = params.from.as_deref().map(position).transpose()?;
    let unknown = unknown(&admin, params.webhook.as_deref()).await?;
    let page = admin.store.search_page(query(params, admin.clock.now())?, before).await?;
    let next = page.next.map(|next| format!("{},{}", next.events, next.log));
    Ok(Json(LogPageView { rows: rows(&admin, page.lines), next, unknown }))
}

/// What fits and came after a place; waits for it a little if there is nothing yet.
pub(super) async fn follow(
    State(admin): State<Admin>,
    params: Result<Query<LogParams>, QueryRejection>,
) -> Result<Json<LogFollowView>, ApiError> {
    let Query(params) = params.map_err(|fault| ApiError::BadRequest(fault.body_text()))?;
    let (mut events, mut log) = (admin.store.head(), admin.store.log_head());
    let now = LogPosition { events: *events.borrow(), log: *log.borrow() };
    let mut from = params.from.as_deref().map_or(Ok(now), position)?;
    let until = tokio::time::Instant::now() + Duration::from_millis(params.wait_ms.min(MAX_WAIT_MS));
    let query = query(params, admin.clock.now())?;
    loop {
        let (lines, next) = admin.store.follow(query.clone(), from).await?;
        from = next;
        let is_behind = *events.borrow() > from.events || *log.borrow() > from.log;
        if !lines.is_empty() || (!is_behind && tokio::time::Instant::now() >= until) {
            let next = format!("{},{}", from.events, from.log);
            return Ok(Json(LogFollowView { rows: rows(&admin, lines), next }));
        }
        if !is_behind {
            tokio::select! {
                _ = events.wait_for(|head| *head > from.events) => {}
                _ = log.wait_for(|head| *head > from.log) => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }
}

/// Two sequences, as answers give them.
fn position(text: &str) -> Result<LogPosition, ApiError> {
    let place = text
        .split_once(',')
        .and_then(|(events, log)| Some(LogPosition { events: Seq(events.parse().ok()?), log: Seq(log.parse().ok()?) }));
    place.ok_or_else(|| ApiError::BadRequest(format!("`{text}` is no place in the log: give `next` of an answer")))
}

fn rows(admin: &Admin, lines: Vec<crate::store::LogLine>) -> Vec<LogRow> {
    let redaction = redaction(admin);
    lines.into_iter().map(|line| LogRow::of(line, &redaction)).collect()
}

/// What `[shop] redact` keeps out of logs.
pub(super) fn redaction(admin: &Admin) -> Redaction {
    Redaction::new(&admin.rules.active().ruleset.shop.redact)
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
    let well = match params.state.as_deref() {
        None => None,
        Some("delivered") => Some(true),
        Some("failed") => Some(false),
        Some(odd) => {
            return Err(ApiError::BadRequest(format!("`{odd}` is no state of a line: it must be delivered or failed")));
        }
    };
    let status = params.status.map(|text| text.parse()).transpose().map_err(ApiError::BadRequest)?;
    Ok(LogQuery {
        limit: params.limit.unwrap_or(DEFAULT_LINES).clamp(1, MAX_LINES),
        before: moment(params.until.or(params.before))?,
        since: moment(params.since)?,
        webhook: params.webhook,
        topic: params.topic,
        id: params.id,
        text: params.text,
        kinds,
        resource: params.resource,
        delivery: params.delivery,
        ended_well: well,
        status,
    })
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
    let redaction = redaction(&admin);
    let events = events.iter().map(|(seq, event)| LogRow::event(*seq, event, &redaction)).collect();
    Ok(Json(EventsView { events, next: next.0 }))
}

#[cfg(test)]
mod tests {
    use super::*;

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
