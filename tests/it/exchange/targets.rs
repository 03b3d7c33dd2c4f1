//! One function for each reader of foreign bytes: it may be given anything and must come back. Fuzzers call them, and a
//! property test does on every run. Nothing here depends on the rest of the tests.

use std::hint::black_box;

use shopbell::exchange::{
    CapturedBody, CaseText, End, Exchange, Flash, Page, PersistedDocuments, ReadOptions, Reading, RequestHead,
    ResponseHead, Selector, Timestamp, Xml, XmlPath, parse_har, parse_line,
};

/// Reads any bytes and comes back.
type Target = fn(&[u8]);

/// All targets by name.
pub(super) const ALL: [(&str, Target); 9] = [
    ("html", html),
    ("css", css),
    ("xml", xml),
    ("xml_path", xml_path),
    ("graphql", graphql),
    ("flash", flash),
    ("har", har),
    ("line", line),
    ("case_text", case_text),
];

fn text(data: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(data)
}

fn html(data: &[u8]) {
    let all = Selector::parse("body, td:nth-child(2), a[href] ~ b, div:has(p)").expect("a selector");
    if let Ok(page) = Page::parse(&text(data)) {
        for node in page.select(&all).iter().take(50) {
            black_box((node.text(), node.attr("href"), node.select(&all).len()));
        }
    }
}

fn css(data: &[u8]) {
    if let Ok(selector) = Selector::parse(&text(data)) {
        let page = Page::parse("<table><tr><td class=a>1<td>2</table><p id=x>3").expect("a page");
        black_box(page.select(&selector).len());
    }
}

fn xml(data: &[u8]) {
    if let Ok(xml) = Xml::parse(&text(data)) {
        for path in ["//*", "//*/@a", "/*/*[2]", "//a[b='c']//d/text()"] {
            black_box(xml.find(&XmlPath::parse(path).expect("a path")).len());
        }
    }
}

fn xml_path(data: &[u8]) {
    if let Ok(path) = XmlPath::parse(&text(data)) {
        let xml = Xml::parse("<a x='1'><b>2</b><b y='3'/><c><b>4</b></c></a>").expect("a document");
        black_box(xml.find(&path).len());
    }
}

/// The first line is the document, the rest the answer.
fn graphql(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (document, answer) = data.split_at(end);
    let body = serde_json::json!({"query": text(document), "variables": {"a": [1, {"b": null}]}});
    let head = http::Request::post("/graphql").body(()).expect("a target").into_parts().0;
    let exchange = Exchange {
        at: Timestamp::default(),
        request: RequestHead::of(&head),
        request_body: CapturedBody::whole(body.to_string()),
        response: Some(ResponseHead { status: http::StatusCode::OK, headers: http::HeaderMap::new() }),
        response_body: CapturedBody::whole(answer.to_vec()),
        end: End::Complete,
    };
    let reading = Reading::new(exchange, ReadOptions::default()).with_persisted(&PersistedDocuments::default());
    black_box(reading.graphql().ok().map(<[_]>::len));
}

fn flash(data: &[u8]) {
    black_box(Flash::of_django(&text(data)));
}

fn har(data: &[u8]) {
    black_box(parse_har(&text(data)).map(|lines| lines.len()).ok());
}

fn line(data: &[u8]) {
    black_box(parse_line(&text(data)).is_ok());
}

fn case_text(data: &[u8]) {
    if let Ok(case) = CaseText::parse(&text(data)) {
        let written = case.write();
        let again = CaseText::parse(&written).expect("what was written is read");
        assert_eq!(again.write(), written);
    }
}
