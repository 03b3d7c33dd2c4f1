//! `webhooks rotate`: with a process and without.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;

use serde_json::Value;
use shopbell::mac;

use super::running::{PATIENCE, Running, said, serve, until};
use super::{Bench, demo_rules, told};
use crate::support::receiver::{Answer, Received, Receiver};

use shopbell::cli::demo::shop::{Shop, router};

/// What the signatures of a delivery are made with, of some secrets: WooCommerce's header, and that of Standard Webhooks.
fn signed_with<'s>(delivery: &Received, secrets: &[&'s str]) -> (Vec<&'s str>, Vec<&'s str>) {
    let header = |name| delivery.header(name).unwrap_or_else(|| panic!("{name} in {:?}", delivery.lines));
    let signed = [header("webhook-id"), ".", header("webhook-timestamp"), "."];
    let signed: Vec<&[u8]> = signed.iter().map(|part| part.as_bytes()).chain([delivery.body.as_slice()]).collect();
    let standard = |secret: &&&str| {
        let own = format!("v1,{}", mac::sign_base64(secret.as_bytes(), &signed));
        header("webhook-signature").split(' ').any(|signature| signature == own)
    };
    let own = |secret: &&&str| mac::verify_base64(secret.as_bytes(), &delivery.body, header("X-WC-Webhook-Signature"));
    assert!(header("webhook-signature").split(' ').count() <= 2);
    let of = |fits: &dyn Fn(&&&'s str) -> bool| secrets.iter().filter(fits).copied().collect();
    (of(&own), of(&standard))
}

struct Scene {
    bench: Bench,
    receiver: Receiver,
    running: Running,
}

/// A shop, shopbell in front of it, and a receiver that gets what is put into the cart. `table` has the webhook's secret.
async fn scene(table: &str) -> Scene {
    let receiver = Receiver::start(vec![Answer::status(200)]).await;
    let bench = Bench::new();
    demo_rules(&bench.path("rules"));
    let url = receiver.url("/in");
    bench
        .write("rules/webhooks.toml", &format!("[webhook.erp] # ours\ntopic = \"action.*\"\nurl = \"{url}\"\n{table}"));
    let shop = serve(router(Shop::new())).await;
    let running = Running::start(&bench, shop).await;
    Scene { bench, receiver, running }
}

impl Scene {
    async fn delivery(&mut self) -> Received {
        self.running.post("/cart/add", "product_id=1&quantity=2").await;
        tokio::time::timeout(PATIENCE, self.receiver.delivery()).await.expect("it is delivered")
    }

    async fn rotate(&self, more: &[&str]) -> Value {
        let said = said(&self.bench, &[&["webhooks", "rotate", "erp", "--json"], more].concat()).await;
        assert!(said.starts_with("exit 0\n"), "{said}");
        serde_json::from_str(said.lines().nth(2).unwrap()).unwrap()
    }

    fn rules(&self) -> String {
        fs::read_to_string(self.bench.path("rules/webhooks.toml")).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_in_the_rules_is_changed_while_deliveries_go_on() {
    let mut scene = scene("secret = \"a \\\"b\\\" <é>\" # of the ERP\nretry = []\n").await;
    let first = "a \"b\" <é>";
    assert_eq!(signed_with(&scene.delivery().await, &[first]), (vec![first], vec![first]));

    let rotated = scene.rotate(&[]).await;
    let second = rotated["secret"].as_str().expect("a new secret");
    assert_eq!((second.len(), &rotated["in_force"]), (50, &Value::Bool(true)), "{rotated}");
    let all = [first, second];
    assert_eq!(signed_with(&scene.delivery().await, &all), (vec![second], vec![first, second]));
    let rules = scene.rules();
    let until = rotated["old_until"].as_str().unwrap().replace(".000Z", "Z");
    let entry = format!(
        "secret = \"{second}\" # of the ERP\nsecret_previous = [{{ secret = 'a \"b\" <é>', until = \"{until}\" }}]\nretry"
    );
    assert!(rules.starts_with("[webhook.erp] # ours\n") && rules.contains(&entry), "{rules}");

    // A secret that others know: it signs no longer, those of before as long as was said.
    let third = scene.rotate(&["--keep", "0"]).await;
    assert_eq!((&third["old_until"], third["earlier_until"].as_array().map(Vec::len)), (&Value::Null, Some(1)));
    let third = third["secret"].as_str().unwrap();
    assert_eq!(signed_with(&scene.delivery().await, &[first, second, third]), (vec![third], vec![first, third]));

    // One that was made elsewhere is not shown again.
    let mut command = scene.bench.command(&["webhooks", "rotate", "erp", "--stdin", "--keep", "0"]);
    fs::write(scene.bench.path("given"), "g\\iven\n").unwrap();
    let output = command.stdin(Stdio::from(fs::File::open(scene.bench.path("given")).unwrap())).output().unwrap();
    let text = told(&output, scene.bench.dir.path());
    assert!(text.starts_with("exit 0\n") && !text.contains("iven\n"), "{text}");
    assert!(text.contains("the running process signs with it") && text.contains("DIR/rules/webhooks.toml"), "{text}");
    assert_eq!(signed_with(&scene.delivery().await, &["g\\iven", first]), (vec!["g\\iven"], vec!["g\\iven", first]));
    assert_eq!(scene.running.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_in_a_file_changes_there_and_one_that_was_made_moves_into_the_rules() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("erp");
    fs::write(&file, "from the file\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let mut scene = scene(&format!("secret = {{ file = \"{}\" }}\n", file.display())).await;
    let rotated = scene.rotate(&["--keep", "1h"]).await;
    let second = rotated["secret"].as_str().unwrap();
    let all = ["from the file", second];
    assert_eq!(signed_with(&scene.delivery().await, &all), (vec![second], all.to_vec()));
    assert_eq!(fs::read_to_string(&file).unwrap(), format!("{second}\n"));
    let files: Vec<_> = rotated["files"].as_array().unwrap().iter().map(|file| file.as_str().unwrap()).collect();
    assert_eq!((files.len(), files[2]), (3, file.to_str().unwrap()), "{files:?}");
    let copy = fs::metadata(files[0]).unwrap();
    assert_eq!((fs::read_to_string(files[0]).unwrap().as_str(), copy.mode() & 0o777), ("from the file\n", 0o600));
    assert!(scene.rules().contains(&format!("secret_previous = [{{ secret = {{ file = \"{}\" }}", files[0])));

    // The webhook gets its secret from shopbell, and then one that the rules say.
    let url = scene.receiver.url("/in");
    scene.bench.write("rules/webhooks.toml", &format!("[webhook.erp]\ntopic = \"action.*\"\nurl = \"{url}\"\n"));
    let shown = until(&scene.bench, &["webhooks", "show", "erp", "--json"], |text| text.contains("made_secret")).await;
    let made: Value = serde_json::from_str(shown.lines().nth(2).unwrap()).unwrap();
    let made = made["made_secret"].as_str().unwrap();
    let said = said(&scene.bench, &["webhooks", "rotate", "1"]).await;
    assert!(said.starts_with("exit 0\n") && said.contains("secret that shopbell had made"), "{said}");
    let rules = scene.rules();
    let second = rules.lines().find_map(|line| line.strip_prefix("secret = \"")?.strip_suffix('"')).unwrap();
    assert!(said.contains(second), "it is shown once: {said}");
    let all = [made, second];
    assert_eq!(signed_with(&scene.delivery().await, &all), (vec![second], all.to_vec()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_process_would_refuse_is_not_begun() {
    let scene = scene("secret = \"old\"\n").await;
    let before = scene.rules();
    scene.bench.write("rules/broken.toml", "[event.x]\ntopik = 1\n");
    let refused = said(&scene.bench, &["webhooks", "rotate", "erp"]).await;
    assert!(refused.starts_with("exit 1\n") && refused.contains("broken.toml:2"), "{refused}");
    assert!(refused.contains("mend it first. Nothing was changed"), "{refused}");
    // A fault that only the process can see: here the variable is not set either, but `check` only warns of that.
    scene.bench.write(
        "rules/broken.toml",
        "[webhook.b]\ntopic = \"*\"\nurl = \"http://127.0.0.1:9/\"\nsecret = { env = \"TEST_UNSET\" }\n",
    );
    let refused = said(&scene.bench, &["webhooks", "rotate", "erp"]).await;
    assert!(refused.starts_with("exit 1\n") && refused.contains("TEST_UNSET is not set"), "{refused}");
    assert_eq!(scene.rules(), before);
}

const HOOK: &str = "[webhook.erp]\ntopic = \"*\"\nurl = \"https://erp.example/\"\n";
const EVENT: &str = "[event.e]\non = \"POST /x\"\ntopic = \"order.created\"\nid = \"{{ form.id }}\"\n";

#[test]
fn what_cannot_be_rotated_is_refused_with_what_to_do() {
    let entry = |at: &str| format!("{{ secret = \"x\", until = \"{at}\" }}");
    let standing =
        [entry("2099-01-01T00:00:00Z"), entry("2098-01-01T00:00:00Z"), entry("2099-03-01T00:00:00Z")].join(", ");
    let rows: [(String, &[&str], i32, &[&str]); 9] = [
        (
            "secret = { env = \"ERP_SECRET\" }\n".into(),
            &["erp"],
            1,
            &[
                "from the environment variable ERP_SECRET",
                "set ERP_SECRET_OLD",
                "(w.toml:1)",
                "{ env = \"ERP_SECRET_OLD\" }",
                "restart",
            ],
        ),
        (String::new(), &["epr"], 1, &["no webhook `epr` in the rules", "did you mean `erp`?"]),
        ("sekret = \"x\"\n".into(), &["erp"], 1, &["w.toml:4", "did you mean `secret`?", "the rules have faults"]),
        ("secret = { file = \"/nowhere/s\" }\n".into(), &["erp"], 1, &["/nowhere/s cannot be read"]),
        (
            format!("secret = \"a\"\nsecret_previous = [{standing}]\n"),
            &["erp"],
            1,
            &["3 old secrets", "2098-01-01T00:00:00Z", "--keep 0"],
        ),
        (
            "secret = \"a\"\n[[webhook.erp.secret_previous]]\nsecret = \"x\"\nuntil = \"2099-01-01T00:00:00Z\"\n"
                .into(),
            &["erp"],
            1,
            &["tables of its own", "secret_previous = [{ secret = …"],
        ),
        ("secret = \"a\"\n".into(), &["erp", "--stdin"], 1, &["the secret that was given is empty"]),
        ("secret = \"a\"\n".into(), &["erp", "--keep", "8d"], 2, &["too long"]),
        (
            "secret = { file = \"/proc/version\" }\n[key.k]\nkey = \"ck_1\"\nsecret = { file = \"/proc/version\" }\n"
                .into(),
            &["erp"],
            1,
            &["so has [key.k]", "a file of its own"],
        ),
    ];
    for (more, args, code, parts) in rows {
        let text = format!("{HOOK}{more}{EVENT}");
        let bench = Bench::with(&[("rules/w.toml", &text)]);
        let said = bench.said(&[&["webhooks", "rotate"], args].concat());
        assert!(
            said.starts_with(&format!("exit {code}\n")) && parts.iter().all(|part| said.contains(part)),
            "{text}\n{said}"
        );
        assert_eq!(fs::read_to_string(bench.path("rules/w.toml")).unwrap(), text);
    }
}

#[test]
fn without_a_process_the_next_start_takes_it() {
    let key = "[key.k]\nkey = \"ck_1\"\nsecret = { env = \"KEY_SECRET\" }\ndefault = true\n";
    let bench = Bench::with(&[("rules/hooks/w.toml", &format!("{HOOK}{EVENT}{key}"))]);
    fs::set_permissions(bench.path("rules/hooks/w.toml"), fs::Permissions::from_mode(0o644)).unwrap();
    let said = bench.said(&["webhooks", "rotate", "erp"]);
    assert!(said.starts_with("exit 0\n") && said.contains("no shopbell runs here, the next start takes it"), "{said}");
    assert!(
        said.contains("it had the secret of [key.k]")
            && said.contains("can be read by everybody")
            && said.contains("rules/hooks/w.toml"),
        "{said}"
    );
    let text = fs::read_to_string(bench.path("rules/hooks/w.toml")).unwrap();
    assert!(text.contains("secret_previous = [{ secret = { env = \"KEY_SECRET\" }, until = "), "{text}");
    assert!(bench.said(&["check"]).starts_with("exit 0\n"));
    assert_eq!(fs::read_dir(bench.path("rules/hooks")).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn what_cannot_be_written_changes_nothing() {
    // A secret file where nobody can put another.
    let text = format!("{HOOK}secret = {{ file = \"/proc/version\" }}\n{EVENT}");
    let bench = Bench::with(&[("rules/w.toml", &text)]);
    let refused = bench.said(&["webhooks", "rotate", "erp"]);
    assert!(refused.starts_with("exit 1\n") && refused.contains("/proc/version.old-"), "{refused}");
    assert_eq!(fs::read_to_string(bench.path("rules/w.toml")).unwrap(), text);

    // A rules directory that one may only read.
    let text = format!("{HOOK}secret = \"old\"\n{EVENT}");
    let bench = Bench::with(&[("rules/w.toml", &text)]);
    let mode = |path: &str, mode| fs::set_permissions(bench.path(path), fs::Permissions::from_mode(mode)).unwrap();
    let mut command = bench.command(&["webhooks", "rotate", "erp"]);
    if rustix::process::geteuid().is_root() {
        mode("", 0o755);
        command.uid(65_534); // root may write everywhere
    } else {
        mode("rules", 0o555);
    }
    let refused = told(&command.output().unwrap(), bench.dir.path());
    assert!(refused.starts_with("exit 1\n") && refused.contains("rules/w.toml cannot be changed"), "{refused}");
    assert!(refused.contains("ermission denied"), "{refused}");
    mode("rules", 0o755);
    assert_eq!(fs::read_to_string(bench.path("rules/w.toml")).unwrap(), text);
}

#[test]
fn a_file_stays_with_its_owner_and_its_mode() {
    let bench = Bench::with(&[("real.toml", &format!("{HOOK}secret = \"old\"\n{EVENT}"))]);
    fs::create_dir(bench.path("rules")).unwrap();
    std::os::unix::fs::symlink("../real.toml", bench.path("rules/w.toml")).unwrap();
    fs::set_permissions(bench.path("real.toml"), fs::Permissions::from_mode(0o640)).unwrap();
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        chown(bench.path("real.toml"), Some(65_534), Some(65_533)).unwrap();
    }
    let said = bench.said(&["webhooks", "rotate", "erp"]);
    assert!(said.starts_with("exit 0\n"), "{said}");
    let meta = fs::metadata(bench.path("real.toml")).unwrap();
    assert_eq!(meta.mode() & 0o7777, 0o640);
    assert!(!is_root || (meta.uid(), meta.gid()) == (65_534, 65_533));
    assert!(fs::symlink_metadata(bench.path("rules/w.toml")).unwrap().is_symlink());
    assert!(fs::read_to_string(bench.path("real.toml")).unwrap().contains("secret_previous"));
}
