//! One function for each reader of foreign bytes: it may be given anything, must come back, and what it says must hold
//! together. The fuzzer calls them, and a property test does on every run: nothing here depends on the rest of the tests.

pub(crate) mod bodies;
mod documents;
mod heads;
mod packs;
mod recorded;
mod rules;

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue};
use shopbell::exchange::{CapturedBody, End, Exchange, ReadOptions, Reading, RequestHead, ResponseHead, Timestamp};

/// Reads any bytes and comes back.
type Target = fn(&[u8]);

/// All targets by name.
pub(crate) const ALL: [(&str, Target); 26] = [
    ("form", bodies::form),
    ("fields", bodies::fields),
    ("multipart", bodies::multipart),
    ("json", bodies::json),
    ("charset", bodies::charset),
    ("decoding", bodies::decoding),
    ("query", heads::query),
    ("cookies", heads::cookies),
    ("headers", heads::headers),
    ("url", heads::url),
    ("flash", heads::flash),
    ("html", documents::html),
    ("css", documents::css),
    ("xml", documents::xml),
    ("xml_path", documents::xml_path),
    ("graphql", documents::graphql),
    ("har", recorded::har),
    ("line", recorded::line),
    ("case_text", recorded::case_text),
    ("suggest", recorded::suggest),
    ("rules", rules::load),
    ("expression", rules::expression),
    ("for_each", rules::for_each),
    ("find", rules::find),
    ("flash_page", rules::flash_page),
    ("packs", packs::packs),
];

/// Charsets that differ in how they may go wrong.
const CHARSETS: [&str; 6] = ["utf-8", "iso-8859-1", "Shift_JIS", "EUC-JP", "ISO-2022-JP", "gb18030"];

const FORM: &str = "application/x-www-form-urlencoded";

fn text(data: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(data)
}

/// The first line and the rest.
fn first_line(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (data, &[]),
    }
}

/// The first byte, to choose by, and the rest.
fn choice(data: &[u8]) -> (usize, &[u8]) {
    data.split_first().map_or((0, data), |(first, rest)| (usize::from(*first), rest))
}

/// Header lines; those that HTTP would not carry are left out.
fn header_map<'a>(lines: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> HeaderMap {
    let parsed = |(name, value): (&[u8], &[u8])| {
        Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?))
    };
    let mut map = HeaderMap::new();
    for (name, value) in lines.into_iter().filter_map(parsed) {
        map.append(name, value);
    }
    map
}

/// A request and its answer, `content_type` on both.
fn exchange(content_type: &[u8], request: &[u8], response: &[u8]) -> Exchange {
    let head = http::Request::post("/shop?a=1").body(()).expect("a target").into_parts().0;
    let headers = header_map([(&b"content-type"[..], content_type)]);
    Exchange {
        at: Timestamp::default(),
        request: RequestHead { headers: headers.clone(), ..RequestHead::of(&head) },
        request_body: CapturedBody::whole(request.to_vec()),
        response: Some(ResponseHead { status: http::StatusCode::OK, headers }),
        response_body: CapturedBody::whole(response.to_vec()),
        end: End::Complete,
    }
}

fn read(exchange: Exchange, charset: usize) -> Reading {
    let charset = CHARSETS[charset % CHARSETS.len()];
    let charset = shopbell::exchange::charset_of_label(charset).expect("a charset");
    Reading::new(exchange, ReadOptions { charset })
}
