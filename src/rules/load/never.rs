//! What loads but cannot work: rules that never match, webhooks that never get anything. Warnings, not errors.

use crate::diagnostic::{Diagnostic, nearest};
use crate::model::{Topic, TopicPattern};

use super::super::expr::{Piece, Template};
use super::super::rule::{Condition, EventRule, Matcher, Op, Subject, UrlPart, WebhookConfig};
use super::gather::Gathered;
use super::loader::Loader;

/// Events that `saved` is decided to be.
const SAVED: [&str; 3] = ["created", "updated", "restored"];

/// Warns of what cannot work.
pub(super) fn tell(loader: &mut Loader, events: &[EventRule], webhooks: &[WebhookConfig], gathered: &Gathered<'_>) {
    let none = !events.iter().any(EventRule::is_event);
    if none && !loader.report.any_broken() && !loader.report.has_errors() {
        let hint = "write an [event.NAME] table, or take a pack with `shopbell init`";
        let fault = Diagnostic::of_file(".", "there are no events: nothing will be delivered").hint(hint).warning();
        loader.report.push_whole(fault);
    }
    for event in events.iter().filter(|event| event.is_event()) {
        let Some(entry) = gathered.events.iter().find(|entry| entry.key == event.name) else { continue };
        if let Some(why) = never(event) {
            loader.report.warn(entry.at, format!("event `{}` can never match: {why}", event.name), None);
        }
    }
    if none || loader.report.any_broken() {
        return;
    }
    for webhook in webhooks.iter().filter(|webhook| !webhook.topics.is_empty()) {
        let fits =
            |pattern: &TopicPattern| events.iter().flat_map(|event| &event.topic).any(|topic| reaches(topic, pattern));
        if webhook.topics.iter().any(fits) {
            continue;
        }
        let topic = gathered.webhooks.iter().find(|entry| entry.key == webhook.name);
        let Some(topic) = topic.and_then(|entry| entry.node.table()?.get("topic")) else { continue };
        let message = format!("webhook `{}` will get nothing: no event has such a topic", webhook.name);
        let literal = events.iter().flat_map(|event| &event.topic).filter_map(|topic| match topic {
            Template::Literal(text) => Some(text.as_str()),
            Template::Single(_) | Template::Mixed(_) => None,
        });
        let near = webhook.topics.iter().find_map(|pattern| nearest(pattern.as_str(), literal.clone()));
        let hint = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => "compare it with the `topic` of your events".to_owned(),
        };
        loader.report.warn(topic.node.at, message, hint);
    }
}

/// Whether a rule's topic can give one that fits a webhook's pattern.
fn reaches(topic: &Template, pattern: &TopicPattern) -> bool {
    match topic {
        Template::Literal(text) => text.parse::<Topic>().is_ok_and(|topic| {
            let saved = topic.event() == "saved" && !topic.is_action();
            let decided = SAVED.iter().filter(|_| saved).any(|event| pattern.matches(&topic.with_event(event)));
            decided || pattern.matches(&topic)
        }),
        Template::Single(_) => true,
        Template::Mixed(pieces) => {
            let part = |piece: &Piece| match piece {
                Piece::Text(text) => text.clone(),
                Piece::Hole(_) => "*".to_owned(),
            };
            overlap(pieces.iter().map(part).collect::<String>().as_bytes(), pattern.as_str().as_bytes())
        }
    }
}

/// Whether some text fits both of two patterns with `*`: the usual table of prefixes.
fn overlap(a: &[u8], b: &[u8]) -> bool {
    // `row[j]`: a's first i and b's first j characters can stand for the same text.
    let mut row = vec![false; b.len() + 1];
    row[0] = true;
    for (j, byte) in b.iter().enumerate() {
        row[j + 1] = row[j] && *byte == b'*';
    }
    for x in a {
        let mut next = vec![false; b.len() + 1];
        next[0] = row[0] && *x == b'*';
        for (j, y) in b.iter().enumerate() {
            next[j + 1] = if *x == b'*' || *y == b'*' { row[j + 1] || next[j] } else { x == y && row[j] };
        }
        row = next;
    }
    row[b.len()]
}

/// Why a rule can never match, where its literals show it.
fn never(event: &EventRule) -> Option<String> {
    let all = &event.conditions;
    for (at, condition) in all.iter().enumerate() {
        if let Some(why) = empty_range(condition) {
            return Some(why);
        }
        if let Some(other) = all[..at].iter().find(|other| excludes(other, condition)) {
            return Some(format!("`{}` and `{}` exclude each other", other.text, condition.text));
        }
        if let Subject::Location(UrlPart::Param(name)) | Subject::Referer(UrlPart::Param(name)) = &condition.subject
            && !captured(event, &condition.subject, name)
        {
            return Some(format!("no path template captures `{name}` for `{}`", condition.text));
        }
    }
    let closed =
        |table: &Vec<Condition>| table.iter().find_map(|inner| all.iter().find(|outer| excludes(outer, inner)));
    for group in event.any.iter().filter(|group| !group.is_empty()) {
        if let Some(outer) =
            group.iter().map(closed).collect::<Option<Vec<_>>>().and_then(|outer| outer.first().copied())
        {
            return Some(format!("every table of `any` is excluded by `{}`", outer.text));
        }
    }
    let implied = |table: &&Vec<Condition>| {
        !table.is_empty() && table.iter().all(|inner| all.iter().any(|outer| implies(outer, inner)))
    };
    event.none.iter().find(implied).map(|_| "a table of `none` is what its own conditions say".to_owned())
}

/// Two conditions that cannot hold together. Lists may hold several values at once and so exclude nothing.
fn excludes(a: &Condition, b: &Condition) -> bool {
    if a.subject != b.subject || is_several(&a.subject) {
        return false;
    }
    match (&a.matcher, &b.matcher) {
        (Matcher::OneOf(a), Matcher::OneOf(b)) => !a.iter().any(|text| b.contains(text)),
        (Matcher::Filled(a), Matcher::Filled(b)) => a != b,
        (Matcher::OneOf(texts), Matcher::Filled(false)) | (Matcher::Filled(false), Matcher::OneOf(texts)) => {
            texts.iter().all(|text| !text.is_empty() && text != "false")
        }
        _ => false,
    }
}

/// Subjects that may have several values, of which one that fits is enough.
fn is_several(subject: &Subject) -> bool {
    match subject {
        // A JSON value may be a list.
        Subject::Header(_)
        | Subject::Cookie(_)
        | Subject::ResponseHeader(_)
        | Subject::ResponseCookie(_)
        | Subject::Json(_)
        | Subject::Session(_)
        | Subject::ResponseJson(_) => true,
        Subject::Query(path)
        | Subject::Form(path)
        | Subject::Location(UrlPart::Query(path))
        | Subject::Referer(UrlPart::Query(path)) => path.list,
        _ => false,
    }
}

/// Whether a condition follows of another one.
pub(super) fn implies(outer: &Condition, inner: &Condition) -> bool {
    outer.subject == inner.subject
        && match (&outer.matcher, &inner.matcher) {
            (Matcher::OneOf(outer), Matcher::OneOf(inner)) => outer.iter().all(|text| inner.contains(text)),
            (Matcher::Filled(outer), Matcher::Filled(inner)) => outer == inner,
            (Matcher::OneOf(outer), Matcher::Filled(true)) => {
                !is_several(&inner.subject) && outer.iter().all(|text| !text.is_empty() && text != "false")
            }
            _ => false,
        }
}

/// `{ gt = 5, lt = 3 }`: no number is both.
fn empty_range(condition: &Condition) -> Option<String> {
    let Matcher::Ops(ops) = &condition.matcher else { return None };
    let (mut least, mut most) = (f64::NEG_INFINITY, f64::INFINITY);
    for op in ops {
        match op {
            Op::Gt(bound) | Op::Ge(bound) => least = least.max(*bound),
            Op::Lt(bound) | Op::Le(bound) => most = most.min(*bound),
            _ => {}
        }
    }
    // Where only one number is left, an open bound excludes it.
    let excluded = |op: &Op| matches!(op, Op::Gt(bound) | Op::Lt(bound) if *bound >= most && *bound <= least);
    let empty = least > most || (least >= most && ops.iter().any(excluded));
    empty.then(|| format!("no number fits `{}`", condition.text))
}

/// Whether some template of the same root captures a name.
fn captured(event: &EventRule, subject: &Subject, name: &str) -> bool {
    let tables = event.any.iter().flatten().flatten();
    event.conditions.iter().chain(tables).any(|condition| {
        let ((Subject::Location(UrlPart::Template(templates)), Subject::Location(_))
        | (Subject::Referer(UrlPart::Template(templates)), Subject::Referer(_))) = (&condition.subject, subject)
        else {
            return false;
        };
        templates.iter().any(|template| template.names().any(|own| own == name))
    })
}

#[cfg(test)]
mod tests {
    use super::overlap;

    #[test]
    fn patterns_overlap_where_some_text_fits_both() {
        let rows = [
            ("order.*", "order.created", true),
            ("*.created", "order.*", true),
            ("a*c", "ab*", true),
            ("a*c", "*d", false),
            ("action.*", "order.*", false),
            ("product.*", "product.cr*ed", true),
            ("*", "", true),
            ("x", "", false),
            ("a*b*c", "a*c*b", false),
            ("abc", "abc", true),
            ("abc", "abd", false),
        ];
        for (a, b, expected) in rows {
            assert_eq!(overlap(a.as_bytes(), b.as_bytes()), expected, "{a} {b}");
            assert_eq!(overlap(b.as_bytes(), a.as_bytes()), expected, "{b} {a}");
        }
    }
}
