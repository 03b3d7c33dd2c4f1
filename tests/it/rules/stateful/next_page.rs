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
[event.linked]
on = 'POST /linked'
flash = 'success'
find.id = { from = ['flash', 'location'], regex = '/products/(\\d+)' }
topic = 'product.created'
id = '{{ find.id }}'
key.sku = '{{ form.sku }}'
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

#[test]
fn what_only_the_message_would_tell_is_done_without() {
    check(
        &rules(SHOP),
        &[
            (&["0 POST /linked sid=visitor-1 | sku=L | 302 /products/5", OK], r#"1<-0 product.created {"id":5}"#),
            (&["0 POST /linked sid=visitor-1 | sku=L | 302 /products", OK], r#"1<-0 product.created {"sku":"L"}"#),
            (&["0 POST /linked sid=visitor-1 | sku=L | 302 /products", BAD], ""),
        ],
    );
}
