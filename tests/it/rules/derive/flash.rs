//! One-time messages: those an answer adds, and the boxes of pages.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use shopbell::exchange::{ReadOptions, Reading};
use shopbell::rules::{Candidates, Matched, OpenWaits};

use super::super::{Seen, ruleset};
use super::play;

const COOKIE: &str = "[flash]\ncookie = 'messages'\nformat = 'django'\n";
const PAGE: &str = "page.success = '.alert-success'\npage.error = '.alert-danger'\n";

/// A `messages` cookie as Django writes it.
fn cookie(messages: &[(u8, &str)]) -> String {
    let list: Vec<_> =
        messages.iter().map(|(level, text)| serde_json::json!(["__json_message", 0, level, text])).collect();
    let json = serde_json::to_string(&list).expect("JSON");
    format!("messages={}:1wXyz:signature", URL_SAFE_NO_PAD.encode(json))
}

/// How a rule with `flash` stands: on a request with these messages, answered by a cookie with those, or none.
fn matched(table: &str, rule: &str, sent: &[(u8, &str)], set: Option<&[(u8, &str)]>) -> Matched {
    let rules = ruleset(&format!("{table}[event.r]\non = 'POST /add'\ntopic = 'a.b'\nid = 1\n{rule}\n"));
    let (sent, set) = (cookie(sent), set.map(|set| format!("{}; Path=/", cookie(set))));
    let headers = [("cookie", sent.as_str())];
    let answer: Vec<(&str, &str)> = set.iter().map(|set| ("set-cookie", set.as_str())).collect();
    let seen =
        Seen { request: "POST /add", headers: &headers, status: 302, response_headers: &answer, ..Seen::default() };
    let reading = Reading::new(seen.exchange(), ReadOptions::default());
    let all = rules.matches(&reading, &Candidates::of(vec![0]));
    // What the heads say may leave out no rule that matches.
    let left = rules.wants(&seen.request_head(), &OpenWaits::default()).map(|mut candidates| {
        rules.narrow(&mut candidates, &seen.request_head(), &seen.response_head());
        candidates.rules.len()
    });
    let nothing = all.rules.is_empty() && all.waiting.is_empty();
    assert!(left == Some(1) || nothing, "the heads lost a match of {rule}");
    all
}

#[test]
fn messages_the_answer_added_decide() {
    const OK: (u8, &str) = (25, "<a href=\"/p/6/\">Tea</a> was added");
    const NO: (u8, &str) = (40, "not enough in stock");
    for (rule, sent, set, fits) in [
        ("flash = 'success'", &[][..], &[OK][..], true),
        ("flash = 'success'", &[], &[NO], false),
        ("flash = 'error'", &[], &[OK, NO], true),
        ("flash = ['info', 'success']", &[], &[OK], true),
        ("flash = ['info', 'warning']", &[], &[OK], false),
        // Carried along since no page has shown it yet.
        ("flash = 'success'", &[OK], &[OK], false),
        ("flash = 'success'", &[OK], &[OK, NO], false),
        ("flash = 'error'", &[OK], &[OK, NO], true),
        ("flash = 'success'", &[OK], &[OK, OK], true),
        ("flash = { level = 'success', text = { contains = '/p/6/' } }", &[], &[OK], true),
        ("flash = { level = 'error', text = { contains = '/p/6/' } }", &[], &[OK, NO], false),
        ("flash = { text = { regex = 'stock$' } }", &[], &[NO], true),
        ("flash = { level = ['info', 'error'] }", &[], &[NO], true),
        ("flash = ['info', { text = { starts = 'not' } }]", &[], &[NO], true),
        ("flash = true", &[], &[NO], true),
        ("flash = false", &[], &[NO], false),
        ("flash = false", &[NO], &[NO], true),
        ("flash = false", &[NO], &[], true),
        ("any = [{ flash = 'info' }, { flash = 'error' }]", &[], &[NO], true),
        ("none = [{ flash = 'error' }]", &[], &[NO], false),
        ("none = [{ flash = 'error' }]", &[], &[OK], true),
    ] {
        for table in [COOKIE.to_owned(), format!("{COOKIE}{PAGE}")] {
            let matched = matched(&table, rule, sent, Some(set));
            assert_eq!(!matched.rules.is_empty(), fits, "{rule} {sent:?} {set:?}");
            assert!(matched.waiting.is_empty() && matched.notes.is_empty(), "{rule}");
        }
    }
}

#[test]
fn without_a_cookie_the_next_page_is_waited_for_if_it_can_be_read() {
    // With `page`, without: matched, waiting.
    for (rule, with_page, without) in [
        ("flash = 'success'", (0, 1), (0, 0)),
        ("flash = true", (0, 1), (0, 0)),
        ("flash = false", (0, 1), (1, 0)),
        ("any = [{ flash = 'error' }, { status = 302 }]", (1, 0), (1, 0)),
        ("flash = 'success'\nfind.x = { css = 'a' }", (0, 0), (0, 0)),
        ("flash = 'success'\nquery.x = true", (0, 0), (0, 0)),
    ] {
        let counts = |table: &str| {
            let matched = matched(table, rule, &[], None);
            (matched.rules.len(), matched.waiting.len())
        };
        assert_eq!(counts(&format!("{COOKIE}{PAGE}")), with_page, "{rule}");
        assert_eq!(counts(&format!("[flash]\n{PAGE}")), with_page, "{rule}");
        assert_eq!(counts(COOKIE), without, "{rule}");
    }
}

/// What a table says beside `flash` is not known any more when the next page comes.
#[test]
fn a_flash_in_a_table_does_not_wait() {
    for rule in
        ["none = [{ flash = 'error' }]", "any = [{ flash = 'success' }]", "flash = true\nnone = [{ flash = 'error' }]"]
    {
        let matched = matched(&format!("{COOKIE}{PAGE}"), rule, &[], None);
        assert!(matched.rules.is_empty() && matched.waiting.is_empty(), "{rule}");
        assert!(matched.notes[0].text.ends_with("no cookie came with its messages"), "{:?}", matched.notes);
    }
}

#[test]
fn a_cookie_that_cannot_be_read_is_told() {
    let rules = ruleset(&format!("{COOKIE}[event.r]\non = 'POST /add'\ntopic = 'a.b'\nid = 1\nflash = 'success'\n"));
    let seen = Seen {
        request: "POST /add",
        status: 302,
        response_headers: &[("set-cookie", "messages=.garbage:x:y")],
        ..Seen::default()
    };
    assert_eq!(
        play(&rules, &[seen]),
        "! r: `flash = 'success'` cannot be decided, so the rule did not match: the cookie is not decodable"
    );
}

#[test]
fn messages_are_values_and_sources() {
    let rules = ruleset(&format!(
        "{COOKIE}[event.r]\non = 'POST /add'\ntopic = 'a.b'\nid = '{{{{ find.id }}}}'\n\
         find.id = {{ from = ['flash', 'location'], regex = '/p/(\\d+)/' }}\n\
         payload.said = '{{{{ flash }}}}'\npayload.first = '{{{{ flash[0].text | strip_tags }}}}'\n"
    ));
    let sent = cookie(&[(20, "<a href=\"/p/5/\">old</a>")]);
    let set = cookie(&[(20, "<a href=\"/p/5/\">old</a>"), (20, "plain"), (25, "<a href=\"/p/6/\">Tea</a>")]);
    let headers = [("cookie", sent.as_str())];
    let with = |answer| Seen {
        request: "POST /add",
        headers: &headers,
        status: 302,
        response_headers: answer,
        ..Seen::default()
    };
    let (flash, location) = ([("set-cookie", set.as_str()), ("location", "/p/7/")], [("location", "/p/7/")]);
    assert_eq!(
        play(&rules, &[with(&flash), with(&location)]),
        "a.b {\"id\":\"6\"} {\"id\":6,\"said\":[{\"level\":\"info\",\"text\":\"plain\"},\
         {\"level\":\"success\",\"text\":\"<a href=\\\"/p/6/\\\">Tea</a>\"}],\"first\":\"plain\"}\n--\n\
         a.b {\"id\":\"7\"} {\"id\":7,\"said\":[]}"
    );
}

#[test]
fn boxes_of_a_page_are_messages() {
    let rules =
        ruleset(&format!("[flash]\n{PAGE}[event.r]\non = 'POST /add'\ntopic = 'a.b'\nid = 1\nflash = 'success'\n"));
    let page = "<div class='alert alert-danger'> no <b>stock</b></div><div class=alert-success></div><p class=alert-success>ok";
    let answer = |body| Seen {
        request: "GET /cart",
        response_headers: &[("content-type", "text/html")],
        response_body: body,
        ..Seen::default()
    };
    let boxes = |body| rules.shown_flash(&Reading::new(answer(body).exchange(), ReadOptions::default()));
    assert_eq!(boxes("{}"), None, "no page says nothing of messages");
    assert_eq!(boxes("<p>none"), Some(Vec::new()));
    let boxes = boxes(page).expect("a page");
    assert!(rules.events[0].flash_fits(&boxes) && !rules.events[0].flash_fits(&boxes[1..]));
    let shown: Vec<_> = boxes.iter().map(|shown| format!("{}: {}", shown.message.level, shown.message.text)).collect();
    assert_eq!(shown, ["success: ok", "error: no stock"]);
    assert_eq!(boxes[1].html, r#"<div class="alert alert-danger"> no <b>stock</b></div>"#);
}

/// What is remembered of the visitor does not stand in for what the next page shows.
#[test]
fn a_rule_with_memory_waits_all_the_same() {
    let session = format!("[session]\ncookies = ['sid']\n{COOKIE}{PAGE}");
    let counts = |rule: &str, set: Option<&[(u8, &str)]>| {
        let matched = matched(&session, rule, &[], set);
        (matched.rules.len(), matched.waiting.len())
    };
    let rule = "flash = 'success'\nsession.me = true";
    assert_eq!(counts(rule, None), (0, 1));
    assert_eq!(counts(rule, Some(&[(25, "ok")])), (1, 0));
    assert_eq!(counts("flash = 'success'\nany = [{ session.me = true }, { query.a = true }]", None), (0, 1));
    assert_eq!(counts("session.me = true", None), (1, 0));
}
