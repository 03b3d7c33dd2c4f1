//! Deliveries measured: how many a second beside a bare hyper client, how soon, with how much memory, CPU and disk.
//!
//! `cargo run --release --example bench_deliver` prints the tables of `docs/performance.md` in about seven minutes. After `--`:
//! `--rounds N` (3), `--queued N` (1,000,000 events for an endpoint that is down), `--scale PERCENT` of the other counts
//! (100), `--only rate,latency,fair,held,many,down`. Set TMPDIR to a directory on the disk to measure.
//!
//! Every measured part is a process of its own; peer and ours take turns in the same run.

mod engine;
mod peer;
mod probe;
mod receiver;
mod roles;
mod scenes;
mod shop;

use std::path::Path;

/// As in the program that is measured.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Prints a line that whoever started this process reads.
#[expect(clippy::print_stdout, reason = "figures are what it is for")]
pub(crate) fn say(line: &impl std::fmt::Display) {
    println!("{line}");
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<u64>().unwrap_or_else(|_| panic!("`{text}` is no number"));
    let ports = |text: &str| -> Vec<u16> { serde_json::from_str(text).expect("ports") };
    let began = probe::now_ns();
    match words[..] {
        ["receive", count] => receiver::serve(count.parse().expect("a number")),
        ["peer", to, events, at_once] => peer::post(&ports(to), number(events), at_once.parse().expect("a number")),
        ["live", data, to, events] => roles::live(Path::new(data), &ports(to), number(events)),
        ["queued", data, to, events] => roles::queued(Path::new(data), &ports(to), number(events)),
        ["latency", data, to, sick, rate, events] => {
            let rate = rate.parse().expect("a rate");
            roles::latency(Path::new(data), &ports(to), &ports(sick), rate, number(events));
        }
        ["drip"] => receiver::drip(),
        ["held", data, rate, count] => engine::held(Path::new(data), rate.parse().expect("a rate"), number(count)),
        ["fill", data, port, events] => roles::fill(Path::new(data), port.parse().expect("a port"), number(events)),
        ["resume", data, port, events] => {
            roles::resume(Path::new(data), port.parse().expect("a port"), number(events), began);
        }
        ["sweep", data] => roles::sweep(Path::new(data)),
        _ => scenes::all(&options(&words)),
    }
}

fn options(words: &[&str]) -> scenes::Options {
    let mut options = scenes::Options::default();
    for pair in words.chunks(2) {
        let [name, value] = pair else { panic!("`{}` needs a value", pair[0]) };
        match *name {
            "--rounds" => options.rounds = value.parse().expect("a number"),
            "--queued" => options.queued = value.parse().expect("a number"),
            "--scale" => options.scale = value.parse().expect("a number"),
            "--only" => options.only = value.split(',').map(str::to_owned).collect(),
            other => panic!("`{other}`: use --rounds, --queued, --scale or --only"),
        }
    }
    options
}
