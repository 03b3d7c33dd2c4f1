//! `shopbell webhooks …`: look at webhooks and act on them.

use std::io::Write as _;

use crate::admin::{Backlog, PingView, Status, WebhookView};

use super::args::{ListArgs, NamedArgs, WebhooksCommand};
use super::control::{Api, segment};
use super::failure::Failure;
use super::output::{Tone, clean, json_lines, pairs, table};
use super::rotate;

pub(super) async fn run(command: WebhooksCommand) -> Result<(), Failure> {
    match command {
        WebhooksCommand::List(args) => list(args).await,
        WebhooksCommand::Show(args) => show(args).await,
        WebhooksCommand::Enable(args) => act(args, "enable").await,
        WebhooksCommand::Disable(args) => act(args, "disable").await,
        WebhooksCommand::Pause(args) => act(args, "pause").await,
        WebhooksCommand::Resume(args) => act(args, "resume").await,
        WebhooksCommand::Ping(args) => ping(args).await,
        WebhooksCommand::Rotate(args) => rotate::run(args).await,
    }
}

async fn list(args: ListArgs) -> Result<(), Failure> {
    let webhooks: Vec<WebhookView> = Api::running_or_here(&args.place).await?.get("/v1/webhooks").await?;
    if args.json {
        return Ok(json_lines(webhooks)?);
    }
    if webhooks.is_empty() {
        writeln!(anstream::stdout(), "no webhooks: write a [webhook.NAME] table into the rules directory")?;
        return Ok(());
    }
    let rows: Vec<_> = webhooks.into_iter().map(row).collect();
    Ok(table(["ID", "NAME", "STATUS", "TOPICS", "URL", "FAILED", "WAITING", "EVENTS UNREAD", "LAST DELIVERED"], &rows)?)
}

fn row(webhook: WebhookView) -> (Tone, [String; 9]) {
    let status = if webhook.held.is_some() { "held" } else { webhook.status.as_str() };
    let tone = match (status, webhook.failure_count) {
        ("active", 0) => Tone::Plain,
        ("active" | "paused", _) => Tone::Odd,
        _ => Tone::Bad,
    };
    let [waiting, unread] = webhook.backlog.map_or_else(
        || ["–", "–"].map(str::to_owned),
        |backlog| [backlog.waiting, backlog.unread].map(|n| n.to_string()),
    );
    let failed = webhook.failure_count.to_string();
    let last = webhook.last_success.unwrap_or_else(|| "never".to_owned());
    let topics = webhook.topics.join(", ");
    let (id, status) = (webhook.id.to_string(), status.to_owned());
    (tone, [id, webhook.name, status, topics, webhook.url, failed, waiting, unread, last])
}

async fn show(args: NamedArgs) -> Result<(), Failure> {
    let api = Api::running_or_here(&args.place).await?;
    let webhook: WebhookView = api.get(&format!("/v1/webhooks/{}", segment(&args.which))).await?;
    print(webhook, args.json)
}

async fn act(args: NamedArgs, action: &str) -> Result<(), Failure> {
    let api = Api::running(&args.place).await?;
    let webhook: WebhookView = api.post(&format!("/v1/webhooks/{}/{action}", segment(&args.which))).await?;
    if args.json {
        return Ok(json_lines([webhook])?);
    }
    let (name, status) = (&webhook.name, webhook.status);
    if status != Status::Active && matches!(action, "enable" | "resume") {
        let why = webhook.reason.map_or_else(String::new, |why| format!(": {why}"));
        return Err(Failure::Failed(format!("webhook {name} is {} again{why}", status.as_str())));
    }
    let then = match status {
        Status::Active => "",
        Status::Paused if webhook.hold_when_paused => "; its events are held, and go out in order once it is resumed",
        Status::Paused | Status::Disabled => {
            "; what it is owed is kept, and events from now on pass it by until it is active again"
        }
    };
    writeln!(anstream::stdout(), "webhook {name} is {} now{then}", status.as_str())?;
    Ok(())
}

fn print(webhook: WebhookView, json: bool) -> Result<(), Failure> {
    if json {
        return Ok(json_lines([webhook])?);
    }
    let failures = format!("{} in a row, disabled at {}", webhook.failure_count, webhook.max_delivery_failures);
    let file = format!("{} (the file says {})", webhook.status.as_str(), webhook.file_status.as_str());
    let status = if webhook.status == webhook.file_status { webhook.status.as_str().to_owned() } else { file };
    let since = webhook.since.map_or_else(String::new, |since| format!(", since {since}"));
    let retry: Vec<String> = webhook.retry_s.iter().map(u64::to_string).collect();
    let retry = if retry.is_empty() { "none".to_owned() } else { format!("after {} s", retry.join(", ")) };
    let ping = if webhook.pending_delivery { "not answered yet" } else { "answered" };
    Ok(pairs(&[
        ("id", webhook.id.to_string()),
        ("name", webhook.name),
        ("title", webhook.title),
        ("status", status),
        ("why", webhook.reason.map_or_else(String::new, |reason| format!("{reason}{since}"))),
        ("held", webhook.held.unwrap_or_default()),
        ("topics", webhook.topics.join(", ")),
        ("filter", webhook.filter.unwrap_or_default()),
        ("url", webhook.url),
        ("secret", webhook.made_secret.unwrap_or_else(|| "as the rules say".to_owned())),
        ("headers", webhook.header_names.join(", ")),
        ("failed deliveries", failures),
        ("last delivered", webhook.last_success.unwrap_or_else(|| "never".to_owned())),
        ("last failed", webhook.last_failure.unwrap_or_else(|| "never".to_owned())),
        ("waiting", webhook.backlog.map_or_else(String::new, |backlog| backlog.waiting.to_string())),
        ("events unread", webhook.backlog.map(unread).unwrap_or_default()),
        ("ping", ping.to_owned()),
        ("timeout", format!("{} s", webhook.timeout_s)),
        ("retry", retry),
        ("concurrency", webhook.concurrency.to_string()),
        ("rate", webhook.rate.unwrap_or_else(|| "no limit".to_owned())),
        ("ordering", webhook.ordering.as_str().to_owned()),
        ("hold_when_paused", webhook.hold_when_paused.to_string()),
        ("json_escape", webhook.json_escape),
    ])?)
}

fn unread(backlog: Backlog) -> String {
    match backlog.unread {
        0 => "0".to_owned(),
        unread => format!("{unread}, for this webhook or not"),
    }
}

async fn ping(args: NamedArgs) -> Result<(), Failure> {
    let api = Api::running(&args.place).await?;
    let ping: PingView = api.post(&format!("/v1/webhooks/{}/ping", segment(&args.which))).await?;
    let (name, ok) = (ping.webhook.clone(), ping.ok);
    let text = match (ping.status, &ping.error) {
        (Some(status), _) => format!("the receiver answered {status}"),
        (None, Some(error)) => error.clone(),
        (None, None) => "no answer".to_owned(),
    };
    if args.json {
        json_lines([ping])?;
    } else {
        writeln!(anstream::stdout(), "ping to webhook {name}: {}", clean(&text))?;
    }
    if ok { Ok(()) } else { Err(Failure::Said) }
}
