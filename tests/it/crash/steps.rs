//! kill -9 between the steps of an exchange (design, section 4), one after the other: a shop and a receiver that answer only
//! when the test lets them hold the process at a step.
//!
//! What lies inside one step (between the append to the journal and the change of the state, a group half written) is
//! proved on the store alone: `store::crash`, `store::damage`, and the tests in `src/store/shelve.rs`.

use std::io::{BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc;

use shopbell::clock::{Clock, Timestamp};

use super::{HELD_AT_MOST, PATIENCE, exchange, read_message, start, wait_until};

pub(super) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const SAVED: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"n\":1}";

/// A request that waits for the test's answer.
pub(super) struct Asked {
    stream: TcpStream,
    head: String,
}

impl Asked {
    pub(super) fn answer(mut self, text: &str) {
        // The process may be gone by now; then nobody reads it.
        let _ = self.stream.write_all(text.as_bytes());
    }

    /// Part of an answer; the rest never comes.
    fn begin(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).unwrap();
    }

    pub(super) fn delivery(&self) -> String {
        let line = self.head.lines().find_map(|line| line.strip_prefix("X-WC-Webhook-Delivery-ID:"));
        line.unwrap_or_default().trim().to_owned()
    }
}

/// A server whose requests the test answers; one request a connection.
pub(super) fn gate() -> (SocketAddr, mpsc::Receiver<Asked>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (asked, asks) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let asked = asked.clone();
            std::thread::spawn(move || {
                let mut stream = BufReader::new(stream);
                while let Ok((head, _body)) = read_message(&mut stream) {
                    let writer = stream.get_ref().try_clone().unwrap();
                    if asked.send(Asked { stream: writer, head }).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, asks)
}

/// The next request that is no ping; pings are answered.
fn next(asks: &mpsc::Receiver<Asked>) -> Asked {
    loop {
        let asked = asks.recv_timeout(PATIENCE).expect("a request");
        if let Some(asked) = no_ping(asked) {
            return asked;
        }
    }
}

pub(super) fn no_ping(asked: Asked) -> Option<Asked> {
    if asked.head.starts_with("POST /in") && asked.delivery().is_empty() {
        asked.answer(OK);
        return None;
    }
    Some(asked)
}

/// Answers what came again, all of one delivery, until the log tells of so many ends.
fn take_rest(stage: &Stage, id: &str, ends: usize) {
    wait_until(|| {
        for asked in stage.receiver.1.try_iter().filter_map(no_ping) {
            assert_eq!(asked.delivery(), id);
            asked.answer(OK);
        }
        let outcomes = stage.log("outcome");
        if outcomes.len() == ends { Ok(()) } else { Err(format!("{outcomes:?}")) }
    });
}

struct Stage {
    dir: tempfile::TempDir,
    shop: (SocketAddr, mpsc::Receiver<Asked>),
    receiver: (SocketAddr, mpsc::Receiver<Asked>),
    process: Child,
    proxy: SocketAddr,
}

impl Stage {
    fn new() -> Self {
        let (dir, shop, receiver) = (tempfile::tempdir().unwrap(), gate(), gate());
        std::fs::create_dir(dir.path().join("rules")).unwrap();
        let rules = format!(
            "[shop]\nurl = \"http://shop.example/\"\n[event.saved]\non = \"POST /save/{{id:int}}\"\nstatus = \"2xx\"\n\
             topic = \"order.saved\"\nid = \"{{{{ params.id }}}}\"\npayload.n = \"{{{{ response.json.n }}}}\"\n\
             [webhook.erp]\ntopic = \"order.*\"\nurl = \"http://{}/in\"\nsecret = \"s\"\nretry = [\"1s\", \"1s\"]\n",
            receiver.0
        );
        std::fs::write(dir.path().join("rules/rules.toml"), rules).unwrap();
        let (process, proxy) = start(dir.path(), shop.0);
        Self { dir, shop, receiver, process, proxy }
    }

    /// A visitor who saves an order; gives when the whole answer came, if it did.
    fn visit(&self) -> std::thread::JoinHandle<Option<Timestamp>> {
        let proxy = self.proxy;
        std::thread::spawn(move || exchange(&mut None, proxy, "/save/1", "n=1").is_ok().then(|| Clock::System.now()))
    }

    fn kill_and_start(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        (self.process, self.proxy) = start(self.dir.path(), self.shop.0);
    }

    /// Lines of the log of a kind, as JSON.
    fn log(&self, kind: &str) -> Vec<String> {
        log(self.dir.path(), kind)
    }

    fn wait_for(&self, kind: &str, text: &str) {
        wait_until(|| {
            let lines = self.log(kind);
            if lines.iter().any(|line| line.contains(text)) { Ok(()) } else { Err(format!("{text}: {lines:?}")) }
        });
    }

    /// A whole exchange from the visitor to the receiver, to see that all is well.
    fn whole(&self) {
        let visitor = self.visit();
        next(&self.shop.1).answer(SAVED);
        assert!(visitor.join().unwrap().is_some());
        next(&self.receiver.1).answer(OK);
        self.wait_for("outcome", "delivered after");
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn log(dir: &Path, kind: &str) -> Vec<String> {
    let mut lines = Vec::new();
    wait_until(|| {
        let output = Command::new(env!("CARGO_BIN_EXE_shopbell"))
            .args(["log", "--json", "--limit", "1000", "--kind", kind])
            .arg("--data")
            .arg(dir.join("data"))
            .arg("--rules")
            .arg(dir.join("rules"))
            .output()
            .unwrap();
        lines = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
        // A process that has only just begun to listen does not answer yet.
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    });
    lines
}

/// A stage whose visitor has seen the whole answer, and not because it was held too long: past that the shop goes first.
fn seen() -> Stage {
    loop {
        let stage = Stage::new();
        let visitor = stage.visit();
        let asked = next(&stage.shop.1);
        let answered = Clock::System.now();
        asked.answer(SAVED);
        let came = visitor.join().unwrap().expect("a whole answer");
        if came.since(answered) < HELD_AT_MOST {
            return stage;
        }
    }
}

#[test]
fn killed_before_the_answer_was_whole_there_is_no_event() {
    // Steps 1 to 5: the request is with the shop; its head has come; half its body has.
    for part in ["", "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", &SAVED[..SAVED.len() - 3]] {
        let mut stage = Stage::new();
        let visitor = stage.visit();
        let mut asked = next(&stage.shop.1);
        asked.begin(part);
        stage.kill_and_start();
        assert!(visitor.join().unwrap().is_none(), "{part:?}: the visitor knows that it went wrong");
        assert!(stage.log("event").is_empty(), "{part:?}");
        stage.whole();
        assert_eq!(stage.log("event").len(), 1, "{part:?}");
    }
}

#[test]
fn killed_after_the_visitor_saw_the_answer_the_event_is_there_and_goes_out() {
    // Steps 6 and 7, and 8 before anything was answered: the receiver has the POST, or not even that.
    for got_it in [false, true] {
        let mut stage = seen();
        let first = got_it.then(|| next(&stage.receiver.1));
        stage.kill_and_start();
        assert_eq!(stage.log("event").len(), 1);
        let again = next(&stage.receiver.1);
        if let Some(first) = first {
            assert_eq!(first.delivery(), again.delivery(), "the same delivery");
        }
        let id = again.delivery();
        again.answer(OK);
        // A POST that the killed process had sent may stand before it in the line.
        take_rest(&stage, &id, 1);
        assert!(stage.log("outcome")[0].contains(&id));
    }
}

#[test]
fn killed_after_the_receiver_answered_it_comes_at_most_again_under_the_same_id() {
    // Step 8: the result is on its way to the disk, or on it.
    let mut stage = seen();
    let first = next(&stage.receiver.1);
    let id = first.delivery();
    first.answer(OK);
    stage.kill_and_start();
    take_rest(&stage, &id, 1);
    // And between two attempts: the waiting delivery is not forgotten, and its attempts go on counting.
    let visitor = stage.visit();
    next(&stage.shop.1).answer(SAVED);
    assert!(visitor.join().unwrap().is_some());
    let failed = next(&stage.receiver.1);
    let id = failed.delivery();
    failed.answer("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
    stage.wait_for("attempt", "retry in");
    stage.kill_and_start();
    let second = next(&stage.receiver.1);
    assert_eq!(second.delivery(), id);
    second.answer(OK);
    stage.wait_for("outcome", "delivered after 2 attempts");
}
