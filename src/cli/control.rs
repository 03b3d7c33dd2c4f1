//! The operator's API as commands call it: over the control socket of the running process, or in this one.

use std::io;
use std::path::Path;

use axum::Router;
use axum::body::Body;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tower::ServiceExt as _;

use crate::{admin, app};

use super::args::Place;
use super::failure::Failure;
use super::run::refused;

/// An answer may be so long, in bytes: the log's 10,000 lines with their payloads fit.
const MAX_ANSWER_BYTES: usize = 256 * 1024 * 1024;

/// Where the API answers.
#[derive(Debug)]
pub(super) enum Api {
    /// In the process that owns the data directory.
    Socket(std::path::PathBuf),
    /// Here: no process runs, and the store was opened to look into it.
    Here(Router),
}

impl Api {
    /// The running process.
    pub(super) async fn running(place: &Place) -> Result<Self, Failure> {
        let data = place.data.display();
        Self::socket(&place.data).await?.ok_or_else(|| {
            Failure::Failed(format!(
                "no shopbell runs on the data directory {data}, and this needs one: start it with `shopbell run`, \
                 or name its directory with --data"
            ))
        })
    }

    /// The running process, if there is one.
    pub(super) async fn if_running(place: &Place) -> Result<Option<Self>, Failure> {
        Self::socket(&place.data).await
    }

    /// The running process, or else the store itself.
    pub(super) async fn running_or_here(place: &Place) -> Result<Self, Failure> {
        if let Some(api) = Self::socket(&place.data).await? {
            return Ok(api);
        }
        let data = place.data.display();
        if !place.data.is_dir() {
            let text = format!("there is no data directory {data}: name the one of your process with --data");
            return Err(Failure::Failed(text));
        }
        let router = app::offline(&place.data, &place.rules).await;
        router.map(Self::Here).map_err(|fault| refused(&fault))
    }

    async fn socket(data: &Path) -> Result<Option<Self>, Failure> {
        let path = data.join(app::CONTROL);
        match admin::connect_control(&path).await {
            Ok(_) => Ok(Some(Self::Socket(path))),
            // Not there, or left behind by a process that is gone.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                Ok(None)
            }
            Err(error) => {
                Err(Failure::caused(format!("the control socket {} cannot be opened", path.display()), &error))
            }
        }
    }

    /// `GET path`.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.call(Method::GET, path).await
    }

    /// `POST path` without a body.
    pub(super) async fn post<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.call(Method::POST, path).await
    }

    /// `GET path`, answered piece by piece; it ends when the body is dropped.
    pub(super) async fn stream(&self, path: &str) -> Result<Body, Failure> {
        let request = request(Method::GET, path)?;
        let (status, body) = match self {
            Self::Socket(socket) => send(socket, request).await?,
            Self::Here(router) => {
                let Ok(answer) = router.clone().oneshot(request).await;
                (answer.status(), answer.into_body())
            }
        };
        if status.is_success() { Ok(body) } else { Err(said(status, &collect(body).await?)) }
    }

    async fn call<T: DeserializeOwned>(&self, method: Method, path: &str) -> Result<T, Failure> {
        let request = request(method, path)?;
        let (status, body) = match self {
            Self::Socket(socket) => {
                let (status, body) = send(socket, request).await?;
                (status, collect(body).await?)
            }
            Self::Here(router) => {
                let Ok(answer) = router.clone().oneshot(request).await;
                let (head, body) = answer.into_parts();
                (head.status, collect(body).await?)
            }
        };
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|fault| {
                let text = "the process answers in a form this program does not know; are both of the same version?";
                Failure::caused(text, &fault)
            });
        }
        Err(said(status, &body))
    }
}

fn request(method: Method, path: &str) -> Result<Request<Body>, Failure> {
    let request = Request::builder().method(method).uri(path).header(http::header::HOST, "control");
    request.body(Body::empty()).map_err(|fault| Failure::caused("the request cannot be made", &fault))
}

/// What the process says went wrong.
fn said(status: StatusCode, body: &[u8]) -> Failure {
    let said: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let said = said.as_ref().and_then(|value| value.get("error")).and_then(serde_json::Value::as_str);
    let text = said.map_or_else(|| format!("the process answered {status}"), str::to_owned);
    if status == StatusCode::BAD_REQUEST { Failure::Usage(text) } else { Failure::Failed(text) }
}

/// Sends a request over a connection of its own, which lives as long as the answer's body.
async fn send(socket: &Path, request: Request<Body>) -> Result<(StatusCode, Body), Failure> {
    let place = socket.display();
    let stream = admin::connect_control(socket).await;
    let stream =
        stream.map_err(|fault| Failure::caused(format!("the control socket {place} cannot be opened"), &fault))?;
    let broke = |fault: hyper::Error| Failure::caused(format!("the process at {place} did not answer"), &fault);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broke)?;
    // It ends by itself once the answer is read or dropped, as the sender goes here.
    tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await.map_err(broke)?.into_parts();
    Ok((head.status, Body::new(body)))
}

async fn collect(body: Body) -> Result<bytes::Bytes, Failure> {
    let collected = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
    collected.map(http_body_util::Collected::to_bytes).map_err(|fault| Failure::caused("the answer broke off", &*fault))
}

/// A path segment, percent-encoded.
pub(super) fn segment(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
