//! Why a rule did not match, for people.

use std::borrow::Cow;

use crate::exchange::{End, Reading};

use super::super::path::segments;
use super::super::rule::{Condition, EventRule, Ruleset};
use super::decide::{Cause, captures, decide};
use super::fit::{Truth, Why};
use super::look::{Look, Stage, look};

/// Characters shown of a value that was found.
const SHOWN: usize = 200;

/// The first thing that keeps a rule from matching an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What was wanted, as written: `query.route = "catalog/product/edit"`.
    pub wanted: String,
    /// What was found.
    pub found: String,
}

impl Ruleset {
    /// Why rule `number` does not match; `None` if its path, status and conditions hold (`when` is not asked here).
    pub fn failure(&self, number: usize, reading: &Reading) -> Option<Failure> {
        let rule = self.events.get(number)?;
        let request = &reading.exchange().request;
        let path = segments(request.path(), reading.options().charset);
        if captures(rule, &request.method, &path).is_none() {
            let on = |on: &super::super::rule::On| {
                let methods: Vec<&str> = on.methods.iter().map(http::Method::as_str).collect();
                format!("{} {}", methods.join("|"), on.path.text)
            };
            let wanted: Vec<String> = rule.on.iter().map(on).collect();
            let found = format!("{} {}", request.method, request.path());
            return Some(Failure { wanted: format!("on = {}", wanted.join(", ")), found: cut(&found) });
        }
        match decide(rule, reading, Stage::Whole) {
            // What is remembered of the visitor is not asked here, either.
            (Truth::Holds | Truth::Open(Why::NotYet), _) | (_, None) => None,
            (_, Some(cause)) => Some(tell(rule, cause, reading)),
        }
    }
}

fn tell(rule: &EventRule, cause: Cause<'_>, reading: &Reading) -> Failure {
    let exchange = reading.exchange();
    let (wanted, found) = match cause {
        Cause::End => {
            let found = match exchange.end {
                End::Aborted => "the visitor left before the request was whole",
                End::Failed => "the shop gave no answer, or it broke off",
                End::Complete => "there is no answer",
            };
            ("the shop's whole answer".to_owned(), found.to_owned())
        }
        Cause::Status => {
            let range = |(from, to): &(u16, u16)| if from == to { from.to_string() } else { format!("{from}-{to}") };
            let ranges: Vec<String> = rule.status.ranges.iter().map(range).collect();
            let status = exchange.response.as_ref().map_or("no answer".to_owned(), |r| r.status.as_u16().to_string());
            (format!("status = {}", ranges.join(", ")), status)
        }
        Cause::Condition(condition) => {
            (condition.text.clone(), found(&look(&condition.subject, reading, Stage::Whole, Some(rule))))
        }
        Cause::Any(at) => {
            let tables = rule.any.get(at).map(Vec::as_slice).unwrap_or_default();
            let shown: Vec<String> = tables.iter().map(|table| braces(table)).collect();
            (format!("any = [{}]", shown.join(", ")), "none of them holds".to_owned())
        }
        Cause::None(at) => {
            let table = rule.none.get(at).map(Vec::as_slice).unwrap_or_default();
            (format!("none = [{}]", braces(table)), "it holds".to_owned())
        }
    };
    Failure { wanted: cut(&wanted), found: cut(&found) }
}

fn braces(table: &[Condition]) -> String {
    let conditions: Vec<&str> = table.iter().map(|condition| condition.text.as_str()).collect();
    format!("{{ {} }}", conditions.join(", "))
}

/// What was found, in words or as JSON.
fn found(look: &Look<'_>) -> String {
    match look {
        Look::NotYet => "it has not come yet".to_owned(),
        Look::WrongKind => "there is no body of this kind".to_owned(),
        Look::Damaged(damage) => format!("the body is {}", damage.as_str()),
        Look::Path(fits) => if *fits { "the path fits" } else { "another path, or none" }.to_owned(),
        Look::Status(status) => status.to_string(),
        Look::Texts(texts) if texts.is_empty() => "absent".to_owned(),
        Look::Texts(texts) => {
            let texts: Vec<String> = texts.iter().map(|text| format!("{:?}", cut(text))).collect();
            texts.join(", ")
        }
        Look::Tree { value: None, .. } => "absent".to_owned(),
        Look::Tree { value: Some(value), .. } => value.to_string(),
    }
}

/// Why a rule could not be decided, for a note.
pub(super) fn undecided(why: Why, cause: Option<Cause<'_>>) -> String {
    let what = match cause {
        Some(Cause::Condition(condition)) => Cow::Owned(format!("`{}`", condition.text)),
        Some(Cause::Any(_)) => Cow::Borrowed("`any`"),
        Some(Cause::None(_)) => Cow::Borrowed("`none`"),
        Some(Cause::Status | Cause::End) | None => Cow::Borrowed("a condition"),
    };
    match why {
        Why::Damaged(damage) => {
            format!("{what} cannot be decided, so the rule did not match: the body is {}", damage.as_str())
        }
        Why::NotYet => format!("{what} cannot be decided yet"),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
