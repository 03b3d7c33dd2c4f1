//! What lets the visitor go on waits for the observer, and how long.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use shopbell::exchange::{Damage, End};
use shopbell::tap::{Interest, TapLayer};
use tokio::time::Instant;

use super::script::{Act, Script, Shop, Then, Watcher, chunked, count, post, read, sized, visit};

/// What an answer was held at, and for how long, when the observer keeps its release: the head, a frame or nothing.
async fn held_at(interest: Interest, shop: Shop, request: Request<Script>) -> (String, u128) {
    let (observer, mut seen) = Watcher::new(interest, Then::Keep);
    let layer = TapLayer::new(observer);
    let start = Instant::now();
    let answer = visit(&layer, shop, request).await.expect("an answer");
    let head = start.elapsed().as_millis();
    let frames = read(answer.into_body()).await;
    let late = frames.iter().find(|(_, at)| *at > 0).cloned();
    let held = if head > 0 { ("head".to_owned(), head) } else { late.unwrap_or(("nothing".to_owned(), 0)) };
    let seen = seen.try_recv().expect("an exchange");
    assert_eq!(seen.exchange.end, End::Complete);
    let expired = seen.release.expect("kept").expired();
    assert_eq!(expired, held.1 > 0, "an expired hold is marked");
    assert_eq!(count(&layer.counters(), |all| &all.hold_expired), u64::from(expired));
    assert_eq!(count(&layer.counters(), |all| &all.held), u64::from(expired));
    held
}

fn with_method(method: Method) -> Request<Script> {
    Request::builder().method(method).uri("/").body(sized(&[])).expect("a request")
}

#[tokio::test(start_paused = true)]
async fn the_end_is_held() {
    use Interest::{Body, Head};
    let big = || chunked(&[]).then(Act::Data(Bytes::from(vec![b'x'; 70_000]))).then(Act::Data(Bytes::from("rest")));
    let rows = [
        ("a redirect, sized", Body, Shop::answers(302, sized(&["moved"])), "head"),
        ("a redirect, chunked", Body, Shop::answers(303, chunked(&["mo", "ved"])), "head"),
        ("a redirect, empty", Body, Shop::answers(302, sized(&[])), "head"),
        ("a redirect, chunked and empty", Body, Shop::answers(302, chunked(&[])), "head"),
        ("a redirect larger than is read ahead", Body, Shop::answers(302, big()), "head"),
        ("a redirect nobody reads", Head, Shop::answers(302, chunked(&["moved"])), "head"),
        ("an answer nobody reads", Head, Shop::answers(200, chunked(&["tea"])), "head"),
        ("a length", Body, Shop::answers(200, sized(&["tea", "pot"])), "data pot"),
        (
            "a length that is not told",
            Body,
            Shop::answers(200, Script { tells_end: false, ..sized(&["tea", "pot"]) }),
            "data pot",
        ),
        (
            "a length in the head only",
            Body,
            Shop::answers(200, chunked(&["tea", "pot"])).with_header("content-length", "6"),
            "data pot",
        ),
        (
            "END_STREAM on the last frame",
            Body,
            Shop::answers(200, Script { tells_end: true, ..chunked(&["tea", "pot"]) }),
            "data pot",
        ),
        ("chunked", Body, Shop::answers(200, chunked(&["tea", "pot"])), "end"),
        ("trailers", Body, Shop::answers(200, chunked(&["tea"]).then(Act::Trailers)), "trailers"),
        ("no content", Body, Shop::answers(204, chunked(&[])), "head"),
        ("not modified", Body, Shop::answers(304, chunked(&[]).then(Act::Trailers)), "head"),
        ("an empty answer", Body, Shop::answers(200, sized(&[])), "head"),
        (
            "an event stream",
            Body,
            Shop::answers(200, chunked(&["data: 1\n\n"])).with_header("content-type", "text/event-stream"),
            "nothing",
        ),
        (
            "an event stream nobody reads",
            Head,
            Shop::answers(200, chunked(&["data: 1\n\n"])).with_header("content-type", "text/event-stream"),
            "nothing",
        ),
        ("an upgrade", Body, Shop::answers(101, sized(&[])), "nothing"),
    ];
    for (name, interest, shop, place) in rows {
        let time = if place == "nothing" { 0 } else { 250 };
        assert_eq!(held_at(interest, shop, post("/")).await, (place.to_owned(), time), "{name}");
    }
    let sized = || Shop::answers(200, sized(&["never sent"])).with_header("content-length", "10");
    assert_eq!(held_at(Body, sized(), with_method(Method::HEAD)).await, ("head".to_owned(), 250));
    assert_eq!(held_at(Body, Shop::answers(200, chunked(&[])), with_method(Method::CONNECT)).await.0, "nothing");
}

#[tokio::test(start_paused = true)]
async fn a_redirects_body_is_read_before_its_head_goes_out() {
    let (observer, mut seen) = Watcher::new(Interest::Body, Then::Release);
    let slow = chunked(&["mo"]).then(Act::Wait(Duration::from_millis(100))).then(Act::Data(Bytes::from("ved")));
    let start = Instant::now();
    let answer = visit(&TapLayer::new(observer), Shop::answers(302, slow), post("/")).await.expect("an answer");
    assert_eq!(start.elapsed().as_millis(), 100);
    assert_eq!(seen.try_recv().expect("observed at the head").exchange.response_body.bytes, "moved");
    let got = read(answer.into_body()).await;
    assert_eq!(got.iter().map(|(frame, _)| frame.as_str()).collect::<Vec<_>>(), ["data mo", "data ved", "end"]);
}

#[tokio::test(start_paused = true)]
async fn reading_ahead_counts_towards_the_hold() {
    let (observer, mut seen) = Watcher::new(Interest::Body, Then::Keep);
    let slow = chunked(&["mo"]).then(Act::Wait(Duration::from_millis(100))).then(Act::Data(Bytes::from("ved")));
    let start = Instant::now();
    visit(&TapLayer::new(observer), Shop::answers(302, slow), post("/")).await.expect("an answer");
    assert_eq!(start.elapsed().as_millis(), 250);
    assert_eq!(seen.try_recv().expect("an exchange").at - start, Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn a_long_redirect_is_observed_cut_and_passes_whole() {
    let (observer, mut seen) = Watcher::new(Interest::Body, Then::Release);
    let layer = TapLayer::new(observer).read_ahead(4);
    let shop = Shop::answers(302, chunked(&["tea", "pot", "!"]));
    let answer = visit(&layer, shop, post("/")).await.expect("an answer");
    let exchange = seen.try_recv().expect("observed at the head").exchange;
    assert_eq!((&exchange.response_body.bytes[..], exchange.response_body.damage), (&b"teapot"[..], Some(Damage::Cut)));
    assert_eq!(exchange.end, End::Complete);
    assert_eq!(read(answer.into_body()).await.len(), 4, "three frames and the end");
    assert!(seen.try_recv().is_err(), "observed once");
}

#[tokio::test(start_paused = true)]
async fn a_redirect_whose_body_dawdles_is_let_go_in_time_and_observed_late() {
    let (observer, mut seen) = Watcher::new(Interest::Body, Then::Keep);
    let layer = TapLayer::new(observer);
    let slow = chunked(&["mo"]).then(Act::Wait(Duration::from_secs(5))).then(Act::Data(Bytes::from("ved")));
    let start = Instant::now();
    let answer = visit(&layer, Shop::answers(302, slow), post("/")).await.expect("an answer");
    assert_eq!(start.elapsed().as_millis(), 250);
    assert!(seen.try_recv().is_err(), "not observed yet");
    let got = read(answer.into_body()).await;
    assert_eq!(got.last(), Some(&("end".to_owned(), 4750)), "the end is not held again");
    let seen = seen.try_recv().expect("an exchange");
    assert_eq!(seen.exchange.response_body.bytes, "moved");
    assert!(seen.release.expect("kept").expired());
    assert_eq!(count(&layer.counters(), |all| &all.hold_expired), 1);
}

#[tokio::test(start_paused = true)]
async fn releasing_lets_go_at_once() {
    for (status, body) in [(302, chunked(&["moved"])), (200, sized(&["tea"])), (200, chunked(&["tea"]))] {
        let (observer, mut seen) = Watcher::new(Interest::Body, Then::Keep);
        let layer = TapLayer::new(observer);
        let engine = tokio::spawn(async move {
            let seen = seen.recv().await.expect("an exchange");
            tokio::time::sleep(Duration::from_millis(40)).await;
            let release = seen.release.expect("kept");
            let expired = release.expired();
            release.release();
            expired
        });
        let start = Instant::now();
        read(visit(&layer, Shop::answers(status, body), post("/")).await.expect("an answer").into_body()).await;
        assert_eq!(start.elapsed().as_millis(), 40);
        assert!(!engine.await.expect("no panic"));
        assert_eq!(count(&layer.counters(), |all| &all.held), 1);
        assert_eq!(count(&layer.counters(), |all| &all.hold_expired), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn no_head_is_held_while_the_request_is_still_coming() {
    let (observer, mut seen) = Watcher::new(Interest::Head, Then::Keep);
    let shop = Shop { reads: false, ..Shop::answers(200, chunked(&["early"])) };
    let start = Instant::now();
    let answer = visit(&TapLayer::new(observer), shop, post("/")).await.expect("an answer");
    assert_eq!(start.elapsed().as_millis(), 0);
    assert!(seen.try_recv().is_err(), "not observed at the head");
    let got = read(answer.into_body()).await;
    assert_eq!(got, [("data early".to_owned(), 0), ("end".to_owned(), 250)]);
    assert_eq!(seen.try_recv().expect("an exchange").exchange.response_body.damage, Some(Damage::Unread));
}

#[tokio::test(start_paused = true)]
async fn a_hold_time_of_zero_holds_nothing() {
    let (observer, mut seen) = Watcher::new(Interest::Body, Then::Keep);
    let layer = TapLayer::new(observer).hold(Duration::ZERO);
    let start = Instant::now();
    read(visit(&layer, Shop::answers(302, chunked(&["moved"])), post("/")).await.expect("an answer").into_body()).await;
    assert_eq!(start.elapsed().as_millis(), 0);
    assert!(!seen.try_recv().expect("an exchange").release.expect("kept").expired());
}
