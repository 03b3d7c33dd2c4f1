//! What is measured, and the tables it gives.

use serde_json::Value;

use super::probe::{Running, figure, median, run};
use super::{receiver, say};

/// What to measure, and how much of it.
pub(crate) struct Options {
    pub(crate) rounds: usize,
    pub(crate) queued: u64,
    pub(crate) scale: u64,
    pub(crate) only: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        let only = ["rate", "latency", "fair", "held", "many", "down"].map(str::to_owned).to_vec();
        Self { rounds: 3, queued: 1_000_000, scale: 100, only }
    }
}

impl Options {
    /// A count as large as this run wants it.
    fn scaled(&self, count: u64) -> u64 {
        (count * self.scale / 100).max(1)
    }
}

/// Measures all of it.
pub(crate) fn all(options: &Options) {
    for scene in &options.only {
        match scene.as_str() {
            "rate" => rate(options),
            "latency" => latency(options),
            "fair" => fair(options),
            "held" => held(options),
            "many" => many(options),
            "down" => down(options),
            other => panic!("`{other}`: there is rate, latency, fair, held, many and down"),
        }
    }
}

/// A directory that is removed at the end.
fn data() -> (tempfile::TempDir, String) {
    let dir = tempfile::Builder::new().prefix("shopbell-bench-").tempdir().expect("a directory");
    let path = dir.path().display().to_string();
    (dir, path)
}

fn words(words: &[&dyn std::fmt::Display]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

/// A role that delivers `events` to each port.
fn deliver(role: &str, ports: &str, events: u64) -> Value {
    let (_dir, path) = data();
    run(&words(&[&role, &path, &ports, &events]))
}

fn medians(runs: &[Value], figures: &[&str]) -> Vec<f64> {
    figures.iter().map(|name| median(runs.iter().map(|run| figure(run, name)).collect())).collect()
}

/// Deliveries a second beside the peer.
fn rate(options: &Options) {
    say(&"\n## Deliveries a second\n");
    say(&"| webhooks | what | deliveries/s | ratio to the peer | CPU µs a delivery |\n|---:|---|---:|---:|---:|");
    for (webhooks, at_once, events) in [(1_usize, 8, options.scaled(40_000)), (8, 8, options.scaled(10_000))] {
        let (_receiver, ports) = receiver::start(webhooks);
        let ports = format!("{ports:?}");
        let names = ["bare hyper client", "events committed meanwhile", "events queued before"];
        let mut runs: [Vec<Value>; 3] = Default::default();
        for _ in 0..options.rounds {
            runs[0].push(run(&words(&[&"peer", &ports, &(events * 3), &at_once])));
            forget(&ports);
            runs[1].push(deliver("live", &ports, events));
            runs[2].push(deliver("queued", &ports, events));
        }
        let rate = |run: &Value| figure(run, "deliveries") / figure(run, "seconds");
        let peer = median(runs[0].iter().map(rate).collect());
        for (name, runs) in names.iter().zip(&runs) {
            let rate = median(runs.iter().map(rate).collect());
            let cpu = median(runs.iter().map(|run| figure(run, "cpu") / figure(run, "deliveries") * 1e6).collect());
            say(&format!("| {webhooks} | {name} | {rate:.0} | {:.2} | {cpu:.0} |", rate / peer));
        }
    }
}

/// Has the receiver begin anew.
fn forget(ports: &str) {
    let ports: Vec<u16> = serde_json::from_str(ports).expect("ports");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(receiver::ask(ports[0], "take"));
}

/// How soon an event is with the receiver.
fn latency(options: &Options) {
    say(&"\n## From the event to the receiver, 1,000 events a second, one webhook\n");
    say(&"| from | to | p50 ms | p99 ms | worst ms |\n|---|---|---:|---:|---:|");
    let (_receiver, ports) = receiver::start(1);
    let runs: Vec<Value> = (0..options.rounds)
        .map(|_| {
            let (_dir, path) = data();
            run(&words(&[&"latency", &path, &format!("{ports:?}"), &"[]", &1_000, &options.scaled(8_000)]))
        })
        .collect();
    let rows = [
        ("commit", "handed to the store", "committed"),
        ("way", "committed", "first byte at the receiver"),
        ("whole", "handed to the store", "first byte at the receiver"),
    ];
    for (name, from, to) in rows {
        let of: Vec<Value> = runs.iter().map(|run| run[name].clone()).collect();
        let of = medians(&of, &["p50", "p99", "max"]);
        say(&format!("| {from} | {to} | {:.2} | {:.2} | {:.1} |", of[0], of[1], of[2]));
    }
}

/// What a dead endpoint and one that drips a byte a second cost the other eighteen.
fn fair(options: &Options) {
    say(&"\n## Eighteen webhooks, 100 events a second to each: from the commit to the first byte at the receiver\n");
    say(&"| the other two | p50 ms | p99 ms | worst ms |\n|---|---:|---:|---:|");
    let (_receiver, ports) = receiver::start(20);
    let well = &ports[..18];
    let dripping = Running::start(&["drip".to_owned()]);
    let sick = format!("[{},{}]", closed_port(), dripping.said["port"]);
    let mut runs: [Vec<Value>; 2] = Default::default();
    for _ in 0..options.rounds {
        // Beside two that are well, all twenty are measured: their work is the same.
        for (runs, (ports, sick)) in runs.iter_mut().zip([(&ports[..], "[]"), (well, &*sick)]) {
            let (_dir, path) = data();
            let ports = format!("{ports:?}");
            runs.push(run(&words(&[&"latency", &path, &ports, &sick, &100, &options.scaled(1_000)]))["way"].clone());
        }
    }
    for (name, runs) in ["well", "one dead, one dripping a byte a second"].into_iter().zip(&runs) {
        let of = medians(runs, &["p50", "p99", "max"]);
        say(&format!("| {name} | {:.2} | {:.2} | {:.1} |", of[0], of[1], of[2]));
    }
}

/// A port nobody listens on.
fn closed_port() -> u16 {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    nobody.local_addr().expect("an address").port()
}

/// How long a visitor is held.
fn held(options: &Options) {
    say(&"\n## How long a visitor is held: form post, tap, rule, event in the journal, redirect\n");
    say(&"| exchanges/s | p50 ms | p99 ms | worst ms | CPU µs an exchange |\n|---:|---:|---:|---:|---:|");
    for rate in [100, 1_000, 4_000] {
        let count = options.scaled(rate * 4);
        let held = |_| {
            let (_dir, path) = data();
            run(&words(&[&"held", &path, &rate, &count]))
        };
        let runs: Vec<Value> = (0..options.rounds).map(held).collect();
        let of: Vec<Value> = runs.iter().map(|run| run["held"].clone()).collect();
        let (of, cpu) = (medians(&of, &["p50", "p99", "max"]), medians(&runs, &["cpu_us"]));
        say(&format!("| {rate} | {:.2} | {:.2} | {:.1} | {:.0} |", of[0], of[1], of[2], cpu[0]));
    }
}

/// Twenty webhooks on one stream of events beside one.
fn many(options: &Options) {
    say(&"\n## Twenty webhooks on one stream of events\n");
    say(&"| webhooks | seconds | CPU seconds | peak MiB | disk bytes an event |\n|---:|---:|---:|---:|---:|");
    let events = options.scaled(5_000);
    let mut costs = Vec::new();
    let mut runs: [Vec<Value>; 2] = Default::default();
    let receivers = [receiver::start(1), receiver::start(20)];
    for _ in 0..options.rounds {
        for (runs, (_receiver, ports)) in runs.iter_mut().zip(&receivers) {
            runs.push(deliver("live", &format!("{ports:?}"), events));
        }
    }
    for (webhooks, runs) in [1, 20].into_iter().zip(&runs) {
        let of = medians(runs, &["seconds", "cpu", "peak_mib", "disk_mib", "events"]);
        let bytes = of[3] * f64::from(1 << 20) / of[4];
        say(&format!("| {webhooks} | {:.2} | {:.2} | {:.0} | {bytes:.0} |", of[0], of[1], of[2]));
        costs.push((of[0], of[1]));
    }
    let (wall, cpu) = (costs[1].0 / costs[0].0 / 20.0, costs[1].1 / costs[0].1 / 20.0);
    say(&format!("\nTwenty cost 20 × {wall:.2} the time and 20 × {cpu:.2} the CPU of one."));
}

/// An endpoint that is down, and comes back.
fn down(options: &Options) {
    let (dir, path) = data();
    let (_receiver, ports) = receiver::start(1);
    let closed = closed_port();
    say(&format!("\n## {} events queued for an endpoint that is down\n\n| what | |\n|---|---:|", options.queued));
    let row = |what: &str, value: f64, unit: &str| say(&format!("| {what} | {value:.1} {unit} |"));
    let fill = run(&words(&[&"fill", &path, &closed, &options.queued]));
    row("queued in", figure(&fill, "seconds"), "s");
    row("resident at most meanwhile", figure(&fill, "peak_mib"), "MiB");
    let resume = run(&words(&[&"resume", &path, &ports[0], &options.queued]));
    row("start → store open", figure(&resume, "opened"), "s");
    row("start → first delivery", figure(&resume, "first"), "s");
    row("resident then", figure(&resume, "rss_mib"), "MiB");
    row("delivered, in order, by", figure(&resume, "seconds"), "s");
    row("resident at most meanwhile", figure(&resume, "peak_mib"), "MiB");
    let each = |name: &str, figures: &Value| figure(figures, name) * f64::from(1 << 20) / events(options.queued);
    row("disk an event, queued", each("disk_mib", &fill), "bytes");
    row("disk an event, with attempt and outcome", each("disk_mib", &resume), "bytes");
    let sweep = run(&words(&[&"sweep", &path]));
    row("disk before retention", figure(&sweep, "before_mib"), "MiB");
    row("disk after retention", figure(&sweep, "after_mib"), "MiB");
    drop(dir);
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn events(count: u64) -> f64 {
    count as f64
}
