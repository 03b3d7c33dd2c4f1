//! `shopbell case`: a case out of exchanges of a recording, to be edited and kept beside the rules.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};

use http::HeaderMap;

use crate::exchange::{CaseStep, CaseText, CaseWhat, ExpectedText};
use crate::rules::cases::Came;

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
    let mut case = CaseText { steps: steps(args)?, expected: None };
    if case.steps.is_empty() {
        return Err(Failure::Failed("no exchange of the recording is chosen".to_owned()));
    }
    let events = match &args.rules {
        Some(rules) => {
            let result = ruleset(rules)?.run_case(&case).map_err(|fault| Failure::Failed(fault.to_string()))?;
            result.run.events.iter().map(Came::line).collect()
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

/// The chosen exchanges, content codings undone, times counted from the first.
fn steps(args: &CaseArgs) -> Result<Vec<CaseStep>, Failure> {
    let mut chosen = Vec::new();
    let (mut seq, mut first) = (0, None);
    Source::of(&args.recording)?.each(|recorded| {
        let what = match recorded {
            Recorded::Exchange(line) => {
                seq += 1;
                if !args.seq.0.is_empty() && !args.seq.0.iter().any(|range| range.contains(&(seq - 1))) {
                    return Ok(());
                }
                let t = line.t.map(|t| {
                    let millis = ((t - *first.get_or_insert(t)) * 1000.0).round();
                    millis / 1000.0
                });
                let mut exchange = line.exchange.decoded();
                readable(&mut exchange.request.headers);
                exchange.response.iter_mut().for_each(|response| readable(&mut response.headers));
                CaseWhat::Exchange { t, exchange: Box::new(exchange) }
            }
            Recorded::Answer { target, response, body } => CaseWhat::Answer { target, response, body },
        };
        chosen.push(CaseStep { comment: Vec::new(), line: 0, what });
        Ok(())
    })?;
    Ok(chosen)
}

/// Leaves out what no rule is about.
fn readable(headers: &mut HeaderMap) {
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
