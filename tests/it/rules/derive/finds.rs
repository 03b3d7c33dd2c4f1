//! What finds give, row by row.

use proptest::prelude::*;
use shopbell::exchange::{CapturedBody, Damage, ReadOptions, Reading};
use shopbell::rules::{Candidates, Failure, OpenWaits, Replay};

use super::super::{Seen, ruleset};
use super::{at, play};

const PAGE: &str = "<!doctype html><title>Order 100004: confirmation</title><body class=postid-11>\
    <form><input name=token value=t><input name='selected[]' value=17><input name='selected[]' value=18></form>\
    <table id=list><tr><td>1<td>Tea<td>4,50<tr><td>2<td>Caf&eacute;<td>3,20<tr><td>3<td>none</table>\
    <div class=alert></div><a href='/product?product_id=5&amp;x=1'>five</a><a href='/product?product_id=6'>six</a>";
const HTML: &[(&str, &str)] = &[("content-type", "text/html; charset=utf-8")];
const FORM: &[(&str, &str)] = &[("content-type", "application/x-www-form-urlencoded")];

/// What `find.x` came to on an exchange: JSON, `-` where it is undefined, nothing where the rule did not match; notes behind.
fn found(find: &str, seen: &Seen<'_>) -> String {
    let text = format!(
        "[event.r]\non = 'GET|POST /**'\ntopic = 'action.a'\nresource = 'thing'\nid = 1\n{find}\narg.x = '{{{{ find.x }}}}'\n"
    );
    let played = play(&ruleset(&text), std::slice::from_ref(seen));
    let shown = played.lines().map(|line| match line.split_once(" {\"action\":\"a\",\"arg\":") {
        Some((_, "1}")) => "-".to_owned(),
        Some((_, body)) => body.trim_start_matches("{\"x\":").trim_end_matches("}}").to_owned(),
        None => line.to_owned(),
    });
    shown.collect::<Vec<_>>().join(" ")
}

fn rows(seen: &Seen<'_>, rows: &[(&str, &str)]) {
    for (find, wanted) in rows {
        let find = if find.starts_with("find.") { (*find).to_owned() } else { format!("find.x = {{ {find} }}") };
        assert_eq!(found(&find, seen), *wanted, "{find}");
    }
}

#[test]
fn pages_are_read_by_selectors_and_expressions() {
    let seen = Seen { request: "GET /x", response_headers: HTML, response_body: PAGE, ..Seen::default() };
    rows(
        &seen,
        &[
            (r"css = 'title'", "\"Order 100004: confirmation\""),
            (r"css = 'title', regex = '\d+'", "\"100004\""),
            (r"css = 'title', regex = 'Order (\d+)'", "\"100004\""),
            (r"css = 'title', regex = 'Bill (\d+)|Order (\d+)'", "\"100004\""),
            (r"css = 'title', regex = 'Or(x)?der'", ""),
            ("css = \"input[name='selected[]']\", attr = 'value'", "\"17\""),
            ("css = \"input[name='selected[]']\", attr = 'VALUE', all = true", "[\"17\",\"18\"]"),
            ("css = 'input', attr = 'data-none'", ""),
            ("css = 'input', attr = 'data-none', optional = true", "-"),
            // The first element that yields, not the first element.
            (r"css = 'a', attr = 'href', regex = 'product_id=(\d+)$'", "\"6\""),
            (r"css = 'a', attr = 'href', regex = 'product_id=(\d+)', all = true", "[\"5\",\"6\"]"),
            (r"regex = 'postid-(\d+)'", "\"11\""),
            (r"regex = 'product_id=(\d+)', all = true", "[\"5\",\"6\"]"),
            ("css = '.alert'", "\"\""),
            ("css = '.alert', absent = true", ""),
            ("css = '.error', absent = true", "-"),
            ("css = '#list > tbody > tr:nth-child(2) > td:nth-child(2)'", "\"Caf\u{e9}\""),
            ("xml = '//title'", ""),
            ("xml = '//title', absent = true", ""),
            ("from = 'location', regex = 'x', absent = true", "-"),
        ],
    );
}

#[test]
fn rows_are_lists_of_tables() {
    let seen = Seen { request: "GET /x", response_headers: HTML, response_body: PAGE, ..Seen::default() };
    let columns = "cols.id = { css = 'td:nth-child(1)' }, cols.name = { css = 'td:nth-child(2)' }";
    let price = "cols.price = { css = 'td:nth-child(3)', regex = '[\\d,]+' }";
    let optional = price.replace(" }", ", optional = true }");
    rows(
        &seen,
        &[
            (
                format!("rows = '#list tr', {columns}, {price}").as_str(),
                r#"[{"id":"1","name":"Tea","price":"4,50"},{"id":"2","name":"Café","price":"3,20"}]"#,
            ),
            (
                format!("rows = '#list tr', cols.id = {{ css = ':scope > td' }}, {optional}").as_str(),
                r#"[{"id":"1","price":"4,50"},{"id":"2","price":"3,20"},{"id":"3"}]"#,
            ),
            (
                "rows = 'a', cols.to = { attr = 'href', regex = '\\d+' }, cols.text = {}",
                r#"[{"to":"5","text":"five"},{"to":"6","text":"six"}]"#,
            ),
            ("rows = '#list', cols.all = { css = 'td:first-child', all = true }", r#"[{"all":["1","2","3"]}]"#),
            ("rows = '#none tr', cols.id = { css = 'td' }", ""),
            ("rows = '#none tr', cols.id = { css = 'td' }, optional = true", "-"),
            ("rows = '#list tr', cols.id = { css = 'i' }, absent = true", "-"),
        ],
    );
}

#[test]
fn sources_beside_the_body() {
    let form =
        "post_data=billing_email%3Da%2540b.c%26item%255B7%255D%3D2&data=%7B%22id%22%3A9%7D&plain=x17y&l[]=a1&l[]=b2";
    let seen = Seen {
        request: "POST /x?token=abc",
        headers: &[FORM[0], ("cookie", "basket=4:sig"), ("x-page", "p9")],
        body: form,
        status: 302,
        response_headers: &[("location", "/products/6/?m=1"), ("set-cookie", "seen=5"), HTML[0]],
        ..Seen::default()
    };
    rows(
        &seen,
        &[
            ("from = 'form.post_data', regex = 'email=([^&]*)'", "\"a%40b.c\""),
            ("from = 'form.post_data.billing_email'", "\"a@b.c\""),
            ("from = 'form.post_data.item[7]'", "\"2\""),
            ("from = 'form.data.id'", "\"9\""),
            ("from = 'form.plain', regex = '\\d+'", "\"17\""),
            ("from = 'form.l', regex = '\\d', all = true", "[\"1\",\"2\"]"),
            ("from = 'form.none'", ""),
            ("from = 'json.none', absent = true", ""),
            ("from = 'form.none', absent = true", "-"),
            ("from = 'location', regex = '/products/(\\d+)/'", "\"6\""),
            ("from = 'location.query.m'", "\"1\""),
            ("from = ['form.none', 'location'], regex = '\\d+'", "\"6\""),
            ("from = ['json.id', 'cookies.basket'], regex = '\\d+'", "\"4\""),
            ("from = 'headers.X-Page', regex = '\\d'", "\"9\""),
            ("from = 'response.cookies.seen'", "\"5\""),
            ("from = 'query.token'", "\"abc\""),
            ("from = 'request', regex = 'plain=(\\w+)'", "\"x17y\""),
            // There is no page, so nothing can be said of what is not in it.
            ("css = '.error', absent = true", ""),
        ],
    );
}

#[test]
fn json_and_xml_answers() {
    let json = Seen {
        request: "GET /x",
        response_headers: &[("content-type", "application/json")],
        response_body: r#"{"messages":"<ul class='error'><li><a href='/p/7/'>seven</a></ul>","list":["a1","b2"],"n":5}"#,
        ..Seen::default()
    };
    rows(
        &json,
        &[
            ("from = 'response.json.messages', css = '.error a', attr = 'href', regex = '\\d+'", "\"7\""),
            ("from = 'response.json.messages', rows = 'li', cols.text = { css = 'a' }", r#"[{"text":"seven"}]"#),
            ("from = 'response.json.list', regex = '\\d'", "\"1\""),
            ("from = 'response.json.list', all = true", "[\"a1\",\"b2\"]"),
            ("from = 'response.json.n'", "\"5\""),
            ("css = '.error', absent = true", ""),
        ],
    );
    let xml = Seen {
        request: "GET /x",
        response_headers: &[("content-type", "text/xml")],
        response_body: "<?xml version='1.0'?><wp_ajax><response action='add-tag_1'><taxonomy><response_data><![CDATA[<tr id='tag-16'>]]>\
                        </response_data><supplemental><term_id>16</term_id></supplemental></taxonomy></response></wp_ajax>",
        ..Seen::default()
    };
    rows(
        &xml,
        &[
            ("xml = '//term_id'", "\"16\""),
            ("xml = '//response_data', regex = 'tag-(\\d+)'", "\"16\""),
            ("xml = '/wp_ajax/response/@action'", "\"add-tag_1\""),
            ("xml = '//wp_error', absent = true", "-"),
        ],
    );
}

#[test]
fn finds_are_conditions_and_values() {
    let seen = Seen { request: "GET /x", response_headers: HTML, response_body: PAGE, ..Seen::default() };
    let title = "find.x = { css = 'title', regex = '\\d+', optional = true }";
    rows(
        &seen,
        &[
            (format!("{title}\nany = [{{ find.x = '100004' }}]").as_str(), "\"100004\""),
            (format!("{title}\nany = [{{ find.x = 5 }}, {{ query.a = true }}]").as_str(), ""),
            (format!("{title}\nnone = [{{ find.x = {{ gt = 5 }} }}]").as_str(), ""),
            (format!("{title}\nwhen = \"find.x | int > 5\"").as_str(), "\"100004\""),
            ("find.x = { css = '.no', optional = true }\nany = [{ find.x = false }]", "-"),
            (
                "find.x = { rows = '#list tr', cols.id = { css = 'td' } }\nany = [{ find.x.1.id = 2 }]",
                r#"[{"id":"1"},{"id":"2"},{"id":"3"}]"#,
            ),
        ],
    );
}

#[test]
fn nothing_is_concluded_from_a_page_that_is_cut() {
    let text = |more: &str| {
        format!(
            "[event.r]\non = 'GET /x'\ntopic = 'a.b'\nid = 1\npayload.x = '{{{{ find.x }}}}'\nfind.x = {{ css = 'title'{more} }}\n"
        )
    };
    let seen = Seen { request: "GET /x", response_headers: HTML, response_body: PAGE, ..Seen::default() };
    let mut cut = at(seen.exchange(), 0);
    cut.response_body = CapturedBody { damage: Some(Damage::Cut), ..CapturedBody::whole(PAGE) };
    for (more, events, note) in [
        (
            "",
            0,
            "`find.x = { css = 'title' }` cannot be decided, so the rule did not match: the body is longer than the",
        ),
        (", absent = true", 0, "cannot be decided"),
        // The rule asks for no more than it can have, but is told.
        (", optional = true", 1, "`find.x` is undefined: the body is longer than the capture limit"),
    ] {
        let rules = ruleset(&text(more));
        let (found, notes) = Replay::new(&rules).feed(0, cut.clone());
        assert_eq!(found.len(), events, "{more}");
        assert_eq!(notes.len(), 1, "{more}: {notes:?}");
        assert!(notes[0].text.contains(note), "{more}: {notes:?}");
    }
    // A condition on what is not known is not decided, either.
    let rules = ruleset(&text(", optional = true").replace("id = 1", "id = 1\nany = [{ find.x = false }]"));
    let (found, notes) = Replay::new(&rules).feed(0, cut);
    assert!(found.is_empty() && notes[0].text.contains("`any` cannot be decided"), "{notes:?}");
}

#[test]
fn explain_tells_what_a_find_gave() {
    let seen = Seen { request: "GET /x", response_headers: HTML, response_body: PAGE, ..Seen::default() };
    let reading = Reading::new(seen.exchange(), ReadOptions::default());
    for (find, found) in [
        ("find.x = { css = '.none' }", "nothing is found"),
        ("find.x = { css = 'title', absent = true }", "\"Order 100004: confirmation\""),
        ("find.x = { from = 'json.a' }", "there is no body of this kind"),
    ] {
        let rules = ruleset(&format!("[event.r]\non = 'GET /x'\ntopic = 'a.b'\nid = 1\n{find}\n"));
        assert_eq!(rules.failure(0, &reading), Some(Failure { wanted: find.to_owned(), found: found.to_owned() }));
    }
}

#[test]
fn only_what_reads_an_answers_body_needs_it() {
    use shopbell::rules::Need;
    let seen = Seen { request: "GET /x", ..Seen::default() };
    for (find, need) in [
        ("css = 'a'", Need::Body),
        ("from = 'response.json.a'", Need::Body),
        ("from = ['location', 'body'], regex = 'x'", Need::Body),
        ("from = 'location', regex = 'x'", Need::Head),
        ("from = ['form.a', 'request', 'flash'], regex = 'x'", Need::Head),
        ("from = 'response.headers.x'", Need::Head),
    ] {
        let flash = "[flash]\ncookie = 'messages'\n";
        let rules =
            ruleset(&format!("{flash}[event.r]\non = 'GET /x'\ntopic = 'a.b'\nid = 1\nfind.x = {{ {find} }}\n"));
        let mut candidates = rules.wants(&seen.request_head(), &OpenWaits::default()).expect("it is wanted");
        assert_eq!(rules.narrow(&mut candidates, &seen.request_head(), &seen.response_head()), need, "{find}");
    }
}

/// A thousand rules with a few finds between them: the page is parsed and each find computed once.
#[test]
fn equal_finds_are_computed_once() {
    use std::fmt::Write as _;
    let mut text = String::new();
    for n in 0..1000 {
        let find = format!("find.x = {{ css = 'tr:nth-child({}) td', all = true }}", n % 3 + 1);
        write!(text, "[event.r{n}]\non = 'GET /x'\ntopic = 'a.b'\nid = {n}\n{find}\n").expect("a string takes it");
    }
    let rules = ruleset(&text);
    let cells = "<td>cell".repeat(20_000);
    let page = format!("<table><tr>{cells}<tr>{cells}<tr>{cells}</table>");
    let seen = Seen { request: "GET /x", response_headers: HTML, response_body: &page, ..Seen::default() };
    let reading = Reading::new(seen.exchange(), ReadOptions::default());
    let matched = rules.matches(&reading, &Candidates::of((0..1000).collect()));
    assert_eq!(matched.rules.len(), 1000);
    let place = |at: usize| std::sync::Arc::as_ptr(&matched.rules[at].found.finds[0].1);
    assert_eq!(place(0), place(999), "equal finds share what they found");
    assert_ne!(place(0), place(1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a shop answers, finds give something or nothing.
    #[test]
    fn hostile_answers_never_panic(
        start in prop::sample::select(vec!["", "<table>", "<?xml version='1.0'?><a>", "{\"a\":\"", "a=%"]),
        pieces in prop::collection::vec(
            prop::sample::select(vec!["<td>", "</table>", "<tr>", "&#x", "\u{e9}", "\"", "}", "<a href='", "1", "=", "%E9", "&", "]]>", "<!--"]),
            0..40,
        ),
    ) {
        let body = start.to_owned() + &pieces.concat();
        let finds = "find.a = { css = 'td', regex = '.*', optional = true }\nfind.b = { xml = '//a', all = true, optional = true }\n\
                     find.c = { rows = 'tr', cols.x = { css = 'td', all = true }, optional = true }\n\
                     find.d = { from = ['form.a.b.c', 'response.json.a.b', 'request'], css = 'a', attr = 'href', optional = true }\n";
        let rules = ruleset(&format!("[event.r]\non = 'POST /x'\ntopic = 'a.b'\nid = 1\n{finds}payload.x = '{{{{ find }}}}'\n"));
        let seen = Seen { request: "POST /x", headers: FORM, body: &body, response_headers: HTML, response_body: &body, ..Seen::default() };
        prop_assert_eq!(Replay::new(&rules).feed(0, seen.exchange()).0.len(), 1);
    }
}
