//! What the visitor gets is what the shop gave: frames, hints, ends and errors.

use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt;
use shopbell::tap::{Interest, TapLayer, observe_fn};

use super::script::{Act, Script, Shop, Then, Watcher, chunked, count, describe, post, sized, visit};

/// A shape of body, made anew for each reading.
type Named = (&'static str, fn() -> Script);

/// Every shape.
fn bodies() -> Vec<Named> {
    vec![
        ("sized", || sized(&["<h1>", "tea", "</h1>"])),
        ("sized, without telling its end", || Script { tells_end: false, ..sized(&["tea", "pot"]) }),
        ("sized and empty", || sized(&[])),
        ("chunked", || chunked(&["a", "b", "c"])),
        ("chunked and empty", || chunked(&[])),
        ("unknown length, telling its end", || Script { tells_end: true, ..chunked(&["a", "b"]) }),
        ("with trailers", || chunked(&["a"]).then(Act::Trailers)),
        ("sized with trailers", || Script { tells_end: false, ..sized(&["a"]).then(Act::Trailers) }),
        ("with pauses", || chunked(&["a"]).then(Act::Wait(Duration::from_secs(2))).then(Act::Data(Bytes::from("b")))),
        ("that fails", || chunked(&["a"]).then(Act::Fail)),
        ("that fails before its length", || Script { length: Some(9), ..chunked(&["a"]).then(Act::Fail) }),
    ]
}

/// Everything a server can learn from a body.
async fn trace<B: Body<Data = Bytes, Error = &'static str>>(body: B) -> Vec<String> {
    let (mut body, mut trace) = (std::pin::pin!(body), Vec::new());
    loop {
        let hint = body.size_hint();
        trace.push(format!("{}..{:?} end {}", hint.lower(), hint.upper(), body.is_end_stream()));
        let frame = body.frame().await;
        let last = !matches!(frame, Some(Ok(_)));
        trace.push(describe(frame));
        if last {
            return trace;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn bodies_look_the_same_whatever_the_observer_wants() {
    let wants = [None, Some(Interest::Nothing), Some(Interest::Head), Some(Interest::Body)];
    for (name, body) in bodies() {
        let bare = trace(body()).await;
        for (status, interest) in [200, 302].into_iter().flat_map(|status| wants.map(|interest| (status, interest))) {
            let (mut observer, _seen) = Watcher::new(interest.unwrap_or(Interest::Body), Then::Release);
            observer.wants = interest.is_some();
            let answer = visit(&TapLayer::new(observer), Shop::answers(status, body()), post("/")).await.expect(name);
            assert_eq!(trace(answer.into_body()).await, bare, "{name}, {status}, {interest:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn bodies_look_the_same_after_a_hold() {
    for (name, body) in bodies() {
        let bare = trace(body()).await.into_iter().filter(|line| !line.contains("..")).collect::<Vec<_>>();
        for status in [200, 302] {
            let (observer, _seen) = Watcher::new(Interest::Body, Then::Keep);
            let answer = visit(&TapLayer::new(observer), Shop::answers(status, body()), post("/")).await.expect(name);
            let hint = answer.body().size_hint();
            assert_eq!(
                (hint.lower(), hint.upper()),
                (body().size_hint().lower(), body().size_hint().upper()),
                "{name}"
            );
            let held = trace(answer.into_body()).await.into_iter().filter(|line| !line.contains(".."));
            assert_eq!(held.collect::<Vec<_>>(), bare, "{name}, {status}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_wants_is_neither_boxed_nor_observed() {
    let (mut observer, mut seen) = Watcher::new(Interest::Body, Then::Release);
    observer.wants = false;
    let layer = TapLayer::new(observer);
    let future = tower::Service::call(
        &mut tower::Layer::layer(
            &layer,
            tower::service_fn(|_: http::Request<shopbell::tap::RequestBody<Script>>| async {
                Ok::<_, &'static str>(http::Response::new(chunked(&["tea"])))
            }),
        ),
        post("/"),
    );
    assert!(format!("{future:?}").contains("candidate: false"));
    let answer = future.await.expect("an answer");
    assert!(format!("{answer:?}").contains("observation: None"));
    drop(answer);
    assert!(seen.try_recv().is_err());
    assert_eq!(count(&layer.counters(), |all| &all.candidates), 0);
    assert_eq!(count(&layer.counters(), |all| &all.observed), 0);
}

#[tokio::test(start_paused = true)]
async fn heads_and_errors_pass_untouched() {
    let layer = TapLayer::new(observe_fn(|_, release| release.release()));
    let shop = Shop::answers(418, sized(&["short and stout"])).with_header("x-tea", "green");
    let answer = visit(&layer, shop, post("/")).await.expect("an answer");
    assert_eq!((answer.status().as_u16(), &answer.headers()["x-tea"]), (418, &"green".parse().expect("a value")));
    let shop = Shop { answer: Err("the shop is closed"), ..Shop::answers(200, sized(&[])) };
    assert_eq!(visit(&layer, shop, post("/")).await.expect_err("no answer"), "the shop is closed");
}
