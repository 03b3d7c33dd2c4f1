//! One exchange read lazily: every view is computed at most once, whoever asks.

use std::sync::{Arc, LazyLock, OnceLock};

use encoding_rs::Encoding;
use http::{HeaderMap, header};
use serde_json::Value;

use super::charset::{Labelled, charset_of_content_type};
use super::cookies::{request_cookies, response_cookies};
use super::decoding::{Decoded, decode};
use super::documents::Documents;
use super::json::{is_json, read_json};
use super::multipart::read_multipart;
use super::urlencoded::{read_query, read_urlencoded};
use super::{Damage, Exchange, Fields, Part, Url};

/// How a shop's bytes are to be read.
#[derive(Clone, Copy, Debug)]
pub struct ReadOptions {
    /// Charset of form bodies and queries that carry no label (`[shop] charset`).
    pub charset: &'static Encoding,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { charset: encoding_rs::UTF_8 }
    }
}

/// An exchange with its views.
#[derive(Debug)]
pub struct Reading {
    exchange: Exchange,
    options: ReadOptions,
    heads: HeadViews,
    views: Views,
    pub(super) documents: Documents,
}

/// What has been computed of an exchange's heads so far. A clone shares it: so who looks at an exchange while it goes on reads
/// each head once.
#[derive(Clone, Debug)]
pub struct HeadViews(Arc<Heads>);

#[derive(Debug)]
struct Heads {
    /// What they were read in.
    charset: &'static Encoding,
    query: OnceLock<Fields>,
    cookies: OnceLock<Vec<(String, String)>>,
    referer: OnceLock<Option<Url>>,
    location: OnceLock<Option<Url>>,
}

/// What else has been computed so far: of its bodies, and what depends on when it was.
#[derive(Debug, Default)]
struct Views {
    request_body: OnceLock<Decoded>,
    form: OnceLock<Part<Fields>>,
    json: OnceLock<Part<Arc<Value>>>,
    response_cookies: OnceLock<Vec<(String, String)>>,
    response_text: OnceLock<(String, Option<Damage>)>,
    response_json: OnceLock<Part<Arc<Value>>>,
}

impl HeadViews {
    fn new(charset: &'static Encoding) -> Self {
        let (query, cookies) = (OnceLock::new(), OnceLock::new());
        let (referer, location) = (OnceLock::new(), OnceLock::new());
        Self(Arc::new(Heads { charset, query, cookies, referer, location }))
    }
}

impl Reading {
    /// Wraps an exchange; nothing is decoded yet.
    pub fn new(exchange: Exchange, options: ReadOptions) -> Self {
        let heads = HeadViews::new(options.charset);
        Self { exchange, options, heads, views: Views::default(), documents: Documents::default() }
    }

    /// The same exchange, of which more may have come since `earlier` was taken from a reading of it: what was read of its
    /// heads then is not read again, unless it is to be read in another charset now.
    #[must_use]
    pub fn after(self, earlier: &HeadViews) -> Self {
        if earlier.0.charset == self.options.charset { Self { heads: earlier.clone(), ..self } } else { self }
    }

    /// What is read of its heads, for [`Reading::after`].
    pub fn heads(&self) -> HeadViews {
        self.heads.clone()
    }

    /// The exchange itself.
    pub fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// The exchange back, without its views.
    pub fn into_exchange(self) -> Exchange {
        self.exchange
    }

    /// How its bytes are read.
    pub fn options(&self) -> ReadOptions {
        self.options
    }

    /// The query's fields.
    pub fn query(&self) -> &Fields {
        self.heads.0.query.get_or_init(|| read_query(self.exchange.request.query(), self.options.charset))
    }

    /// The request body as form fields (urlencoded or multipart, by its label). A form whose end is missing is one still,
    /// as long as there are fields to be had: then [`Fields::damage`] says that others may be missing.
    pub fn form(&self) -> Part<&Fields> {
        self.views.form.get_or_init(|| self.read_form()).as_ref()
    }

    /// The request body as JSON, by its label or its look.
    pub fn json(&self) -> Part<&Value> {
        self.shared_json().map(Arc::as_ref)
    }

    /// The same for those who keep it.
    pub fn shared_json(&self) -> Part<&Arc<Value>> {
        let read = || {
            let labelled = is_json(&essence(&content_type(self.headers())));
            match self.request_text() {
                Part::Is((text, damage)) => read_json(&text, labelled, damage),
                Part::NotThis => Part::NotThis,
                Part::Damaged(damage) => Part::Damaged(damage),
            }
        };
        self.views.json.get_or_init(|| read().map(Arc::new)).as_ref()
    }

    /// Request headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.exchange.request.headers
    }

    /// Request cookies in order, values percent-decoded.
    pub fn cookies(&self) -> &[(String, String)] {
        self.heads.0.cookies.get_or_init(|| request_cookies(self.headers(), self.options.charset))
    }

    /// The `Referer`, taken apart.
    pub fn referer(&self) -> Option<&Url> {
        self.heads.0.referer.get_or_init(|| self.read_url(self.headers(), &header::REFERER)).as_ref()
    }

    /// The response's `Location`, resolved and taken apart.
    pub fn location(&self) -> Option<&Url> {
        self.heads.0.location.get_or_init(|| self.read_url(self.response_headers(), &header::LOCATION)).as_ref()
    }

    /// Response headers; empty if no response came.
    pub fn response_headers(&self) -> &HeaderMap {
        static NONE: LazyLock<HeaderMap> = LazyLock::new(HeaderMap::new);
        self.exchange.response.as_ref().map_or(&NONE, |response| &response.headers)
    }

    /// Cookies the response sets, in order, values percent-decoded; a deleted one has an empty value.
    pub fn response_cookies(&self) -> &[(String, String)] {
        let read = || response_cookies(self.response_headers(), self.exchange.at, self.options.charset);
        self.views.response_cookies.get_or_init(read)
    }

    /// The response body as text, content coding undone, in its charset. `NotThis` for an empty body, and for images and
    /// other bodies that are no text.
    pub fn response_text(&self) -> Part<&str> {
        match self.response_body() {
            (_, Some(damage)) => Part::Damaged(*damage),
            (text, None) if text.is_empty() => Part::NotThis,
            (text, None) => Part::Is(text),
        }
    }

    /// The response body as JSON, whatever its label says (legacy shops label JSON as HTML).
    pub fn response_json(&self) -> Part<&Value> {
        self.shared_response_json().map(Arc::as_ref)
    }

    /// The same for those who keep it.
    pub fn shared_response_json(&self) -> Part<&Arc<Value>> {
        let read = || {
            let labelled = is_json(&essence(&content_type(self.response_headers())));
            match self.response_body() {
                (text, Some(damage)) if text.is_empty() => Part::Damaged(*damage),
                (text, None) if text.is_empty() => Part::NotThis,
                (text, damage) => read_json(text, labelled, *damage),
            }
        };
        self.views.response_json.get_or_init(|| read().map(Arc::new)).as_ref()
    }

    /// The request body as text, as far as it is known, unless it is multipart.
    pub fn request_text(&self) -> Part<(String, Option<Damage>)> {
        let (content_type, body) = (content_type(self.headers()), self.request_body());
        let multipart = essence(&content_type).starts_with("multipart/");
        match body.damage {
            None if body.bytes.is_empty() || multipart => Part::NotThis,
            Some(damage) if body.bytes.is_empty() => Part::Damaged(damage),
            damage => {
                let (bytes, otherwise) = (&body.bytes, self.options.charset);
                let text = Labelled { bytes, content_type: &content_type, otherwise }.text().into_owned();
                Part::Is((text, damage))
            }
        }
    }

    fn request_body(&self) -> &Decoded {
        self.views.request_body.get_or_init(|| decode(self.headers(), &self.exchange.request_body))
    }

    fn read_form(&self) -> Part<Fields> {
        let content_type = content_type(self.headers());
        let kind = essence(&content_type);
        let multipart = kind == "multipart/form-data";
        if !multipart && kind != "application/x-www-form-urlencoded" {
            return Part::NotThis;
        }
        let body = self.request_body();
        match body.damage {
            None if self.exchange.request_body.total == 0 => return Part::NotThis,
            Some(damage) if body.bytes.is_empty() => return Part::Damaged(damage),
            _ => {}
        }
        let charset = charset_of_content_type(&content_type).unwrap_or(self.options.charset);
        let fields = if multipart {
            read_multipart(&body.bytes, &content_type, charset, body.damage)
        } else {
            Some(read_urlencoded(&body.bytes, charset, body.damage))
        };
        let Some(fields) = fields else { return Part::Damaged(Damage::Undecodable) };
        match fields.damage() {
            Some(damage) if fields.pairs().is_empty() => Part::Damaged(damage),
            _ => Part::Is(fields),
        }
    }

    /// The response's text as far as it is known. A binary body has none.
    fn response_body(&self) -> &(String, Option<Damage>) {
        self.views.response_text.get_or_init(|| {
            let content_type = content_type(self.response_headers());
            if is_binary(&essence(&content_type)) {
                return (String::new(), None);
            }
            let body = decode(self.response_headers(), &self.exchange.response_body);
            let text =
                Labelled { bytes: &body.bytes, content_type: &content_type, otherwise: self.options.charset }.text();
            (text.into_owned(), body.damage)
        })
    }

    fn read_url(&self, headers: &HeaderMap, name: &header::HeaderName) -> Option<Url> {
        let bytes = headers.get(name)?.as_bytes();
        let request = &self.exchange.request;
        let resolve =
            |text: &str| Url::resolve(text, &request.host(), request.path(), request.secure, self.options.charset);
        Some(match std::str::from_utf8(bytes) {
            Ok(text) => resolve(text),
            // Raw bytes of the shop's own charset: escaped, they are read as such.
            Err(_) => resolve(&percent_encoding::percent_encode(bytes, percent_encoding::CONTROLS).to_string()),
        })
    }
}

/// `Content-Type` as sent; bytes beyond ASCII, which no label has, are replaced.
pub(super) fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).map(http::HeaderValue::as_bytes);
    String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
}

/// Type and subtype in lower case, without parameters.
pub(super) fn essence(content_type: &str) -> String {
    content_type.split([';', ',']).next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn is_binary(essence: &str) -> bool {
    let kind = essence.split('/').next().unwrap_or_default();
    (matches!(kind, "image" | "audio" | "video" | "font") && !essence.ends_with("xml"))
        || matches!(essence, "application/pdf" | "application/zip")
}
