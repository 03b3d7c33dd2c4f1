//! `[learn.NAME]`, and events whose id shows later.

use shopbell::rules::Replay;

use super::{check, exchange, rules};

/// A product is made without a word about its id; the list shows it later.
const SHOP: &str = "
[event.add]
on = 'POST /products/add'
status = 302
topic = 'product.created'
key.model = '{{ form.model }}'
payload.name = '{{ form.name }}'
wait = { for = '10m', else = 'send' }
[event.edit]
on = 'POST /products/edit'
topic = 'product.updated'
key.model = '{{ form.model }}'
payload.name = '{{ form.name }}'
[learn.list]
on = 'GET /products'
find.row = { rows = 'tr', cols.id = { css = 'td' }, cols.model = { css = 'td + td' } }
for_each = 'find.row'
resource = 'product'
id = '{{ item.id }}'
key.model = '{{ item.model }}'
";

fn list(seconds: u32, rows: &[(&str, &str)]) -> String {
    let rows: Vec<String> = rows.iter().map(|(id, model)| format!("<tr><td>{id}</td><td>{model}</td></tr>")).collect();
    let rows = rows.concat();
    format!("{seconds} GET /products | | 200 | <table>{rows}</table>")
}

const ADD: &str = "10 POST /products/add | model=X&name=N | 302 /products";

#[test]
fn a_key_that_is_learnt_completes_an_event() {
    let sent = |line: usize, id: &str| format!("{line}<-0 product.created {{\"id\":{id},\"name\":\"N\"}}");
    let fallback = r#"product.created {"model":"X","name":"N"}"#;
    check(
        &rules(SHOP),
        &[
            (&[ADD, &list(20, &[("60", "other"), ("61", "x ")])], &sent(1, "61")),
            (&[ADD, &list(20, &[("60", "other")]), &list(30, &[("61", "X")])], &sent(2, "61")),
            (&[ADD, &list(700, &[("61", "X")])], &format!("0<-0 {fallback}")),
            // An id that was known before is that of an older thing.
            (&[&list(5, &[("50", "X")]), ADD, &list(20, &[("50", "X")])], &format!("2<-1 {fallback}")),
            (
                &[&list(5, &[("50", "X")]), ADD, &list(20, &[("50", "X"), ("61", "X")])],
                r#"2<-1 product.created {"id":61,"name":"N"}"#,
            ),
            // Of several new ones it is the highest.
            (&[ADD, &list(20, &[("61", "X"), ("9", "X"), ("40", "X")])], &sent(1, "61")),
            // Completed is completed.
            (&[ADD, &list(20, &[("61", "X")]), &list(30, &[("62", "X")])], &sent(1, "61")),
        ],
    );
}

#[test]
fn what_a_list_shows_later_was_made_when_its_event_says() {
    let rules = rules(SHOP);
    let mut replay = Replay::new(&rules);
    replay.feed(0, exchange(ADD));
    let (events, _) = replay.feed(1, exchange(&list(70, &[("61", "X")])));
    let body: serde_json::Value = serde_json::from_str(events[0].draft.body.get()).unwrap();
    let dates = (body["date_created_gmt"].as_str(), body["date_modified_gmt"].as_str());
    assert_eq!(dates, (Some("2026-11-03T16:07:10"), Some("2026-11-03T16:08:10")));
}

#[test]
fn n_events_with_one_key_take_the_n_highest_oldest_first() {
    let second = "11 POST /products/add | model=X&name=M | 302 /products";
    let rows = [("61", "X"), ("62", "X"), ("40", "X")];
    check(
        &rules(SHOP),
        &[
            (
                &[ADD, second, &list(20, &rows)],
                "2<-0 product.created {\"id\":61,\"name\":\"N\"}\n2<-1 product.created {\"id\":62,\"name\":\"M\"}",
            ),
            // One was taken before: the other takes the next.
            (
                &[
                    ADD,
                    &list(11, &[("61", "X")]),
                    "12 POST /products/add | model=X&name=M | 302 /",
                    &list(20, &rows[..2]),
                ],
                "1<-0 product.created {\"id\":61,\"name\":\"N\"}\n3<-2 product.created {\"id\":62,\"name\":\"M\"}",
            ),
            // Ids that are no integers have no order: only as many as there are events.
            (
                &[ADD, second, &list(20, &[("a", "X"), ("b", "X")])],
                "2<-0 product.created {\"id\":\"a\",\"name\":\"N\"}\n2<-1 product.created {\"id\":\"b\",\"name\":\"M\"}",
            ),
            (&[ADD, &list(20, &[("a", "X"), ("b", "X")])], "1<-0 product.created {\"model\":\"X\",\"name\":\"N\"}"),
        ],
    );
}

#[test]
fn what_was_known_by_its_key_is_merged_into_the_id() {
    check(
        &rules(SHOP),
        &[
            (
                &[
                    "0 POST /products/edit | model=X&name=N",
                    &list(5, &[("61", "X")]),
                    "9 POST /products/edit | model=x",
                ],
                "0<-0 product.updated {\"model\":\"X\",\"name\":\"N\"}\n2<-2 product.updated {\"id\":61,\"name\":\"N\"}",
            ),
            // Of several things with one key an update means the newest.
            (
                &[&list(5, &[("61", "X"), ("40", "X")]), "9 POST /products/edit | model=x&name=N"],
                r#"1<-1 product.updated {"id":61,"name":"N"}"#,
            ),
        ],
    );
}

#[test]
fn other_waits_end_with_the_id_too() {
    let rules = rules(
        "
[event.signup]
on = 'POST /signup'
topic = 'customer.created'
key.email = '{{ form.email }}'
id = '{{ then.find.id }}'
wait = { on = 'GET /account', find.id = { css = '#id' }, else = 'send' }
[event.profile]
on = 'POST /profile'
topic = 'customer.updated'
key.email = '{{ form.email }}'
wait = { for = '5m' }
[event.admin]
on = 'POST /admin/customer'
topic = 'customer.updated'
id = '{{ form.id }}'
key.email = '{{ form.email }}'
",
    );
    check(
        &rules,
        &[
            // What an event teaches counts as what a learn rule does; events of one exchange come first.
            (
                &["0 POST /signup sid=visitor-1 | email=a@x", "1 POST /admin/customer | id=5&email=A@x"],
                "1<-1 customer.updated {\"id\":5}\n1<-0 customer.created {\"id\":5}",
            ),
            (
                &[
                    "0 POST /profile | email=a@x",
                    "1 POST /admin/customer | id=5&email=a@x",
                    "2 POST /profile | email=a@x",
                ],
                "1<-1 customer.updated {\"id\":5}\n1<-0 customer.updated {\"id\":5}\n2<-2 customer.updated {\"id\":5}",
            ),
        ],
    );
}

#[test]
fn a_learn_rule_runs_whatever_stops_and_keeps_facts() {
    let rules = rules(
        "
[event.stop]
on = 'POST /x'
stop = true
topic = 'product.updated'
id = '{{ form.id }}'
[learn.master]
on = 'POST /x'
priority = -5
resource = 'product'
id = '{{ form.id }}'
facts.master = '{{ form.master }}'
payload.sku = '{{ form.sku }}'
[event.del]
on = 'POST /del'
when = \"known('product', form.id).facts.master == form.cat\"
topic = 'product.saved'
id = '{{ form.id }}'
",
    );
    check(
        &rules,
        &[(
            &["0 POST /x | id=7&master=4&sku=S", "1 POST /del | id=7&cat=4", "2 POST /del | id=7&cat=5"],
            "0<-0 product.updated {\"id\":7}\n1<-1 product.updated {\"id\":7,\"sku\":\"S\"}",
        )],
    );
}
