//! The tap: a tower middleware that copies exchanges and never alters them. Usable alone, without the feature `serve`.
//!
//! [`TapLayer`] takes an [`Observer`] and stands before any HTTP service whose bodies give [`bytes::Bytes`]: an axum router,
//! hyper behind a `TowerToHyperService`, a `service_fn`. What it promises:
//!
//! - **Traffic is not altered.** Heads, frames, trailers, size hints, ends and errors of the inner service pass as they are.
//! - **What nobody wants costs one question.** [`Observer::wants`] is asked at the request's head; after `None` nothing is
//!   copied and nothing is boxed.
//! - **Copies are bounded**: per body, and over all captures until the observer has dropped them. A longer body passes whole,
//!   and its copy is marked [`Cut`](crate::exchange::Damage::Cut). Contents of files in multipart forms are left out. Who
//!   wants to keep a piece of a body for long copies it, as every slice keeps the whole body's share of the budget.
//! - **An exchange is observed once**, whatever becomes of it: complete, failed or aborted.
//! - **The end is held** until the observer drops the [`Release`], but never longer than [`HOLD`]: the head of a redirect (a
//!   browser follows it at once) and of an answer whose body nobody reads; otherwise the frame that completes the body, or
//!   its end. Never held: event streams, interim answers, upgrades.
//! - **A visitor who leaves after the whole request was sent stops nothing**: the exchange runs on for [`RUN_ON`] at most.
//! - **A panic of the observer costs that observation**, never traffic.
//!
//! Holding and running on use tokio's timer; outside a tokio runtime an answer is let go at once. All bounds are methods of
//! [`TapLayer`]; what they cut is counted in [`Counters`].
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), std::convert::Infallible> {
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Full};
//! use shopbell::tap::{RequestBody, TapLayer, observe_fn};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! let (seen, mut exchanges) = tokio::sync::mpsc::channel(16);
//! let layer = TapLayer::new(observe_fn(move |exchange, release| {
//!     let _ = seen.try_send(exchange); // a full queue loses the exchange, never the visitor
//!     release.release();
//! }));
//! let shop = service_fn(|request: Request<RequestBody<Full<Bytes>>>| async move {
//!     let _ = request.into_body().collect().await?;
//!     Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from("thank you"))))
//! });
//!
//! let request = Request::post("/cart/add").body(Full::new(Bytes::from("product=7"))).unwrap();
//! let response = layer.layer(shop).oneshot(request).await?;
//! assert_eq!(response.into_body().collect().await?.to_bytes(), "thank you");
//!
//! let exchange = exchanges.recv().await.unwrap();
//! assert_eq!(exchange.request_body.bytes, "product=7");
//! assert_eq!(exchange.response_body.bytes, "thank you");
//! # Ok(())
//! # }
//! ```

mod capture; // the bounded copy of one body
mod counters;
mod future; // the answer to come
mod hold; // waiting on the visitor's path
mod layer;
mod observation; // one exchange, handed over once
mod observe_fn;
mod observer;
mod plan; // where an answer is observed and held
mod request_body;
mod response_body;
mod run_on; // after the visitor has left
mod service;

pub use counters::Counters;
pub use future::TapFuture;
pub use layer::{BUDGET, HOLD, READ_AHEAD, REQUEST_CAPTURE, RESPONSE_CAPTURE, RUN_ON, TapLayer};
pub use observe_fn::{ObserveFn, observe_fn};
pub use observer::{Interest, Observer, Release, released};
pub use request_body::RequestBody;
pub use response_body::ResponseBody;
pub use run_on::{RunOn, Spawn};
pub use service::Tap;
