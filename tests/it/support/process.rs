//! The binary as a process of its own, in front of a scripted shop: for what must not happen to the tests' own process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};

use super::house::{control, metric};
use super::upstream::{Peer, eventually};

/// A running shopbell; killed when dropped.
pub(crate) struct Process {
    child: Child,
    dir: PathBuf,
    pub(crate) address: SocketAddr,
}

impl Process {
    /// Starts over the rules and data in `dir`; `before` is a shell's preparation, such as limits.
    pub(crate) fn start(dir: &Path, upstream: &str, before: &str) -> Self {
        let mut process = Self::spawn(dir, upstream, before);
        process.wait_for("shopbell runs listen=");
        let status = process.ask("GET /v1/status");
        let body = status.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let body: serde_json::Value = serde_json::from_str(body).expect("a status");
        process.address = body["listen"].as_str().and_then(|text| text.parse().ok()).expect("an address");
        process
    }

    /// The same without waiting for anything.
    pub(crate) fn spawn(dir: &Path, upstream: &str, before: &str) -> Self {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(dir.join("log")).expect("a file");
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("{before} exec \"$0\" \"$@\"")).arg(env!("CARGO_BIN_EXE_shopbell"));
        command.args(["run", "--listen", "127.0.0.1:0", "--cores", "2", "--allow-delivery-to", "127.0.0.0/8"]);
        command.args(["--upstream", upstream, "--rules", "rules", "--data", "data"]);
        let child = command.current_dir(dir).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        Self { child: child.expect("it starts"), dir: dir.to_owned(), address: ([127, 0, 0, 1], 0).into() }
    }

    /// Waits for something in its log; gives the rest of that line.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        let mut rest = None;
        eventually(text, || {
            let ended = self.child.try_wait().expect("a child");
            let log = self.log();
            assert!(ended.is_none(), "it ended: {log}");
            rest = log.split_once(text).and_then(|(_, rest)| rest.split_once('\n')).map(|(line, _)| line.to_owned());
            rest.is_some()
        });
        rest.expect("it was found")
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// Asks the control socket.
    pub(crate) fn ask(&self, request: &str) -> String {
        control(&self.dir.join("data/control.sock"), request)
    }

    /// A metric of `/metrics`; 0 where it is absent.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        metric(&self.ask("GET /metrics"), name)
    }

    /// A visitor's connection.
    pub(crate) fn visitor(&self) -> Peer {
        Peer::connect(self.address)
    }

    /// The most memory it ever had in use, in MiB.
    pub(crate) fn peak_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("a process");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        peak.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
    }

    /// Lifts the limit on the size of files that a `ulimit -S -f` before it has set.
    pub(crate) fn lift_file_limit(&self) {
        let unlimited = Rlimit { current: None, maximum: None };
        prlimit(Some(self.pid()), Resource::Fsize, unlimited).expect("the limit was only a soft one");
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) fn stop(mut self) -> ExitStatus {
        kill_process(self.pid(), Signal::TERM).expect("it runs");
        let mut ended = None;
        eventually("it stops", || {
            ended = self.child.try_wait().expect("a child");
            ended.is_some()
        });
        ended.expect("it has ended")
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
