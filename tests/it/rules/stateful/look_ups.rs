//! A GET to the shop after the match: rendered here, made by the engine, its answer held against the rule here.

use shopbell::model::{Access, WaitsFor};
use shopbell::rules::Replay;

use super::{exchange, rules, shown};

const RULES: &str = "
[access.office]
login = { post = '/admin/login', form = { user = 'u', password = { env = 'P' } }, keep.token = '{{ location.query.t }}' }
[event.order]
on = 'POST /confirm'
topic = 'order.created'
key.email = '{{ form.email }}'
id = '{{ then.find.id }}'
payload.total = '{{ then.find.total }}'
[event.order.wait]
get = '/admin/orders?email={{ form.email }}&t={{ access.token }}'
as = 'office'
find.id = { css = '.id' }
find.total = { css = '.total', optional = true }
else = 'send'
[event.add]
on = 'POST /add'
topic = 'product.created'
key.model = '{{ form.model }}'
wait = { get = '/admin/list?q={{ form.model }}', as = 'visitor', for = '5m', else = 'send' }
[learn.list]
on = 'GET /admin/list'
find.row = { rows = 'li', cols.id = { css = 'b' }, cols.model = { css = 'i' } }
for_each = 'find.row'
resource = 'product'
id = '{{ item.id }}'
key.model = '{{ item.model }}'
";

/// Plays one exchange with an answer to its look-up.
fn play(line: &str, target: &str, answer: &str) -> String {
    let rules = rules(RULES);
    let mut replay = Replay::new(&rules);
    replay.answer(target, exchange(answer));
    let mut all = shown(replay.feed(0, exchange(line)));
    all.extend(shown(replay.finish()));
    all.join("\n")
}

#[test]
fn an_answer_completes_or_leaves_what_is_known() {
    let buy = "0 POST /confirm | email=a@x";
    let found = "9 GET / | | 200 | <p class=id>71</p>";
    for (line, target, answer, wanted) in [
        (buy, "/admin/orders*", found, r#"0<-0 order.created {"id":71}"#),
        (
            buy,
            "*email=a%40x&t=access.token",
            "9 GET / | | 200 | <p class=id>71</p><p class=total>3</p>",
            r#"0<-0 order.created {"id":71,"total":"3"}"#,
        ),
        // Unanswered, refused, or without what is looked for: the key is what is known.
        (buy, "/other", found, r#"0<-0 order.created {"email":"a@x"}"#),
        (buy, "*", "9 GET / | | 403 | <p class=id>71</p>", r#"0<-0 order.created {"email":"a@x"}"#),
        (buy, "*", "9 GET / | | 200 | <p>none</p>", r#"0<-0 order.created {"email":"a@x"}"#),
        // A bare look-up feeds the learn rules; the key does the rest.
        (
            "0 POST /add sid=visitor-1 | model=X",
            "/admin/list?q=X",
            "9 GET / | | 200 | <li><b>5</b><i>X</i></li><li><b>6</b><i>Y</i></li>",
            r#"0<-0 product.created {"id":5}"#,
        ),
        (
            "0 POST /add sid=visitor-1 | model=X",
            "*",
            "9 GET / | | 200 | <li><b>6</b><i>Y</i></li>",
            r#"0<-0 product.created {"model":"X"}"#,
        ),
    ] {
        assert_eq!(play(line, target, answer), wanted, "{line} {target} {answer}");
    }
}

#[test]
fn a_look_up_is_safe_to_make() {
    let rules = rules(RULES);
    let mut replay = Replay::new(&rules);
    replay.feed(0, exchange("0 POST /confirm | email=a%26b%3D%2F..%2F%3Fc%23%0d%0a"));
    replay.feed(1, exchange("1 POST /add sid=visitor-1 | model=X"));
    let open: Vec<_> = replay.state().open().collect();
    let look_ups: Vec<_> = open
        .iter()
        .flat_map(|pending| &pending.waits)
        .filter_map(|wait| match &wait.waits_for {
            WaitsFor::LookUp(look_up) => Some(look_up),
            _ => None,
        })
        .collect();
    let kept = serde_json::json!({"token": "a b&c"});
    let target = look_ups[0].target(kept.as_object().expect("a table")).expect("all is kept");
    assert_eq!(target, "/admin/orders?email=a%26b%3D%2F..%2F%3Fc%23%0D%0A&t=a%20b%26c");
    assert_eq!(look_ups[0].access, Access::Named("office".into()));
    assert_eq!(look_ups[0].target(&serde_json::Map::new()), None);
    assert_eq!((look_ups[1].access.clone(), open[1].session.is_empty()), (Access::Visitor, false));
    // 30 s where nothing is said, and what the rule says.
    let spans: Vec<_> = open.iter().map(|pending| pending.deadline.since(pending.at).as_secs()).collect();
    assert_eq!(spans, [30, 300]);
}

#[test]
fn conditions_on_an_answer_may_name_the_first_exchange() {
    let rules = rules(
        "
[event.named]
on = 'POST /named'
topic = 'order.created'
key.number = '{{ form.number }}'
id = '{{ (then.find.row | keyed(\"number\"))[form.number].id }}'
[event.named.wait]
get = '/admin/orders'
find.numbers = { css = 'i', all = true }
find.row = { rows = 'li', cols.id = { css = 'b' }, cols.number = { css = 'i' } }
any = [{ find.numbers = '{{ form.number }}' }]
for = '1m'
else = 'send'
[event.compared]
on = 'POST /compared'
topic = 'product.updated'
key.sku = '{{ form.sku }}'
id = '{{ then.find.id }}'
[event.compared.wait]
get = '/p'
response.body = { contains = 'sku={{ form.sku }};', not = '{{ form.no }}' }
response.headers.x-stock = { gt = '{{ form.least }}' }
none = { response.headers.x-shop = '{{ form.shop }}' }
find.id = { css = 'b' }
else = 'drop'
",
    );
    let named = "0 POST /named | number=A2";
    let compared = "0 POST /compared | sku=x&no=n&least=4&shop=2";
    let dropped = "! compared: no event: the answer to a look-up did not come in time";
    for (line, answer, wanted) in [
        // The row with this number, or none of them: then the look-up did not tell it.
        (
            named,
            "9 GET / | | 200 | <li><b>1</b><i>A1</i></li><li><b>2</b><i>A2</i></li>",
            r#"0<-0 order.created {"id":2}"#,
        ),
        (named, "9 GET / | | 200 | <li><b>1</b><i>A1</i></li>", r#"0<-0 order.created {"number":"A2"}"#),
        (compared, "9 GET / | | 200 x-stock:5 | sku=x; <b>7</b>", r#"0<-0 product.updated {"id":7}"#),
        (compared, "9 GET / | | 200 x-stock:4 | sku=x; <b>7</b>", dropped),
        (compared, "9 GET / | | 200 x-stock:5 | sku=xx; <b>7</b>", dropped),
        (compared, "9 GET / | | 200 x-stock:5 x-shop:2 | sku=x; <b>7</b>", dropped),
        // No number to compare with.
        ("0 POST /compared | sku=x&no=n&least=few&shop=2", "9 GET / | | 200 x-stock:5 | sku=x; <b>7</b>", dropped),
        // A value that is undefined cannot be waited for.
        (
            "0 POST /compared | sku=x&no=n&shop=2",
            "9 GET / | | 200 x-stock:5 | sku=x; <b>7</b>",
            "! compared: it cannot wait: a value of its conditions is undefined (shop.toml:18)\n\
             ! compared: no event: it cannot wait, and `else` says drop (shop.toml:18)",
        ),
    ] {
        let mut replay = Replay::new(&rules);
        replay.answer("*", exchange(answer));
        let mut all = shown(replay.feed(0, exchange(line)));
        all.extend(shown(replay.finish()));
        assert_eq!(all.join("\n"), wanted, "{line} {answer}");
    }
}
