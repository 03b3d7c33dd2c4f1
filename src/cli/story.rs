//! One delivery's whole story on a terminal.

use std::io::{self, Write};

use anstyle::Style;

use crate::admin::{AttemptView, DeliveryView, OutcomeView, Standing, Trigger, Verdict};

use super::output::{Tone, clean, styled};

/// Lines of a payload or an answer that are shown; `--json` gives all.
const BODY_LINES: usize = 24;

/// Writes it.
pub(super) fn tell(out: &mut impl Write, delivery: &DeliveryView) -> io::Result<()> {
    let (tone, state) = match delivery.state {
        Standing::Failed => (Tone::Bad, "failed"),
        Standing::Queued => (Tone::Odd, "queued: not tried yet"),
        Standing::Waiting => (Tone::Odd, "not ended yet"),
        Standing::Delivered => (Tone::Good, "delivered"),
        Standing::Forgotten => (Tone::Plain, "ended, and the log no longer tells how"),
    };
    let bold = Style::new().bold();
    writeln!(out, "{bold}delivery {}{bold:#}  {}", clean(&delivery.id), styled(tone, state))?;
    pair(out, "webhook", &format!("{} ({})", delivery.webhook, delivery.webhook_id))?;
    if let Some(of) = &delivery.replay_of {
        pair(out, "replay of", of)?;
    }
    for other in &delivery.replays {
        pair(out, "see also", other)?;
    }
    event(out, delivery)?;
    for attempt in &delivery.attempts {
        tell_attempt(out, attempt)?;
    }
    if let Some(why) = &delivery.why {
        return writeln!(out, "\n{}", clean(why));
    }
    if delivery.attempts.is_empty() {
        writeln!(out, "\nno attempt is in the log")?;
    }
    delivery.outcomes.iter().try_for_each(|outcome| end(out, outcome))
}

fn event(out: &mut impl Write, delivery: &DeliveryView) -> io::Result<()> {
    let Some(event) = &delivery.event else {
        return writeln!(out, "\nevent {}: the journal no longer holds it", delivery.seq);
    };
    let topic = event.topic.as_deref().unwrap_or_default();
    head(out, &event.at, &format!("event {}: {topic} of {}", delivery.seq, event.about), Tone::Plain)?;
    pair(out, "seen by rule", event.rule.as_deref().unwrap_or_default())?;
    pair(out, "in exchange", &event.text)?;
    if let Some(payload) = &delivery.payload {
        body(out, "payload", &serde_json::to_string_pretty(payload).unwrap_or_default())?;
    }
    Ok(())
}

fn tell_attempt(out: &mut impl Write, attempt: &AttemptView) -> io::Result<()> {
    let why = match attempt.trigger {
        Trigger::First => "the first",
        Trigger::Retry => "a retry",
        Trigger::Probe => "a probe",
        Trigger::Manual => "asked for",
        Trigger::Recover => "of a run",
        Trigger::Ping => "a ping",
    };
    let run = attempt.run.map_or_else(String::new, |run| format!(", run {run}"));
    let tone = if attempt.verdict == Verdict::Ok { Tone::Good } else { Tone::Bad };
    head(out, &attempt.at, &format!("attempt {} ({why}{run})", attempt.number), tone)?;
    let address = attempt.address.as_ref().map_or_else(String::new, |address| format!(" at {address}"));
    pair(out, "sent to", &format!("{}{address}", attempt.url))?;
    let reused = attempt.reused.then_some("a connection used before");
    let resent = attempt.resent.then_some("sent again at once: the kept connection was closed");
    let wire =
        [attempt.http.as_deref(), attempt.tls.as_deref(), reused, resent].into_iter().flatten().collect::<Vec<_>>();
    pair(out, "over", &wire.join(", "))?;
    let said = match (&attempt.verdict, attempt.status) {
        (Verdict::Failed { text, .. }, _) => text.clone(),
        (Verdict::Ok, Some(status)) => format!("answered {status}"),
        (Verdict::Ok, None) => "answered".to_owned(),
    };
    pair(out, "outcome", &said)?;
    pair(out, "decision", &attempt.decision)?;
    let mut times = Vec::new();
    // All that the attempt knows of its steps, under the names the record gives them.
    if let Ok(serde_json::Value::Object(phases)) = serde_json::to_value(attempt.phases) {
        for (name, value) in &phases {
            if let Some(micros) = value.as_u64() {
                let name = name.trim_end_matches("_us").replace('_', " ");
                times.push(format!("{name} {}.{:03} ms", micros / 1_000, micros % 1_000));
            }
        }
    }
    pair(out, "times", &times.join(", "))?;
    for (name, value) in &attempt.answer_headers {
        pair(out, "header", &format!("{name}: {value}"))?;
    }
    if attempt.answer.is_empty() { Ok(()) } else { body(out, "answer", &attempt.answer) }
}

fn end(out: &mut impl Write, outcome: &OutcomeView) -> io::Result<()> {
    let tone = if Standing::of(outcome.end) == Standing::Delivered { Tone::Good } else { Tone::Bad };
    let run = outcome.run.map_or_else(String::new, |run| format!(" by run {run}"));
    let plural = if outcome.attempts == 1 { "" } else { "s" };
    head(out, &outcome.at, &format!("{} after {} attempt{plural}{run}", outcome.text, outcome.attempts), tone)?;
    pair(out, "failures", &format!("{} in a row for the webhook after it", outcome.failure_count))
}

fn head(out: &mut impl Write, at: &str, text: &str, tone: Tone) -> io::Result<()> {
    writeln!(out, "\n{}  {}", at.replace('T', " ").trim_end_matches('Z'), styled(tone, &clean(text)))
}

fn pair(out: &mut impl Write, name: &str, value: &str) -> io::Result<()> {
    if value.is_empty() {
        return Ok(());
    }
    let dim = Style::new().dimmed();
    writeln!(out, "  {dim}{name:<12}{dim:#}  {}", clean(value))
}

fn body(out: &mut impl Write, name: &str, text: &str) -> io::Result<()> {
    let lines: Vec<&str> = text.lines().collect();
    let mut name = name;
    for line in lines.iter().take(BODY_LINES) {
        let dim = Style::new().dimmed();
        writeln!(out, "  {dim}{name:<12}{dim:#}  {}", clean(line))?;
        name = "";
    }
    match lines.len().checked_sub(BODY_LINES).filter(|more| *more > 0) {
        Some(more) => writeln!(out, "  {:<12}  … {more} more lines (--json shows all)", ""),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_story_is_told_in_order_and_without_commands_to_the_terminal() {
        let json = serde_json::json!({
            "id": "d1", "state": "failed", "webhook": "erp", "webhook_id": 7, "seq": 42, "replay_of": "d0",
            "event": { "kind": "event", "seq": 42, "at": "2026-11-03T16:07:00.000Z", "topic": "order.created",
                       "about": "order 7", "rule": "order-placed", "text": "POST /checkout" },
            "payload": { "id": 7 },
            "attempts": [{
                "number": 1, "at": "2026-11-03T16:07:01.000Z", "trigger": "first", "url": "https://erp.example/in",
                "address": "203.0.113.7:443", "status": 500,
                "verdict": { "failed": { "class": "status", "text": "the receiver answered 500" } },
                "decision": "retry in 5 s", "phases": { "connected_us": 1_500, "total_us": 20_000 },
                "answer_headers": [["server", "x"]], "answer": "a\u{1b}[2Jb\nc",
            }],
            "outcomes": [{ "at": "2026-11-03T16:07:09.000Z", "end": "exhausted", "text": "given up", "attempts": 2,
                           "failure_count": 3, "run": 4 }],
        });
        let mut out = Vec::new();
        tell(&mut out, &serde_json::from_value(json).unwrap()).unwrap();
        let text = anstream::adapter::strip_str(&String::from_utf8(out).unwrap()).to_string();
        let wanted = [
            "delivery d1  failed",
            "webhook       erp (7)",
            "replay of     d0",
            "2026-11-03 16:07:00.000  event 42: order.created of order 7",
            "seen by rule  order-placed",
            "in exchange   POST /checkout",
            "payload       {",
            "attempt 1 (the first)",
            "sent to       https://erp.example/in at 203.0.113.7:443",
            "outcome       the receiver answered 500",
            "decision      retry in 5 s",
            "connected 1.500 ms, total 20.000 ms",
            "header        server: x",
            "answer        a [2Jb",
            "given up after 2 attempts by run 4",
            "failures      3 in a row",
        ];
        let mut rest = text.as_str();
        for part in wanted {
            let at = rest.find(part).unwrap_or_else(|| panic!("{part} is missing in its place:\n{text}"));
            rest = &rest[at + part.len()..];
        }
    }
}
