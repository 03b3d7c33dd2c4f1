//! SIGTERM with 256 attempts in flight, on real sockets: what is answered is written, what breaks off goes out again under
//! the same id, and nothing of it comes twice that was taken.

use std::collections::{HashMap, HashSet};
use std::sync::mpsc;

use rustix::process::{Pid, Signal, kill_process};

use super::steps::{Asked, OK, gate, no_ping};
use super::{PATIENCE, exchange, serve, shop_answer, start, wait_until};

/// One host may have 16 attempts at once, all together 256.
const HOSTS: usize = 16;
const WEBHOOKS: usize = 32;
const IN_FLIGHT: usize = 256;
const ORDERS: usize = 10;

/// The next delivery at any host.
fn next(asks: &mpsc::Receiver<Asked>) -> Asked {
    loop {
        if let Some(asked) = no_ping(asks.recv_timeout(PATIENCE).expect("a delivery")) {
            return asked;
        }
    }
}

#[test]
fn a_sigterm_with_256_attempts_in_flight_loses_none_and_repeats_none_that_was_taken() {
    let dir = tempfile::tempdir().unwrap();
    let shop = serve(Box::new(shop_answer));
    let (asked, asks) = mpsc::channel();
    let hosts: Vec<_> = (0..HOSTS)
        .map(|_| {
            let (address, own) = gate();
            let asked = asked.clone();
            std::thread::spawn(move || own.iter().all(|ask| asked.send(ask).is_ok()));
            address
        })
        .collect();
    let webhook = |at: usize| {
        let (host, retry) =
            (hosts[at % HOSTS], "retry = [\"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\"]");
        format!(
            "[webhook.w{at}]\ntopic = \"order.*\"\nurl = \"http://{host}/in\"\nsecret = \"s\"\ntimeout = \"60s\"\n{retry}\n"
        )
    };
    let rules = "[shop]\nurl = \"http://shop.example/\"\n[event.redirected]\non = \"POST /redirect/{id:int}\"\n\
                 topic = \"order.saved\"\nid = \"{{ params.id }}\"\n";
    std::fs::create_dir(dir.path().join("rules")).unwrap();
    let rules = (0..WEBHOOKS).map(webhook).fold(rules.to_owned(), |all, one| all + &one);
    std::fs::write(dir.path().join("rules/rules.toml"), rules).unwrap();

    let (mut process, proxy) = start(dir.path(), shop);
    let mut visitor = None;
    for order in 1..=ORDERS {
        exchange(&mut visitor, proxy, &format!("/redirect/{order}"), "n=1").unwrap();
    }
    let mut open: Vec<Asked> = (0..IN_FLIGHT).map(|_| next(&asks)).collect();
    kill_process(Pid::from_child(&process), Signal::TERM).unwrap();
    let broken: HashSet<String> = open.drain(..IN_FLIGHT / 2).map(|asked| asked.delivery()).collect();
    let taken: HashSet<String> = open.iter().map(Asked::delivery).collect();
    open.drain(..).for_each(|asked| asked.answer(OK));
    let mut status = None;
    wait_until(|| {
        // A connection that was kept and broke may be tried once more at once: it breaks again.
        asks.try_iter().for_each(drop);
        status = process.try_wait().unwrap();
        status.map(drop).ok_or_else(|| "it does not stop".to_owned())
    });
    assert_eq!(status.unwrap().code(), Some(0), "it stopped in order");

    let (mut process, _proxy) = start(dir.path(), shop);
    let mut again: HashMap<String, usize> = HashMap::new();
    while again.len() < WEBHOOKS * ORDERS - taken.len() {
        let asked = next(&asks);
        *again.entry(asked.delivery()).or_default() += 1;
        asked.answer(OK);
    }
    assert!(again.keys().all(|id| !taken.contains(id)), "what was taken came again");
    assert!(broken.iter().all(|id| again.contains_key(id)), "with the same ids");
    assert!(again.values().all(|times| *times == 1), "{again:?}");
    process.kill().unwrap();
    process.wait().unwrap();
}
