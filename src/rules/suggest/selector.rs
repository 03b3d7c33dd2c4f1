//! The fields that select what a request does: `route`, `action`, `cmd`, the name of a button.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use serde_json::Value;

use super::identity::is_id;
use super::payload::is_secret;
use super::sample::{Sample, field};
use super::shape::is_token;
use super::text::{key, string};
use super::words::{Meaning, Noun, Verb, meaning, says};

/// Letters of a value that can name an operation.
const LONGEST: usize = 64;

/// Requests to one path from which on fields are compared to find an operation key that no table knows.
const ENOUGH: usize = 4;

/// Distinct values up to which a field can be an operation key.
const MOST_VALUES: usize = 8;

/// Names of fields that select the operation in shops and frameworks.
const NAMES: &[&str] = &[
    "route",
    "rt",
    "main_page",
    "cmd",
    "controller",
    "cl",
    "option",
    "action",
    "oper",
    "do",
    "task",
    "op",
    "act",
    "mode",
    "func",
    "function",
    "fnc",
    "method",
    "_method",
    "operation",
    "operationName",
    "command",
    "wc-ajax",
    "copy_as",
    "post_type",
    "taxonomy",
];

/// Names of fields that say what kind of thing a shared address is about.
/// The first one there counts.
const KINDS: &[&str] = &["taxonomy", "post_type"];

/// Fields that tell a new thing from an old one, with the value that means new.
const NEWNESS: &[(&str, &str)] = &[("original_post_status", "auto-draft"), ("oldaction", "new")];

/// Where a selecting field stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Query,
    Form,
    Json,
    /// `X-HTTP-Method-Override`.
    Override,
    /// The query of the answer's `Location`.
    Location,
}

/// What a selecting field must be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Want {
    Is(String),
    Not(String),
    Present,
    Absent,
}

/// One selecting field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Selector {
    pub(super) place: Place,
    pub(super) name: String,
    pub(super) want: Want,
}

impl Selector {
    fn is(place: Place, name: &str, value: &str) -> Self {
        Self { place, name: name.to_owned(), want: Want::Is(value.to_owned()) }
    }

    fn present(place: Place, name: &str) -> Self {
        Self { place, name: name.to_owned(), want: Want::Present }
    }

    /// As a condition.
    pub(super) fn condition(&self) -> String {
        let root = match self.place {
            Place::Query => "query",
            Place::Form => "form",
            Place::Json => "json",
            Place::Override => "headers",
            Place::Location => "location.query",
        };
        let value = match &self.want {
            Want::Is(value) => string(value),
            Want::Not(value) => format!("{{ not = {} }}", string(value)),
            Want::Present => "true".to_owned(),
            Want::Absent => "false".to_owned(),
        };
        format!("{root}.{} = {value}", key(&self.name))
    }

    /// The text that says what is done: the value, or the name of a button.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.want {
            Want::Is(_) if self.place == Place::Override => None,
            Want::Is(value) => Some(value),
            Want::Present => Some(&self.name),
            Want::Not(_) | Want::Absent => None,
        }
    }

    /// Whether it names the kind of thing.
    pub(super) fn names_kind(&self) -> bool {
        self.kind_rank().is_some()
    }

    /// Of several that name the kind of thing, the least counts.
    pub(super) fn kind_rank(&self) -> Option<usize> {
        KINDS.iter().position(|name| *name == self.name)
    }

    /// Whether it tells new from old, and which.
    pub(super) fn newness(&self) -> Option<bool> {
        let known = NEWNESS.iter().any(|(name, _)| *name == self.name);
        known.then_some(matches!(self.want, Want::Is(_)))
    }
}

/// Whether a name is that of a field for the kind of thing.
pub(super) fn names_kind(name: &str) -> bool {
    KINDS.contains(&name)
}

/// Whether a name is one that selects operations, as redirects repeat them.
pub(super) fn selects(name: &str) -> bool {
    NAMES.contains(&name) || name.ends_with("_action")
}

/// Whether a value can name an operation: a word, no id, no token, no free text.
pub(super) fn is_word(value: &str) -> bool {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'/' | b'.' | b'-' | b':' | b'|' | b'\\');
    !value.is_empty()
        && value.len() <= LONGEST
        && value.bytes().all(plain)
        && value.bytes().any(|byte| byte.is_ascii_alphabetic())
        && !value.split(['/', '.', '-', ':', '|']).any(is_token)
}

/// The fields of a front controller, as one request has them: where it has not, that is what tells it from the others.
pub(super) fn routed(sample: &Sample, routers: &[String]) -> Vec<Selector> {
    let value = |name: &String| match field(&sample.query, name) {
        Some(value) => Selector::is(Place::Query, name, value),
        None => Selector { place: Place::Query, name: name.clone(), want: Want::Absent },
    };
    routers.iter().map(value).collect()
}

/// The selecting fields one request shows by their names.
pub(super) fn named(sample: &Sample) -> Vec<Selector> {
    let mut found = Vec::new();
    let mut add = |place: Place, name: &str, value: &str| {
        let twice = found.iter().any(|other: &Selector| other.name == name);
        if selects(name) && is_word(value) && !twice {
            found.push(Selector::is(place, name, value));
        }
    };
    sample.query.iter().for_each(|(name, value)| add(Place::Query, name, value));
    sample.form.iter().for_each(|(name, value)| add(Place::Form, name, value));
    if let Some(Value::Object(json)) = &sample.json {
        json.iter()
            .filter_map(|(name, value)| Some((name, value.as_str()?)))
            .for_each(|(name, value)| add(Place::Json, name, value));
    }
    if let Some(instead) = &sample.instead {
        found.push(Selector::is(Place::Override, "x-http-method-override", instead));
    }
    for (name, new) in NEWNESS {
        if let Some(value) = field(&sample.form, name) {
            let mut selector = Selector::is(Place::Form, name, new);
            if value != *new {
                selector.want = Want::Not((*new).to_owned());
            }
            found.push(selector);
        }
    }
    let thing = |text: &str| {
        says(text, |meaning| {
            matches!(meaning, Meaning::Noun(Noun::Product | Noun::Order | Noun::Customer | Noun::Coupon))
        })
    };
    if !found.iter().any(|own| own.names_kind() || own.text().is_some_and(thing))
        && let Some(target) = &sample.target
    {
        let kind = KINDS.iter().find_map(|name| Some((*name, target.field(name).filter(|value| is_word(value))?)));
        found.extend(kind.map(|(name, value)| Selector::is(Place::Location, name, value)));
    }
    found
}

/// Adds to each request's selectors what only a comparison of all requests to one path shows: a field whose few values are
/// words of operations, or the name of the button that was pressed.
pub(super) fn compared(samples: &[&Sample], path: &str, selectors: &mut [Vec<Selector>]) {
    let speaks = |text: &str| says(text, |meaning| matches!(meaning, Meaning::Verb(verb) if verb != Verb::Read));
    // Where the path says what is done, a button tells something new only if it does quite another thing.
    let presses = |name: &str| {
        let other =
            |meaning| matches!(meaning, Meaning::Verb(Verb::Login | Verb::Register | Verb::Delete | Verb::Restore));
        !name.contains(|c: char| c.is_ascii_digit())
            && !is_secret(name)
            && if speaks(path) { says(name, other) } else { speaks(name) }
    };
    if let Some((place, name)) = operation_field(samples) {
        for (sample, own) in samples.iter().zip(selectors.iter_mut()) {
            let value = field(if place == Place::Query { &sample.query } else { &sample.form }, &name);
            if let Some(value) = value.filter(|value| is_word(value))
                && !own.iter().any(|other| other.name == name)
            {
                own.push(Selector::is(place, &name, value));
            }
        }
    }
    let labels = labels(samples);
    for (sample, own) in samples.iter().zip(selectors.iter_mut()) {
        if own.iter().filter_map(Selector::text).any(speaks) {
            continue;
        }
        let button = sample.form.iter().find(|(name, value)| {
            let constant = labels.get(name.as_str()).is_some_and(|values| values.len() == 1);
            presses(name) && ((constant && is_label(value)) || names_its_object(name, value))
        });
        let link = || sample.query.iter().find(|(name, value)| names_its_object(name, value) || deletes(name, value));
        if let Some((name, _)) = button {
            own.push(Selector::present(Place::Form, name));
        } else if let Some((name, _)) = link() {
            own.push(Selector::present(Place::Query, name));
        }
    }
}

/// A field that all requests to one path have, with few values, each a word that says an operation.
fn operation_field(samples: &[&Sample]) -> Option<(Place, String)> {
    let first = samples.first().filter(|sample| samples.len() >= ENOUGH && sample.method != Method::GET)?;
    let places = [(Place::Query, &first.query), (Place::Form, &first.form)];
    places.into_iter().find_map(|(place, pairs)| {
        let selecting = |name: &str| {
            let of = |sample: &&Sample| {
                let pairs = if place == Place::Query { &sample.query } else { &sample.form };
                field(pairs, name).map(str::to_owned)
            };
            let values: Option<BTreeSet<String>> = samples.iter().map(of).collect();
            values.is_some_and(|values| {
                let word =
                    |value: &String| is_word(value) && says(value, |meaning| matches!(meaning, Meaning::Verb(_)));
                (2..=MOST_VALUES).contains(&values.len()) && values.len() < samples.len() && values.iter().all(word)
            })
        };
        let name =
            pairs.iter().map(|(name, _)| name).find(|name| !selects(name) && !name.contains('[') && selecting(name))?;
        Some((place, name.clone()))
    })
}

/// All values each form field took.
fn labels<'s>(samples: &[&'s Sample]) -> BTreeMap<&'s str, BTreeSet<&'s str>> {
    let mut labels: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, value) in samples.iter().flat_map(|sample| &sample.form) {
        if !name.contains('[') {
            labels.entry(name).or_default().insert(value);
        }
    }
    labels
}

/// A button's text.
fn is_label(value: &str) -> bool {
    value.chars().count() <= 40
        && value.chars().any(char::is_alphabetic)
        && !value.contains(['@', '\n'])
        && !is_token(value)
}

/// `?page=orders&delete=17`: the name says the operation, the value on which one.
pub(super) fn deletes(name: &str, value: &str) -> bool {
    matches!(meaning(name), Meaning::Verb(Verb::Delete | Verb::Restore)) && is_id(value)
}

/// `add-to-cart=11`, `remove_item=…`: the name says the operation, the value on what.
fn names_its_object(name: &str, value: &str) -> bool {
    const PARTICLES: &[&str] = &["item", "product", "line"];
    let words = super::words::words(name);
    let object =
        says(name, |meaning| matches!(meaning, Meaning::Noun(Noun::Cart | Noun::Product | Noun::Order | Noun::Coupon)))
            || words.iter().any(|word| PARTICLES.contains(&word.as_str()));
    let verb = says(name, |meaning| {
        matches!(meaning, Meaning::Verb(Verb::Create | Verb::Delete | Verb::Restore | Verb::Update | Verb::Copy))
    });
    let id = !value.is_empty() && (value.bytes().all(|byte| byte.is_ascii_digit()) || is_token(value));
    object && verb && id && !name.contains('[')
}
