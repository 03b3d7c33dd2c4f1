//! The operator's API: what the command line talks to, over the control socket of the running process.
//!
//! JSON in and out; an error is `{"error": "…"}` with a fitting status. Everything is small and bounded.
//!
//! | request | answer |
//! |---|---|
//! | `GET /v1/status` | [`StatusView`] |
//! | `POST /v1/reload` | [`ReloadView`] |
//! | `GET /v1/log?webhook=&topic=&resource=&id=&delivery=&state=&status=&text=&kind=&since=&until=&limit=` | a list of [`LogRow`], newest first |
//! | `GET /v1/log/page?…&from=` | [`LogPageView`]: the same, as far back as the journals go |
//! | `GET /v1/log/follow?…&from=&wait_ms=` | [`LogFollowView`]: what comes, oldest first; waits for the next if there is none yet |
//! | `GET /v1/deliveries?webhook=&topic=&resource=&id=&state=&text=&since=&until=&limit=` | a list of [`DeliveryRow`], newest first |
//! | `GET /v1/deliveries/{id or event:webhook}` | [`DeliveryView`] |
//! | `POST /v1/deliveries/{id or event:webhook}/replay` | [`RunView`] |
//! | `POST /v1/runs?webhook=&topic=&state=&text=&since=&until=&rate=&latest=&dry_run=` | [`RunView`], or with `dry_run=true` [`PlanView`] |
//! | `GET /v1/runs`, `GET /v1/runs/{id}` | [`RunView`], one or a list |
//! | `POST /v1/runs/{id}/{pause,resume,cancel}` | [`RunView`] |
//! | `POST /v1/erase?customer=&order=&dry_run=` | [`ErasedView`] |
//! | `GET /v1/events?from=&limit=&wait_ms=` | [`EventsView`]: events from a sequence on; waits for the next if there is none yet |
//! | `GET /v1/webhooks`, `GET /v1/webhooks/{name or id}` | [`WebhookView`], one or a list |
//! | `POST /v1/webhooks/{name or id}/{enable,disable,pause,resume,ping}` | [`WebhookView`] or [`PingView`] |
//! | `GET /v1/record?match=&match=&files=&raw=` | lines as they come: a head, then recorded exchanges ([`crate::exchange::to_line`]) |
//! | `POST /v1/record/{number}/end` | ends that recording, whose number its head tells; what was seen before still comes |
//! | `GET /v1/exchanges?last=&raw=` | a list of [`SeenView`]: the last exchanges that some rule cared about, oldest first |
//! | `GET /metrics` | OpenMetrics text |

mod control;
mod deliveries;
mod delivery_view;
mod erase;
mod error;
mod log;
mod owed;
mod record;
mod row;
mod runs;
mod status;
mod time;
mod view;
mod webhooks;

use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use prometheus_client::registry::Registry;

use crate::clock::{Clock, Timestamp};
use crate::deliver::Deliverer;
use crate::engine::{Recorder, Rules};
use crate::store::Store;

pub use crate::model::{DeliveryState, Status, Trigger, Verdict, id_json};
pub use control::{ControlError, bind_control, connect_control, serve_control};
pub use delivery_view::{AttemptView, DeliveryRow, DeliveryView, OutcomeView, Standing};
pub use error::ApiError;
pub use record::disguise;
pub use row::{LogKind, LogRow};
pub use view::{
    Backlog, ErasedView, EventsView, LogFollowView, LogPageView, PingView, PlanView, ReloadView, RulesView, RunView,
    SeenView, StatusView, WebhookView,
};

/// Everything the API needs; cheap to clone.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Journals and state.
    pub store: Store,
    /// The delivery side; absent where no process runs and the store was opened only to look into it.
    pub deliverer: Option<Deliverer>,
    /// The rules in force.
    pub rules: Rules,
    /// Traffic to look at; absent where no process runs.
    pub recorder: Option<Recorder>,
    /// Where every room has registered its counters.
    pub metrics: Arc<Registry>,
    /// What time it is.
    pub clock: Clock,
    /// What the process is, for `status`.
    pub about: Arc<About>,
}

/// What a process is and where it stands.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// When it started.
    pub started: Timestamp,
    /// Where visitors come in.
    pub listen: String,
    /// Where the shop is.
    pub upstream: String,
    /// The rules directory.
    pub rules_dir: String,
    /// The data directory.
    pub data_dir: String,
    /// Where it runs: what relative paths begin at.
    pub work_dir: String,
}

/// The API as a service.
pub fn router(admin: Admin) -> Router {
    Router::new()
        .route("/v1/status", get(status::status))
        .route("/v1/reload", post(status::reload))
        .route("/v1/log", get(log::search))
        .route("/v1/log/page", get(log::page))
        .route("/v1/log/follow", get(log::follow))
        .route("/v1/deliveries", get(deliveries::list))
        .route("/v1/deliveries/{which}", get(deliveries::show))
        .route("/v1/deliveries/{which}/replay", post(deliveries::replay))
        .route("/v1/runs", get(runs::list).post(runs::make))
        .route("/v1/runs/{id}", get(runs::show))
        .route("/v1/runs/{id}/{action}", post(runs::act))
        .route("/v1/erase", post(erase::erase))
        .route("/v1/events", get(log::events))
        .route("/v1/record", get(record::record))
        .route("/v1/record/{number}/end", post(record::end))
        .route("/v1/exchanges", get(record::last))
        .route("/v1/webhooks", get(webhooks::list))
        .route("/v1/webhooks/{which}", get(webhooks::show))
        .route("/v1/webhooks/{which}/{action}", post(webhooks::act))
        .route("/metrics", get(metrics))
        .fallback(async || ApiError::NotFound("no such address; see the table in src/admin/mod.rs".to_owned()))
        .with_state(admin)
}

/// The API of a process that has nothing to tell but why.
pub fn unavailable(why: String) -> Router {
    Router::new().fallback(async move || ApiError::Unavailable(why))
}

/// OpenMetrics text 1.0 of all counters.
async fn metrics(axum::extract::State(admin): axum::extract::State<Admin>) -> Response {
    if let Some(deliverer) = &admin.deliverer {
        deliverer.measure().await;
    }
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &admin.metrics) {
        Ok(()) => ([(header::CONTENT_TYPE, METRICS_TYPE)], text).into_response(),
        Err(fault) => ApiError::Internal(format!("the counters cannot be written out: {fault}")).into_response(),
    }
}

const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
