//! A process in front of a shop, and the commands that talk to it.

use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;
use shopbell::cli::demo::shop::{Shop, router};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{Bench, demo_rules, told};

/// For anything that has to happen.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

type Arrived = Arc<Mutex<Vec<(String, String, Vec<u8>)>>>;

pub(super) async fn serve(app: axum::Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// Remembers topic, signature and body of what arrives.
async fn receive(State(arrived): State<Arrived>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = |name| headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    arrived.lock().unwrap().push((header("x-wc-webhook-topic"), header("x-wc-webhook-signature"), body.to_vec()));
    StatusCode::OK
}

/// A running shopbell; ended when dropped.
pub(super) struct Running {
    pub(super) child: Child,
    proxy: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    pub(super) async fn start(bench: &Bench, shop: SocketAddr) -> Self {
        let upstream = format!("http://{shop}");
        let mut command = bench.command(&[
            "run",
            "--listen",
            "127.0.0.1:0",
            "--upstream",
            &upstream,
            "--allow-delivery-to",
            "127.0.0.1/32",
        ]);
        let log = std::fs::File::create(bench.path("log")).unwrap();
        let mut child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let answering = async {
            loop {
                assert!(child.try_wait().unwrap().is_none(), "{}", std::fs::read_to_string(bench.path("log")).unwrap());
                let status = run(bench, &["status", "--json"]).await;
                if status.status.success() {
                    break serde_json::from_slice::<Value>(&status.stdout).unwrap();
                }
            }
        };
        let status = tokio::time::timeout(PATIENCE, answering).await.expect("it starts");
        Self { child, proxy: status["listen"].as_str().unwrap().to_owned() }
    }

    /// Sends SIGTERM and gives the exit code.
    pub(super) async fn stop(mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let ended = async {
            loop {
                match self.child.try_wait().unwrap() {
                    Some(status) => break status.code(),
                    None => tokio::task::yield_now().await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, ended).await.expect("it stops")
    }

    /// Posts a form through shopbell; the answer's head comes back.
    pub(super) async fn post(&self, path: &str, form: &str) -> String {
        let mut stream = TcpStream::connect(&self.proxy).await.unwrap();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{form}",
            form.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

pub(super) async fn run(bench: &Bench, args: &[&str]) -> std::process::Output {
    let mut command = bench.command(args);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

pub(super) async fn said(bench: &Bench, args: &[&str]) -> String {
    told(&run(bench, args).await, bench.dir.path())
}

/// Runs a command again and again until what it says fits.
pub(super) async fn until(bench: &Bench, args: &[&str], fits: impl Fn(&str) -> bool) -> String {
    let again = async {
        loop {
            let said = said(bench, args).await;
            if fits(&said) {
                break said;
            }
        }
    };
    let Ok(said) = tokio::time::timeout(PATIENCE, again).await else {
        panic!("{args:?} never said what was waited for, but: {}", said(bench, args).await)
    };
    said
}

/// A shop, rules with one webhook of a secret and one without, a receiver, and what arrives there.
async fn set_up() -> (Bench, SocketAddr, Arrived) {
    let arrived = Arrived::default();
    let receiver = axum::Router::new().fallback(receive).with_state(Arc::clone(&arrived));
    let (receiver, shop) = (serve(receiver).await, serve(router(Shop::new())).await);
    let bench = Bench::new();
    demo_rules(&bench.path("rules"));
    let webhooks = format!(
        "[webhook.signed]\ntopic = \"*\"\nurl = \"http://me:pw-42@{receiver}/a\"\nsecret = \"s3cr3t\"\n\
         [webhook.made]\ntopic = \"action.*\"\nurl = \"http://{receiver}/b\"\nfilter = \"resource != 'x'\"\n\
         rate = \"600/m\"\nordering = \"none\"\nhold_when_paused = true\njson_escape = \"wordpress\"\n"
    );
    bench.write("rules/webhooks.toml", &webhooks);
    (bench, shop, arrived)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_delivered_and_the_log_tells() {
    let (bench, shop, arrived) = set_up().await;
    let running = Running::start(&bench, shop).await;
    let answer = running.post("/cart/add", "product_id=1&quantity=2").await;
    assert!(answer.starts_with("HTTP/1.1 303 "), "{answer}");

    let delivered = |text: &str| text.matches("delivered after 1 attempt").count() == 2;
    let log = until(&bench, &["log", "--kind", "outcome"], delivered).await;
    assert!(log.contains("product 1") && log.contains("signed") && log.contains("made"), "{log}");
    let events = said(&bench, &["log", "--kind", "event", "--topic", "action.*", "--json"]).await;
    assert!(
        events.contains("\"topic\":\"action.woocommerce_add_to_cart\"") && events.contains("\"arg\":1"),
        "{events}"
    );
    assert_eq!(said(&bench, &["log", "--kind", "event", "--id", "2"]).await.lines().count(), 4, "only the head");
    assert!(said(&bench, &["log", "--since", "yesterday"]).await.starts_with("exit 2\n"));

    let shown = said(&bench, &["webhooks", "show", "made", "--json"]).await;
    let shown: Value = serde_json::from_str(shown.lines().nth(2).unwrap()).unwrap();
    let secret = shown["made_secret"].as_str().expect("a secret was made and is shown");
    assert_eq!(secret.len(), 50);
    let signed = said(&bench, &["webhooks", "show", "signed"]).await;
    assert!(!signed.contains("s3cr3t"), "{signed}");
    let arrived = arrived.lock().unwrap().clone();
    let fits = |secret: &str| {
        let by = |(topic, signature, body): &&(String, String, Vec<u8>)| {
            !topic.is_empty() && shopbell::mac::verify_base64(secret.as_bytes(), body, signature)
        };
        arrived.iter().filter(by).count()
    };
    assert_eq!((fits(secret), fits("s3cr3t"), fits("other")), (1, 1, 0));
}

/// Asks the control socket as any HTTP client can; the whole answer comes back.
async fn ask(bench: &Bench, request: &str) -> String {
    let mut stream = tokio::net::UnixStream::connect(bench.path("data/control.sock")).await.unwrap();
    let request = format!("{request} HTTP/1.1\r\nHost: control\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_control_socket_is_a_small_http_api() {
    let (bench, shop, _arrived) = set_up().await;
    let running = Running::start(&bench, shop).await;
    // Waits for the event that comes only now.
    let (waiting, _) = tokio::join!(
        ask(&bench, "GET /v1/events?from=1&wait_ms=5000"),
        running.post("/cart/add", "product_id=3&quantity=1")
    );
    assert!(waiting.contains("\"about\":\"product 3\"") && waiting.contains("\"next\":2"), "{waiting}");
    let metrics = ask(&bench, "GET /metrics").await;
    assert!(metrics.contains("application/openmetrics-text") && metrics.trim_end().ends_with("# EOF"), "{metrics}");
    let rows = [
        ("GET /v1/log?colour=red", "400 ", "colour"),
        ("GET /v1/log?kind=delivery", "400 ", "is no kind"),
        ("GET /v1/log?topic=a%20b", "400 ", "is no topic"),
        ("GET /v1/events?from=x", "400 ", "error"),
        ("GET /v1/webhooks/%FF", "400 ", ""),
        ("POST /v1/webhooks/made/explode", "404 ", "is no action"),
        ("GET /v2/status", "404 ", "error"),
        ("GET /v1/reload", "405 ", ""),
    ];
    for (request, status, text) in rows {
        let answer = ask(&bench, request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.contains(text), "{request}\n{answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_are_stopped_started_and_pinged() {
    let (bench, shop, _arrived) = set_up().await;
    let running = Running::start(&bench, shop).await;
    if cfg!(all(target_os = "linux", target_env = "gnu", not(feature = "mimalloc"))) {
        let environment = std::fs::read(format!("/proc/{}/environ", running.child.id())).unwrap();
        let environment = String::from_utf8_lossy(&environment);
        assert!(environment.contains("MALLOC_TRIM_THRESHOLD_=131072\0"), "the allocator is told to keep little");
    }
    let list = said(&bench, &["webhooks", "list"]).await;
    assert!(list.starts_with("exit 0\n") && list.matches("active").count() == 2, "{list}");
    for args in [&["list"][..], &["list", "--json"], &["show", "signed"], &["show", "signed", "--json"]] {
        let shown = said(&bench, &[&["webhooks"], args].concat()).await;
        assert!(shown.contains("http://127.0.0.1:") && !shown.contains("pw-42"), "{args:?}\n{shown}");
    }
    let [made, signed] = [["show", "made"], ["show", "signed"]];
    let rows: [(&[&str], &[&str]); 4] = [
        (&made, &["filter             resource != 'x'\n", "rate               600/m\n", "ordering           none\n"]),
        (&made, &["hold_when_paused   true\n", "json_escape        wordpress\n"]),
        (
            &[&made[..], &["--json"]].concat(),
            &[
                r#""rate":"600/m","ordering":"none","filter":"resource != 'x'""#,
                r#""hold_when_paused":true,"json_escape":"wordpress""#,
            ],
        ),
        (
            &[&signed[..], &["--json"]].concat(),
            &[r#""rate":null,"ordering":"resource","filter":null,"hold_when_paused":false,"json_escape":"none""#],
        ),
    ];
    for (args, parts) in rows {
        let shown = said(&bench, &[&["webhooks"], args].concat()).await;
        assert!(parts.iter().all(|part| shown.contains(part)), "{args:?} {parts:?}\n{shown}");
    }
    let rows: [(&[&str], i32, &str); 9] = [
        (&["pause", "made"], 0, "webhook made is paused now"),
        (&["resume", "made"], 0, "webhook made is active now"),
        (&["disable", "made"], 0, "webhook made is disabled now"),
        (&["resume", "made"], 1, "disabled, not paused"),
        (&["enable", "made"], 0, "webhook made is active now"),
        (&["ping", "made"], 0, "the receiver answered 200"),
        (&["ping", "maed"], 1, "did you mean `made`?"),
        (&["show", "2"], 0, "signed"),
        (&["show", "99"], 1, "there is no webhook `99`"),
    ];
    for (args, code, text) in rows {
        let said = said(&bench, &[&["webhooks"], args].concat()).await;
        assert!(said.starts_with(&format!("exit {code}\n")) && said.contains(text), "{args:?}\n{said}");
    }
    assert_eq!(running.stop().await, Some(0));
    let offline = said(&bench, &["webhooks", "list"]).await;
    assert!(offline.starts_with("exit 0\n") && offline.contains("signed"), "{offline}");
    let log = said(&bench, &["log"]).await;
    assert!(log.starts_with("exit 0\n") && log.contains("ping"), "{log}");
    let refused = said(&bench, &["webhooks", "pause", "made"]).await;
    assert!(refused.starts_with("exit 1\n") && refused.contains("no shopbell runs"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_is_taken_or_refused_whole() {
    let (bench, shop, _arrived) = set_up().await;
    let _running = Running::start(&bench, shop).await;
    let same = said(&bench, &["reload"]).await;
    assert!(same.starts_with("exit 0\n") && same.contains("nothing has changed"), "{same}");
    bench.write("rules/broken.toml", "[event.x]\ntopik = 1\n");
    let refused = said(&bench, &["reload"]).await;
    assert!(
        refused.starts_with("exit 1\n") && refused.contains("broken.toml:2") && refused.contains("in force stays"),
        "{refused}"
    );
    let status = said(&bench, &["status"]).await;
    assert!(status.contains("older than the directory") && status.contains("did you mean `topic`?"), "{status}");
    std::fs::remove_file(bench.path("rules/broken.toml")).unwrap();
    bench.write("rules/more.toml", "[event.x]\non = \"POST /x\"\ntopic = \"product.saved\"\nid = \"{{ form.id }}\"\n");
    until(&bench, &["status"], |text| text.contains("13 event rules") && !text.contains("older")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process_owns_a_data_directory() {
    let (bench, shop, _arrived) = set_up().await;
    let _running = Running::start(&bench, shop).await;
    let upstream = format!("http://{shop}");
    let second = said(&bench, &["run", "--listen", "127.0.0.1:0", "--upstream", &upstream]).await;
    assert!(second.starts_with("exit 1\n") && second.contains("in use by another shopbell"), "{second}");
    let status = said(&bench, &["status"]).await;
    assert!(status.starts_with("exit 0\n"), "the first one goes on: {status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_shows_that_everything_arrives() {
    let bench = Bench::new();
    let said = said(&bench, &["demo", "--once"]).await;
    assert!(said.starts_with("exit 0\n"), "{said}");
    assert!(
        said.contains("complete: 20 steps, 15 events in the journal, 15 of 15 expected deliveries arrived"),
        "{said}"
    );
    assert!(said.contains("order.created 1002") && said.contains("signature ok"), "{said}");
}
