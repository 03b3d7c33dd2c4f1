//! Proposals tried out: the rules they come to run over the recording they were made from, as `replay` runs them.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::Severity;
use crate::exchange::Exchange;

use super::super::load::load;
use super::super::replay::{Replay, ReplayedEvent};
use super::super::rule::Ruleset;
use super::proposal::Proposal;
use super::success::numbered;
use super::{source, text, write};

/// Takes the recording once more.
#[derive(Debug)]
pub struct Trial<'a> {
    /// The file as it would be handed out, and the same with what is commented out.
    runs: [Option<Run<'a>>; 2],
}

/// One rule set over the recording.
#[derive(Debug)]
struct Run<'a> {
    replay: Replay<'a>,
    /// By rule and line: whether each event has an id.
    gave: BTreeMap<String, BTreeMap<usize, bool>>,
}

impl Run<'_> {
    fn take(&mut self, events: Vec<ReplayedEvent>) {
        for ReplayedEvent { seq, draft, .. } in events {
            let line = self.gave.entry(draft.rule).or_default().entry(seq).or_insert(true);
            *line &= draft.id.is_some();
        }
    }
}

impl<'a> Trial<'a> {
    pub(super) fn of(standing: Option<&'a Ruleset>, with_guesses: Option<&'a Ruleset>) -> Self {
        let run = |rules| Run { replay: Replay::new(rules), gave: BTreeMap::new() };
        Self { runs: [standing.map(run), with_guesses.map(run)] }
    }

    /// Takes the next exchange, line `seq` of the recording (counted from 0); its `at` is the time of the line.
    pub fn feed(&mut self, seq: usize, exchange: &Exchange) {
        for run in self.runs.iter_mut().flatten() {
            let (events, _) = run.replay.feed(seq, exchange.clone());
            run.take(events);
        }
    }

    /// Says in each proposal what it gave; what it should not have given, or did not, is a doubt.
    pub(super) fn tell(mut self, proposals: &mut [Proposal]) {
        for run in self.runs.iter_mut().flatten() {
            let (events, _) = run.replay.finish();
            run.take(events);
        }
        let [standing, with_guesses] = &self.runs;
        let nothing = BTreeMap::new();
        for proposal in proposals {
            let run = if proposal.doubts.is_empty() { standing } else { with_guesses };
            let Some(run) = run.as_ref().filter(|_| proposal.loads) else { continue };
            told(proposal, run.gave.get(&proposal.name).unwrap_or(&nothing));
        }
    }
}

fn told(proposal: &mut Proposal, gave: &BTreeMap<usize, bool>) {
    let (done, refused) = (&proposal.done, &proposal.refused);
    let given = done.iter().filter(|line| gave.contains_key(line)).count();
    let with_id = done.iter().filter(|line| gave.get(line) == Some(&true)).count();
    let ids = match with_id {
        _ if given == 0 => String::new(),
        0 => ", without an id".to_owned(),
        all if all == given => ", with an id".to_owned(),
        some => format!(", {some} of them with an id"),
    };
    let missing: Vec<usize> = done.iter().copied().filter(|line| !gave.contains_key(line)).collect();
    let rest =
        if missing.is_empty() || given == 0 { String::new() } else { format!("; none for {}", numbered(&missing)) };
    proposal.notes.push(format!("replayed: {given} of {} gave an event{ids}{rest}", done.len()));
    let wrong: Vec<usize> = refused.iter().copied().filter(|line| gave.contains_key(line)).collect();
    let of_it: BTreeSet<usize> = done.iter().chain(refused).copied().collect();
    let others: Vec<usize> = gave.keys().copied().filter(|line| !of_it.contains(line)).collect();
    if given == 0 {
        proposal.doubts.push("replayed over the recording, it gives no event".to_owned());
    }
    if !wrong.is_empty() {
        let text =
            format!("replayed over the recording, it gives an event for {}, where it was not done", numbered(&wrong));
        proposal.doubts.push(text);
    }
    if !others.is_empty() {
        let text = format!(
            "replayed over the recording, it gives an event for {}, too, which is something else",
            numbered(&others)
        );
        proposal.doubts.push(text);
    }
}

/// Loads a proposal alone, with the tables it may need; one with faults is commented out, and one that should stand with
/// warnings, too.
pub(super) fn load_alone(proposal: &mut Proposal, tables: &str) {
    let sure = proposal.doubts.is_empty();
    // What stands must do so in the file, where these tables are comments.
    let tables = if sure { "" } else { tables };
    let loaded = load(&[source(&format!("{tables}{}", write::standing(proposal)))]);
    proposal.loads = loaded.ruleset.is_some();
    let fault = loaded.diagnostics.iter().find(|fault| sure || fault.severity == Severity::Error);
    if let Some(fault) = fault.filter(|_| proposal.topic.is_some()) {
        proposal.doubts.push(format!("as it stands, loading says: {}", text::shown(&fault.message)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_proposal_gave_is_told_and_what_it_should_not_is_a_doubt() {
        let gives_nothing = "replayed over the recording, it gives no event";
        for (gave, note, doubts) in [
            (&[(2, true), (5, true)][..], "replayed: 2 of 2 gave an event, with an id", &[][..]),
            (&[(2, true), (5, false)], "replayed: 2 of 2 gave an event, 1 of them with an id", &[]),
            (&[(5, false)], "replayed: 1 of 2 gave an event, without an id; none for line 2", &[]),
            (&[], "replayed: 0 of 2 gave an event", &[gives_nothing]),
            (
                &[(2, true), (5, true), (7, true), (8, false)],
                "replayed: 2 of 2 gave an event, with an id",
                &[
                    "replayed over the recording, it gives an event for line 7, where it was not done",
                    "replayed over the recording, it gives an event for line 8, too, which is something else",
                ],
            ),
        ] {
            let mut proposal = Proposal {
                name: "p".to_owned(),
                topic: Some("product.created".to_owned()),
                rule: Vec::new(),
                notes: Vec::new(),
                doubts: Vec::new(),
                flash: false,
                first: 2,
                done: vec![2, 5],
                refused: vec![7],
                loads: true,
            };
            told(&mut proposal, &gave.iter().copied().collect());
            assert_eq!(
                (proposal.notes, proposal.doubts),
                (vec![note.to_owned()], doubts.iter().map(ToString::to_string).collect())
            );
        }
    }
}
