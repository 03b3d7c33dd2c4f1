//! kill -9 at every step of an exchange's way (design, section 4), one step after the other, under traffic.
//!
//! The program names its steps in trace events (target `shopbell::step`), which cost nothing while nobody listens. The
//! process here is this test binary again, with a listener that kills it at a step: what the tests need to inject faults is
//! in the tests alone.

use std::fmt::Debug;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};
use shopbell::settings::Settings;
use tracing::field::{Field, Visit};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use super::{Delivered, Visitors, all_come, audit, read_deliveries, rules, serve, shop_answer, wait_until};

/// Every step, in the order of an exchange's way, and at which occurrences after the start the process is killed.
const STEPS: [(&str, [usize; 2]); 22] = [
    ("wanted", [1, 40]),
    ("answer begun", [1, 40]),
    ("handed over", [1, 40]),
    ("evaluated", [1, 40]),
    ("derived", [1, 40]),
    // The first groups are those of the start: its notice, the webhook's first state.
    ("group taken", [1, 30]),
    ("events durable", [1, 20]),
    ("log durable", [1, 20]),
    ("state applied", [2, 30]),
    ("announced", [1, 20]),
    ("committed", [1, 20]),
    ("released", [1, 20]),
    ("attempt begins", [1, 30]),
    ("attempt answered", [1, 30]),
    ("results to write", [2, 20]),
    ("results durable", [1, 20]),
    ("partition sealed", [1, 2]),
    ("partition begun", [1, 2]),
    ("checkpoint durable", [1, 2]),
    ("checkpoint applied", [1, 2]),
    ("partition to go", [1, 2]),
    ("partition gone", [1, 2]),
];

/// Journals are kept so long: partitions are begun and removed all the time.
const RETENTION: Duration = Duration::from_secs(1);

/// Where the child finds its directory, the addresses and the step: `DIR LISTEN SHOP COUNT STEP`.
const TERMS: &str = "SHOPBELL_TEST_STEP";

#[test]
#[ignore = "the other process of the test of this file"]
fn child() {
    let Some(terms) = std::env::var_os(TERMS) else { return };
    let terms = terms.into_string().unwrap();
    let [dir, listen, shop, count, step] = terms.splitn(5, ' ').collect::<Vec<_>>().try_into().unwrap();
    let killer = Killer { step: step.to_owned(), left: AtomicUsize::new(count.parse().unwrap()) };
    let steps = Targets::new().with_target("shopbell::step", tracing::Level::TRACE);
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let log = log.with_filter(Targets::new().with_target("shopbell", tracing::Level::INFO));
    tracing_subscriber::registry().with(killer.with_filter(steps)).with(log).init();
    let dir = Path::new(dir);
    let mut settings = Settings::new(format!("http://{shop}"), dir.join("rules"), dir.join("data"));
    settings.listen = listen.parse().unwrap();
    settings.cores = 2;
    settings.retention = RETENTION;
    settings.allow_delivery_to = vec!["127.0.0.0/8".parse().unwrap()];
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let _running = shopbell::app::start(settings).await.unwrap();
        // Until the test is done with it.
        tokio::task::spawn_blocking(|| std::io::read_to_string(std::io::stdin())).await.unwrap().unwrap();
    });
}

/// Kills its process at the last of so many occurrences of a step.
struct Killer {
    step: String,
    left: AtomicUsize,
}

impl<S: tracing::Subscriber> Layer<S> for Killer {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut name = Name(String::new());
        event.record(&mut name);
        if name.0 == self.step && self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            kill_process(getpid(), Signal::KILL).unwrap();
            // The signal is on its way: this thread goes no step further.
            loop {
                std::thread::park();
            }
        }
    }
}

struct Name(String);

impl Visit for Name {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

/// The process and where it listens. `count` 0: it is never killed.
fn start(dir: &Path, shop: SocketAddr, step: &str, count: usize) -> (Child, SocketAddr) {
    let listen = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let log = std::fs::OpenOptions::new().create(true).append(true).open(dir.join("log")).unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::points::child", "--ignored", "--nocapture", "--test-threads=1"])
        .env(TERMS, format!("{} {listen} {shop} {count} {step}", dir.display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    (child, listen)
}

/// Waits until it listens, or has ended.
fn listening(child: &mut Child, address: SocketAddr, dir: &Path) -> Option<ExitStatus> {
    let mut ended = None;
    wait_until(|| {
        ended = child.try_wait().unwrap();
        let is_up = ended.is_some() || TcpStream::connect(address).is_ok();
        if is_up { Ok(()) } else { Err(std::fs::read_to_string(dir.join("log")).unwrap()) }
    });
    ended
}

#[test]
fn killed_at_any_step_nothing_is_lost_and_order_stays() {
    let dir = tempfile::tempdir().unwrap();
    let shop = serve(Box::new(shop_answer));
    let delivered = Delivered::default();
    // Now and then the receiver refuses at first: what waits and what waits behind it are killed too.
    let receiver = serve(read_deliveries(Arc::clone(&delivered), |n, again| n.is_multiple_of(17) && !again));
    std::fs::create_dir(dir.path().join("rules")).unwrap();
    std::fs::write(dir.path().join("rules/rules.toml"), rules(receiver) + "retry = [\"1s\", \"1s\", \"1s\"]\n")
        .unwrap();

    let visitors = Visitors::default();
    for (step, counts) in STEPS {
        for count in counts {
            let (mut child, address) = start(dir.path(), shop, step, count);
            let status = listening(&mut child, address, dir.path()).unwrap_or_else(|| {
                let visits = visitors.come(address);
                let mut ended = None;
                wait_until(|| {
                    ended = child.try_wait().unwrap();
                    let made = visits.answers.try_iter().count();
                    ended.map(drop).ok_or_else(|| format!("`{step}` never came to {count}; {made} answers"))
                });
                visits.end();
                ended.unwrap()
            });
            assert_eq!(
                status.signal(),
                Some(9),
                "{step}: {}",
                std::fs::read_to_string(dir.path().join("log")).unwrap()
            );
        }
    }

    let (mut child, address) = start(dir.path(), shop, "none", 0);
    assert!(listening(&mut child, address, dir.path()).is_none(), "it starts after all that");
    let seen = visitors.seen.lock().unwrap().clone();
    all_come(&seen, &delivered, &dir.path().join("log"));
    drop(child.stdin.take());
    child.wait().unwrap();
    audit(&delivered.lock().unwrap());
    assert!(seen.len() >= STEPS.len(), "the rounds made too little traffic: {}", seen.len());
    let log = std::fs::read_to_string(dir.path().join("log")).unwrap();
    assert!(!log.contains("damaged"), "a kill is no damage: {log}");
}
