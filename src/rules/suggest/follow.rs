//! The page that follows: where an id is in none of the exchange, it may stand on the next page of the same visitor.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;

use super::page::Spot;
use super::sample::Sample;
use super::selector::{is_word, selects};
use super::shape::Shape;
use super::text::{key, string};

/// How many exchanges later (all visitors') the page may come.
const WITHIN: usize = 40;

/// What the following pages show.
#[derive(Debug)]
pub(super) struct Follow {
    /// After how many of the accepted exchanges such a page came.
    pub(super) seen: usize,
    /// Lines of a `wait` that reads it.
    pub(super) wait: Vec<String>,
    /// The page, for a comment.
    pub(super) page: String,
}

/// Looks for a number on the page each accepted exchange redirects to; `routers` are the query fields that say which page it is.
pub(super) fn follow(accepted: &[&Sample], all: &[Sample], routers: &[String]) -> Option<Follow> {
    let pairs: Vec<(&Sample, &Sample)> =
        accepted.iter().filter_map(|sample| Some((*sample, next(sample, all)?))).collect();
    let (first, page) = pairs.first()?;
    let shape = Shape::of(&page.segments);
    // A page whose path holds a name is no page to wait for.
    if !shape.is_plain(&Shape::of(&first.segments)) || pairs.iter().any(|(_, page)| Shape::of(&page.segments) != shape)
    {
        return None;
    }
    let spot = spot(&pairs)?;
    let selects = |name: &String| selects(name) || routers.contains(name);
    let selected = page.query.iter().filter(|(name, value)| selects(name) && is_word(value));
    let mut wait = vec![format!("wait.on = {}", string(&format!("GET {}", shape.template())))];
    let mut heading = format!("GET {}", shape.template());
    for (name, value) in selected {
        let condition = format!("query.{} = {}", key(name), string(value));
        wait.push(format!("wait.{condition}"));
        heading = heading + ", " + &condition;
    }
    let find = match &spot {
        Spot::Element(id) => format!("css = {}, regex = '\\d+'", string(&format!("#{id}"))),
        Spot::Title => "css = \"title\", regex = '\\d+'".to_owned(),
        Spot::Link(name) => format!("css = 'a[href*=\"{name}=\"]', attr = \"href\", regex = '{name}=(\\d[\\d-]*)'"),
    };
    wait.push(format!("wait.find.number = {{ {find} }}"));
    wait.push("wait.for = \"15m\"".to_owned());
    Some(Follow { seen: pairs.len(), wait, page: heading })
}

/// The next exchange of the same visitor that gets the redirect's goal.
fn next<'s>(sample: &Sample, all: &'s [Sample]) -> Option<&'s Sample> {
    let target = sample.target.as_ref()?;
    let start = all.partition_point(|other| other.seq <= sample.seq);
    let later = all.get(start..)?.iter().take_while(|other| other.seq <= sample.seq + WITHIN);
    let gets = |other: &&Sample| {
        other.method == Method::GET && other.segments == target.segments && other.query == target.query
    };
    later.filter(gets).find(|other| other.status == 200 && other.same_visitor(sample))
}

/// A place on the page where every one shows a number, and no two the same.
fn spot(pairs: &[(&Sample, &Sample)]) -> Option<Spot> {
    let mut found: BTreeMap<&Spot, BTreeSet<&str>> = BTreeMap::new();
    for (_, page) in pairs {
        let mut seen = BTreeSet::new();
        for (spot, number) in page.page.iter().flat_map(|page| &page.numbers) {
            // The first number of a place is what a regular expression finds.
            if seen.insert(spot) {
                found.entry(spot).or_default().insert(number);
            }
        }
    }
    found.into_iter().find(|(_, numbers)| numbers.len() == pairs.len()).map(|(spot, _)| spot.clone())
}
