//! From a recording to rules to start from: what changed something, how success shows, where the id stands.
//!
//! `sample` boils each exchange down. `group` puts together those that do the same thing, by `shape` (path templates) and
//! `selector` (the fields that choose the operation). Of each group `success` asks what tells done from refused, `topic` what
//! it means, `identity` where the id is, `payload` which fields WooCommerce has too, `follow` what the next page shows. What is
//! not certain is written commented out. `trial` runs what came of it over the recording: each proposal says what it gave, and
//! one that gives nothing, or more than it should, is commented out. Recorded values appear in a rule only where they name an
//! operation.

mod follow;
mod group;
mod identity;
mod natural;
mod page;
mod payload;
mod proposal;
mod redirect;
mod router;
mod sample;
mod selector;
mod shape;
mod success;
mod text;
mod topic;
mod trial;
mod verdict;
mod words;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::Diagnostic;
use crate::exchange::{Exchange, ReadOptions};

use super::load::{Loaded, SourceFile, load};
use super::rule::Ruleset;
use proposal::{Proposal, proposals};
use sample::Sample;
pub use trial::Trial;

/// Exchanges one recording may have; the rest is counted as unusable. What is kept of each is its fields and its JSON.
const MAX_EXCHANGES: usize = 100_000;

/// The file name under which proposals are tried.
const FILE: &str = "suggested.toml";

/// Takes a recording, exchange by exchange, and proposes rules.
#[derive(Debug, Default)]
pub struct Suggester {
    samples: Vec<Sample>,
    counts: Counts,
    options: ReadOptions,
}

/// What was read and what came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Exchanges read.
    pub exchanges: usize,
    /// Static files, and what was cut, damaged or not answered.
    pub unusable: usize,
    /// Requests that only read, or repeat themselves.
    pub noise: usize,
    /// Rules that stand.
    pub rules: usize,
    /// Proposals that are commented out.
    pub guesses: usize,
}

/// What a recording suggests.
#[derive(Debug)]
pub struct Suggestion {
    /// A rules file. It loads as it is.
    pub text: String,
    /// What it was made from.
    pub counts: Counts,
    /// What loading the file said, which is nothing but warnings.
    pub diagnostics: Vec<Diagnostic>,
}

impl Suggester {
    /// Starts with nothing read; `options` say how unlabelled bytes are read.
    pub fn new(options: ReadOptions) -> Self {
        Self { options, ..Self::default() }
    }

    /// Takes the next exchange, line `seq` of the recording (counted from 0).
    pub fn feed(&mut self, seq: usize, exchange: Exchange) {
        self.counts.exchanges += 1;
        let sample = (self.samples.len() < MAX_EXCHANGES).then(|| Sample::of(seq, exchange, self.options)).flatten();
        match sample {
            Some(sample) => self.samples.push(sample),
            None => self.counts.unusable += 1,
        }
    }

    /// Proposes rules for all that was read. `again` reads the recording once more: the rules run over it, and each proposal
    /// says what it gave. The same recording gives the same text. Errors are those of `again`.
    pub fn finish<E>(self, again: impl FnOnce(&mut Trial<'_>) -> Result<(), E>) -> Result<Suggestion, E> {
        let Self { samples, mut counts, .. } = self;
        let (groups, noise) = group::groups(&samples);
        let mut all: Vec<Proposal> = groups.iter().flat_map(|group| proposals(group, &samples)).collect();
        counts.noise = noise;
        in_order(&mut all);
        name_apart(&mut all);
        let session = session(&samples);
        let tables = write::tables(&all, &session);
        for proposal in &mut all {
            trial::load_alone(proposal, &tables);
        }
        // Each loads alone; together they must, too, or a file with faults would be handed out as one without.
        let standing = together(&mut all, &session, &mut counts);
        let guesses = all.iter().filter(|proposal| proposal.loads).map(write::standing).collect::<String>();
        let with_guesses = load(&[source(&format!("{tables}{guesses}"))]);
        let mut trial = Trial::of(standing.ruleset.as_ref(), with_guesses.ruleset.as_ref());
        again(&mut trial)?;
        trial.tell(&mut all);
        in_order(&mut all);
        let loaded = together(&mut all, &session, &mut counts);
        Ok(Suggestion { text: loaded.text, counts, diagnostics: loaded.diagnostics })
    }
}

/// The file, loaded.
struct Together {
    text: String,
    ruleset: Option<Ruleset>,
    diagnostics: Vec<Diagnostic>,
}

/// All proposals as a file that loads; where it does not, none of them stands.
fn together(all: &mut [Proposal], session: &[String], counts: &mut Counts) -> Together {
    loop {
        counts.rules = all.iter().filter(|proposal| proposal.doubts.is_empty()).count();
        counts.guesses = all.len() - counts.rules;
        let text = write::file(all, counts, session);
        let Loaded { ruleset, diagnostics } = load(&[source(&text)]);
        if ruleset.is_some() || counts.rules == 0 {
            return Together { text, ruleset, diagnostics };
        }
        let first = diagnostics.first().map(|fault| fault.message.clone()).unwrap_or_default();
        for proposal in all.iter_mut().filter(|proposal| proposal.doubts.is_empty()) {
            proposal.doubts.push(format!("together with the others it does not load: {}", text::shown(&first)));
        }
    }
}

/// Rules that stand first, then by topic and line.
fn in_order(all: &mut [Proposal]) {
    all.sort_by_key(|proposal| {
        let topic = proposal.topic.clone().unwrap_or_default();
        let sure = proposal.doubts.is_empty();
        (!sure, topic.is_empty(), rank(&topic), topic, proposal.first, proposal.name.clone())
    });
}

/// Gives names that come twice a number.
fn name_apart(all: &mut [Proposal]) {
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    for proposal in all {
        let used = names.entry(proposal.name.clone()).or_default();
        *used += 1;
        if *used > 1 {
            proposal.name = format!("{}-{used}", proposal.name);
        }
    }
}

fn source(text: &str) -> SourceFile {
    SourceFile { path: FILE.to_owned(), bytes: text.as_bytes().to_vec() }
}

/// WooCommerce's resources first, actions last.
fn rank(topic: &str) -> usize {
    let order = ["product.", "order.", "customer.", "coupon."];
    match order.iter().position(|start| topic.starts_with(start)) {
        Some(at) => at,
        None if topic.starts_with("action.") => order.len() + 1,
        None => order.len(),
    }
}

/// Names of cookies that shops set and visitors send back with a long value, as patterns.
fn session(samples: &[Sample]) -> Vec<String> {
    let mut names: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for cookie in samples.iter().flat_map(|sample| &sample.session) {
        let Some((name, value)) = cookie.split_once('=') else { continue };
        // A hash in a name differs from shop to shop.
        let parts: Vec<&str> = name.split('_').map(|part| if shape::is_token(part) { "*" } else { part }).collect();
        let (name, lower) = (parts.join("_"), name.to_ascii_lowercase());
        let speaks = ["sess", "sid", "logged_in", "auth", "login", "basket"].iter().any(|sign| lower.contains(sign));
        if speaks
            && text::shown(&name) == name
            && shape::is_token(value.split(['|', ':', '%']).next_back().unwrap_or_default())
        {
            names.entry(name).or_default().insert(value);
        }
    }
    names.into_keys().map(|name| text::string(&name)).collect()
}
