//! `shopbell deliveries …`: what became of them, the story of one, and sending them again.

use std::io::{self, IsTerminal as _, Write as _};

use crate::admin::{DeliveryRow, DeliveryView, PlanView, RunView, Standing};

use super::control::{Api, segment};
use super::delivery_args::{DeliveriesArgs, DeliveriesCommand, DeliveryArgs, RecoverArgs};
use super::failure::Failure;
use super::output::{Tone, json_lines, table};
use super::{runs, story};

pub(super) async fn run(command: DeliveriesCommand) -> Result<(), Failure> {
    match command {
        DeliveriesCommand::List(args) => list(args).await,
        DeliveriesCommand::Show(args) => show(args).await,
        DeliveriesCommand::Replay(args) => replay(args).await,
        DeliveriesCommand::Recover(args) => recover(args).await,
    }
}

async fn list(args: DeliveriesArgs) -> Result<(), Failure> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(args.narrow.pairs()).append_pair("state", args.state.as_str());
    query.append_pair("limit", &args.limit.to_string());
    let api = Api::running_or_here(&args.place).await?;
    let mut rows: Vec<DeliveryRow> = api.get(&format!("/v1/deliveries?{}", query.finish())).await?;
    rows.reverse();
    if args.json {
        return Ok(json_lines(rows)?);
    }
    let row = |row: DeliveryRow| {
        let tone = match row.state {
            Standing::Failed => Tone::Bad,
            Standing::Queued | Standing::Waiting => Tone::Odd,
            Standing::Delivered | Standing::Forgotten => Tone::Plain,
        };
        let time = row.at.replace('T', " ").trim_end_matches('Z').to_owned();
        let (state, attempts) = (row.state.as_str().to_owned(), row.attempts.to_string());
        // No log knows the id of what was never tried; `show` finds it by event and webhook.
        let id = if row.state == Standing::Queued { format!("{}:{}", row.event, row.webhook) } else { row.id };
        (tone, [time, id, row.webhook, row.topic, row.about, state, attempts, row.text])
    };
    let rows: Vec<_> = rows.into_iter().map(row).collect();
    Ok(table(["TIME (UTC)", "DELIVERY", "WEBHOOK", "TOPIC", "ABOUT", "STATE", "TRIED", "WHAT"], &rows)?)
}

async fn show(args: DeliveryArgs) -> Result<(), Failure> {
    let api = Api::running_or_here(&args.place).await?;
    let delivery: DeliveryView = api.get(&format!("/v1/deliveries/{}", segment(&args.which))).await?;
    if args.json {
        return Ok(json_lines([delivery])?);
    }
    Ok(story::tell(&mut anstream::stdout().lock(), &delivery)?)
}

async fn replay(args: DeliveryArgs) -> Result<(), Failure> {
    let api = Api::running(&args.place).await?;
    let run: RunView = api.post(&format!("/v1/deliveries/{}/replay", segment(&args.which))).await?;
    if args.json {
        return Ok(json_lines([run])?);
    }
    if run.outdated.is_some_and(|outdated| outdated > 0) {
        let text = "a newer event of the same resource was delivered: the receiver now sees an older state after it";
        writeln!(anstream::stderr(), "warning: {text}")?;
    }
    let waits = run.waits_for.as_ref().map_or_else(String::new, |why| format!("\nit waits: {why}"));
    if run.held {
        let show = format!("look at it with `shopbell deliveries show {}`", args.which);
        let text = format!("it had not ended: run {} makes it due now in the queue of webhook {}", run.id, run.webhook);
        writeln!(anstream::stdout(), "{text}; {show}{waits}")?;
        return Ok(());
    }
    let what = if run.waits_for.is_some() { "to be sent" } else { "sent" };
    writeln!(anstream::stdout(), "{what} as run {}: look at it with `shopbell runs show {}`{waits}", run.id, run.id)?;
    Ok(())
}

async fn recover(args: RecoverArgs) -> Result<(), Failure> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("webhook", &args.webhook).append_pair("state", args.state.as_str());
    let given = [
        ("topic", &args.topic),
        ("since", &args.since),
        ("until", &args.until),
        ("text", &args.text),
        ("rate", &args.rate),
    ];
    query.extend_pairs(given.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))));
    query.append_pair("latest", if args.latest { "true" } else { "false" });
    let query = query.finish();
    let api =
        if args.sure.dry_run { Api::running_or_here(&args.place).await? } else { Api::running(&args.place).await? };
    let plan: PlanView = api.post(&format!("/v1/runs?{query}&dry_run=true")).await?;
    if args.sure.dry_run && args.json {
        return Ok(json_lines([plan])?);
    }
    tell(&plan, args.json)?;
    if args.sure.dry_run || plan.count == 0 {
        return Ok(());
    }
    if !args.sure.yes && !confirmed("send them again")? {
        return Err(Failure::Failed("nothing was sent".to_owned()));
    }
    let run: RunView = api.post(&format!("/v1/runs?{query}")).await?;
    runs::print(run, args.json)
}

/// What fits. On stderr where stdout is for scripts.
fn tell(plan: &PlanView, json: bool) -> io::Result<()> {
    let text = match (plan.count, &plan.oldest, &plan.newest) {
        (0, ..) => "no delivery fits".to_owned(),
        (1, Some(at), _) => format!("1 delivery fits, of an event from {at}"),
        (1, ..) => "1 delivery fits".to_owned(),
        (count, Some(oldest), Some(newest)) => format!("{count} deliveries fit, of events from {oldest} to {newest}"),
        (count, ..) => format!("{count} deliveries fit"),
    };
    let newer = match plan.outdated {
        0 => String::new(),
        outdated => format!(
            "\nof {outdated} the receiver has a newer event of the same resource already; --latest leaves those out"
        ),
    };
    let text = text + &newer;
    if json { writeln!(anstream::stderr(), "{text}") } else { writeln!(anstream::stdout(), "{text}") }
}

/// Asks on a terminal. Where there is none, `--yes` has to be given.
pub(super) fn confirmed(what: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::Usage(format!("to {what} without being asked, give --yes")));
    }
    write!(anstream::stderr(), "{what}? [y/N] ")?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
