//! `shopbell test`: what it says of cases that pass, that fail and that are none.

use std::fs;

use serde_json::Value;

use super::Bench;

const RULES: &str = r#"
[event.saved]
on    = "POST /p/{id:int}"
topic = "product.saved"
id    = "{{ params.id }}"
payload.name = "{{ form.name }}"

[event.gone]
on    = "POST /p/delete"
topic = "product.deleted"
for_each = "form['ids[]']"
id    = "{{ item }}"
"#;

const SAVED: &str = "# Saved twice.\n>>> POST /p/7\n\nform:\nname = Tea\n\n<<< 302\n\n>>> POST /p/7\n\nform:\nname = Tee\n\n<<< 302\n\n";

fn bench() -> Bench {
    let good = format!(
        "{SAVED}=== events\n{}\n{}\n",
        r#"{"topic":"product.created","id":7,"payload":{"id":7,"name":"Tea"}}"#,
        r#"{"topic":"product.updated","id":7,"payload":{"name":"Tee","sku":null},"seq":1}"#,
    );
    let bad = format!(
        "{SAVED}>>> POST /p/delete\n\nform:\nids[] = 7\n\n<<< 302\n\n=== events\n{}\n# This one never comes.\n{}\n{}\n",
        r#"{"topic":"product.created","id":7,"payload":{"id":7,"name":"Coffee","sku":"x"}}"#,
        r#"{"topic":"order.created","id":1,"payload":{}}"#,
        r#"{"topic":"product.updated","id":7}"#,
    );
    Bench::with(&[
        ("rules/r.toml", RULES),
        ("rules/cases/good.txt", &good),
        ("rules/cases/sub/bad.txt", &bad),
        ("rules/cases/.hidden.txt", "x"),
        ("rules/cases/notes.md", "x"),
    ])
}

#[test]
fn a_failing_case_shows_what_was_expected_beside_what_came() {
    insta::assert_snapshot!(bench().said(&["test"]), @r#"
    exit 1
    --- stdout
    ✓  good  2 exchanges, 2 events
    ✗  sub/bad  3 exchanges, 3 events  rules/cases/sub/bad.txt
       ~ product.created 7  expected in line 24, came of exchange 0 by rule saved
           payload.name  - "Coffee"
                         + "Tea"
           payload.sku   - "x"
                         + nothing
       - order.created 1  expected in line 26, and did not come
       = product.updated 7
       + product.deleted 7  came of exchange 2 by rule gone, and is not expected
           {"id":7}

    2 cases: 1 passed, 1 failed
    --- stderr
    "#);
}

#[test]
fn cases_run_by_name_and_faults_have_their_line() {
    let bench = bench();
    let said = bench.said(&["test", "rules", "goo"]);
    assert!(said.starts_with("exit 0\n") && said.contains("1 case: 1 passed") && !said.contains("bad"), "{said}");
    let said = bench.said(&["test", "none"]);
    assert!(said.starts_with("exit 1\n") && said.contains("rules: no case there has a name with `none`"), "{said}");
    bench.write("rules/cases/odd.txt", ">>> POST /p/7\n<<< 302\n\n=== events\n{\"topic\":\"a.b\",\"idd\":1}\n");
    let said = bench.said(&["test", "odd"]);
    assert!(
        said.starts_with("exit 1\n") && said.contains("odd.txt:5: `idd`") && said.contains("did you mean `id`?"),
        "{said}"
    );
    bench.write("rules/cases/odd.txt", ">>> POST /p/7\n<<< 302\n");
    let said = bench.said(&["test", "odd"]);
    assert!(said.starts_with("exit 1\n") && said.contains("=== events` begins that"), "{said}");
    bench.write("rules/r.toml", "x = 1\n");
    let said = bench.said(&["test"]);
    assert!(said.starts_with("exit 1\n") && said.contains("the rules in rules have faults (1 fault)"), "{said}");
    let empty = Bench::with(&[("rules/r.toml", RULES)]);
    let said = empty.said(&["test"]);
    assert!(said.starts_with("exit 1\n") && said.contains("rules: there are no cases"), "{said}");
}

#[test]
fn update_rewrites_the_expectation_and_nothing_else() {
    let bench = bench();
    let good = fs::read_to_string(bench.path("rules/cases/good.txt")).unwrap();
    let said = bench.said(&["test", "--update"]);
    assert!(said.starts_with("exit 0\n") && said.contains("2 cases: 1 passed, 1 rewritten"), "{said}");
    assert_eq!(fs::read_to_string(bench.path("rules/cases/good.txt")).unwrap(), good);
    let bad = fs::read_to_string(bench.path("rules/cases/sub/bad.txt")).unwrap();
    assert!(bad.starts_with(SAVED) && bad.contains("# This one never comes.\n"), "{bad}");
    assert!(bad.contains("{\"topic\":\"product.updated\",\"id\":7}\n"), "what fits stays: {bad}");
    assert!(bench.said(&["test"]).contains("2 cases: 2 passed"));
}

#[test]
fn json_gives_one_object_a_case() {
    let output = bench().run(&["test", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let rows: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&rows[0]["case"], &rows[0]["passed"]), (&"good".into(), &true.into()));
    let kinds: Vec<&str> =
        rows[1]["events"].as_array().unwrap().iter().map(|row| row["is"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["differs", "missing", "same", "unexpected"]);
    let paths = rows[1]["events"][0]["differences"].as_array().unwrap();
    assert_eq!(
        paths.iter().map(|one| one["path"].as_str().unwrap()).collect::<Vec<_>>(),
        ["payload.name", "payload.sku"]
    );
}

#[test]
fn inside_of_the_rules_directory_no_name_is_needed() {
    let good = format!("{SAVED}=== events\n{{\"topic\":\"product.created\"}}\n{{\"topic\":\"product.updated\"}}\n");
    let other = "[package]\nname = \"x\"\n";
    let bench = Bench::with(&[("mine/r.toml", RULES), ("mine/cases/good.txt", &good), ("other/x.toml", other)]);
    let said_in = |dir: &str, args: &[&str]| {
        let output = bench.command(args).current_dir(bench.path(dir)).output().unwrap();
        super::told(&output, bench.dir.path())
    };
    let said = said_in("mine", &["test"]);
    assert!(said.starts_with("exit 0\n") && said.contains("✓  good") && said.contains("1 case: 1 passed"), "{said}");
    assert!(said_in("mine", &["test", "goo"]).contains("1 case: 1 passed"));
    let said = said_in("mine", &["check"]);
    assert!(said.starts_with("exit 0\n--- stdout\n.: ok (1 file, 2 event rules, 0 webhooks)"), "{said}");
    assert!(said_in("mine", &["replay", "cases/good.txt"]).starts_with("exit 0\n"));
    // Elsewhere it says what to type; TOML alone makes no rules directory, and a directory that is named is meant.
    for (dir, args) in [("other", &["check"][..]), ("other", &["test"]), ("mine", &["check", "gone"])] {
        let said = said_in(dir, args);
        let name = args.get(1).unwrap_or(&"rules");
        assert!(said.starts_with("exit 2\n") && said.contains(&format!("there is no directory {name}")), "{said}");
        assert!(said.contains("`.` is the one you are in") && said.contains("shopbell init"), "{said}");
    }
}
