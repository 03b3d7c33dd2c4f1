//! Recorded forms: what one writes it reads back, and other programs' files are read.

use http::{HeaderName, HeaderValue, StatusCode, Uri};
use proptest::prelude::*;
use serde_json::{Value, json};
use shopbell::exchange::{
    CapturedBody, CaseStep, CaseText, CaseWhat, Damage, End, Exchange, HAR_HEAD, HAR_TAIL, Part, ReadOptions, Reading,
    RequestHead, ResponseHead, Timestamp, har_entry, parse_har, parse_line, to_line,
};

use super::{FORM, exchange};

/// All of an exchange but its time, comparable.
fn whole(exchange: &Exchange) -> impl PartialEq + std::fmt::Debug + use<> {
    let Exchange { request, response, end, .. } = exchange.clone();
    let body = |body: &CapturedBody| (body.bytes.clone(), body.total, body.damage);
    (
        (request.method, request.uri, request.headers, request.secure, body(&exchange.request_body)),
        response.map(|response| (response.status, response.headers)),
        (body(&exchange.response_body), end),
    )
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        ">>>",
        "<<< 200",
        "===",
        "#",
        "\\",
        "\n",
        "\r\n",
        " ",
        "=",
        "&",
        "%41",
        "+",
        "a",
        "form:",
        "json:",
        "base64:",
        "{\"a\":1}",
        "[1, 2]",
        "é",
        "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n",
        "--B--\r\n",
    ];
    let text = proptest::collection::vec(prop::sample::select(pieces.to_vec()), 0..12)
        .prop_map(|pieces| pieces.concat().into_bytes());
    prop_oneof![text, proptest::collection::vec(any::<u8>(), 0..40)]
}

fn body() -> impl Strategy<Value = CapturedBody> {
    let damage = prop::sample::select(Damage::ALL.map(Some).into_iter().chain([None, None, None]).collect::<Vec<_>>());
    (bytes(), damage, 0..3_u64).prop_map(|(bytes, damage, more)| {
        let body = CapturedBody::whole(bytes);
        // Only of a body that is not whole there is more than was kept.
        let more = if damage.is_some() { more } else { 0 };
        CapturedBody { total: body.total + more, damage, ..body }
    })
}

fn headers() -> impl Strategy<Value = http::HeaderMap> {
    let kinds = [
        FORM,
        "application/json",
        "multipart/form-data; boundary=B",
        "multipart/form-data; boundary=----case",
        "text/html; charset=x",
    ];
    let kind = prop::sample::select(kinds.to_vec()).prop_map(|kind| ("content-type".to_owned(), kind.to_owned()));
    let line = ("(a|x-[a-z]{1,4}|[!#$%&'*+.^_`|~-]{1,3})", "[ -~é]{0,12}");
    proptest::collection::vec(prop_oneof![line.prop_map(|pair| pair), kind], 0..4).prop_map(|lines| {
        let read = lines.iter().filter_map(|(name, value)| {
            Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_bytes(value.as_bytes()).ok()?))
        });
        read.collect()
    })
}

/// Times to the millisecond: what recorders write.
fn seconds() -> impl Strategy<Value = f64> {
    any::<u32>().prop_map(|millis| f64::from(millis) / 1_000.0)
}

fn any_exchange() -> impl Strategy<Value = Exchange> {
    let target = prop_oneof!["/[a-z%20?=&.\\[\\]]{0,12}", Just("*".to_owned()), "https?://shop\\.example/[a-z]{0,4}"];
    let end = prop::sample::select(vec![End::Complete, End::Failed, End::Aborted]);
    let response = proptest::option::of((100..999_u16, headers(), body()));
    (("[A-Z]{1,5}", target, any::<bool>(), headers(), body()), response, end).prop_map(
        |((method, uri, secure, headers, request_body), response, end)| {
            let uri: Uri = uri.parse().unwrap_or_default();
            let secure = secure || uri.scheme_str() == Some("https");
            let request = RequestHead { method: method.parse().expect("a method"), uri, headers, secure };
            let (response, response_body) = match response {
                Some((status, headers, body)) => {
                    (Some(ResponseHead { status: StatusCode::from_u16(status).expect("a status"), headers }), body)
                }
                None => (None, CapturedBody::default()),
            };
            Exchange { at: Timestamp::default(), request, request_body, response, response_body, end }
        },
    )
}

proptest! {
    #[test]
    fn lines_come_back(exchange in any_exchange(), t in proptest::option::of(seconds())) {
        let line = to_line(&exchange, t);
        prop_assert!(!line.contains('\n'));
        let read = parse_line(&line).expect("what was written");
        prop_assert_eq!(read.t, t);
        prop_assert_eq!(whole(&read.exchange), whole(&exchange), "{}", line);
    }

    #[test]
    fn cases_come_back(
        exchanges in proptest::collection::vec((any_exchange(), proptest::option::of(seconds()), "[a-z #]{0,8}"), 0..4),
        answers in proptest::collection::vec((headers(), body()), 0..2),
    ) {
        let step = |what, comment: &str| CaseStep { comment: vec![comment.to_owned()], line: 0, what };
        let played = exchanges.iter().map(|(exchange, t, comment)| step(CaseWhat::Exchange { t: *t, exchange: Box::new(exchange.clone()) }, comment));
        let answered = answers.iter().map(|(headers, body)| {
            let response = Some(ResponseHead { status: StatusCode::OK, headers: headers.clone() });
            step(CaseWhat::Answer { target: "/a?b=c".to_owned(), response, body: body.clone() }, "")
        });
        let case = CaseText { steps: played.chain(answered).collect(), expected: None };
        let text = case.write();
        let read = CaseText::parse(&text).map_err(|fault| TestCaseError::fail(format!("{fault}\n{text}")))?;
        prop_assert_eq!(read.steps.len(), case.steps.len(), "{}", text);
        for ((t, found), (exchange, sent_t, _)) in read.exchanges().zip(&exchanges) {
            prop_assert_eq!(t, *sent_t);
            prop_assert_eq!(whole(found), whole(exchange), "{}", text);
        }
        for (step, (headers, body)) in read.steps.iter().skip(exchanges.len()).zip(&answers) {
            let CaseWhat::Answer { response: Some(response), body: found, .. } = &step.what else { panic!("an answer") };
            prop_assert_eq!((&response.headers, &found.bytes, found.damage), (headers, &body.bytes, body.damage));
        }
        prop_assert_eq!(read.write(), text);
    }

    #[test]
    fn any_text_is_a_case_or_not(text in "((>>>|<<<|===|#|form:|json:|multipart:|base64:|crlf:|\\\\r|answer|events| |\n|GET|/|=|\"|\\\\|a: b|200|@){0,30}|\\PC{0,40})") {
        if let Ok(case) = CaseText::parse(&text) {
            let written = case.write();
            let again = CaseText::parse(&written).map_err(|fault| TestCaseError::fail(format!("{fault}\n{written}")))?;
            prop_assert_eq!(again.write(), written);
        }
    }

    #[test]
    fn har_entries_come_back(exchange in any_exchange()) {
        let read = parse_har(&format!("{HAR_HEAD}{}{HAR_TAIL}", har_entry(&exchange))).expect("what was written");
        let [line] = read.as_slice() else { panic!("one entry") };
        prop_assert_eq!(&line.exchange.request.method, &exchange.request.method);
        prop_assert_eq!(&line.exchange.request_body.bytes, &exchange.request_body.bytes);
        prop_assert_eq!(line.exchange.request_body.damage.is_some(), exchange.request_body.damage.is_some());
        prop_assert_eq!(line.exchange.response.as_ref().map(|response| response.status), exchange.response.as_ref().map(|response| response.status));
        if exchange.response.is_some() {
            prop_assert_eq!(line.exchange.response_body.damage, exchange.response_body.damage);
            prop_assert_eq!(&line.exchange.response_body.bytes, &exchange.response_body.bytes);
        }
    }

    #[test]
    fn any_text_is_a_har_file_or_not(text in any::<String>(), number in any::<f64>()) {
        prop_assert!(parse_har(&text).is_err());
        let entry = json!({"startedDateTime": text, "request": {"method": text, "url": format!("http://{text}"), "bodySize": number},
            "response": {"status": 200, "content": {"size": number, "text": text, "encoding": "base64"}}});
        let _either = parse_har(&json!({"log": {"entries": [entry]}}).to_string());
    }
}

/// Playwright's Chromium: -1 where no answer came and where the body of a redirect is not kept; no trace but the header of
/// a form that carried a file.
#[test]
fn files_of_playwright_are_read() {
    let pair = |name: &str, value: &str| json!({"name": name, "value": value});
    let upload = |length| {
        let headers = [pair("Content-Length", length), pair("Content-Type", "multipart/form-data; boundary=x")];
        json!({"method": "POST", "headers": headers})
    };
    let moved = |more: &[Value]| {
        let headers: Vec<_> = [pair("location", "/list")].iter().chain(more).cloned().collect();
        json!({"status": 302, "headers": headers, "content": {"size": -1, "mimeType": "x-unknown"}})
    };
    let log = json!({"log": {"version": "1.2", "entries": [
        entry("2026-11-03T15:07:00.000Z", upload("467"), moved(&[])),
        entry("2026-11-03T15:07:01.000Z", json!({}), json!({"status": -1, "content": {"size": -1}})),
        entry("2026-11-03T15:07:02.000Z", upload("0"), moved(&[pair("Content-Length", "0")])),
    ]}});
    let lines = parse_har(&log.to_string()).unwrap();
    let [upload, aborted, empty] = lines.as_slice() else { panic!("three") };
    assert_eq!(upload.exchange.request_body.damage, Some(Damage::Unread));
    assert_eq!(upload.exchange.response.as_ref().unwrap().status, StatusCode::FOUND);
    assert_eq!(upload.exchange.response_body.damage, Some(Damage::Unread));
    assert_eq!((aborted.exchange.end, aborted.exchange.response.is_none()), (End::Failed, true));
    assert_eq!((empty.exchange.request_body.damage, empty.exchange.response_body.damage), (None, None));
}

/// Entries as Chromium and Firefox write them.
fn entry(at: &str, request: Value, response: Value) -> Value {
    let mut request_part = json!({"method": "GET", "url": "https://shop.example/", "httpVersion": "h2", "headers": [], "cookies": [], "bodySize": 0});
    let mut response_part = json!({"status": 200, "statusText": "", "headers": [], "cookies": [], "content": {"size": 0}, "redirectURL": ""});
    for (part, own) in [(&mut request_part, request), (&mut response_part, response)] {
        let Value::Object(own) = own else { panic!("an object") };
        part.as_object_mut().unwrap().extend(own);
    }
    json!({"startedDateTime": at, "time": 1.5, "request": request_part, "response": response_part, "cache": {}, "timings": {}})
}

#[test]
fn files_of_browsers_are_read() {
    let pair = |name: &str, value: &str| json!({"name": name, "value": value});
    let log = json!({"log": {"version": "1.2", "pages": [], "entries": [
        entry("2026-11-03T16:07:02.500+01:00", json!({
            "method": "POST", "url": "https://shop.example/cart?x=%20#top", "bodySize": 7,
            "headers": [pair(":authority", "shop.example"), pair("cookie", "a=1")],
            "postData": {"mimeType": FORM, "text": "id=3&x=", "params": [pair("id", "3")]},
        }), json!({
            "status": 302, "headers": [pair("location", "/cart"), pair("set-cookie", "a=1\nb=2"), pair("content-encoding", "gzip")],
            "content": {"size": 0, "mimeType": ""},
        })),
        entry("2026-11-03T15:07:00Z", json!({"cookies": [pair("s", "1"), pair("t", "2")]}), json!({
            "headers": [pair("Content-Type", "text/html; charset=iso-8859-1"), pair("Content-Length", "9")],
            "content": {"size": 9, "mimeType": "text/html", "text": "<p>Grün</p>"},
        })),
        entry("2026-11-03T15:07:03Z", json!({"method": "POST", "bodySize": 12}), json!({"content": {"size": 70_000}})),
        entry("2026-11-03T15:07:04Z", json!({}), json!({"status": 0})),
        entry("2026-11-03T15:07:05Z", json!({"url": "data:text/plain,x"}), json!({})),
        entry("2026-11-03T15:07:06Z", json!({
            "method": "POST", "headers": [pair("content-type", "multipart/form-data; boundary=x")], "postData": {"mimeType": "multipart/form-data", "params": [pair("a b", "ü")]},
        }), json!({"content": {"size": 3, "text": "AP8B", "encoding": "base64"}})),
    ]}});
    let lines = parse_har(&format!("\u{feff}{log}")).unwrap();
    assert_eq!(lines.iter().map(|line| line.t.unwrap()).collect::<Vec<_>>(), [0.0, 2.5, 3.0, 4.0, 6.0]);
    assert_eq!(lines[1].exchange.at, Timestamp::from_millis(1_793_718_422_500));
    let readings: Vec<_> = lines.into_iter().map(|line| Reading::new(line.exchange, ReadOptions::default())).collect();
    let [page, cart, lost, refused, upload] = readings.as_slice() else { panic!("five") };

    assert_eq!(page.response_text(), Part::Is("<p>Grün</p>"));
    assert_eq!((page.cookies().len(), page.exchange().request.host().as_str()), (2, "shop.example"));

    assert_eq!(cart.exchange().request.uri, "/cart?x=%20");
    assert!(cart.exchange().request.secure && cart.location().unwrap().url == "https://shop.example/cart");
    assert_eq!(*cart.form().ok().unwrap().tree(), json!({"id": "3", "x": ""}));
    assert_eq!((cart.response_cookies().len(), cart.response_text()), (2, Part::NotThis));

    let unread = Some(Damage::Unread);
    assert_eq!((lost.exchange().request_body.damage, lost.exchange().response_body.damage), (unread, unread));
    assert_eq!((refused.exchange().end, refused.exchange().response.is_none()), (End::Failed, true));

    assert_eq!(*upload.form().ok().unwrap().tree(), json!({"a_b": "ü"}));
    assert_eq!(upload.exchange().response_body.bytes.as_ref(), [0, 255, 1]);
}

// Chromium's developer tools write 0, Playwright's recordings -1.
#[test]
fn a_har_entry_without_an_answer_is_a_failed_exchange() {
    for status in [0, -1] {
        let log = json!({"log": {"entries": [entry("2026-11-03T15:07:04Z", json!({}), json!({"status": status, "content": {"size": -1}}))]}});
        let lines = parse_har(&log.to_string()).unwrap();
        assert!(lines[0].exchange.response.is_none() && lines[0].exchange.end == End::Failed, "{status}");
    }
}

#[test]
fn faults_of_files_say_where() {
    for (log, fault) in [
        (json!({}), "not a HAR file: missing field `log`"),
        (
            json!({"log": {"entries": [entry("yesterday", json!({}), json!({}))]}}),
            "log.entries[0].startedDateTime: \"yesterday\"",
        ),
        (
            json!({"log": {"entries": [entry("2026-11-03T15:07:00Z", json!({"method": "G T"}), json!({}))]}}),
            "log.entries[0].request.method: ",
        ),
        (
            json!({"log": {"entries": [entry("2026-11-03T15:07:00Z", json!({}), json!({"status": 7}))]}}),
            "log.entries[0].response.status: ",
        ),
        (
            json!({"log": {"entries": [entry("2026-11-03T15:07:00Z", json!({}), json!({"content": {"text": "*", "encoding": "base64"}}))]}}),
            "log.entries[0].response.content.text: ",
        ),
    ] {
        let found = parse_har(&log.to_string()).unwrap_err();
        assert!(found.starts_with(fault), "{found}");
    }
}

#[test]
fn a_flash_is_what_the_answer_added() {
    let cookie = |list: &Value| {
        base64::Engine::encode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, list.to_string()) + ":1uX3yZ:sig"
    };
    let line = |level: u8, text: &str| json!(["__json_message", 0, level, text]);
    let old = cookie(&json!([line(25, "Saved")]));
    let both = cookie(&json!([line(25, "Saved"), line(40, "No stock"), line(25, "Saved")]));
    for (sent, set, expected) in [
        (None, Some(both.as_str()), Part::Is(vec!["success Saved", "error No stock", "success Saved"])),
        (Some(old.as_str()), Some(&both), Part::Is(vec!["error No stock", "success Saved"])),
        (Some("junk"), Some(&old), Part::Is(vec!["success Saved"])),
        (Some(&old), Some("\"\"; Max-Age=0"), Part::Is(vec![])),
        (Some(&old), Some("junk"), Part::Damaged(Damage::Undecodable)),
        (Some(&old), None, Part::NotThis),
    ] {
        let (sent, set) = (sent.map(|value| format!("messages={value}")), set.map(|value| format!("messages={value}")));
        let mut exchange = exchange("/", &[], b"", &[], b"");
        exchange.request.headers.extend(sent.map(|line| (http::header::COOKIE, HeaderValue::try_from(line).unwrap())));
        let head = exchange.response.as_mut().unwrap();
        head.headers.extend(set.map(|line| (http::header::SET_COOKIE, HeaderValue::try_from(line).unwrap())));
        let reading = Reading::new(exchange, ReadOptions::default());
        let found = match reading.django_flash("messages") {
            Part::Is(flash) => {
                Part::Is(flash.messages.iter().map(|line| format!("{} {}", line.level, line.text)).collect())
            }
            Part::NotThis => Part::NotThis,
            Part::Damaged(damage) => Part::Damaged(damage),
        };
        let expected = match expected {
            Part::Is(lines) => Part::Is(lines.into_iter().map(str::to_owned).collect::<Vec<_>>()),
            Part::NotThis => Part::NotThis,
            Part::Damaged(damage) => Part::Damaged(damage),
        };
        assert_eq!(found, expected, "{:?}", reading.response_headers());
    }
}
