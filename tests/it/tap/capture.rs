//! What the observer gets: whole, cut, incomplete, failed.

use http::Request;
use shopbell::exchange::{Clock, Damage, End, Timestamp};
use shopbell::tap::{Interest, TapLayer};

use super::script::{Act, Script, Shop, Then, Watcher, chunked, count, post, read, sized, visit};

#[tokio::test(start_paused = true)]
async fn a_complete_exchange_has_both_heads_and_bodies() {
    let (observer, mut seen) = Watcher::new(Interest::Body, Then::Release);
    let clock = Clock::simulated(Timestamp::from_millis(5_000));
    let layer = TapLayer::new(observer).clock(clock).secure_by(|parts| parts.headers.contains_key("x-tls"));
    let mut request = post("/cart/add?lang=en");
    request.headers_mut().insert("x-tls", "1".parse().expect("a value"));
    let shop = Shop::answers(200, chunked(&["thank", " you"])).with_header("content-type", "text/html");
    read(visit(&layer, shop, request).await.expect("an answer").into_body()).await;

    let exchange = seen.try_recv().expect("an exchange").exchange;
    assert_eq!((exchange.at, exchange.end), (Timestamp::from_millis(5_000), End::Complete));
    assert_eq!((exchange.request.path(), exchange.request.query()), ("/cart/add", "lang=en"));
    assert!(exchange.request.secure);
    assert_eq!((&exchange.request_body.bytes[..], exchange.request_body.total), (&b"product=7"[..], 9));
    assert_eq!((&exchange.response_body.bytes[..], exchange.response_body.damage), (&b"thank you"[..], None));
    assert_eq!(exchange.response.expect("a head").headers["content-type"], "text/html");
    assert!(seen.try_recv().is_err(), "observed once");
}

#[tokio::test(start_paused = true)]
async fn copies_are_cut_at_their_limits_while_bodies_pass_whole() {
    let (observer, mut seen) = Watcher::new(Interest::Body, Then::Release);
    let layer = TapLayer::new(observer).request_capture(8).response_capture(3);
    let answer = visit(&layer, Shop::answers(200, chunked(&["tea", "pot"])), post("/")).await.expect("an answer");
    let got = read(answer.into_body()).await;
    assert_eq!(got.len(), 3, "two frames and the end: {got:?}");
    let exchange = seen.try_recv().expect("an exchange").exchange;
    assert_eq!((&exchange.request_body.bytes[..], exchange.request_body.damage), (&b"product="[..], Some(Damage::Cut)));
    assert_eq!((&exchange.response_body.bytes[..], exchange.response_body.total), (&b"tea"[..], 6));
    assert_eq!((exchange.response_body.damage, exchange.end), (Some(Damage::Cut), End::Complete));
    assert_eq!(count(&layer.counters(), |all| &all.captures_cut), 2);
    assert_eq!(count(&layer.counters(), |all| &all.budget_spent), 0);
}

#[tokio::test(start_paused = true)]
async fn the_budget_is_shared_by_all_captures_until_the_observer_drops_them() {
    let (observer, mut seen) = Watcher::new(Interest::Body, Then::Release);
    let layer = TapLayer::new(observer).budget(24);
    let mut visited = async || {
        let answer = visit(&layer, Shop::answers(200, sized(&["thanks"])), post("/")).await.expect("an answer");
        assert_eq!(read(answer.into_body()).await[0].0, "data thanks");
        seen.try_recv().expect("an exchange").exchange
    };
    let first = visited().await; // 9 bytes in room for 16, and 6, of 24
    assert_eq!((first.request_body.damage, first.response_body.damage), (None, None));
    let second = visited().await;
    assert_eq!((second.request_body.damage, second.response_body.damage), (Some(Damage::Cut), Some(Damage::Cut)));
    assert_eq!(count(&layer.counters(), |all| &all.budget_spent), 2);
    drop((first, second));
    let third = visited().await;
    assert_eq!((third.request_body.damage, third.response_body.damage), (None, None));
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_apart() {
    let broken = || Request::post("/").body(chunked(&["a"]).then(Act::Fail)).expect("a request");
    let closed = || Shop { answer: Err("closed"), ..Shop::answers(200, sized(&[])) };
    let unread = || Shop { reads: false, ..Shop::answers(200, sized(&["early"])) };
    let breaks = || Shop::answers(200, chunked(&["a"]).then(Act::Fail));
    let away = || Shop::answers(302, chunked(&["a"]).then(Act::Fail));
    let lost = Some(Damage::Incomplete);
    let unseen = Some(Damage::Unread);
    let rows: [(&str, Request<Script>, Shop, End, _, _); 5] = [
        ("the shop fails", post("/"), closed(), End::Failed, None, unseen),
        ("the request breaks off", broken(), closed(), End::Aborted, lost, unseen),
        ("the request is not read", post("/"), unread(), End::Complete, lost, None),
        ("the answer breaks off", post("/"), breaks(), End::Failed, None, lost),
        ("a redirect breaks off", post("/"), away(), End::Failed, None, lost),
    ];
    for (name, request, shop, end, request_damage, response_damage) in rows {
        let (observer, mut seen) = Watcher::new(Interest::Body, Then::Release);
        if let Ok(answer) = visit(&TapLayer::new(observer), shop, request).await {
            read(answer.into_body()).await;
        }
        let exchange = seen.try_recv().expect(name).exchange;
        let damages = (exchange.request_body.damage, exchange.response_body.damage);
        assert_eq!((exchange.end, damages), (end, (request_damage, response_damage)), "{name}");
        assert!(seen.try_recv().is_err(), "{name}: observed once");
    }
}

#[tokio::test(start_paused = true)]
async fn fields_after_an_upload_are_captured_and_the_file_is_not() {
    let (observer, mut seen) = Watcher::new(Interest::Body, Then::Release);
    let layer = TapLayer::new(observer).request_capture(600);
    let head = "--XX\r\nContent-Disposition: form-data; name=\"image\"; filename=\"tea.jpg\"\r\n\r\n";
    let (file, tail) = (
        "\u{7f}".repeat(100_000).leak(),
        "\r\n--XX\r\nContent-Disposition: form-data; name=\"sku\"\r\n\r\nT-7\r\n--XX--\r\n",
    );
    let request = Request::post("/admin/product").header("content-type", "multipart/form-data; boundary=XX");
    let request = request.body(sized(&[head, file, tail])).expect("a request");
    let answer = visit(&layer, Shop::answers(200, sized(&["saved"])), request).await.expect("an answer");
    read(answer.into_body()).await;
    let body = seen.try_recv().expect("an exchange").exchange.request_body;
    let kept = String::from_utf8_lossy(&body.bytes).into_owned();
    assert!(kept.contains("name=\"sku\"") && kept.contains("T-7") && kept.contains("filename=\"tea.jpg\""), "{kept}");
    assert!(!kept.contains('\u{7f}'));
    assert_eq!((body.damage, body.total), (None, (head.len() + file.len() + tail.len()) as u64));
}

#[tokio::test(start_paused = true)]
async fn a_panicking_observer_costs_its_observation_only() {
    for (path, then, panics) in
        [("/panic/wants", Then::Release, 1), ("/panic/narrow", Then::Release, 1), ("/", Then::Panic, 1)]
    {
        for status in [200, 302] {
            let (observer, mut seen) = Watcher::new(Interest::Body, then);
            let layer = TapLayer::new(observer);
            let answer = visit(&layer, Shop::answers(status, chunked(&["tea"])), post(path)).await.expect("an answer");
            let got = read(answer.into_body()).await;
            assert_eq!(got, [("data tea".to_owned(), 0), ("end".to_owned(), 0)], "{path}");
            assert_eq!(count(&layer.counters(), |all| &all.observer_panics), panics, "{path}");
            assert!(seen.try_recv().is_err());
        }
    }
}
