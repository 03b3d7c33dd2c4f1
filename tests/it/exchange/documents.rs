//! Pages and XML documents of an exchange: when a body is one, and what foreign bytes do to them.

use proptest::prelude::*;
use shopbell::exchange::{Damage, Node, Page, Part, Reading, Selector, Xml, XmlPath};

use super::{FORM, answered, posted};

/// A view without what it holds.
fn kind<T>(part: &Part<T>) -> Part<()> {
    match part {
        Part::Is(_) => Part::Is(()),
        Part::NotThis => Part::NotThis,
        Part::Damaged(damage) => Part::Damaged(*damage),
    }
}

const IS: Part<()> = Part::Is(());
const NOT: Part<()> = Part::NotThis;

#[test]
fn a_page_is_one_by_label_or_look() {
    let cut = Part::Damaged(Damage::Cut);
    for (content_type, body, damage, html, xml) in [
        ("text/html; charset=utf-8", "<p>x", None, IS, NOT),
        ("application/xhtml+xml", "<html><p>x</p></html>", None, IS, IS),
        ("", " <p>x", None, IS, NOT),
        ("text/plain", "plain", None, NOT, NOT),
        ("text/html", "plain", None, IS, NOT),
        ("text/html", "{\"a\":1}", None, NOT, NOT),
        ("text/html", "", None, NOT, NOT),
        ("application/json", "\"<p>\"", None, NOT, NOT),
        ("text/css", "<p>", None, NOT, NOT),
        ("text/xml", "<a/>", None, NOT, IS),
        ("text/xml", "<a>", None, NOT, Part::Damaged(Damage::Undecodable)),
        ("text/html", "<?xml version='1.0'?><a/>", None, IS, IS),
        ("text/html", "<p>x", Some(Damage::Cut), cut, NOT),
        ("application/xml", "<a/>", Some(Damage::Cut), NOT, cut),
        ("", "", Some(Damage::Unread), Part::Damaged(Damage::Unread), Part::Damaged(Damage::Unread)),
    ] {
        let reading = answered(&[("content-type", content_type.as_bytes())], body.as_bytes(), damage, "utf-8");
        assert_eq!(
            (kind(&reading.response_html()), kind(&reading.response_xml())),
            (html, xml),
            "{content_type} {body}"
        );
    }
    for (content_type, body, xml) in [
        ("text/xml", "<a/>", IS),
        ("application/soap+xml", "<a", Part::Damaged(Damage::Undecodable)),
        (FORM, "a=1", NOT),
        ("", "<?xml version='1.0'?><a/>", IS),
        ("application/json", "<?xml version='1.0'?><a/>", NOT),
    ] {
        assert_eq!(kind(&posted(content_type, body.as_bytes(), None, "utf-8").xml()), xml, "{content_type} {body}");
    }
}

#[test]
fn a_page_is_parsed_once_and_read_by_many() {
    fn shared<T: Send + Sync>(_: &T) {}
    let reading = answered(&[("content-type", b"text/html")], b"<ul><li>a<li>b", None, "utf-8");
    shared(&reading);
    let page = |reading: &Reading| std::ptr::from_ref(reading.response_html().ok().unwrap()) as usize;
    let css = Selector::parse("li").unwrap();
    let read = || {
        let found = reading.response_html().ok().unwrap().select(&css);
        (page(&reading), found.iter().map(Node::text).collect::<Vec<_>>())
    };
    let (one, two) = std::thread::scope(|scope| {
        let threads = (scope.spawn(read), scope.spawn(read));
        (threads.0.join().unwrap(), threads.1.join().unwrap())
    });
    assert_eq!((&one, &one.1), (&two, &vec!["a".to_owned(), "b".to_owned()]));
}

/// Pages made of what has a meaning in pages.
fn page() -> impl Strategy<Value = String> {
    let tags =
        "table tr td tbody div p b i a font template select option svg math script style textarea title form li br";
    let tags: Vec<String> =
        tags.split(' ').flat_map(|tag| [format!("<{tag}>"), format!("</{tag}>"), format!("<{tag} ")]).collect();
    let piece = prop_oneof![
        prop::sample::select(tags),
        prop::sample::select(
            &[
                "<!--",
                "-->",
                "<![CDATA[",
                "]]>",
                "&amp",
                "&#0;",
                "\0",
                "'",
                "\"",
                "=",
                ">",
                "<",
                "/",
                " x=1 ",
                "</body>"
            ][..]
        )
        .prop_map(str::to_owned),
        any::<String>(),
    ];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

/// Paths and selectors made of what has a meaning in them.
fn expression(pieces: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::collection::vec(prop::sample::select(pieces), 0..12).prop_map(|pieces| pieces.concat()),
        any::<String>()
    ]
}

proptest! {
    #[test]
    fn any_text_is_a_page(
        text in page(),
        css in expression(&["*", "a", "td", ".x", "#y", "[x]", "[x='", "']", ":not(", ":has(", ":is(", ")", ":nth-child(", "2n", " ", ">", "~", "+", ","]),
    ) {
        let page = Page::parse(&text).expect("short pages pass no limit");
        let all = page.select(&Selector::parse("*").unwrap());
        prop_assert_eq!(all.first().map(Node::name), Some("html".to_owned()).filter(|_| !all.is_empty()));
        let shown = page.select(&Selector::parse("body").unwrap()).first().map(Node::text).unwrap_or_default();
        prop_assert!(!shown.contains("  ") && shown.trim() == shown, "{:?}", shown);
        match Selector::parse(&css) {
            Ok(css) => {
                let found = page.select(&css);
                prop_assert!(found.len() <= all.len());
                for node in found {
                    prop_assert!(node.attr("x").is_none_or(|value| value.len() <= text.len() * 4));
                    node.select(&css);
                }
            }
            Err(fault) => prop_assert!(!fault.is_empty()),
        }
    }

    #[test]
    fn any_text_is_xml_or_not(
        text in prop_oneof![page(), "(<a( x='[a-z]')?>|</a>|<b/>|[a-z]|<!\\[CDATA\\[<p>\\]\\]>){0,20}"],
        path in expression(&["/", "//", "a", "b", "*", "[", "]", "@x", "=", "'", "2", "text()", ":", " "]),
    ) {
        let document = format!("<r>{text}</r>");
        let path = XmlPath::parse(&path);
        if let (Ok(xml), Ok(path)) = (Xml::parse(&document), &path) {
            for found in xml.find(path) {
                prop_assert!(found.len() <= document.len());
            }
        }
        if let Err(fault) = path {
            prop_assert!(!fault.is_empty());
        }
    }
}
