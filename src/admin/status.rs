//! The process, the rules in force, reload.

use axum::Json;
use axum::extract::State;

use crate::engine::Active;
use crate::model::Status;

use super::Admin;
use super::error::ApiError;
use super::view::{ReloadView, RulesView, StatusView};

pub(super) async fn status(State(admin): State<Admin>) -> Json<StatusView> {
    let active = admin.rules.active();
    let (now, about) = (admin.clock.now(), &admin.about);
    let delivers = |webhook: &&std::sync::Arc<crate::model::Webhook>| {
        let health = admin.store.health(webhook.id);
        webhook.held.is_none() && health.status(webhook.status, &webhook.url) == Status::Active
    };
    Json(StatusView {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        running: admin.deliverer.is_some(),
        started: about.started.to_string(),
        uptime_s: now.since(about.started).as_secs(),
        listen: about.listen.clone(),
        upstream: about.upstream.clone(),
        rules_dir: about.rules_dir.clone(),
        data_dir: about.data_dir.clone(),
        work_dir: about.work_dir.clone(),
        rules: rules_view(&active),
        next_seq: admin.store.head().borrow().0,
        active_webhooks: active.webhooks.iter().filter(delivers).count(),
    })
}

pub(super) async fn reload(State(admin): State<Admin>) -> Result<Json<ReloadView>, ApiError> {
    if admin.deliverer.is_none() {
        return Err(ApiError::Unavailable("no shopbell process runs: there is nothing to reload".to_owned()));
    }
    let stopping = || ApiError::Unavailable("the process is stopping".to_owned());
    let report = admin.rules.reload().await.ok_or_else(stopping)?;
    let rules = rules_view(&admin.rules.active());
    Ok(Json(ReloadView { changed: report.changed, ok: report.ok, diagnostics: report.diagnostics, rules }))
}

fn rules_view(active: &Active) -> RulesView {
    RulesView {
        fingerprint: active.fingerprint.clone(),
        loaded_at: active.loaded_at.to_string(),
        event_rules: active.ruleset.summary().events,
        webhooks: active.webhooks.len(),
        from_last_good: active.from_last_good,
        stale: active.stale,
        problems: active.problems.clone(),
    }
}
