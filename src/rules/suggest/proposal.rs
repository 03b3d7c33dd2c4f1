//! One group of exchanges to one rule, with what it rests on.

use super::follow::{Follow, follow};
use super::group::{Group, last_verb};
use super::identity::{Identity, identify};
use super::payload;
use super::sample::Sample;
use super::selector::Selector;
use super::success::{Judged, is_back_office, judge, lines, seqs};
use super::text::{shown, string};
use super::topic::{Guess, guess};
use super::words::{Noun, Verb, words};

/// Why a login of the back office is none of a customer.
const BACK_OFFICE: &str = "this is the back office's login: not a customer's, as a rule";

/// A rule and its comments.
#[derive(Debug)]
pub(super) struct Proposal {
    /// Name of the rule, before those that come twice are told apart.
    pub(super) name: String,
    /// `None` where not even a guess could be made.
    pub(super) topic: Option<String>,
    /// Lines below the header.
    pub(super) rule: Vec<String>,
    /// Comments above it.
    pub(super) notes: Vec<String>,
    /// Why it is commented out; empty if it stands as a rule.
    pub(super) doubts: Vec<String>,
    /// Whether its answers carry flash messages.
    pub(super) flash: bool,
    /// First line of the recording it rests on.
    pub(super) first: usize,
    /// Lines where it was done.
    pub(super) done: Vec<usize>,
    /// Lines where it was tried, and refused.
    pub(super) refused: Vec<usize>,
    /// Whether it loads as a rule.
    pub(super) loads: bool,
}

/// All proposals a group gives: the operation, and for a login its failure.
pub(super) fn proposals(group: &Group<'_>, all: &[Sample]) -> Vec<Proposal> {
    let mut judged = judge(group, last_verb(&group.shape, &group.selectors));
    if judged.accepted.is_empty() {
        return Vec::new();
    }
    let guess = guess(group, &judged.accepted);
    judged.flash(group, guess.is_action());
    let identity = identify(group, &judged, &guess);
    let failed = (guess.verb == Some(Verb::Login)).then(|| login_failed(group, &judged, &identity)).flatten();
    let followed = (identity.id.is_none() && guess.verb == Some(Verb::Create))
        .then(|| follow(&judged.accepted, all, &group.routers))
        .flatten();
    let main = proposal(group, &judged, &guess, &identity, followed.as_ref());
    std::iter::once(main).chain(failed).collect()
}

fn proposal(
    group: &Group<'_>,
    judged: &Judged<'_>,
    guess: &Guess,
    identity: &Identity,
    followed: Option<&Follow>,
) -> Proposal {
    let mut doubts = judged.doubts.clone();
    doubts.extend(guess.doubts.iter().cloned());
    doubts.extend(identity.doubts.iter().cloned());
    let mut notes = seen(group, judged);
    notes.extend(identity.notes.iter().cloned());
    notes.extend(judged.cautions.iter().cloned());
    if group.method == http::Method::GET {
        notes.push("a GET that changes something: links followed twice or fetched ahead count too".to_owned());
    }
    doubts.extend(doubt(group, guess, identity).map(str::to_owned));
    if guess.topic.is_none() && doubts.is_empty() {
        doubts.push("its words name nothing that is known".to_owned());
    }
    if let Some(follow) = followed {
        notes.push(format!(
            "after {} of {} the page that follows ({}) shows a number that differs each time: the `wait` below reads it",
            follow.seen,
            judged.accepted.len(),
            follow.page
        ));
        doubts.push("that the number is the id is a guess: look at the page".to_owned());
    } else if identity.id.is_none() && guess.verb == Some(Verb::Create) && !guess.is_action() {
        let (list, text) = match identity.key {
            Some(_) => {
                (&mut notes, "to get the id: a `wait` with a look-up, or a [learn] rule on a list page that shows both")
            }
            None => {
                (&mut doubts, "no id and no natural key: a `wait` for the page that shows it, with `find`, is needed")
            }
        };
        list.push(text.to_owned());
    }
    let mut rule = head(group, judged, guess.topic.as_deref());
    rule.extend(about(judged, guess, identity, followed));
    let (name, topic) = (name(guess.topic.as_deref(), group), guess.topic.clone());
    let flash = judged.accepted.iter().any(|sample| sample.flash);
    let (done, refused) = (seqs(&judged.accepted), seqs(&judged.refused));
    Proposal { name, topic, rule, notes, doubts, flash, first: first(group), done, refused, loads: false }
}

/// What an operation of this kind leaves open by its nature.
fn doubt(group: &Group<'_>, guess: &Guess, identity: &Identity) -> Option<&'static str> {
    match guess.verb {
        None => Some("no word says what was done"),
        Some(Verb::Copy) if identity.id.is_none() => {
            Some("it copies: the ids in the request are those of the originals")
        }
        Some(Verb::Login) if is_back_office(group) => Some(BACK_OFFICE),
        Some(Verb::Logout) => Some("who logs out stands in no request: remember it at login ([session], `remember`)"),
        Some(Verb::Save) => Some(
            "one address makes and changes things, and shopbell decides by what it knows which it was: until all are known, \
             changes to old ones look like new ones",
        ),
        _ => None,
    }
}

/// What the event is about: ids, keys, payload, and the `wait` for what comes later.
fn about(judged: &Judged<'_>, guess: &Guess, identity: &Identity, followed: Option<&Follow>) -> Vec<String> {
    let mut rule = Vec::new();
    if guess.is_action() {
        rule.push(format!("resource = \"{}\"", guess.resource().unwrap_or(Noun::Customer).resource()));
    }
    rule.extend(identity.each.as_ref().map(|each| format!("for_each = {}", string(each))));
    let id = followed.map(|_| "{{ then.find.number }}").or(identity.id.as_deref());
    rule.extend(id.map(|id| format!("id = {}", string(id))));
    rule.extend(identity.key.as_ref().map(|(name, value)| format!("key.{name} = {}", string(value))));
    if identity.each.is_none() {
        rule.extend(payload::lines(&judged.accepted, guess));
    }
    // Without a key nothing is known to send when no page comes.
    let otherwise = if identity.key.is_some() { "send" } else { "drop" };
    rule.extend(followed.into_iter().flat_map(|follow| follow.wait.iter().cloned()));
    rule.extend(followed.map(|_| format!("wait.else = {}", string(otherwise))));
    rule
}

/// `on`, the selecting fields, what tells success.
fn head(group: &Group<'_>, judged: &Judged<'_>, topic: Option<&str>) -> Vec<String> {
    let mut rule = vec![format!("on = {}", string(&format!("{} {}", group.method, group.shape.template())))];
    let mut conditions: Vec<String> = group.selectors.iter().map(Selector::condition).collect();
    conditions.extend(judged.conditions.iter().cloned());
    // One key is written once: the first condition on it is the more precise one.
    let mut keys: Vec<String> = Vec::new();
    for condition in conditions {
        let key = condition.split(" = ").next().unwrap_or_default().to_owned();
        if !keys.contains(&key) {
            keys.push(key);
            rule.push(condition);
        }
    }
    if let Some(topic) = topic {
        rule.push(format!("topic = {}", string(topic)));
    }
    rule
}

fn seen(group: &Group<'_>, judged: &Judged<'_>) -> Vec<String> {
    let mut notes = vec![shown_long(&group.heading())];
    let done = &judged.accepted;
    if !done.is_empty() {
        notes.push(format!("done {} ({}): {}", times(done.len()), lines(done), statuses(done)));
    }
    if !judged.refused.is_empty() {
        notes.push(format!(
            "not done {} ({}): {}",
            times(judged.refused.len()),
            lines(&judged.refused),
            statuses(&judged.refused)
        ));
    }
    notes
}

fn shown_long(text: &str) -> String {
    text.split(' ').map(shown).collect::<Vec<_>>().join(" ")
}

fn times(count: usize) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        many => format!("{many} times"),
    }
}

fn statuses(samples: &[&Sample]) -> String {
    let all: std::collections::BTreeSet<u16> = samples.iter().map(|sample| sample.status).collect();
    let texts: Vec<String> = all.iter().map(u16::to_string).collect();
    format!("status {}", texts.join(", "))
}

/// The same login, refused.
fn login_failed(group: &Group<'_>, judged: &Judged<'_>, identity: &Identity) -> Option<Proposal> {
    let (key, value) = identity.key.as_ref()?;
    let refused: Vec<&Sample> = judged.refused.iter().copied().filter(|sample| sample.status < 500).collect();
    let form: Vec<&Sample> =
        refused.into_iter().filter(|sample| !sample.form.is_empty() || sample.json.is_some()).collect();
    let plain = form.iter().all(|sample| judged.accepted.iter().all(|done| done.status != sample.status));
    if form.is_empty() {
        return None;
    }
    let statuses: std::collections::BTreeSet<u16> =
        form.iter().map(|sample| sample.status).filter(|status| matches!(status, 200 | 401 | 422)).collect();
    let statuses: Vec<String> = statuses.iter().map(u16::to_string).collect();
    let topic = "action.wc_customer_login_failed";
    let mut rule = vec![format!("on = {}", string(&format!("{} {}", group.method, group.shape.template())))];
    rule.extend(group.selectors.iter().map(Selector::condition));
    rule.push(format!("status = [{}]", statuses.join(", ")));
    rule.push(format!("topic = {}", string(topic)));
    rule.push("resource = \"customer\"".to_owned());
    rule.push(format!("key.{key} = {}", string(value)));
    let mut notes = vec![shown_long(&group.heading())];
    notes.push(format!("the login above, refused {} ({})", times(form.len()), lines(&form)));
    let mut doubts = Vec::new();
    if !plain || statuses.is_empty() {
        doubts.push("refused and accepted logins have the same status".to_owned());
    }
    if is_back_office(group) {
        doubts.push(BACK_OFFICE.to_owned());
    }
    let first = form.first().map_or(0, |sample| sample.seq);
    Some(Proposal {
        name: name(Some(topic), group),
        topic: Some(topic.to_owned()),
        rule,
        notes,
        doubts,
        flash: false,
        first,
        done: seqs(&form),
        refused: seqs(&judged.accepted),
        loads: false,
    })
}

/// `product-created`, `login`, and for what is not known the words of its address.
fn name(topic: Option<&str>, group: &Group<'_>) -> String {
    let Some(topic) = topic else {
        let template = group.shape.template();
        let texts = std::iter::once(template.as_str()).chain(group.selectors.iter().filter_map(Selector::text));
        let all: Vec<String> = texts.flat_map(words).filter(|word| word.is_ascii() && word != "id").collect();
        let last = all.iter().rev().take(3).rev().cloned().collect::<Vec<_>>().join("-");
        return if last.is_empty() { "unknown".to_owned() } else { last };
    };
    let topic = topic.trim_start_matches("action.").trim_start_matches("woocommerce_").trim_start_matches("wc_");
    topic.replace(['.', '_'], "-")
}

fn first(group: &Group<'_>) -> usize {
    group.samples.first().map_or(0, |sample| sample.seq)
}
