//! The house's own rules (docs: design section 3): which room may import which, words that only one file may say, sizes,
//! and what may lie at the top. Reads the sources as text; comments and literals are blanked first.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Who may import whom. A room that is not here may import nothing of ours; `app` may import everything but `cli`.
const ARROWS: [(&str, &str); 14] = [
    ("main", "cli"),
    ("cli", "app settings admin rules exchange mac diagnostic"),
    ("app", "settings admin engine deliver proxy tap rules store exchange model mac diagnostic clock id"),
    ("admin", "store engine deliver rules exchange model settings mac diagnostic clock id"),
    ("engine", "tap rules store exchange model diagnostic clock id"),
    ("deliver", "store model mac clock id"),
    ("store", "model mac clock id"),
    ("rules", "exchange model diagnostic"),
    ("tap", "exchange"),
    ("proxy", ""),
    ("exchange", "clock"),
    ("model", "clock id"),
    ("settings", "diagnostic"),
    ("lib", ""),
];

/// Words of crates and types that live behind one wall: word, where it may stand, and in how many files at most.
const WORDS: [(&str, &str, usize); 5] = [
    ("sled", "src/store/", 1),
    ("notify", "src/engine/", 1),
    ("hmac", "src/mac.rs", 1),
    ("SystemTime", "src/clock.rs", 1),
    ("minijinja", "src/rules/expr/", usize::MAX),
];

/// Lines a file may have.
const MAX_LINES: usize = 400;

/// What may lie at the top of the repository.
const TOP: &str = "Cargo.toml Cargo.lock rust-toolchain.toml README.md LICENSE-MIT LICENSE-APACHE .ci .cargo docs benches src \
                   rules tests examples .clippy.toml .rustfmt.toml .gitignore";
/// What builds, tools and running programs leave there; git ignores it or is it.
const LEFT: &str = ".git target data";

#[test]
fn imports_go_only_along_the_arrows() {
    let mut wrong = Vec::new();
    for file in sources("src") {
        let room = room(&file);
        let allowed: BTreeSet<&str> =
            ARROWS.iter().filter(|(from, _)| *from == room).flat_map(|(_, to)| to.split(' ')).collect();
        for target in imports(&file, &blanked(&file)) {
            // `crate::x` may also name an item of the crate root; only rooms are bound by arrows.
            if target != room && is_room(&target) && !allowed.contains(target.as_str()) {
                wrong.push(format!("{}: {room} → {target}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "imports against the arrows of design section 3:\n{}", wrong.join("\n"));
}

#[test]
fn some_words_stand_in_one_place_only() {
    for (word, place, most) in WORDS {
        let saying: Vec<String> = sources("src")
            .into_iter()
            .filter(|file| words(&blanked(file)).any(|other| other == word))
            .map(|file| file.display().to_string())
            .collect();
        assert!(saying.iter().all(|file| file.starts_with(place)), "`{word}` belongs into {place}: {saying:?}");
        assert!(saying.len() <= most, "`{word}` may be said by {most} file: {saying:?}");
    }
}

#[test]
fn files_are_short() {
    let all = ["src", "tests", "benches", "examples"].into_iter().flat_map(sources);
    let long = all.map(|file| (read(&file).lines().count(), file)).filter(|(lines, _)| *lines > MAX_LINES);
    let long: Vec<_> = long.collect();
    assert!(long.is_empty(), "longer than {MAX_LINES} lines: {long:?}");
}

#[test]
fn nothing_is_left_undone_or_papered_over() {
    let mut wrong = Vec::new();
    for file in ["src", "tests", "benches", "examples"].into_iter().flat_map(sources) {
        let code = blanked(&file);
        for sign in ["todo!", "unimplemented!", "dbg!", "#[allow(", "#![allow("] {
            if code.contains(sign) {
                wrong.push(format!("{}: {sign}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for() {
    let all = ["src", "examples", "benches"].into_iter().flat_map(sources);
    let modules = all.filter(|file| !file.ends_with("tests.rs"));
    let silent: Vec<_> = modules.filter(|file| !read(file).starts_with("//!")).collect();
    assert!(silent.is_empty(), "without a first line `//! …`: {silent:?}");
}

#[test]
fn the_top_level_is_kept_tidy() {
    let known: BTreeSet<&str> = TOP.split_whitespace().chain(LEFT.split_whitespace()).collect();
    let entries = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let odd: Vec<_> = entries.filter(|name| !known.contains(name.as_str())).collect();
    assert!(odd.is_empty(), "not among what design section 3 lists: {odd:?}");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Rust files below a directory, relative to the root, in name order.
fn sources(dir: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(dir)];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

fn read(file: &Path) -> String {
    fs::read_to_string(root().join(file)).unwrap()
}

/// The first step below `src`: `cli` of `src/cli/log.rs`, `clock` of `src/clock.rs`.
fn room(file: &Path) -> String {
    let first = file.components().nth(1).unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

fn is_room(name: &str) -> bool {
    let src = root().join("src");
    src.join(name).is_dir() || src.join(format!("{name}.rs")).is_file()
}

/// Rooms that a file names: after `crate::` (`shopbell::` in main.rs), in a group or alone, or by climbing up with `super`.
fn imports(file: &Path, code: &str) -> BTreeSet<String> {
    let dense: String = code.split_whitespace().collect::<Vec<_>>().join(" ").replace(" ::", "::").replace(":: ", "::");
    let start = if file.ends_with("src/main.rs") { "shopbell::" } else { "crate::" };
    let mut found = BTreeSet::new();
    for (at, _) in dense.match_indices(start) {
        if !dense[..at].ends_with(|letter: char| letter.is_alphanumeric() || letter == '_') {
            found.extend(firsts(&dense[at + start.len()..]));
        }
    }
    let depth = file.components().count() - 1 - usize::from(file.ends_with("mod.rs"));
    let climb = "super::".repeat(depth);
    for (at, _) in dense.match_indices(&climb) {
        let rest = dense[at + climb.len()..].trim_start_matches("super::");
        found.extend(firsts(rest).into_iter().filter(|name| !root().join(file).with_file_name(name).exists()));
    }
    found
}

/// The first name of a path, or of every branch of a group `{a::b, c}`.
fn firsts(text: &str) -> Vec<String> {
    let name =
        |text: &str| text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(group) = text.strip_prefix('{') else { return vec![name(text)] };
    let (mut depth, mut names, mut from) = (1, Vec::new(), 0);
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (depth == 1 && letter == ',') {
            names.push(name(&group[from..at]));
            from = at + 1;
        }
        if depth == 0 {
            break;
        }
    }
    names
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
}

/// A file's code with comments gone and the contents of literals blanked.
fn blanked(file: &Path) -> String {
    blank(&read(file))
}

fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let skipped = match letter {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => quoted(rest),
            'r' if !out.ends_with(|c: char| c.is_alphanumeric() || c == '_') => raw(rest),
            '\'' => character(rest),
            _ => 0,
        };
        if skipped == 0 {
            out.push(letter);
            rest = &rest[letter.len_utf8()..];
        } else {
            out.push(' ');
            rest = &rest[skipped..];
        }
    }
    out
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        match text.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted(text: &str) -> usize {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, letter)| {
        let end = *letter == '"' && !escaped;
        escaped = *letter == '\\' && !escaped;
        end
    });
    end.map_or(text.len(), |(at, _)| at + 1)
}

fn raw(text: &str) -> usize {
    let hashes = text[1..].chars().take_while(|letter| *letter == '#').count();
    let Some(body) = text[1 + hashes..].strip_prefix('"') else { return 0 };
    let end = format!("\"{}", "#".repeat(hashes));
    body.find(&end).map_or(text.len(), |at| 2 + hashes + at + end.len())
}

/// A character literal; 0 for a lifetime.
fn character(text: &str) -> usize {
    let mut letters = text.char_indices().skip(1);
    match letters.next() {
        Some((_, '\\')) => text[2..].char_indices().skip(1).find(|(_, c)| *c == '\'').map_or(0, |(at, _)| 2 + at + 1),
        Some(_) => letters.next().filter(|(_, letter)| *letter == '\'').map_or(0, |(at, _)| at + 1),
        None => 0,
    }
}

#[test]
fn the_reader_of_sources_sees_code_and_nothing_else() {
    let rows = [
        ("let a = \"crate::store\"; // crate::admin\nx", "let a =  ;  \nx"),
        ("r#\"sled \"# + b'\\'' + '\"' /* a /* b */ c */ + 'a", "  + b  +     + 'a"),
    ];
    for (text, wanted) in rows {
        assert_eq!(blank(text), wanted);
    }
    let code = "use crate::{app, rules::{self, x}};\npub(in crate::cli) fn f() { crate :: store::y() } use super::super::admin;";
    let found = imports(Path::new("src/cli/log.rs"), code);
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["admin", "app", "cli", "rules", "store"]);
}
