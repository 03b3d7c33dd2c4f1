//! Payload trees, wholesale copies, merging, dates.

use super::{bodies, check, play, post, rule};
use crate::rules::{Seen, ruleset};

#[test]
fn undefined_values_are_left_out_and_none_is_null() {
    check(&[(
        "topic = 'product.updated'\nid = '1'\n\
         payload.name = '{{ form.name }}'\npayload.none = '{{ none }}'\npayload.gone = '{{ form.gone }}'\n\
         payload.text = 'a {{ form.gone }}'\npayload.number = 5\npayload.flag = true\n\
         payload.billing.email = '{{ form.email }}'\npayload.shipping.city = '{{ form.gone }}'\n\
         payload.meta_data = [{ key = 'k', value = '{{ form.name }}' }, '{{ form.gone }}', { key = '{{ form.gone }}' }]",
        "name=T%C3%A9a%2F&email=a@b",
        "product.updated {\"id\":\"1\"} {\"id\":1,\"name\":\"Téa/\",\"none\":null,\"number\":5,\"flag\":true,\
         \"billing\":{\"email\":\"a@b\"},\"meta_data\":[{\"key\":\"k\",\"value\":\"Téa/\"}]}",
    )]);
}

#[test]
fn wholesale_copies_leave_out_what_is_secret() {
    let form = "id=4&name=Tea&Password=x&user_token=t&iban=DE&note=n&deep%5Bcvv%5D=1&deep%5Bqty%5D=2&passport=p";
    let text = "[shop]\nname = 'S'\nurl = 'https://shop.example/'\nredact = ['IBAN']\n[event.r]\non = 'POST /save'\n\
                topic = 'product.updated'\nid = '1'\npayload_from = ['form', 'query']\nomit = ['no*']\npayload.name = 'Mine'\npayload.deep.x = 1\n";
    let mut seen = post(form);
    seen.request = "POST /save?lang=de&name=Q";
    assert_eq!(
        play(&ruleset(text), &[seen]),
        "product.updated {\"id\":\"1\"} {\"id\":1,\"name\":\"Mine\",\"deep\":{\"x\":1,\"qty\":\"2\"},\"lang\":\"de\",\"passport\":\"p\"}",
    );
}

#[test]
fn the_payload_is_laid_over_what_is_known_or_replaces_it() {
    let text = "topic = 'product.updated'\nid = '1'\npayload_from = 'form'\n";
    let exchanges = [post("a=1&t%5Bx%5D=1&t%5By%5D=1&l%5B%5D=1&l%5B%5D=2"), post("b=2&t%5Bx%5D=2&l%5B%5D=3")];
    let first = "product.updated {\"id\":\"1\"} {\"id\":1,\"a\":\"1\",\"t\":{\"x\":\"1\",\"y\":\"1\"},\"l\":[\"1\",\"2\"]}\n--\n";
    assert_eq!(
        play(&rule(text), &exchanges),
        format!(
            "{first}product.updated {{\"id\":\"1\"}} {{\"id\":1,\"b\":\"2\",\"t\":{{\"x\":\"2\",\"y\":\"1\"}},\"l\":[\"3\"],\"a\":\"1\"}}"
        ),
    );
    assert_eq!(
        play(&rule(&format!("{text}payload_mode = 'replace'\n")), &exchanges),
        format!("{first}product.updated {{\"id\":\"1\"}} {{\"id\":1,\"b\":\"2\",\"t\":{{\"x\":\"2\"}},\"l\":[\"3\"]}}"),
    );
}

#[test]
fn an_update_without_change_is_skipped_where_the_rule_says_so() {
    let text = "topic = 'product.saved'\nid = '1'\npayload.a = '{{ form.a }}'\nfacts.f = '{{ form.f }}'\nskip_unchanged = true\n";
    assert_eq!(
        play(&rule(text), &[post("a=1"), post("a=1&f=2"), post("f=2"), post("a=2")]),
        "product.created {\"id\":\"1\"} {\"id\":1,\"a\":\"1\"}\n--\n\n--\n\n--\n\
         product.updated {\"id\":\"1\"} {\"id\":1,\"a\":\"2\"}",
    );
}

#[test]
fn a_body_begins_with_the_id_and_its_dates_and_is_compact() {
    let zone = "[shop]\nname = 'S'\nurl = 'https://shop.example/'\ntimezone = 'Europe/Berlin'\n";
    let head = "[event.r]\non = 'POST /save'\ntopic = 'product.updated'\nid = '{{ form.id }}'\n";
    let rows = [
        (
            "payload.name = '{{ form.name }}'\npayload.id = 99\n",
            "id=7&name=a%2F%E2%82%AC",
            r#"{"id":7,"date_created":"2026-11-03T17:07:00","date_created_gmt":"2026-11-03T16:07:00","date_modified":"2026-11-03T17:07:00","date_modified_gmt":"2026-11-03T16:07:00","name":"a/€"}"#,
        ),
        (
            "payload.date_created = \"{{ form.made | date('%d.%m.%Y %H:%M') }}\"\npayload.date_modified_gmt = '2026-12-01T10:00:00'\n",
            "id=007&made=01.07.2026+12:00",
            r#"{"id":"007","date_created":"2026-07-01T12:00:00","date_created_gmt":"2026-07-01T10:00:00","date_modified":"2026-12-01T11:00:00","date_modified_gmt":"2026-12-01T10:00:00"}"#,
        ),
    ];
    for (payload, form, wanted) in rows {
        assert_eq!(bodies(&ruleset(&format!("{zone}{head}{payload}")), &post(form)), [wanted]);
    }
}

#[test]
fn date_modified_grows_by_a_second_with_every_event_of_a_resource() {
    let rules = ruleset(
        "
[event.many]
on = 'POST /save'
for_each = \"form['ids[]']\"
topic = 'product.saved'
id = '{{ item }}'
payload.date_created_gmt = '{{ form.made }}'
",
    );
    let same = "ids%5B%5D=1&ids%5B%5D=1&ids%5B%5D=2&ids%5B%5D=1&made=2020-01-01";
    let modified: Vec<(String, String)> = bodies(&rules, &post(same))
        .iter()
        .map(|body| {
            let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
            let date = |name: &str| body[name].as_str().expect("a date").to_owned();
            (format!("{}@{}", body["id"], date("date_modified_gmt")), date("date_created_gmt"))
        })
        .collect();
    let wanted = ["1@2026-11-03T16:07:00", "1@2026-11-03T16:07:01", "2@2026-11-03T16:07:00", "1@2026-11-03T16:07:02"];
    assert_eq!(modified, wanted.map(|date| (date.to_owned(), "2020-01-01T00:00:00".to_owned())));
}

#[test]
fn json_of_request_and_response_is_read() {
    let seen = Seen {
        request: "POST /save",
        headers: &[("content-type", "application/json")],
        body: r#"{"product":{"price":{"amount":19.9},"tags":["a","b"]}}"#,
        status: 200,
        response_headers: &[("content-type", "application/json")],
        response_body: r#"{"id":12345678901234567,"product":{"name":"Tea","stock":3}}"#,
    };
    let rules = rule(
        "topic = 'product.saved'\nid = '{{ response.json.id }}'\npayload_from = 'response.json.product'\n\
         payload.regular_price = '{{ json.product.price.amount | money }}'\npayload.tags = '{{ json.product.tags }}'",
    );
    assert_eq!(
        play(&rules, &[seen]),
        "product.created {\"id\":\"12345678901234567\"} {\"id\":\"12345678901234567\",\"regular_price\":\"19.90\",\"tags\":[\"a\",\"b\"],\
         \"name\":\"Tea\",\"stock\":3}",
    );
}
