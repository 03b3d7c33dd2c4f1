//! `shopbell replay`: recorded exchanges through rules, offline. Opens no store and delivers nothing.

use std::io::{self, Write};

use serde_json::json;

use crate::admin;
use crate::rules::{Note, Replay, ReplayedEvent, VirtualTime, answer_exchange};

use super::args::ReplayArgs;
use super::exchanges::{Recorded, Source};
use super::failure::Failure;
use super::output::clean;
use super::ruleset::ruleset;

pub(super) fn run(args: &ReplayArgs) -> Result<(), Failure> {
    let source = Source::of(&args.recording)?;
    let ruleset = ruleset(&args.rules)?;
    let out = io::BufWriter::new(io::stdout().lock());
    let replaying = Replaying { replay: Replay::new(&ruleset), time: VirtualTime::default(), out };
    replaying.all(source)
}

struct Replaying<'a, W> {
    replay: Replay<'a>,
    time: VirtualTime,
    out: W,
}

impl<W: Write> Replaying<'_, W> {
    fn all(mut self, source: Source<'_>) -> Result<(), Failure> {
        let mut seq = 0;
        source.each(|recorded| {
            let (events, notes) = match recorded {
                Recorded::Exchange(line) => {
                    let mut exchange = line.exchange;
                    exchange.at = self.time.next(line.t);
                    self.replay.feed(seq, exchange)
                }
                Recorded::Answer { target, response, body } => {
                    let answer = answer_exchange(self.time.now(), response, body);
                    let replayed = self.replay.answer(&target, answer);
                    return self.print(seq.saturating_sub(1), &replayed.0, &replayed.1);
                }
            };
            self.print(seq, &events, &notes)?;
            seq += 1;
            Ok(())
        })?;
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
