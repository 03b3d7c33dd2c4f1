//! `flash` where no cookie carries the messages: the boxes of the visitor's next page decide.

use super::{check, rules};

/// A shop that keeps its messages in its own session and shows them once.
const SHOP: &str = "
[flash]
page = { success = '.ok', error = '.bad' }
[event.add]
on = 'POST /cart/{id}'
flash = 'success'
topic = 'action.woocommerce_add_to_cart'
id = '{{ params.id }}'
remember.last = '{{ params.id }}'
[event.refused]
on = 'POST /cart/{id}'
flash = 'error'
topic = 'action.refused'
id = '{{ params.id }}'
arg = '{{ session.last | default(0) }}'
[event.made]
on = 'POST /products'
flash = { level = 'success', text = { contains = 'saved' } }
topic = 'product.created'
key.sku = '{{ form.sku }}'
once = { key = '{{ form.sku }}', for = '1h' }
wait = { for = '1m', else = 'send' }
[learn.list]
on = 'GET /products'
find.row = { optional = true, rows = 'tr', cols.id = { css = 'i' }, cols.sku = { css = 'b' } }
for_each = 'find.row'
resource = 'product'
id = '{{ item.id }}'
key.sku = '{{ item.sku }}'
";

const ADD: &str = "0 POST /cart/7 sid=visitor-1 | | 302 /cart";
const OK: &str = "1 GET /cart sid=visitor-1 | | 200 | <p class=ok>Added.</p>";
const BAD: &str = "1 GET /cart sid=visitor-1 | | 200 | <p class=bad>None left.</p>";
const MADE: &str = "0 POST /products sid=visitor-1 | sku=T-1 | 302 /products";

#[test]
fn the_next_page_says_whether_there_was_a_match() {
    let added = r#"1<-0 action.woocommerce_add_to_cart {"action":"woocommerce_add_to_cart","arg":7}"#;
    check(
        &rules(SHOP),
        &[
            (&[ADD, OK], added),
            (&[ADD, BAD], r#"1<-0 action.refused {"action":"refused","arg":0}"#),
            // The first page decides: it says nothing, so nothing happened.
            (&[ADD, "1 GET /cart sid=visitor-1 | | 200 | <p>Your cart</p>", OK], ""),
            // A redirect is no page, nor is what is no HTML, nor somebody else's.
            (
                &[ADD, "1 GET /cart sid=visitor-1 | | 302 /basket", OK],
                r#"2<-0 action.woocommerce_add_to_cart {"action":"woocommerce_add_to_cart","arg":7}"#,
            ),
            (
                &[ADD, "1 GET /cart sid=visitor-2 | | 200 | <p class=ok>Hi</p>", OK],
                r#"2<-0 action.woocommerce_add_to_cart {"action":"woocommerce_add_to_cart","arg":7}"#,
            ),
            // Shown once, told once.
            (&[ADD, OK, OK], added),
            // Two in a row, one page: it decides both.
            (
                &[
                    ADD,
                    "0 POST /cart/8 sid=visitor-1 | | 302 /cart",
                    "2 GET /cart sid=visitor-1 | | 200 | <p class=ok>Added.</p>",
                ],
                r#"2<-0 action.woocommerce_add_to_cart {"action":"woocommerce_add_to_cart","arg":7}
2<-1 action.woocommerce_add_to_cart {"action":"woocommerce_add_to_cart","arg":8}"#,
            ),
            // Half a minute, no more.
            (&[ADD, "29 GET /cart sid=visitor-1 | | 200 | <p class=ok>Added.</p>"], added),
            (
                &[ADD, "31 GET /cart sid=visitor-1 | | 200 | <p class=ok>Added.</p>"],
                "! add: no event: the shop's message on the visitor's next page did not come in time\n\
                 ! refused: no event: the shop's message on the visitor's next page did not come in time",
            ),
        ],
    );
}

#[test]
fn what_is_remembered_and_used_up_comes_with_the_page() {
    check(
        &rules(SHOP),
        &[
            // Refused: not remembered; taken: remembered.
            (
                &[ADD, BAD, ADD, BAD],
                r#"1<-0 action.refused {"action":"refused","arg":0}
3<-2 action.refused {"action":"refused","arg":0}"#,
            ),
            (
                &[ADD, OK, ADD, BAD],
                r#"1<-0 action.woocommerce_add_to_cart {"action":"woocommerce_add_to_cart","arg":7}
3<-2 action.refused {"action":"refused","arg":"7"}"#,
            ),
        ],
    );
}

#[test]
fn a_confirmed_match_waits_for_what_its_rule_waits_for() {
    let page = |boxes: &str| {
        format!("1 GET /products sid=visitor-1 | | 200 | {boxes}<table><tr><td><i>9</i><b>T-1</b></table>")
    };
    let saved = page("<p class=ok>It is saved.</p>");
    let refused = page("<p class=bad>No.</p>");
    let made = r#"1<-0 product.created {"id":9}"#;
    check(
        &rules(SHOP),
        &[
            // The page that says yes tells the id, too.
            (&[MADE, &saved], made),
            // It says yes; a later page tells the id.
            (
                &[
                    MADE,
                    "1 GET /x sid=visitor-1 | | 200 | <p class=ok>saved</p>",
                    "50 GET /products sid=visitor-1 | | 200 | <table><tr><td><i>9</i><b>T-1</b></table>",
                ],
                r#"2<-0 product.created {"id":9}"#,
            ),
            // It says no: the list tells an id that nobody waits for.
            (&[MADE, &refused], ""),
            // A refused save uses up no `once`.
            (&[MADE, &refused, MADE, &saved], r#"3<-2 product.created {"id":9}"#),
            (&[MADE, &saved, MADE, &saved], made),
        ],
    );
}

/// Its messages carry what the answer does not say.
const TOLD: &str = r#"
[flash]
page = { success = '.ok', error = '.bad' }
[event.made]
on = 'POST /made'
find.id = { from = 'flash', regex = '/products/(\d+)' }
topic = 'product.created'
id = '{{ find.id }}'
payload.name = '{{ form.name }}'
payload.said = '{{ flash[0].text }}'
remember.last = '{{ find.id }} {{ form.name }}'
[event.linked]
on = 'POST /linked'
flash = 'success'
find.id = { from = ['flash', 'location'], css = 'a', attr = 'href', regex = '/products/(\d+)', optional = true }
topic = 'product.created'
id = '{{ find.id }}'
key.sku = '{{ form.sku }}'
[event.either]
on = 'POST /either'
find.id = { from = ['flash', 'location'], regex = '/products/(\d+)' }
topic = 'product.updated'
id = '{{ find.id }}'
[event.first]
on = 'POST /first'
find.id = { from = ['location', 'flash'], regex = '/products/(\d+)' }
topic = 'product.updated'
id = '{{ find.id }}'
[event.some]
on = 'POST /some'
find.id = { from = 'flash', all = true, regex = 'No\. (\d+)', optional = true }
for_each = 'find.id'
when = ["item | int > 1", "form.go == 'yes'"]
topic = ['product.deleted', "action.gone_{{ find.id | length }}"]
id = '{{ item }}'
arg = '{{ form.by }}-{{ item }}'
once = '{{ item }}'
[event.order]
on = 'POST /order'
find.number = { from = 'flash', regex = 'order (\w+)' }
topic = 'order.created'
key.number = '{{ find.number }}'
payload.total = '{{ form.total }}'
payload.seen = '{{ then.status }} {{ find.number }} {{ form.note }}'
wait = { on = 'GET /order/{n}', query.number = '{{ find.number }}', for = '1m' }
[event.absent]
on = 'POST /absent'
flash = 'success'
find.no = { from = 'flash', regex = 'but', absent = true }
topic = 'product.updated'
id = 1
[learn.number]
on = 'POST /learn'
find.number = { from = 'flash', regex = 'order (\w+)' }
find.id = { from = 'flash', css = 'a', attr = 'data-id' }
resource = 'order'
id = '{{ find.id }}'
key.number = '{{ find.number }}'
[event.shown]
on = 'POST /shown'
topic = 'order.updated'
key.number = '{{ form.number }}'
payload.last = '{{ session.last }}'
"#;

const MADE_HERE: &str = "0 POST /made sid=visitor-1 | name=Tea | 302 /list";
const LINK: &str = "1 GET /list sid=visitor-1 | | 200 | <p class=ok><b>Saved</b> <a href='/products/9'>it</a></p>";
const SILENT: &str = "1 GET /list sid=visitor-1 | | 200 | <p>Your list</p>";

#[test]
fn a_find_takes_its_values_from_the_next_page() {
    check(
        &rules(TOLD),
        &[
            // In the link of a box, with the values of the exchange that matched.
            (&[MADE_HERE, LINK], r#"1<-0 product.created {"id":9,"name":"Tea","said":"Saved it"}"#),
            // Nothing found, or no page: the rule does not match.
            (&[MADE_HERE, SILENT, LINK], ""),
            (
                &[MADE_HERE, &LINK.replacen('1', "31", 1)],
                "! made: no event: the shop's message on the visitor's next page did not come in time",
            ),
            (
                &["0 POST /made | name=Tea | 302 /list", LINK],
                "! made: did not match: the next page shows the shop's message, and no [session] key leads to it (shop.toml:8)",
            ),
            // What is remembered names both exchanges.
            (
                &[MADE_HERE, LINK, "2 POST /shown sid=visitor-1 | number=1 | 200 | "],
                "1<-0 product.created {\"id\":9,\"name\":\"Tea\",\"said\":\"Saved it\"}\n2<-2 order.updated {\"number\":\"1\",\"last\":\"9 Tea\"}",
            ),
        ],
    );
}

#[test]
fn what_other_sources_tell_stands_where_the_page_tells_nothing() {
    let either = "0 POST /either sid=visitor-1 | | 302 /products/5";
    check(
        &rules(TOLD),
        &[
            (&["0 POST /linked sid=visitor-1 | sku=L | 302 /products/5", OK], r#"1<-0 product.created {"sku":"L"}"#),
            (&["0 POST /linked sid=visitor-1 | sku=L | 302 /products", LINK], r#"1<-0 product.created {"id":9}"#),
            (&["0 POST /linked sid=visitor-1 | sku=L | 302 /products", BAD], ""),
            // In written order; without a page, or a visitor, what is known at once.
            (&[either, LINK], r#"1<-0 product.updated {"id":9}"#),
            (&[either, OK], r#"1<-0 product.updated {"id":5}"#),
            (&[either, "40 GET /x sid=visitor-1 | | 200 | <p>"], r#"0<-0 product.updated {"id":5}"#),
            (&["0 POST /either | | 302 /products/5"], r#"0<-0 product.updated {"id":5}"#),
            (&["0 POST /first sid=visitor-1 | | 302 /products/5", LINK], r#"0<-0 product.updated {"id":5}"#),
            (&["0 POST /first sid=visitor-1 | | 302 /products", LINK], r#"1<-0 product.updated {"id":9}"#),
            (&["0 POST /absent sid=visitor-1 | | 302 /x", OK], r#"1<-0 product.updated {"id":1}"#),
            (
                &["0 POST /absent sid=visitor-1 | | 302 /x", "1 GET /x sid=visitor-1 | | 200 | <p class=ok>Done, but"],
                "",
            ),
        ],
    );
}

#[test]
fn items_and_waits_go_on_from_the_next_page() {
    let some = |go: &str| format!("0 POST /some sid=visitor-1 | go={go}&by=me | 302 /list");
    let gone = "1 GET /list sid=visitor-1 | | 200 | <p class=ok>No. 1, No. 2 and No. 3 are gone.</p>";
    let order = "0 POST /order sid=visitor-1 | total=3&note=n | 302 /order/x";
    let told = "1 GET /home sid=visitor-1 | | 200 | <p class=ok>Your order A7 is placed.</p>";
    let deleted = r#"1<-0 product.deleted {"id":2}
1<-0 action.gone_3 {"action":"gone_3","arg":"me-2"}
1<-0 product.deleted {"id":3}
1<-0 action.gone_3 {"action":"gone_3","arg":"me-3"}"#;
    check(
        &rules(TOLD),
        &[
            (&[&some("yes"), gone], deleted),
            (&[&some("no"), gone], ""),
            (&[&some("yes"), gone, &some("yes"), gone], deleted),
            (&[&some("yes"), SILENT], ""),
            (
                &[
                    order,
                    told,
                    "2 GET /order/x?number=A6 sid=visitor-1 | | 200 | <p>",
                    "3 GET /order/x?number=A7 sid=visitor-1 | | 200 | <p>",
                ],
                r#"3<-0 order.created {"number":"A7","total":"3","seen":"200 A7 n"}"#,
            ),
            (
                &[order, told, "62 GET /x sid=visitor-1 | | 200 | <p>"],
                r#"1<-0 order.created {"number":"A7","total":"3"}"#,
            ),
            // A learn rule learns from it, too.
            (
                &[
                    "0 POST /learn sid=visitor-1 | | 302 /x",
                    "1 GET /x sid=visitor-1 | | 200 | <p class=ok>Your order B1 <a data-id=44>here</a>",
                    "2 POST /shown sid=visitor-2 | number=B1 | 200 | ",
                ],
                r#"2<-2 order.updated {"id":44}"#,
            ),
        ],
    );
}

/// It asks for no message, and tells what the messages say.
const NAMED: &str = r"
[flash]
page.success = '.ok'
[event.said]
on = 'POST /said'
topic = 'product.updated'
id = '{{ form.id }}'
payload.said = '{{ flash[0].text }}'
remember.said = '{{ flash[0].text }}'
[event.any]
on = 'POST /any'
when = 'flash | length > 0'
topic = 'product.updated'
id = '{{ form.id }}'
[event.each]
on = 'POST /each'
for_each = 'flash'
topic = 'product.updated'
id = '{{ item.text }}'
[learn.seen]
on = 'POST /seen'
remember.said = '{{ flash[0].text }}'
[event.tell]
on = 'POST /tell'
topic = 'product.updated'
id = '{{ session.said }}'
";

#[test]
fn a_flash_that_only_values_name_is_waited_for() {
    let tell = "3 POST /tell sid=visitor-1 | | 200 | ";
    let late = "31 GET /x sid=visitor-1 | | 200 | <p class=ok>Late";
    let post = |path: &str| format!("0 POST /{path} sid=visitor-1 | id=4 | 302 /cart");
    check(
        &rules(NAMED),
        &[
            (
                &[&post("said"), OK, tell],
                "1<-0 product.updated {\"id\":4,\"said\":\"Added.\"}\n2<-2 product.updated {\"id\":\"Added.\"}",
            ),
            // It matched all the same: without the page, or a visitor, it goes on without the message.
            (&[&post("said"), BAD], r#"1<-0 product.updated {"id":4}"#),
            (&[&post("said"), late], r#"0<-0 product.updated {"id":4}"#),
            (&["0 POST /said | id=4 | 302 /cart", OK], r#"0<-0 product.updated {"id":4}"#),
            (&[&post("any"), OK], r#"1<-0 product.updated {"id":4}"#),
            (&[&post("any"), BAD, OK], ""),
            (&[&post("each"), OK], r#"1<-0 product.updated {"id":"Added."}"#),
            (&[&post("seen"), OK, tell], r#"2<-2 product.updated {"id":"Added."}"#),
        ],
    );
}
