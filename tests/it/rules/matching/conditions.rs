//! What conditions hold of what exchanges.

use shopbell::exchange::{CapturedBody, Damage, End, Exchange, ReadOptions, Reading};
use shopbell::rules::{Candidates, Matched, OpenWaits};

use super::super::{Seen, ruleset};

const FORM: &[(&str, &str)] = &[("content-type", "application/x-www-form-urlencoded")];
const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

/// Whether a rule with `conditions` matches, asked the whole way: head, answer, body.
fn matched(conditions: &str, exchange: &Exchange) -> Matched {
    let on = if conditions.starts_with("on =") { "" } else { "on = \"GET|POST /**\"\n" };
    let rules = ruleset(&format!("[event.rule]\n{on}topic = \"a.b\"\nid = \"1\"\n{conditions}\n"));
    let reading = Reading::new(exchange.clone(), ReadOptions::default());
    let all = rules.matches(&reading, &Candidates::of(vec![0]));
    let Some(mut candidates) = rules.wants(&exchange.request, &OpenWaits::default()) else {
        assert!(all.rules.is_empty(), "the request's head lost a match of {conditions}");
        return all;
    };
    if let Some(response) = &exchange.response {
        rules.narrow(&mut candidates, &exchange.request, response);
        assert!(all.rules.is_empty() || candidates.rules == [0], "the answer's head lost a match of {conditions}");
    }
    all
}

fn holds(conditions: &str, seen: &Seen<'_>) -> bool {
    let matched = matched(conditions, &seen.exchange());
    assert!(matched.notes.is_empty(), "{:?}", matched.notes);
    assert!(matched.rules.len() <= 1);
    !matched.rules.is_empty()
}

fn rows(seen: &Seen<'_>, rows: &[(&str, bool)]) {
    for (conditions, expected) in rows {
        assert_eq!(holds(conditions, seen), *expected, "{conditions}");
    }
}

#[test]
fn query_fields() {
    let seen = Seen { request: "GET /x?route=a/b&empty=&n=7&l[]=1&l[]=20&m[k]=v&twice=1&twice=2", ..Seen::default() };
    rows(
        &seen,
        &[
            ("query.route = 'a/b'", true),
            ("query.route = 'A/B'", false),
            ("query.route = ['x', 'a/b']", true),
            ("query.route = true", true),
            ("query.route = false", false),
            ("query.empty = true", false),
            ("query.empty = false", true),
            ("query.empty = { present = true }", true),
            ("query.none = { present = false }", true),
            ("query.none = false", true),
            ("query.none = { not = 'x' }", true),
            ("query.none = { regex = '' }", false),
            ("query.none = { lt = 5 }", false),
            ("query.n = 7", true),
            ("query.n = { gt = 6, le = 7 }", true),
            ("query.n = { ge = 8 }", false),
            ("query.route = { gt = 1 }", false),
            ("query.l = 20", true),
            ("query.'l[]' = '1'", true),
            ("query.l = { has = 20 }", true),
            ("query.n = { has = 7 }", false),
            ("query.'n[]' = { has = 7 }", true),
            ("query.l = { gt = 5, lt = 10 }", false),
            ("query.l = { not = 20 }", false),
            ("query.l = { is = ['1', '20'] }", true),
            ("query.'none[]' = { is = [] }", true),
            ("query.'none[]' = { present = false }", true),
            ("query.m.k = 'v'", true),
            ("query.'m[k]' = 'v'", true),
            ("query.m = true", true),
            ("query.m = { is = { k = 'v' } }", true),
            ("query.m = { contains = 'v' }", false),
            ("query.twice = 2", true),
            ("query.twice = 1", false),
            ("query.'twice[]' = 1", true),
            ("query.route = { starts = 'a', ends = 'b', contains = '/', not = ['x', 'y'] }", true),
            ("query.route = { regex = '^a.b$' }", true),
            ("query = true", true),
            ("query = false", false),
        ],
    );
}

#[test]
fn forms_and_their_kind() {
    let form = Seen { request: "POST /x", headers: FORM, body: "a.b=1&p[1][name]=Tea&edit=&s[]=3", ..Seen::default() };
    rows(
        &form,
        &[
            ("form.'a.b' = 1", true),
            ("form.a_b = 1", true),
            ("form.p.1.name = 'Tea'", true),
            ("form.'p[1][name]' = { ends = 'ea' }", true),
            ("form.edit = false", true),
            ("form.none = false", true),
            ("form.'s[]' = { has = '3' }", true),
            ("form.s = 3", true),
            ("json.x = false", false),
            ("json = true", false),
        ],
    );
    let none = Seen { request: "POST /x", ..Seen::default() };
    rows(&none, &[("form.none = false", false), ("none = [{ form.none = false }]", true), ("form = false", false)]);
}

#[test]
fn json_is_typed_and_walked() {
    let seen = Seen {
        request: "POST /x",
        headers: JSON,
        body: r#"{"n":3.0,"ok":true,"no":false,"nil":null,"items":[{"id":5},{"id":"six"}],"e":[],"s":"3"}"#,
        response_headers: &[("content-type", "text/html")],
        response_body: r#"{"error":[],"redirect":"/checkout/success"}"#,
        ..Seen::default()
    };
    rows(
        &seen,
        &[
            ("json.items.0.id = 5", true),
            ("json.items.1.id = { is = 'six' }", true),
            ("json.items.2.id = { present = true }", false),
            ("json.n = { is = 3 }", true),
            ("json.n = '3.0'", true),
            ("json.s = { is = 3 }", false),
            ("json.s = 3", true),
            ("json.ok = { is = true }", true),
            ("json.ok = true", true),
            ("json.no = false", true),
            ("json.no = { present = true }", true),
            ("json.nil = false", true),
            ("json.e = { is = [] }", true),
            ("json.e = true", false),
            ("json.items = true", true),
            ("json = true", true),
            ("response.json.error = false", true),
            ("response.json.redirect = { contains = 'checkout/success' }", true),
            ("response.json.none = false", true),
            ("response.body = { contains = 'redirect' }", true),
            ("form.x = false", false),
        ],
    );
    let page = Seen { request: "GET /x", response_body: "<html>login</html>", ..Seen::default() };
    rows(
        &page,
        &[
            ("response.json.error = false", false),
            ("response.json.error = { not = 'x' }", false),
            ("none = [{ response.json.error = true }]", true),
            ("response.body = false", false),
        ],
    );
    let empty = Seen { request: "GET /x", ..Seen::default() };
    rows(&empty, &[("response.body = false", true), ("response.body = true", false)]);
}

#[test]
fn headers_cookies_host_and_referer() {
    let seen = Seen {
        request: "GET /x",
        headers: &[
            ("X-A", "1"),
            ("x-a", "2"),
            ("cookie", "wordpress_logged_in_9=me%20too; plain=; z=1"),
            ("referer", "https://shop.example/cart/7/?step=2"),
        ],
        response_headers: &[("set-cookie", "token=abc; path=/"), ("x-powered-by", "PHP/8")],
        ..Seen::default()
    };
    rows(
        &seen,
        &[
            ("headers.X-A = '2'", true),
            ("headers.x-a = { not = '1' }", false),
            ("headers.x-a = { gt = 1, lt = 2 }", false),
            ("headers.'x-*' = '1'", true),
            ("headers.x-b = false", true),
            ("cookies.'wordpress_logged_in_*' = 'me too'", true),
            ("cookies.plain = { present = true }", true),
            ("cookies.plain = true", false),
            ("cookies.Z = true", false),
            ("host = 'Shop.Example'", true),
            ("host = ['a.example', 'b.example']", false),
            ("referer = true", true),
            ("referer = '/cart/{id:int}/'", true),
            ("referer.path = { starts = '/cart' }", true),
            ("referer.query.step = 2", true),
            ("referer.host = 'shop.example'", true),
            ("referer.url = { ends = 'step=2' }", true),
            ("response.cookies.token = 'abc'", true),
            ("response.headers.x-powered-by = { starts = 'PHP' }", true),
        ],
    );
}

#[test]
fn statuses_and_locations() {
    let seen = Seen {
        request: "POST /admin/save",
        status: 302,
        response_headers: &[("location", "/shop/order-received/55/?key=k&route=catalog%2Fproduct")],
        ..Seen::default()
    };
    rows(
        &seen,
        &[
            ("status = 302", true),
            ("status = '3xx'", true),
            ("status = ['200-204', 404]", false),
            ("location.query.route = 'catalog/product'", true),
            ("location = '/**/order-received/{id:int}/'", true),
            ("location = '/**/order-received/{id:int}'", false),
            ("location = ['/a', '/shop/{x}/{y}/']", true),
            ("location.path = '/shop/{x}/55/'", true),
            ("location.path = { contains = 'order' }", true),
            ("location = { starts = '/shop' }", true),
            ("location.host = 'shop.example'", true),
            ("location = true", true),
            ("location = false", false),
            ("any = [{ status = 404 }, { status = 302, query.x = false }]", true),
            ("any = [{ status = 404 }]", false),
            ("none = [{ status = '3xx' }]", false),
            ("any = [{ location = '/shop/order-received/{id}/' }]\nlocation.params.id = '55'", true),
            ("any = [{ location = '/shop/order-received/{id}/' }]\nlocation.params.id = { gt = 60 }", false),
            (
                "any = [{ query.a = '1' }, { location.query.key = true }]\nnone = [{ location.query.cmd = 'denied' }]",
                true,
            ),
        ],
    );
    let matched = matched("location = '/shop/{what}/{id:int}/'", &seen.exchange());
    let captured = [("what".to_owned(), "order-received".to_owned()), ("id".to_owned(), "55".to_owned())];
    assert_eq!(matched.rules[0].location_params, captured);
}

#[test]
fn paths_and_methods() {
    let at = |request| Seen { request, ..Seen::default() };
    for (on, request, expected) in [
        ("GET /", "GET /", true),
        ("GET /", "GET /?a=1", true),
        ("GET /", "HEAD /", false),
        ("GET|HEAD /a", "HEAD /a", true),
        ("GET /a", "GET /a/", false),
        ("GET /a/", "GET /a", false),
        ("GET /a", "GET /A", false),
        ("GET /a b/grün", "GET /a%20b/gr%C3%BCn", true),
        ("GET /a%20b", "GET /a%20b", true),
        ("GET /a/{x}", "GET /a/b%2Fc", true),
        ("GET /a/b/c", "GET /a/b%2Fc", false),
        ("GET /a/{x}", "GET /a/", false),
        ("GET /a/{x:int}", "GET /a/12", true),
        ("GET /a/{x:int}", "GET /a/-12", false),
        ("GET /a/**", "GET /a", true),
        ("GET /a/**", "GET /a/", true),
        ("GET /a/**", "GET /a/b/c", true),
        ("GET /a/**", "GET /ab", false),
        ("GET /**/wp-admin/post.php", "GET /wp-admin/post.php", true),
        ("GET /**/wp-admin/post.php", "GET /shop/de/wp-admin/post.php", true),
        ("GET /**/a/**/{x}/b", "GET /1/a/2/a/3/b", true),
        ("GET /a//b", "GET /a//b", true),
        ("GET /a/b", "GET /a//b", false),
        ("GET /a/../b", "GET /a/../b", true),
    ] {
        assert_eq!(holds(&format!("on = '{on}'"), &at(request)), expected, "{on} {request}");
    }
    let rules = "on = ['POST /x', 'GET /{a}/{b:int}', 'GET /**/{last}']";
    let matched = matched(rules, &at("GET /g%C3%BC/7").exchange());
    assert_eq!(matched.rules[0].params, [("a".to_owned(), "gü".to_owned()), ("b".to_owned(), "7".to_owned())]);
}

#[test]
fn answers_that_are_not_whole_never_match() {
    let seen = Seen { request: "GET /x", ..Seen::default() };
    for end in [End::Failed, End::Aborted] {
        let exchange = Exchange { end, ..seen.exchange() };
        assert!(matched("", &exchange).rules.is_empty(), "{end:?}");
    }
    let exchange = Exchange { response: None, ..seen.exchange() };
    assert!(matched("", &exchange).rules.is_empty());
}

#[test]
fn absence_is_never_concluded_from_damage() {
    let seen = Seen { request: "POST /x", headers: FORM, body: "a=1&l[]=2&b=3", ..Seen::default() };
    let cut = CapturedBody { damage: Some(Damage::Cut), ..seen.exchange().request_body };
    let exchange = Exchange { request_body: cut, ..seen.exchange() };
    // Conditions; whether the rule matches; whether a note tells of it.
    for (conditions, matches, noted) in [
        ("form.a = 1", true, false),
        ("form.a = 2", false, false),
        ("form.c = 1", false, true),
        ("form.c = false", false, true),
        ("form.c = { not = 1 }", false, true),
        ("form.c = { present = false }", false, true),
        ("form.l = 2", true, false),
        ("form.l = 3", false, true),
        ("form.l = { not = 3 }", false, true),
        ("none = [{ form.c = true }]", false, true),
        ("none = [{ form.a = 1 }]", false, false),
        ("any = [{ form.c = 1 }, { form.a = 1 }]", true, false),
        ("any = [{ form.c = 1 }, { form.a = 2 }]", false, true),
        ("form.c = 1\nstatus = 404", false, false),
        ("form.c = 1\nquery.x = true", false, false),
    ] {
        let matched = matched(conditions, &exchange);
        assert_eq!(!matched.rules.is_empty(), matches, "{conditions}");
        assert_eq!(!matched.notes.is_empty(), noted, "{conditions}: {:?}", matched.notes);
    }
    let unread = Exchange { response_body: CapturedBody::unread(), ..seen.exchange() };
    for conditions in ["response.body = false", "response.json.x = false", "response.body = { contains = 'x' }"] {
        let matched = matched(conditions, &unread);
        assert!(matched.rules.is_empty());
        assert!(matched.notes[0].text.contains("not captured"), "{:?}", matched.notes);
    }
}

#[test]
fn the_first_thing_that_fails_is_told_with_what_was_found() {
    let seen = Seen {
        request: "POST /admin/index.php?route=catalog/product/add",
        headers: FORM,
        body: "sku=A&l[]=1",
        status: 200,
        ..Seen::default()
    };
    for (conditions, wanted, found) in [
        ("on = 'GET /**'", "on = GET /**", "POST /admin/index.php"),
        ("status = '3xx'", "status = 3xx", "200"),
        ("query.route = 'catalog/product/edit'", "query.route = 'catalog/product/edit'", "\"catalog/product/add\""),
        ("form.l = { has = 2 }", "form.l = { has = 2 }", "[\"1\"]"),
        ("form.none = true", "form.none = true", "absent"),
        ("location = '/x'", "location = '/x'", "another path, or none"),
        ("json.x = 1", "json.x = 1", "there is no body of this kind"),
        ("any = [{ form.sku = 'B' }]", "any = [{ form.sku = 'B' }]", "none of them holds"),
        ("none = [{ form.sku = 'A' }]", "none = [{ form.sku = 'A' }]", "it holds"),
    ] {
        let on = if conditions.starts_with("on =") { "" } else { "on = \"GET|POST /**\"\n" };
        let rules = ruleset(&format!("[event.rule]\n{on}topic = \"a.b\"\nid = \"1\"\n{conditions}\n"));
        let failure = rules.failure(0, &seen.reading()).expect("it fails");
        assert_eq!((failure.wanted.as_str(), failure.found.as_str()), (wanted, found));
    }
    assert_eq!(ruleset("[event.r]\non = 'POST /**'\ntopic = 'a.b'\nid = 1").failure(0, &seen.reading()), None);
}
