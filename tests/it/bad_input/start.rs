use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::house::form;
use crate::support::process::Process;
use crate::support::upstream::{Scripted, eventually};

const RULES: &str = "[event.x]\non = \"POST /x\"\ntopic = \"product.saved\"\nid = \"{{ form.id }}\"\n";
const FOUND: &str = "HTTP/1.1 302 Found\r\nLocation: /list\r\nContent-Length: 0\r\n\r\n";

/// Files of a rules directory, by name.
type Files<'a> = &'a [(&'a str, &'a [u8])];

fn write(dir: &Path, files: Files<'_>) {
    fs::create_dir_all(dir.join("rules")).unwrap();
    for (name, bytes) in files {
        fs::write(dir.join("rules").join(name), bytes).unwrap();
    }
}

/// Runs the binary to its end in `dir`; exit code and everything it said.
fn said(dir: &Path, args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shopbell"));
    let output = command.args(args).current_dir(dir).stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output.status.code().map_or("none".to_owned(), |code| code.to_string());
    format!("exit {code}\n{}{}", text(&output.stdout), text(&output.stderr))
}

const RUN: [&str; 7] = ["run", "--rules", "rules", "--upstream", "http://127.0.0.1:9", "--listen", "127.0.0.1:0"];

/// Each names the place, what is wrong, and mostly what to do, from `run` and from `check` alike.
#[test]
fn rules_that_are_no_rules() {
    let rows: [(Files<'_>, &[&str]); 9] = [
        (&[("r.toml", b"[event.x\non = 1\n")], &["r.toml:1"]),
        (&[("r.toml", b"[event.x]\non = \"POST /\xff\"\n")], &["r.toml", "UTF-8"]),
        (&[("r.toml", b"\0\0\0\0")], &["r.toml"]),
        (&[("r.toml", b"[event.x]\non = \"POST /x\"\ntopik = \"product.saved\"\n")], &["r.toml:3", "did you mean `topic`?"]),
        (&[("a.toml", RULES.as_bytes()), ("b.toml", RULES.as_bytes())], &["a.toml", "b.toml", "`x`"]),
        (&[("r.toml", b"[webhook.w]\ntopic = \"*\"\nurl = \"not a url\"\n")], &["r.toml:3", "url"]),
        (&[("r.toml", b"[webhook.w]\ntopic = \"*\"\nurl = \"ftp://a.example/\"\n")], &["r.toml:3", "http"]),
        (&[("r.toml", b"[event.x]\non = \"POST /x\"\ntopic = \"product.saved\"\nid = \"{{ form.id\"\n")], &["r.toml:4"]),
        (
            &[("r.toml", b"[event.x]\non = \"POST /x\"\ntopic = \"product.saved\"\nid = \"{{ form.id }}\"\nwhen = \"form.a | nix\"\n")],
            &["r.toml:5", "nix"],
        ),
    ];
    for (files, texts) in rows {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), files);
        for args in [&["check", "rules"][..], &RUN] {
            let said = said(dir.path(), args);
            assert!(said.starts_with("exit 1\n"), "{args:?}\n{said}");
            for text in texts {
                assert!(said.contains(text), "{text:?} is missing:\n{said}");
            }
            assert!(!said.contains("panicked"), "{said}");
        }
    }
}

#[test]
fn secrets_that_are_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let table = |name: &str, source: &str| {
        format!("[webhook.{name}]\ntopic = \"*\"\nurl = \"http://r.example/\"\nsecret = {{ {source} }}\n")
    };
    let rows = [
        ("a", "env = \"SHOPBELL_TEST_NOT_SET\"", "SHOPBELL_TEST_NOT_SET is not set"),
        ("b", "file = \"/nowhere/secret\"", "/nowhere/secret cannot be read"),
        ("c", "file = \"/dev/zero\"", "no regular file"),
    ];
    let tables: String = rows.iter().map(|(name, source, _)| table(name, source)).collect();
    write(dir.path(), &[("r.toml", (RULES.to_owned() + &tables).as_bytes())]);
    // To check elsewhere than where it will run is no fault, but it is said.
    let checked = said(dir.path(), &["check", "rules"]);
    assert!(checked.starts_with("exit 0\n") && checked.contains("3 warnings"), "{checked}");
    let shop = Scripted::answering(FOUND);
    let process = Process::start(dir.path(), &format!("http://{}", shop.address), "");
    let log = process.log();
    for (name, _, text) in rows {
        let line =
            |said: &str| said.lines().any(|line| line.contains(&format!("webhook `{name}`")) && line.contains(text));
        assert!(line(&checked) && line(&log), "{name}: {text}\n{checked}\n{log}");
    }
    let mut visitor = process.visitor();
    visitor.send(form("/x", "id=1"));
    assert_eq!(visitor.answer().first(), "HTTP/1.1 302 Found");
    eventually("all else works", || process.metric("shopbell_engine_events_total") == 1);
}

#[test]
fn addresses_that_cannot_be() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &[("r.toml", RULES.as_bytes())]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let own = |host: &str| format!("http://{host}:{free}");
    let listen = |host: &str| format!("{host}:{free}");
    let rows = [
        (taken, own("127.0.0.1"), 1, "in use"),
        ("192.0.2.1:80".into(), own("127.0.0.1"), 1, "cannot listen on 192.0.2.1:80"),
        // A loop: the shop would be shopbell itself, under whatever name.
        (listen("127.0.0.1"), own("127.0.0.1"), 2, "own address"),
        (listen("127.0.0.1"), own("localhost"), 2, "own address"),
        (listen("0.0.0.0"), own("127.0.0.1"), 2, "own address"),
        (listen("127.0.0.1"), own("0.0.0.0"), 2, "own address"),
        (listen("127.0.0.1"), own("[::ffff:127.0.0.1]"), 2, "own address"),
    ];
    for (listen, upstream, code, text) in rows {
        let said = said(dir.path(), &["run", "--rules", "rules", "--upstream", &upstream, "--listen", &listen]);
        assert!(said.starts_with(&format!("exit {code}\n")) && said.contains(text), "{listen} {upstream}\n{said}");
        assert!(!dir.path().join("data").exists(), "nothing was begun");
    }
}

#[test]
fn data_directories_that_cannot_be_used() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &[("r.toml", RULES.as_bytes())]);
    fs::write(dir.path().join("file"), "a file").unwrap();
    let shop = Scripted::answering(FOUND);
    let process = Process::start(dir.path(), &format!("http://{}", shop.address), "");
    for (data, text) in [
        ("data", "in use by another shopbell"),
        ("file", "cannot be used"),
        ("file/data", "cannot be used"),
        ("/proc/shopbell", "cannot be used"),
    ] {
        let said = said(dir.path(), &[&RUN[..], &["--data", data]].concat());
        assert!(said.starts_with("exit 1\n") && said.contains(text) && said.contains(data), "{data}\n{said}");
    }
    let mut visitor = process.visitor();
    visitor.send(form("/x", "id=1"));
    assert_eq!(visitor.answer().first(), "HTTP/1.1 302 Found", "the one that owns it goes on");
}

/// Bytes of databases are overwritten, one or all: it starts, says so, and works.
#[test]
fn a_damaged_data_directory_is_told() {
    let shop = Scripted::answering(FOUND);
    let upstream = format!("http://{}", shop.address);
    for damaged in [&["journal/events"][..], &["journal/log"], &["state"], &["journal/events", "journal/log", "state"]]
    {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &[("r.toml", RULES.as_bytes())]);
        let process = Process::start(dir.path(), &upstream, "");
        let mut visitor = process.visitor();
        for id in 0..20 {
            visitor.send(form("/x", &format!("id={id}")));
            visitor.answer();
        }
        drop(visitor);
        assert_eq!(process.stop().code(), Some(0));
        let databases: Vec<_> =
            damaged.iter().flat_map(|part| databases(&dir.path().join("data").join(part))).collect();
        assert_eq!(databases.len(), damaged.len());
        for path in databases {
            let mut bytes = fs::read(&path).unwrap();
            bytes[100..].fill(0xAB);
            fs::write(&path, bytes).unwrap();
        }
        fs::remove_file(dir.path().join("log")).unwrap();
        let process = Process::start(dir.path(), &upstream, "");
        let log = process.log();
        assert!(log.contains("WARN shopbell::app: "), "{damaged:?}\n{log}");
        let mut visitor = process.visitor();
        visitor.send(form("/x", "id=99"));
        assert_eq!(visitor.answer().first(), "HTTP/1.1 302 Found");
        eventually("it works", || process.metric("shopbell_engine_events_total") == 1);
        drop(visitor);
        assert_eq!(process.stop().code(), Some(0));
    }
}

/// Database files below a directory.
fn databases(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let below = entries.flat_map(|path| match path.is_dir() {
        true => databases(&path),
        false if path.ends_with("db") => vec![path],
        false => Vec::new(),
    });
    below.collect()
}
