//! Exchanges that do the same thing: one method, one path template, the same selecting fields.

use std::collections::BTreeMap;

use http::Method;

use super::router::Routers;
use super::sample::{Answer, Body, Sample};
use super::selector::{Place, Selector, compared, named, routed};
use super::shape::{Segment, Shape};
use super::words::{Meaning, Verb, meaning, words};

/// Identical requests from which on they are a poll or a beacon.
const POLLS: usize = 6;

/// What one kind of request looked like, every time it was seen.
#[derive(Debug)]
pub(super) struct Group<'s> {
    pub(super) method: Method,
    pub(super) shape: Shape,
    pub(super) selectors: Vec<Selector>,
    /// Query fields by which this path serves many pages.
    pub(super) routers: Vec<String>,
    pub(super) samples: Vec<&'s Sample>,
}

/// Groups in a fixed order, and how many exchanges were left out as noise.
pub(super) fn groups(samples: &[Sample]) -> (Vec<Group<'_>>, usize) {
    let mut paths: BTreeMap<(&str, Shape), Vec<&Sample>> = BTreeMap::new();
    for sample in samples {
        paths.entry((sample.method.as_str(), Shape::of(&sample.segments))).or_default().push(sample);
    }
    let routers = Routers::of(samples);
    let mut groups: BTreeMap<(&str, Shape, Vec<Selector>), Vec<&Sample>> = BTreeMap::new();
    for ((method, shape), samples) in paths {
        let own = |sample: &&Sample| routed(sample, routers.names(&shape)).into_iter().chain(named(sample)).collect();
        let mut selectors: Vec<Vec<Selector>> = samples.iter().map(own).collect();
        compared(&samples, &shape.template(), &mut selectors);
        for (sample, own) in samples.into_iter().zip(selectors) {
            if sample.method != Method::GET || changes_by_get(sample, &shape, &own) {
                groups.entry((method, shape.clone(), own)).or_default().push(sample);
            }
        }
    }
    adopt(&mut groups);
    let mut noise = 0;
    let mut kept = Vec::new();
    for ((_, shape, selectors), samples) in groups {
        let Some(method) = samples.first().map(|sample| sample.method.clone()) else { continue };
        let routers = routers.names(&shape).to_vec();
        let group = Group { method, shape, selectors, routers, samples };
        if group.is_noise() {
            noise += group.samples.len();
        } else {
            kept.push(group);
        }
    }
    (kept, noise)
}

/// Answers that lack the kind only the `Location` of the others names (refusals, mostly) join those others, so that they
/// speak against them.
fn adopt<'s>(groups: &mut BTreeMap<(&'s str, Shape, Vec<Selector>), Vec<&'s Sample>>) {
    let kinded = |selectors: &[Selector]| selectors.iter().any(|selector| selector.place == Place::Location);
    let bare: Vec<_> = groups.keys().filter(|(_, _, selectors)| !kinded(selectors)).cloned().collect();
    for key in bare {
        let (method, shape, selectors) = &key;
        let like: Vec<_> = groups
            .keys()
            .filter(|(other, place, own)| {
                let without = own.iter().filter(|selector| selector.place != Place::Location);
                kinded(own) && other == method && place == shape && without.eq(selectors)
            })
            .cloned()
            .collect();
        if like.is_empty() {
            continue;
        }
        let samples = groups.remove(&key).unwrap_or_default();
        for key in like {
            groups.entry(key).or_default().extend(samples.iter().copied());
        }
    }
    for samples in groups.values_mut() {
        samples.sort_by_key(|sample| sample.seq);
    }
}

/// Whether a GET looks as if it changed something: its words say so, and it is answered by a redirect or by data.
fn changes_by_get(sample: &Sample, shape: &Shape, selectors: &[Selector]) -> bool {
    let redirected = (300..400).contains(&sample.status) && sample.target.is_some();
    if !redirected && !matches!(sample.answer, Answer::Json(_)) {
        return false;
    }
    let verb = last_verb(shape, selectors);
    // The address of a form that sends people elsewhere, as they may not use it or must choose first.
    let form = matches!(verb, Some(Verb::Create | Verb::Copy | Verb::Update | Verb::Save | Verb::Apply))
        && last_verb(&Shape(Vec::new()), selectors).is_none();
    if form {
        return false;
    }
    let back =
        sample.target.as_ref().is_some_and(|target| target.segments == sample.segments && target.query == sample.query);
    !back && verb.is_some_and(|verb| !matches!(verb, Verb::Read | Verb::Login | Verb::Register))
}

/// The verb said last: by a selecting field, else in the path.
pub(super) fn last_verb(shape: &Shape, selectors: &[Selector]) -> Option<Verb> {
    let path = shape.0.iter().filter_map(|segment| match segment {
        Segment::Fixed(text) => Some(text.as_str()),
        Segment::Int | Segment::Any => None,
    });
    let texts = path.chain(selectors.iter().filter_map(Selector::text));
    let verbs = texts.flat_map(words).filter_map(|word| match meaning(&word) {
        Meaning::Verb(verb) => Some(verb),
        _ => None,
    });
    verbs.fold(None, |_, verb| Some(verb))
}

impl Group<'_> {
    /// What only reads, and what a page sends by itself over and over.
    fn is_noise(&self) -> bool {
        if last_verb(&self.shape, &self.selectors) == Some(Verb::Read) {
            return true;
        }
        let Some(first) = self.samples.first() else { return true };
        let same =
            |sample: &&Sample| sample.query == first.query && sample.form == first.form && sample.json == first.json;
        let idle = self.samples.iter().all(|sample| sample.target.is_none() && sample.status < 400);
        self.samples.len() >= POLLS && idle && self.samples.iter().all(same)
    }

    /// Whether the requests carry a body.
    pub(super) fn has_body(&self) -> bool {
        self.samples.iter().any(|sample| sample.body != Body::None)
    }

    /// Where it happens, for a comment.
    pub(super) fn heading(&self) -> String {
        let mut text = format!("{} {}", self.method, self.shape.template());
        for selector in &self.selectors {
            text.push_str(", ");
            text.push_str(&selector.condition());
        }
        text
    }
}
