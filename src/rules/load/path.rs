//! `on` and path templates: `"GET|POST /{$admin}/product/{id:int}/**"`.

use http::Method;

use crate::diagnostic::nearest;

use super::super::path::decode;
use super::super::rule::{On, PathTemplate, Segment};
use super::loader::Loader;
use super::tree::Node;

/// Methods that are told apart from typing errors; others may be written too, in upper case.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];

const ON_HINT: &str = "write methods, a space and a path: \"POST /admin/index.php\", \"GET|POST /shop/{id:int}/**\"";

/// `on`: a string or a list of `"METHOD[|METHOD] PATH"`.
pub(super) fn on(loader: &mut Loader, node: &Node) -> Vec<On> {
    let texts = loader.texts("on", node);
    if texts.is_empty() && node.is_empty_list() {
        loader.report.error(node.at, "`on` is an empty list", ON_HINT.to_owned());
    }
    texts.into_iter().filter_map(|(text, node)| one(loader, &text, node)).collect()
}

fn one(loader: &mut Loader, text: &str, node: &Node) -> Option<On> {
    let Some((methods, path)) = text.split_once(char::is_whitespace) else {
        let hint =
            if text.starts_with('/') { format!("name the methods first: \"POST {text}\"") } else { ON_HINT.into() };
        loader.report.error(node.at, format!("`{text}` names no method and path"), hint);
        return None;
    };
    let offset = text.len() - path.trim_start().len();
    let path = path.trim();
    let methods = parse_methods(loader, methods, node);
    let template = template(loader, path, offset, node);
    Some(On { methods: methods?, path: template? })
}

fn parse_methods(loader: &mut Loader, text: &str, node: &Node) -> Option<Vec<Method>> {
    let mut methods = Vec::new();
    let mut start = 0;
    for word in text.split('|') {
        let range = start..start + word.len();
        start = range.end + 1;
        let upper = word.to_ascii_uppercase();
        let fault = if METHODS.contains(&word) {
            None
        } else if METHODS.contains(&upper.as_str()) {
            Some(format!("methods are written in upper case: `{upper}`"))
        } else if let Some(near) = nearest(&upper, METHODS) {
            Some(format!("did you mean `{near}`?"))
        } else if !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-') {
            None
        } else {
            Some(ON_HINT.to_owned())
        };
        let method = Method::from_bytes(word.as_bytes());
        match (fault, method) {
            (None, Ok(method)) => methods.push(method),
            (fault, _) => {
                let at = loader.inside(node, range);
                let hint = fault.unwrap_or_else(|| ON_HINT.to_owned());
                loader.report.error(at, format!("`{word}` is no method"), hint);
                return None;
            }
        }
    }
    Some(methods)
}

/// A path template; `text` begins at byte `offset` of the node's value.
pub(super) fn template(loader: &mut Loader, text: &str, offset: usize, node: &Node) -> Option<PathTemplate> {
    let filled = fill(loader, text, offset, node)?;
    let fault = if !filled.starts_with('/') {
        Some(("a path begins with `/`".to_owned(), format!("write `/{filled}`")))
    } else if filled.contains('?') {
        let hint = "conditions on the query are keys of their own: query.route = \"…\"";
        Some(("a path template has no query".to_owned(), hint.to_owned()))
    } else if filled.contains('#') {
        Some(("a path has no fragment".to_owned(), "leave out `#` and what follows".to_owned()))
    } else {
        None
    };
    if let Some((message, hint)) = fault {
        let at = loader.inside(node, offset..offset + text.len());
        loader.report.error(at, message, hint);
        return None;
    }
    let mut segments = Vec::new();
    for part in filled[1..].split('/') {
        match segment(part, &segments) {
            Ok(Segment::Literal(literal)) => {
                segments.push(Segment::Literal(decode(&literal, loader.charset).into_owned()));
            }
            Ok(segment) => segments.push(segment),
            Err((message, hint)) => {
                // The part is looked up in the text as written; one that a variable brought is shown as the whole.
                let range = text.find(part).map_or(0..text.len(), |start| start..start + part.len());
                let at = loader.inside(node, offset + range.start..offset + range.end);
                loader.report.error(at, message, hint);
                return None;
            }
        }
    }
    Some(PathTemplate { text: filled, segments })
}

fn segment(part: &str, before: &[Segment]) -> Result<Segment, (String, String)> {
    if part == "**" {
        return Ok(Segment::Rest);
    }
    if part.contains('*') {
        let hint = "write `{name}` for one segment, `/**` for any number of segments".to_owned();
        return Err((format!("`{part}` is no segment of a path template"), hint));
    }
    if !part.contains(['{', '}']) {
        return Ok(Segment::Literal(part.to_owned()));
    }
    let inner =
        part.strip_prefix('{').and_then(|part| part.strip_suffix('}')).filter(|inner| !inner.contains(['{', '}']));
    let Some(inner) = inner else {
        let hint = "`{name}` stands for a whole segment between two slashes".to_owned();
        return Err((format!("`{part}` mixes text and a capture"), hint));
    };
    let (name, kind) = inner.split_once(':').map_or((inner, None), |(name, kind)| (name, Some(kind)));
    if !is_name(name) {
        let hint = "a capture's name has letters, digits and `_`, and begins with no digit".to_owned();
        return Err((format!("`{name}` is no name for a capture"), hint));
    }
    let taken =
        before.iter().any(|segment| matches!(segment, Segment::Any(taken) | Segment::Int(taken) if taken == name));
    if taken {
        return Err((format!("`{{{name}}}` stands twice in this path"), "give one of them another name".to_owned()));
    }
    match kind {
        None => Ok(Segment::Any(name.to_owned())),
        Some("int") => Ok(Segment::Int(name.to_owned())),
        Some(kind) => {
            Err((format!("unknown kind of capture `{kind}`"), "there is `{name}` and `{name:int}`".to_owned()))
        }
    }
}

/// Whether a text can stand behind a dot in an expression.
pub(super) fn is_name(text: &str) -> bool {
    let begins = text.chars().next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    begins && text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// Whether a text is a path with or without a query, of this server and no other.
pub(super) fn is_target(text: &str) -> bool {
    text.starts_with('/') && !text.starts_with("//") && !text.contains(['#', '\\']) && !text.contains(char::is_control)
}

/// Fills in `{$name}` from the variables.
pub(super) fn fill(loader: &mut Loader, text: &str, offset: usize, node: &Node) -> Option<String> {
    let mut filled = String::new();
    let mut rest = text;
    let mut whole = true;
    while let Some((before, behind)) = rest.split_once("{$") {
        let start = text.len() - behind.len() - 2;
        let Some((name, behind)) = behind.split_once('}') else {
            let at = loader.inside(node, offset + start..offset + text.len());
            loader.report.error(at, "`{$` has no closing brace", "a variable is filled in as `{$name}`".to_owned());
            return None;
        };
        filled.push_str(before);
        let value = loader.vars.get(name).and_then(|value| match value {
            serde_json::Value::String(text) => Some(text.clone()),
            serde_json::Value::Number(number) => Some(number.to_string()),
            _ => None,
        });
        if let Some(value) = value {
            filled.push_str(&value);
        } else {
            whole = false;
            let at = loader.inside(node, offset + start..offset + start + name.len() + 3);
            tell_unfilled(loader, name, at);
        }
        rest = behind;
    }
    filled.push_str(rest);
    whole.then_some(filled)
}

fn tell_unfilled(loader: &mut Loader, name: &str, at: super::report::At) {
    if loader.vars.contains_key(name) {
        let hint = "only a text or a number can be filled in".to_owned();
        return loader.report.error(at, format!("the variable `{name}` is no text"), hint);
    }
    if loader.report.any_broken() {
        return;
    }
    let hint = match nearest(name, loader.vars.keys().map(String::as_str)) {
        Some(near) => format!("did you mean `{{${near}}}`?"),
        None => format!("give it a value: [vars] {name} = \"…\", or [shop.vars] for this shop alone"),
    };
    loader.report.error(at, format!("unknown variable `{name}`"), hint);
}
