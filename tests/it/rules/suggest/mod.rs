//! A recording to proposals: what is certain stands and derives just what happened, all else is a comment.

mod shops; // recordings of two made-up shops

use std::convert::Infallible;

use proptest::prelude::*;
use shopbell::exchange::{Exchange, ReadOptions};
use shopbell::rules::suggest::{Suggester, Suggestion, Trial};
use shopbell::rules::{Replay, ReplayedEvent};

use super::{Seen, load_text, rendered, ruleset};
use shops::{ADMIN, FORM, FRONT, PATHS, ROUTED, Row};

/// Values of the recording that no proposal may hold.
const PRIVATE: &[&str] = &[
    "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
    "Jasmine",
    "jasmine",
    "JAS-7",
    "zoe",
    "hunter22",
    "7001",
    "7002",
    "7003",
    "8101",
    "8102",
    "TENOFF",
    "19.90",
    "b1946ac92492d234",
];

fn exchange((request, cookie, kind, body, status, location, answer): &Row<'_>) -> Exchange {
    let headers = [("cookie", *cookie), ("content-type", *kind)];
    let response_headers = [("location", *location)];
    let seen = Seen {
        request,
        headers: if kind.is_empty() { &headers[..1] } else { &headers },
        body,
        status: *status,
        response_headers: if location.is_empty() { &[] } else { &response_headers },
        response_body: answer,
    };
    seen.exchange()
}

fn suggest(rows: &[Row<'_>]) -> Suggestion {
    let mut suggester = Suggester::new(ReadOptions::default());
    rows.iter().enumerate().for_each(|(seq, row)| suggester.feed(seq, exchange(row)));
    finish(suggester, &rows.iter().map(exchange).collect::<Vec<_>>())
}

fn finish(suggester: Suggester, exchanges: &[Exchange]) -> Suggestion {
    let again = |trial: &mut Trial<'_>| -> Result<(), Infallible> {
        exchanges.iter().enumerate().for_each(|(seq, exchange)| trial.feed(seq, exchange));
        Ok(())
    };
    let Ok(suggestion) = suggester.finish(again);
    suggestion
}

/// What the proposals make of the recording they come from: line, topic, id or key.
fn events(rows: &[Row<'_>]) -> Vec<String> {
    let ruleset = ruleset(&suggest(rows).text);
    let mut replay = Replay::new(&ruleset);
    let said = |event: ReplayedEvent| {
        let draft = event.draft;
        let key = draft
            .key
            .iter()
            .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()))
            .collect::<Vec<_>>()
            .join(",");
        format!("{} {} {}", event.seq, draft.topic, draft.id.unwrap_or(key))
    };
    rows.iter().enumerate().flat_map(|(seq, row)| replay.feed(seq, exchange(row)).0).map(said).collect()
}

#[test]
fn what_is_certain_derives_what_happened() {
    let front = [
        "2 product.created model=JAS-7",
        "4 product.updated 7001",
        "6 product.deleted 7001",
        "6 product.deleted 7002",
        "7 product.deleted 7001",
        "9 action.woocommerce_add_to_cart 7003",
        "11 action.wc_customer_login email=zoe@example.org",
        "12 action.wc_customer_login_failed email=zoe@example.org",
    ];
    assert_eq!(events(FRONT), front, "{}", suggest(FRONT).text);
    let paths = [
        "0 product.created 7001",
        "2 product.updated 7001",
        "3 product.deleted 7001",
        "5 product.deleted 7002",
        "6 product.deleted 7002",
        "6 product.deleted 7003",
        "7 coupon.created code=TENOFF",
        "9 coupon.updated 8101",
        "10 customer.created email=zoe@example.org",
        "12 action.wc_customer_login email=zoe@example.org",
        "13 action.wc_customer_login_failed email=zoe@example.org",
    ];
    assert_eq!(events(PATHS), paths, "{}", suggest(PATHS).text);
    let routed = [
        "2 customer.created email=zoe@example.org",
        "8 product.created name=Jasmine",
        "10 product.deleted 7001",
        "11 coupon.deleted 8101",
    ];
    assert_eq!(events(ROUTED), routed, "{}", suggest(ROUTED).text);
}

#[test]
fn proposals_say_what_they_rest_on() {
    insta::assert_snapshot!("suggest_front", suggest(FRONT).text);
    insta::assert_snapshot!("suggest_paths", suggest(PATHS).text);
    insta::assert_snapshot!("suggest_routed", suggest(ROUTED).text);
}

#[test]
fn nothing_recorded_leaks_and_the_same_comes_out_twice() {
    for rows in [FRONT, PATHS, ROUTED] {
        let text = suggest(rows).text;
        for value in PRIVATE {
            assert!(!text.contains(value), "{value} in\n{text}");
        }
        assert_eq!(text, suggest(rows).text);
    }
}

#[test]
fn refusals_of_the_recording_are_told() {
    for (rows, lines) in [
        (
            FRONT,
            [
                "not done once (line 3): status 200",
                "line 7 deletes again what was deleted before",
                "main_page=checkout_success",
            ]
            .as_slice(),
        ),
        (PATHS, &["not done once (line 1): status 400", "every answer is a page with status 200"]),
        (
            ROUTED,
            &[
                "line 16 led back to the empty form: taken as refused",
                "line 17 led back to the very address of the form",
                "regex = 'cart_order_id=(\\d[\\d-]*)'",
            ],
        ),
    ] {
        let text = suggest(rows).text;
        // Comments wrap anywhere.
        let flat = text.replace("\n#   ", " ").replace('"', "").replace(" = ", "=");
        for line in lines {
            assert!(flat.contains(&line.replace(" = ", "=")), "{line}\n{text}");
        }
    }
}

/// Zen Cart's front says "add product" at the product's page. What it shows then is the cart.
#[test]
fn what_shows_the_cart_filled_it() {
    let row = |request, body, location| (request, "zenid=aaaabbbbcccc", FORM, body, 302, location, "");
    let add = "POST /index.php?main_page=product_info&action=add_product";
    let cart = "http://shop.example/index.php?main_page=shopping_cart";
    let text = suggest(&[
        row(add, "cart_quantity=1&products_id=15", cart),
        row(add, "cart_quantity=2&products_id=16", cart),
        row(add, "cart_quantity=1&products_id=17", cart),
    ])
    .text;
    assert!(text.contains("topic = \"action.woocommerce_add_to_cart\""), "{text}");
    assert!(text.contains("id = \"{{ form.products_id }}\""), "{text}");
}

#[test]
fn an_empty_recording_gives_a_file_without_rules() {
    let suggestion = suggest(&[]);
    assert_eq!((suggestion.counts.rules, suggestion.counts.guesses), (0, 0));
    assert!(suggestion.text.lines().all(|line| line.is_empty() || line.starts_with('#')), "{}", suggestion.text);
}

/// Pieces that mean something in paths, fields, TOML or expressions.
fn piece() -> impl Strategy<Value = String> {
    let odd = [
        "\"", "'", "\\", "{", "}}", "{{", "[", "]", "[]", "#", "\n", "*", "|", "%", ":int", "é", "\u{202e}", "", "=",
        ".",
    ];
    let words = [
        "product", "products", "order", "create", "edit", "delete", "id", "post[]", "action", "route", "login", "7",
        "price",
    ];
    let any = odd.into_iter().chain(words).map(str::to_owned).collect::<Vec<_>>();
    prop_oneof![proptest::sample::select(any), "[a-z0-9_/.-]{1,8}"]
}

fn text() -> impl Strategy<Value = String> {
    proptest::collection::vec(piece(), 0..5).prop_map(|pieces| pieces.concat())
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |out, byte| out + &format!("%{byte:02x}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever was recorded, the file loads.
    #[test]
    fn proposals_of_anything_load(
        rows in proptest::collection::vec((text(), text(), text(), text(), text(), 0..6_usize, text()), 0..12)
    ) {
        let mut suggester = Suggester::new(ReadOptions::default());
        let mut exchanges = Vec::new();
        for (seq, (segment, name, value, field, posted, kind, answer)) in rows.iter().enumerate() {
            let method = ["POST", "POST", "PUT", "DELETE", "GET", "POST"][*kind];
            let request = format!("{method} /admin/{}/7?{}={}", encoded(segment), encoded(name), encoded(value));
            let body = format!("{}={}&id=7", encoded(field), encoded(posted));
            let location = format!("/{}/?{}={}", encoded(segment), encoded(field), encoded(value));
            let json = serde_json::json!({ field: posted, "id": 7, "success": answer }).to_string();
            let (status, location, answer) = if kind % 2 == 0 { (302, location.as_str(), "") } else { (200, "", json.as_str()) };
            exchanges.push(exchange(&(&request, ADMIN, FORM, &body, status, location, answer)));
            suggester.feed(seq, exchanges[seq].clone());
        }
        let suggestion = finish(suggester, &exchanges);
        let loaded = load_text(&suggestion.text);
        prop_assert!(loaded.ruleset.is_some(), "{}\n{}", rendered(&loaded.diagnostics), suggestion.text);
        prop_assert_eq!(loaded.ruleset.map(|ruleset| ruleset.events.len()), Some(suggestion.counts.rules));
    }
}
