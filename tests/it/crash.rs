//! kill -9 under traffic: what a client saw answered whole is delivered, in order per resource, and repeats carry the same
//! delivery id. `SHOPBELL_CRASH_ROUNDS` sets the number of rounds (50 here; long runs are made by hand).

mod points; // at every step, under traffic
mod steps; // between the steps of one exchange
mod stop; // SIGTERM with everything in flight

use std::collections::{HashMap, HashSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use shopbell::clock::Clock;

/// Visitors at once, each saving a resource of its own again and again.
const VISITORS: usize = 4;
/// An answer that took longer may have been released before its event was on disk (promise 1 goes first).
const HELD_AT_MOST: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(60);

/// What the receiver got, in order of arrival: (resource, number of the save, delivery id).
type Delivered = Arc<Mutex<Vec<(u64, u64, String)>>>;

#[test]
fn nothing_a_client_saw_whole_is_lost_by_kill_9() {
    let rounds = rounds();
    let dir = tempfile::tempdir().unwrap();
    let shop = serve(Box::new(shop_answer));
    let delivered = Delivered::default();
    let receiver = serve(read_deliveries(Arc::clone(&delivered), |_, _| false));
    std::fs::create_dir(dir.path().join("rules")).unwrap();
    std::fs::write(dir.path().join("rules/rules.toml"), rules(receiver)).unwrap();

    let visitors = Visitors::default();
    for round in 0..rounds {
        let (mut process, proxy) = start(dir.path(), shop);
        let visits = visitors.come(proxy);
        // The moment of the kill: after a random number of whole answers, while others are on their way.
        for _ in 0..=random_below(60) {
            visits.answers.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no answers in round {round}"));
        }
        process.kill().unwrap();
        process.wait().unwrap();
        visits.end();
    }

    let (mut process, _proxy) = start(dir.path(), shop);
    let seen = visitors.seen.lock().unwrap().clone();
    all_come(&seen, &delivered, &dir.path().join("log"));
    process.kill().unwrap();
    process.wait().unwrap();
    audit(&delivered.lock().unwrap());
    assert!(seen.len() as u64 >= rounds, "the rounds made too little traffic: {}", seen.len());
}

/// Waits until all that was seen is delivered, for as long as deliveries come: a busy machine is slow, but what is lost or
/// stuck stands still. `log` is where the process says what it did.
#[track_caller]
fn all_come(seen: &HashSet<(u64, u64)>, delivered: &Delivered, log: &Path) {
    let (mut count, mut deadline) = (0, Clock::System.now().plus(PATIENCE));
    loop {
        let come = delivered.lock().unwrap().len();
        let late = Clock::System.now() > deadline;
        if come > count || late {
            let got: HashSet<(u64, u64)> = delivered.lock().unwrap().iter().map(|(id, n, _)| (*id, *n)).collect();
            let missing: Vec<_> = seen.difference(&got).collect();
            if missing.is_empty() {
                return;
            }
            let (missed, log) = (missing.len(), std::fs::read_to_string(log).unwrap());
            assert!(!late, "{missed} of {} seen saves never delivered: {missing:?}\n{log}", seen.len());
            (count, deadline) = (come, Clock::System.now().plus(PATIENCE));
        }
        std::thread::yield_now();
    }
}

/// The same delivery id for every repeat, another for every other event, and order per resource.
fn audit(delivered: &[(u64, u64, String)]) {
    let mut ids: HashMap<(u64, u64), &str> = HashMap::new();
    let mut events: HashMap<&str, (u64, u64)> = HashMap::new();
    let mut newest: HashMap<u64, u64> = HashMap::new();
    let mut arrived = HashSet::new();
    for (id, n, delivery) in delivered {
        let first = *ids.entry((*id, *n)).or_insert(delivery);
        assert_eq!(first, delivery, "save {n} of order {id} was repeated under another delivery id");
        assert_eq!(
            *events.entry(delivery).or_insert((*id, *n)),
            (*id, *n),
            "two events share the delivery id {delivery}"
        );
        if arrived.insert((*id, *n)) {
            let newest = newest.entry(*id).or_default();
            assert!(*n > *newest, "order {id}: save {n} first came after save {newest}");
            *newest = *n;
        } else {
            // The result of an older one is on disk before the next goes out: it cannot come again after it.
            let newest = newest.get(id).copied().unwrap_or_default();
            assert!(*n == newest, "order {id}: save {n} came again after save {newest}");
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "long runs are made by hand, with their number of rounds beside the command"
)]
fn rounds() -> u64 {
    std::env::var("SHOPBELL_CRASH_ROUNDS")
        .ok()
        .map_or(50, |text| text.parse().expect("SHOPBELL_CRASH_ROUNDS is a number"))
}

fn rules(receiver: SocketAddr) -> String {
    format!(
        r#"[shop]
url = "http://shop.example/"
[event.redirected]
on = "POST /redirect/{{id:int}}"
topic = "order.saved"
id = "{{{{ params.id }}}}"
payload.n = "{{{{ form.n | int }}}}"
[event.answered]
on = "POST /answer/{{id:int}}"
topic = "order.saved"
id = "{{{{ params.id }}}}"
payload.n = "{{{{ response.json.n }}}}"
[webhook.receiver]
topic = "order.*"
url = "http://{receiver}/"
secret = "s3cr3t"
"#
    )
}

fn start(dir: &Path, shop: SocketAddr) -> (Child, SocketAddr) {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let log = std::fs::OpenOptions::new().create(true).append(true).open(dir.join("log")).unwrap();
    let process = Command::new(env!("CARGO_BIN_EXE_shopbell"))
        .args([
            "run",
            "--listen",
            &proxy.to_string(),
            "--upstream",
            &format!("http://{shop}"),
            "--allow-delivery-to",
            "127.0.0.0/8",
        ])
        .arg("--rules")
        .arg(dir.join("rules"))
        .arg("--data")
        .arg(dir.join("data"))
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    wait_until(|| TcpStream::connect(proxy).map(drop).map_err(|_| std::fs::read_to_string(dir.join("log")).unwrap()));
    (process, proxy)
}

/// Visitors and what they know; they come and go, and never save under a number twice.
struct Visitors {
    /// Saves whose answer came whole and soon: resource and number.
    seen: Arc<Mutex<HashSet<(u64, u64)>>>,
    next: Arc<[AtomicU64; VISITORS]>,
}

impl Default for Visitors {
    fn default() -> Self {
        Self { seen: Arc::default(), next: Arc::new([const { AtomicU64::new(1) }; VISITORS]) }
    }
}

impl Visitors {
    /// All of them begin to save.
    fn come(&self, proxy: SocketAddr) -> Visits {
        let stop = Arc::new(AtomicBool::new(false));
        let (answered, answers) = mpsc::channel();
        let visit = |visitor| {
            let (seen, next, stop, answered) =
                (Arc::clone(&self.seen), Arc::clone(&self.next), Arc::clone(&stop), answered.clone());
            std::thread::spawn(move || visit(proxy, visitor, &next[visitor], &seen, &stop, &answered))
        };
        Visits { threads: (0..VISITORS).map(visit).collect(), stop, answers }
    }
}

/// Visitors at work.
struct Visits {
    threads: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    /// One for each whole answer.
    answers: mpsc::Receiver<()>,
}

impl Visits {
    /// Waits until all have stopped.
    fn end(self) {
        self.stop.store(true, Ordering::Release);
        for thread in self.threads {
            thread.join().unwrap();
        }
    }
}

/// Saves one resource again and again: redirects, answers with a length, chunked answers. Whole ones are remembered.
fn visit(
    proxy: SocketAddr,
    visitor: usize,
    next: &AtomicU64,
    seen: &Mutex<HashSet<(u64, u64)>>,
    stop: &AtomicBool,
    answered: &mpsc::Sender<()>,
) {
    let id = visitor as u64 + 1;
    let mut connection = None;
    while !stop.load(Ordering::Acquire) {
        let n = next.fetch_add(1, Ordering::Relaxed);
        let path = if n.is_multiple_of(3) { "redirect" } else { "answer" };
        let begun = Clock::System.now();
        match exchange(&mut connection, proxy, &format!("/{path}/{id}"), &format!("n={n}")) {
            Ok(()) => {
                if Clock::System.now().since(begun) < HELD_AT_MOST {
                    seen.lock().unwrap().insert((id, n));
                }
                if answered.send(()).is_err() {
                    return;
                }
            }
            Err(_broken) => connection = None,
        }
    }
}

/// One POST on a kept connection; `Ok` only if the whole answer came.
fn exchange(
    connection: &mut Option<BufReader<TcpStream>>,
    proxy: SocketAddr,
    path: &str,
    body: &str,
) -> std::io::Result<()> {
    if connection.is_none() {
        let stream = TcpStream::connect(proxy)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        *connection = Some(BufReader::new(stream));
    }
    let stream = connection.as_mut().expect("just connected");
    let kind = "application/x-www-form-urlencoded";
    write!(
        stream.get_mut(),
        "POST {path} HTTP/1.1\r\nHost: shop.example\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let (_head, _body) = read_message(stream)?;
    Ok(())
}

type Answer = Box<dyn Fn(&str, &str) -> String + Send + Sync>;

/// A server of one thread per connection; each request gets what `answer(head, body)` says.
fn serve(answer: Answer) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || {
                let mut stream = BufReader::new(stream);
                while let Ok((head, body)) = read_message(&mut stream) {
                    if stream.get_mut().write_all(answer(&head, &body).as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// The shop: redirects, or answers as JSON with a length or chunked.
fn shop_answer(head: &str, body: &str) -> String {
    let n: u64 = body.trim_start_matches("n=").parse().unwrap_or(0);
    if head.starts_with("POST /redirect/") {
        return "HTTP/1.1 302 Found\r\nLocation: /done\r\nContent-Length: 0\r\n\r\n".to_owned();
    }
    let json = format!("{{\"n\":{n}}}");
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    if n.is_multiple_of(2) {
        format!("{head}Content-Length: {}\r\n\r\n{json}", json.len())
    } else {
        format!("{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{json}\r\n0\r\n\r\n", json.len())
    }
}

/// Notes what comes. `refuses(n, again)` says whether save `n` is answered with 500, knowing whether it came before.
fn read_deliveries(delivered: Delivered, refuses: impl Fn(u64, bool) -> bool + Send + Sync + 'static) -> Answer {
    Box::new(move |head, body| {
        let header =
            |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned());
        let mut status = "200 OK";
        if let Some(delivery) = header("X-WC-Webhook-Delivery-ID:") {
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            let number = |name: &str| body[name].as_u64().unwrap_or_else(|| panic!("{name} is missing in {body}"));
            let (id, n) = (number("id"), number("n"));
            let mut delivered = delivered.lock().unwrap();
            let again = delivered.iter().any(|(other, m, _)| (*other, *m) == (id, n));
            delivered.push((id, n, delivery));
            if refuses(n, again) {
                status = "500 No";
            }
        }
        format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n")
    })
}

/// Head and body of one HTTP/1.1 message with a length, or chunked in one chunk.
fn read_message(stream: &mut BufReader<TcpStream>) -> std::io::Result<(String, String)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    let lower = head.to_ascii_lowercase();
    let length =
        lower.lines().find_map(|line| line.strip_prefix("content-length:")).and_then(|value| value.trim().parse().ok());
    let mut body = Vec::new();
    if lower.contains("transfer-encoding: chunked") {
        loop {
            let mut line = String::new();
            stream.read_line(&mut line)?;
            let size = usize::from_str_radix(line.trim(), 16).map_err(|_| std::io::ErrorKind::UnexpectedEof)?;
            let mut chunk = vec![0; size + 2];
            stream.read_exact(&mut chunk)?;
            if size == 0 {
                break;
            }
            body.extend_from_slice(&chunk[..size]);
        }
    } else {
        body.resize(length.unwrap_or(0), 0);
        stream.read_exact(&mut body)?;
    }
    Ok((head, String::from_utf8_lossy(&body).into_owned()))
}

fn random_below(limit: u64) -> u64 {
    let mut bytes = [0; 8];
    shopbell::id::fill_random(&mut bytes);
    u64::from_le_bytes(bytes) % limit
}

#[track_caller]
fn wait_until(mut check: impl FnMut() -> Result<(), String>) {
    let deadline = Clock::System.now().plus(PATIENCE);
    while let Err(why) = check() {
        assert!(Clock::System.now() < deadline, "{why}");
        std::thread::yield_now();
    }
}
