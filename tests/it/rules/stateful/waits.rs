//! `wait` for a later exchange, `once`, and what is left when nothing comes.

use super::{check, play, rules};

/// The order is made by one exchange, its number stands on the page that follows.
const ORDER: &str = "
[learn.buyer]
on = 'POST /address'
remember.buyer.email = '{{ form.email }}'
[event.order]
on = 'POST /order'
location = '/thanks'
topic = 'order.created'
key.email = '{{ session.buyer.email }}'
id = '{{ then.find.number }}'
payload.total = '{{ then.find.total }}'
payload.note = '{{ form.note }}'
forget = ['buyer']
[event.order.wait]
on = 'GET /thanks'
find.number = { css = '#number', regex = '\\d+' }
find.total = { css = '#total', optional = true }
for = '15m'
else = 'send'
";

const ADDRESS: &str = "0 POST /address sid=visitor-1 | email=A@x";
const BUY: &str = "1 POST /order sid=visitor-1 | note=n | 302 /thanks";
const THANKS: &str = "2 GET /thanks sid=visitor-1 | | 200 | <p id=number>Order 71</p><b id=total>9.90</b>";
const DONE: &str = r#"2<-1 order.created {"id":71,"note":"n","total":"9.90"}"#;

#[test]
fn the_next_page_completes_an_order() {
    check(
        &rules(ORDER),
        &[
            (&[ADDRESS, BUY, THANKS], DONE),
            // A reload of the page completes nothing more.
            (&[ADDRESS, BUY, THANKS, THANKS], DONE),
            // A page without the number does not complete it; the next one may.
            (
                &[ADDRESS, BUY, "2 GET /thanks sid=visitor-1 | | 200 | <p>wait</p>", THANKS],
                r#"3<-1 order.created {"id":71,"note":"n","total":"9.90"}"#,
            ),
            // Refused: no order.
            (&[ADDRESS, "1 POST /order sid=visitor-1 | | 302 /basket", THANKS], ""),
            // Nobody bought: the page says nothing.
            (&[THANKS], ""),
            // The cookie rotates in between.
            (
                &[
                    ADDRESS,
                    "1 POST /order sid=visitor-1 | note=n | 302 /thanks set=sid=visitor-2",
                    "2 GET /thanks sid=visitor-2 | | 200 | <p id=number>Order 71</p>",
                ],
                r#"2<-1 order.created {"id":71,"note":"n"}"#,
            ),
        ],
    );
}

#[test]
fn a_closed_tab_is_settled_by_its_key_when_time_is_up() {
    let sent = r#"order.created {"email":"A@x","note":"n"}"#;
    check(
        &rules(ORDER),
        &[
            (&[ADDRESS, BUY], &format!("1<-1 {sent}")),
            (&[ADDRESS, BUY, "902 GET /other sid=visitor-1", THANKS], &format!("1<-1 {sent}")),
            // Just in time.
            (
                &[ADDRESS, BUY, "900 GET /thanks sid=visitor-1 | | 200 | <p id=number>7</p>"],
                r#"2<-1 order.created {"id":7,"note":"n"}"#,
            ),
            // No session key: at once.
            (
                &["0 POST /order | note=n | 302 /thanks"],
                "! order: it cannot wait for the visitor: the exchange carries no [session] key (shop.toml:9)\n\
                 ! order: no event order.created: neither id nor key is defined\n\
                 ! order: nothing is remembered: the exchange carries no [session] key",
            ),
        ],
    );
    let drop = ORDER.replace("else = 'send'", "else = 'drop'");
    assert_eq!(
        play(&rules(&drop), &[ADDRESS, BUY]),
        "! order: no event: a later page of the visitor did not come in time"
    );
}

#[test]
fn without_a_word_a_key_is_sent_and_an_id_alone_is_not() {
    let rules = |more: &str| {
        let wait = "topic = 'order.updated'\nid = '{{ form.id }}'\nwait.on = 'GET /confirmed'";
        rules(&format!("[event.e]\non = 'POST /e'\n{wait}\n{more}"))
    };
    let line = "1 POST /e sid=visitor-1 | id=5&no=A";
    for (more, wanted) in [
        ("", "! e: no event: a later page of the visitor did not come in time"),
        ("wait.else = 'send'", r#"0<-0 order.updated {"id":5}"#),
        ("key.no = '{{ form.no }}'", r#"0<-0 order.updated {"id":5}"#),
        ("key.no = '{{ form.none }}'", "! e: no event: a later page of the visitor did not come in time"),
        (
            "key.no = '{{ form.no }}'\nwait.else = 'drop'",
            "! e: no event: a later page of the visitor did not come in time",
        ),
    ] {
        assert_eq!(play(&rules(more), &[line]), wanted, "{more}");
    }
}

#[test]
fn interleaved_guests_get_their_own_numbers() {
    let lines = [
        "0 POST /address sid=visitor-1 | email=one@x",
        "1 POST /address sid=visitor-2 | email=two@x",
        "2 POST /order sid=visitor-1 | note=1 | 302 /thanks",
        "3 POST /order sid=visitor-2 | note=2 | 302 /thanks",
        "4 GET /thanks sid=visitor-2 | | 200 | <p id=number>72</p>",
        "5 GET /thanks sid=visitor-1 | | 200 | <p id=number>71</p>",
    ];
    check(
        &rules(ORDER),
        &[(&lines, "4<-3 order.created {\"id\":72,\"note\":\"2\"}\n5<-2 order.created {\"id\":71,\"note\":\"1\"}")],
    );
}

#[test]
fn the_oldest_open_wait_comes_first_one_each() {
    let lines = [
        "0 POST /order sid=visitor-1 | note=1 | 302 /thanks",
        "1 POST /order sid=visitor-1 | note=2 | 302 /thanks",
        "2 GET /thanks sid=visitor-1 | | 200 | <p id=number>71</p>",
        "3 GET /thanks sid=visitor-1 | | 200 | <p id=number>72</p>",
    ];
    check(
        &rules(ORDER),
        &[(&lines, "2<-0 order.created {\"id\":71,\"note\":\"1\"}\n3<-1 order.created {\"id\":72,\"note\":\"2\"}")],
    );
}

/// One note for each element.
const TWICE: &str = "! bulk: no event: a later page of the visitor did not come in time\n\
    ! bulk: no event: a later page of the visitor did not come in time";

#[test]
fn conditions_of_a_wait_may_name_the_first_exchange() {
    let rules = rules(
        "
[event.bulk]
on = 'POST /bulk'
status = 302
location.query.key = true
topic = 'product.updated'
for_each = 'form.ids | split(\",\")'
id = '{{ item }}'
payload.how = '{{ then.form.how }}'
wait = { on = 'POST /confirm', query.key = '{{ location.query.key }}', form.yes = true, else = 'drop' }
",
    );
    let first = "0 POST /bulk sid=visitor-1 | ids=7,8 | 302 /confirm?key=k1";
    check(
        &rules,
        &[
            // One exchange completes all elements of one match.
            (
                &[first, "1 POST /confirm?key=k1 sid=visitor-1 | yes=1&how=hide | 302 /"],
                "1<-0 product.updated {\"id\":7,\"how\":\"hide\"}\n1<-0 product.updated {\"id\":8,\"how\":\"hide\"}",
            ),
            (&[first, "1 POST /confirm?key=k2 sid=visitor-1 | yes=1&how=hide | 302 /"], TWICE),
            (&[first, "1 POST /confirm?key=k1 sid=visitor-1 | how=hide | 302 /"], TWICE),
        ],
    );
}

#[test]
fn for_each_and_its_when_may_come_late() {
    let rules = rules(
        "
[event.all]
on = 'POST /select-all'
topic = 'product.updated'
for_each = 'then.form[\"id[]\"]'
when = ['form.really == \"yes\"', 'item != form.but']
id = '{{ item }}'
payload.price = '{{ form.price }}'
wait = { on = 'POST /confirm', else = 'drop' }
",
    );
    let confirm = "1 POST /confirm sid=visitor-1 | id[]=7&id[]=8&id[]=9";
    check(
        &rules,
        &[
            (
                &["0 POST /select-all sid=visitor-1 | really=yes&but=8&price=3", confirm],
                "1<-0 product.updated {\"id\":7,\"price\":\"3\"}\n1<-0 product.updated {\"id\":9,\"price\":\"3\"}",
            ),
            (&["0 POST /select-all sid=visitor-1 | really=no&but=8", confirm], ""),
        ],
    );
}

#[test]
fn what_is_late_is_computed_of_what_was_stored() {
    let rules = rules(
        "
[event.r]
on = 'POST /r/{n:int}'
topic = \"{{ 'order' if then.status == 200 else 'nothing' }}.created\"
key.n = '{{ params.n }}'
id = '{{ then.params.id }}'
payload.early = '{{ form.a.b }}'
payload.mixed = '{{ form.a.b }}/{{ then.query.q }}/{{ session.me.name }}/{{ form[\"l[]\"] | last }}'
payload.list = ['{{ then.query.q }}', 'x', '{{ form.a.b }}']
payload.deep.one = 'first'
payload.deep.two = '{{ then.query.q }}'
payload_from = 'then.query'
remember.last = '{{ then.query.q }}'
wait = { on = 'GET /s/{id}', else = 'send' }
[learn.me]
on = 'POST /me'
remember.me.name = '{{ form.name }}'
[event.tell]
on = 'GET /tell'
topic = 'action.tell'
resource = 'x'
id = '1'
arg = '{{ session.last }}'
",
    );
    let lines = [
        "0 POST /me sid=visitor-1 | name=Ann",
        "1 POST /r/5 sid=visitor-1 | a[b]=B&l[]=1&l[]=2 | 302 /s",
        "2 POST /me sid=visitor-1 | name=Bob",
        "3 GET /s/77?q=Q&z=Z sid=visitor-1",
        "4 GET /tell sid=visitor-1",
    ];
    check(
        &rules,
        &[
            (
                &lines,
                "3<-1 order.created {\"id\":77,\"early\":\"B\",\"deep\":{\"one\":\"first\",\"two\":\"Q\"},\"mixed\":\"B/Q/Ann/2\",\
                 \"list\":[\"Q\",\"x\",\"B\"],\"q\":\"Q\",\"z\":\"Z\"}\n\
                 4<-4 action.tell {\"action\":\"tell\",\"arg\":\"Q\"}",
            ),
            // Without the later exchange what names it is left out.
            (
                &lines[..2],
                "1<-1 nothing.created {\"n\":\"5\",\"early\":\"B\",\"deep\":{\"one\":\"first\"},\"list\":[\"x\",\"B\"]}",
            ),
        ],
    );
}

#[test]
fn several_topics_wait_as_one() {
    let rules = rules(
        "
[event.account]
on = 'POST /buy'
topic = ['customer.created', 'action.wc_customer_login']
resource = 'customer'
key.email = '{{ form.email }}'
id = '{{ then.find.id }}'
wait = { on = 'GET /account', find.id = { css = '#id' }, else = 'send' }
",
    );
    check(
        &rules,
        &[(
            &["0 POST /buy sid=visitor-1 | email=a@x", "1 GET /account sid=visitor-1 | | 200 | <i id=id>5</i>"],
            "1<-0 customer.created {\"id\":5}\n1<-0 action.wc_customer_login {\"action\":\"wc_customer_login\",\"arg\":5}",
        )],
    );
}

#[test]
fn once_keeps_the_same_thing_from_coming_twice() {
    let rules = rules(
        "
[event.a]
on = 'POST /a'
topic = 'order.created'
id = '{{ form.id }}'
once = '{{ form.token }}'
[event.b]
on = 'POST /b'
topic = 'order.created'
for_each = 'form.id | split(\",\")'
id = '{{ item }}'
once = { key = '{{ item }}', for = '1h' }
",
    );
    let event = |line: usize, id: u32| format!("{line}<-{line} order.created {{\"id\":{id}}}");
    check(
        &rules,
        &[
            (&["0 POST /a | id=1&token=t", "5 POST /a | id=2&token=t"], &event(0, 1)),
            (&["0 POST /a | id=1&token=t", "5 POST /a | id=2&token=u"], &[event(0, 1), event(1, 2)].join("\n")),
            // A day later it is another thing.
            (&["0 POST /a | id=1&token=t", "86401 POST /a | id=2&token=t"], &[event(0, 1), event(1, 2)].join("\n")),
            // What gave no event uses no key up.
            (
                &["0 POST /a | token=t", "5 POST /a | id=2&token=t"],
                &format!("! a: no event order.created: neither id nor key is defined\n{}", event(1, 2)),
            ),
            // Scope is the rule, per item, also within one exchange.
            (&["0 POST /b | id=1,2,1", "5 POST /b | id=2,3"], &[event(0, 1), event(0, 2), event(1, 3)].join("\n")),
            (&["0 POST /b | id=1", "3601 POST /b | id=1"], &[event(0, 1), event(1, 1)].join("\n")),
        ],
    );
}
