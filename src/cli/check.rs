//! `shopbell check`: every fault of a rules directory at once.

use std::io::Write as _;

use crate::diagnostic::{Diagnostic, Severity};
use crate::{app, rules};

use super::args::CheckArgs;
use super::failure::Failure;
use super::output::{count, diagnostics, json_lines};
use super::ruleset::{at_hand, missing};

pub(super) fn run(args: &CheckArgs) -> Result<(), Failure> {
    let path = at_hand(args.dir());
    let dir = path.display();
    if !path.is_dir() {
        return Err(missing(path));
    }
    let (found, summary) = match app::read_rules_dir(path) {
        Err(faults) => (faults, None),
        Ok(files) => {
            let mut loaded = rules::load(&files);
            if let Some(ruleset) = &loaded.ruleset {
                loaded.diagnostics.extend(app::missing_secrets(ruleset));
            }
            let summary = loaded.ruleset.map(|ruleset| {
                let (rules, webhooks) = (ruleset.summary().events, ruleset.webhooks.len());
                let files = count(files.len(), "file");
                format!("{dir}: ok ({files}, {}, {})", count(rules, "event rule"), count(webhooks, "webhook"))
            });
            (loaded.diagnostics, summary)
        }
    };
    report(&found, summary, args)
}

fn report(found: &[Diagnostic], ok: Option<String>, args: &CheckArgs) -> Result<(), Failure> {
    let of = |severity| found.iter().filter(move |fault| fault.severity == severity).count();
    let (errors, warnings) = (of(Severity::Error), of(Severity::Warning));
    let faulty = errors > 0 || ok.is_none();
    if args.json {
        json_lines(found)?;
    } else {
        diagnostics(found)?;
        let summary = match ok {
            Some(summary) if !faulty && warnings > 0 => format!("{summary}, with {}", count(warnings, "warning")),
            Some(summary) if !faulty => summary,
            _ => {
                let warnings =
                    if warnings > 0 { format!(" and {}", count(warnings, "warning")) } else { String::new() };
                format!(
                    "{}: {}{warnings}; such a set would not take effect",
                    at_hand(args.dir()).display(),
                    count(errors, "fault")
                )
            }
        };
        writeln!(anstream::stdout(), "{summary}")?;
    }
    if faulty { Err(Failure::Said) } else { Ok(()) }
}
