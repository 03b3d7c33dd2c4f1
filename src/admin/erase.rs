//! Erasing what is stored about one customer or one order.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::Deserialize;

use crate::store::Erase;

use super::Admin;
use super::error::ApiError;
use super::view::ErasedView;

/// Whom to erase, as the query says it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct EraseParams {
    customer: Option<String>,
    order: Option<String>,
    dry_run: bool,
}

pub(super) async fn erase(
    State(admin): State<Admin>,
    params: Result<Query<EraseParams>, QueryRejection>,
) -> Result<Json<ErasedView>, ApiError> {
    let Query(params) = params.map_err(|fault| ApiError::BadRequest(fault.body_text()))?;
    let (resource, name) = match (params.customer, params.order) {
        (Some(name), None) => ("customer", name),
        (None, Some(name)) => ("order", name),
        _ => return Err(ApiError::BadRequest("name either a customer or an order".to_owned())),
    };
    let name = name.trim().to_owned();
    if name.is_empty() {
        return Err(ApiError::BadRequest(format!("the {resource} has no name: give its id or one of its keys")));
    }
    let erase = Erase { resource: resource.to_owned(), name };
    let erased = admin.store.erase(erase, params.dry_run).await?;
    let (names, _) = admin.store.webhook_names().await?;
    let name =
        |id: &u64| names.iter().find(|row| row.id.0 == *id).map_or_else(|| id.to_string(), |row| row.name.clone());
    let receivers: Vec<String> = erased.webhooks.iter().map(name).collect();
    Ok(Json(ErasedView { unreached: unreached(&receivers, &erased.set_aside), dry_run: params.dry_run, erased }))
}

/// What no erase reaches, for people.
fn unreached(receivers: &[String], set_aside: &[String]) -> Vec<String> {
    let mut all = Vec::new();
    if !receivers.is_empty() {
        all.push(format!("what was delivered: the receivers of {} keep it", receivers.join(", ")));
    }
    all.extend(
        set_aside
            .iter()
            .map(|path| format!("{path}: it was set aside as damaged; remove it when it is no longer needed")),
    );
    all.push("backups and copies of the data directory".to_owned());
    all.push("rules files that name them, also in last-good-rules.json of the data directory".to_owned());
    all.push("the file of the state keeps deleted bytes until the next start, which copies it without them".to_owned());
    all.push("deliveries on their way while it was erased: erase again when they have ended".to_owned());
    all
}
