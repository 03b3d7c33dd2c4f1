//! Where the id stands: proven by comparing requests with answers.

use std::collections::BTreeSet;

use serde_json::Value;

use super::group::Group;
use super::natural;
use super::payload::is_secret;
use super::sample::{Answer, Sample, field};
use super::selector::Want;
use super::shape::{Segment, Shape, is_token};
use super::success::{Judged, lines};
use super::text;
use super::topic::Guess;
use super::words::{Noun, Verb};

/// An identity for the rule.
#[derive(Debug, Default)]
pub(super) struct Identity {
    /// `for_each`, where one request is about several.
    pub(super) each: Option<String>,
    pub(super) id: Option<String>,
    /// A natural key: its name and value.
    pub(super) key: Option<(&'static str, String)>,
    /// What it rests on.
    pub(super) notes: Vec<String>,
    pub(super) doubts: Vec<String>,
}

/// One place an id can stand at.
#[derive(Debug)]
struct Source {
    /// As an expression.
    text: String,
    /// The list, for which `text` is what `for_each` takes.
    list: bool,
    /// One value, or a list, for each accepted exchange.
    values: Vec<Vec<String>>,
    /// Whether it stands in the answer.
    answered: bool,
}

/// Finds the id, or a natural key.
pub(super) fn identify(group: &Group<'_>, judged: &Judged<'_>, guess: &Guess) -> Identity {
    let mut identity = Identity::default();
    let Some(verb) = guess.verb.filter(|_| !judged.accepted.is_empty()) else { return identity };
    let account = matches!(verb, Verb::Login | Verb::Logout | Verb::Register) || guess.noun == Some(Noun::Me);
    let sources = if account { Vec::new() } else { sources(group, judged, guess) };
    let created = matches!(verb, Verb::Create | Verb::Copy) && !guess.is_action();
    let fits = |source: &&Source| {
        // What a request names before the thing exists is another thing's id, unless the answer repeats it.
        !created || source.answered || sources.iter().any(|other| other.answered && agree(source, other))
    };
    let chosen =
        if created { sources.iter().filter(|source| source.answered).find(fits) } else { sources.iter().find(fits) };
    if let Some(source) = chosen {
        take(&mut identity, source, &sources);
        if matches!(verb, Verb::Delete) && !guess.is_action() {
            identity.notes.extend(repeated(source, &judged.accepted));
        }
    } else if let Some((name, value)) = natural::key(judged, guess) {
        identity.notes.push(format!("no id is in these exchanges: the natural key is `{value}`"));
        if name == "name" {
            identity.notes.push("names need not be unique: a code or number would be better".to_owned());
        }
        identity.key = Some((name, format!("{{{{ {value} }}}}")));
    }
    if identity.id.is_none() && identity.key.is_none() && !created {
        identity.doubts.push("neither an id nor a natural key was found in these exchanges".to_owned());
    }
    identity
}

fn take(identity: &mut Identity, source: &Source, sources: &[Source]) {
    let others = |same: bool| {
        let fits = move |other: &&Source| !std::ptr::eq(*other, source) && agree(source, other) == same;
        sources.iter().filter(fits).map(|other| format!("`{}`", other.text)).collect::<Vec<_>>().join(", ")
    };
    let count = source.values.len();
    let (same, other) = (others(true), others(false));
    identity.notes.push(match same.as_str() {
        "" => format!("id: `{}`, there in all {count}", source.text),
        same => format!("id: `{}`, the same in all {count} as {same}", source.text),
    });
    if !other.is_empty() {
        identity.notes.push(format!("differs from {other}, which names something else or comes in another form"));
    }
    if source.list {
        identity.each = Some(source.text.clone());
        identity.id = Some("{{ item }}".to_owned());
    } else {
        identity.id = Some(format!("{{{{ {} }}}}", source.text));
    }
}

/// Whether one thing was deleted twice, and the answers were alike.
fn repeated(source: &Source, accepted: &[&Sample]) -> Option<String> {
    let mut seen: BTreeSet<&String> = BTreeSet::new();
    let mut twice: Vec<&Sample> = Vec::new();
    for (values, sample) in source.values.iter().zip(accepted) {
        if values.iter().any(|value| seen.contains(value)) {
            twice.push(sample);
        }
        seen.extend(values);
    }
    (!twice.is_empty()).then(|| {
        format!(
            "{} deletes again what was deleted before, and the answer was the same: deletions of what is not there are not \
             told apart (`once` keeps repeats out)",
            lines(&twice)
        )
    })
}

fn agree(one: &Source, other: &Source) -> bool {
    one.values == other.values
}

/// All places that have a value in every accepted exchange, best first.
fn sources(group: &Group<'_>, judged: &Judged<'_>, guess: &Guess) -> Vec<Source> {
    let noun = guess.resource();
    let mut sources = Vec::new();
    let mut add = |text: Option<String>, list: bool, answered: bool, of: &dyn Fn(&Sample) -> Option<Vec<String>>| {
        let values: Option<Vec<Vec<String>>> = judged.accepted.iter().map(|sample| of(sample)).collect();
        if let (Some(text), Some(values)) = (text, values)
            && values.iter().flatten().all(|value| is_id(value))
        {
            sources.push(Source { text, list, values, answered });
        }
    };
    let Some(first) = judged.accepted.first() else { return sources };
    // `delete=17`, where that selects the operation.
    let selecting = |name: &str| group.selectors.iter().any(|own| own.name == name && own.want == Want::Present);
    // An action answers with the cart, whose id is no product's.
    let answers = !guess.is_action();
    for (name, _) in first
        .target
        .iter()
        .filter(|_| answers)
        .flat_map(|target| &target.query)
        .filter(|(name, _)| names_id(name, noun))
    {
        let of = |sample: &Sample| Some(vec![sample.target.as_ref()?.field(name)?.to_owned()]);
        add(text::field("location.query", name), false, true, &of);
    }
    if let Some((capture, at)) = judged.location.as_ref().filter(|_| answers).and_then(number) {
        let of = |sample: &Sample| Some(vec![sample.target.as_ref()?.segments.get(at)?.clone()]);
        add(Some(format!("location.params.{capture}")), false, true, &of);
    }
    if let Some((path, _)) = answered_id(first, noun).filter(|_| answers) {
        let of = |sample: &Sample| answered_id(sample, noun).filter(|(own, _)| *own == path).map(|(_, id)| vec![id]);
        add(text::json("response.json", &path), false, true, &of);
    }
    if let Some((capture, at)) = named_capture(&group.shape, guess) {
        let of = |sample: &Sample| Some(vec![sample.segments.get(at)?.clone()]);
        add(Some(format!("params.{capture}")), false, false, &of);
    }
    for (root, pairs) in [("query", &first.query), ("form", &first.form)] {
        let mut seen: Vec<&str> = Vec::new();
        for (name, _) in pairs {
            if seen.contains(&name.as_str()) || is_secret(name) {
                continue;
            }
            seen.push(name);
            let pairs = |sample: &Sample| if root == "query" { sample.query.clone() } else { sample.form.clone() };
            if names_list(name, noun) {
                let of = |sample: &Sample| {
                    let all = pairs(sample).into_iter().filter(|(own, _)| own == name).map(|(_, value)| value);
                    Some(all.collect::<Vec<_>>()).filter(|all| !all.is_empty())
                };
                let list = if name.ends_with("[]") { name.clone() } else { format!("{name}[]") };
                add(text::field(root, &list), true, false, &of);
            } else if names_id(name, noun) || (root == "query" && selecting(name)) {
                add(text::field(root, name), false, false, &|sample| {
                    Some(vec![field(&pairs(sample), name)?.to_owned()])
                });
            }
        }
    }
    if let Some(Value::Object(json)) = &first.json {
        for name in json.keys().filter(|name| names_id(name, noun)) {
            let of = |sample: &Sample| sample.json.as_ref()?.get(name).and_then(scalar).map(|id| vec![id]);
            add(text::json("json", std::slice::from_ref(name)), false, false, &of);
        }
    }
    // What the request names comes before what an answer repeats, but for what the answer alone knows.
    sources.sort_by_key(|source| (guess.verb != Some(Verb::Create)) && source.answered);
    sources
}

/// The last number of a redirect's path.
fn number(shape: &Shape) -> Option<(String, usize)> {
    shape.captures().into_iter().find(|(_, at)| shape.0.get(*at) == Some(&Segment::Int))
}

/// The capture right behind the thing's name: `/products/{id:int}/`, or behind the verb: `/basket/add/{id:int}/`.
fn named_capture(shape: &Shape, guess: &Guess) -> Option<(String, usize)> {
    let noun = guess.noun_at?;
    let behind = |at: usize| {
        let between = shape.0.get(noun + 1..at).unwrap_or_default();
        between.iter().all(|segment| matches!(segment, Segment::Fixed(text) if super::words::is_vocabulary(text)))
    };
    let captures = shape.captures();
    captures.into_iter().rev().find(|(_, at)| *at > noun && behind(*at) && shape.0.get(*at) != Some(&Segment::Any))
}

/// The id an answer's JSON names: where, and which.
pub(super) fn answered_id(sample: &Sample, noun: Option<Noun>) -> Option<(Vec<String>, String)> {
    let Answer::Json(Value::Object(json)) = &sample.answer else { return None };
    let top = json
        .iter()
        .filter(|(name, _)| names_id(name, noun))
        .find_map(|(name, value)| Some((vec![name.clone()], scalar(value)?)));
    top.or_else(|| {
        let (outer, inner) = ["data", "order", "product", "item", "result"]
            .iter()
            .find_map(|name| Some((*name, json.get(*name)?.as_object()?)))?;
        inner
            .iter()
            .filter(|(name, _)| names_id(name, noun))
            .find_map(|(name, value)| Some((vec![outer.to_owned(), name.clone()], scalar(value)?)))
    })
}

pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Digits of a number in groups (`261125-145207-2362`) from which on it is no date.
const GROUPED: usize = 10;

/// Digits but not zero, digits in groups, or a uuid.
pub(super) fn is_id(value: &str) -> bool {
    let count = value.bytes().filter(u8::is_ascii_digit).count();
    let groups = value.split('-').all(|group| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit()));
    let digits = groups && value.len() <= 24 && (count == value.len() || count >= GROUPED);
    (digits && value.bytes().any(|byte| byte != b'0')) || (value.len() == 36 && is_token(value))
}

/// Other words shops have for a thing in the names of ids; a single letter counts only before `ID`.
fn aliases(noun: Option<Noun>) -> &'static [&'static str] {
    match noun {
        Some(Noun::Product) => &["product", "products", "item", "post", "p", "pr", "addtocart"],
        Some(Noun::Order) => &["order", "orders", "post", "o"],
        Some(Noun::Customer | Noun::Me) => &["customer", "customers", "user", "users", "c", "u"],
        Some(Noun::Coupon) => &["coupon", "coupons", "voucher", "vouchers", "post", "c"],
        Some(Noun::Category) => &["category", "categories", "tag", "c"],
        Some(Noun::Review) => &["review", "reviews", "r"],
        Some(Noun::Cart) | None => &[],
    }
}

pub(super) fn bare(name: &str) -> String {
    name.trim_end_matches("[]").chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// Whether a field's name says that it holds this thing's id.
pub(super) fn names_id(name: &str, noun: Option<Noun>) -> bool {
    let name = bare(name);
    let alias = |alias: &&str| {
        let rest = name.strip_prefix(*alias);
        rest == Some("id") || rest == Some("number") || (rest == Some("") && alias.len() > 2)
    };
    matches!(name.as_str(), "id" | "pk" | "uuid")
        || aliases(noun).iter().any(alias)
        || (noun == Some(Noun::Order) && (name == "number" || name.ends_with("orderid")))
}

/// Whether a field's name says that it holds ids of several.
fn names_list(name: &str, noun: Option<Noun>) -> bool {
    let listed = name.ends_with("[]");
    let own = bare(name);
    let chosen = own.strip_prefix("selected").or_else(|| own.strip_prefix("chosen"));
    let thing = |text: &str| {
        aliases(noun).iter().any(|alias| {
            alias.len() > 2
                && (text == *alias
                    || text == format!("{alias}s")
                    || text == format!("{alias}id")
                    || text == format!("{alias}ids"))
        })
    };
    match chosen {
        Some(rest) => rest.is_empty() && listed || matches!(rest, "id" | "ids" | "item" | "items") || thing(rest),
        None => {
            listed
                && (matches!(own.as_str(), "id" | "ids" | "item" | "items" | "cb" | "delete" | "remove") || thing(&own))
        }
    }
}
