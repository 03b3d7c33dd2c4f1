//! check, init, replay and the help texts.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use super::{Bench, demo_rules, told};

const RULES: &str = r#"
[event.product-saved]
on    = "POST /admin/products/{id:int}/edit"
location.query.saved = true
topic = "product.saved"
id    = "{{ params.id }}"
payload.name = "{{ form.name }}"

[event.cart]
on    = "POST /cart/add"
topic = "action.woocommerce_add_to_cart"
resource = "product"
id    = "{{ form.product_id }}"
"#;

/// One line of a recording: a form post and the redirect it got.
fn line(path: &str, form: &str, location: &str, t: Option<f64>) -> String {
    use base64::Engine as _;
    let body = base64::engine::general_purpose::STANDARD.encode(form);
    let mut line = json!({
        "step": "ignored",
        "request": {
            "method": "POST", "url": path, "body_base64": body,
            "headers": [["Host", "shop.example"], ["Content-Type", "application/x-www-form-urlencoded"]],
        },
        "response": { "status": 303, "headers": [["Location", location]], "body_base64": "" },
    });
    if let Some(t) = t {
        line["t"] = t.into();
    }
    line.to_string()
}

#[test]
fn help_names_every_command() {
    let help = Bench::new().said(&["--help"]);
    for command in [
        "run", "check", "init", "record", "explain", "case", "test", "schema", "replay", "suggest", "log", "webhooks",
        "reload", "status", "demo",
    ] {
        assert!(help.lines().any(|line| line.trim_start().starts_with(&format!("{command} "))), "{command}\n{help}");
        let own = Bench::new().run(&[command, "--help"]);
        assert_eq!(own.status.code(), Some(0), "{command}");
    }
    let webhooks = Bench::new().said(&["webhooks", "--help"]);
    for action in ["list", "show", "enable", "disable", "pause", "resume", "ping"] {
        assert!(
            webhooks.lines().any(|line| line.trim_start().starts_with(&format!("{action} "))),
            "{action}\n{webhooks}"
        );
    }
    let run = Bench::new().said(&["run", "--help"]);
    for flag in ["--listen", "--upstream", "--rules", "--data", "--allow-delivery-to", "--config"] {
        assert!(run.contains(flag), "{flag}\n{run}");
    }
}

#[test]
fn a_wrong_command_line_is_exit_2() {
    let bench = Bench::new();
    for args in
        [&["chek"][..], &["log", "--limit", "0"], &["replay"], &["check", "nowhere"], &["run", "--listen", "here"]]
    {
        let said = bench.said(args);
        assert!(said.starts_with("exit 2\n--- stdout\n\n--- stderr\n"), "{args:?}\n{said}");
    }
    assert!(bench.said(&["check", "nowhere"]).contains("shopbell init nowhere"));
}

#[test]
fn what_init_writes_passes_check_and_is_never_overwritten() {
    let bench = Bench::new();
    let made = bench.said(&["init", "rules"]);
    assert!(made.starts_with("exit 0\n") && made.contains("made rules/shop.toml"), "{made}");
    insta::assert_snapshot!(bench.said(&["check", "rules"]), @r"
    exit 0
    --- stdout
    rules: ok (3 files, 2 event rules, 1 webhook)
    --- stderr
    ");
    insta::assert_snapshot!(bench.said(&["init", "rules"]), @r"
    exit 1
    --- stdout

    --- stderr
    shopbell: rules is not empty, and nothing is overwritten: name a directory that does not exist yet
    ");
}

/// What the starter offers behind `#` works once the `#` is taken away.
#[test]
fn the_examples_in_comments_work_too() {
    let bench = Bench::new();
    bench.run(&["init", "rules"]);
    for name in ["shop.toml", "events.toml", "webhooks.toml"] {
        let text = std::fs::read_to_string(bench.path("rules").join(name)).unwrap();
        let example = |line: &str| {
            let key = line.split_once('=').map_or("", |(key, _)| key.trim_end());
            line.starts_with('[') || (!key.is_empty() && !key.contains(' '))
        };
        let line = |line: &str| match line.strip_prefix("# ") {
            Some(rest) if example(rest) => rest.to_owned(),
            _ => line.to_owned(),
        };
        let text: Vec<String> = text.lines().map(line).collect();
        bench.write(&format!("rules/{name}"), &text.join("\n"));
    }
    let said = bench.said(&["check", "rules"]);
    // The secret is one that only the process that delivers has to have.
    assert!(said.contains("5 event rules, 1 webhook), with 1 warning"), "{said}");
    assert!(said.contains("the environment variable MY_SYSTEM_SECRET is not set"), "{said}");
}

#[test]
fn the_shipped_demo_rules_pass_check() {
    let bench = Bench::new();
    demo_rules(&bench.path("rules"));
    let said = bench.said(&["check"]);
    assert!(said.starts_with("exit 0\n") && said.ends_with("--- stderr\n"), "{said}");
}

#[test]
fn check_tells_all_faults_at_once_with_carets_and_hints() {
    let bench = Bench::with(&[
        (
            "rules/a.toml",
            "[event.saved]\non = \"POST /x\"\ntopic = \"product.saved\"\nid = \"{{ form.id }}\"\nstaus = 302\n",
        ),
        ("rules/b.toml", "[event.saved]\non = \"POST /y\"\ntopic = \"product.saved\"\nid = \"{{ form.id \"\n"),
        ("rules/c.toml", "[webhook.w]\ntopic = \"order.*\"\nurl = \"receiver\"\n"),
    ]);
    let said = bench.said(&["check", "rules"]);
    assert!(said.starts_with("exit 1\n"), "{said}");
    for part in ["a.toml:5", "did you mean `status`?", "^^^", "b.toml", "a.toml:1", "c.toml:3", "rules: "] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    let lines = bench.run(&["check", "rules", "--json"]);
    assert_eq!(lines.status.code(), Some(1));
    let faults: Vec<Value> =
        String::from_utf8(lines.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(faults.len() >= 4, "{faults:#?}");
    assert!(
        faults.iter().any(|fault| fault["file"] == "a.toml" && fault["line"] == 5 && fault["column"] == 1),
        "{faults:#?}"
    );
}

#[test]
fn check_reads_what_is_no_text_and_no_toml() {
    let bench = Bench::with(&[("rules/half.toml", "[event.x\n")]);
    std::fs::write(bench.path("rules/latin.toml"), b"# caf\xe9\n").unwrap();
    let said = bench.said(&["check", "rules"]);
    assert!(said.starts_with("exit 1\n") && said.contains("half.toml:1") && said.contains("latin.toml:1"), "{said}");
}

#[test]
fn replay_prints_one_object_per_event() {
    let recording = [
        line("/cart/add", "product_id=7", "/cart", Some(10.0)),
        line("/nothing", "a=b", "/", None),
        String::new(),
        line("/admin/products/7/edit", "name=T%C3%A9e", "/admin/products?saved=7", None),
        line("/admin/products/7/edit", "name=Tee", "/admin/products?saved=7", None),
        line("/admin/products/8/edit", "name=", "/admin/products", None),
        line("/cart/add", "product_id=A-1", "/cart", Some(3.0)),
    ];
    let bench = Bench::with(&[("rules/r.toml", RULES), ("x.jsonl", &recording.join("\n"))]);
    let args = ["replay", "--rules", "rules", "--exchanges", "x.jsonl"];
    let output = bench.run(&args);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output, bench.dir.path()));
    let text = String::from_utf8(output.stdout).unwrap();
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let short: Vec<Value> = events
        .iter()
        .map(|event| json!([event["seq"], event["settled"], event["topic"], event["id"], event["rule"]]))
        .collect();
    let wanted = json!([
        [0, 0, "action.woocommerce_add_to_cart", 7, "cart"],
        [2, 2, "product.created", 7, "product-saved"],
        [3, 3, "product.updated", 7, "product-saved"],
        [5, 5, "action.woocommerce_add_to_cart", "A-1", "cart"],
    ]);
    assert_eq!(Value::from(short), wanted, "{text}");
    assert_eq!(events[1]["payload"]["name"], "Tée");
    assert_eq!(events[1]["payload"]["date_created_gmt"], "1970-01-01T00:00:12");
    assert_eq!(events[0]["payload"], json!({"action": "woocommerce_add_to_cart", "arg": 7}));
    let keys: Vec<&String> = events[0].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["seq", "settled", "topic", "id", "key", "payload", "rule"]);

    let mut piped = bench.command(&["replay", "--rules", "rules", "--exchanges", "-"]);
    let mut piped = piped.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    piped.stdin.take().unwrap().write_all(recording.join("\n").as_bytes()).unwrap();
    assert_eq!(String::from_utf8(piped.wait_with_output().unwrap().stdout).unwrap(), text);
}

#[test]
fn replay_says_which_exchange_is_broken() {
    let good = line("/cart/add", "product_id=7", "/cart", None);
    let bench = Bench::with(&[("rules/r.toml", RULES), ("x.jsonl", &format!("{good}\n{{\"request\":1}}\n"))]);
    let said = bench.said(&["replay", "--rules", "rules", "--exchanges", "x.jsonl"]);
    assert!(said.starts_with("exit 1\n") && said.contains("x.jsonl: exchange 1"), "{said}");
    let said = bench.said(&["replay", "--rules", "rules", "--exchanges", "gone.jsonl"]);
    assert!(said.starts_with("exit 2\n") && said.contains("gone.jsonl"), "{said}");
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let recording = vec![line("/cart/add", "product_id=7", "/cart", None); 3_000].join("\n");
    let bench = Bench::with(&[("rules/r.toml", RULES), ("x.jsonl", &recording)]);
    let mut command = bench.command(&["replay", "--rules", "rules", "--exchanges", "x.jsonl"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn suggestions_load_and_overwrite_nothing() {
    let recording = [
        line("/admin/products/4/edit", "name=Tea", "/admin/products/", None),
        line("/admin/products/5/edit", "name=Cup", "/admin/products/", None),
    ];
    let bench = Bench::with(&[("seen.jsonl", &recording.join("\n")), ("broken.jsonl", "{}")]);
    let said = bench.said(&["suggest", "--exchanges", "seen.jsonl", "--out", "suggested/rules.toml"]);
    assert!(said.starts_with("exit 1"), "there is no such directory: {said}");
    std::fs::create_dir(bench.path("suggested")).unwrap();
    let said = bench.said(&["suggest", "--exchanges", "seen.jsonl", "--out", "suggested/rules.toml"]);
    let told = "2 exchanges read: 1 rule in suggested/rules.toml, and 0 proposals commented out as not certain";
    assert_eq!(said.trim_end(), format!("exit 0\n--- stdout\n\n--- stderr\n{told}"));
    let said = bench.said(&["check", "suggested"]);
    assert!(said.contains("suggested: ok (1 file, 1 event rule"), "{said}");
    let said = bench.said(&["replay", "--rules", "suggested", "--exchanges", "seen.jsonl"]);
    assert_eq!(said.matches("\"topic\":\"product.updated\"").count(), 2, "{said}");
    let again = bench.said(&["suggest", "--exchanges", "seen.jsonl", "--out", "suggested/rules.toml"]);
    assert!(again.starts_with("exit 1") && again.contains("is there already"), "{again}");
    let shown = bench.said(&["suggest", "--exchanges", "seen.jsonl"]);
    assert!(shown.contains("[event.product-updated]"), "{shown}");
    for (file, exit, part) in [("none.jsonl", "exit 2", "cannot be read"), ("broken.jsonl", "exit 1", "exchange 0")] {
        let said = bench.said(&["suggest", "--exchanges", file]);
        assert!(said.starts_with(exit) && said.contains(part), "{said}");
    }
}
