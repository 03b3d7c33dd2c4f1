//! `shopbell case`: a case out of exchanges of a recording, to be edited and kept beside the rules.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};

use http::HeaderMap;
use serde_json::Value;

use crate::admin;
use crate::exchange::{CaseStep, CaseText, CaseWhat, Exchange, ExpectedText};
use crate::rules::Ruleset;
use crate::rules::cases::Came;
use crate::rules::disguise::Disguise;

use super::args::CaseArgs;
use super::exchanges::{Recorded, Source};
use super::failure::Failure;
use super::output::count;
use super::ruleset::ruleset;

/// Headers that browsers and servers send with everything.
const NOISE: [&str; 26] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "cache-control",
    "connection",
    "date",
    "dnt",
    "etag",
    "expires",
    "keep-alive",
    "last-modified",
    "pragma",
    "priority",
    "sec-ch-ua",
    "sec-ch-ua-mobile",
    "sec-ch-ua-platform",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "sec-fetch-user",
    "server",
    "te",
    "upgrade-insecure-requests",
    "vary",
    "x-powered-by",
];

pub(super) fn run(args: &CaseArgs) -> Result<(), Failure> {
    let ruleset = args.rules.as_deref().map(ruleset).transpose()?;
    let source = Source::of(&args.recording)?;
    let disguise = (!args.raw && source.holds_secrets()?).then(|| admin::disguise(ruleset.as_ref()));
    let Chosen { steps, plain } = chosen(args, source, disguise)?;
    let mut case = CaseText { steps, expected: None };
    if case.steps.is_empty() {
        return Err(Failure::Failed("no exchange of the recording is chosen".to_owned()));
    }
    let events = match &ruleset {
        Some(ruleset) => {
            let came = came(ruleset, &case)?;
            if let Some(steps) = plain
                && shape(&came) != shape(&self::came(ruleset, &CaseText { steps, expected: None })?)
            {
                let text = "these rules make something else of it with its secrets replaced: look whether what they rest on \
                            looks like one, or write it as it was with --raw";
                writeln!(anstream::stderr(), "{text}")?;
            }
            came.iter().map(Came::line).collect()
        }
        None => Vec::new(),
    };
    case.expected = Some(ExpectedText { text: events.join("\n"), ..ExpectedText::default() });
    let text = case.write();
    match &args.out {
        None => io::stdout().lock().write_all(text.as_bytes())?,
        Some(path) => {
            let fault = |fault: io::Error| match fault.kind() {
                io::ErrorKind::AlreadyExists => Failure::Failed(format!(
                    "{} is there already, and nothing is overwritten: name another file",
                    path.display()
                )),
                _ => Failure::caused(format!("{} cannot be written", path.display()), &fault),
            };
            if let Some(parent) = path.parent().filter(|parent| parent.ends_with("cases")) {
                fs::create_dir_all(parent).map_err(fault)?;
            }
            let file = OpenOptions::new().write(true).create_new(true).open(path);
            file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(fault)?;
            let (exchanges, events) = (count(case.steps.len(), "exchange"), count(events.len(), "event"));
            writeln!(
                anstream::stderr(),
                "{exchanges} and {events} in {}: read it, and say in a `#` line what it is about",
                path.display()
            )?;
        }
    }
    Ok(())
}

fn came(ruleset: &Ruleset, case: &CaseText) -> Result<Vec<Came>, Failure> {
    let result = ruleset.run_case(case).map_err(|fault| Failure::Failed(fault.to_string()))?;
    Ok(result.run.events)
}

/// What must not depend on whether secrets are replaced.
fn shape(came: &[Came]) -> Vec<(usize, usize, &str, Option<&Value>)> {
    came.iter().map(|came| (came.seq, came.settled, came.rule.as_str(), came.event.get("topic"))).collect()
}

/// The chosen exchanges.
struct Chosen {
    steps: Vec<CaseStep>,
    /// The same with their secrets, where these were replaced.
    plain: Option<Vec<CaseStep>>,
}

/// Chooses exchanges, content codings undone, times counted from the first.
fn chosen(args: &CaseArgs, source: Source<'_>, mut disguise: Option<Disguise>) -> Result<Chosen, Failure> {
    let step = |what| CaseStep { comment: Vec::new(), line: 0, what };
    let mut chosen = Chosen { steps: Vec::new(), plain: disguise.is_some().then(Vec::new) };
    let (mut seq, mut first) = (0, None);
    source.each(|recorded| {
        let line = match recorded {
            Recorded::Exchange(line) => line,
            Recorded::Answer { target, response, body } => {
                chosen.steps.push(step(CaseWhat::Answer { target, response, body }));
                return Ok(());
            }
        };
        // Also of those that are not chosen: a secret of one may stand in another.
        let disguised = disguise.as_mut().map(|disguise| disguise.exchange(&line.exchange));
        seq += 1;
        if !args.seq.0.is_empty() && !args.seq.0.iter().any(|range| range.contains(&(seq - 1))) {
            return Ok(());
        }
        let t = line.t.map(|t| {
            let millis = ((t - *first.get_or_insert(t)) * 1000.0).round();
            millis / 1000.0
        });
        let exchange = |exchange: Exchange| step(CaseWhat::Exchange { t, exchange: Box::new(readable(exchange)) });
        let plain = exchange(line.exchange.decoded());
        match (disguised, &mut chosen.plain) {
            (Some(disguised), Some(all)) => {
                all.push(plain);
                chosen.steps.push(exchange(disguised));
            }
            _ => chosen.steps.push(plain),
        }
        Ok(())
    })?;
    Ok(chosen)
}

/// Leaves out what no rule is about.
fn readable(mut exchange: Exchange) -> Exchange {
    quiet(&mut exchange.request.headers);
    exchange.response.iter_mut().for_each(|response| quiet(&mut response.headers));
    exchange
}

fn quiet(headers: &mut HeaderMap) {
    for name in NOISE {
        headers.remove(name);
    }
    // A browser's own name says nothing; a program's may matter.
    if headers.get("user-agent").is_some_and(|agent| agent.as_bytes().starts_with(b"Mozilla/")) {
        headers.remove("user-agent");
    }
}

/// Numbers of exchanges: `12`, `12-15`, several parted by commas.
#[derive(Clone, Debug, Default)]
pub(super) struct Seqs(pub(super) Vec<std::ops::RangeInclusive<usize>>);

impl std::str::FromStr for Seqs {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let range = |part: &str| {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            let (from, to) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
            (from <= to).then_some(from..=to)
        };
        let ranges: Option<Vec<_>> = text.split(',').map(range).collect();
        ranges.map(Self).ok_or_else(|| format!("`{text}` names no exchanges: write 12, 12-15 or 12,17-19"))
    }
}
