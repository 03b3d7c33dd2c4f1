//! Ids, natural keys, `saved`, and what is learnt.

use super::{check, play, post};
use crate::rules::ruleset;

#[test]
fn an_event_needs_an_id_or_a_key() {
    let both = "topic = 'customer.updated'\nid = '{{ form.id }}'\nkey.email = '{{ form.email }}'";
    check(&[
        (both, "id=+12+&email=A@b", r#"customer.updated {"id":"12"} {"id":12}"#),
        (both, "id=&email=+A@b+", r#"customer.updated {"key":{"name":"email","value":"a@b"}} {"email":"A@b"}"#),
        (both, "id=+&email=", "! r: no event customer.updated: neither id nor key is defined"),
        (
            "topic = 'customer.deleted'\nkey.email = '{{ form.email }}'\nkey.name = '{{ form.name }}'",
            "email=A@b&name=Ann",
            r#"customer.deleted {"key":{"name":"email","value":"a@b"}} {"email":"A@b","name":"Ann"}"#,
        ),
        (
            "topic = 'customer.updated'\nkey = \"{{ {'email': form.email, 'no': form.none} }}\"",
            "email=a@b",
            r#"customer.updated {"key":{"name":"email","value":"a@b"}} {"email":"a@b"}"#,
        ),
        (
            "topic = 'action.viewed'\nid = '{{ form.id }}'",
            "id=3",
            r#"action.viewed {"id":"3"} {"action":"viewed","arg":3}"#,
        ),
        (
            "topic = 'action.viewed'\nresource = 'product'\nkey.sku = '{{ form.sku }}'",
            "sku=T",
            r#"action.viewed {"key":{"name":"sku","value":"t"}} {"action":"viewed","arg":{"sku":"T"}}"#,
        ),
        (
            "topic = 'action.viewed'\nid = '3'\narg = { a = 1, b = '{{ form.none }}' }",
            "x=1",
            r#"action.viewed {"id":"3"} {"action":"viewed","arg":{"a":1}}"#,
        ),
    ]);
}

const SAVED: &str = "
[event.save]
on = 'POST /save'
form.delete = false
topic = 'product.saved'
id = '{{ form.id }}'
key.sku = '{{ form.sku }}'
key.ean = '{{ form.ean }}'
payload.name = '{{ form.name }}'
payload.price = '{{ form.price }}'
[event.delete]
on = 'POST /save'
form.delete = true
topic = 'product.deleted'
id = '{{ form.id }}'
key.sku = '{{ form.sku }}'
";

#[test]
fn state_decides_what_saved_means() {
    let played = play(
        &ruleset(SAVED),
        &[
            post("id=7&name=Tea&price=1"),
            post("id=7&price=2"),
            post("id=7&delete=1"),
            post("id=7&name=Chai"),
            post("id=7&name=Chai"),
        ],
    );
    assert_eq!(
        played,
        "product.created {\"id\":\"7\"} {\"id\":7,\"name\":\"Tea\",\"price\":\"1\"}\n--\n\
         product.updated {\"id\":\"7\"} {\"id\":7,\"price\":\"2\",\"name\":\"Tea\"}\n--\n\
         product.deleted {\"id\":\"7\"} {\"id\":7}\n--\n\
         product.restored {\"id\":\"7\"} {\"id\":7,\"name\":\"Chai\",\"price\":\"2\"}\n--\n\
         product.updated {\"id\":\"7\"} {\"id\":7,\"name\":\"Chai\",\"price\":\"2\"}",
    );
}

#[test]
fn a_key_is_a_name_for_the_id_once_both_were_seen() {
    let played = play(
        &ruleset(SAVED),
        &[post("sku=T-1&name=Tea"), post("id=7&sku=+t-1&price=2"), post("sku=T-1&price=3"), post("sku=T-1&delete=1")],
    );
    assert_eq!(
        played,
        "product.created {\"key\":{\"name\":\"sku\",\"value\":\"t-1\"}} {\"sku\":\"T-1\",\"name\":\"Tea\"}\n--\n\
         product.updated {\"id\":\"7\"} {\"id\":7,\"price\":\"2\",\"name\":\"Tea\"}\n--\n\
         product.updated {\"id\":\"7\"} {\"id\":7,\"price\":\"3\",\"name\":\"Tea\"}\n--\n\
         product.deleted {\"id\":\"7\"} {\"id\":7}",
    );
}

#[test]
fn keys_that_disagree_are_told_and_the_first_counts() {
    let played = play(
        &ruleset(SAVED),
        &[
            post("id=7&sku=A"),
            post("id=8&ean=4006381333931"),
            post("sku=a&ean=4006381333931&name=x"),
            // Nothing told an id there: the other key is what it was.
            post("ean=4006381333931&name=y"),
            post("id=9&sku=A"),
        ],
    );
    assert_eq!(
        played,
        "product.created {\"id\":\"7\"} {\"id\":7}\n--\n\
         product.created {\"id\":\"8\"} {\"id\":8}\n--\n\
         product.updated {\"id\":\"7\"} {\"id\":7,\"name\":\"x\"}\n\
         ! save: keys disagree: sku and ean stand for different products; the first counts\n--\n\
         product.updated {\"id\":\"8\"} {\"id\":8,\"name\":\"y\"}\n--\n\
         product.created {\"id\":\"9\"} {\"id\":9}\n\
         ! save: key sku stood for another product; it stands for the newer one now",
    );
}

#[test]
fn a_created_without_an_id_is_a_new_thing_each_time() {
    let rules = ruleset(
        "
[event.order]
on = 'POST /save'
topic = 'order.created'
id = '{{ form.id }}'
key.email = '{{ form.email }}'
payload.total = '{{ form.total | money }}'
payload.note = '{{ form.note }}'
",
    );
    let played =
        play(&rules, &[post("id=5&email=a@b&total=1"), post("email=a@b&total=2&note=hi"), post("email=A@B&total=3")]);
    assert_eq!(
        played,
        "order.created {\"id\":\"5\"} {\"id\":5,\"total\":\"1.00\"}\n--\n\
         order.created {\"key\":{\"name\":\"email\",\"value\":\"a@b\"}} {\"email\":\"a@b\",\"total\":\"2.00\",\"note\":\"hi\"}\n--\n\
         order.created {\"key\":{\"name\":\"email\",\"value\":\"a@b\"}} {\"email\":\"A@B\",\"total\":\"3.00\"}",
    );
}

#[test]
fn events_of_one_exchange_see_each_other_in_order() {
    let rules = ruleset(
        "
[event.a]
on = 'POST /save'
priority = 1
topic = 'product.saved'
id = '{{ form.id }}'
key.sku = '{{ form.sku }}'
payload.a = 1
[event.b]
on = 'POST /save'
topic = 'product.saved'
key.sku = '{{ form.sku }}'
payload.b = 2
",
    );
    assert_eq!(
        play(&rules, &[post("id=7&sku=x")]),
        "product.created {\"id\":\"7\"} {\"id\":7,\"a\":1}\nproduct.updated {\"id\":\"7\"} {\"id\":7,\"b\":2,\"a\":1}",
    );
}
