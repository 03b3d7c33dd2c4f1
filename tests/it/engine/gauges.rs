//! What the metrics page of a running process tells of its webhooks.

use super::full_disk::FOUND;
use crate::support::house::form;
use crate::support::process::Process;
use crate::support::receiver::{Answer, Receiver};
use crate::support::upstream::{Scripted, eventually};

const RULES: &str = r#"
[event.saved]
on = "POST /save"
topic = "product.saved"
id = "{{ form.id }}"
"#;

/// The value of one line, 0 or not.
fn value(page: &str, name: &str) -> Option<f64> {
    page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

fn gauge(name: &str, webhook: &str, labels: &str) -> String {
    format!("shopbell_deliver_{name}{{webhook=\"{webhook}\"{labels}}}")
}

/// A rule, and webhooks with what their tables say besides.
fn rules(webhooks: &[(&str, &Receiver, &str)]) -> String {
    let table = |(name, receiver, more): &(&str, &Receiver, &str)| {
        let url = receiver.url("/");
        format!("[webhook.{name}]\ntopic = \"*\"\nurl = \"{url}\"\nsecret = \"s\"\n{more}\n")
    };
    webhooks.iter().fold(RULES.to_owned(), |rules, webhook| rules + &table(webhook))
}

/// Seven events for `well`, one for `gone`, and at least the five for `fails` that opened its breaker.
fn times_are_counted(page: &str) {
    for (name, least) in [
        ("shopbell_deliver_event_to_first_attempt_seconds_count", 13.0),
        ("shopbell_deliver_attempt_seconds_count{phase=\"total\"}", 13.0),
        ("shopbell_deliver_attempt_seconds_count{phase=\"first_byte\"}", 13.0),
        ("shopbell_deliver_attempt_seconds_count{phase=\"connected\"}", 3.0),
    ] {
        let count = value(page, name);
        assert!(count.is_some_and(|count| count >= least), "{name}: {count:?}\n{page}");
    }
    assert!(page.contains("# TYPE shopbell_deliver_attempt_seconds histogram"), "{page}");
}

/// An alert on an increase must see the first of its kind too.
fn starts_at_zero(page: &str) {
    for labels in ["deliveries_total{end=\"exhausted\"}", "deliveries_total{end=\"dropped\"}"] {
        assert_eq!(value(page, &format!("shopbell_deliver_{labels}")), Some(0.0), "{page}");
    }
}

/// Five webhooks, each in another state: well, failing, gone, disabled by its file, paused by an operator. The page tells
/// them apart, and what each is owed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_webhook_shows_its_queue_its_breaker_and_its_status() {
    let dir = tempfile::tempdir().unwrap();
    let well = Receiver::start(vec![Answer::status(200)]).await;
    let fails = Receiver::start(vec![Answer::status(500)]).await;
    let gone = Receiver::start(vec![Answer::status(410)]).await;
    let rules = rules(&[
        ("well", &well, ""),
        ("fails", &fails, "retry = [\"1h\", \"1h\"]"),
        ("gone", &gone, ""),
        ("off", &well, "status = \"disabled\""),
        ("paused", &well, "hold_when_paused = true"),
    ]);
    std::fs::create_dir(dir.path().join("rules")).unwrap();
    std::fs::write(dir.path().join("rules/r.toml"), rules).unwrap();
    let shop = Scripted::answering(FOUND);
    let process = Process::start(dir.path(), &format!("http://{}", shop.address), "");
    let paused = process.ask("POST /v1/webhooks/paused/pause");
    assert!(paused.starts_with("HTTP/1.1 200"), "{paused}");
    let mut visitor = process.visitor();
    let mut save = |id: &str| {
        visitor.send(form("/save", &format!("id={id}")));
        assert_eq!(visitor.answer().first(), "HTTP/1.1 302 Found");
    };
    let shows = |name: String, wanted: f64| {
        eventually(&format!("{name} is {wanted}"), || value(&process.ask("GET /metrics"), &name) == Some(wanted));
    };
    starts_at_zero(&process.ask("GET /metrics"));
    save("1");
    shows(gauge("queue_depth", "fails", ",set=\"waiting\""), 1.0);
    save("1");
    save("1");
    shows(gauge("queue_depth", "fails", ",set=\"deferred\""), 2.0);
    shows(gauge("breaker_state", "fails", ",state=\"closed\""), 1.0);
    shows(gauge("queue_depth", "paused", ",set=\"behind\""), 3.0);
    shows(gauge("queue_depth", "well", ",set=\"behind\""), 0.0);
    shows(gauge("webhook_status", "gone", ",status=\"disabled\",reason=\"gone\""), 1.0);
    shows("shopbell_deliver_webhooks_disabled_total{reason=\"gone\"}".into(), 1.0);
    for id in ["2", "3", "4", "5"] {
        save(id);
    }
    shows(gauge("breaker_state", "fails", ",state=\"open\""), 1.0);
    // Also what is on its way to the disk is owed.
    shows(gauge("queue_oldest_seconds", "well", ""), 0.0);

    let page = process.ask("GET /metrics");
    for (name, wanted) in [
        (gauge("breaker_state", "fails", ",state=\"closed\""), 0.0),
        (gauge("breaker_state", "well", ",state=\"closed\""), 1.0),
        (gauge("webhook_status", "well", ",status=\"active\",reason=\"\""), 1.0),
        (gauge("webhook_status", "fails", ",status=\"active\",reason=\"\""), 1.0),
        (gauge("webhook_status", "off", ",status=\"disabled\",reason=\"file\""), 1.0),
        (gauge("webhook_status", "paused", ",status=\"paused\",reason=\"operator\""), 1.0),
        (gauge("queue_oldest_seconds", "well", ""), 0.0),
        (gauge("queue_oldest_seconds", "off", ""), 0.0),
        (gauge("queue_depth", "off", ",set=\"waiting\""), 0.0),
        (gauge("attempts_total", "gone", ",kind=\"delivery\",class=\"status\""), 1.0),
        ("shopbell_deliver_webhooks_unmeasured".into(), 0.0),
    ] {
        assert_eq!(value(&page, &name), Some(wanted), "{name}\n{page}");
    }
    for webhook in ["fails", "gone", "paused"] {
        let age = value(&page, &gauge("queue_oldest_seconds", webhook, "")).unwrap();
        assert!(age > 0.0 && age < 600.0, "{webhook}: {age}");
    }
    times_are_counted(&page);
    // What is paid leaves the page.
    let resumed = process.ask("POST /v1/webhooks/paused/resume");
    assert!(resumed.starts_with("HTTP/1.1 200"), "{resumed}");
    shows(gauge("queue_oldest_seconds", "paused", ""), 0.0);
    shows(gauge("webhook_status", "paused", ",status=\"active\",reason=\"\""), 1.0);

    // What is told of a webhook goes with it.
    std::fs::write(dir.path().join("rules/r.toml"), self::rules(&[("well", &well, "")])).unwrap();
    eventually("it has left", || !process.ask("GET /metrics").contains("webhook=\"gone\""));
    assert_eq!(process.stop().code(), Some(0));
}
