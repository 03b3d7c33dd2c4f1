//! Bodies: forms, JSON, charsets, content codings.

use std::hint::black_box;

use serde_json::Value;
use shopbell::exchange::{CapturedBody, Damage, FieldPath, Fields, FilePartSkipper, Part};

use super::{FORM, choice, exchange, first_line, header_map, read, text};

/// The delimiter of parts is as short as it can be, so that a fuzzer finds it.
const BOUNDARY: &str = "B";
/// Levels a JSON body may have (serde_json's own limit).
const JSON_DEPTH: usize = 128;
/// Bytes a body may decode to; what it is made from may already be that long.
const DECODED_BYTES: usize = 8 * 1024 * 1024;
/// Content codings, one alone and several.
const CODINGS: [&str; 8] =
    ["gzip", "deflate", "br", "zstd", "gzip, br", "x-gzip, gzip", "zstd, deflate", "br, br, br, br, br"];

/// The first byte chooses the charset.
pub(super) fn form(data: &[u8]) {
    let (charset, body) = choice(data);
    let reading = read(exchange(FORM.as_bytes(), body, b""), charset);
    if let Part::Is(form) = reading.form() {
        fields_hold(form.pairs());
    }
}

/// One `name=value` a line, nothing encoded.
pub(super) fn fields(data: &[u8]) {
    let text = text(data);
    let pair = |line: &str| {
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        (name.to_owned(), value.to_owned())
    };
    fields_hold(&text.lines().map(pair).collect::<Vec<_>>());
}

/// Pairs and the tree of fields made of them agree.
pub(crate) fn fields_hold(pairs: &[(String, String)]) {
    let fields = Fields::from_pairs(pairs.to_vec(), None);
    let sent = pairs.iter().filter(|(name, _)| name.len() <= Fields::MAX_NAME).count();
    assert!(fields.pairs().len() == sent.min(Fields::MAX_PAIRS), "pairs are lost");
    assert!(texts(fields.tree()) <= pairs.len(), "the tree holds more than the pairs");
    for (name, _) in fields.pairs().iter().take(200) {
        let path = FieldPath::parse(name);
        let one = fields.get(&FieldPath { list: false, ..path.clone() });
        let list = fields.get(&FieldPath { list: true, ..path.clone() });
        let list = list.as_deref().and_then(Value::as_array).expect("always a list");
        match one.as_deref() {
            None => assert!(list.is_empty(), "{name}: a list of nothing"),
            Some(Value::Array(same)) => assert_eq!(list, same, "{name}"),
            Some(Value::Object(map)) => assert!(list.iter().eq(map.values()), "{name}"),
            Some(text) => assert_eq!(list.last(), Some(text), "{name}"),
        }
    }
    // The last pair is never overwritten.
    if let Some((name, value)) = fields.pairs().last().filter(|_| fields.damage().is_none()) {
        let path = FieldPath::parse(name);
        if !path.list && !path.parts.is_empty() && path.parts.iter().all(|part| !part.is_empty()) {
            let found = fields.get(&path).expect("the last pair is there");
            assert_eq!(found.as_str(), Some(value.as_str()), "{name}");
        }
    }
}

/// How many texts a tree holds.
fn texts(tree: &Value) -> usize {
    match tree {
        Value::Object(map) => map.values().map(texts).sum(),
        Value::Array(list) => list.iter().map(texts).sum(),
        _ => 1,
    }
}

/// The first byte says how large the chunks are in which the body comes.
pub(super) fn multipart(data: &[u8]) {
    let (size, body) = choice(data);
    multipart_holds(BOUNDARY, body, &[size % 13 + 1, size / 13 + 1]);
}

/// Leaving out files loses no field, in whatever chunks the body comes.
pub(crate) fn multipart_holds(boundary: &str, body: &[u8], sizes: &[usize]) {
    let copy = kept(boundary, body, sizes);
    assert_eq!(text(&copy), text(&kept(boundary, body, &[usize::MAX])), "chunks matter");
    assert!(copy.len() <= body.len(), "more is kept than came");
    for damage in [Some(Damage::Cut), None] {
        let (skipped, whole) = (parts(boundary, &copy, body, damage), parts(boundary, body, body, damage));
        assert_eq!(skipped, whole, "a field is lost with the files");
    }
    assert_eq!(text(&kept(boundary, &copy, &[5])), text(&copy), "what was skipped once has nothing more to skip");
}

/// What the skipper keeps of a body that comes in chunks of these sizes.
fn kept(boundary: &str, body: &[u8], sizes: &[usize]) -> Vec<u8> {
    let content_type = format!("multipart/form-data; boundary={boundary}");
    let mut skipper = FilePartSkipper::for_content_type(&content_type).expect("multipart");
    let (mut kept, mut rest) = (Vec::new(), body);
    for size in sizes.iter().cycle() {
        let (chunk, next) = rest.split_at((*size).min(rest.len()));
        assert!(skipper.push(chunk, &mut kept, usize::MAX), "there is room");
        rest = next;
        if rest.is_empty() {
            break;
        }
    }
    assert!(skipper.finish(&mut kept, usize::MAX), "there is room");
    kept
}

/// Fields of a multipart body of which this is kept: the pairs, and why some may be missing.
fn parts(boundary: &str, kept: &[u8], whole: &[u8], damage: Option<Damage>) -> (Vec<(String, String)>, Option<Damage>) {
    let content_type = format!("multipart/form-data; boundary={boundary}");
    let mut exchange = exchange(content_type.as_bytes(), kept, b"");
    exchange.request_body = CapturedBody { total: whole.len() as u64, damage, ..exchange.request_body };
    match read(exchange, 1).form() {
        Part::Is(fields) => (fields.pairs().to_vec(), fields.damage()),
        Part::Damaged(damage) => (Vec::new(), Some(damage)),
        Part::NotThis => (Vec::new(), None),
    }
}

/// The first byte chooses label and charset; the body is asked as request and as answer.
pub(super) fn json(data: &[u8]) {
    let (kind, body) = choice(data);
    let label = ["application/json", "text/html", FORM, "application/vnd.api+json; charset=utf-16", ""][kind % 5];
    let reading = read(exchange(label.as_bytes(), body, body), kind / 5);
    for part in [reading.json(), reading.response_json()] {
        if let Part::Is(value) = part {
            assert!(depth(value) <= JSON_DEPTH, "deeper than any reader goes");
            let again: Value = serde_json::from_str(&value.to_string()).expect("what was read is written as JSON");
            assert_eq!(again, *value);
        }
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        Value::Array(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// The first byte is the shop's charset, the first line a label, the rest the body.
pub(super) fn charset(data: &[u8]) {
    let (charset, rest) = choice(data);
    let (label, body) = first_line(rest);
    let reading = read(exchange(label, body, body), charset);
    black_box((reading.response_text().ok().map(str::len), reading.request_text().ok(), reading.json().ok()));
    black_box(reading.form().ok().map(|form| form.pairs().len()));
}

/// The first byte chooses the coding, the rest is the body.
pub(super) fn decoding(data: &[u8]) {
    let (coding, body) = choice(data);
    let coding = CODINGS[coding % CODINGS.len()];
    let mut exchange = exchange(b"text/plain; charset=iso-8859-1", body, body);
    let headers = header_map([(&b"content-encoding"[..], coding.as_bytes())]);
    exchange.request.headers.extend(headers.clone());
    if let Some(response) = &mut exchange.response {
        response.headers.extend(headers);
    }
    let reading = read(exchange.clone(), 0);
    if let Part::Is(text) = reading.response_text() {
        // In this charset a byte is a char.
        assert!(text.chars().count() <= DECODED_BYTES.max(body.len()), "decoded beyond the bound");
    }
    let decoded = exchange.decoded();
    assert!(decoded.response_body.bytes.len() <= DECODED_BYTES.max(body.len()), "decoded beyond the bound");
    black_box(decoded.request_body.bytes.len());
}
