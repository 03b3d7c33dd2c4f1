//! Webhooks: how they do, and what an operator may do with them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};

use crate::deliver::shown_url;
use crate::model::{Health, Overlay, OverlayReason, Status, Webhook};

use super::Admin;
use super::error::ApiError;
use super::view::{Backlog, PingView, WebhookView};

pub(super) async fn list(State(admin): State<Admin>) -> Json<Vec<WebhookView>> {
    let active = admin.rules.active();
    let mut views = Vec::with_capacity(active.webhooks.len());
    for webhook in active.webhooks.iter() {
        views.push(view(&admin, webhook).await);
    }
    Json(views)
}

pub(super) async fn show(State(admin): State<Admin>, Path(which): Path<String>) -> Result<Json<WebhookView>, ApiError> {
    let webhook = find(&admin, &which)?;
    let mut shown = view(&admin, &webhook).await;
    let (names, _) = admin.store.webhook_names().await?;
    let made = names.into_iter().find(|row| row.id == webhook.id).and_then(|row| row.secret);
    // A secret that stands in the file, or that the file points at, is never shown.
    shown.made_secret = made.filter(|made| made == webhook.secret.expose());
    Ok(Json(shown))
}

pub(super) async fn act(
    State(admin): State<Admin>,
    Path((which, action)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let webhook = find(&admin, &which)?;
    let status = match action.as_str() {
        "enable" | "resume" => Status::Active,
        "disable" => Status::Disabled,
        "pause" => Status::Paused,
        "ping" => return ping(&admin, &webhook).await.map(IntoResponse::into_response),
        other => {
            let text = format!("`{other}` is no action: it must be enable, disable, pause, resume or ping");
            return Err(ApiError::NotFound(text));
        }
    };
    let deliverer = admin.deliverer.as_ref().ok_or_else(needs_process)?;
    let now = admin.store.health(webhook.id).status(webhook.status, &webhook.url);
    if action == "resume" && now == Status::Disabled {
        let text =
            format!("webhook `{}` is disabled, not paused: enable it with `shopbell webhooks enable`", webhook.name);
        return Err(ApiError::Conflict(text));
    }
    deliverer.set_status(webhook.id, status, "operator").await.map_err(ApiError::Conflict)?;
    Ok(Json(view(&admin, &webhook).await).into_response())
}

async fn ping(admin: &Admin, webhook: &Webhook) -> Result<Json<PingView>, ApiError> {
    let deliverer = admin.deliverer.as_ref().ok_or_else(needs_process)?;
    let name = webhook.name.clone();
    Ok(Json(match deliverer.ping(webhook.id).await {
        Ok(status) => PingView { webhook: name, ok: status == 200, status: Some(status), error: None },
        Err(error) => PingView { webhook: name, ok: false, status: None, error: Some(error) },
    }))
}

pub(super) fn needs_process() -> ApiError {
    ApiError::Unavailable("no shopbell process runs here: this needs one that delivers".to_owned())
}

/// The webhook of this NAME, or of this id.
pub(super) fn find(admin: &Admin, which: &str) -> Result<Arc<Webhook>, ApiError> {
    let webhooks = &admin.rules.active().webhooks;
    let named = webhooks.iter().find(|webhook| webhook.name == which);
    let found = named.or_else(|| webhooks.iter().find(|webhook| webhook.id.to_string() == which));
    found
        .cloned()
        .ok_or_else(|| ApiError::NotFound(none_is(which, webhooks.iter().map(|webhook| webhook.name.as_str()))))
}

/// That no webhook has this NAME or id now, nor had it as far as the table of names goes back; `None` if one has, or none is
/// asked for.
pub(super) async fn unknown(admin: &Admin, which: Option<&str>) -> Result<Option<String>, ApiError> {
    let Some(which) = which else { return Ok(None) };
    let (names, _) = admin.store.webhook_names().await?;
    let known = names.iter().any(|row| row.name == which || row.id.to_string() == which);
    Ok((!known).then(|| none_is(which, names.iter().map(|row| row.name.as_str()))))
}

fn none_is<'a>(which: &str, names: impl Iterator<Item = &'a str>) -> String {
    let hint =
        crate::diagnostic::nearest(which, names).map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
    format!("there is no webhook `{which}`{hint}")
}

async fn view(admin: &Admin, webhook: &Webhook) -> WebhookView {
    let health: Health = admin.store.health(webhook.id);
    let backlog = match &admin.deliverer {
        Some(deliverer) => {
            let (waiting, unread) = deliverer.backlog(webhook.id).await;
            Some(Backlog { waiting, unread })
        }
        None => None,
    };
    let status = health.status(webhook.status, &webhook.url);
    let in_force = |overlay: &&Overlay| overlay.file_status == webhook.status && overlay.file_url == webhook.url;
    let overlay = health.overlay.as_ref().filter(in_force);
    WebhookView {
        id: webhook.id.0,
        name: webhook.name.clone(),
        title: webhook.title.clone(),
        topics: webhook.topics.iter().map(|topic| topic.as_str().to_owned()).collect(),
        url: shown_url(&webhook.url),
        status,
        file_status: webhook.status,
        reason: overlay.map(reason),
        since: overlay.map(|overlay| overlay.since.to_string()),
        held: webhook.held.clone(),
        failure_count: health.failure_count,
        max_delivery_failures: webhook.max_delivery_failures,
        pending_delivery: health.pending_delivery,
        last_success: health.last_success.map(|at| at.to_string()),
        last_failure: health.last_failure.map(|at| at.to_string()),
        backlog,
        timeout_s: webhook.timeout.as_secs(),
        retry_s: webhook.retry.0.iter().map(std::time::Duration::as_secs).collect(),
        concurrency: webhook.concurrency,
        rate: webhook.rate.map(|rate| rate.to_string()),
        ordering: webhook.ordering,
        filter: filter(admin, webhook),
        hold_when_paused: webhook.hold_when_paused,
        json_escape: if webhook.wordpress_json { "wordpress" } else { "none" }.to_owned(),
        header_names: webhook.headers.iter().map(|(name, _)| name.clone()).collect(),
        made_secret: None,
    }
}

/// The text of its filter; the webhook in force knows only which events passed it.
fn filter(admin: &Admin, webhook: &Webhook) -> Option<String> {
    let rules = &admin.rules.active().ruleset;
    let filter = rules.webhooks.iter().find(|config| config.name == webhook.name)?.filter?;
    Some(rules.expressions.source(filter).trim().to_owned())
}

fn reason(overlay: &Overlay) -> String {
    let why = match overlay.reason {
        OverlayReason::Failures => "too many failed deliveries",
        OverlayReason::Gone => "the receiver answered 410 Gone",
        OverlayReason::Unreachable => "the receiver was unreachable for the whole retry schedule",
        OverlayReason::Operator => "an operator said so",
    };
    if overlay.detail.is_empty() { why.to_owned() } else { format!("{why} ({})", overlay.detail) }
}
