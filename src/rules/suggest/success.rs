//! By what the answers that did something are told from those that did not.

use std::collections::BTreeSet;

use http::Method;
use serde_json::Value;

use super::group::Group;
use super::page::is_good;
use super::sample::{Answer, Sample};
use super::shape::Shape;
use super::text::string;
use super::verdict::{Verdict, back_to_itself, is_filled, verdict, word};
use super::words::Verb;

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
        group.samples.iter().map(|sample| (*sample, verdict(sample, login, &group.routers))).collect();
    let has = |wanted: Verdict| verdicts.iter().any(|(_, verdict)| *verdict == wanted);
    let best = [Verdict::Redirected, Verdict::SaysDone, Verdict::Data, Verdict::Silent, Verdict::Page];
    let Some(kind) = best.into_iter().find(|kind| has(*kind)) else {
        let refused = group.samples.clone();
        let doubts = vec!["only refusals were seen".to_owned()];
        return Judged { refused, doubts, ..Judged::default() };
    };
    // A login that leads back to itself was refused, unless that is where every good one leads.
    let returned = |sample: &Sample| verb == Some(Verb::Login) && kind == Verdict::Redirected && back_to_itself(sample);
    let elsewhere = verdicts.iter().any(|(sample, verdict)| *verdict == kind && !returned(sample));
    let good = |(sample, verdict): &&(&Sample, Verdict)| *verdict == kind && !(elsewhere && returned(sample));
    let (accepted, refused): (Vec<_>, Vec<_>) = verdicts.iter().partition(good);
    let samples = |list: Vec<(&'s Sample, Verdict)>| list.into_iter().map(|(sample, _)| sample).collect::<Vec<_>>();
    let mut judged = Judged { accepted: samples(accepted), refused: samples(refused), ..Judged::default() };
    match kind {
        Verdict::Redirected => judged.redirects(group, verb),
        Verdict::SaysDone => judged.said(),
        Verdict::Data => judged.data(group),
        Verdict::Silent => judged.silent(group),
        Verdict::Page | Verdict::Refused => judged.pages(),
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
        // An answer that names the very thing the path named.
        let echo = self.accepted.iter().all(|sample| {
            super::identity::answered_id(sample, None).is_some_and(|(_, id)| sample.segments.contains(&id))
        });
        let made = self.accepted.iter().all(|sample| sample.status == 201);
        if !tables {
            self.doubts.push("some answers are empty JSON, which can mean done or nothing to do".to_owned());
        } else if said.is_none() && !rest && !by_status && !made && !echo {
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

    /// Pages, done or refused: told apart by the boxes of messages on them, if by anything.
    fn pages(&mut self) {
        self.conditions.push("status = 200".to_owned());
        let classes = |good: bool| -> BTreeSet<&String> {
            self.accepted.iter().flat_map(|sample| &sample.boxes).filter(|class| is_good(class) == good).collect()
        };
        let has = |sample: &Sample, class: &str| sample.boxes.iter().any(|own| own == class);
        let pair = classes(true).into_iter().find_map(|good| {
            let bad = classes(false)
                .into_iter()
                .find(|bad| self.accepted.iter().all(|sample| has(sample, good) != has(sample, bad)))?;
            Some((good.clone(), bad.clone()))
        });
        let Some((good, bad)) = pair else {
            return self.doubts.push(
                "every answer is a page with status 200, done or refused: compare the pages and tell them apart by a `find` on a \
                 message box, or by `response.body`"
                    .to_owned(),
            );
        };
        let (accepted, refused): (Vec<_>, Vec<_>) = self.accepted.iter().partition(|sample| has(sample, &good));
        self.cautions.push(format!("every page has either a `.{good}` or a `.{bad}`: taken as done and refused"));
        self.conditions.push(format!("find.done = {{ css = {} }}", string(&format!(".{good}"))));
        self.accepted = accepted;
        self.refused.extend(refused);
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
    numbered(&seqs(samples))
}

/// The lines themselves.
pub(super) fn seqs(samples: &[&Sample]) -> Vec<usize> {
    samples.iter().map(|sample| sample.seq).collect()
}

/// `line 3`, `lines 3, 5`.
pub(super) fn numbered(lines: &[usize]) -> String {
    const SHOWN: usize = 6;
    let shown: Vec<String> = lines.iter().take(SHOWN).map(usize::to_string).collect();
    let more = lines.len().saturating_sub(SHOWN);
    let word = if lines.len() == 1 { "line" } else { "lines" };
    let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{word} {}{tail}", shown.join(", "))
}

/// Whether a path or selecting value of the group speaks of the shop's back office.
pub(super) fn is_back_office(group: &Group<'_>) -> bool {
    const SIGNS: &[&str] = &["admin", "dashboard", "backend", "backoffice", "wp", "manage", "administrator"];
    let path = group.shape.template();
    super::words::words(&path).iter().any(|word| SIGNS.contains(&word.as_str()) || word.ends_with("admin"))
}
