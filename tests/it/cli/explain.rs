//! `shopbell explain` as it looks without colours, and what it says of wrong questions.

use serde_json::Value;

use super::Bench;

const RULES: &str = r#"
[session]
cookies = ["sid"]

[event.product-saved]
on = "POST /admin/products/{id:int}/edit"
status = "3xx"
location.query.saved = true
topic = "product.saved"
id = "{{ params.id }}"
payload.name = "{{ form.name }}"
payload.price = "{{ form.price | money }}"
payload.nix = "{{ form.nix }}"

[event.cart]
on = "POST /cart"
for_each = "form.qty"
when = "changed(item.value, session.cart[item.key])"
topic = "action.woocommerce_after_cart_item_quantity_update"
resource = "product"
id = "{{ item.key }}"
remember.cart = "{{ {item.key: item.value} }}"

[event.order]
on = "POST /checkout"
topic = "order.created"
key.email = "{{ form.email }}"
id = "{{ then.find.number }}"
wait = { on = "GET /thanks", find.number = { css = "b" }, for = "10m", else = "send" }
"#;

const CASE: &str = "
>>> GET /\n<<< 200\n\n>>> GET /style.css\n<<< 200\n
>>> POST /admin/products/7/edit\n\nform:\nname = Green \u{1b}[31mtea\nprice = 4,5\n\n<<< 302\nLocation: /admin/products?saved=7\n
>>> POST /admin/products/7/edit\n\nform:\nname =\n\n<<< 200\nContent-Type: text/html\n\n<p>A name is needed</p>\n
>>> POST /cart\nCookie: sid=visitor-0001\n\nform:\nqty[3] = 1\nqty[4] = 2\n\n<<< 302\n
>>> POST /cart\nCookie: sid=visitor-0001\n\nform:\nqty[3] = 1\nqty[4] = 5\n\n<<< 302\n
>>> POST /checkout\nCookie: sid=visitor-0001\n\nform:\nemail = a@x\n\n<<< 302\nLocation: /thanks\n
>>> GET /thanks\nCookie: sid=visitor-0001\n<<< 200\nContent-Type: text/html\n\n<b>17</b>\n
>>> POST /checkout\nCookie: sid=visitor-0001\n\nform:\nemail = a@x\n\n<<< 302\nLocation: /thanks\n
>>> GET /thankz\n<<< 200\n";

fn bench() -> Bench {
    Bench::with(&[("rules/r.toml", RULES), ("x.txt", CASE)])
}

#[test]
fn a_recording_is_told() {
    insta::assert_snapshot!(bench().said(&["explain", "--exchanges", "x.txt"]), @r#"
    exit 0
    --- stdout
    #0 … #1  2 exchanges, no rule is near

    #2  POST /admin/products/7/edit
        answer  302 → /admin/products?saved=7
      ✓ product-saved                                                                                     r.toml:5
          payload    name="Green \u001b[31mtea" price="4.50"
          undefined  payload.nix
      → product.created 7  the product was not known

    #3  POST /admin/products/7/edit
        answer  200 text/html, 23 bytes
        form    name
      ✗ product-saved  wants status = 3xx  found 200                                                      r.toml:5

    #4  POST /cart
        answer  302
        form    qty[3] qty[4]
      ✗ cart  all conditions hold, but not `when`                                                        r.toml:15
          for_each  2 items  form.qty
          item 0    {"key":"3","value":"1"}
            when    false    changed(item.value, session.cart[item.key])
          item 1    {"key":"4","value":"2"}
            when    false    changed(item.value, session.cart[item.key])

    #5  POST /cart
        answer  302
        form    qty[3] qty[4]
      ✗ cart  all conditions hold, but not `when`                                                        r.toml:15
          for_each  2 items  form.qty
          item 0    {"key":"3","value":"1"}
            when    false    changed(item.value, session.cart[item.key])
          item 1    {"key":"4","value":"5"}
            when    false    changed(item.value, session.cart[item.key])

    #6  POST /checkout
        answer  302 → /thanks
      ✓ order                                                                                            r.toml:24
      … order email=a@x waits for a later page of the visitor, 10 min at most; then it is sent as it is

    #7  GET /thanks
        answer  200 text/html, 9 bytes
      ✓ order  is waited for                                                                             r.toml:24
          find.number  "17"
      ✓ order  goes on
      → order.created 17  email=a@x  of #6, the order was not known

    #8  POST /checkout
        answer  302 → /thanks
      ✓ order                                                                                            r.toml:24
      … order email=a@x waits for a later page of the visitor, 10 min at most; then it is sent as it is

    #9  no rule is near

    ⏱  the recording is over
      ✓ order
          undefined  id
      → order.created  email=a@x  of #8, the order was not known

    10 exchanges, 3 events. --seq N tells all of one exchange, --rule NAME follows one rule.
    --- stderr
    "#);
}

#[test]
fn one_exchange_is_told_whole() {
    insta::assert_snapshot!(bench().said(&["explain", "--exchanges", "x.txt", "--seq", "3"]), @r#"
    exit 0
    --- stdout
    #3  POST /admin/products/7/edit
        answer     200 text/html, 23 bytes
        form.name  ""
      ✗ product-saved  1 of 3 hold                                                                        r.toml:5
          wanted  status = 3xx
          found   200
          wanted  location.query.saved = true
          found   absent

    --- stderr
    "#);
}

#[test]
fn one_rule_is_followed() {
    let bench = bench();
    let said = bench.said(&["explain", "--exchanges", "x.txt", "--rule", "order"]);
    assert!(said.contains("#6  POST /checkout") && !said.contains("#4  "), "{said}");
    bench.write("y.txt", ">>> GET /checkout\n<<< 500\n");
    let said = bench.said(&["explain", "--exchanges", "y.txt", "--rule", "order"]);
    assert!(
        said.contains("order never matched, nor nearly; it came nearest here:") && said.contains("#0  GET /checkout"),
        "{said}"
    );
    let said = bench.said(&["explain", "--exchanges", "x.txt", "--rule", "oder"]);
    assert!(said.starts_with("exit 2\n") && said.contains("did you mean `order`?"), "{said}");
    let said = bench.said(&["explain", "--exchanges", "x.txt", "--seq", "99"]);
    assert!(said.starts_with("exit 1\n") && said.contains("10 exchanges, numbered from 0"), "{said}");
}

#[test]
fn json_has_everything_of_every_exchange() {
    let output = bench().run(&["explain", "--exchanges", "x.txt", "--json"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((output.status.code(), rows.len()), (Some(0), 11));
    assert_eq!(rows[2]["rules"][0]["steps"][2]["value"], "Green \u{1b}[31mtea");
    assert_eq!(rows[10]["end"]["events"][0]["key"]["email"], "a@x");
}

/// What only learns is one line, and what it missed is nothing to tell unless it is asked for.
#[test]
fn rules_that_learn_take_a_line() {
    let rules = "[learn.list]\non = 'GET /list'\nfind.row = { rows = 'tr', cols.id = { css = 'b' } }\nfor_each = 'find.row'\n\
                 resource = 'product'\nid = '{{ item.id }}'\n";
    let page = |rows: &str| format!(">>> GET /list\n<<< 200\nContent-Type: text/html\n\n<table>{rows}</table>\n\n");
    let case = page("<tr><td><b>7</b><tr><td><b>8</b>") + &page("");
    let bench = Bench::with(&[("rules/r.toml", rules), ("x.txt", &case)]);
    let said = bench.said(&["explain", "x.txt"]);
    assert!(
        said.contains("✓ list  learns 2: product 7, product 8  ") && said.contains("#1  no rule is near"),
        "{said}"
    );
    let said = bench.said(&["explain", "x.txt", "--rule", "list", "--seq", "1"]);
    assert!(said.contains("✗ list  learns  ") && said.contains("nothing is found"), "{said}");
    // A rule that was meant stands before one that learns, of which more conditions hold.
    bench.write(
        "rules/s.toml",
        "[event.opened]\non = 'GET /list'\nstatus = '3xx'\nlocation = '/x'\ntopic = 'a.b'\nid = '1'\n",
    );
    let said = bench.said(&["explain", "x.txt", "--seq", "1", "--near", "1"]);
    assert!(said.contains("✗ opened") && !said.contains("✗ list"), "{said}");
}

/// Who is signed in is so on every page: that brings a rule for another page no nearer.
#[test]
fn what_is_remembered_makes_nothing_near() {
    const RULES: &str = r#"
[session]
cookies = ["sid"]

[learn.me]
on = "POST /index.php"
query.page = "login"
remember.me = "{{ form.email }}"

[event.logout]
on = "GET /index.php"
query.page = "logoff"
session.me = true
topic = "action.wc_customer_logout"
resource = "customer"
key.email = "{{ session.me }}"
"#;
    const CASE: &str = "
>>> POST /index.php?page=login\nCookie: sid=visitor-0001\n\nform:\nemail = a@x\n\n<<< 302\n
>>> GET /index.php?page=tea\nCookie: sid=visitor-0001\n<<< 200\n
>>> GET /index.php?page=logoff\n<<< 200\n";
    let said = Bench::with(&[("rules/r.toml", RULES), ("x.txt", CASE)]).said(&["explain", "x.txt"]);
    assert!(said.contains("#1  no rule is near"), "{said}");
    assert!(said.contains("✗ logout  wants session.me = true"), "{said}");
}
