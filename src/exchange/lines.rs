//! Recorded exchanges, one JSON object a line.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
use serde::Deserialize;

use super::{CapturedBody, Damage, End, Exchange, RequestHead, ResponseHead, Timestamp};

/// One line of a recording.
#[derive(Debug)]
pub struct RecordedLine {
    /// Seconds since the recording's start, where the line says so.
    pub t: Option<f64>,
    /// The exchange; its time is zero until the caller sets it.
    pub exchange: Exchange,
}

/// Bytes that stand raw in old shops' links and that [`Uri`] refuses.
const REFUSED: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'`').add(b'\\').add(b'^').add(b'{').add(b'|').add(b'}');

/// Standard base64, padded or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[derive(Deserialize)]
struct Line<'a> {
    t: Option<f64>,
    #[serde(borrow)]
    request: RecordedRequest<'a>,
    #[serde(borrow)]
    response: Option<RecordedResponse<'a>>,
}

#[derive(Deserialize)]
struct RecordedRequest<'a> {
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow)]
    url: Cow<'a, str>,
    #[serde(borrow, default)]
    headers: Headers<'a>,
    #[serde(borrow)]
    body_base64: Option<Cow<'a, str>>,
    body_truncated_from: Option<u64>,
}

#[derive(Deserialize)]
struct RecordedResponse<'a> {
    status: u16,
    #[serde(borrow, default)]
    headers: Headers<'a>,
    #[serde(borrow)]
    body_base64: Option<Cow<'a, str>>,
    body_truncated_from: Option<u64>,
}

type Headers<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// Reads one line: `{"request":{"method","url","headers":[[k,v]…],"body_base64"},"response":{"status","headers","body_base64"}}`;
/// unknown keys are ignored. `body_truncated_from` beside a body says how long it was before it was cut; without a response
/// the shop failed to answer. The error is for people.
pub fn parse_line(line: &str) -> Result<RecordedLine, String> {
    let line: Line<'_> = serde_json::from_str(line).map_err(|fault| format!("not a recorded exchange: {fault}"))?;
    let (request, response) = (line.request, line.response);
    let method = Method::from_bytes(request.method.as_bytes())
        .map_err(|_| format!("request.method: {:?} is no HTTP method", request.method))?;
    let uri = parse_target(&request.url)?;
    let secure = uri.scheme() == Some(&http::uri::Scheme::HTTPS);
    let headers = parse_headers(&request.headers).map_err(|fault| format!("request.{fault}"))?;
    let request_body = parse_body(request.body_base64.as_deref(), request.body_truncated_from)
        .map_err(|fault| format!("request.{fault}"))?;
    let (response, response_body) = match response {
        None => (None, CapturedBody::default()),
        Some(response) => {
            let status = StatusCode::from_u16(response.status)
                .map_err(|_| format!("response.status: {} is no HTTP status", response.status))?;
            let headers = parse_headers(&response.headers).map_err(|fault| format!("response.{fault}"))?;
            let body = parse_body(response.body_base64.as_deref(), response.body_truncated_from)
                .map_err(|fault| format!("response.{fault}"))?;
            (Some(ResponseHead { status, headers }), body)
        }
    };
    let end = if response.is_some() { End::Complete } else { End::Failed };
    let request = RequestHead { method, uri, headers, secure };
    let exchange = Exchange { at: Timestamp::default(), request, request_body, response, response_body, end };
    Ok(RecordedLine { t: line.t, exchange })
}

/// A target as sent. What [`Uri`] refuses is percent-escaped: the shop reads the same either way.
fn parse_target(url: &str) -> Result<Uri, String> {
    let target = url.split('#').next().unwrap_or_default();
    let escaped = match target.parse::<Uri>() {
        Ok(uri) if target.is_ascii() => return Ok(uri),
        _ => percent_encode(&wire_bytes(target), REFUSED).to_string(),
    };
    escaped.parse().map_err(|fault| format!("request.url: {url:?} is no request target: {fault}"))
}

fn parse_headers(lines: &Headers<'_>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::with_capacity(lines.len());
    // Names that start with a colon are HTTP/2's own; the rest of the line says the same.
    for (name, value) in lines.iter().filter(|(name, _)| !name.starts_with(':')) {
        let key =
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("headers: {name:?} is no header name"))?;
        let value = HeaderValue::from_bytes(&wire_bytes(value))
            .map_err(|_| format!("headers: the value of {name:?} holds a control character"))?;
        headers.append(key, value);
    }
    Ok(headers)
}

/// The bytes a recorder saw. Many recorders write each byte as one char; if a text is UTF-8 seen through such eyes, it was
/// UTF-8 on the wire.
fn wire_bytes(value: &str) -> Cow<'_, [u8]> {
    if !value.is_ascii() {
        let bytes: Option<Vec<u8>> = value.chars().map(|c| u8::try_from(c).ok()).collect();
        if let Some(bytes) = bytes.filter(|bytes| std::str::from_utf8(bytes).is_ok()) {
            return Cow::Owned(bytes);
        }
    }
    Cow::Borrowed(value.as_bytes())
}

fn parse_body(base64: Option<&str>, truncated_from: Option<u64>) -> Result<CapturedBody, String> {
    let bytes = BASE64.decode(base64.unwrap_or_default()).map_err(|fault| format!("body_base64: {fault}"))?;
    let body = CapturedBody::whole(Bytes::from(bytes));
    Ok(match truncated_from {
        Some(total) if total > body.total => CapturedBody { total, damage: Some(Damage::Cut), ..body },
        _ => body,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        let line = r#"{"seq":1,"t":2.5,"step":"x","request":{"method":"POST","url":"/a?b=1","headers":[["Host","shop.example"],
            ["X","ü"],["Y","Ã¼"]],"body_base64":"YT0x"},"response":{"status":302,"reason":"Found","headers":[["Location","/c"]],
            "body_base64":"","body_truncated_from":9}}"#;
        let RecordedLine { t, exchange } = parse_line(line).unwrap();
        assert_eq!((t, exchange.end, exchange.request_body.bytes.as_ref()), (Some(2.5), End::Complete, &b"a=1"[..]));
        assert_eq!(
            (exchange.request.path(), exchange.request.query(), exchange.request.host().as_str()),
            ("/a", "b=1", "shop.example")
        );
        assert_eq!((exchange.response_body.total, exchange.response_body.damage), (9, Some(Damage::Cut)));
        for name in ["x", "y"] {
            assert_eq!(exchange.request.headers[name].as_bytes(), "\u{fc}".as_bytes());
        }
    }

    #[test]
    fn raw_targets_are_escaped() {
        for (url, path_and_query) in [
            ("/a b?c=<\\\">", "/a%20b?c=%3C%22%3E"),
            ("/caf\u{e9}?x={1}|^", "/caf%C3%A9?x=%7B1%7D%7C%5E"),
            ("/a%20b#top", "/a%20b"),
            ("https://shop.example/x?y", "/x?y"),
            ("*", "*"),
        ] {
            let line = format!(r#"{{"request":{{"method":"GET","url":"{url}"}}}}"#);
            let exchange = parse_line(&line).unwrap().exchange;
            let found = exchange.request.uri.path_and_query().unwrap().as_str();
            assert_eq!(
                (found, exchange.end, exchange.request.secure),
                (path_and_query, End::Failed, url.starts_with("https"))
            );
        }
    }

    #[test]
    fn faults_say_where() {
        for (line, fault) in [
            ("{", "not a recorded exchange: "),
            (r#"{"request":{"method":"GET"}}"#, "not a recorded exchange: missing field `url`"),
            (r#"{"request":{"method":"G T","url":"/"}}"#, "request.method: "),
            (r#"{"request":{"method":"GET","url":""}}"#, "request.url: "),
            (r#"{"request":{"method":"GET","url":"/","body_base64":"*"}}"#, "request.body_base64: "),
            (r#"{"request":{"method":"GET","url":"/","headers":[["a b","c"]]}}"#, "request.headers: "),
            (r#"{"request":{"method":"GET","url":"/"},"response":{"status":1}}"#, "response.status: "),
            (
                r#"{"request":{"method":"GET","url":"/"},"response":{"status":200,"headers":[["a","\n"]]}}"#,
                "response.headers: ",
            ),
        ] {
            let found = parse_line(line).unwrap_err();
            assert!(found.starts_with(fault), "{found}");
        }
    }
}
