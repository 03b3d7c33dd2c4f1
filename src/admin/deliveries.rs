//! Deliveries: a list of them, and the whole story of one.

use std::collections::HashSet;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use serde::Deserialize;

use crate::deliver::delivery_id;
use crate::id::{Seq, WebhookId};
use crate::model::record::LogEntry;
use crate::model::{Attempt, Event, Outcome, Verdict, WebhookName};
use crate::store::{LogLine, LogQuery};

use super::Admin;
use super::delivery_view::{AttemptView, DeliveryRow, DeliveryView, OutcomeView, Standing};
use super::error::ApiError;
use super::log::redaction;
use super::owed::Owed;
use super::row::{self, LogRow};
use super::runs;
use super::time::moment;
use super::view::RunView;
use super::webhooks::{find, unknown};

/// Deliveries of one list, at most.
const MAX_ROWS: usize = 1_000;
/// Deliveries of one list where the request names no number.
const DEFAULT_ROWS: usize = 50;
/// Pages of the log one list looks at, of 50,000 records each.
const PAGES: usize = 20;

/// Which deliveries to list. All given must fit.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ListParams {
    webhook: Option<String>,
    topic: Option<String>,
    resource: Option<String>,
    id: Option<String>,
    state: Option<String>,
    since: Option<String>,
    until: Option<String>,
    text: Option<String>,
    limit: Option<usize>,
}

/// Which deliveries a list holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// All.
    Any,
    /// All that have not ended.
    Held,
    /// Those that stand so.
    Only(Standing),
}

impl Wanted {
    fn read(text: &str) -> Result<Self, ApiError> {
        Ok(match text {
            "any" => Self::Any,
            "held" => Self::Held,
            "queued" => Self::Only(Standing::Queued),
            "waiting" => Self::Only(Standing::Waiting),
            "delivered" => Self::Only(Standing::Delivered),
            "failed" => Self::Only(Standing::Failed),
            odd => {
                let known = "it must be queued, waiting, held (both), delivered, failed or any";
                return Err(ApiError::BadRequest(format!("`{odd}` is no state of a delivery: {known}")));
            }
        })
    }

    fn holds(self, state: Standing) -> bool {
        match self {
            Self::Any => true,
            Self::Held => matches!(state, Standing::Queued | Standing::Waiting),
            Self::Only(only) => state == only,
        }
    }

    /// Kinds of lines that tell of such deliveries: events of those never tried, the log of all others.
    fn kinds(self) -> Vec<String> {
        let events = self.holds(Standing::Queued).then_some("event");
        let log = (self != Self::Only(Standing::Queued)).then_some(["attempt", "outcome"]);
        events.into_iter().chain(log.into_iter().flatten()).map(str::to_owned).collect()
    }
}

/// The newest deliveries, each with its last attempt or its end, or why it was never tried.
pub(super) async fn list(
    State(admin): State<Admin>,
    params: Result<Query<ListParams>, QueryRejection>,
) -> Result<Json<Vec<DeliveryRow>>, ApiError> {
    let Query(params) = params.map_err(|fault| ApiError::BadRequest(fault.body_text()))?;
    let limit = params.limit.unwrap_or(DEFAULT_ROWS).clamp(1, MAX_ROWS);
    let wanted = params.state.as_deref().map_or(Ok(Wanted::Any), Wanted::read)?;
    let unknown = unknown(&admin, params.webhook.as_deref()).await?;
    // Before the log: what ends in between is found there first.
    let owed = Owed::read(&admin, params.webhook.as_deref()).await?;
    let now = admin.clock.now();
    let moment = |text: &Option<String>| text.as_deref().map(|text| moment(text, now)).transpose();
    let query = LogQuery {
        limit: MAX_ROWS,
        before: moment(&params.until)?,
        since: moment(&params.since)?,
        webhook: params.webhook,
        topic: params.topic,
        resource: params.resource,
        id: params.id,
        text: params.text,
        kinds: wanted.kinds(),
        ..LogQuery::default()
    };
    let (mut rows, mut seen, mut from) = (Vec::new(), HashSet::new(), None);
    for _ in 0..PAGES {
        let page = admin.store.search_page(query.clone(), from).await?;
        for line in page.lines {
            let of_line: Vec<_> = match line {
                LogLine::Event { seq, event } => owed.queued(seq, &event).collect(),
                line @ LogLine::Log { .. } => delivery_row(line).into_iter().collect(),
            };
            let new = of_line.into_iter().filter(|row| seen.insert(row.id.clone()));
            rows.extend(new.filter(|row| wanted.holds(row.state)));
        }
        from = page.next;
        if rows.len() >= limit || from.is_none() {
            break;
        }
    }
    rows.truncate(limit);
    // The log remembers webhooks longer than the table of names.
    match unknown {
        Some(text) if rows.is_empty() => Err(ApiError::NotFound(text)),
        _ => Ok(Json(rows)),
    }
}

/// What the newest line about a delivery says of it.
fn delivery_row(line: LogLine) -> Option<DeliveryRow> {
    match line {
        LogLine::Log { entry: LogEntry::Outcome(outcome), .. } => Some(DeliveryRow {
            id: outcome.delivery,
            event: outcome.event.0,
            webhook: outcome.webhook_name,
            topic: outcome.topic.to_string(),
            about: outcome.about,
            state: Standing::of(outcome.end),
            attempts: outcome.attempts,
            at: outcome.at.to_string(),
            status: None,
            text: row::ended(outcome.end).to_owned(),
        }),
        LogLine::Log { entry: LogEntry::Attempt(attempt), .. } if !attempt.delivery.is_empty() => {
            let (text, decision) = (answer(&attempt), &attempt.decision);
            Some(DeliveryRow {
                event: attempt.event?.0,
                topic: attempt.topic.as_ref()?.to_string(),
                state: if attempt.verdict == Verdict::Ok { Standing::Delivered } else { Standing::Waiting },
                attempts: attempt.number,
                at: attempt.at.to_string(),
                status: attempt.status,
                text: if decision.is_empty() { text } else { format!("{text}; {decision}") },
                id: attempt.delivery,
                webhook: attempt.webhook_name,
                about: attempt.about,
            })
        }
        _ => None,
    }
}

fn answer(attempt: &Attempt) -> String {
    match (&attempt.verdict, attempt.status) {
        (Verdict::Failed { text, .. }, _) => text.clone(),
        (Verdict::Ok, Some(status)) => format!("answered {status}"),
        (Verdict::Ok, None) => "answered".to_owned(),
    }
}

/// A delivery as a path names it.
#[derive(Debug)]
struct Named {
    id: String,
    webhook: WebhookId,
    event: Seq,
    entries: Vec<(Seq, LogEntry)>,
}

/// Finds a delivery by its id, or by `EVENT:WEBHOOK` (a sequence, and NAME or id of a webhook).
async fn named(admin: &Admin, which: &str) -> Result<Named, ApiError> {
    if let Some((event, webhook)) = which.split_once(':')
        && let Ok(event) = event.parse().map(Seq)
    {
        let webhook = find(admin, webhook)?.id;
        let found = admin.store.events_at(&[event]).await?.pop().flatten();
        let found = found.filter(|event| event.webhooks.contains(&webhook));
        let found = found.ok_or_else(|| ApiError::NotFound(format!("the journal holds no delivery {which}")))?;
        let id = delivery_id(&admin.store.instance_key(), found.uid, webhook, 0);
        let entries = admin.store.delivery(id.clone()).await?;
        return Ok(Named { id, webhook, event, entries });
    }
    let id = which.to_ascii_lowercase();
    let entries = admin.store.delivery(id.clone()).await?;
    let place = entries.iter().find_map(|(_, entry)| match entry {
        LogEntry::Attempt(attempt) => Some((attempt.webhook, attempt.event?)),
        LogEntry::Outcome(outcome) => Some((outcome.webhook, outcome.event)),
        LogEntry::Notice(_) => None,
    });
    let place = match place {
        None => Owed::read(admin, None).await?.find(&admin.store, &id).await?,
        place => place,
    };
    let (webhook, event) = place.ok_or_else(|| {
        let hint = "a delivery that was never attempted is best named EVENT:WEBHOOK, as in 1042:erp";
        ApiError::NotFound(format!("the log holds no delivery with the id {which}; {hint}"))
    })?;
    Ok(Named { id, webhook, event, entries })
}

pub(super) async fn show(
    State(admin): State<Admin>,
    Path(which): Path<String>,
) -> Result<Json<DeliveryView>, ApiError> {
    let Named { id, webhook, event: seq, entries } = named(&admin, &which).await?;
    let redaction = redaction(&admin);
    let event = admin.store.events_at(&[seq]).await?.pop().flatten();
    let (names, _) = admin.store.webhook_names().await?;
    let (mut attempts, mut outcomes) = (Vec::new(), Vec::new());
    for (_, entry) in entries {
        match entry {
            LogEntry::Attempt(attempt) => attempts.push(*attempt),
            LogEntry::Outcome(outcome) => outcomes.push(*outcome),
            LogEntry::Notice(_) => {}
        }
    }
    let name = names.iter().find(|row: &&WebhookName| row.id == webhook).map(|row| row.name.clone());
    let of = attempts.iter().map(|attempt| attempt.replay_of.clone()).find(|of| !of.is_empty());
    let owed = Owed::read(&admin, Some(&webhook.to_string())).await?;
    let state = standing(&attempts, &outcomes, owed.holds(webhook, seq));
    Ok(Json(DeliveryView {
        why: owed.why(webhook, seq).filter(|_| state == Standing::Queued),
        state,
        webhook: name.unwrap_or_else(|| webhook.to_string()),
        webhook_id: webhook.0,
        seq: seq.0,
        replay_of: of,
        replays: match &event {
            Some(event) => replays(&admin, event, webhook, seq, &id).await?,
            None => Vec::new(),
        },
        payload: event.as_deref().and_then(|event| row::payload(event, &redaction)),
        event: event.as_deref().map(|event| LogRow { payload: None, ..LogRow::event(seq, event, &redaction) }),
        attempts: attempts.into_iter().map(|attempt| AttemptView::of(attempt, &redaction)).collect(),
        outcomes: outcomes.iter().map(outcome_view).collect(),
        id,
    }))
}

fn standing(attempts: &[Attempt], outcomes: &[Outcome], is_owed: bool) -> Standing {
    match (outcomes.last(), attempts.last()) {
        (Some(outcome), _) => Standing::of(outcome.end),
        (None, Some(attempt)) if attempt.verdict == Verdict::Ok => Standing::Delivered,
        (None, Some(_)) => Standing::Waiting,
        (None, None) if is_owed => Standing::Queued,
        (None, None) => Standing::Forgotten,
    }
}

fn outcome_view(outcome: &Outcome) -> OutcomeView {
    OutcomeView {
        at: outcome.at.to_string(),
        end: outcome.end,
        text: row::ended(outcome.end).to_owned(),
        attempts: outcome.attempts,
        failure_count: outcome.failure_count,
        run: outcome.run,
    }
}

/// Ids of the other deliveries of the same event to the same webhook: the first one, and those that runs made.
async fn replays(
    admin: &Admin,
    event: &Event,
    webhook: WebhookId,
    seq: Seq,
    shown: &str,
) -> Result<Vec<String>, ApiError> {
    let (runs, _) = admin.store.runs().await?;
    let instance = admin.store.instance_key();
    let ours = runs.iter().filter(|run| run.selection.webhook == webhook && run.end > seq).map(|run| run.id);
    let mut found = Vec::new();
    for replay in std::iter::once(0).chain(ours) {
        let id = delivery_id(&instance, event.uid, webhook, replay);
        if id != shown && !admin.store.delivery(id.clone()).await?.is_empty() {
            found.push(id);
        }
    }
    Ok(found)
}

pub(super) async fn replay(State(admin): State<Admin>, Path(which): Path<String>) -> Result<Json<RunView>, ApiError> {
    let Named { webhook, event, .. } = named(&admin, &which).await?;
    if admin.store.events_at(&[event]).await?.pop().flatten().is_none() {
        let text = format!("the journal no longer holds event {event}: retention or an erase removed it");
        return Err(ApiError::Conflict(text));
    }
    runs::one(&admin, webhook, event).await.map(Json)
}
