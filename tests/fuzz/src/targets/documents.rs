//! Documents: HTML and CSS, XML and its paths, GraphQL.

use std::hint::black_box;

use shopbell::exchange::{Page, PersistedDocuments, ReadOptions, Reading, Selector, Xml, XmlPath};

use super::{exchange, first_line, text};

pub(super) fn html(data: &[u8]) {
    let all = Selector::parse("body, td:nth-child(2), a[href] ~ b, div:has(p)").expect("a selector");
    if let Ok(page) = Page::parse(&text(data)) {
        for node in page.select(&all).iter().take(50) {
            black_box((node.text(), node.attr("href"), node.select(&all).len()));
        }
    }
}

pub(super) fn css(data: &[u8]) {
    if let Ok(selector) = Selector::parse(&text(data)) {
        let page = Page::parse("<table><tr><td class=a>1<td>2</table><p id=x>3").expect("a page");
        black_box(page.select(&selector).len());
    }
}

pub(super) fn xml(data: &[u8]) {
    if let Ok(xml) = Xml::parse(&text(data)) {
        for path in ["//*", "//*/@a", "/*/*[2]", "//a[b='c']//d/text()"] {
            black_box(xml.find(&XmlPath::parse(path).expect("a path")).len());
        }
    }
}

pub(super) fn xml_path(data: &[u8]) {
    if let Ok(path) = XmlPath::parse(&text(data)) {
        let xml = Xml::parse("<a x='1'><b>2</b><b y='3'/><c><b>4</b></c></a>").expect("a document");
        black_box(xml.find(&path).len());
    }
}

/// The first line is the document, the rest the answer.
pub(super) fn graphql(data: &[u8]) {
    let (document, answer) = first_line(data);
    let body = serde_json::json!({"query": text(document), "variables": {"a": [1, {"b": null}]}}).to_string();
    let exchange = exchange(b"application/json", body.as_bytes(), answer);
    let reading = Reading::new(exchange, ReadOptions::default()).with_persisted(&PersistedDocuments::default());
    black_box(reading.graphql().ok().map(<[_]>::len));
}
