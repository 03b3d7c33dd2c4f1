//! `shopbell runs …`: deliveries that are sent again in the background.

use std::io::Write as _;

use crate::admin::RunView;

use super::args::ListArgs;
use super::control::Api;
use super::delivery_args::{OneRunArgs, RunsCommand};
use super::failure::Failure;
use super::output::{Tone, json_lines, pairs, table};

pub(super) async fn run(command: RunsCommand) -> Result<(), Failure> {
    match command {
        RunsCommand::List(args) => list(args).await,
        RunsCommand::Show(args) => show(args).await,
        RunsCommand::Pause(args) => act(args, "pause").await,
        RunsCommand::Resume(args) => act(args, "resume").await,
        RunsCommand::Cancel(args) => act(args, "cancel").await,
    }
}

async fn list(args: ListArgs) -> Result<(), Failure> {
    let runs: Vec<RunView> = Api::running_or_here(&args.place).await?.get("/v1/runs").await?;
    if args.json {
        return Ok(json_lines(runs)?);
    }
    if runs.is_empty() {
        writeln!(anstream::stdout(), "no runs: `shopbell deliveries recover` makes one")?;
        return Ok(());
    }
    let row = |run: RunView| {
        let tone = if run.progress.failed > 0 { Tone::Odd } else { Tone::Plain };
        let what = what(&run);
        let [id, matched, delivered] =
            [u64::from(run.id), run.progress.matched, run.progress.delivered].map(|n| n.to_string());
        let [failed, left] = [run.progress.failed, run.progress.left].map(|n| n.to_string());
        (tone, [id, run.state.as_str().to_owned(), run.webhook, what, matched, delivered, failed, left, run.created])
    };
    let rows: Vec<_> = runs.into_iter().map(row).collect();
    Ok(table(["RUN", "STATE", "WEBHOOK", "WHAT", "MATCHED", "DELIVERED", "FAILED", "LEFT", "MADE"], &rows)?)
}

async fn show(args: OneRunArgs) -> Result<(), Failure> {
    let api = Api::running_or_here(&args.place).await?;
    print(api.get(&format!("/v1/runs/{}", args.run)).await?, args.json)
}

async fn act(args: OneRunArgs, action: &str) -> Result<(), Failure> {
    let api = Api::running(&args.place).await?;
    let run: RunView = api.post(&format!("/v1/runs/{}/{action}", args.run)).await?;
    if args.json {
        return Ok(json_lines([run])?);
    }
    writeln!(anstream::stdout(), "run {} is {} now", run.id, run.state.as_str())?;
    Ok(())
}

/// Shows one run.
pub(super) fn print(run: RunView, json: bool) -> Result<(), Failure> {
    if json {
        return Ok(json_lines([run])?);
    }
    let progress = run.progress;
    let done = progress.delivered + progress.failed + progress.left;
    Ok(pairs(&[
        ("run", run.id.to_string()),
        ("state", run.state.as_str().to_owned()),
        ("webhook", run.webhook.clone()),
        ("waits", run.waits_for.clone().unwrap_or_default()),
        ("what", what(&run)),
        ("done", format!("{done} of {}", progress.matched)),
        ("delivered", progress.delivered.to_string()),
        ("failed", progress.failed.to_string()),
        ("left to the queue", progress.left.to_string()),
        ("rate", run.rate.map_or_else(|| "the webhook's own".to_owned(), |rate| format!("{rate}/s"))),
        ("made", format!("{} by {}", run.created, run.actor)),
        ("over", run.ended.unwrap_or_default()),
    ])?)
}

/// What a run sends, for people.
fn what(run: &RunView) -> String {
    if let Some(event) = run.event {
        return format!("the delivery of event {event}");
    }
    let mut text = format!("{} deliveries", run.deliveries.as_str());
    for (word, value) in [("of", &run.topic), ("since", &run.since), ("until", &run.until), ("with", &run.text)] {
        if let Some(value) = value {
            text = format!("{text} {word} {value}");
        }
    }
    if run.latest {
        text.push_str(", the newest of each resource");
    }
    text
}
