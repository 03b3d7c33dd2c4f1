//! Runs: deliveries sent again, one or all that fit.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::deliver::{Deliverer, plan};
use crate::id::Seq;
use crate::model::{DeliveryState, Run, RunState, Selection};

use super::Admin;
use super::error::ApiError;
use super::owed::{Owed, stopped};
use super::time::moment;
use super::view::{PlanView, RunView};
use super::webhooks::{find, needs_process};

/// Deliveries a second that a run may be given, at most.
const RATE_MAX: u32 = 10_000;

/// Which deliveries to send again, as the query says it. All given must fit.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RunParams {
    webhook: String,
    topic: Option<String>,
    state: Option<String>,
    since: Option<String>,
    until: Option<String>,
    text: Option<String>,
    rate: Option<String>,
    latest: bool,
    dry_run: bool,
}

pub(super) async fn make(
    State(admin): State<Admin>,
    params: Result<Query<RunParams>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(params) = params.map_err(|fault| ApiError::BadRequest(fault.body_text()))?;
    let webhook = find(&admin, &params.webhook)?;
    let now = admin.clock.now();
    let moment = |text: Option<String>| text.map(|text| moment(&text, now)).transpose();
    let topic = params.topic.map(|text| text.parse()).transpose();
    let selection = Selection {
        webhook: webhook.id,
        state: params.state.as_deref().map_or(Ok(DeliveryState::Failed), state)?,
        topic: topic.map_err(|fault: crate::model::TopicError| ApiError::BadRequest(fault.to_string()))?,
        since: moment(params.since)?,
        until: moment(params.until)?,
        text: params.text,
        latest: params.latest,
        only: None,
    };
    let rate = params.rate.as_deref().map(rate).transpose()?;
    if params.dry_run {
        return Ok(Json(counted(&admin, &selection).await?).into_response());
    }
    let run = deliverer(&admin)?.make_run(selection, rate, "operator").await.map_err(ApiError::Conflict)?;
    Ok(Json(view(&admin, run).await?).into_response())
}

/// What a run would send; a dry count.
async fn counted(admin: &Admin, selection: &Selection) -> Result<PlanView, ApiError> {
    let plan = plan(&admin.store, selection).await?;
    Ok(PlanView {
        count: plan.count,
        outdated: plan.outdated,
        oldest: plan.oldest.map(|at| at.to_string()),
        newest: plan.newest.map(|at| at.to_string()),
    })
}

/// Makes the run that sends one delivery again, or makes it due if the webhook's queue still owes it.
pub(super) async fn one(admin: &Admin, webhook: crate::id::WebhookId, event: Seq) -> Result<RunView, ApiError> {
    let selection = Selection {
        webhook,
        state: DeliveryState::Any,
        topic: None,
        since: None,
        until: None,
        text: None,
        latest: false,
        only: Some(event),
    };
    let held = Owed::read(admin, Some(&webhook.to_string())).await?.holds(webhook, event);
    let outdated = counted(admin, &selection).await?.outdated;
    let run = deliverer(admin)?.make_run(selection, None, "operator").await.map_err(ApiError::Conflict)?;
    Ok(RunView { outdated: Some(outdated), held, ..view(admin, run).await? })
}

pub(super) async fn list(State(admin): State<Admin>) -> Result<Json<Vec<RunView>>, ApiError> {
    let (runs, _) = admin.store.runs().await?;
    let mut views = Vec::with_capacity(runs.len());
    for run in runs {
        views.push(view(&admin, run).await?);
    }
    Ok(Json(views))
}

pub(super) async fn show(State(admin): State<Admin>, Path(id): Path<u32>) -> Result<Json<RunView>, ApiError> {
    let (runs, _) = admin.store.runs().await?;
    let run = runs.into_iter().find(|run| run.id == id);
    let run =
        run.ok_or_else(|| ApiError::NotFound(format!("there is no run {id}; `runs list` shows those there are")))?;
    Ok(Json(view(&admin, run).await?))
}

pub(super) async fn act(
    State(admin): State<Admin>,
    Path((id, action)): Path<(u32, String)>,
) -> Result<Json<RunView>, ApiError> {
    let state = match action.as_str() {
        "pause" => RunState::Paused,
        "resume" => RunState::Running,
        "cancel" => RunState::Cancelled,
        other => {
            let text = format!("`{other}` is no action: it must be pause, resume or cancel");
            return Err(ApiError::NotFound(text));
        }
    };
    let run = deliverer(&admin)?.tell_run(id, state, "operator").await.map_err(ApiError::Conflict)?;
    Ok(Json(view(&admin, run).await?))
}

fn deliverer(admin: &Admin) -> Result<&Deliverer, ApiError> {
    admin.deliverer.as_ref().ok_or_else(needs_process)
}

async fn view(admin: &Admin, run: Run) -> Result<RunView, ApiError> {
    let (names, _) = admin.store.webhook_names().await?;
    let Selection { webhook, state, topic, since, until, text, latest, only } = run.selection;
    let name = names.into_iter().find(|row| row.id == webhook).map_or_else(|| webhook.to_string(), |row| row.name);
    Ok(RunView {
        waits_for: (!run.state.is_over()).then(|| stopped(admin, webhook)).flatten().map(str::to_owned),
        id: run.id,
        state: run.state,
        webhook: name,
        deliveries: state,
        topic: topic.map(|topic| topic.as_str().to_owned()),
        since: since.map(|at| at.to_string()),
        until: until.map(|at| at.to_string()),
        text,
        latest,
        event: only.map(|seq| seq.0),
        rate: run.rate,
        actor: run.actor,
        created: run.created.to_string(),
        ended: run.ended.map(|at| at.to_string()),
        progress: run.progress,
        outdated: None,
        held: false,
    })
}

fn state(text: &str) -> Result<DeliveryState, ApiError> {
    let all = [DeliveryState::Failed, DeliveryState::Delivered, DeliveryState::Held, DeliveryState::Any];
    let found = all.into_iter().find(|state| state.as_str() == text);
    found.ok_or_else(|| {
        ApiError::BadRequest(format!("`{text}` is no state of a delivery: it must be failed, delivered, held or any"))
    })
}

/// `50/s`, or `50`.
fn rate(text: &str) -> Result<u32, ApiError> {
    let number = text.trim().strip_suffix("/s").unwrap_or(text).trim().parse().ok();
    number
        .filter(|rate| (1..=RATE_MAX).contains(rate))
        .ok_or_else(|| ApiError::BadRequest(format!("`{text}` is no rate: write 50/s, from 1/s to {RATE_MAX}/s")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_states_are_read_as_people_write_them() {
        for (text, wanted) in [("50/s", Some(50)), ("7", Some(7)), ("0/s", None), ("1/m", None), ("99999/s", None)] {
            assert_eq!(rate(text).ok(), wanted, "{text}");
        }
        assert_eq!(state("held"), Ok(DeliveryState::Held));
        assert!(state("waiting").is_err());
    }
}
