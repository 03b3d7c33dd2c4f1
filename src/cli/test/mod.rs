//! `shopbell test`: the cases beside the rules, with the real ruleset.

mod show;

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::app::{self, CaseFile};
use crate::exchange::{CaseFault, CaseText};
use crate::rules::Ruleset;
use crate::rules::cases::{CaseResult, Row};

use super::args::TestArgs;
use super::failure::Failure;
use super::output::{Tone, count, json_lines, styled};
use super::ruleset::{DEFAULT, at_hand, missing, ruleset};

/// What became of one case.
enum Verdict {
    /// It ran.
    Ran(Box<CaseResult>),
    /// It is no case.
    Faulty(CaseFault),
}

/// How many passed, failed, and were rewritten.
#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
    updated: usize,
}

/// Which cases are run, and how.
struct Plan<'a> {
    dirs: Vec<&'a Path>,
    /// Parts of names; none: all.
    names: Vec<String>,
    args: &'a TestArgs,
}

impl<'a> Plan<'a> {
    fn of(args: &'a TestArgs) -> Self {
        let (mut dirs, names): (Vec<&Path>, Vec<&Path>) =
            args.what.iter().map(PathBuf::as_path).partition(|what| what.is_dir());
        dirs.extend(args.rules.iter().map(PathBuf::as_path));
        if dirs.is_empty() {
            dirs.push(at_hand(Path::new(DEFAULT)));
        }
        let names = names.into_iter().map(|name| name.display().to_string()).collect();
        Self { dirs, names, args }
    }
}

pub(super) fn run(args: &TestArgs) -> Result<(), Failure> {
    let mut tally = Tally::default();
    let plan = Plan::of(args);
    for dir in &plan.dirs {
        directory(dir, &plan, &mut tally)?;
    }
    let Tally { passed, failed, updated } = tally;
    if passed + failed + updated == 0 {
        let dirs: Vec<String> = plan.dirs.iter().map(|dir| dir.display().to_string()).collect();
        let what = if plan.names.is_empty() {
            "there are no cases: write one as cases/NAME.txt in it".to_owned()
        } else {
            format!(
                "no case there has a name with `{}` in it, and there is no such directory",
                plan.names.join("` or `")
            )
        };
        return Err(Failure::Failed(format!("{}: {what}", dirs.join(", "))));
    }
    if !args.json {
        let tone = if failed > 0 { Tone::Bad } else { Tone::Good };
        let mut parts = vec![format!("{passed} passed")];
        parts.extend((updated > 0).then(|| format!("{updated} rewritten: read them with `git diff`")));
        parts.extend((failed > 0).then(|| format!("{failed} failed")));
        let all = count(passed + failed + updated, "case");
        writeln!(anstream::stdout(), "{}", styled(tone, &format!("{all}: {}", parts.join(", "))))?;
    }
    if failed > 0 { Err(Failure::Said) } else { Ok(()) }
}

fn directory(dir: &Path, plan: &Plan<'_>, tally: &mut Tally) -> Result<(), Failure> {
    if !dir.is_dir() {
        return Err(missing(dir));
    }
    let ruleset = ruleset(dir)?;
    let files = app::case_files(dir)
        .map_err(|fault| Failure::caused(format!("the cases of {} cannot be read", dir.display()), &fault))?;
    let wanted = |file: &&CaseFile| plan.names.is_empty() || plan.names.iter().any(|name| file.name.contains(name));
    for file in files.iter().filter(wanted) {
        one(&ruleset, file, plan.args, tally)?;
    }
    Ok(())
}

fn one(ruleset: &Ruleset, file: &CaseFile, args: &TestArgs, tally: &mut Tally) -> Result<(), Failure> {
    let unreadable = |fault: io::Error| Failure::caused(format!("{} cannot be read", file.path.display()), &fault);
    let bytes = fs::read(&file.path).map_err(unreadable)?;
    let text = String::from_utf8_lossy(&bytes);
    let verdict = CaseText::parse(&text).and_then(|case| Ok((ruleset.run_case(&case)?, case)));
    let (verdict, rewritten) = match verdict {
        Ok((result, case)) if args.update && !result.passed() => {
            let updated = result.updated(&text, &case);
            write(&file.path, &updated)?;
            (Verdict::Ran(Box::new(result)), true)
        }
        Ok((result, _)) => (Verdict::Ran(Box::new(result)), false),
        Err(fault) => (Verdict::Faulty(fault), false),
    };
    let passed = matches!(&verdict, Verdict::Ran(result) if result.passed());
    match (passed, rewritten) {
        (true, _) => tally.passed += 1,
        (false, true) => tally.updated += 1,
        (false, false) => tally.failed += 1,
    }
    if args.json {
        return Ok(json_lines([row(file, &verdict, rewritten)])?);
    }
    let mut out = anstream::stdout().lock();
    Ok(show::case(&mut out, file, &verdict, rewritten)?)
}

/// By rename: a kill in between leaves the old case or the new one.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let fault = |error: io::Error| Failure::caused(format!("{} cannot be written", path.display()), &error);
    let fresh = path.with_extension("tmp");
    fs::write(&fresh, text).map_err(fault)?;
    fs::rename(&fresh, path).map_err(fault)
}

fn row(file: &CaseFile, verdict: &Verdict, updated: bool) -> Value {
    let path = file.path.display().to_string();
    match verdict {
        Verdict::Faulty(fault) => json!({
            "case": file.name, "file": path, "passed": false, "fault": { "line": fault.line, "message": fault.message },
        }),
        Verdict::Ran(result) => {
            let expected = |at: &usize| result.expected.get(*at).map(|expected| &expected.event);
            let came = |at: &usize| {
                let came = result.run.events.get(*at)?;
                Some(json!({ "seq": came.seq, "settled": came.settled, "rule": came.rule, "event": came.event }))
            };
            let rows = result.comparison.rows.iter().map(|row| match row {
                Row::Same { came: at, .. } => json!({ "is": "same", "came": came(at) }),
                Row::Missing { expected: at } => json!({ "is": "missing", "expected": expected(at) }),
                Row::Unexpected { came: at } => json!({ "is": "unexpected", "came": came(at) }),
                Row::Differs { expected: at, came: other, differences } => {
                    let paths = differences
                        .iter()
                        .map(|one| json!({ "path": one.path, "expected": one.expected, "came": one.came }));
                    let paths: Vec<Value> = paths.collect();
                    json!({ "is": "differs", "expected": expected(at), "came": came(other), "differences": paths })
                }
            });
            let notes = result.run.notes.iter();
            let notes: Vec<Value> =
                notes.map(|one| json!({ "seq": one.seq, "rule": one.note.rule, "text": one.note.text })).collect();
            json!({
                "case": file.name, "file": path, "passed": result.passed(), "updated": updated,
                "exchanges": result.run.exchanges, "events": rows.collect::<Vec<_>>(), "notes": notes,
            })
        }
    }
}
