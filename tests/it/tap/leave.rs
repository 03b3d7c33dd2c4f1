//! Visitors who leave before the end.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use shopbell::exchange::{Damage, End};
use shopbell::tap::{Interest, TapLayer};
use tokio::time::{Instant, timeout};

use super::script::{Act, Script, Seen, Shop, Then, Watcher, chunked, count, post, sized, visit};

const SECOND: Duration = Duration::from_secs(1);

fn slow_shop(thinks: Duration) -> Shop {
    Shop { thinks, ..Shop::answers(302, chunked(&["mo", "ved"])) }
}

/// Sends a request, leaves after a second without having the answer's head, and waits for what the observer gets.
async fn leave_before_the_head(shop: Shop, request: Request<Script>) -> (Seen, Duration, u64) {
    let (observer, mut seen) = Watcher::new(Interest::Body, Then::Keep);
    let layer = TapLayer::new(observer);
    let start = Instant::now();
    timeout(SECOND, visit(&layer, shop, request)).await.expect_err("left before the answer");
    let got = seen.recv().await.expect("an exchange");
    assert!(seen.try_recv().is_err(), "observed once");
    let (after, ran_on) = (got.at - start, count(&layer.counters(), |all| &all.ran_on));
    (got, after, ran_on)
}

#[tokio::test(start_paused = true)]
async fn a_whole_request_runs_on() {
    let (seen, after, ran_on) = leave_before_the_head(slow_shop(5 * SECOND), post("/checkout")).await;
    assert_eq!((seen.exchange.end, after, ran_on), (End::Complete, 5 * SECOND, 1));
    assert_eq!(seen.exchange.response_body.bytes, "moved");
    assert_eq!((seen.exchange.response_body.damage, seen.exchange.request_body.damage), (None, None));
    assert!(!seen.release.expect("kept").expired(), "nobody was let go early");
}

#[tokio::test(start_paused = true)]
async fn it_runs_on_for_thirty_seconds_at_most() {
    let (seen, after, _) = leave_before_the_head(slow_shop(3600 * SECOND), post("/checkout")).await;
    assert_eq!((seen.exchange.end, after), (End::Failed, 31 * SECOND));
    assert!(seen.exchange.response.is_none());

    let endless = chunked(&["a"]).then(Act::Wait(3600 * SECOND));
    let shop = Shop { thinks: 2 * SECOND, ..Shop::answers(200, endless) };
    let (seen, after, _) = leave_before_the_head(shop, post("/checkout")).await;
    assert_eq!((seen.exchange.end, after), (End::Failed, 31 * SECOND));
    assert_eq!(
        (&seen.exchange.response_body.bytes[..], seen.exchange.response_body.damage),
        (&b"a"[..], Some(Damage::Incomplete))
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_not_whole_is_aborted() {
    let body = chunked(&["product="]).then(Act::Wait(60 * SECOND));
    let request = Request::post("/checkout").body(body).expect("a request");
    let (seen, after, ran_on) = leave_before_the_head(slow_shop(SECOND), request).await;
    assert_eq!((seen.exchange.end, after, ran_on), (End::Aborted, SECOND, 0));
    assert_eq!(
        (&seen.exchange.request_body.bytes[..], seen.exchange.request_body.damage),
        (&b"product="[..], Some(Damage::Incomplete))
    );
}

#[tokio::test(start_paused = true)]
async fn an_inner_failure_after_the_visitor_left_is_failed() {
    let shop = Shop { thinks: 2 * SECOND, answer: Err("closed"), ..Shop::answers(200, sized(&[])) };
    let (seen, after, ran_on) = leave_before_the_head(shop, post("/checkout")).await;
    assert_eq!((seen.exchange.end, after, ran_on), (End::Failed, 2 * SECOND, 1));
}

/// Reads one frame of the answer, then leaves.
async fn leave_after_a_frame(layer: &TapLayer<Watcher>, body: Script) {
    let mut answer = visit(layer, Shop::answers(200, body), post("/")).await.expect("an answer").into_body();
    answer.frame().await.expect("a frame").expect("no error");
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_a_body_is_read_on() {
    let (observer, mut seen) = Watcher::new(Interest::Body, Then::Release);
    let layer = TapLayer::new(observer);
    let slow = chunked(&["tea"]).then(Act::Wait(SECOND)).then(Act::Data(Bytes::from("pot")));
    leave_after_a_frame(&layer, slow).await;
    assert!(seen.try_recv().is_err(), "not observed at the drop");
    let exchange = seen.recv().await.expect("an exchange").exchange;
    assert_eq!((exchange.end, &exchange.response_body.bytes[..]), (End::Complete, &b"teapot"[..]));
    assert_eq!(count(&layer.counters(), |all| &all.ran_on), 1);
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_a_body_is_read_on_to_the_capture_limit_only() {
    let (observer, mut seen) = Watcher::new(Interest::Body, Then::Release);
    let layer = TapLayer::new(observer).response_capture(5);
    let endless = chunked(&["tea", "pot"]).then(Act::Wait(3600 * SECOND));
    let start = Instant::now();
    leave_after_a_frame(&layer, endless).await;
    let exchange = seen.recv().await.expect("an exchange").exchange;
    assert_eq!((exchange.end, exchange.response_body.damage), (End::Complete, Some(Damage::Cut)));
    assert_eq!((&exchange.response_body.bytes[..], start.elapsed()), (&b"teapo"[..], Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_visitor_who_leaves_while_held_changes_nothing() {
    let (observer, mut seen) = Watcher::new(Interest::Body, Then::Keep);
    let layer = TapLayer::new(observer);
    let shop = Shop::answers(302, chunked(&["moved"]));
    timeout(Duration::from_millis(100), visit(&layer, shop, post("/"))).await.expect_err("left while held");
    let got = seen.try_recv().expect("an exchange");
    assert_eq!(got.exchange.end, End::Complete);
    assert!(seen.try_recv().is_err(), "observed once");
    assert_eq!(count(&layer.counters(), |all| &all.ran_on), 0);
}

#[tokio::test(start_paused = true)]
async fn a_visitor_who_leaves_during_a_slow_redirect_does_not_stop_it() {
    let (observer, mut seen) = Watcher::new(Interest::Body, Then::Release);
    let layer = TapLayer::new(observer);
    let slow = chunked(&["mo"]).then(Act::Wait(SECOND)).then(Act::Data(Bytes::from("ved")));
    let visit = visit(&layer, Shop::answers(302, slow), post("/"));
    timeout(Duration::from_millis(100), visit).await.expect_err("left while the body is read");
    let exchange = seen.recv().await.expect("an exchange").exchange;
    assert_eq!((exchange.end, &exchange.response_body.bytes[..]), (End::Complete, &b"moved"[..]));
}

/// An executor that runs nothing.
#[derive(Clone, Debug)]
struct Nobody;

impl<T> hyper::rt::Executor<T> for Nobody {
    fn execute(&self, rest: T) {
        drop(rest);
    }
}

#[tokio::test(start_paused = true)]
async fn an_executor_that_drops_the_rest_leaves_it_failed() {
    use tower::{Layer, ServiceExt};
    let (observer, mut seen) = Watcher::new(Interest::Body, Then::Release);
    let layer = TapLayer::new(observer).executor(Nobody);
    let shop = tower::service_fn(|request: Request<shopbell::tap::RequestBody<Script>>| async move {
        request.into_body().collect().await?;
        std::future::pending::<Result<http::Response<Script>, &'static str>>().await
    });
    timeout(SECOND, layer.layer(shop).oneshot(post("/"))).await.expect_err("left");
    assert_eq!(seen.try_recv().expect("an exchange").exchange.end, End::Failed);
}

#[tokio::test(start_paused = true)]
async fn an_inner_panic_is_observed_as_failed_and_not_run_on() {
    use tower::{Layer, ServiceExt};
    let (observer, mut seen) = Watcher::new(Interest::Body, Then::Release);
    let layer = TapLayer::new(observer);
    let shop = tower::service_fn(|request: Request<shopbell::tap::RequestBody<Script>>| async move {
        request.into_body().collect().await?;
        assert_eq!(1, 2, "the shop's own fault");
        Ok::<_, &'static str>(http::Response::new(sized(&[])))
    });
    let visit = tokio::spawn(layer.layer(shop).oneshot(post("/")));
    assert!(visit.await.expect_err("a panic").is_panic());
    assert_eq!(seen.try_recv().expect("an exchange").exchange.end, End::Failed);
    assert_eq!(count(&layer.counters(), |all| &all.ran_on), 0);

    // An observer that panics while the shop's own panic unwinds does not take the process down.
    let layer = TapLayer::new(Watcher::new(Interest::Body, Then::Panic).0);
    let visit = tokio::spawn(layer.layer(shop).oneshot(post("/")));
    assert!(visit.await.expect_err("a panic").is_panic());
    assert_eq!(count(&layer.counters(), |all| &all.observer_panics), 1);
}

/// An executor for what cannot leave its thread.
#[derive(Clone, Debug)]
struct Local;

impl<T: Future<Output = ()> + 'static> hyper::rt::Executor<T> for Local {
    fn execute(&self, rest: T) {
        drop(tokio::task::spawn_local(rest));
    }
}

#[tokio::test(start_paused = true)]
async fn services_that_cannot_leave_their_thread_run_on_too() {
    use tower::{Layer, ServiceExt};
    let (observer, mut seen) = Watcher::new(Interest::Body, Then::Release);
    let layer = TapLayer::new(observer).executor(Local);
    let served = std::rc::Rc::new(std::cell::Cell::new(0));
    let shop = tower::service_fn(|request: Request<shopbell::tap::RequestBody<Script>>| {
        let served = std::rc::Rc::clone(&served);
        async move {
            request.into_body().collect().await?;
            tokio::time::sleep(2 * SECOND).await;
            served.set(served.get() + 1);
            Ok::<_, &'static str>(http::Response::new(sized(&["tea"])))
        }
    });
    let visits = async {
        timeout(SECOND, layer.layer(shop).oneshot(post("/"))).await.expect_err("left");
        seen.recv().await.expect("an exchange").exchange
    };
    let exchange = tokio::task::LocalSet::new().run_until(visits).await;
    assert_eq!((exchange.end, &exchange.response_body.bytes[..]), (End::Complete, &b"tea"[..]));
    assert_eq!(served.get(), 1);
}
