//! Why a rule did not match, for people.

use std::borrow::Cow;

use crate::exchange::{End, Reading};

use super::super::path::segments;
use super::super::rule::{Condition, EventRule, GraphqlOk, Ruleset, Subject};
use super::decide::{Cause, captures};
use super::extract::Outcome;
use super::fit::Why;
use super::flash::Flashed;
use super::graphql::Operations;
use super::look::{Look, Stage, look};
use super::sight::{Scene, Sight};
use super::whole::{Standing, stand};

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

/// Of what a cookie does not carry.
const NEXT_PAGE: &str = "the session's next page shows it";

impl Ruleset {
    /// Why rule `number` does not match; `None` if its path, status and conditions hold (`when` is not asked here).
    pub fn failure(&self, number: usize, reading: &Reading) -> Option<Failure> {
        let rule = self.events.get(number)?;
        let request = &reading.exchange().request;
        let path = segments(request.path(), reading.options().charset);
        if captures(rule, &request.method, &path).is_none() {
            let found = format!("{} {}", request.method, request.path());
            return Some(Failure { wanted: on_text(rule), found: cut(&found) });
        }
        let sight = Sight::new(reading, self.flash.as_ref());
        let mut first = None;
        for standing in stand(rule, &sight) {
            match standing {
                Standing::Fits(_) => return None,
                Standing::Waits(found) => {
                    let wanted = rule.conditions.iter().find(|condition| condition.subject == Subject::Flash);
                    let wanted = wanted.map(|condition| condition.text.clone());
                    let find = rule.finds.iter().find(|find| found.page.finds.contains(&find.name));
                    let wanted = wanted.or_else(|| find.map(|find| find.text.clone())).unwrap_or_default();
                    let found = "no cookie came: it waits for the session's next page".to_owned();
                    first = first.or(Some(Failure { wanted, found }));
                }
                Standing::Not((_, Some(cause)), field) => {
                    let scene = Scene { field: field.as_deref(), ..sight.scene_of(Stage::Whole, rule) };
                    first = first.or_else(|| Some(tell(rule, cause, scene)));
                }
                Standing::Not((_, None), _) => {}
            }
        }
        first
    }
}

/// The methods and paths of a rule.
pub(super) fn on_text(rule: &EventRule) -> String {
    let on = |on: &super::super::rule::On| {
        let methods: Vec<&str> = on.methods.iter().map(http::Method::as_str).collect();
        format!("{} {}", methods.join("|"), on.path.text)
    };
    let wanted: Vec<String> = rule.on.iter().map(on).collect();
    format!("on = {}", wanted.join(", "))
}

/// A condition in words, with what was found.
pub(super) fn tell(rule: &EventRule, cause: Cause<'_>, scene: Scene<'_>) -> Failure {
    let sight = scene.sight;
    let exchange = sight.reading.exchange();
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
            let range = |(from, to): &(u16, u16)| match (from, to) {
                _ if from == to => from.to_string(),
                (class, end) if class % 100 == 0 && end - class == 99 => format!("{}xx", class / 100),
                _ => format!("{from}-{to}"),
            };
            let ranges: Vec<String> = rule.status.ranges.iter().map(range).collect();
            let status = exchange.response.as_ref().map_or("no answer".to_owned(), |r| r.status.as_u16().to_string());
            (format!("status = {}", ranges.join(", ")), status)
        }
        Cause::Condition(condition) => (condition.text.clone(), found(&look(&condition.subject, scene))),
        Cause::Any(at) => {
            let tables = rule.any.get(at).map(Vec::as_slice).unwrap_or_default();
            let shown: Vec<String> = tables.iter().map(|table| braces(table)).collect();
            (format!("any = [{}]", shown.join(", ")), "none of them holds".to_owned())
        }
        Cause::None(at) => {
            let table = rule.none.get(at).map(Vec::as_slice).unwrap_or_default();
            (format!("none = [{}]", braces(table)), "it holds".to_owned())
        }
        Cause::Graphql(graphql) => (graphql.to_string(), fields(sight)),
        Cause::GraphqlOk(ok) => {
            let found = if ok == GraphqlOk::Yes { "it failed" } else { "it went well" };
            let wanted = match ok {
                GraphqlOk::Yes => "true",
                GraphqlOk::No => "false",
                GraphqlOk::Any => "\"any\"",
            };
            (format!("graphql.ok = {wanted}"), found.to_owned())
        }
        Cause::Find(find) => (find.text.clone(), gave(&sight.find(&find.extract))),
    };
    Failure { wanted: cut(&wanted), found: cut(&found) }
}

fn braces(table: &[Condition]) -> String {
    let conditions: Vec<&str> = table.iter().map(|condition| condition.text.as_str()).collect();
    format!("{{ {} }}", conditions.join(", "))
}

/// What a find gave.
fn gave(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Found(value) => value.to_string(),
        Outcome::Nothing => "nothing is found".to_owned(),
        Outcome::NoSource => "there is no body of this kind".to_owned(),
        Outcome::Damaged(damage) => format!("the body is {}", damage.as_str()),
        Outcome::NextPage(_) => NEXT_PAGE.to_owned(),
    }
}

/// The root fields of the exchange.
fn fields(sight: &Sight<'_>) -> String {
    match sight.operations() {
        Operations::Are(runs) => {
            let runs: Vec<String> = runs.iter().map(ToString::to_string).collect();
            if runs.is_empty() { "no root field was executed".to_owned() } else { runs.join(", ") }
        }
        Operations::None => "this is no GraphQL".to_owned(),
        Operations::Damaged(damage) => format!("the request is {}", damage.as_str()),
    }
}

/// What was found, in words or as JSON.
fn found(look: &Look<'_>) -> String {
    match look {
        Look::NotYet => "it has not come yet".to_owned(),
        Look::NextPage => NEXT_PAGE.to_owned(),
        Look::WrongKind => "there is no body of this kind".to_owned(),
        Look::Damaged(damage) => format!("the body is {}", damage.as_str()),
        Look::Flash(Flashed { messages, open }) => {
            let shown = messages.iter().map(|message| format!("{}: {:?}", message.level, cut(&message.text)));
            let rest = match open {
                None if messages.is_empty() => Some("no messages".to_owned()),
                None => None,
                Some(Why::Damaged(damage)) => Some(format!("the cookie is {}", damage.as_str())),
                Some(Why::NextPage | Why::NotYet) => {
                    Some("no cookie came: the session's next page shows it".to_owned())
                }
            };
            shown.chain(rest).collect::<Vec<_>>().join(", ")
        }
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
        Some(Cause::Find(find)) => Cow::Owned(format!("`{}`", find.text)),
        Some(Cause::Graphql(_)) => Cow::Borrowed("`graphql`"),
        Some(Cause::GraphqlOk(_)) => Cow::Borrowed("`graphql.ok`"),
        Some(Cause::Status | Cause::End) | None => Cow::Borrowed("a condition"),
    };
    match why {
        Why::Damaged(damage) => {
            let flash = |condition: &Condition| condition.subject == Subject::Flash;
            let cookie = matches!(cause, Some(Cause::Condition(condition)) if flash(condition));
            let part = if cookie { "cookie" } else { "body" };
            format!("{what} cannot be decided, so the rule did not match: the {part} is {}", damage.as_str())
        }
        Why::NotYet => format!("{what} cannot be decided yet"),
        Why::NextPage => {
            format!("{what} cannot be decided, so the rule did not match: no cookie came with its messages")
        }
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
