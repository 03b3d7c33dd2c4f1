//! `shopbell explain`: why exchanges gave what they gave. The tool to write rules with.

mod cells;
mod show;
mod steps;

use std::io::{self, BufWriter, Write as _};

use serde_json::json;

use crate::admin::SeenView;
use crate::exchange::{Exchange, parse_line};
use crate::rules::explain::{Explainer, Explanation, Outcome, Verdict};
use crate::rules::{VirtualTime, answer_exchange};

use super::args::{ExplainArgs, Place};
use super::control::Api;
use super::exchanges::{Recorded, Source};
use super::failure::Failure;
use super::output::count;
use super::ruleset::ruleset;
use cells::{BOLD, DIM, Page};

pub(super) async fn run(args: ExplainArgs) -> Result<(), Failure> {
    let seen = if args.live.live { live(&args).await? } else { Vec::new() };
    // Terminal, files and stdin are read and written without a runtime in between.
    tokio::task::spawn_blocking(move || tell(&args, &seen)).await.unwrap_or(Err(Failure::Said))
}

/// The last exchanges of the running process.
async fn live(args: &ExplainArgs) -> Result<Vec<SeenView>, Failure> {
    let place = Place { data: args.live.data.clone(), rules: args.rules.clone() };
    let query = format!("/v1/exchanges?last={}&raw={}", args.live.last, args.live.raw);
    Api::running(&place).await?.get(&query).await
}

fn tell(args: &ExplainArgs, seen: &[SeenView]) -> Result<(), Failure> {
    let ruleset = ruleset(&args.rules)?;
    if let Some(name) = &args.rule {
        let known = ruleset.events.iter().map(|rule| rule.name.as_str());
        if !known.clone().any(|known| known == name) {
            let near = crate::diagnostic::nearest(name, known);
            let hint = near.map_or_else(String::new, |near| format!(": did you mean `{near}`?"));
            return Err(Failure::Usage(format!("no rule in {} is named `{name}`{hint}", args.rules.display())));
        }
    }
    let mut telling = Telling::new(args, Explainer::new(&ruleset));
    match args.live.live {
        false => Source::of(&args.recording)?.each(|recorded| telling.recorded(recorded))?,
        true if seen.is_empty() => {
            let text = "the process has seen no exchange yet that its rules care about";
            return Err(Failure::Failed(text.to_owned()));
        }
        true => seen.iter().try_for_each(|seen| telling.seen(seen))?,
    }
    telling.end()
}

/// Goes through a recording and tells what is asked for.
struct Telling<'a> {
    args: &'a ExplainArgs,
    explainer: Explainer<'a>,
    time: VirtualTime,
    seq: usize,
    /// Exchanges since the last one that was told, of which there is nothing to tell: the first and the last.
    quiet: Option<(usize, usize)>,
    told: usize,
    /// Events so far.
    events: usize,
    /// Of the rule that is asked for: where it came nearest to matching, if that was not told.
    best: Option<(usize, Explanation)>,
    page: Page<BufWriter<anstream::AutoStream<io::StdoutLock<'static>>>>,
}

impl<'a> Telling<'a> {
    fn new(args: &'a ExplainArgs, explainer: Explainer<'a>) -> Self {
        let page = Page::new(BufWriter::new(anstream::stdout().lock()), args.seq.is_some());
        Self {
            args,
            explainer,
            time: VirtualTime::default(),
            seq: 0,
            quiet: None,
            told: 0,
            events: 0,
            best: None,
            page,
        }
    }

    fn recorded(&mut self, recorded: Recorded) -> Result<(), Failure> {
        match recorded {
            Recorded::Exchange(line) => {
                let at = self.time.next(line.t);
                let told = self.exchange(Exchange { at, ..line.exchange })?;
                self.gap(told)
            }
            Recorded::Answer { target, response, body } => {
                let answer = answer_exchange(self.time.now(), response, body);
                let outcome = self.explainer.answer(&target, answer);
                self.events += outcome.events.len();
                self.between(&format!("the shop answered the look-up {target}"), &outcome)
            }
        }
    }

    /// One of the running process, with what came of it there.
    fn seen(&mut self, seen: &SeenView) -> Result<(), Failure> {
        let line = parse_line(&seen.exchange)
            .map_err(|fault| Failure::Failed(format!("the process sends an exchange that cannot be read: {fault}")))?;
        let at = self.time.next(line.t);
        let exchange = Exchange { at, ..line.exchange };
        self.explainer.remember(&exchange, &seen.memory);
        let told = self.exchange(exchange)?;
        if told {
            show::live(&mut self.page, seen)?;
        }
        self.gap(told)
    }

    /// A blank line behind what was told.
    fn gap(&mut self, told: bool) -> Result<(), Failure> {
        if told {
            writeln!(self.page.out)?;
        }
        Ok(())
    }

    /// Explains it; true if it was told in text.
    fn exchange(&mut self, exchange: Exchange) -> Result<bool, Failure> {
        let seq = self.seq;
        self.seq += 1;
        let mut explanation = self.explainer.exchange(seq, exchange);
        self.events += explanation.before.events.len() + explanation.outcome.events.len();
        if let Some(name) = &self.args.rule {
            explanation.rules.retain(|rule| rule.name == *name);
        }
        if self.args.seq.is_some_and(|wanted| wanted != seq) {
            return Ok(false);
        }
        if self.args.json {
            let line = serde_json::to_string(&explanation).unwrap_or_default();
            self.told += 1;
            writeln!(self.page.out, "{line}")?;
            return Ok(false);
        }
        self.between("its time was up", &explanation.before)?;
        if !self.is_worth_telling(&explanation) {
            self.quiet = Some((self.quiet.map_or(seq, |(first, _)| first), seq));
            self.keep_best(explanation);
            return Ok(false);
        }
        self.break_silence()?;
        self.told += 1;
        self.tell(&explanation)?;
        Ok(true)
    }

    fn tell(&mut self, explanation: &Explanation) -> Result<(), Failure> {
        let wide = self.args.seq.is_some() || self.args.rule.is_some() || self.args.all;
        let near = if self.args.all || self.args.rule.is_some() { usize::MAX } else { self.args.near };
        Ok(show::exchange(&mut self.page, explanation, show::Width { near, wide })?)
    }

    fn keep_best(&mut self, explanation: Explanation) {
        let Some(rule) = explanation.rules.first().filter(|_| self.args.rule.is_some()) else { return };
        let held = rule.checks.held();
        if self.best.as_ref().is_none_or(|(best, _)| held > *best) {
            self.best = Some((held, explanation));
        }
    }

    /// Whether there is something to be seen: by itself only where a rule matched or nearly did.
    fn is_worth_telling(&self, explanation: &Explanation) -> bool {
        if self.args.seq.is_some() || self.args.all {
            return true;
        }
        let mut rules = explanation.rules.iter();
        let came = self.args.rule.is_none() && !explanation.outcome.is_empty();
        came || rules.any(|rule| rule.verdict == Verdict::Matched || show::is_near(rule))
    }

    fn break_silence(&mut self) -> Result<(), Failure> {
        match self.quiet.take() {
            Some((first, last)) => Ok(show::quiet(&mut self.page, first, last)?),
            None => Ok(()),
        }
    }

    /// Something that came of no exchange.
    fn between(&mut self, why: &str, outcome: &Outcome) -> Result<(), Failure> {
        let concerns = |rule: &str| self.args.rule.as_deref().is_none_or(|name| name == rule);
        let any =
            outcome.late.iter().any(|late| concerns(&late.rule)) || outcome.notes.iter().any(|n| concerns(&n.rule));
        if self.args.json || self.args.seq.is_some() || !any {
            return Ok(());
        }
        self.break_silence()?;
        Ok(show::between(&mut self.page, why, outcome)?)
    }

    fn end(mut self) -> Result<(), Failure> {
        if let (Some(seq), 0) = (self.args.seq, self.told) {
            let text = format!("the recording has {} exchanges, numbered from 0: there is no exchange {seq}", self.seq);
            return Err(Failure::Failed(text));
        }
        let outcome = self.explainer.finish();
        self.events += outcome.events.len();
        if self.args.json && self.args.seq.is_none() {
            writeln!(self.page.out, "{}", json!({ "end": outcome }))?;
        }
        self.between("the recording is over", &outcome)?;
        self.break_silence()?;
        if let (Some((_, best)), 0, Some(name)) = (self.best.take(), self.told, &self.args.rule) {
            writeln!(self.page.out, "{name} never matched, nor nearly; it came nearest here:\n")?;
            self.tell(&best)?;
            self.gap(true)?;
        }
        if !self.args.json && self.args.seq.is_none() && self.args.rule.is_none() {
            let counts = format!("{}, {}.", count(self.seq, "exchange"), count(self.events, "event"));
            let hint = " --seq N tells all of one exchange, --rule NAME follows one rule.";
            self.page.line(&[(BOLD, &counts), (DIM, hint)], "")?;
        }
        Ok(self.page.out.flush()?)
    }
}
