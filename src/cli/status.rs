//! `shopbell status` and `shopbell reload`: the running process.

use std::io::Write as _;

use crate::admin::{ReloadView, RulesView, StatusView};

use super::args::{Place, StatusArgs};
use super::control::Api;
use super::failure::Failure;
use super::output::{count, diagnostics, json_lines, pairs};

pub(super) async fn run(args: StatusArgs) -> Result<(), Failure> {
    let status: StatusView = Api::running(&args.place).await?.get("/v1/status").await?;
    if args.json {
        return Ok(json_lines([status])?);
    }
    pairs(&[
        ("shopbell", format!("{}, process {}", status.version, status.pid)),
        ("running", format!("for {} s, since {}", status.uptime_s, status.started)),
        ("in front", format!("{} of {}", status.listen, status.upstream)),
        ("data", status.data_dir),
        ("rules", format!("{}: {}", status.rules_dir, in_force(&status.rules))),
        ("webhooks", format!("{} of {} deliver", status.active_webhooks, status.rules.webhooks)),
        ("journal", format!("next sequence {}", status.next_seq)),
    ])?;
    Ok(diagnostics(&status.rules.problems)?)
}

pub(super) async fn reload(place: Place) -> Result<(), Failure> {
    let report: ReloadView = Api::running(&place).await?.post("/v1/reload").await?;
    diagnostics(&report.diagnostics)?;
    if !report.ok {
        return Err(Failure::Failed(format!("the rules have faults; in force stays: {}", in_force(&report.rules))));
    }
    let what = if report.changed { "reloaded" } else { "nothing has changed" };
    writeln!(anstream::stdout(), "{what}: {}", in_force(&report.rules))?;
    Ok(())
}

fn in_force(rules: &RulesView) -> String {
    let note = match (rules.from_last_good, rules.stale) {
        (true, _) => ", the last good set, as the directory was broken at start",
        (false, true) => ", older than the directory, whose newest edit has faults",
        (false, false) => "",
    };
    let (events, webhooks) = (count(rules.event_rules, "event rule"), count(rules.webhooks, "webhook"));
    format!("{events}, {webhooks}, since {}{note}", rules.loaded_at)
}
