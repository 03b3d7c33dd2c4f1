//! What does not start says why, names the place and what to do, and ends with 1 (2 where the command line is wrong).

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use super::Bench;

const NOTHING: &str = "[event.x]\non = \"POST /x\"\ntopic = \"product.saved\"\nid = \"{{ form.id }}\"\n";

fn run<'a>(bench: &Bench, more: &[&'a str]) -> String {
    let base: [&'a str; 7] = ["run", "--rules", "rules", "--data", "data", "--upstream", "http://127.0.0.1:9"];
    bench.said(&[&base[..], more].concat())
}

#[test]
fn a_port_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = run(&Bench::with(&[("rules/r.toml", NOTHING)]), &["--listen", &address]);
    assert!(said.starts_with("exit 1\n") && said.contains(&address) && said.contains("in use"), "{said}");
    assert_eq!(said.matches("shopbell: ").count(), 1, "told once: {said}");
}

#[test]
fn an_upstream_that_is_no_url() {
    let bench = Bench::with(&[("rules/r.toml", NOTHING)]);
    for upstream in ["shop", "https://", "ftp://shop.example", "http://shop.example/path", "unix:"] {
        let said = bench.said(&["run", "--rules", "rules", "--listen", "127.0.0.1:0", "--upstream", upstream]);
        assert!(!said.starts_with("exit 0") && said.contains("upstream"), "{upstream}\n{said}");
    }
    let said = bench.said(&["run", "--rules", "rules"]);
    assert!(said.starts_with("exit 2\n") && said.contains("--upstream"), "{said}");
}

#[test]
fn rules_with_faults_and_no_earlier_set() {
    let bench = Bench::with(&[("rules/r.toml", "[event.x]\non = \"POST /x\"\ntopik = \"product.saved\"\n")]);
    let said = run(&bench, &["--listen", "127.0.0.1:0"]);
    assert!(
        said.starts_with("exit 1\n") && said.contains("r.toml:3") && said.contains("did you mean `topic`?"),
        "{said}"
    );
    let said = run(&Bench::new(), &["--listen", "127.0.0.1:0"]);
    assert!(said.starts_with("exit 1\n") && said.contains("rules") && said.contains("shopbell init"), "{said}");
}

#[test]
fn a_data_directory_that_is_none() {
    let bench = Bench::with(&[("rules/r.toml", NOTHING), ("data", "a file")]);
    let said = run(&bench, &["--listen", "127.0.0.1:0"]);
    assert!(said.starts_with("exit 1\n") && said.contains("data"), "{said}");
}

#[test]
fn settings_files_with_faults() {
    let bench = Bench::with(&[
        ("rules/r.toml", NOTHING),
        ("shopbell.toml", "upstraem = \"http://127.0.0.1:9\"\ncores = \"two\"\n"),
    ]);
    let said = run(&bench, &["--config", "shopbell.toml"]);
    assert!(said.starts_with("exit 2\n") && said.contains("shopbell.toml:1:1"), "{said}");
    assert!(said.contains("did you mean `upstream`?") && said.contains("shopbell.toml:2"), "{said}");
}

#[test]
fn a_command_that_needs_a_process_says_so() {
    let bench = Bench::with(&[("rules/r.toml", NOTHING)]);
    fs::create_dir(bench.path("data")).unwrap();
    for args in [&["reload"][..], &["status"], &["webhooks", "ping", "w"], &["webhooks", "pause", "w"]] {
        let said = bench.said(args);
        assert!(said.starts_with("exit 1\n") && said.contains("no shopbell runs"), "{args:?}\n{said}");
    }
    let said = bench.said(&["log", "--data", "elsewhere"]);
    assert!(said.starts_with("exit 1\n") && said.contains("elsewhere"), "{said}");
}

#[test]
fn an_unreadable_rules_file_is_named() {
    let bench = Bench::with(&[("rules/r.toml", NOTHING), ("rules/s.toml", NOTHING)]);
    fs::set_permissions(bench.path("rules/s.toml"), fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(bench.path("rules/s.toml")).is_ok() {
        // Root reads everything; a link that leads nowhere is as unreadable for root.
        fs::remove_file(bench.path("rules/s.toml")).unwrap();
        std::os::unix::fs::symlink("nowhere", bench.path("rules/s.toml")).unwrap();
    }
    let said = bench.said(&["check", "rules"]);
    assert!(said.starts_with("exit 1\n") && said.contains("s.toml") && said.contains("cannot be read"), "{said}");
}
