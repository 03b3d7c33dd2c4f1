//! One exchange boiled down to what proposals are made from.

use std::collections::BTreeSet;

use http::{Method, header};
use serde_json::Value;

use crate::exchange::{Damage, End, Exchange, ReadOptions, Reading, Url, decode_segment};

use super::page::{self, Page};

/// Values of cookies shorter than this tie no exchanges together (rule language, item 15).
const SESSION_VALUE: usize = 8;

/// What a request's body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// No fields at all.
    None,
    /// A form, urlencoded or multipart.
    Form,
    /// JSON.
    Json,
}

/// What the shop answered.
#[derive(Debug)]
pub(super) enum Answer {
    /// Nothing.
    Empty,
    /// JSON, whatever its label.
    Json(Value),
    /// Anything else, as a rule a page.
    Page,
}

/// Where a redirect leads.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// Its path, segment by segment.
    pub(super) segments: Vec<String>,
    /// Its query in order.
    pub(super) query: Vec<(String, String)>,
}

/// An exchange as far as proposals need it.
#[derive(Debug)]
pub(super) struct Sample {
    /// 0-based line in the recording.
    pub(super) seq: usize,
    pub(super) method: Method,
    pub(super) segments: Vec<String>,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: Body,
    pub(super) form: Vec<(String, String)>,
    pub(super) json: Option<Value>,
    /// `X-HTTP-Method-Override`, in upper case.
    pub(super) instead: Option<String>,
    pub(super) status: u16,
    pub(super) target: Option<Target>,
    pub(super) answer: Answer,
    /// Whether the answer carries Django's `messages` cookie.
    pub(super) flash: bool,
    /// Cookie values that tie exchanges of one visitor together.
    pub(super) session: BTreeSet<String>,
    /// Classes of message boxes on an answered page.
    pub(super) boxes: BTreeSet<String>,
    /// What stands on an answered page.
    pub(super) page: Option<Page>,
}

impl Sample {
    /// Boils an exchange down; `None` for what no proposal can rest on: no answer, static files, damaged bodies.
    pub(super) fn of(seq: usize, exchange: Exchange, options: ReadOptions) -> Option<Self> {
        let reading = Reading::new(exchange, options);
        let exchange = reading.exchange();
        let response = exchange.response.as_ref().filter(|_| exchange.end == End::Complete)?;
        let (method, status) = (exchange.request.method.clone(), response.status.as_u16());
        if matches!(method, Method::HEAD | Method::OPTIONS | Method::TRACE | Method::CONNECT) || is_static(&reading) {
            return None;
        }
        let form = reading.form().ok();
        let json = reading.json().ok().cloned();
        if form.is_some_and(|form| form.damage().is_some()) || incomplete(&reading) {
            return None;
        }
        let body = match (&form, &json) {
            (Some(_), _) => Body::Form,
            (None, Some(_)) => Body::Json,
            (None, None) => Body::None,
        };
        let answer = match (reading.response_json().ok(), reading.response_text().ok()) {
            (Some(json), _) => Answer::Json(json.clone()),
            (None, Some(text)) if !text.trim().is_empty() => Answer::Page,
            _ => Answer::Empty,
        };
        let page = match (&answer, reading.response_text().ok()) {
            (Answer::Page, Some(text)) if status == 200 && method == Method::GET => Page::of(text),
            _ => None,
        };
        let boxes = match (&answer, reading.response_text().ok()) {
            (Answer::Page, Some(text)) if status == 200 && method != Method::GET => page::boxes(text),
            _ => BTreeSet::new(),
        };
        let instead = reading.headers().get("x-http-method-override").and_then(|value| value.to_str().ok());
        Some(Self {
            seq,
            segments: segments(exchange.request.path(), options),
            query: reading.query().pairs().to_vec(),
            body,
            form: form.map(|form| form.pairs().to_vec()).unwrap_or_default(),
            json,
            instead: instead.map(str::to_ascii_uppercase).filter(|name| name.bytes().all(|b| b.is_ascii_uppercase())),
            status,
            target: reading.location().map(|url| Target::of(url, options)),
            answer,
            flash: reading.response_cookies().iter().any(|(name, value)| name == "messages" && !value.is_empty()),
            session: session(&reading),
            boxes,
            page,
            method,
        })
    }

    /// Whether both belong to one visitor.
    pub(super) fn same_visitor(&self, other: &Self) -> bool {
        !self.session.is_disjoint(&other.session)
    }
}

impl Target {
    fn of(url: &Url, options: ReadOptions) -> Self {
        Self { segments: segments(&url.path, options), query: url.query.pairs().to_vec() }
    }

    /// The first value of a query field.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        field(&self.query, name)
    }
}

/// The last value of a name, as PHP reads it.
pub(super) fn field<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().rev().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
}

fn segments(path: &str, options: ReadOptions) -> Vec<String> {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.split('/').map(|raw| decode_segment(raw, options.charset)).collect()
}

fn session(reading: &Reading) -> BTreeSet<String> {
    let cookies = reading.cookies().iter().chain(reading.response_cookies());
    cookies.filter(|(_, value)| value.len() >= SESSION_VALUE).map(|(name, value)| format!("{name}={value}")).collect()
}

/// A body that is not whole: nothing may be concluded from what is missing in it.
fn incomplete(reading: &Reading) -> bool {
    let damage = reading.exchange().request_body.damage;
    damage.is_some_and(|damage| damage != Damage::Unread)
}

fn is_static(reading: &Reading) -> bool {
    const ENDINGS: &[&str] = &[
        ".css", ".js", ".mjs", ".map", ".png", ".jpg", ".jpeg", ".gif", ".svg", ".ico", ".webp", ".avif", ".woff",
        ".woff2", ".ttf", ".eot", ".otf", ".mp4", ".webm", ".pdf", ".txt",
    ];
    let path = reading.exchange().request.path().to_ascii_lowercase();
    if ENDINGS.iter().any(|ending| path.ends_with(ending)) {
        return true;
    }
    let kind = reading.response_headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.unwrap_or_default().to_ascii_lowercase();
    ["image/", "font/", "audio/", "video/", "text/css"].iter().any(|start| kind.starts_with(start))
        || kind.contains("javascript")
}
