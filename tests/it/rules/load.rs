//! Rules files that do and do not load.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use shopbell::diagnostic::Severity;
use shopbell::rules::{SourceFile, load};

use super::{load_text, rendered};

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/rules").join(folder);
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    files.sort();
    files
}

/// A case may hold several files, each after a line `#--- path`.
fn sources(text: &str) -> Vec<SourceFile> {
    let mut sources: Vec<SourceFile> = Vec::new();
    for line in text.split_inclusive('\n') {
        match line.strip_prefix("#--- ") {
            Some(path) => sources.push(SourceFile { path: path.trim().to_owned(), bytes: Vec::new() }),
            None => match sources.last_mut() {
                Some(source) => source.bytes.extend_from_slice(line.as_bytes()),
                None => sources.push(SourceFile { path: "shop.toml".to_owned(), bytes: line.as_bytes().to_vec() }),
            },
        }
    }
    sources
}

#[test]
fn faulty_files_show_all_their_faults() {
    for path in files("faulty") {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let loaded = load(&sources(&text));
        assert!(!loaded.diagnostics.is_empty(), "{name} has no fault");
        let failed = loaded.diagnostics.iter().any(|fault| fault.severity == Severity::Error);
        assert_eq!(loaded.ruleset.is_none(), failed, "{name}");
        insta::assert_snapshot!(name, rendered(&loaded.diagnostics));
    }
}

#[test]
fn good_files_load_without_a_word() {
    for path in files("good") {
        let text = std::fs::read_to_string(&path).unwrap();
        let loaded = load(&sources(&text));
        assert_eq!(rendered(&loaded.diagnostics), "", "{}", path.display());
        assert!(loaded.ruleset.is_some(), "{}", path.display());
    }
}

#[test]
fn a_file_that_is_no_utf8_says_how_to_save_it_and_shows_its_other_faults() {
    let bytes = b"[event.a]\non = \"GET /\"\npayload.name = \"Gr\xfc\xdfe\"\nstaus = 302\n".to_vec();
    let good = b"[event.b]\non = \"GET /\"\ntopic = \"order\"\nid = \"1\"\n".to_vec();
    let source = |path: &str, bytes| SourceFile { path: path.to_owned(), bytes };
    let loaded = load(&[source("latin.toml", bytes), source("b.toml", good)]);
    let told: Vec<String> = loaded.diagnostics.iter().map(ToString::to_string).collect();
    assert!(loaded.ruleset.is_none());
    assert!(told[0].starts_with("b.toml:3:9: `order` is no topic"), "{told:#?}");
    assert_eq!(told[1], "latin.toml:3:19: this file is not UTF-8 (byte 0xFC) (save the file as UTF-8)");
    assert_eq!(told[2], "latin.toml:4:1: unknown key `staus` of an event (did you mean `status`?)");
}

#[test]
fn rules_stand_by_priority_then_file_then_place() {
    let rule = |name: &str, priority: i64| {
        format!("[event.{name}]\non = \"GET /\"\ntopic = \"a.b\"\nid = \"1\"\npriority = {priority}\n")
    };
    let source = |path: &str, text: String| SourceFile { path: path.to_owned(), bytes: text.into_bytes() };
    let files = [
        source("b.toml", rule("b1", 0) + &rule("b2", 5)),
        source("a.toml", rule("z", 0) + &rule("a", 0) + &rule("last", -1)),
    ];
    let ruleset = load(&files).ruleset.expect("it loads");
    let names: Vec<&str> = ruleset.events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["b2", "z", "a", "b1", "last"]);
    assert_eq!(ruleset.events[0].place, shopbell::rules::rule::Place { file: "b.toml".into(), line: 6 });
    assert_eq!(ruleset.summary().to_string(), "5 events, 0 webhooks, 0 keys");
}

#[test]
fn parts_lie_under_a_rule_and_when_any_none_add_up() {
    let text = r#"
        [vars]
        admin = "admin"
        [shop.vars]
        admin = "backoffice"
        [part.one]
        on = "POST /{$admin}/index.php"
        query.route = "a"
        query.page = "1"
        status = 302
        when = "form.x"
        any = [{ form.a = "1" }]
        none = [{ form.n = "1" }]
        [part.two]
        query.route = "b"
        status = "3xx"
        any = [{ form.b = "1" }, { form.c = "1" }]
        when = ["form.y", "form.z"]
        [event.rule]
        use = ["one", "two"]
        query.page = "2"
        none = [{ form.m = "1" }]
        when = "form.w"
        topic = ["product.updated", "action.saved"]
        id = 7
    "#;
    let loaded = load_text(text);
    let ruleset = loaded.ruleset.unwrap_or_else(|| panic!("{}", rendered(&loaded.diagnostics)));
    let rule = &ruleset.events[0];
    let mut shown = String::new();
    for condition in &rule.conditions {
        writeln!(shown, "{}", condition.text).unwrap();
    }
    assert_eq!(shown, "query.route = \"b\"\nquery.page = \"2\"\n");
    assert_eq!((rule.any.len(), rule.any[1].len(), rule.none.len(), rule.when.len()), (2, 2, 2, 4));
    assert_eq!(rule.on[0].path.text, "/backoffice/index.php");
    assert_eq!(rule.status.ranges, [(300, 399)]);
    assert_eq!(rule.topic.len(), 2);
    assert_eq!(ruleset.shop.vars["admin"], "backoffice");
}

#[test]
fn switched_off_rules_are_read_but_do_not_run() {
    let text = r#"
        [shop]
        off = ["oc-*"]
        [event.oc-a]
        on = "GET /"
        topic = "a.b"
        id = "1"
        [event.b]
        on = "GET /"
        topic = "a.b"
        id = "1"
    "#;
    let names: Vec<String> = load_text(text).ruleset.unwrap().events.into_iter().map(|event| event.name).collect();
    assert_eq!(names, ["b"]);
    let broken = text.replacen("a.b", "ab", 1);
    assert_eq!(load_text(&broken).diagnostics.len(), 1);
}

#[test]
fn no_events_at_all_is_a_warning() {
    let loaded = load(&[]);
    assert!(loaded.ruleset.is_some());
    assert_eq!(loaded.diagnostics[0].severity, Severity::Warning);
    assert!(loaded.diagnostics[0].message.contains("no events"));
}

#[test]
fn a_fault_in_a_part_is_told_once() {
    let part = "[part.p]\non = \"GET /\"\nquery.x = { regex = '(' }\n";
    let rule = |name: &str| format!("[event.{name}]\nuse = \"p\"\ntopic = \"a.b\"\nid = \"1\"\n");
    let loaded = load_text(&(part.to_owned() + &rule("a") + &rule("b")));
    assert_eq!(loaded.diagnostics.len(), 1, "{}", rendered(&loaded.diagnostics));
    assert_eq!(loaded.diagnostics[0].place(), "shop.toml:3:22");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// A good file with some bytes overwritten, and some of it cut out, never panics, and every fault lies in it.
    #[test]
    fn damaged_files_are_told_of_and_never_panic(
        at in any::<prop::sample::Index>(),
        bytes in prop::collection::vec(any::<u8>(), 0..6),
        cut in (any::<prop::sample::Index>(), 0..40_usize),
    ) {
        let mut text = include_bytes!("good/opencart.toml").to_vec();
        let start = at.index(text.len());
        let end = (start + bytes.len()).min(text.len());
        text.splice(start..end, bytes);
        let start = cut.0.index(text.len());
        let end = (start + cut.1).min(text.len());
        text.drain(start..end);
        let lines = text.split(|byte| *byte == b'\n').count();
        let loaded = load(&[SourceFile { path: "shop.toml".to_owned(), bytes: text }]);
        for fault in &loaded.diagnostics {
            prop_assert!(fault.line <= lines);
            prop_assert!(!fault.render(false).is_empty());
        }
        let failed = loaded.diagnostics.iter().any(|fault| fault.severity == Severity::Error);
        prop_assert_eq!(loaded.ruleset.is_none(), failed);
    }
}
