//! Exchanges from a HAR file.

use std::borrow::Cow;

use base64::Engine;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use serde::Deserialize;

use crate::exchange::recorded::{BASE64, header_text, parse_target, wire_bytes};
use crate::exchange::{CapturedBody, Damage, End, Exchange, RecordedLine, RequestHead, ResponseHead, Timestamp};

/// Bytes of one file.
const MAX_FILE: usize = 512 * 1024 * 1024;

#[derive(Deserialize)]
struct File<'a> {
    #[serde(borrow)]
    log: Log<'a>,
}

#[derive(Deserialize)]
struct Log<'a> {
    #[serde(borrow)]
    entries: Vec<Entry<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    #[serde(borrow)]
    started_date_time: Cow<'a, str>,
    #[serde(borrow)]
    request: Request<'a>,
    #[serde(borrow)]
    response: Response<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow)]
    url: Cow<'a, str>,
    #[serde(borrow, default)]
    headers: Vec<Pair<'a>>,
    #[serde(borrow, default)]
    cookies: Vec<Pair<'a>>,
    #[serde(borrow)]
    post_data: Option<PostData<'a>>,
    #[serde(default)]
    body_size: f64,
    #[serde(borrow)]
    comment: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostData<'a> {
    #[serde(borrow, default)]
    mime_type: Cow<'a, str>,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    params: Vec<Pair<'a>>,
    /// No part of HAR: ours, for bodies that are no text.
    #[serde(borrow, rename = "_encoding")]
    encoding: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Response<'a> {
    /// 0, and with some tools -1, where no answer came.
    #[serde(default)]
    status: i32,
    #[serde(borrow, default)]
    headers: Vec<Pair<'a>>,
    #[serde(borrow, default)]
    content: Content<'a>,
    #[serde(borrow)]
    comment: Option<Cow<'a, str>>,
}

#[derive(Default, Deserialize)]
struct Content<'a> {
    #[serde(default)]
    size: f64,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    encoding: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Pair<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    value: Cow<'a, str>,
}

/// Reads a file. Exchanges come in the order in which they began, with their times, and `t` counted from the first; what
/// is no HTTP (`data:`, `ws:`, extensions) is left out. Bodies stand in HAR without their content coding. One that the
/// browser did not keep is [`Damage::Unread`]; an entry whose status is 0 or less is a request that got no answer. The
/// error is for people.
pub fn parse_har(text: &str) -> Result<Vec<RecordedLine>, String> {
    if text.len() > MAX_FILE {
        return Err(format!("a HAR file of {} bytes is larger than {MAX_FILE}", text.len()));
    }
    let file: File<'_> = serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|fault| format!("not a HAR file: {fault}"))?;
    let mut lines = Vec::with_capacity(file.log.entries.len());
    for (place, entry) in file.log.entries.iter().enumerate() {
        let read = read_entry(entry).map_err(|fault| format!("log.entries[{place}].{fault}"))?;
        lines.extend(read.map(|exchange| RecordedLine { t: None, exchange }));
    }
    lines.sort_by_key(|line| line.exchange.at);
    let first = lines.first().map(|line| line.exchange.at).unwrap_or_default();
    for line in &mut lines {
        line.t = Some(line.exchange.at.since(first).as_secs_f64());
    }
    Ok(lines)
}

fn read_entry(entry: &Entry<'_>) -> Result<Option<Exchange>, String> {
    let url = entry.request.url.as_ref();
    if !["http://", "https://"]
        .iter()
        .any(|scheme| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
    {
        return Ok(None);
    }
    let at: jiff::Timestamp = (entry.started_date_time.parse())
        .map_err(|_| format!("startedDateTime: {:?} is no time (RFC 3339)", entry.started_date_time))?;
    let (request, request_body) = read_request(&entry.request).map_err(|fault| format!("request.{fault}"))?;
    let (response, response_body) =
        read_response(&entry.response, &request.method).map_err(|fault| format!("response.{fault}"))?;
    let end = End::usual(response.is_some());
    let at = Timestamp::from_millis(at.as_millisecond());
    Ok(Some(Exchange { at, request, request_body, response, response_body, end }))
}

fn read_request(request: &Request<'_>) -> Result<(RequestHead, CapturedBody), String> {
    let method =
        Method::from_bytes(request.method.as_bytes()).map_err(|_| format!("method: {:?} is none", request.method))?;
    let target = parse_target(&request.url).map_err(|fault| format!("url: {fault}"))?;
    let secure = target.scheme() == Some(&http::uri::Scheme::HTTPS);
    let mut headers = read_headers(&request.headers);
    if let (None, Some(authority)) = (headers.get(header::HOST), target.authority()) {
        headers.extend(HeaderValue::from_str(authority.as_str()).ok().map(|host| (header::HOST, host)));
    }
    if !headers.contains_key(header::COOKIE) {
        let crumbs: Vec<_> = request.cookies.iter().map(|pair| format!("{}={}", pair.name, pair.value)).collect();
        let line = HeaderValue::from_bytes(&wire_bytes(&crumbs.join("; "))).ok().filter(|line| !line.is_empty());
        headers.extend(line.map(|line| (header::COOKIE, line)));
    }
    let mut body = match &request.post_data {
        Some(data) => read_post(data, &mut headers)?,
        // Of a form with a file in it, what drives Chromium writes neither body nor size.
        None if request.body_size > 0.0 || length(&headers).is_some_and(|length| length > 0) => CapturedBody::unread(),
        None => CapturedBody::default(),
    };
    body.damage = request.comment.as_deref().and_then(Damage::of_word).or(body.damage);
    // What a visitor sent carried the path alone.
    let uri = target.path_and_query().map_or_else(|| target.clone(), |path| Uri::from(path.clone()));
    Ok((RequestHead { method, uri, headers, secure }, body))
}

/// What Content-Length says.
fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH).and_then(|value| header_text(value).trim().parse().ok())
}

fn read_post(data: &PostData<'_>, headers: &mut HeaderMap) -> Result<CapturedBody, String> {
    if let Some(text) = data.text.as_ref().filter(|text| !text.is_empty() || data.params.is_empty()) {
        if !headers.contains_key(header::CONTENT_TYPE) && !data.mime_type.is_empty() {
            headers.extend(HeaderValue::from_str(&data.mime_type).ok().map(|kind| (header::CONTENT_TYPE, kind)));
        }
        return Ok(CapturedBody::whole(match data.encoding.as_deref() {
            Some("base64") => BASE64.decode(text.as_bytes()).map_err(|fault| format!("postData.text: {fault}"))?,
            _ => text.as_bytes().to_vec(),
        }));
    }
    // Fields alone: as a plain form they mean the same.
    let fields = data.params.iter().map(|pair| (pair.name.as_ref(), pair.value.as_ref()));
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    if !body.is_empty() || data.mime_type.starts_with("multipart/") {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    }
    Ok(CapturedBody::whole(body))
}

fn read_response(response: &Response<'_>, method: &Method) -> Result<(Option<ResponseHead>, CapturedBody), String> {
    if response.status <= 0 {
        return Ok((None, CapturedBody::default()));
    }
    let status = u16::try_from(response.status).ok().and_then(|status| StatusCode::from_u16(status).ok());
    let status = status.ok_or_else(|| format!("status: {} is none", response.status))?;
    let mut headers = read_headers(&response.headers);
    let content = &response.content;
    let mut body = match &content.text {
        Some(text) if content.encoding.as_deref() == Some("base64") => {
            let bytes = BASE64.decode(text.as_bytes()).map_err(|fault| format!("content.text: {fault}"))?;
            CapturedBody::whole(bytes)
        }
        Some(text) => {
            say_utf8(&mut headers, text);
            CapturedBody::whole(text.as_bytes().to_vec())
        }
        None if is_bodiless(status, method) || content.size == 0.0 || length(&headers) == Some(0) => {
            CapturedBody::default()
        }
        None => CapturedBody::unread(),
    };
    if let Some(damage) = response.comment.as_deref().and_then(Damage::of_word) {
        body.damage = Some(damage);
        // Sizes are whole and far below 2^53.
        let total = format!("{:.0}", content.size.clamp(0.0, 1e15)).parse().unwrap_or(body.total);
        body.total = body.total.max(total);
    }
    for name in [header::CONTENT_ENCODING, header::TRANSFER_ENCODING, header::CONTENT_LENGTH] {
        headers.remove(name);
    }
    Ok((Some(ResponseHead { status, headers }), body))
}

fn is_bodiless(status: StatusCode, method: &Method) -> bool {
    method == Method::HEAD || status.is_informational() || matches!(status.as_u16(), 204 | 304)
}

/// A browser has read the text in whatever charset it was; from here on it is UTF-8.
fn say_utf8(headers: &mut HeaderMap, text: &str) {
    if text.is_ascii() {
        return;
    }
    let kind = headers.get(header::CONTENT_TYPE).map(header_text).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let kind = if kind.is_empty() { "text/plain" } else { kind };
    if let Ok(value) = HeaderValue::from_str(&format!("{kind}; charset=utf-8")) {
        headers.insert(header::CONTENT_TYPE, value);
    }
}

/// Header lines; what no wire carries (HTTP/2's own names, control characters) is left out. Browsers join lines of one name
/// with line breaks.
fn read_headers(pairs: &[Pair<'_>]) -> HeaderMap {
    let lines = pairs.iter().filter(|pair| !pair.name.starts_with(':'));
    let lines = lines.flat_map(|pair| pair.value.split('\n').map(|value| (pair.name.as_ref(), value.trim())));
    let read = lines.filter_map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        Some((name, HeaderValue::from_bytes(&wire_bytes(value)).ok()?))
    });
    read.collect()
}
