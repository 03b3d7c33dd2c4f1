//! By what the answers that did something are told from those that did not.

use std::collections::BTreeSet;

use http::Method;
use serde_json::Value;

use super::group::Group;
use super::sample::{Answer, Sample};
use super::selector::{is_word, selects};
use super::shape::Shape;
use super::text::{key, string};
use super::verdict::{Verdict, is_filled, verdict, word};
use super::words::{Meaning, Verb, says};

/// Fields of a redirect that tell what was done.
const TOLD: &[&str] = &[
    "message",
    "success",
    "trashed",
    "untrashed",
    "deleted",
    "delete_count",
    "updated",
    "update",
    "changed",
    "removed_item",
    "saved",
    "added",
    "created",
];

/// Different goals of redirects that one condition lists.
const MOST_GOALS: usize = 3;

/// The answers of a group, and the conditions that tell them apart.
#[derive(Debug, Default)]
pub(super) struct Judged<'s> {
    pub(super) accepted: Vec<&'s Sample>,
    pub(super) refused: Vec<&'s Sample>,
    /// Lines of the rule.
    pub(super) conditions: Vec<String>,
    /// The template written as `location`, whose captures can be read.
    pub(super) location: Option<Shape>,
    /// What keeps the proposal from being taken as it is.
    pub(super) doubts: Vec<String>,
    /// What speaks against it, but not strongly.
    pub(super) cautions: Vec<String>,
}

/// Judges all answers of a group.
pub(super) fn judge<'s>(group: &Group<'s>, verb: Option<Verb>) -> Judged<'s> {
    let login = matches!(verb, Some(Verb::Login | Verb::Logout));
    let verdicts: Vec<(&Sample, Verdict)> =
        group.samples.iter().map(|sample| (*sample, verdict(sample, login))).collect();
    let has = |wanted: Verdict| verdicts.iter().any(|(_, verdict)| *verdict == wanted);
    let best = [Verdict::Redirected, Verdict::SaysDone, Verdict::Data, Verdict::Silent, Verdict::Page];
    let Some(kind) = best.into_iter().find(|kind| has(*kind)) else {
        let refused = group.samples.clone();
        let doubts = vec!["only refusals were seen".to_owned()];
        return Judged { refused, doubts, ..Judged::default() };
    };
    let (accepted, refused): (Vec<_>, Vec<_>) = verdicts.iter().partition(|(_, verdict)| *verdict == kind);
    let samples = |list: Vec<(&'s Sample, Verdict)>| list.into_iter().map(|(sample, _)| sample).collect::<Vec<_>>();
    let mut judged = Judged { accepted: samples(accepted), refused: samples(refused), ..Judged::default() };
    match kind {
        Verdict::Redirected => judged.redirects(group),
        Verdict::SaysDone => judged.said(),
        Verdict::Data => judged.data(group),
        Verdict::Silent => judged.silent(group),
        Verdict::Page | Verdict::Refused => {
            judged.conditions.push("status = 200".to_owned());
            judged.doubts.push(
                "every answer is a page with status 200, done or refused: compare the pages and tell them apart by a `find` on \
                 a message box, or by `response.body`"
                    .to_owned(),
            );
        }
    }
    if judged.refused.is_empty() && judged.doubts.is_empty() {
        let count = judged.accepted.len();
        judged.cautions.push(match count {
            1 => "seen once: what a refusal looks like is not known".to_owned(),
            _ => format!("all {count} seen answers were alike: what a refusal looks like is not known"),
        });
    }
    judged
}

impl<'s> Judged<'s> {
    fn redirects(&mut self, group: &Group<'s>) {
        self.conditions.push("status = \"3xx\"".to_owned());
        if !self.told() && !self.selected() {
            self.path(group);
        }
        let page = self.refused.iter().any(|sample| verdict(sample, false) == Verdict::Page);
        if self.accepted.iter().any(|sample| sample.flash) && !page {
            self.doubts.push(
                "these answers carry Django's `messages` cookie, and no refusal by another status was seen: a refusal may have \
                 this status and Location too; set [flash] and add flash = \"success\""
                    .to_owned(),
            );
        }
    }

    /// A field of the redirect that says what was done: `message=6`, `trashed=1`.
    fn told(&mut self) -> bool {
        let has = |sample: &&Sample, name: &str| {
            sample
                .target
                .as_ref()
                .and_then(|target| target.field(name))
                .is_some_and(|value| !value.is_empty() && value != "0")
        };
        for name in TOLD {
            let with = self.accepted.iter().filter(|sample| has(sample, name)).count();
            // Where most say it, those that do not did nothing: a bulk action without a tick.
            if with == 0 || with * 2 < self.accepted.len() {
                continue;
            }
            let (accepted, silent): (Vec<_>, Vec<_>) = self.accepted.iter().partition(|sample| has(sample, name));
            if !silent.is_empty() {
                self.cautions
                    .push(format!("{} without `{name}` in the Location: taken as done nothing", lines(&silent)));
            }
            self.refused.extend(silent);
            self.accepted = accepted;
            self.conditions.push(format!("location.query.{} = true", key(name)));
            return true;
        }
        false
    }

    /// A front controller's redirect: `route=catalog/product`.
    fn selected(&mut self) -> bool {
        let Some(first) = self.accepted.first().and_then(|sample| sample.target.as_ref()) else { return false };
        let names = first.query.iter().map(|(name, _)| name).filter(|name| selects(name));
        for name in names {
            let of = |sample: &&Sample| {
                sample.target.as_ref()?.field(name).filter(|value| is_word(value)).map(str::to_owned)
            };
            let Some(values) = self.accepted.iter().map(of).collect::<Option<BTreeSet<String>>>() else { continue };
            if values.len() > MOST_GOALS {
                continue;
            }
            let values: Vec<String> = values.iter().map(|value| string(value)).collect();
            let value = if let [one] = values.as_slice() { one.clone() } else { format!("[{}]", values.join(", ")) };
            self.conditions.push(format!("location.query.{} = {value}", key(name)));
            return true;
        }
        false
    }

    /// The path that all lead to, if it is the shop's own; else anywhere but to the login.
    fn path(&mut self, group: &Group<'s>) {
        let shape = |sample: &&Sample| Some(Shape::of(&sample.target.as_ref()?.segments));
        let shapes: BTreeSet<Shape> = self.accepted.iter().filter_map(shape).collect();
        let root = |shape: &Shape| shape.template() == "/";
        if shapes.len() <= MOST_GOALS && shapes.iter().all(|shape| shape.is_plain(&group.shape) && !root(shape)) {
            let templates: Vec<String> = shapes.iter().map(|shape| string(&shape.template())).collect();
            let value =
                if let [one] = templates.as_slice() { one.clone() } else { format!("[{}]", templates.join(", ")) };
            self.conditions.push(format!("location = {value}"));
            self.location = shapes.into_iter().next().filter(|_| templates.len() == 1);
        } else {
            self.cautions
                .push("the redirects lead to different places: any but a login page counts as done".to_owned());
            self.conditions.push("none = [{ location.path = { regex = '(?i)log-?in|sign-?in' } }]".to_owned());
        }
    }

    /// JSON that says so itself.
    fn said(&mut self) {
        let value = |sample: &&Sample, name: &str| match &sample.answer {
            Answer::Json(json) => json.get(name).filter(|value| is_filled(value)).cloned(),
            _ => None,
        };
        for name in ["success", "ok", "result", "status"] {
            let Some(values) = self.accepted.iter().map(|sample| value(sample, name)).collect::<Option<Vec<_>>>()
            else {
                continue;
            };
            let texts: BTreeSet<String> = values.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            let same = texts.first().filter(|text| texts.len() == 1 && word(text) == Some(true));
            let condition = match same {
                Some(text) => format!("response.json.{name} = {}", string(text)),
                None => format!("response.json.{name} = true"),
            };
            self.conditions.extend([format!("status = {}", self.statuses()), condition]);
            return;
        }
        self.doubts.push("the JSON answers say in different ways that it went well".to_owned());
    }

    /// JSON that says neither.
    fn data(&mut self, group: &Group<'s>) {
        self.conditions.push(format!("status = {}", self.statuses()));
        let table = |sample: &&Sample| match &sample.answer {
            Answer::Json(Value::Object(table)) => !table.is_empty(),
            _ => false,
        };
        let tables = self.accepted.iter().all(table);
        let said = ["error", "errors"].into_iter().find(|name| {
            self.refused
                .iter()
                .any(|sample| matches!(&sample.answer, Answer::Json(json) if json.get(*name).is_some_and(is_filled)))
        });
        if let Some(name) = said.filter(|_| self.refused.iter().any(|sample| sample.status < 400)) {
            self.conditions.push(format!("response.json.{name} = false"));
        }
        let rest = group.method != Method::POST && group.method != Method::GET;
        let by_status = self.refused.iter().any(|sample| sample.status >= 400);
        let made = self.accepted.iter().all(|sample| sample.status == 201);
        if !tables {
            self.doubts.push("some answers are empty JSON, which can mean done or nothing to do".to_owned());
        } else if said.is_none() && !rest && !by_status && !made {
            self.doubts.push("the JSON answers say neither that it went well nor that it did not".to_owned());
        }
    }

    /// A good status and nothing else.
    fn silent(&mut self, group: &Group<'s>) {
        self.conditions.push(format!("status = {}", self.statuses()));
        let plain = self.accepted.iter().all(|sample| matches!(sample.status, 201 | 204 | 205));
        if !plain && group.method == Method::POST {
            self.doubts.push("the answers are empty: whether something was done cannot be told from them".to_owned());
        }
    }

    /// The statuses of what was accepted, as a value.
    fn statuses(&self) -> String {
        let statuses: BTreeSet<u16> = self.accepted.iter().map(|sample| sample.status).collect();
        let texts: Vec<String> = statuses.iter().map(u16::to_string).collect();
        if let [one] = texts.as_slice() { one.clone() } else { format!("[{}]", texts.join(", ")) }
    }
}

/// `line 3`, `lines 3, 8, 12 and 4 more`, counted as `replay` counts: from 0.
pub(super) fn lines(samples: &[&Sample]) -> String {
    const SHOWN: usize = 6;
    let shown: Vec<String> = samples.iter().take(SHOWN).map(|sample| sample.seq.to_string()).collect();
    let more = samples.len().saturating_sub(SHOWN);
    let word = if samples.len() == 1 { "line" } else { "lines" };
    let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{word} {}{tail}", shown.join(", "))
}

/// Whether a path or selecting value of the group speaks of the shop's back office.
pub(super) fn is_back_office(group: &Group<'_>) -> bool {
    const SIGNS: &[&str] = &["admin", "dashboard", "backend", "backoffice", "wp", "manage", "administrator"];
    let path = group.shape.template();
    super::words::words(&path).iter().any(|word| SIGNS.contains(&word.as_str()) || word.ends_with("admin"))
}

/// Whether a name or value is about a login.
pub(super) fn is_login(text: &str) -> bool {
    says(text, |meaning| meaning == Meaning::Verb(Verb::Login))
}
