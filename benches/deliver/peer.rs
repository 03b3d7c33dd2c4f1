//! What deliveries are measured against: hyper's own pooled client in a loop, which signs nothing, keeps nothing and forgets
//! everything. The same bodies to the same receiver, as many at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::json;
use tokio::task::JoinSet;

use super::probe::{cpu_seconds, now_ns, seconds_since};
use super::shop;

/// Posts `events` to each port, `at_once` at a time to each.
pub(crate) fn post(ports: &[u16], events: u64, at_once: usize) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let client: Client<_, Full<Bytes>> =
            Client::builder(TokioExecutor::new()).pool_max_idle_per_host(at_once).build_http();
        let bodies: Arc<Vec<Bytes>> = Arc::new((1..=events).map(|number| shop::body(number).into()).collect());
        let (start, cpu, mut loops) = (now_ns(), cpu_seconds(), JoinSet::new());
        for (webhook, port) in (1u64..).zip(ports) {
            let next = Arc::new(AtomicU64::new(0));
            for _ in 0..at_once {
                let (client, bodies, next) = (client.clone(), Arc::clone(&bodies), Arc::clone(&next));
                let url: http::Uri = shop::url(*port, webhook).parse().expect("a URL");
                loops.spawn(async move {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(body) = usize::try_from(at).ok().and_then(|at| bodies.get(at)) else { return };
                        let request = Request::post(url.clone()).header("content-type", "application/json");
                        let request = request.body(Full::new(body.clone())).expect("a request");
                        let answer = client.request(request).await.expect("the receiver answers");
                        answer.into_body().collect().await.expect("a whole answer");
                    }
                });
            }
        }
        loops.join_all().await;
        let deliveries = events * ports.len() as u64;
        super::say(&json!({ "deliveries": deliveries, "seconds": seconds_since(start), "cpu": cpu_seconds() - cpu }));
    });
}
