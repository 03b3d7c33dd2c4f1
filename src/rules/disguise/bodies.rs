//! Bodies: forms and JSON by the names of their fields, all else as text.

use std::sync::LazyLock;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use regex::bytes::{Captures, Regex};
use serde_json::Value;

use super::super::derive::is_card;
use super::Disguise;
use super::heads::set_target;
use crate::exchange::{CapturedBody, Damage, Exchange};

/// A part of a multipart form: its head with its name, and its content.
static PART: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(?is)(content-disposition:[^\r\n]*?\bname="([^"\r\n]*)"[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n)(.*?)(\r\n--)"#,
    )
    .ok()
});

impl Disguise {
    pub(super) fn request_body(&mut self, exchange: &mut Exchange) {
        let kind = kind(&exchange.request.headers);
        let body = std::mem::take(&mut exchange.request_body);
        let changed = if kind.starts_with("multipart/form-data") {
            self.parts(&body.bytes)
        } else {
            self.text(&body.bytes, |this, text| {
                if kind.starts_with("application/x-www-form-urlencoded") {
                    return this.pairs(text);
                }
                this.json(text).unwrap_or_else(|| this.running(text, false))
            })
        };
        exchange.request_body = put(body, changed, &exchange.request.headers);
    }

    pub(super) fn response_body(&mut self, exchange: &mut Exchange) {
        let Some(response) = &mut exchange.response else { return };
        let page = kind(&response.headers).contains("html");
        let body = std::mem::take(&mut exchange.response_body);
        let changed = self.text(&body.bytes, |this, text| this.json(text).unwrap_or_else(|| this.running(text, page)));
        exchange.response_body = put(body, changed, &response.headers);
    }

    /// Values that are known by now, wherever they stand.
    pub(super) fn everywhere(&mut self, exchange: &mut Exchange) {
        let target = exchange.request.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
        if let Some(changed) = self.known.replaced(target.as_bytes()) {
            set_target(&mut exchange.request.uri, &String::from_utf8_lossy(&changed));
        }
        let request = (&mut exchange.request.headers, &mut exchange.request_body);
        let response = exchange.response.as_mut().map(|response| (&mut response.headers, &mut exchange.response_body));
        for (headers, body) in [Some(request), response].into_iter().flatten() {
            for value in headers.values_mut() {
                if let Some(changed) = self.known.replaced(value.as_bytes()) {
                    *value = HeaderValue::from_bytes(&changed).unwrap_or(HeaderValue::from_static(""));
                }
            }
            if let Some(changed) = self.known.replaced(&body.bytes) {
                *body = put(std::mem::take(body), Some(changed), headers);
            }
        }
    }

    /// Changes a text; bytes that are no UTF-8 are seen as Latin-1, which gives each byte back as it was.
    fn text(&mut self, bytes: &Bytes, change: impl FnOnce(&mut Self, &str) -> String) -> Option<Vec<u8>> {
        if bytes.is_empty() {
            return None;
        }
        if let Ok(text) = std::str::from_utf8(bytes) {
            let changed = change(self, text);
            return (changed != text).then(|| changed.into_bytes());
        }
        let text: String = bytes.iter().copied().map(char::from).collect();
        let changed = change(self, &text);
        let bytes = || changed.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap_or(b'?')).collect();
        (changed != text).then(bytes)
    }

    fn running(&mut self, text: &str, page: bool) -> String {
        let text = if page { self.inputs(text) } else { text.to_owned() };
        let text = self.assignments(&text);
        self.links(&text)
    }

    fn parts(&mut self, body: &Bytes) -> Option<Vec<u8>> {
        let part = PART.as_ref()?;
        let changed = part.replace_all(body, |found: &Captures<'_>| {
            let (name, value) = (String::from_utf8_lossy(&found[2]), std::str::from_utf8(&found[3]).ok());
            let changed = value.map(|value| self.field(&name, value).into_bytes());
            [&found[1], &changed.unwrap_or_else(|| found[3].to_vec()), &found[4]].concat()
        });
        (changed.as_ref() != body.as_ref()).then(|| changed.into_owned())
    }

    /// JSON with the values of secret names replaced; `None` where it is none.
    fn json(&mut self, text: &str) -> Option<String> {
        if !text.trim_start().starts_with(['{', '[']) {
            return None;
        }
        let mut value: Value = serde_json::from_str(text).ok()?;
        let before = value.clone();
        self.value(&mut value, false);
        Some(if value == before { text.to_owned() } else { value.to_string() })
    }

    pub(super) fn json_value(&mut self, mut value: Value) -> Value {
        self.value(&mut value, false);
        value
    }

    fn value(&mut self, value: &mut Value, secret: bool) {
        match value {
            Value::Object(map) => {
                for (name, value) in map.iter_mut() {
                    let secret = self.is_secret(name);
                    self.value(value, secret);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item, secret)),
            Value::String(text) if secret => *text = self.whole(text),
            // An HTML fragment, a GraphQL document, a link.
            Value::String(text) => {
                let html = text.contains('<');
                let changed = if is_card(text) { self.pseudonym(text) } else { self.running(text, html) };
                *text = changed;
            }
            Value::Number(number) if secret => {
                let text = number.to_string();
                let whole = self.whole(&text);
                if whole != text {
                    *value = Value::String(whole);
                }
            }
            _ => {}
        }
    }
}

/// The body with its new bytes. What cannot be decoded cannot be looked into: it is left out.
fn put(body: CapturedBody, changed: Option<Vec<u8>>, headers: &HeaderMap) -> CapturedBody {
    let coded = headers.contains_key(header::CONTENT_ENCODING) && !body.bytes.is_empty();
    if coded || body.damage == Some(Damage::Undecodable) {
        let damage = body.damage.or(Some(Damage::Undecodable));
        return CapturedBody { bytes: Bytes::new(), damage, ..body };
    }
    let Some(changed) = changed else { return body };
    let missing = body.total.saturating_sub(body.bytes.len() as u64);
    let total = missing + changed.len() as u64;
    CapturedBody { bytes: changed.into(), total, ..body }
}

fn kind(headers: &HeaderMap) -> String {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    String::from_utf8_lossy(kind).to_ascii_lowercase()
}
