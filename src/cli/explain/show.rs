//! One exchange on a terminal: at a glance, or all of it.

use std::io::{self, Write};

use anstyle::Style;
use serde_json::Value;

use crate::admin::SeenView;
use crate::exchange::Damage;
use crate::rules::explain::{EventReport, Explanation, LearntReport, Outcome, RuleReport, Verdict, WaitReport};
use crate::rules::{Check, Held, Side, Traced, TracedEvent};

use super::super::output::{clean, count};
use super::cells::{BAD, BOLD, CALM, DIM, GOOD, ODD, Page, Row, pairs, plain};
use super::steps::{ITEMS, brief, steps};

/// How much is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Width {
    /// So many rules that did not match.
    pub(super) near: usize,
    /// Everything of each.
    pub(super) wide: bool,
}

/// Whether a rule nearly matched: the request is what it wants, or all but one of what it says beyond path and status holds.
/// That a visitor is signed in, say, holds on every page of theirs, so memory makes nothing near. One that only learns is
/// never missed.
pub(super) fn is_near(rule: &RuleReport) -> bool {
    match rule.verdict {
        _ if rule.kind == "learn" => false,
        Verdict::When { .. } | Verdict::Stopped { .. } => true,
        Verdict::Failed { .. } => {
            let (all, held) = (rule.checks.all.len(), rule.checks.held());
            let seen = |check: &&Check| check.held == Held::Yes && check.side != Side::Memory;
            rule.checks.is_asked() || held + 1 == all && rule.checks.all.iter().filter(seen).count() > 2
        }
        Verdict::Matched | Verdict::Unseen => false,
    }
}

pub(super) fn exchange(page: &mut Page<impl Write>, told: &Explanation, width: Width) -> io::Result<()> {
    head(page, told, width)?;
    let (matched, mut others): (Vec<&RuleReport>, Vec<&RuleReport>) =
        told.rules.iter().partition(|rule| rule.verdict == Verdict::Matched);
    // Those that nearly matched stand first, however many conditions of others hold.
    others.sort_by_key(|rule| !is_near(rule));
    for rule in &matched {
        match rule.kind {
            "learn" if !width.wide => learning(page, rule, &told.outcome)?,
            _ => matching(page, rule, width)?,
        }
    }
    outcome(page, &told.outcome, width, Some(told.seq))?;
    if let Some(visitor) = &told.visitor {
        for (name, now) in &visitor.changed {
            let text = if now.is_null() { format!("forgets {name}") } else { format!("remembers {name} = {now}") };
            page.line(&[(CALM, "  ≔ "), (Style::new(), &text)], "")?;
        }
    }
    // A rule for another method, or one that learns of other pages, is near only where it is asked for.
    let asks = |rule: &RuleReport| match rule.kind {
        "learn" => rule.checks.is_asked(),
        _ => rule.checks.all.first().is_some_and(|on| on.held == Held::Yes),
    };
    let missed = others.first().is_some_and(|rule| is_near(rule));
    let shown =
        |rule: &&&RuleReport| is_near(rule) || width.wide && (!missed && asks(rule) || width.near == usize::MAX);
    // Beside a rule that matched those that did not are of little interest.
    let near = if matched.is_empty() || width.wide { width.near } else { 0 };
    let shown: Vec<&&RuleReport> = others.iter().filter(shown).take(near).collect();
    for rule in &shown {
        missing(page, rule, width)?;
    }
    let left = others.len() - shown.len();
    if width.wide && left > 0 {
        let text = format!("  · {} for this path (--all shows them)", count(left, "more rule"));
        page.line(&[(DIM, &text)], "")?;
    }
    if told.rules.is_empty() {
        let near = told.nearest.as_ref().map_or_else(String::new, |near| format!("; the nearest is {near}"));
        page.line(&[(DIM, &format!("  · no rule has this path{near}"))], "")?;
    }
    Ok(())
}

/// What was asked and answered, and by whom.
fn head(page: &mut Page<impl Write>, told: &Explanation, width: Width) -> io::Result<()> {
    let (seq, asked) = (format!("#{}  ", told.seq), &told.asked);
    let first = format!("{} {}", asked.method, asked.target);
    page.line(&[(DIM, &seq), (BOLD, &first)], "")?;
    let indent = " ".repeat(seq.chars().count());
    let mut rows = Vec::new();
    match &told.answered {
        None => rows.push(Row::new("answer", "none").style(BAD)),
        Some(answered) => {
            let style = if answered.status < 400 { GOOD } else { BAD };
            let mut text = answered.status.to_string();
            if let Some(location) = &answered.location {
                text = format!("{text} → {}", own_path(location, &asked.host));
            } else if let Some(kind) = &answered.content_type {
                text = format!("{text} {kind}, {} bytes", answered.bytes);
            }
            rows.push(Row::new("answer", text).style(style));
            let damage = answered.damage.filter(|damage| page.whole || *damage != Damage::Unread.as_str());
            rows.extend(damage.map(|damage| Row::new("", format!("its body is {damage}")).style(ODD)));
        }
    }
    if page.whole {
        rows.extend(asked.form.iter().map(|(name, text)| Row::new(format!("form.{name}"), format!("{text:?}"))));
    } else if !asked.form.is_empty() && (width.wide || !told.rules.iter().any(|rule| rule.verdict == Verdict::Matched))
    {
        let mut names: Vec<&str> = asked.form.iter().map(|(name, _)| name.as_str()).collect();
        names.dedup();
        rows.push(Row::new("form", names.join(" ")));
    }
    rows.extend(asked.body.filter(|kind| *kind != "form").map(|kind| Row::new("body", kind)));
    if let Some(visitor) = told.visitor.as_ref().filter(|visitor| !visitor.memory.is_empty()) {
        rows.push(Row::new("visitor", pairs(&visitor.memory)).source(visitor.session.clone()));
    }
    page.rows(indent.len(), &rows)
}

/// A location of the shop's own is read as a path.
fn own_path<'a>(location: &'a str, host: &str) -> &'a str {
    let rest = location.split_once("://").and_then(|(_, rest)| rest.strip_prefix(host));
    rest.filter(|rest| rest.starts_with('/')).unwrap_or(location)
}

/// A rule that learns, in one line.
fn learning(page: &mut Page<impl Write>, rule: &RuleReport, outcome: &Outcome) -> io::Result<()> {
    let learnt = outcome.learnt.iter().filter(|learnt| learnt.rule == rule.name);
    let learnt: Vec<String> = learnt.map(lesson).collect();
    let text = match learnt.len() {
        0 => String::new(),
        1 => format!("  learns {}", learnt.concat()),
        many => format!("  learns {many}: {}", learnt.join(", ")),
    };
    page.line(&[(GOOD, "  ✓ "), (BOLD, &rule.name), (CALM, &text)], &rule.place)
}

fn lesson(learnt: &LearntReport) -> String {
    let id = learnt.id.as_ref().map_or_else(String::new, |id| format!(" {}", plain(id)));
    format!("{}{id} {}", learnt.resource, pairs(&learnt.key)).trim_end().to_owned()
}

/// A rule that matched: what it worked out, all of it or what matters at a glance.
fn matching(page: &mut Page<impl Write>, rule: &RuleReport, width: Width) -> io::Result<()> {
    page.line(&[(GOOD, "  ✓ "), (BOLD, &rule.name), (DIM, kind(rule))], &rule.place)?;
    let mut rows = Vec::new();
    if width.wide {
        let held = rule.checks.all.iter().skip(1);
        rows.extend(held.map(|check| Row::new("✓", check.wanted.clone()).source(check.found.clone())));
        page.rows(6, &rows)?;
        rows.clear();
        let params = rule.checks.params.iter();
        rows.extend(params.map(|(name, text)| Row::new(format!("params.{name}"), format!("{text:?}"))));
        let captured = rule.location_params.iter();
        rows.extend(captured.map(|(name, text)| Row::new(format!("location.params.{name}"), text.to_string())));
    }
    rows.extend(rule.field.as_ref().map(|field| Row::new("field", field.to_string())));
    rows.extend(rule.finds.iter().map(|(name, found)| Row::new(format!("find.{name}"), found.to_string())));
    if width.wide {
        steps(&rule.steps, usize::MAX, &mut rows);
    } else {
        brief(&rule.steps, &mut rows);
    }
    page.rows(6, &rows)
}

/// A rule that did not match: what decided, wanted beside found.
fn missing(page: &mut Page<impl Write>, rule: &RuleReport, width: Width) -> io::Result<()> {
    if let Verdict::Failed { wanted, found } = &rule.verdict
        && !width.wide
    {
        let left = format!("  ✗ {}  wants {wanted}  found {found}", rule.name);
        if page.fits(&left, &rule.place) {
            let (wants, found_style) = ("  wants ", if found.is_empty() { DIM } else { BAD });
            let parts = [(BAD, "  ✗ "), (BOLD, rule.name.as_str()), (DIM, wants), (Style::new(), wanted.as_str())];
            let parts: Vec<_> = parts.into_iter().chain([(DIM, "  found "), (found_style, found.as_str())]).collect();
            return page.line(&parts, &rule.place);
        }
    }
    let (all, held) = (rule.checks.all.len(), rule.checks.held());
    let holds = match rule.verdict {
        Verdict::When { .. } => format!("{}  all conditions hold, but not `when`", kind(rule)),
        _ => format!("{}  {held} of {all} hold", kind(rule)),
    };
    page.line(&[(BAD, "  ✗ "), (BOLD, &rule.name), (DIM, &holds)], &rule.place)?;
    match &rule.verdict {
        Verdict::Failed { .. } => {
            let mut failed = rule.checks.all.iter().filter(|check| check.held != Held::Yes).peekable();
            let first = failed.peek().map(|check| check.wanted.clone());
            for check in failed.filter(|check| width.wide || Some(&check.wanted) == first.as_ref()) {
                let style = if check.held == Held::No { BAD } else { ODD };
                page.rows(6, &[Row::new("wanted", &check.wanted), Row::new("found", &check.found).style(style)])?;
            }
        }
        Verdict::When { source, error } => {
            let found = error.as_ref().map_or_else(|| "false".to_owned(), |error| format!("false: {error}"));
            let mut rows = vec![Row::new("when", found).style(BAD).source(source)];
            if rule.steps.iter().any(|step| matches!(step, Traced::Item { .. })) {
                rows.clear();
                steps(&rule.steps, if width.wide { usize::MAX } else { ITEMS }, &mut rows);
            }
            return page.rows(6, &rows);
        }
        Verdict::Stopped { by } => {
            let text = format!("all of it holds, but rule {by} says `stop` and comes before it");
            page.rows(6, &[Row::new("stopped", text).style(ODD)])?;
        }
        Verdict::Unseen => {
            page.rows(6, &[Row::new("unseen", "[shop] ignore drops this exchange").style(ODD)])?;
        }
        Verdict::Matched => {}
    }
    Ok(())
}

fn kind(rule: &RuleReport) -> &'static str {
    match rule.kind {
        "learn" => "  learns",
        "wait" => "  is waited for",
        _ => "",
    }
}

/// What came of something. `here`: the number of the exchange above.
fn outcome(page: &mut Page<impl Write>, outcome: &Outcome, width: Width, here: Option<usize>) -> io::Result<()> {
    for late in &outcome.late {
        page.line(&[(GOOD, "  ✓ "), (BOLD, &late.rule), (DIM, if here.is_some() { "  goes on" } else { "" })], "")?;
        let mut rows = Vec::new();
        if width.wide {
            steps(&late.steps, usize::MAX, &mut rows);
        } else {
            brief(&late.steps, &mut rows);
        }
        page.rows(6, &rows)?;
    }
    for learnt in outcome.learnt.iter().filter(|_| width.wide) {
        page.line(&[(CALM, "  ≔ "), (Style::new(), &format!("learns {}", lesson(learnt)))], "")?;
    }
    for event in &outcome.silent {
        let text = format!("no event {}: {}", event.wanted, silence(event));
        page.line(&[(ODD, "  · "), (Style::new(), &text)], "")?;
    }
    for wait in &outcome.waiting {
        waits(page, wait)?;
    }
    for event in &outcome.events {
        tell(page, event, here)?;
    }
    for note in &outcome.notes {
        let rule = if note.rule.is_empty() { String::new() } else { format!("{}: ", note.rule) };
        page.line(&[(ODD, "  ! "), (Style::new(), &format!("{rule}{}", note.text))], "")?;
    }
    Ok(())
}

fn tell(page: &mut Page<impl Write>, event: &EventReport, here: Option<usize>) -> io::Result<()> {
    let id = event.id.as_ref().map_or_else(String::new, |id| format!(" {}", plain(id)));
    let key = if event.key.is_empty() { String::new() } else { format!("  {}", pairs(&event.key)) };
    let mut said: Vec<String> = event.state.iter().map(said).filter(|said| !said.is_empty()).collect();
    if here != Some(event.seq) {
        said.insert(0, format!("of #{}", event.seq));
    }
    let said = if said.is_empty() { String::new() } else { format!("  {}", said.join(", ")) };
    let name = format!("{}{id}", event.topic);
    page.line(&[(GOOD, "  → "), (BOLD, &name), (Style::new(), &key), (DIM, &said)], "")?;
    if page.whole {
        let payload: Value = serde_json::from_str(event.payload.get()).unwrap_or_default();
        let pretty = serde_json::to_string_pretty(&payload).unwrap_or_default();
        for line in pretty.lines() {
            writeln!(page.out, "      {DIM}{}{DIM:#}", clean(line))?;
        }
    }
    Ok(())
}

/// What state had to say to an event.
fn said(event: &TracedEvent) -> String {
    let resource = &event.resource;
    let mut said = match event.known {
        _ if event.wanted.is_action() => String::new(),
        None => format!("the {resource} was not known"),
        Some(false) => format!("the {resource} was known"),
        Some(true) => format!("the {resource} was known as deleted"),
    };
    if event.id_by_key {
        let both = if said.is_empty() { "" } else { ", " };
        said = format!("{said}{both}its id came of its key");
    }
    said
}

fn silence(event: &TracedEvent) -> String {
    match event.known {
        Some(_) => format!("nothing remembered of the {} changes, and `skip_unchanged` is set", event.resource),
        None => "see the notes".to_owned(),
    }
}

fn waits(page: &mut Page<impl Write>, wait: &WaitReport) -> io::Result<()> {
    let seconds = wait.for_ms / 1000;
    let span = if seconds % 60 == 0 && seconds > 0 { format!("{} min", seconds / 60) } else { format!("{seconds} s") };
    let otherwise = if wait.otherwise == "send" { "it is sent as it is" } else { "it is dropped" };
    let key = if wait.key.is_empty() { String::new() } else { format!(" {}", pairs(&wait.key)) };
    let text = format!("{}{key} waits for {}, {span} at most; then {otherwise}", wait.rule, wait.missing);
    let over = if wait.settled { "  it has come" } else { "" };
    page.line(&[(CALM, "  … "), (Style::new(), &text), (DIM, over)], "")?;
    for look_up in &wait.look_ups {
        page.rows(6, &[Row::new("look-up", format!("GET {look_up}"))])?;
    }
    Ok(())
}

/// Exchanges of which there is nothing to tell.
pub(super) fn quiet(page: &mut Page<impl Write>, first: usize, last: usize) -> io::Result<()> {
    let text = if first == last {
        format!("#{first}  no rule is near")
    } else {
        format!("#{first} … #{last}  {}, no rule is near", count(last - first + 1, "exchange"))
    };
    page.line(&[(DIM, &text)], "")?;
    writeln!(page.out)
}

/// Something that came of no exchange.
pub(super) fn between(page: &mut Page<impl Write>, why: &str, what: &Outcome) -> io::Result<()> {
    page.line(&[(ODD, "⏱  "), (BOLD, why)], "")?;
    outcome(page, what, Width { near: 0, wide: false }, None)?;
    writeln!(page.out)
}

/// What came of an exchange in the process itself, where memory goes further back.
pub(super) fn live(page: &mut Page<impl Write>, seen: &SeenView) -> io::Result<()> {
    let came = if seen.events.is_empty() { "no event".to_owned() } else { seen.events.join(", ") };
    page.line(&[(DIM, "  when it happened: "), (Style::new(), &came)], "")?;
    for note in &seen.notes {
        page.line(&[(ODD, "  ! "), (Style::new(), note)], "")?;
    }
    Ok(())
}
