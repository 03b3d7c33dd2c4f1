//! Front controllers whose field no table knows: one address serves many pages, and a query field says which
//! (`index.php?_a=register`, `admin.php?_g=products&node=coupons`).

use std::collections::{BTreeMap, BTreeSet};

use super::payload::is_secret;
use super::sample::{Sample, field};
use super::selector::{is_word, selects};
use super::shape::Shape;
use super::words::{Meaning, is_vocabulary, says};

/// Requests that must carry a field before it can be a router.
const ENOUGH: usize = 3;

/// Different pages behind one address.
const MOST_PAGES: usize = 60;

/// Names of the routing fields of each path, in the order in which addresses write them.
#[derive(Debug, Default)]
pub(super) struct Routers(BTreeMap<Shape, Vec<String>>);

impl Routers {
    /// Compares all requests to one path, whatever their method: links name the pages that forms are sent to.
    pub(super) fn of(samples: &[Sample]) -> Self {
        let mut paths: BTreeMap<Shape, Vec<&Sample>> = BTreeMap::new();
        for sample in samples {
            paths.entry(Shape::of(&sample.segments)).or_default().push(sample);
        }
        Self(paths.into_iter().map(|(shape, samples)| (shape, routing(&samples))).collect())
    }

    /// Those of a path.
    pub(super) fn names(&self, shape: &Shape) -> &[String] {
        self.0.get(shape).map_or(&[], Vec::as_slice)
    }
}

fn routing(samples: &[&Sample]) -> Vec<String> {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in samples.iter().flat_map(|sample| &sample.query) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names.into_iter().filter(|name| routes(samples, name)).map(str::to_owned).collect()
}

/// Whether a field takes few values, each a word, most of which a shop's pages are called by.
fn routes(samples: &[&Sample], name: &str) -> bool {
    if selects(name) || name.contains('[') || is_secret(name) {
        return false;
    }
    let all: Vec<&str> = samples.iter().filter_map(|sample| field(&sample.query, name)).collect();
    let values: BTreeSet<&str> = all.iter().copied().collect();
    let word = |value: &&str| is_word(value) && !value.contains(|c: char| c.is_ascii_digit());
    let known = values.iter().filter(|value| is_vocabulary(value)).count();
    let speaks = |value: &&str| says(value, |meaning| matches!(meaning, Meaning::Verb(_) | Meaning::Noun(_)));
    all.len() >= ENOUGH
        && (2..=MOST_PAGES).contains(&values.len())
        && values.len() < all.len()
        && values.iter().all(word)
        && known * 2 >= values.len()
        && values.iter().any(speaks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{Exchange, ReadOptions, parse_line};

    fn names(urls: &[&str]) -> Vec<String> {
        let sample = |(seq, url): (usize, &&str)| {
            let line = format!(r#"{{"request":{{"method":"GET","url":"{url}"}},"response":{{"status":200}}}}"#);
            let exchange: Exchange = parse_line(&line).unwrap().exchange;
            Sample::of(seq, exchange, ReadOptions::default()).unwrap()
        };
        let samples: Vec<Sample> = urls.iter().enumerate().map(sample).collect();
        Routers::of(&samples).names(&Shape::of(&["i.php".to_owned()])).to_vec()
    }

    #[test]
    fn routing_fields_are_told_from_others() {
        for (urls, expected) in [
            (&["/i.php?_a=login", "/i.php?_a=basket&x=1", "/i.php?_a=login"][..], "_a"),
            (&["/i.php?g=products&n=coupons", "/i.php?g=orders&n=index", "/i.php?g=orders&n=index"], "g n"),
            // Known by its name already; one page; too few; numbers; words of the goods; free text.
            (&["/i.php?route=login", "/i.php?route=basket", "/i.php?route=login"], ""),
            (&["/i.php?a=login", "/i.php?a=login", "/i.php?a=login"], ""),
            (&["/i.php?a=login", "/i.php?a=basket"], ""),
            (&["/i.php?p=1", "/i.php?p=2", "/i.php?p=1"], ""),
            (&["/i.php?c=shoes", "/i.php?c=hats", "/i.php?c=gloves", "/i.php?c=hats"], ""),
            (&["/i.php?q=a+b", "/i.php?q=login", "/i.php?q=login"], ""),
        ] {
            assert_eq!(names(urls).join(" "), expected, "{urls:?}");
        }
    }
}
