//! `when`, `for_each`, `topic`, `stop`, `known()`: which events a rule gives.

use super::{check, play, post};
use crate::rules::{Seen, ruleset};

#[test]
fn when_and_for_each_decide_how_many_events_there_are() {
    check(&[
        ("topic = 'product.updated'\nid = '{{ form.id }}'", "id=7", r#"product.updated {"id":"7"} {"id":7}"#),
        ("topic = 'product.updated'\nid = '{{ form.id }}'\nwhen = \"form.ok == 'yes'\"", "id=7&ok=no", ""),
        (
            "topic = 'product.updated'\nid = '{{ form.id }}'\nwhen = [\"form.ok == 'yes'\", \"form.id | int > 6\"]",
            "id=7&ok=yes",
            r#"product.updated {"id":"7"} {"id":7}"#,
        ),
        (
            "topic = 'product.deleted'\nfor_each = \"form['selected[]']\"\nid = '{{ item }}'",
            "selected%5B%5D=7&selected%5B%5D=A-8",
            "product.deleted {\"id\":\"7\"} {\"id\":7}\nproduct.deleted {\"id\":\"A-8\"} {\"id\":\"A-8\"}",
        ),
        ("topic = 'product.deleted'\nfor_each = \"form['selected[]']\"\nid = '{{ item }}'", "x=1", ""),
        ("topic = 'product.deleted'\nfor_each = 'form.ids'\nid = '{{ item }}'", "ids=", ""),
        (
            "topic = 'product.deleted'\nfor_each = \"form.ids | split(',')\"\nwhen = \"item != '8'\"\nid = '{{ item }}'",
            "ids=7,8,9",
            "product.deleted {\"id\":\"7\"} {\"id\":7}\nproduct.deleted {\"id\":\"9\"} {\"id\":9}",
        ),
        (
            "topic = 'product.updated'\nfor_each = 'form.stock'\nid = '{{ item.key }}'\npayload.stock_quantity = '{{ item.value | int }}'\npayload.menu_order = '{{ index }}'",
            "stock%5B9%5D=3&stock%5B4%5D=0",
            "product.updated {\"id\":\"9\"} {\"id\":9,\"stock_quantity\":3,\"menu_order\":0}\n\
             product.updated {\"id\":\"4\"} {\"id\":4,\"stock_quantity\":0,\"menu_order\":1}",
        ),
    ]);
}

#[test]
fn a_run_time_error_makes_no_event_and_is_told() {
    check(&[
        (
            "topic = 'product.updated'\nid = '{{ form.id }}'\nwhen = 'form.qty | int > 3'",
            "id=7&qty=",
            "! r: when: `form.qty | int > 3`: cannot parse float from empty string (shop.toml:1)",
        ),
        (
            "topic = 'product.updated'\nid = '{{ form.id }}'\npayload.a = '{{ form.qty | int }}'\npayload.b = 'x{{ form.qty | int }}'\npayload.c = 1",
            "id=7&qty=",
            "product.updated {\"id\":\"7\"} {\"id\":7,\"c\":1}\n\
             ! r: payload.a: `form.qty | int`: cannot parse float from empty string (shop.toml:1)\n\
             ! r: payload.b: `form.qty | int`: cannot parse float from empty string (shop.toml:1)",
        ),
        (
            "topic = 'product.updated'\nid = '{{ form.id | int }}'",
            "id=",
            "! r: id: `form.id | int`: cannot parse float from empty string (shop.toml:1)\n\
             ! r: no event product.updated: neither id nor key is defined",
        ),
        (
            "topic = 'product.updated'\nfor_each = 'form.id | int'\nid = '{{ item }}'",
            "id=x",
            "! r: for_each: `form.id | int`: invalid float literal (shop.toml:1)",
        ),
    ]);
}

#[test]
fn topics_are_lists_and_templates() {
    let words = "topic = \"{{ form.type | pick({'p': 'product', 'c': 'coupon'}) }}.saved\"\nid = '{{ form.id }}'";
    check(&[
        (words, "type=p&id=1", r#"product.created {"id":"1"} {"id":1}"#),
        (words, "type=c&id=1", r#"coupon.created {"id":"1"} {"id":1}"#),
        (words, "type=x&id=1", ""),
        (
            "topic = ['customer.created', 'action.wc_customer_login']\nresource = 'customer'\nid = '{{ form.id }}'",
            "id=5",
            "customer.created {\"id\":\"5\"} {\"id\":5}\n\
             action.wc_customer_login {\"id\":\"5\"} {\"action\":\"wc_customer_login\",\"arg\":5}",
        ),
        (
            "topic = 'product.{{ form.what }}'\nid = '1'",
            "what=Up",
            "! r: no event: `product.Up` is no topic: it must read `resource.event` (order.created) or `action.name`, in \
             lower case letters, digits, `_` and `-` (shop.toml:1)",
        ),
    ]);
}

#[test]
fn stop_ends_later_event_rules_even_without_an_event() {
    let rules = ruleset(
        "
[event.first]
on = 'POST /save'
priority = 5
stop = true
when = \"form.kind == 'a'\"
topic = 'product.updated'
id = '{{ form.first }}'
[event.second]
on = 'POST /save'
topic = 'product.updated'
id = '{{ form.id }}'
",
    );
    assert_eq!(play(&rules, &[post("kind=b&id=2")]), r#"product.updated {"id":"2"} {"id":2}"#);
    assert_eq!(play(&rules, &[post("kind=a&id=2&first=1")]), r#"product.updated {"id":"1"} {"id":1}"#);
    assert_eq!(
        play(&rules, &[post("kind=a&id=2")]),
        "! first: no event product.updated: neither id nor key is defined"
    );
}

#[test]
fn all_rules_of_one_exchange_see_state_as_before_it() {
    let rules = ruleset(
        "
[event.a]
on = 'POST /save'
topic = 'product.saved'
id = '{{ form.id }}'
key.sku = '{{ form.sku }}'
payload.name = '{{ form.name }}'
facts.master = '{{ form.cat }}'
[event.b]
on = 'POST /save'
topic = 'action.seen'
id = 'x'
arg.name = \"{{ known('product', form.id).name | default('nothing') }}\"
arg.master = \"{{ known('product', form.id).facts.master }}\"
arg.id = \"{{ id_of('product', 'sku', form.sku) }}\"
",
    );
    assert_eq!(
        play(&rules, &[post("id=7&sku=TEA&name=Tea&cat=4"), post("id=7&sku=tea&name=Chai&cat=5")]),
        "product.created {\"id\":\"7\"} {\"id\":7,\"name\":\"Tea\"}\n\
         action.seen {\"id\":\"x\"} {\"action\":\"seen\",\"arg\":{\"name\":\"nothing\"}}\n\
         --\n\
         product.updated {\"id\":\"7\"} {\"id\":7,\"name\":\"Chai\"}\n\
         action.seen {\"id\":\"x\"} {\"action\":\"seen\",\"arg\":{\"name\":\"Tea\",\"master\":\"4\",\"id\":\"7\"}}",
    );
}

#[test]
fn uneven_rows_are_told() {
    check(&[(
        "topic = 'product.updated'\nfor_each = \"rows(id=form['id[]'], qty=form['qty[]'])\"\nid = '{{ item.id }}'\npayload.q = '{{ item.qty }}'",
        "id%5B%5D=1&id%5B%5D=2&qty%5B%5D=5",
        "product.updated {\"id\":\"1\"} {\"id\":1,\"q\":\"5\"}\n\
         ! r: rows: the lists are of uneven length (id has 2, qty has 1); the shortest counts (shop.toml:1)",
    )]);
}

#[test]
fn templates_capture_of_location_and_referer() {
    let rules = ruleset(
        "[event.r]\non = 'POST /save'\nlocation = '/list/{id:int}'\nreferer.path = '/form/{kind}/**'\n\
         referer.params.kind = ['cup', 'pot']\ntopic = 'product.updated'\nid = '{{ location.params.id }}'\n\
         payload.kind = '{{ referer.params.kind }}'\npayload.page = '{{ referer.path }}'",
    );
    let seen = |referer: &'static str| {
        let headers: &'static [(&str, &str)] = match referer {
            "cup" => &[("referer", "https://shop.example/form/cup/7")],
            _ => &[("referer", "https://shop.example/form/lid")],
        };
        Seen { headers, response_headers: &[("location", "/list/7")], ..post("") }
    };
    assert_eq!(
        play(&rules, &[seen("cup"), seen("lid")]),
        "product.updated {\"id\":\"7\"} {\"id\":7,\"kind\":\"cup\",\"page\":\"/form/cup/7\"}\n--\n"
    );
}
