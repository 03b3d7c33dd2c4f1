//! Expressions and values run over an exchange.

use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value as Json, json};

use super::*;
use crate::exchange::{CapturedBody, Damage, End, Exchange, ReadOptions, Reading, RequestHead, ResponseHead};
use crate::model::{Identity, Known, Timestamp, Write};
use crate::rules::rule::Shop;
use crate::rules::view::MemoryState;

fn shop() -> Shop {
    let vars = json!({"types": {"product": "product", "1": "one"}}).into();
    Shop {
        name: "Tea House".into(),
        url: "https://shop.example/".into(),
        charset: encoding_rs::UTF_8,
        states_charset: true,
        decimal: ',',
        timezone: jiff::tz::TimeZone::UTC,
        redact: Vec::new(),
        ignore: Vec::new(),
        vars,
        alert: None,
        wc_version: "9".into(),
        wp_version: "6".into(),
    }
}

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    lines
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect::<Vec<_>>()
        .into_iter()
        .fold(HeaderMap::new(), |mut map, (name, value): (http::HeaderName, http::HeaderValue)| {
            map.append(name, value);
            map
        })
}

const FORM: &str = "name=Tea&price=1.234%2C50&qty=&status=on&a%5B1%5D=one&a%5B5%5D=five&x%5B%5D=p&x%5B%5D=q&single=s&single=t\
                    &body=%3Cp%3ECaf%26eacute%3B%3C%2Fp%3E&line%5B7%5D%5Bqty%5D=2&line%5B3%5D%5Bqty%5D=4";

fn exchange() -> Exchange {
    let request = RequestHead {
        method: Method::POST,
        uri: "/admin/caf%C3%A9?route=catalog/product&n=9".parse().unwrap(),
        headers: headers(&[
            ("host", "Shop.Example"),
            ("content-type", "application/x-www-form-urlencoded"),
            ("cookie", "sid=abc; wp_logged_in_1=me; sid=second"),
            ("referer", "https://shop.example/admin/list?page=2"),
            ("x-two", "a"),
            ("x-two", "b"),
        ]),
        secure: true,
    };
    let response = ResponseHead {
        status: StatusCode::FOUND,
        headers: headers(&[("location", "/admin/done/17/?ok=1"), ("content-type", "application/json")]),
    };
    Exchange {
        at: Timestamp::from_millis(1_793_722_020_000),
        request,
        request_body: CapturedBody::whole(FORM.as_bytes().to_vec()),
        response: Some(response),
        response_body: CapturedBody::whole(
            &br#"{"id":7,"ok":true,"list":[{"id":1},{"id":2}],"none":null,"rate":1.5}"#[..],
        ),
        end: End::Complete,
    }
}

fn state() -> MemoryState {
    let mut state = MemoryState::default();
    let Json::Object(fields) = json!({"name": "Old"}) else { panic!("a table") };
    let Json::Object(facts) = json!({"master": "4"}) else { panic!("a table") };
    let known = Some(Known { fields, facts, ..Known::default() });
    let (resource, name) = ("product".to_owned(), "sku".to_owned());
    state.apply(&[
        Write::Known { resource: resource.clone(), identity: Identity::Id("7".into()), known },
        Write::Alias { resource, name, value: "tea".into(), id: Some("7".into()) },
    ]);
    state
}

/// What a value comes to: JSON, `-` for undefined, or the error.
fn shown(source: &str) -> String {
    shown_of(source, exchange())
}

fn shown_of(source: &str, exchange: Exchange) -> String {
    let shop = shop();
    let mut builder = ExpressionsBuilder::new();
    let (template, faults) = builder.template(source, Scope::Item);
    let Some(template) = template else { return format!("fault: {}", faults[0].message) };
    let expressions = builder.build(&shop);
    let reading = Reading::new(exchange, ReadOptions::default());
    let state = state();
    let context = Context::new(&reading, &shop, &state, Timestamp::from_millis(1_793_722_021_000));
    let params = [("slug".to_owned(), "café".to_owned())];
    let location_params = [("id".to_owned(), "17".to_owned())];
    let context = context.rule(&params, &location_params);
    match expressions.value(&template, &context) {
        Ok(Some(value)) => value.to_string(),
        Ok(None) => "-".to_owned(),
        Err(error) => format!("error: {}", error.message),
    }
}

fn check(rows: &[(&str, &str)]) {
    let got: Vec<_> = rows.iter().map(|(source, _)| ((*source).to_owned(), shown(source))).collect();
    let wanted: Vec<_> = rows.iter().map(|(source, wanted)| ((*source).to_owned(), (*wanted).to_owned())).collect();
    assert_eq!(got, wanted);
}

#[test]
fn every_root_reads_its_part_of_the_exchange() {
    check(&[
        ("{{ form.name }}", "\"Tea\""),
        ("{{ form.a[1] }}{{ form.a['5'] }}", "\"onefive\""),
        ("{{ form['a[5]'] }}", "\"five\""),
        ("{{ form['x[]'] }}", r#"["p","q"]"#),
        ("{{ form.x }}", r#"["p","q"]"#),
        ("{{ form['single[]'] }}", r#"["s","t"]"#),
        ("{{ form['nothing[]'] }}", "[]"),
        ("{{ form.single }}", "\"t\""),
        ("{{ form.line }}", r#"{"7":{"qty":"2"},"3":{"qty":"4"}}"#),
        ("{{ query.route }}", "\"catalog/product\""),
        ("{{ json }}", "-"),
        ("{{ host }} {{ method }} {{ path }}", "\"shop.example POST /admin/café\""),
        ("{{ status + 1 }}", "303"),
        ("{{ headers['X-Two'] }} {{ headers.referer }}", "\"a, b https://shop.example/admin/list?page=2\""),
        ("{{ cookies.sid }} {{ cookies['wp_logged_in_*'] }}", "\"abc me\""),
        ("{{ referer.path }} {{ referer.query.page }}", "\"/admin/list 2\""),
        ("{{ location.url }}", "\"https://shop.example/admin/done/17/?ok=1\""),
        ("{{ location.query.ok }}{{ location.params.id }}{{ params.slug }}", "\"117café\""),
        ("{{ response.json.id }}", "7"),
        ("{{ response.json.ok }}", "true"),
        ("{{ response.json.rate }}", "1.5"),
        ("{{ response.json.none }}", "null"),
        ("{{ response.json.list[1].id }}", "2"),
        ("{{ response.headers['Content-Type'] }}", "\"application/json\""),
        ("{{ response.body | length > 10 }}", "true"),
        ("{{ shop.name }} {{ vars.types[1] }} {{ now }}", "\"Tea House one 2026-11-03T16:07:01\""),
        ("{{ known('product', 7).name }} {{ known('product', '7').facts.master }}", "\"Old 4\""),
        ("{{ known('product', 8) }}", "-"),
        ("{{ id_of('product', 'sku', ' TEA ') }}", "\"7\""),
        ("{{ known('product', id_of('product', 'sku', 'tea')).name }}", "\"Old\""),
    ]);
}

#[test]
fn values_keep_their_type_and_undefined_spreads() {
    check(&[
        ("plain {text}", "\"plain {text}\""),
        ("{{ 1 + 2 }}", "3"),
        ("{{ [1, form.none, none] }}", "[1,null]"),
        ("{{ {'b': 1, 'a': form.none.deep} }}", r#"{"b":1}"#),
        ("a{{ form.none }}b", "-"),
        ("a{{ response.json.none }}b", "-"),
        ("a{{ form.none | default('') }}b", "\"ab\""),
        ("{{ form.none.deeper.still }}", "-"),
        ("{{ form.name.deeper }}", "-"),
        ("a{{ form.line }}b", "error: a map is no text"),
        ("{{ form.none | int }}{{ form.none | lower }}", "-"),
        ("{{ form.none | replace('a', 'b') | trim | split(',') | first | last | upper | float }}", "-"),
        ("{{ form.none | money }}", "-"),
        ("{{ form.none | length }}", "-"),
        ("{{ form.none | default(3) | int }}", "3"),
        ("{{ form.qty | int }}", "error: cannot parse float from empty string"),
        ("{{ form.name | lower }}{{ 'a,b' | split(',') | last }}", "\"teab\""),
        ("{{ form.price | money }}", "\"1234.50\""),
        ("{{ 'publish' if form.status | yes else 'draft' }}", "\"publish\""),
        ("{{ form.body | strip_tags | unhtml }}", "\"Café\""),
        ("{{ 'product' | pick(vars.types) }}.saved", "\"product.saved\""),
        ("{{ 'other' | pick(vars.types) }}.saved", "-"),
        ("{{ rows(id=form['x[]'], n=[1, 2, 3]) | keyed('id', 'n') }}", r#"{"p":1,"q":2}"#),
        ("{{ changed(form.line[7].qty, 2) }}{{ changed(form.line[7].qty, '3') }}", "\"falsetrue\""),
        ("{{ response.json.list | map(attribute='id') | list }}", "[1,2]"),
        ("{{ 7 / 2 }}", "3.5"),
    ]);
}

#[test]
fn for_each_takes_lists_tables_and_texts() {
    let shop = shop();
    let rows = [
        ("form['x[]']", r#"["p","q"]"#),
        ("form.line", r#"[{"key":"7","value":{"qty":"2"}},{"key":"3","value":{"qty":"4"}}]"#),
        ("form.name", r#"["Tea"]"#),
        ("form.qty", "[]"),
        ("form.nothing", "[]"),
        ("[]", "[]"),
        ("'a,b' | split(',')", r#"["a","b"]"#),
        ("response.json.id", "[7]"),
        ("range(20000)", "`for_each` gives more than 10000 items"),
    ];
    for (source, wanted) in rows {
        let mut builder = ExpressionsBuilder::new();
        let (expr, faults) = builder.expression(source, Scope::Rule);
        let expr = expr.unwrap_or_else(|| panic!("{faults:?}"));
        let expressions = builder.build(&shop);
        let reading = Reading::new(exchange(), ReadOptions::default());
        let state = state();
        let context = Context::new(&reading, &shop, &state, Timestamp::default());
        let got = match expressions.elements(expr, &context.rule(&[], &[])) {
            Ok(items) => {
                let items = items.iter().filter_map(|item| value::to_json(&item.0).unwrap());
                Json::Array(items.collect()).to_string()
            }
            Err(error) => error.message,
        };
        assert_eq!(got, wanted, "{source}");
    }
}

#[test]
fn hostile_expressions_cost_little() {
    let nested = format!("{{{{ {}1{} }}}}", "[".repeat(400), "]".repeat(400));
    let product = format!("{{{{ {} }}}}", vec!["range(900)"; 20].join(" | map('string') | list ~ "));
    for source in [
        "{{ 'x' * 999999999 }}",
        "{{ range(100000000) | list }}",
        "{{ range(100000000) | length }}",
        "{{ ('ab' * 9000) * 9000 }}",
        "{{ [0] * 99999999 }}",
        "{{ [0] * 99999999 == [0] * 99999998 }}",
        "{{ ('x' | split('')) * (99999999 | int) }}",
        "{{ (response.json.list * 100) ~ 'x' }}",
        "{{ response.json.list * 100 * 100 * 100 * 100 }}",
        "{{ -1 in range(99999) }}",
        "{{ range(99999) == range(99998) }}",
        "{{ range(99999) | string | length }}",
        "{{ range(99999) ~ 'x' }}",
        "{{ range(99999) | sum }}",
        "{{ rows(a=range(99999)) | length }}",
        "{{ range(99999) | keyed('a') }}",
        "{{ changed(range(99999), [1]) }}",
        "{{ range(99999) | tojson }}",
        "{{ [1] | tojson(indent=999999999) }}",
        "{{ ('x' * 1000000) | replace('x', 'y' * 1000000) }}",
        "{{ 'x' | indent(999999999) }}",
        "{{ '%999999999d' | format(1) }}",
        "{{ range(19999) | map('string') | join('-' * 1000) }}",
        "{{ range(9999) | sort | unique | list | batch(1, 'x' * 60000) | list }}",
        "{{ 9999999 ** 9999999 }}",
        nested.as_str(),
        product.as_str(),
    ] {
        let got = shown(source);
        assert!(
            got.starts_with("error") || got.starts_with("fault") || got.len() < 2_000_000,
            "{source}: {} bytes",
            got.len()
        );
    }
}

#[test]
fn long_chains_neither_pass_nor_overflow_the_stack() {
    for (link, links) in
        [("a or ", 5000), ("not ", 5000), ("-", 5000), ("f.", 5000), ("not ", 250), ("-", 1000), ("1+", 500)]
    {
        let source = format!("{{{{ {}1 }}}}", link.repeat(links));
        let got = shown(&source);
        assert!(got.starts_with("fault") || got.len() < 30, "{link} {links}: {got}");
    }
    let filters = format!("{{{{ form.name{} }}}}", "|trim".repeat(200));
    assert_eq!(shown(&filters), "\"Tea\"");
}

#[test]
fn a_cut_body_is_told() {
    let mut cut = exchange();
    cut.request_body.damage = Some(Damage::Cut);
    let shop = shop();
    let mut builder = ExpressionsBuilder::new();
    let (form, _) = builder.expression("form.name == 'Tea'", Scope::Rule);
    let (query, _) = builder.expression("query.route == 'a'", Scope::Rule);
    let expressions = builder.build(&shop);
    let reading = Reading::new(cut, ReadOptions::default());
    let state = state();
    let context = Context::new(&reading, &shop, &state, Timestamp::default());
    let context = context.rule(&[], &[]);
    assert_eq!(expressions.damage(form.unwrap(), &context), Some(("form", Damage::Cut)));
    assert_eq!(expressions.damage(query.unwrap(), &context), None);
}

#[test]
fn a_filter_that_fails_lets_the_event_through_and_says_so() {
    let mut builder = ExpressionsBuilder::new();
    let sources = ["payload.total | float > 100", "key.email is endingwith '@b2b.example'", "payload.lines | int > 1"];
    let exprs = sources.map(|source| builder.condition(source, Scope::Filter).0.unwrap());
    let expressions = builder.build(&shop());
    let Json::Object(event) = json!({"payload": {"total": "150.00", "lines": [1]}, "key": {"email": "a@b2b.example"}})
    else {
        panic!("a table")
    };
    assert_eq!(expressions.filter(exprs[0], &event), Ok(true));
    assert_eq!(expressions.filter(exprs[1], &event), Ok(true));
    assert!(expressions.filter(exprs[2], &event).unwrap_err().contains("payload.lines | int > 1"));
}
