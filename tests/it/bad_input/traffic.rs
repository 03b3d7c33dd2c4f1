use std::fmt::Write as _;

use crate::support::house::{House, form};
use crate::support::upstream::{Scripted, eventually};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nok";
const RULES: &str = r#"
[event.saved]
on = "POST /save"
form.mode = "save"
topic = "product.saved"
id = "{{ form.id }}"
payload.name = "{{ form.name }}"

[event.answered]
on = "POST /json"
response.json.ok = true
topic = "order.created"
id = "{{ response.json.id }}"

[event.looped]
on = "POST /loop"
topic = "product.saved"
id = "{{ form.id }}"
payload.first = "here"
payload.grown = "{{ form.a | replace('a', form.a) | replace('a', form.a) | replace('a', form.a) }}"
payload.ranged = "{{ range(100000) | join(',') }}"
payload.last = "there"

[event.swollen]
on = "POST /when"
when = "form.a | replace('a', form.a) | replace('a', form.a) | replace('a', form.a) | length > 3"
topic = "product.saved"
id = "{{ form.id }}"
"#;

/// A request for a rule, what the shop answers, and what must come of it.
struct Row {
    what: &'static str,
    request: Vec<u8>,
    answer: &'static str,
    /// The event's body contains this; `None`: no event.
    event: Option<&'static str>,
    /// The rule that has a note about it.
    noted: Option<&'static str>,
}

fn posted(path: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn many_fields(before: &str, after: &str) -> Vec<u8> {
    let mut fields = before.to_owned();
    for n in 0..10_000 {
        write!(fields, "&f{n}=v{n}").unwrap();
    }
    form("/save", &(fields + after)).into_bytes()
}

const MULTIPART: &str = "multipart/form-data; boundary=XX";
const PART: &str = "--XX\r\nContent-Disposition: form-data; name=";

fn rows() -> Vec<Row> {
    let row = |what, request, event, noted| Row { what, request, answer: OK, event, noted };
    let multipart =
        |what, body: String, event, noted| row(what, posted("/save", MULTIPART, body.as_bytes()), event, noted);
    let whole = format!("{PART}\"mode\"\r\n\r\nsave\r\n{PART}\"id\"\r\n\r\n7\r\n");
    let json = |what, sent, answer, noted| {
        let request = form("/json", sent).into_bytes();
        Row { what, request, answer, event: None, noted }
    };
    let long_a = form("/loop", &format!("id=7&a={}", "a".repeat(3_000))).into_bytes();
    let long_when = form("/when", &format!("id=7&a={}", "a".repeat(3_000))).into_bytes();
    vec![
        row("10,000 fields after those that count", many_fields("mode=save&id=7", ""), Some("\"id\":7"), None),
        row("10,000 fields before those that count", many_fields("x=y", "&mode=save&id=7"), None, Some("saved")),
        row("invalid UTF-8", form("/save", "mode=save&id=7&name=%FF%FE%00").into_bytes(), Some("\"id\":7"), None),
        row(
            "raw bytes",
            posted("/save", "application/x-www-form-urlencoded", b"mode=save&id=7&name=\xff\x80"),
            Some("\"id\":7"),
            None,
        ),
        row("a form that is none", form("/save", "%%%&&&===&mode=save;id=7").into_bytes(), None, None),
        row("no form at all", posted("/save", "application/pdf", b"%PDF"), None, None),
        multipart("multipart that is whole", format!("{whole}--XX--\r\n"), Some("\"id\":7"), None),
        multipart("multipart without an end", whole.clone(), Some("\"id\":7"), None),
        multipart("multipart cut in a field", format!("{PART}\"mode\"\r\n\r\nsa"), None, None),
        multipart("multipart without parts", "no boundary here".into(), None, Some("saved")),
        multipart("multipart with a head without end", format!("{PART}\"{}", "x".repeat(20_000)), None, Some("saved")),
        row(
            "multipart without a boundary",
            posted("/save", "multipart/form-data", whole.as_bytes()),
            None,
            Some("saved"),
        ),
        row(
            "gzip that is none",
            posted("/save", "application/x-www-form-urlencoded\r\nContent-Encoding: gzip", b"mode=save&id=7"),
            None,
            Some("saved"),
        ),
        row(
            "an unknown coding",
            posted("/save", "application/x-www-form-urlencoded\r\nContent-Encoding: rot13", b"mode=save&id=7"),
            None,
            Some("saved"),
        ),
        json(
            "JSON that breaks off",
            "a=b",
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"ok\":t",
            Some("answered"),
        ),
        json("HTML where JSON was", "a=c", OK, None),
        Row {
            what: "a value that grows",
            request: long_a,
            answer: OK,
            event: Some("\"first\":\"here\",\"last\":\"there\""),
            noted: Some("looped"),
        },
        Row { what: "a condition that grows", request: long_when, answer: OK, event: None, noted: Some("swollen") },
    ]
}

/// Whatever the body is, the shop gets it and the visitor gets the shop's answer; what cannot be decided or computed is noted and
/// counted under its rule.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_and_templates() {
    let shop = Scripted::start(|turn| {
        let rows = rows();
        while let Some(seen) = turn.request() {
            let row = rows.iter().find(|row| row.request.ends_with(&seen.body) && !seen.body.is_empty());
            turn.peer.send(row.map_or(OK, |row| row.answer));
        }
    });
    for row in rows() {
        let house = House::open(&shop, RULES).await;
        let mut visitor = house.visitor();
        visitor.send(&row.request);
        let answer = visitor.answer();
        assert_eq!(String::from_utf8(answer.raw).unwrap(), row.answer, "{}", row.what);
        let sent = shop.requests().pop().unwrap();
        assert!(row.request.ends_with(&sent.body), "{}: the shop got it whole", row.what);
        if let Some(text) = row.event {
            let event = house.wait_for_events(1).await.remove(0);
            assert!(event.body.get().contains(text), "{}: {}", row.what, event.body.get());
        }
        if let Some(rule) = row.noted {
            let metric = format!("shopbell_engine_notes_total{{kind=\"rule\",rule=\"{rule}\"}}");
            eventually(row.what, || house.metric(&metric) > 0);
            let notices = async {
                loop {
                    if house.notices().await.iter().any(|notice| notice.rule.as_deref() == Some(rule)) {
                        return;
                    }
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(crate::support::upstream::PATIENCE, notices).await.expect(row.what);
        }
        // One more that is fine shows that all before it is through.
        visitor.send(form("/save", "mode=save&id=8"));
        visitor.answer();
        let events = house.wait_for_events(1 + usize::from(row.event.is_some())).await;
        assert_eq!(events.last().unwrap().id.as_deref(), Some("8"), "{}", row.what);
        assert_eq!(house.metric("shopbell_engine_panics_total"), 0, "{}", row.what);
        house.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shop_that_does_not_speak_http() {
    let rows = [
        ("SSH-2.0-OpenSSH_9.9\r\n", "shopbell_proxy_upstream_not_http_total"),
        ("\u{16}\u{3}\u{1}\u{0}\u{0}", "shopbell_proxy_upstream_not_http_total"),
        ("", "shopbell_proxy_upstream_closed_total"),
    ];
    for (bytes, metric) in rows {
        let shop = Scripted::answering_once(bytes);
        let house = House::open(&shop, RULES).await;
        let mut visitor = house.visitor();
        visitor.send(form("/save", "mode=save&id=7"));
        let answer = visitor.answer();
        assert_eq!(answer.first(), "HTTP/1.1 502 Bad Gateway", "{bytes:?}");
        assert!(!String::from_utf8_lossy(&answer.raw).contains("127.0.0.1"), "nothing of addresses: {answer:?}");
        eventually(metric, || house.metric(metric) == 1);
        assert_eq!(house.events().await.len(), 0, "what failed is no event");
        house.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn visitors_who_do_not_speak_http() {
    let shop = Scripted::answering(OK);
    let house = House::open(&shop, RULES).await;
    let rows = [
        "\u{16}\u{3}\u{1}\u{0}\u{a5}\u{1}\u{0}",
        "HELO mail.example\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "GET / HTTP/9.9\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "POST /save HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "POST /save HTTP/1.1\r\nHost: a\r\nContent-Length: minus\r\n\r\n",
    ];
    for (count, bytes) in rows.into_iter().enumerate() {
        let mut visitor = house.visitor();
        visitor.send(bytes);
        let answer = String::from_utf8_lossy(&visitor.rest()).into_owned();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{bytes:?}: {answer}");
        eventually(bytes, || house.metric("shopbell_proxy_refused_requests_total") == count as u64 + 1);
    }
    assert_eq!(shop.requests().len(), 0);
    let mut visitor = house.visitor();
    visitor.send(form("/save", "mode=save&id=7"));
    assert_eq!(visitor.answer().body, b"ok");
    house.wait_for_events(1).await;
    house.close().await;
}
