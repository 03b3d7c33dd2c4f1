//! Exchanges to a HAR file.

use base64::Engine;
use http::{HeaderMap, Version, header};
use serde_json::{Value, json};

use crate::exchange::charset::charset_of_content_type;
use crate::exchange::decoding::decode;
use crate::exchange::recorded::{BASE64, header_text};
use crate::exchange::{CapturedBody, Exchange, ResponseHead};

/// How a file begins that [`har_entry`]s follow, parted by commas.
pub const HAR_HEAD: &str = concat!(
    r#"{"log":{"version":"1.2","creator":{"name":"shopbell","version":""#,
    env!("CARGO_PKG_VERSION"),
    "\"},\"entries\":[\n"
);
/// How it ends.
pub const HAR_TAIL: &str = "\n]}}\n";

/// One entry, as a line of JSON. Content codings are undone, as HAR asks; bodies that are no text in UTF-8 stand in base64.
/// The time is the exchange's own.
pub fn har_entry(exchange: &Exchange) -> String {
    let request = &exchange.request;
    let host = request.host();
    let host = if host.is_empty() { "localhost" } else { &host };
    let scheme = if request.secure { "https" } else { "http" };
    let query = form_urlencoded::parse(request.query().as_bytes());
    let query: Vec<Value> = query.map(|(name, value)| json!({"name": name, "value": value})).collect();
    let path = request.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let mut asked = json!({
        "method": request.method.as_str(),
        "url": format!("{scheme}://{host}{path}"),
        "httpVersion": format!("{:?}", Version::HTTP_11),
        "cookies": [],
        "headers": headers(&request.headers, false),
        "queryString": query,
        "headersSize": -1,
        "bodySize": exchange.request_body.total,
    });
    if !exchange.request_body.bytes.is_empty() {
        let kind = content_type(&request.headers);
        let (text, encoding) = text(&exchange.request_body.bytes, None);
        let mut data = json!({"mimeType": kind, "params": [], "text": text});
        note(&mut data, "_encoding", encoding);
        note(&mut asked, "postData", Some(data));
    }
    note(&mut asked, "comment", damage(&exchange.request_body));
    let entry = json!({
        "startedDateTime": exchange.at.to_string(),
        "time": 0,
        "request": asked,
        "response": response(exchange.response.as_ref(), &exchange.response_body),
        "cache": {},
        "timings": {"send": 0, "wait": 0, "receive": 0},
    });
    entry.to_string()
}

fn response(head: Option<&ResponseHead>, body: &CapturedBody) -> Value {
    let none = HeaderMap::new();
    let lines = head.map_or(&none, |head| &head.headers);
    let kind = content_type(lines);
    let decoded = decode(lines, body);
    let mut content = json!({"size": body.total.max(decoded.bytes.len() as u64), "mimeType": kind});
    if !decoded.bytes.is_empty() {
        let (text, encoding) = text(&decoded.bytes, Some(&kind));
        note(&mut content, "text", Some(text));
        note(&mut content, "encoding", encoding);
    }
    let mut answer = json!({
        "status": head.map_or(0, |head| head.status.as_u16()),
        "statusText": head.and_then(|head| head.status.canonical_reason()).unwrap_or_default(),
        "httpVersion": format!("{:?}", Version::HTTP_11),
        "cookies": [],
        "headers": headers(lines, true),
        "content": content,
        "redirectURL": lines.get(header::LOCATION).map(header_text).unwrap_or_default(),
        "headersSize": -1,
        "bodySize": body.total,
    });
    note(&mut answer, "comment", decoded.damage.map(|damage| damage.word().to_owned()));
    answer
}

/// Sets a key that has a value.
fn note(object: &mut Value, key: &str, value: Option<impl Into<Value>>) {
    if let (Some(fields), Some(value)) = (object.as_object_mut(), value) {
        fields.insert(key.to_owned(), value.into());
    }
}

fn damage(body: &CapturedBody) -> Option<String> {
    body.damage.map(|damage| damage.word().to_owned())
}

fn content_type(headers: &HeaderMap) -> String {
    headers.get(header::CONTENT_TYPE).map(header_text).unwrap_or_default()
}

/// Header lines; without what tells of a coding that is undone.
fn headers(headers: &HeaderMap, decoded: bool) -> Vec<Value> {
    let coding = [header::CONTENT_ENCODING, header::CONTENT_LENGTH, header::TRANSFER_ENCODING];
    let lines = headers.iter().filter(|(name, _)| !(decoded && coding.contains(name)));
    lines.map(|(name, value)| json!({"name": name.as_str(), "value": header_text(value)})).collect()
}

/// A body as text, or as base64 if it is none in UTF-8 (`None` for a kind: whatever its charset).
fn text(bytes: &[u8], kind: Option<&str>) -> (String, Option<String>) {
    let said = kind.and_then(charset_of_content_type);
    let plain = std::str::from_utf8(bytes).ok();
    let plain = plain.filter(|_| bytes.is_ascii() || kind.is_none() || said == Some(encoding_rs::UTF_8));
    match plain {
        Some(text) => (text.to_owned(), None),
        None => (BASE64.encode(bytes), Some("base64".to_owned())),
    }
}
