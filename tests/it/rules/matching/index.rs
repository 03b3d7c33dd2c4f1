//! The index: nothing is lost, and other rules cost nothing.

use std::fmt::Write as _;

use proptest::prelude::*;
use shopbell::rules::{Candidates, Need, OpenWaits};

use super::super::{Seen, ruleset};

fn rule(name: impl std::fmt::Display, rest: &str) -> String {
    format!("[event.{name}]\ntopic = \"a.b\"\nid = \"1\"\n{rest}\n")
}

#[test]
fn other_rules_bring_no_candidates() {
    let mut text = String::new();
    for n in 0..300 {
        text += &rule(format!("path-{n}"), &format!("on = 'POST /p{n}/{{id:int}}/**'"));
        text +=
            &rule(format!("route-{n}"), &format!("on = 'POST /index.php'\nquery.route = 'r/{n}'\nquery.token = true"));
        text += &rule(format!("key-{n}"), &format!("on = 'POST /index.php'\nquery.k{n} = 'x'"));
        text += &rule(format!("host-{n}"), &format!("on = 'POST /index.php'\nhost = 'h{n}.example'"));
        text += &rule(format!("get-{n}"), "on = 'GET /index.php'");
    }
    text += &rule("all", "on = 'POST /**'");
    let rules = ruleset(&text);
    let names = |request| {
        let candidates = rules.wants(&Seen { request, ..Seen::default() }.request_head(), &OpenWaits::default());
        let rules = candidates.unwrap_or_default().rules.into_iter().map(|at| rules.events[at as usize].name.clone());
        rules.collect::<Vec<_>>()
    };
    assert_eq!(names("POST /index.php?route=r/7&token=1"), ["route-7", "all"]);
    assert_eq!(names("POST /index.php?route=r/7"), ["all"]);
    assert_eq!(names("POST /index.php?k5=x&k6=y"), ["key-5", "all"]);
    assert_eq!(names("POST /p9/12/x"), ["path-9", "all"]);
    assert_eq!(names("GET /p9/12/x"), Vec::<String>::new());
    assert_eq!(names("GET /index.php?route=r/7").len(), 300);
    assert_eq!(names("HEAD /index.php"), Vec::<String>::new());
}

#[test]
fn what_a_head_decides_narrows_and_what_it_cannot_decide_stays() {
    let rows = [
        // Conditions, whether the request keeps it, what the answer leaves to see.
        ("query.a = 1", true, Need::Head),
        ("query.a = 2", false, Need::Nothing),
        ("cookies.c = true", false, Need::Nothing),
        ("headers.x = 'y'", true, Need::Head),
        ("any = [{ query.a = 2 }, { form.x = 1 }]", true, Need::Head),
        ("any = [{ query.a = 2 }, { headers.x = 'z' }]", false, Need::Nothing),
        ("none = [{ query.a = 1 }]", false, Need::Nothing),
        ("none = [{ query.a = 1, form.x = 1 }]", true, Need::Head),
        ("status = 200", true, Need::Nothing),
        ("location.query.r = 'x'", true, Need::Head),
        ("location.query.r = 'y'", true, Need::Nothing),
        ("response.headers.x = true", true, Need::Nothing),
        // Only with the time can it be told that it is deleted.
        ("response.cookies.c = false", true, Need::Head),
        ("response.json.ok = 1", true, Need::Body),
        ("response.body = { contains = 'x' }\nlocation.query.r = 'y'", true, Need::Nothing),
        ("none = [{ response.json.error = true }]", true, Need::Body),
        ("payload_from = 'response.json'", true, Need::Body),
        ("payload.x = '{{ response.json.x }}'", true, Need::Body),
        ("payload.x = ['{{ form.x }}', { y = '{{ response.body }}' }]", true, Need::Body),
        ("payload.x = '{{ form.x }}'", true, Need::Head),
        ("when = 'response.json.x == 1'", true, Need::Body),
    ];
    let seen = Seen {
        request: "POST /x?a=1",
        headers: &[("x", "y")],
        status: 302,
        response_headers: &[("location", "/?r=x"), ("set-cookie", "c=d; expires=Sun, 01 Jan 2017 00:00:00 GMT")],
        ..Seen::default()
    };
    for (conditions, wanted, need) in rows {
        let rules = ruleset(&rule("r", &format!("on = 'POST /x'\n{conditions}")));
        let candidates = rules.wants(&seen.request_head(), &OpenWaits::default());
        assert_eq!(candidates.is_some(), wanted, "{conditions}");
        let mut candidates = candidates.unwrap_or_default();
        assert_eq!(rules.narrow(&mut candidates, &seen.request_head(), &seen.response_head()), need, "{conditions}");
        assert_eq!(candidates.rules.is_empty(), need == Need::Nothing, "{conditions}");
    }
}

#[test]
fn ignored_requests_are_dropped_unseen() {
    let text =
        "[shop]\nignore = [{ headers.user-agent = { contains = 'bot' }, query.a = 1 }, { host = 'old.example' }]\n";
    let rules = ruleset(&(text.to_owned() + &rule("r", "on = 'GET /**'")));
    let wants = |request, headers| {
        rules.wants(&Seen { request, headers, ..Seen::default() }.request_head(), &OpenWaits::default()).is_some()
    };
    assert!(!wants("GET /?a=1", &[("user-agent", "a bot")]));
    assert!(wants("GET /?a=2", &[("user-agent", "a bot")]));
    assert!(wants("GET /?a=1", &[]));
}

/// Segments and templates over a small alphabet, so that they meet often.
fn template() -> impl Strategy<Value = String> {
    let segment = prop::sample::select(vec!["a", "b", "7", "**", "{x}", "{y:int}", ""]);
    prop::collection::vec(segment, 1..5).prop_map(|segments| {
        let mut text = String::new();
        for (at, segment) in segments.into_iter().enumerate() {
            // A capture's name may stand once in a path.
            write!(text, "/{}", segment.replace(['x', 'y'], &format!("n{at}"))).expect("a string takes it");
        }
        text
    })
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "7", "42", "%61", ""]), 1..6)
        .prop_map(|segments| format!("/{}", segments.join("/")))
}

/// Whether a template fits, by trying everything.
fn fits(template: &[&str], path: &[&str]) -> bool {
    match (template, path) {
        ([], []) => true,
        (["**", rest @ ..], _) => fits(rest, path) || (!path.is_empty() && fits(template, &path[1..])),
        ([first, rest @ ..], [segment, left @ ..]) => {
            let segment = if *segment == "%61" { "a" } else { segment };
            let one = match *first {
                int if int.ends_with(":int}") => !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_digit()),
                any if any.starts_with('{') => !segment.is_empty(),
                literal => literal == segment,
            };
            one && fits(rest, left)
        }
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_tree_finds_what_trying_everything_finds(
        templates in prop::collection::vec(template(), 1..8),
        paths in prop::collection::vec(path(), 1..12),
    ) {
        let text: String = templates.iter().enumerate().map(|(n, t)| rule(n, &format!("on = 'GET {t}'"))).collect();
        let rules = ruleset(&text);
        for path in &paths {
            let request = format!("GET {path}");
            let seen = Seen { request: &request, ..Seen::default() };
            let split: Vec<&str> = path[1..].split('/').collect();
            let expected: Vec<u32> = (0_u32..)
                .zip(&templates)
                .filter(|(_, template)| fits(&template[1..].split('/').collect::<Vec<_>>(), &split))
                .map(|(number, _)| number)
                .collect();
            let found = rules.wants(&seen.request_head(), &OpenWaits::default()).unwrap_or_default();
            prop_assert_eq!(&found.rules, &expected, "{}", path);
            // What the tree says, the template itself says too, captures and all.
            let all = Candidates::of((0..u32::try_from(templates.len()).expect("few")).collect());
            let matched: Vec<u32> = rules.matches(&seen.reading(), &all).rules.iter().map(|rule| rule.rule).collect();
            prop_assert_eq!(matched, expected, "{}", path);
        }
    }

    #[test]
    fn literals_in_the_index_lose_nothing(
        rows in prop::collection::vec((0..3_u8, 0..3_u8, prop::option::of(0..3_u8), prop::option::of(0..3_u8)), 1..10),
        queries in prop::collection::vec(prop::collection::vec((0..3_u8, 0..4_u8, any::<bool>()), 0..4), 1..8),
    ) {
        let mut text = String::new();
        for (number, (key, value, other, form)) in rows.iter().enumerate() {
            let other = other.map(|value| format!("query.k9 = ['{value}', 'z']\n")).unwrap_or_default();
            let form = form.map(|value| format!("form.f = '{value}'\n")).unwrap_or_default();
            text += &rule(number, &format!("on = 'POST /x'\nquery.k{key} = '{value}'\n{other}{form}"));
        }
        let rules = ruleset(&text);
        for query in &queries {
            let pairs: Vec<String> = query.iter().map(|(key, value, list)| {
                let (key, brackets) = (if *key == 2 { 9 } else { *key }, if *list { "[]" } else { "" });
                format!("k{key}{brackets}={value}")
            }).collect();
            let request = format!("POST /x?{}", pairs.join("&"));
            let headers = &[("content-type", "application/x-www-form-urlencoded")];
            let seen = Seen { request: &request, headers, body: "f=1", ..Seen::default() };
            // Every rule asked for itself, without the index.
            let alone = |number: &u32| rules.failure(*number as usize, &seen.reading()).is_none();
            let expected: Vec<u32> = (0..u32::try_from(rows.len()).expect("few")).filter(alone).collect();
            let candidates = rules.wants(&seen.request_head(), &OpenWaits::default()).unwrap_or_default();
            let matched: Vec<u32> = rules.matches(&seen.reading(), &candidates).rules.iter().map(|r| r.rule).collect();
            prop_assert_eq!(matched, expected, "{}", request);
        }
    }
}
