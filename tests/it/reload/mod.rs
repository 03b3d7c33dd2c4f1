//! Editing the rules directory of a running process, as editors, git, deploy scripts and Kubernetes do it. Real files, real
//! time: what must happen is waited for.

mod edits; // every way a directory changes
mod faults; // broken, half-written, unreadable, emptied; the last good set
mod traffic; // requests in flight, queued deliveries, connections
mod webhooks; // secrets, ids that are kept

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use shopbell::engine::Rules;

use crate::support::house::House;
use crate::support::upstream::eventually;

/// An edit takes effect within a second; a busy test machine gets some more.
const EFFECT: Duration = Duration::from_secs(5);

/// A rule of this name.
fn rule(name: &str) -> String {
    format!("[event.{name}]\non = \"POST /{name}\"\ntopic = \"product.saved\"\nid = \"{{{{ form.id }}}}\"\n")
}

/// Names of the rules in force.
fn names(rules: &Rules) -> Vec<String> {
    let active = rules.active();
    let mut names: Vec<String> = active.ruleset.events.iter().map(|rule| rule.name.clone()).collect();
    names.sort();
    names
}

/// Waits until exactly these rules are in force and nothing is wrong.
#[track_caller]
fn in_force(house: &House, what: &str, expected: &[&str]) {
    let begun = Instant::now();
    eventually(what, || names(&house.running.rules) == expected && !house.running.rules.active().stale);
    assert!(begun.elapsed() < EFFECT, "{what}: took {:?}", begun.elapsed());
}

/// Waits until the newest edit is refused with a fault that says `text`; these rules stay in force.
#[track_caller]
fn refused(house: &House, text: &str, kept: &[&str]) {
    let told = || house.running.rules.active().problems.iter().map(ToString::to_string).collect::<Vec<_>>();
    eventually(&format!("it is refused: {text}"), || {
        house.running.rules.active().stale && told().iter().any(|problem| problem.contains(text))
    });
    assert_eq!(names(&house.running.rules), kept, "the old set stays whole");
}

/// Notes every set of rules that was in force at any moment.
struct Sampler {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<BTreeSet<Vec<String>>>,
}

impl Sampler {
    fn start(house: &House) -> Self {
        let (rules, stop) = (house.running.rules.clone(), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut seen = BTreeSet::new();
            while !stopped.load(Ordering::Acquire) {
                seen.insert(names(&rules));
                std::thread::park_timeout(Duration::from_millis(1));
            }
            // The last look comes after the stop: what the test has seen, this has seen too.
            seen.insert(names(&rules));
            seen
        });
        Self { stop, thread }
    }

    fn seen(self) -> Vec<Vec<String>> {
        self.stop.store(true, Ordering::Release);
        self.thread.join().expect("no panic").into_iter().collect()
    }
}
