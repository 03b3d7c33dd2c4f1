//! One exchange through all its views: what shops and browsers send, and what may be concluded from it.

mod documents; // pages and XML
mod graphql; // operations and their answers
mod hostile; // properties over bytes of any kind
mod recorded; // lines, HAR, cases, flashes
#[path = "../../fuzz/src/targets/mod.rs"]
mod targets; // what fuzzers call

use std::io::Write;

use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};
use shopbell::exchange::{
    CapturedBody, Damage, End, Exchange, FieldPath, Part, ReadOptions, Reading, RequestHead, ResponseHead, Timestamp,
    charset_of_label,
};

/// Header lines.
type Lines<'a> = &'a [(&'static str, &'a [u8])];

/// A request and its answer.
fn exchange(url: &str, request: Lines<'_>, request_body: &[u8], response: Lines<'_>, response_body: &[u8]) -> Exchange {
    let headers = |lines: Lines<'_>| {
        let lines = lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_bytes(value).expect("a header")));
        lines.collect()
    };
    let head = http::Request::post(url).body(()).expect("a target").into_parts().0;
    Exchange {
        at: Timestamp::default(),
        request: RequestHead { headers: headers(request), ..RequestHead::of(&head) },
        request_body: CapturedBody::whole(request_body.to_vec()),
        response: Some(ResponseHead { status: http::StatusCode::OK, headers: headers(response) }),
        response_body: CapturedBody::whole(response_body.to_vec()),
        end: End::Complete,
    }
}

fn read(exchange: Exchange, charset: &str) -> Reading {
    Reading::new(exchange, ReadOptions { charset: charset_of_label(charset).expect("a charset") })
}

fn posted(content_type: &str, body: &[u8], damage: Option<Damage>, charset: &str) -> Reading {
    let mut exchange = exchange("/", &[("content-type", content_type.as_bytes())], body, &[], b"");
    exchange.request_body.damage = damage;
    read(exchange, charset)
}

fn answered(lines: Lines<'_>, body: &[u8], damage: Option<Damage>, charset: &str) -> Reading {
    let mut exchange = exchange("/", &[], b"", lines, body);
    exchange.response_body.damage = damage;
    read(exchange, charset)
}

fn is<T>(part: Part<T>) -> T {
    part.ok().expect("a body of this kind")
}

const FORM: &str = "application/x-www-form-urlencoded";
const PARTS: &str = "multipart/form-data; boundary=B";

#[test]
fn a_form_is_one_by_its_label() {
    let parts = b"--B\r\nContent-Disposition: form-data; name=\"p[1][name]\"\r\n\r\nJ\xfcrgen\r\n--B--\r\n";
    for (content_type, body, charset, tree) in [
        (FORM, &b"p[1][name]=J%C3%BCrgen&x.y="[..], "utf-8", json!({"p": {"1": {"name": "Jürgen"}}, "x_y": ""})),
        (FORM, b"a=J%FCrgen&b=%26%23321%3B", "iso-8859-1", json!({"a": "Jürgen", "b": "&#321;"})),
        ("Application/X-WWW-Form-URLEncoded;charset=UTF-8", b"a=J%C3%BCrgen", "iso-8859-1", json!({"a": "Jürgen"})),
        (FORM, b"a=%83%5C", "SJIS-win", json!({"a": "ソ"})),
        (PARTS, parts, "iso-8859-1", json!({"p": {"1": {"name": "Jürgen"}}})),
    ] {
        assert_eq!(*is(posted(content_type, body, None, charset).form()).tree(), tree, "{content_type}");
    }
    for (content_type, body) in
        [(FORM, &b""[..]), ("text/plain", b"a=1"), ("", b"a=1"), ("multipart/mixed; boundary=B", parts)]
    {
        assert!(matches!(posted(content_type, body, None, "utf-8").form(), Part::NotThis), "{content_type}");
    }
}

#[test]
fn a_form_that_is_not_whole_says_so() {
    let parts =
        |last: &str| format!("--B\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--B{last}").into_bytes();
    for (content_type, body, damage, expected) in [
        (FORM, b"a=1&b=2".to_vec(), Some(Damage::Cut), Ok((1, Some(Damage::Cut)))),
        (FORM, b"a=1".to_vec(), Some(Damage::Cut), Err(Damage::Cut)),
        (FORM, Vec::new(), Some(Damage::Unread), Err(Damage::Unread)),
        (PARTS, parts("--"), None, Ok((1, None))),
        (PARTS, parts("\r\nContent-Disposition: form-data; name=b\r\n\r\n2"), None, Ok((2, Some(Damage::Incomplete)))),
        (
            PARTS,
            parts("\r\nContent-Disposition: form-data; name=b\r\n\r\n2"),
            Some(Damage::Cut),
            Ok((1, Some(Damage::Cut))),
        ),
        (PARTS, b"no delimiter".to_vec(), None, Err(Damage::Incomplete)),
        ("multipart/form-data", parts("--"), None, Err(Damage::Undecodable)),
        (
            FORM,
            (0..10_000).flat_map(|n| format!("f{n}=1&").into_bytes()).collect(),
            None,
            Ok((5_000, Some(Damage::TooLarge))),
        ),
    ] {
        let reading = posted(content_type, &body, damage, "utf-8");
        let found = match reading.form() {
            Part::Is(fields) => Ok((fields.pairs().len(), fields.damage())),
            Part::Damaged(damage) => Err(damage),
            Part::NotThis => panic!("not a form: {content_type}"),
        };
        assert_eq!(found, expected, "{content_type}");
    }
}

#[test]
fn a_request_is_json_by_label_or_look() {
    let utf16: Vec<u8> = "{\"a\":\"ü\"}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = [&[0xff, 0xfe], &utf16[..]].concat();
    let expected = json!({"a": "ü"});
    for (content_type, body) in [
        ("application/json", "{\"a\":\"ü\"}".as_bytes()),
        ("application/ld+json; charset=utf-8", b"\xef\xbb\xbf {\"a\":\"\\u00fc\"}"),
        ("text/plain", "\n{\"a\":\"ü\"}".as_bytes()),
        ("application/json; charset=iso-8859-1", b"{\"a\":\"\xfc\"}"),
        ("application/json", &utf16),
        ("application/json", &marked),
        (FORM, "{\"a\":\"ü\"}".as_bytes()),
        ("", b")]}',\n{\"a\":\"\\u00fc\"}"),
    ] {
        assert_eq!(posted(content_type, body, None, "utf-8").json(), Part::Is(&expected), "{content_type}");
    }
    for (content_type, body, damage, expected) in [
        (FORM, &b"a=1"[..], None, Part::NotThis),
        ("application/json", b"", None, Part::NotThis),
        (PARTS, b"{}", None, Part::NotThis),
        ("application/json", b"{", None, Part::Damaged(Damage::Undecodable)),
        ("application/json", b"{\"a\":1}", Some(Damage::Cut), Part::Damaged(Damage::Cut)),
        ("application/json", b"", Some(Damage::Unread), Part::Damaged(Damage::Unread)),
    ] {
        assert_eq!(posted(content_type, body, damage, "utf-8").json(), expected, "{content_type}");
    }
}

#[test]
fn answers_are_text_in_their_charset() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all("<p>Grüner Tee</p>".as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    for (lines, body, damage, expected) in [
        (
            &[("content-type", &b"text/html; charset=utf-8"[..]), ("content-encoding", b"gzip")][..],
            &gzip[..],
            None,
            Part::Is("<p>Grüner Tee</p>"),
        ),
        (
            &[("content-type", b"text/html")],
            b"<meta charset=iso-8859-1>\xfc",
            None,
            Part::Is("<meta charset=iso-8859-1>ü"),
        ),
        (&[("content-type", b"text/html; charset=utf-8")], b"\xfc", None, Part::Is("\u{fffd}")),
        (&[], b"\xfc", None, Part::Is("ü")),
        (&[], b"", None, Part::NotThis),
        (&[("content-type", b"image/png")], b"\x89PNG", None, Part::NotThis),
        (&[("content-encoding", b"dcb")], b"x", None, Part::Damaged(Damage::Undecodable)),
        (&[("content-encoding", b"gzip")], &gzip[..20], None, Part::Damaged(Damage::Incomplete)),
        (&[("content-encoding", b"gzip")], &gzip[..20], Some(Damage::Cut), Part::Damaged(Damage::Cut)),
        (&[("content-type", b"text/html")], b"<p>", Some(Damage::Cut), Part::Damaged(Damage::Cut)),
        (&[], b"", Some(Damage::Unread), Part::Damaged(Damage::Unread)),
    ] {
        assert_eq!(answered(lines, body, damage, "iso-8859-1").response_text(), expected, "{lines:?}");
    }
}

#[test]
fn answers_are_json_whatever_their_label() {
    let expected = json!({"success": "ü", "id": 9_007_199_254_740_993_u64});
    let body = "{\"success\":\"ü\",\"id\":9007199254740993}".as_bytes();
    for content_type in ["application/json", "text/html; charset=UTF-8", "text/plain", "text/javascript"] {
        let reading = answered(&[("content-type", content_type.as_bytes())], body, None, "utf-8");
        assert_eq!(reading.response_json(), Part::Is(&expected), "{content_type}");
    }
    for (content_type, body, damage, expected) in [
        ("text/html", &b"<html></html>"[..], None, Part::NotThis),
        ("text/html", b"<html></html>", Some(Damage::Cut), Part::NotThis),
        ("text/html", b"{\"a\":", Some(Damage::Cut), Part::Damaged(Damage::Cut)),
        ("text/html", b"", Some(Damage::Unread), Part::Damaged(Damage::Unread)),
        ("application/json", b"<html></html>", None, Part::Damaged(Damage::Undecodable)),
        ("application/json", b"", None, Part::NotThis),
    ] {
        let reading = answered(&[("content-type", content_type.as_bytes())], body, damage, "utf-8");
        assert_eq!(reading.response_json(), expected, "{content_type}");
    }
}

#[test]
fn heads_are_read() {
    let request: Lines<'_> = &[
        ("host", b"Shop.Example"),
        ("cookie", b"OCSESSID=abc; name=%C3%BC"),
        ("cookie", b"raw=\xfc"),
        ("referer", b"https://other.example/list?page=2"),
    ];
    let response: Lines<'_> = &[
        ("location", b"edit.php?name=J\xfcrgen&ids[]=1#top"),
        ("set-cookie", b"a=1; Path=/"),
        ("set-cookie", b"b=deleted; Max-Age=0"),
    ];
    let reading = read(exchange("/admin/index.php?route=a%2Fb&x=%FC", request, b"", response, b""), "iso-8859-1");
    assert_eq!(*reading.query().tree(), json!({"route": "a/b", "x": "ü"}));
    let text =
        |pairs: &[(String, String)]| pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
    assert_eq!(text(reading.cookies()), ["OCSESSID=abc", "name=ü", "raw=ü"]);
    assert_eq!(text(reading.response_cookies()), ["a=1", "b="]);
    let referer = reading.referer().unwrap();
    assert_eq!((referer.host.as_str(), referer.path.as_str()), ("other.example", "/list"));
    assert_eq!(*referer.query.tree(), json!({"page": "2"}));
    let location = reading.location().unwrap();
    assert_eq!(location.url, "http://shop.example/admin/edit.php?name=J%FCrgen&ids[]=1");
    assert_eq!(*location.query.tree(), json!({"name": "Jürgen", "ids": ["1"]}));
    assert_eq!(location.query.get(&FieldPath::parse("ids[]")).unwrap().as_ref(), &json!(["1"]));
}

#[test]
fn without_an_answer_there_is_nothing_to_read() {
    let mut lost = exchange("/", &[], b"", &[], b"");
    (lost.response, lost.end) = (None, End::Failed);
    let reading = read(lost, "utf-8");
    assert!(reading.response_headers().is_empty() && reading.response_cookies().is_empty());
    assert!(reading.location().is_none() && reading.referer().is_none());
    assert_eq!((reading.response_text(), reading.response_json()), (Part::NotThis, Part::<&Value>::NotThis));
}

#[test]
fn views_are_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    let reading = posted(FORM, b"a=1", None, "utf-8");
    shared(&reading);
    // Computed once: both see the very same fields.
    let (one, other) = (is(reading.form()), is(reading.form()));
    assert!(std::ptr::eq(one, other));
}
