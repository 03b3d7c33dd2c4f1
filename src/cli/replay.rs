//! `shopbell replay`: recorded exchanges through rules, offline. Opens no store and delivers nothing.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use serde_json::json;

use crate::exchange::parse_line;
use crate::rules::{self, Note, Replay, ReplayedEvent, Ruleset, VirtualTime};
use crate::{admin, app};

use super::args::ReplayArgs;
use super::failure::Failure;
use super::output::{clean, count, diagnostics};

pub(super) fn run(args: &ReplayArgs) -> Result<(), Failure> {
    let ruleset = ruleset(&args.rules)?;
    let name = if is_stdin(&args.exchanges) { "stdin".to_owned() } else { args.exchanges.display().to_string() };
    let input: Box<dyn BufRead> = if is_stdin(&args.exchanges) {
        Box::new(io::stdin().lock())
    } else {
        let file = File::open(&args.exchanges);
        Box::new(BufReader::new(file.map_err(|fault| Failure::Usage(format!("{name} cannot be read: {fault}")))?))
    };
    let out = io::BufWriter::new(io::stdout().lock());
    Replaying { name, replay: Replay::new(&ruleset), time: VirtualTime::default(), out }.all(input)
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn ruleset(dir: &Path) -> Result<Ruleset, Failure> {
    let (found, ruleset) = match app::read_rules_dir(dir) {
        Err(faults) => (faults, None),
        Ok(files) => {
            let loaded = rules::load(&files);
            (loaded.diagnostics, loaded.ruleset)
        }
    };
    diagnostics(&found)?;
    ruleset.ok_or_else(|| {
        Failure::Failed(format!("the rules in {} have faults ({})", dir.display(), count(found.len(), "diagnostic")))
    })
}

struct Replaying<'a, W> {
    name: String,
    replay: Replay<'a>,
    time: VirtualTime,
    out: W,
}

impl<W: Write> Replaying<'_, W> {
    fn all(mut self, input: impl BufRead) -> Result<(), Failure> {
        let mut seq = 0;
        for line in input.split(b'\n') {
            let line = line.map_err(|fault| Failure::caused(format!("{} cannot be read", self.name), &fault))?;
            let line = String::from_utf8_lossy(&line);
            if line.trim().is_empty() {
                continue;
            }
            let recorded = parse_line(&line).map_err(|fault| {
                Failure::Failed(format!("{}: exchange {seq} (counted from 0) cannot be read: {fault}", self.name))
            })?;
            let mut exchange = recorded.exchange;
            exchange.at = self.time.next(recorded.t);
            let (events, notes) = self.replay.feed(seq, exchange);
            self.print(seq, &events, &notes)?;
            seq += 1;
        }
        // What still waits ends here.
        let (events, notes) = self.replay.finish();
        self.print(seq.saturating_sub(1), &events, &notes)?;
        Ok(self.out.flush()?)
    }

    fn print(&mut self, seq: usize, events: &[ReplayedEvent], notes: &[Note]) -> Result<(), Failure> {
        let mut err = anstream::stderr().lock();
        for note in notes {
            let rule = if note.rule.is_empty() { String::new() } else { format!("rule {}: ", note.rule) };
            writeln!(err, "exchange {seq}: {rule}{}", clean(&note.text))?;
        }
        for event in events {
            let draft = &event.draft;
            let line = json!({
                "seq": event.seq,
                "settled": event.settled,
                "topic": draft.topic.as_str(),
                "id": draft.id.as_deref().map(admin::id_json),
                "key": draft.key,
                "payload": &*draft.body,
                "rule": draft.rule,
            });
            writeln!(self.out, "{line}")?;
        }
        Ok(())
    }
}
