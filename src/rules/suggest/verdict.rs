//! What one answer says: done, refused, or nothing plain.

use serde_json::Value;

use super::sample::{Answer, Sample, Target};
use super::selector::selects;
use super::words::{Meaning, Verb, meaning, words};

/// What an answer says of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    /// A redirect to where one goes on.
    Redirected,
    /// JSON that says it went well.
    SaysDone,
    /// JSON that says neither.
    Data,
    /// Nothing but a good status.
    Silent,
    /// A page: the form again, or a list.
    Page,
    /// An error status, JSON that says so, or the way to the login.
    Refused,
}

/// Fields by which redirects tell of a failure.
const BAD_FIELDS: &[&str] = &["error", "errors", "reauth", "denied", "failed"];

/// Words of addresses nobody is sent to after success.
const BAD_WORDS: &[&str] = &["denied", "error", "timeout", "forbidden", "failure"];

/// Judges one answer; `routers` are the query fields that say which page of the shop is meant, and `login` says that the request itself is a login or logout, for which the way to a login page is no
/// refusal by itself.
pub(super) fn verdict(sample: &Sample, login: bool, routers: &[String]) -> Verdict {
    match (&sample.target, &sample.answer) {
        _ if sample.status >= 400 => Verdict::Refused,
        (Some(target), _) if (300..400).contains(&sample.status) => {
            if is_bad(target, login, routers) {
                Verdict::Refused
            } else {
                Verdict::Redirected
            }
        }
        (_, Answer::Json(json)) => match outcome(json) {
            Some(true) => Verdict::SaysDone,
            Some(false) => Verdict::Refused,
            None => Verdict::Data,
        },
        (_, Answer::Empty) => Verdict::Silent,
        (_, Answer::Page) => Verdict::Page,
    }
}

/// Whether a redirect leads to where the request was sent.
pub(super) fn back_to_itself(sample: &Sample) -> bool {
    let same = |target: &Target| target.segments == sample.segments && target.query == sample.query;
    sample.target.as_ref().is_some_and(same)
}

/// Whether a redirect leads to where people are thanked or told of success.
pub(super) fn thanks(target: &Target, routers: &[String]) -> bool {
    const SIGNS: &[&str] = &["thank", "thanks", "received", "success", "complete", "completed"];
    is_page(target, routers, |word| SIGNS.contains(&word))
}

/// Whether the page that the visitor was sent to is named by such a word.
pub(super) fn is_page(target: &Target, routers: &[String], such: impl Fn(&str) -> bool) -> bool {
    target.segments.iter().chain(pages(target, routers)).flat_map(|text| words(text)).any(|word| such(&word))
}

/// Values of the query fields that say which page is meant.
fn pages<'t>(target: &'t Target, routers: &'t [String]) -> impl Iterator<Item = &'t String> {
    let names = |name: &String| selects(name) || routers.contains(name);
    target.query.iter().filter(move |(name, _)| names(name)).map(|(_, value)| value)
}

fn is_bad(target: &Target, login: bool, routers: &[String]) -> bool {
    if target.query.iter().any(|(name, _)| BAD_FIELDS.contains(&name.as_str())) {
        return true;
    }
    target.segments.iter().chain(pages(target, routers)).flat_map(|text| words(text)).any(|word| {
        let to_login = !login && meaning(&word) == Meaning::Verb(Verb::Login);
        to_login || BAD_WORDS.contains(&word.as_str())
    })
}

/// Whether JSON says by itself that it went well, or that it did not.
fn outcome(json: &Value) -> Option<bool> {
    let table = json.as_object()?;
    let bad =
        ["error", "errors", "error_message", "errorCode"].iter().any(|name| table.get(*name).is_some_and(is_filled));
    if bad {
        return Some(false);
    }
    for name in ["success", "ok", "result", "status"] {
        match table.get(name) {
            Some(Value::Bool(flag)) => return Some(*flag),
            Some(Value::String(text)) => match word(text) {
                Some(done) => return Some(done),
                // A banner under `success` is a success.
                None if name == "success" && !text.is_empty() => return Some(true),
                None => {}
            },
            _ => {}
        }
    }
    None
}

/// What words for an outcome say.
pub(super) fn word(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "success" | "ok" | "true" => Some(true),
        "failure" | "failed" | "fail" | "error" | "false" => Some(false),
        _ => None,
    }
}

/// Whether a value is more than nothing (rule language, item 5).
pub(super) fn is_filled(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_says_how_it_went() {
        for (json, expected) in [
            (json!({"success": "You added it"}), Some(true)),
            (json!({"success": true, "error": []}), Some(true)),
            (json!({"error": {"a": "b"}}), Some(false)),
            (json!({"success": false}), Some(false)),
            (json!({"result": "failure"}), Some(false)),
            (json!({"status": "publish", "id": 1}), None),
            (json!([]), None),
            (json!({"redirect": "x"}), None),
        ] {
            assert_eq!(outcome(&json), expected, "{json}");
        }
    }
}
