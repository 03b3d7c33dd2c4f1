//! `from` of a find: where it looks.

use crate::diagnostic::nearest;
use crate::exchange::FieldPath;

use super::super::rule::{Source, Subject, UrlPart};
use super::loader::{Loader, one_of};
use super::report::At;
use super::tree::Node;
use super::values;

/// Words and roots a source begins with.
const ROOTS: [&str; 10] =
    ["body", "request", "location", "flash", "form", "query", "json", "response", "headers", "cookies"];

/// A source or a list of them.
pub(super) fn sources(loader: &mut Loader, node: &Node) -> Vec<Source> {
    if node.is_empty_list() {
        loader.report.error(node.at, "`from` is an empty list", "leave it out to look in the body".to_owned());
    }
    let texts = loader.texts("from", node);
    texts.into_iter().filter_map(|(text, node)| source(loader, &text, node)).collect()
}

fn source(loader: &mut Loader, text: &str, node: &Node) -> Option<Source> {
    match text {
        "body" | "response.body" => return Some(Source::Body),
        "request" => return Some(Source::Request),
        "location" => return Some(Source::Location),
        "flash" => {
            if !loader.has_flash {
                tell_no_flash(loader, node.at);
            }
            return Some(Source::Flash);
        }
        _ => {}
    }
    let Some(parts) = values::split(text) else {
        let hint = "write a root and the keys below it: \"form.post_data\", \"response.json.messages\"".to_owned();
        loader.report.error(node.at, format!("`{text}` is no field path"), hint);
        return None;
    };
    match field(&parts) {
        Ok(source) => Some(source),
        Err(hint) => {
            loader.report.error(node.at, format!("nothing can be looked for in `{text}`"), hint);
            None
        }
    }
}

/// The field a path names, or what to write.
fn field(parts: &[String]) -> Result<Source, String> {
    let whole = || FieldPath { parts: Vec::new(), list: false };
    let (root, below) = parts.split_first().map_or(("", parts), |(root, below)| (root.as_str(), below));
    let named = |subject: fn(String) -> Subject, what: &str, below: &[String]| match below.split_first() {
        Some((name, below)) => Ok((subject(name.clone()), below.to_vec())),
        None => Err(format!("name one of them: \"{what}.NAME\"")),
    };
    let (root, below) = match (root, below) {
        ("form", below) => (Subject::Form(whole()), below.to_vec()),
        ("query", below) => (Subject::Query(whole()), below.to_vec()),
        ("json", below) => (Subject::Json(Vec::new()), below.to_vec()),
        ("headers", below) => named(|name| Subject::Header(name.to_ascii_lowercase()), root, below)?,
        ("cookies", below) => named(Subject::Cookie, root, below)?,
        ("response", [part, below @ ..]) => match part.as_str() {
            "json" => (Subject::ResponseJson(Vec::new()), below.to_vec()),
            "headers" => named(|name| Subject::ResponseHeader(name.to_ascii_lowercase()), "response.headers", below)?,
            "cookies" => named(Subject::ResponseCookie, "response.cookies", below)?,
            _ => return Err("`response` has `body`, `json`, `headers` and `cookies`".to_owned()),
        },
        ("response", []) => return Err("name a part: \"response.json\", \"response.headers.NAME\"".to_owned()),
        ("location" | "referer", below) => {
            let (part, below) = url_part(below)?;
            (if root == "location" { Subject::Location(part) } else { Subject::Referer(part) }, below)
        }
        _ => {
            let near = nearest(root, ROOTS).map(|near| format!("did you mean `{near}`?"));
            return Err(
                near.unwrap_or_else(|| format!("a source is {} with keys below it, or `referer`", one_of(&ROOTS)))
            );
        }
    };
    Ok(Source::Field { root, below })
}

fn url_part(below: &[String]) -> Result<(UrlPart, Vec<String>), String> {
    let Some((part, below)) = below.split_first() else { return Ok((UrlPart::Whole, Vec::new())) };
    let part = match part.as_str() {
        "url" => UrlPart::Whole,
        "host" => UrlPart::Host,
        "path" => UrlPart::Path,
        "query" => UrlPart::Query(FieldPath { parts: Vec::new(), list: false }),
        _ => return Err("it has `url`, `host`, `path` and `query`".to_owned()),
    };
    Ok((part, below.to_vec()))
}

/// A rule that speaks of messages where nothing says what carries them.
pub(super) fn tell_no_flash(loader: &mut Loader, at: At) {
    if loader.report.any_broken() {
        return;
    }
    let hint =
        "write a table [flash] with `cookie = \"messages\"`, or with `page.success = \".alert-success\"`".to_owned();
    loader.report.error(at, "no [flash] says where this shop's messages are", hint);
}
