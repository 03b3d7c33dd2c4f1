//! What the measuring itself needs: clocks, CPU, memory, percentiles, children.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;

/// Nanoseconds of the clock that all processes of this machine share.
pub(crate) fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// Seconds since `start` of [`now_ns`].
pub(crate) fn seconds_since(start: u64) -> f64 {
    seconds(now_ns().saturating_sub(start))
}

/// Nanoseconds as seconds.
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
pub(crate) fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

/// CPU seconds of this process, all its threads, user and system.
pub(crate) fn cpu_seconds() -> f64 {
    let usage = clock_gettime(ClockId::ProcessCPUTime);
    seconds(u64::try_from(usage.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(usage.tv_nsec).unwrap_or(0))
}

/// MiB of this process by the field of `/proc/self/status`: `VmRSS` (now) or `VmHWM` (most ever).
pub(crate) fn memory_mib(field: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let kib: f64 = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(f64::NAN);
    kib / 1024.0
}

/// The value below which so many of a hundred lie; sorts.
pub(crate) fn percentile(values: &mut [u64], percent: usize) -> u64 {
    values.sort_unstable();
    values.get((values.len() * percent / 100).min(values.len().saturating_sub(1))).copied().unwrap_or(0)
}

/// The one in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// This program once more, in another role, with the memory of a running shopbell.
fn role(arguments: &[String]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("the program knows its own path"));
    command.args(arguments).envs(shopbell::app::allocator_environment()).stdout(Stdio::piped());
    command
}

/// Runs a role to its end and gives the figures it printed.
pub(crate) fn run(arguments: &[String]) -> Value {
    let done = role(arguments).output().expect("the program can be started again");
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{arguments:?} failed: {text} {}", String::from_utf8_lossy(&done.stderr));
    let last = text.lines().last().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_else(|_| panic!("{arguments:?} printed no figures: {text}"))
}

/// One figure of a role.
pub(crate) fn figure(figures: &Value, name: &str) -> f64 {
    figures[name].as_f64().unwrap_or_else(|| panic!("no figure `{name}` in {figures}"))
}

/// A role that runs until it is dropped, and the line it began with.
pub(crate) struct Running {
    child: Child,
    pub(crate) said: Value,
}

impl Running {
    pub(crate) fn start(arguments: &[String]) -> Self {
        let mut child = role(arguments).spawn().expect("the program can be started again");
        let out = child.stdout.take().expect("it is piped");
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).expect("it says where it listens");
        let said = serde_json::from_str(&line).expect("JSON");
        Self { child, said }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// MiB on disk below a directory, as blocks really taken.
pub(crate) fn disk_mib(dir: &Path) -> f64 {
    use std::os::unix::fs::MetadataExt as _;
    fn blocks(dir: &Path) -> u64 {
        let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
        let size = |entry: std::fs::DirEntry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => blocks(&entry.path()),
            Ok(meta) => meta.blocks(),
            Err(_) => 0,
        };
        entries.flatten().map(size).sum()
    }
    seconds(blocks(dir) * 512 * 1_000_000_000) / f64::from(1 << 20)
}
