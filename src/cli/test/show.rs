//! One case on a terminal: a line where it passed, otherwise what was expected beside what came.

use std::io::{self, Write};

use anstyle::Style;
use serde_json::Value;

use crate::app::CaseFile;
use crate::rules::cases::{Came, CaseResult, Difference, Expected, Row};

use super::super::output::{Tone, clean, count, cut, styled};
use super::Verdict;

/// Characters shown of one value.
const VALUE: usize = 160;

pub(super) fn case(out: &mut impl Write, file: &CaseFile, verdict: &Verdict, rewritten: bool) -> io::Result<()> {
    let dim = Style::new().dimmed();
    let result = match verdict {
        Verdict::Faulty(fault) => {
            writeln!(out, "{}  {}", styled(Tone::Bad, "✗"), file.name)?;
            return writeln!(out, "   {}:{}: {}\n", file.path.display(), fault.line, clean(&fault.message));
        }
        Verdict::Ran(result) => result,
    };
    let counts = format!("{}, {}", count(result.run.exchanges, "exchange"), count(result.run.events.len(), "event"));
    if result.passed() {
        return writeln!(out, "{}  {}  {dim}{counts}{dim:#}", styled(Tone::Good, "✓"), file.name);
    }
    let (sign, tone) = if rewritten { ("↻", Tone::Odd) } else { ("✗", Tone::Bad) };
    writeln!(out, "{}  {}  {dim}{counts}  {}{dim:#}", styled(tone, sign), file.name, file.path.display())?;
    if !result.states_events && !rewritten {
        let text = "it does not say what it expects: `=== events` begins that, and --update writes it";
        writeln!(out, "   {text}")?;
    }
    for row in &result.comparison.rows {
        tell(out, result, row)?;
    }
    for note in &result.run.notes {
        let place = note.seq.map_or_else(|| "at the end".to_owned(), |seq| format!("exchange {seq}"));
        let rule = if note.note.rule.is_empty() { String::new() } else { format!("rule {}: ", note.note.rule) };
        writeln!(out, "   {} {place}: {rule}{}", styled(Tone::Odd, "!"), clean(&note.note.text))?;
    }
    writeln!(out)
}

fn tell(out: &mut impl Write, result: &CaseResult, row: &Row) -> io::Result<()> {
    let expected = |at: &usize| result.expected.get(*at);
    let came = |at: &usize| result.run.events.get(*at);
    let dim = Style::new().dimmed();
    match row {
        Row::Same { came: at, .. } => {
            let Some(event) = came(at) else { return Ok(()) };
            writeln!(out, "   {dim}= {}{dim:#}", name(&event.event))
        }
        Row::Missing { expected: at } => {
            let Some(event) = expected(at) else { return Ok(()) };
            let text = format!("- {}", name(&event.event));
            writeln!(
                out,
                "   {}  {dim}expected in line {}, and did not come{dim:#}",
                styled(Tone::Bad, &text),
                event.line
            )
        }
        Row::Unexpected { came: at } => {
            let Some(event) = came(at) else { return Ok(()) };
            let text = format!("+ {}", name(&event.event));
            writeln!(out, "   {}  {dim}came {}, and is not expected{dim:#}", styled(Tone::Good, &text), origin(event))?;
            let payload = event.event.get("payload").map(Value::to_string).unwrap_or_default();
            writeln!(out, "       {dim}{}{dim:#}", clean(&cut(&payload, VALUE)))
        }
        Row::Differs { expected: at, came: other, differences } => {
            let (Some(event), Some(came)) = (expected(at), came(other)) else { return Ok(()) };
            let text = format!("~ {}", name(&event.event));
            let place = format!("expected in line {}, came {}", event.line, origin(came));
            writeln!(out, "   {}  {dim}{place}{dim:#}", styled(Tone::Odd, &text))?;
            differing(out, event, differences)
        }
    }
}

fn differing(out: &mut impl Write, _event: &Expected, differences: &[Difference]) -> io::Result<()> {
    let width = differences.iter().map(|one| one.path.chars().count()).max().unwrap_or(0);
    for one in differences {
        let shown = |value: &Option<Value>| {
            value
                .as_ref()
                .map_or_else(|| "nothing".to_owned(), |value| clean(&cut(&value.to_string(), VALUE)).into_owned())
        };
        let (path, blank) = (clean(&one.path), "");
        writeln!(out, "       {path:width$}  {}", styled(Tone::Bad, &format!("- {}", shown(&one.expected))))?;
        writeln!(out, "       {blank:width$}  {}", styled(Tone::Good, &format!("+ {}", shown(&one.came))))?;
    }
    Ok(())
}

/// `order.created 17`, or with a key where there is no id.
fn name(event: &serde_json::Map<String, Value>) -> String {
    let topic = event.get("topic").and_then(Value::as_str).unwrap_or_default();
    let id = event.get("id").map(|id| id.as_str().map_or_else(|| id.to_string(), str::to_owned));
    let key = || event.get("key").map(|key| cut(&key.to_string(), VALUE));
    match id.or_else(key) {
        Some(of) => clean(&format!("{topic} {of}")).into_owned(),
        None => clean(topic).into_owned(),
    }
}

fn origin(came: &Came) -> String {
    let rule = clean(&came.rule);
    if came.seq == came.settled {
        format!("of exchange {} by rule {rule}", came.seq)
    } else {
        format!("of exchange {} by rule {rule}, settled at {}", came.seq, came.settled)
    }
}
