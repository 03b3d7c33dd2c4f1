//! How long a visitor is held: from a request that a rule matches to its answer, through tap, engine and journal.

use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use serde_json::json;
use shopbell::clock::Clock;
use shopbell::engine::{Engine, EngineCounters, LookUpClient, Rules};
use shopbell::store::Options;
use shopbell::tap::{RequestBody, TapLayer};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tower::{Layer as _, ServiceExt as _, service_fn};

use super::probe::{cpu_seconds, now_ns};
use super::roles::both;
use super::say;

const FORM: &str =
    "name=Green+tea+of+the+first+harvest&sku=TEA-7&price=12%2C50&stock=40&visible=1&description=leaf+leaf+leaf";

/// Sends so many form posts a second through the tap over `rules/demo`, and tells how long each took and what one without a
/// rule takes.
pub(crate) fn held(data: &Path, rate: u32, exchanges: u64) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let store = super::shop::open(&data.join("data"), Options::default());
        let rules = data.join("rules");
        std::fs::create_dir_all(&rules).expect("a directory");
        let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/rules/demo")).expect("rules").flatten();
        for file in files.filter(|file| file.path().is_file()) {
            std::fs::copy(file.path(), rules.join(file.file_name())).expect("a copy");
        }
        let (stop, stopping) = watch::channel(false);
        let counters = EngineCounters::default();
        let watched = Rules::start(&rules, data, store.clone(), Clock::System, counters.clone(), stopping.clone());
        let (rules, _watching) = watched.await.expect("rules");
        let nobody = LookUpClient::new(service_fn(async |_| Err("no shop".into())));
        let started = Engine::start(rules, store.clone(), nobody, Clock::System, counters.clone(), stopping);
        let (observer, engine) = started.await.expect("an engine");
        let shop = TapLayer::new(observer).layer(service_fn(async |request: Request<RequestBody<Full<Bytes>>>| {
            let location = format!("{}?saved=7", request.uri().path());
            let body: http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible> = Full::default().boxed_unsync();
            let _ = request.into_body().collect().await;
            let answer = Response::builder().status(302).header(header::LOCATION, location).body(body);
            Ok::<_, Infallible>(answer.expect("a response"))
        }));
        let cpu = cpu_seconds();
        let (mut under_way, mut times) = (JoinSet::new(), Vec::new());
        let mut tick = tokio::time::interval(Duration::from_secs(1) / rate);
        tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for number in 0..exchanges {
            tick.tick().await;
            let shop = shop.clone();
            let request = Request::post(format!("/admin/products/{}/edit", number % 1_000))
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(Full::new(Bytes::from_static(FORM.as_bytes())));
            let request = request.expect("a request");
            under_way.spawn(async move {
                let began = now_ns();
                let answer = shop.oneshot(request).await.expect("an answer");
                assert_eq!(answer.status(), 302);
                now_ns() - began
            });
            while let Some(done) = under_way.try_join_next() {
                times.push(done.expect("no panic"));
            }
        }
        times.extend(under_way.join_all().await);
        let cpu = cpu_seconds() - cpu;
        let committed = counters.events.get();
        assert_eq!(committed, exchanges, "each gave its event");
        stop.send_replace(true);
        drop(shop);
        engine.stopped(Duration::from_secs(10)).await;
        store.close().await;
        say(&json!({ "held": both(times), "cpu_us": cpu * 1e6 / f64::from(u32::try_from(exchanges).unwrap_or(u32::MAX)) }));
    });
}
