//! Recorded exchanges, one JSON object a line.

use std::borrow::Cow;

use base64::Engine;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::recorded::{BASE64, header_text, parse_headers, parse_target};
use super::{CapturedBody, Damage, End, Exchange, RequestHead, ResponseHead, Timestamp};

/// One line of a recording.
#[derive(Debug)]
pub struct RecordedLine {
    /// Seconds since the recording's start, where the line says so.
    pub t: Option<f64>,
    /// The exchange; its time is zero until the caller sets it.
    pub exchange: Exchange,
}

#[derive(Deserialize)]
struct Line<'a> {
    t: Option<f64>,
    #[serde(borrow)]
    end: Option<Cow<'a, str>>,
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
    #[serde(default)]
    secure: bool,
    #[serde(borrow, default)]
    headers: Headers<'a>,
    #[serde(borrow)]
    body_base64: Option<Cow<'a, str>>,
    body_truncated_from: Option<u64>,
    #[serde(borrow)]
    body_damage: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct RecordedResponse<'a> {
    status: u16,
    #[serde(borrow, default)]
    headers: Headers<'a>,
    #[serde(borrow)]
    body_base64: Option<Cow<'a, str>>,
    body_truncated_from: Option<u64>,
    #[serde(borrow)]
    body_damage: Option<Cow<'a, str>>,
}

type Headers<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// Reads one line: `{"request":{"method","url","headers":[[k,v]…],"body_base64"},"response":{"status","headers","body_base64"}}`;
/// unknown keys are ignored. `body_truncated_from` beside a body says how long it was before it was cut, `body_damage` (a
/// [`Damage::word`]) what else is wrong with it; `end` (an [`End::word`]) is `complete`, or `failed` where there is no
/// response; `secure` says that the visitor spoke TLS. The error is for people.
pub fn parse_line(line: &str) -> Result<RecordedLine, String> {
    let line: Line<'_> = serde_json::from_str(line).map_err(|fault| format!("not a recorded exchange: {fault}"))?;
    let (request, response) = (line.request, line.response);
    let method = Method::from_bytes(request.method.as_bytes())
        .map_err(|_| format!("request.method: {:?} is no HTTP method", request.method))?;
    let uri = parse_target(&request.url).map_err(|fault| format!("request.url: {fault}"))?;
    let secure = request.secure || uri.scheme() == Some(&http::uri::Scheme::HTTPS);
    let headers = parse_headers(&request.headers).map_err(|fault| format!("request.headers: {fault}"))?;
    let request_body =
        parse_body(request.body_base64.as_deref(), request.body_truncated_from, request.body_damage.as_deref())
            .map_err(|fault| format!("request.{fault}"))?;
    let (response, response_body) = match response {
        None => (None, CapturedBody::default()),
        Some(response) => {
            let status = StatusCode::from_u16(response.status)
                .map_err(|_| format!("response.status: {} is no HTTP status", response.status))?;
            let headers = parse_headers(&response.headers).map_err(|fault| format!("response.headers: {fault}"))?;
            let body = parse_body(
                response.body_base64.as_deref(),
                response.body_truncated_from,
                response.body_damage.as_deref(),
            )
            .map_err(|fault| format!("response.{fault}"))?;
            (Some(ResponseHead { status, headers }), body)
        }
    };
    let end = match line.end {
        None => End::usual(response.is_some()),
        Some(word) => End::of_word(&word).ok_or_else(|| format!("end: {word:?} is not known"))?,
    };
    let request = RequestHead { method, uri, headers, secure };
    let exchange = Exchange { at: Timestamp::default(), request, request_body, response, response_body, end };
    Ok(RecordedLine { t: line.t, exchange })
}

fn parse_body(base64: Option<&str>, truncated_from: Option<u64>, damage: Option<&str>) -> Result<CapturedBody, String> {
    let bytes = BASE64.decode(base64.unwrap_or_default()).map_err(|fault| format!("body_base64: {fault}"))?;
    let mut body = CapturedBody::whole(Bytes::from(bytes));
    if let Some(total) = truncated_from.filter(|total| *total > body.total) {
        body = CapturedBody { total, damage: Some(Damage::Cut), ..body };
    }
    if let Some(word) = damage {
        body.damage = Some(Damage::of_word(word).ok_or_else(|| format!("body_damage: {word:?} is not known"))?);
    }
    Ok(body)
}

#[derive(Serialize)]
struct WrittenLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    t: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<&'static str>,
    request: WrittenRequest<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<WrittenResponse<'a>>,
}

#[derive(Serialize)]
struct WrittenRequest<'a> {
    method: &'a str,
    url: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    secure: bool,
    headers: Vec<(&'a str, String)>,
    #[serde(flatten)]
    body: WrittenBody,
}

#[derive(Serialize)]
struct WrittenResponse<'a> {
    status: u16,
    headers: Vec<(&'a str, String)>,
    #[serde(flatten)]
    body: WrittenBody,
}

#[derive(Serialize)]
struct WrittenBody {
    #[serde(rename = "body_base64")]
    base64: String,
    #[serde(rename = "body_truncated_from", skip_serializing_if = "Option::is_none")]
    truncated_from: Option<u64>,
    #[serde(rename = "body_damage", skip_serializing_if = "Option::is_none")]
    damage: Option<&'static str>,
}

/// Writes one line, which [`parse_line`] reads as the same exchange but for its time; `t` is seconds since the recording's
/// start. Bytes of header lines that are no UTF-8 are written as Latin-1 and come back as UTF-8.
pub fn to_line(exchange: &Exchange, t: Option<f64>) -> String {
    let (request, end) = (&exchange.request, exchange.end);
    let scheme_tells = request.uri.scheme() == Some(&http::uri::Scheme::HTTPS);
    let line = WrittenLine {
        t,
        end: (end != End::usual(exchange.response.is_some())).then(|| end.word()),
        request: WrittenRequest {
            method: request.method.as_str(),
            url: request.uri.to_string(),
            secure: request.secure && !scheme_tells,
            headers: written_headers(&request.headers),
            body: WrittenBody::of(&exchange.request_body),
        },
        response: exchange.response.as_ref().map(|response| WrittenResponse {
            status: response.status.as_u16(),
            headers: written_headers(&response.headers),
            body: WrittenBody::of(&exchange.response_body),
        }),
    };
    serde_json::to_string(&line).unwrap_or_default()
}

fn written_headers(headers: &HeaderMap) -> Vec<(&str, String)> {
    headers.iter().map(|(name, value)| (name.as_str(), header_text(value))).collect()
}

impl WrittenBody {
    fn of(body: &CapturedBody) -> Self {
        let missing = body.total > body.bytes.len() as u64;
        let told = if missing { Some(Damage::Cut) } else { None };
        Self {
            base64: BASE64.encode(&body.bytes),
            truncated_from: missing.then_some(body.total),
            damage: body.damage.filter(|_| body.damage != told).map(Damage::word),
        }
    }
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
