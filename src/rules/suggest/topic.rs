//! Which topic a group of exchanges stands for, guessed from its words.

use http::Method;

use super::group::Group;
use super::sample::Sample;
use super::selector::Selector;
use super::shape::Segment;
use super::verdict::{is_page, thanks};
use super::words::{Meaning, Noun, Verb, meaning, words};

/// A guess, with what speaks against it.
#[derive(Clone, Debug)]
pub(super) struct Guess {
    pub(super) noun: Option<Noun>,
    pub(super) verb: Option<Verb>,
    /// `None` where no words said enough.
    pub(super) topic: Option<String>,
    /// The path segment the noun stands in.
    pub(super) noun_at: Option<usize>,
    /// Why it may be wrong; empty where the words are plain.
    pub(super) doubts: Vec<String>,
}

impl Guess {
    /// Whether it is one of the cart's actions on a product or coupon, or a login.
    pub(super) fn is_action(&self) -> bool {
        self.topic.as_ref().is_some_and(|topic| topic.starts_with("action."))
    }

    /// Which resource an id or key of it belongs to.
    pub(super) fn resource(&self) -> Option<Noun> {
        match self.noun {
            Some(Noun::Cart) => Some(Noun::Product),
            Some(Noun::Me) => Some(Noun::Customer),
            other => other,
        }
    }
}

/// One source of words: a path segment or a selecting field.
struct Source {
    words: Vec<String>,
    /// The path segment; absent for a field.
    at: Option<usize>,
    kind: Option<usize>,
}

/// What a thing's name in a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thing {
    Known(Noun),
    Unknown,
}

/// Guesses from the words, the method, and what the accepted answers look like.
pub(super) fn guess(group: &Group<'_>, accepted: &[&Sample]) -> Guess {
    let sources = sources(group);
    let spoken = spoken_verb(&sources);
    let verb = spoken.map(|(_, verb)| verb).or_else(|| by_method(group, accepted));
    let newness = group.selectors.iter().find_map(Selector::newness);
    let verb = match newness {
        Some(new) if matches!(verb, Some(Verb::Create | Verb::Update | Verb::Save) | None) => {
            Some(if new { Verb::Create } else { Verb::Update })
        }
        _ if verb == Some(Verb::Save) && ends_in_capture(group) => Some(Verb::Update),
        _ => verb,
    };
    let mut doubts = Vec::new();
    let thanked = |sample: &&Sample| sample.target.as_ref().is_some_and(|target| thanks(target, &group.routers));
    if let Some(order) = checkout(&sources, verb, accepted, thanked) {
        return order;
    }
    let found = thing(&sources, spoken.map(|(at, _)| at));
    let mut noun = match found.map(|(thing, _)| thing) {
        Some(Thing::Known(noun)) => Some(noun),
        Some(Thing::Unknown) => {
            doubts.push("its words name a thing that is none of product, order, customer, coupon".to_owned());
            None
        }
        None => None,
    };
    // The segment that names the thing, for an id behind it.
    let named = |source: &&Source| {
        source.at.is_some()
            && source.words.iter().rev().any(|word| noun.is_some_and(|noun| meaning(word) == Meaning::Noun(noun)))
    };
    let noun_at =
        found.and_then(|(_, at)| at).or_else(|| sources.iter().rev().find(named).and_then(|source| source.at));
    // A shop's front may say "add product" and mean the cart: it shows the cart then.
    let shows_cart =
        |sample: &&Sample| sample.target.as_ref().is_some_and(|target| is_page(target, &group.routers, is_cart));
    let cart = sources.iter().flat_map(|source| &source.words).any(|word| is_cart(word))
        || verb == Some(Verb::Create) && !accepted.is_empty() && accepted.iter().all(shows_cart);
    if cart && noun == Some(Noun::Product) {
        noun = Some(Noun::Cart);
    }
    if let (Some(Verb::Create), Some(at), Some((verb_at, _))) = (verb, noun_at, spoken) {
        let until = sources.get(verb_at).and_then(|source| source.at).unwrap_or(group.shape.0.len());
        let between = group.shape.0.get(at..until).unwrap_or_default();
        if between.iter().any(|segment| !matches!(segment, Segment::Fixed(_))) {
            doubts.push("it makes something below another thing: the id in the path is that thing's".to_owned());
        }
    }
    let mut topic = topic(noun, verb, cart, &mut doubts);
    if topic.is_none() && verb.is_none() && noun.is_none() && !accepted.is_empty() && accepted.iter().all(thanked) {
        doubts.push("no word says that this is an order: it leads to a page that thanks or says complete".to_owned());
        return Guess {
            noun: Some(Noun::Order),
            verb: Some(Verb::Create),
            topic: Some("order.created".to_owned()),
            noun_at,
            doubts,
        };
    }
    if newness == Some(true) {
        // Sent twice, the second is a change: state decides.
        topic = topic.map(|topic| topic.replace(".created", ".saved"));
    }
    Guess { noun, verb, topic, noun_at, doubts }
}

fn sources(group: &Group<'_>) -> Vec<Source> {
    let path = group.shape.0.iter().enumerate().filter_map(|(at, segment)| match segment {
        Segment::Fixed(text) => Some(Source { words: words(text), at: Some(at), kind: None }),
        Segment::Int | Segment::Any => None,
    });
    let fields = group
        .selectors
        .iter()
        .filter_map(|selector| Some(Source { words: words(selector.text()?), at: None, kind: selector.kind_rank() }));
    path.chain(fields).collect()
}

fn is_cart(word: &str) -> bool {
    matches!(meaning(word), Meaning::Noun(Noun::Cart)) || word == "checkout"
}

/// The last source that says a verb, and the verb.
fn spoken_verb(sources: &[Source]) -> Option<(usize, Verb)> {
    let verbs = || {
        sources.iter().enumerate().rev().filter(|(_, source)| source.kind.is_none()).filter_map(|(at, source)| {
            let verb = source.words.iter().rev().find_map(|word| match meaning(word) {
                Meaning::Verb(verb) => Some(verb),
                _ => None,
            });
            Some((at, verb?))
        })
    };
    // `save` says less than the `create` or `change` of its address.
    let last = verbs().next()?;
    let plain = || verbs().find(|(_, verb)| matches!(verb, Verb::Create | Verb::Update));
    if last.1 == Verb::Save { plain().or(Some(last)) } else { Some(last) }
}

/// What REST and plain forms say by method and status.
fn by_method(group: &Group<'_>, accepted: &[&Sample]) -> Option<Verb> {
    let instead = group.samples.first().and_then(|sample| sample.instead.as_deref());
    match instead.unwrap_or(group.method.as_str()) {
        "DELETE" => Some(Verb::Delete),
        "PATCH" => Some(Verb::Update),
        "PUT" if ends_in_capture(group) => Some(Verb::Update),
        "POST" if !accepted.is_empty() && accepted.iter().all(|sample| sample.status == 201) => Some(Verb::Create),
        "POST" if ends_in_capture(group) && group.has_body() => Some(Verb::Update),
        _ => None,
    }
}

fn ends_in_capture(group: &Group<'_>) -> bool {
    let filled = |segment: &&Segment| !matches!(segment, Segment::Fixed(text) if text.is_empty());
    group.method != Method::GET
        && group.shape.0.iter().rev().find(filled).is_some_and(|segment| matches!(segment, Segment::Int | Segment::Any))
}

/// The thing nearest to the verb, with its place in the path.
fn thing(sources: &[Source], verb: Option<usize>) -> Option<(Thing, Option<usize>)> {
    let named = |word: &String| match meaning(word) {
        Meaning::Noun(noun) => Some(Thing::Known(noun)),
        Meaning::Unknown => Some(Thing::Unknown),
        Meaning::Verb(_) | Meaning::Neutral => None,
    };
    let last = |source: &Source| source.words.iter().rev().find_map(named).map(|thing| (thing, source.at));
    let kind = sources.iter().filter(|source| source.kind.is_some()).min_by_key(|source| source.kind);
    if let Some(found) = kind.and_then(last) {
        return Some(found);
    }
    if let Some(source) = verb.and_then(|at| sources.get(at)) {
        let is_verb = |word: &String| matches!(meaning(word), Meaning::Verb(_));
        let at = source.words.iter().rposition(is_verb).unwrap_or_default();
        let (before, after) = source.words.split_at(at);
        if let Some(thing) = before.iter().rev().find_map(named).or_else(|| after.iter().find_map(named)) {
            return Some((thing, source.at));
        }
    }
    // Fields behind or before it, then the path from the verb back to its root.
    let fields = sources.iter().rev().filter(|source| source.at.is_none());
    let in_path = verb.and_then(|at| sources.get(at)).and_then(|source| source.at);
    let path = sources.iter().rev().filter(|source| source.at.is_some_and(|at| in_path.is_none_or(|verb| at <= verb)));
    fields.chain(path).find_map(last)
}

/// A checkout that answers with an order, or leads to the page that thanks for one.
fn checkout(
    sources: &[Source],
    verb: Option<Verb>,
    accepted: &[&Sample],
    thanked: impl Fn(&&Sample) -> bool,
) -> Option<Guess> {
    let ends = sources.iter().any(|source| source.words.iter().any(|word| word == "checkout"));
    if !ends
        || matches!(verb, Some(Verb::Read | Verb::Delete | Verb::Login | Verb::Register | Verb::Apply))
        || accepted.is_empty()
    {
        return None;
    }
    let ordered = |sample: &&Sample| {
        thanked(sample)
            || super::identity::answered_id(sample, Some(Noun::Order))
                .is_some_and(|(path, _)| path.last().is_some_and(|last| last.contains("order")))
    };
    accepted.iter().all(ordered).then(|| Guess {
        noun: Some(Noun::Order),
        verb: Some(Verb::Create),
        topic: Some("order.created".to_owned()),
        noun_at: None,
        doubts: Vec::new(),
    })
}

fn topic(noun: Option<Noun>, verb: Option<Verb>, cart: bool, doubts: &mut Vec<String>) -> Option<String> {
    let action = |name: &str| Some(format!("action.{name}"));
    match (noun, verb?) {
        (_, Verb::Login) => action("wc_customer_login"),
        (_, Verb::Logout) => action("wc_customer_logout"),
        (None | Some(Noun::Me | Noun::Customer), Verb::Register) => Some("customer.created".to_owned()),
        (Some(Noun::Cart), Verb::Create) => action("woocommerce_add_to_cart"),
        (Some(Noun::Cart), Verb::Delete) => action("woocommerce_cart_item_removed"),
        (Some(Noun::Cart), Verb::Update | Verb::Save) => {
            doubts.push(
                "one form can change, remove or leave each line: compare quantities with what was there".to_owned(),
            );
            action("woocommerce_after_cart_item_quantity_update")
        }
        (Some(Noun::Coupon), Verb::Apply) => action("woocommerce_applied_coupon"),
        (Some(Noun::Coupon), Verb::Create) if cart => action("woocommerce_applied_coupon"),
        (Some(Noun::Coupon), Verb::Delete) if cart => action("woocommerce_removed_coupon"),
        (Some(Noun::Me), verb) => {
            doubts.push("it is the visitor's own account, and who that is stands in no request: remember it at login ([session], `remember`)".to_owned());
            event(verb).map(|event| format!("customer.{event}"))
        }
        (Some(noun), verb) if noun != Noun::Cart => event(verb).map(|event| format!("{}.{event}", noun.resource())),
        _ => None,
    }
}

fn event(verb: Verb) -> Option<&'static str> {
    match verb {
        Verb::Create | Verb::Copy | Verb::Register => Some("created"),
        Verb::Update => Some("updated"),
        Verb::Save => Some("saved"),
        Verb::Delete => Some("deleted"),
        Verb::Restore => Some("restored"),
        Verb::Apply | Verb::Login | Verb::Logout | Verb::Read => None,
    }
}
