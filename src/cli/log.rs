//! `shopbell log`: what happened, newest last, as a terminal reads.

use crate::admin::{LogKind, LogRow};

use super::args::LogArgs;
use super::control::Api;
use super::failure::Failure;
use super::output::{Tone, json_lines, table};

pub(super) async fn run(args: LogArgs) -> Result<(), Failure> {
    let api = Api::running_or_here(&args.place).await?;
    let mut rows: Vec<LogRow> = api.get(&format!("/v1/log?{}", query(&args))).await?;
    rows.reverse();
    if args.json {
        return Ok(json_lines(rows)?);
    }
    let rows: Vec<_> = rows.into_iter().map(line).collect();
    Ok(table(["TIME (UTC)", "KIND", "TOPIC", "ABOUT", "WEBHOOK", "WHAT"], &rows)?)
}

fn query(args: &LogArgs) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    let given = [
        ("webhook", &args.webhook),
        ("topic", &args.topic),
        ("id", &args.id),
        ("text", &args.text),
        ("since", &args.since),
    ];
    for (name, value) in given {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    if !args.kind.is_empty() {
        query.append_pair("kind", &args.kind.join(","));
    }
    query.append_pair("limit", &args.limit.to_string());
    query.finish()
}

fn line(row: LogRow) -> (Tone, [String; 6]) {
    let tone = match (row.kind, row.ok) {
        (_, Some(false)) => Tone::Bad,
        (LogKind::Notice, _) => Tone::Odd,
        _ => Tone::Plain,
    };
    let took = row.took_ms.map_or_else(String::new, |took| format!(" ({took} ms)"));
    let rule = row.rule.filter(|rule| !rule.is_empty()).map_or_else(String::new, |rule| format!(" [{rule}]"));
    let what = format!("{}{took}{rule}", row.text);
    let time = row.at.replace('T', " ").trim_end_matches('Z').to_owned();
    let kind = row.kind.as_str().to_owned();
    (tone, [time, kind, row.topic.unwrap_or_default(), row.about, row.webhook.unwrap_or_default(), what])
}
