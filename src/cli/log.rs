//! `shopbell log`: what happened, newest last, as a terminal reads; with `--follow` what comes after it too.

use std::io::Write as _;
use std::time::Duration;

use crate::admin::{LogFollowView, LogKind, LogPageView, LogRow};

use super::control::Api;
use super::delivery_args::LogArgs;
use super::failure::Failure;
use super::output::{Tone, clean, json_lines, styled, table};

/// Lines asked for at once.
const PAGE: usize = 1_000;
/// How long one request waits for the next line, in milliseconds.
const WAIT_MS: u32 = 5_000;
/// Pause before the process is looked for again after it went away.
const AWAY: Duration = Duration::from_millis(500);

pub(super) async fn run(args: LogArgs) -> Result<(), Failure> {
    let api = if args.follow { Api::running(&args.place).await? } else { Api::running_or_here(&args.place).await? };
    // First where following begins, then what lies before it: a line may be told twice there, but none is missed.
    let follow = if args.follow { Some(ask_follow(&api, &args, None, 0).await?.next) } else { None };
    let rows = search(&api, &args).await?;
    if args.json {
        json_lines(&rows)?;
    } else if follow.is_none() {
        let rows: Vec<_> = rows.iter().map(line).collect();
        return Ok(table(["TIME (UTC)", "KIND", "TOPIC", "ABOUT", "WEBHOOK", "WHAT"], &rows)?);
    } else {
        rows.iter().try_for_each(print)?;
    }
    match follow {
        Some(from) => tail(&args, api, from, &rows).await,
        None => Ok(()),
    }
}

/// The newest lines that fit, oldest first; asks page by page until there are enough. None of a webhook that there is not is
/// a failure.
async fn search(api: &Api, args: &LogArgs) -> Result<Vec<LogRow>, Failure> {
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let (mut rows, mut from) = (Vec::new(), None::<String>);
    loop {
        let mut query = query(args);
        query.append_pair("limit", &limit.saturating_sub(rows.len()).clamp(1, PAGE).to_string());
        if let Some(from) = &from {
            query.append_pair("from", from);
        }
        let page: LogPageView = api.get(&format!("/v1/log/page?{}", query.finish())).await?;
        rows.extend(page.rows);
        from = page.next;
        if rows.len() >= limit || from.is_none() {
            if let Some(unknown) = page.unknown.filter(|_| rows.is_empty()) {
                return Err(Failure::Failed(unknown));
            }
            break;
        }
    }
    // Pages follow each other in the order of writing; times may differ from it a little.
    rows.sort_by(|one, other| other.at.cmp(&one.at));
    rows.truncate(limit);
    rows.reverse();
    Ok(rows)
}

/// Tells what comes, until interrupted. A process that is started again is found again, and nothing is missed.
async fn tail(args: &LogArgs, api: Api, mut from: String, told: &[LogRow]) -> Result<(), Failure> {
    let seen: std::collections::HashSet<_> = told.iter().map(|row| (row.kind.as_str(), row.seq)).collect();
    let mut api = Some(api);
    loop {
        let answer = match &api {
            Some(api) => ask_follow(api, args, Some(&from), WAIT_MS).await,
            None => Err(Failure::Said),
        };
        match answer {
            Ok(answer) => {
                let rows = answer.rows.into_iter().filter(|row| !seen.contains(&(row.kind.as_str(), row.seq)));
                if args.json {
                    json_lines(rows)?;
                } else {
                    rows.into_iter().try_for_each(|row| print(&row))?;
                }
                from = answer.next;
            }
            Err(fault @ Failure::Usage(_)) => return Err(fault),
            Err(_away) => {
                tokio::time::sleep(AWAY).await;
                api = Api::running(&args.place).await.ok();
            }
        }
    }
}

async fn ask_follow(api: &Api, args: &LogArgs, from: Option<&str>, wait_ms: u32) -> Result<LogFollowView, Failure> {
    let mut query = query(args);
    query.append_pair("wait_ms", &wait_ms.to_string());
    if let Some(from) = from {
        query.append_pair("from", from);
    }
    api.get(&format!("/v1/log/follow?{}", query.finish())).await
}

fn query(args: &LogArgs) -> form_urlencoded::Serializer<'static, String> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(args.narrow.pairs());
    let given = [("state", &args.state), ("status", &args.status), ("delivery", &args.delivery)];
    query.extend_pairs(given.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))));
    if !args.kind.is_empty() {
        query.append_pair("kind", &args.kind.join(","));
    }
    query
}

fn print(row: &LogRow) -> Result<(), Failure> {
    let (tone, cells) = line(row);
    let cells = cells.iter().filter(|cell| !cell.is_empty()).map(|cell| clean(cell).into_owned()).collect::<Vec<_>>();
    let mut out = anstream::stdout().lock();
    writeln!(out, "{}", styled(tone, &cells.join("  ")))?;
    Ok(out.flush()?)
}

fn line(row: &LogRow) -> (Tone, [String; 6]) {
    let tone = match (row.kind, row.ok) {
        (_, Some(false)) => Tone::Bad,
        (LogKind::Notice, _) => Tone::Odd,
        _ => Tone::Plain,
    };
    let took = row.took_ms.map_or_else(String::new, |took| format!(" ({took} ms)"));
    let rule =
        row.rule.as_deref().filter(|rule| !rule.is_empty()).map_or_else(String::new, |rule| format!(" [{rule}]"));
    let what = format!("{}{took}{rule}", row.text);
    let time = row.at.replace('T', " ").trim_end_matches('Z').to_owned();
    let (topic, webhook) = (row.topic.clone().unwrap_or_default(), row.webhook.clone().unwrap_or_default());
    (tone, [time, row.kind.as_str().to_owned(), topic, row.about.clone(), webhook, what])
}
