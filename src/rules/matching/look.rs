//! What a condition looks at, found in an exchange.

use std::borrow::Cow;

use http::HeaderMap;
use serde_json::Value;

use crate::exchange::{Damage, FieldPath, Fields, Part, Reading, Url};
use crate::model::glob;

use super::super::path::{self, Captures};
use super::super::rule::{Condition, EventRule, FieldPart, PathTemplate, Subject, UrlPart};
use super::extract::Outcome;
use super::flash::Flashed;
use super::sight::Scene;

/// How much of an exchange is there to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Stage {
    /// The request's head.
    Request,
    /// The response's head too.
    Head,
    /// All of it.
    Whole,
}

/// What was found.
#[derive(Debug)]
pub(super) enum Look<'a> {
    /// It has not come yet.
    NotYet,
    /// There is no body of the kind the condition is about.
    WrongKind,
    /// The body cannot be read.
    Damaged(Damage),
    /// Whether a path fits its template.
    Path(bool),
    /// The status.
    Status(u16),
    /// The messages on the session's next page may tell it.
    NextPage,
    /// Flash messages.
    Flash(&'a Flashed),
    /// Values that are text: none, one or several.
    Texts(Vec<Cow<'a, str>>),
    /// A value in a tree of fields or JSON.
    Tree {
        /// The value, if it is there.
        value: Option<Cow<'a, Value>>,
        /// It is the list of all values of a name.
        list: bool,
        /// Fields may be missing.
        damage: Option<Damage>,
    },
}

impl Subject {
    /// From when on it can be looked at.
    pub(in super::super) fn stage(&self) -> Stage {
        match self {
            Self::Host | Self::Query(_) | Self::Header(_) | Self::Cookie(_) | Self::Referer(_) => Stage::Request,
            Self::Location(_) | Self::ResponseHeader(_) | Self::Status | Self::Flash => Stage::Head,
            // Whether a cookie is deleted depends on the time, which a head alone does not tell.
            Self::ResponseCookie(_)
            | Self::Form(_)
            | Self::Json(_)
            | Self::ResponseBody
            | Self::ResponseJson(_)
            | Self::Graphql(..)
            | Self::Find(_)
            | Self::Session(_) => Stage::Whole,
        }
    }
}

/// Looks at `subject`. The scene's rule gives the templates whose captures `location.params` and `referer.params` mean.
pub(super) fn look<'a>(subject: &Subject, scene: Scene<'a>) -> Look<'a> {
    let Scene { sight, stage, rule, .. } = scene;
    let reading = sight.reading;
    if subject.stage() > stage {
        return Look::NotYet;
    }
    match subject {
        Subject::Host => Look::Texts(vec![Cow::Owned(reading.exchange().request.host())]),
        Subject::Query(path) => fields(reading.query(), path),
        Subject::Form(path) => match reading.form() {
            Part::Is(form) => fields(form, path),
            Part::NotThis => Look::WrongKind,
            Part::Damaged(damage) => Look::Damaged(damage),
        },
        Subject::Json(path) => json(reading.json(), path),
        Subject::Header(name) => headers(reading.headers(), name),
        Subject::Cookie(name) => pairs(reading.cookies(), name),
        Subject::Referer(part) => url(reading.referer(), part, reading, || captures(rule, reading, Root::Referer)),
        Subject::Location(part) => url(reading.location(), part, reading, || captures(rule, reading, Root::Location)),
        Subject::ResponseHeader(name) => headers(reading.response_headers(), name),
        Subject::ResponseCookie(name) => pairs(reading.response_cookies(), name),
        Subject::ResponseBody => match reading.response_text() {
            Part::Is(text) => Look::Texts(vec![Cow::Borrowed(text)]),
            Part::Damaged(damage) => Look::Damaged(damage),
            Part::NotThis if reading.exchange().response_body.total == 0 => Look::Texts(Vec::new()),
            Part::NotThis => Look::WrongKind,
        },
        Subject::ResponseJson(path) => json(reading.response_json(), path),
        Subject::Session(path) => scene.memory.map_or(Look::NotYet, |memory| tree(memory, path)),
        Subject::Status => match &reading.exchange().response {
            Some(response) => Look::Status(response.status.as_u16()),
            None => Look::WrongKind,
        },
        Subject::Flash => Look::Flash(sight.flashed()),
        Subject::Graphql(part, path) => match scene.field {
            Some(field) => {
                let part = if *part == FieldPart::Args { "args" } else { "data" };
                tree(field.get(part).unwrap_or(&Value::Null), path)
            }
            None => Look::WrongKind,
        },
        Subject::Find(path) => found(scene, path),
    }
}

fn found<'a>(scene: Scene<'a>, path: &[String]) -> Look<'a> {
    let Some(finds) = scene.finds else { return Look::NotYet };
    let Some((name, below)) = path.split_first() else { return Look::WrongKind };
    match finds.iter().find(|(found, _)| found == name).map(|(_, outcome)| outcome) {
        Some(Outcome::Found(value)) => tree(value, below),
        Some(Outcome::Damaged(damage)) => Look::Damaged(*damage),
        Some(Outcome::NextPage(_)) => Look::NextPage,
        Some(Outcome::Nothing | Outcome::NoSource) | None => Look::Tree { value: None, list: false, damage: None },
    }
}

fn fields<'a>(fields: &'a Fields, path: &FieldPath) -> Look<'a> {
    let whole = path.parts.is_empty();
    let value = if whole { Some(Cow::Borrowed(fields.tree())) } else { fields.get(path) };
    Look::Tree { value, list: path.list, damage: fields.damage() }
}

fn json<'a>(body: Part<&'a Value>, path: &[String]) -> Look<'a> {
    match body {
        Part::Is(root) => tree(root, path),
        Part::NotThis => Look::WrongKind,
        Part::Damaged(damage) => Look::Damaged(damage),
    }
}

fn tree<'a>(root: &'a Value, path: &[String]) -> Look<'a> {
    Look::Tree { value: below(root, path).map(Cow::Borrowed), list: false, damage: None }
}

/// What stands at a path of JSON.
pub(super) fn below<'a>(root: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(root, |value, key| match value {
        Value::Object(entries) => entries.get(key),
        Value::Array(items) => items.get(key.parse::<usize>().ok()?),
        _ => None,
    })
}

fn headers<'a>(headers: &'a HeaderMap, name: &str) -> Look<'a> {
    let text = |value: &'a http::HeaderValue| String::from_utf8_lossy(value.as_bytes());
    if !name.contains('*') {
        return Look::Texts(headers.get_all(name).iter().map(text).collect());
    }
    let fits = headers.iter().filter(|(found, _)| glob(name, found.as_str()));
    Look::Texts(fits.map(|(_, value)| text(value)).collect())
}

fn pairs<'a>(pairs: &'a [(String, String)], name: &str) -> Look<'a> {
    let fits = pairs.iter().filter(|(found, _)| glob(name, found));
    Look::Texts(fits.map(|(_, value)| Cow::Borrowed(value.as_str())).collect())
}

fn url<'a>(
    url: Option<&'a Url>,
    part: &UrlPart,
    reading: &Reading,
    captures: impl FnOnce() -> Option<Captures>,
) -> Look<'a> {
    let text = |of: fn(&'a Url) -> &'a str| Look::Texts(url.map(|url| Cow::Borrowed(of(url))).into_iter().collect());
    match part {
        UrlPart::Whole => text(|url| &url.url),
        UrlPart::Host => text(|url| &url.host),
        UrlPart::Path => text(|url| &url.path),
        UrlPart::Template(templates) => Look::Path(url.and_then(|url| first_fit(templates, url, reading)).is_some()),
        UrlPart::Query(path) => match url {
            Some(url) => fields(&url.query, path),
            None => Look::Tree { value: None, list: path.list, damage: None },
        },
        UrlPart::Param(name) => {
            let found = captures().unwrap_or_default().into_iter().find(|(key, _)| key == name);
            Look::Texts(found.map(|(_, value)| Cow::Owned(value)).into_iter().collect())
        }
    }
}

fn first_fit(templates: &[PathTemplate], url: &Url, reading: &Reading) -> Option<Captures> {
    let segments = path::segments(&url.path, reading.options().charset);
    templates.iter().find_map(|template| template.captures(&segments))
}

/// Whose templates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Root {
    Location,
    Referer,
}

/// What the rule's path templates for `location` or `referer` capture: its own conditions first, then the tables of
/// `any` in order; the first that fits.
pub(super) fn captures(rule: Option<&EventRule>, reading: &Reading, root: Root) -> Option<Captures> {
    let rule = rule?;
    let url = match root {
        Root::Location => reading.location(),
        Root::Referer => reading.referer(),
    }?;
    let templates = |condition: &Condition| match (&condition.subject, root) {
        (Subject::Location(UrlPart::Template(templates)), Root::Location)
        | (Subject::Referer(UrlPart::Template(templates)), Root::Referer) => first_fit(templates, url, reading),
        _ => None,
    };
    rule.conditions.iter().chain(rule.any.iter().flatten().flatten()).find_map(templates)
}
