//! `shopbell suggest`: rules to start from, out of a recording.

use std::fs;
use std::io::{self, Write as _};

use crate::exchange::{Exchange, ReadOptions};
use crate::rules::VirtualTime;
use crate::rules::suggest::{Suggester, Suggestion};

use super::args::SuggestArgs;
use super::exchanges::{Recorded, Source};
use super::failure::Failure;
use super::output::{count, diagnostics};

pub(super) fn run(args: &SuggestArgs) -> Result<(), Failure> {
    let suggestion = read(args)?;
    diagnostics(&suggestion.diagnostics.iter().filter(|_| suggestion.counts.rules > 0).cloned().collect::<Vec<_>>())?;
    match &args.out {
        None => io::stdout().lock().write_all(suggestion.text.as_bytes())?,
        Some(path) => {
            // `create_new`: rules somebody has edited are never overwritten.
            let file = fs::OpenOptions::new().write(true).create_new(true).open(path);
            file.and_then(|mut file| file.write_all(suggestion.text.as_bytes())).map_err(|fault| {
                match fault.kind() {
                    io::ErrorKind::AlreadyExists => Failure::Failed(format!(
                        "{} is there already, and nothing is overwritten: name another file",
                        path.display()
                    )),
                    _ => Failure::caused(format!("{} cannot be written", path.display()), &fault),
                }
            })?;
        }
    }
    let counts = suggestion.counts;
    let place = args.out.as_ref().map_or_else(String::new, |path| format!(" in {}", path.display()));
    writeln!(
        anstream::stderr(),
        "{} read: {}{place}, and {} commented out as not certain",
        count(counts.exchanges, "exchange"),
        count(counts.rules, "rule"),
        count(counts.guesses, "proposal"),
    )?;
    Ok(())
}

fn read(args: &SuggestArgs) -> Result<Suggestion, Failure> {
    let source = Source::of(&args.recording)?;
    let mut suggester = Suggester::new(ReadOptions::default());
    // What comes from a pipe cannot be read twice.
    let mut kept = source.is_stdin().then(Vec::new);
    each(source, |seq, exchange| {
        if let Some(kept) = &mut kept {
            kept.push(exchange.clone());
        }
        suggester.feed(seq, exchange);
    })?;
    suggester.finish(|trial| match kept {
        None => each(source, |seq, exchange| trial.feed(seq, &exchange)),
        Some(kept) => {
            kept.iter().enumerate().for_each(|(seq, exchange)| trial.feed(seq, exchange));
            Ok(())
        }
    })
}

/// Every exchange of a recording, at its time.
fn each(source: Source<'_>, mut see: impl FnMut(usize, Exchange)) -> Result<(), Failure> {
    let (mut seq, mut time) = (0, VirtualTime::default());
    source.each(|recorded| {
        if let Recorded::Exchange(line) = recorded {
            let mut exchange = line.exchange;
            exchange.at = time.next(line.t);
            see(seq, exchange);
            seq += 1;
        }
        Ok(())
    })
}
