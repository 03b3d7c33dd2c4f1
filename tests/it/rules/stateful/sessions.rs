//! Who a visitor is, and what is remembered of them.

use shopbell::exchange::{ReadOptions, Reading};

use super::{check, exchange, rules};

/// Login remembers who it is; what the visitor does later is about them.
const ME: &str = "
[event.login]
on = 'POST /login'
status = 302
topic = 'action.wc_customer_login'
resource = 'customer'
key.email = '{{ form.email }}'
remember.me.email = '{{ form.email }}'
[event.profile]
on = 'POST /profile'
session.me.email = true
topic = 'customer.updated'
key.email = '{{ session.me.email }}'
payload.first_name = '{{ form.name }}'
[event.logout]
on = 'GET /logout'
topic = 'action.wc_customer_logout'
resource = 'customer'
key.email = '{{ session.me.email }}'
forget = ['me']
";

const LOGIN: &str = r#"0<-0 action.wc_customer_login {"action":"wc_customer_login","arg":{"email":"a@x"}}"#;
const PROFILE: &str = r#"customer.updated {"email":"a@x","first_name":"Ann"}"#;

#[test]
fn identity_is_remembered_from_the_login_on() {
    let rules = rules(ME);
    let log_in = "0 POST /login sid=visitor-1 | email=a@x | 302 /";
    let profile = "9 POST /profile sid=visitor-1 | name=Ann | 302 /profile";
    check(
        &rules,
        &[
            (&[log_in, profile], &format!("{LOGIN}\n1<-1 {PROFILE}")),
            // Another visitor, none, and one whose value is too short to be a key.
            (&[log_in, "9 POST /profile sid=visitor-2 | name=Ann"], LOGIN),
            (&[log_in, "9 POST /profile | name=Ann"], LOGIN),
            (
                &["0 POST /login sid=short | email=a@x | 302 /", "9 POST /profile sid=short | name=Ann"],
                &format!("{LOGIN}\n! login: nothing is remembered: the exchange carries no [session] key"),
            ),
            // A refused login says nothing.
            (&["0 POST /login sid=visitor-1 | email=a@x | 200", profile], ""),
            // After the logout nobody is known.
            (
                &[log_in, "5 GET /logout sid=visitor-1", profile],
                &format!(
                    "{LOGIN}\n1<-1 action.wc_customer_logout {{\"action\":\"wc_customer_logout\",\"arg\":{{\"email\":\"a@x\"}}}}"
                ),
            ),
        ],
    );
}

#[test]
fn keys_are_followed_wherever_they_go() {
    let rules = rules(ME);
    let profile = |cookies: &str| format!("9 POST /profile {cookies} | name=Ann | 302 /profile");
    let found = format!("{LOGIN}\n1<-1 {PROFILE}");
    for (log_in, later, is_found) in [
        // The login's request has no key yet: the answer's counts.
        ("0 POST /login | email=a@x | 302 / set=sid=visitor-9", "sid=visitor-9", true),
        // It rotates the cookie: old and new lead there.
        ("0 POST /login sid=visitor-1 | email=a@x | 302 / set=sid=visitor-9", "sid=visitor-9", true),
        ("0 POST /login sid=visitor-1 | email=a@x | 302 / set=sid=visitor-9", "sid=visitor-1", true),
        // Any listed value is enough, and values compare across sources.
        ("0 POST /login sid=visitor-1 | email=a@x | 302 / set=cart_7=basket-77", "cart_7=basket-77", true),
        (
            "0 POST /login sid=visitor-1 | email=a@x | 302 /home?token=tok-12345678",
            "authorization:Bearer_tok-12345678",
            true,
        ),
        (
            "0 POST /login sid=visitor-1 | email=a@x | 302 / x-auth:tok-12345678",
            "authorization:bearer_tok-12345678",
            true,
        ),
        // A cookie that is deleted leads nowhere.
        ("0 POST /login sid=visitor-1 | email=a@x | 302 / set=sid=", "sid=visitor-1", false),
        ("0 POST /login sid=visitor-1 | email=a@x | 302 /", "other=visitor-1", false),
    ] {
        let wanted = if is_found { found.as_str() } else { LOGIN };
        check(&rules, &[(&[log_in, &profile(later)], wanted)]);
    }
}

#[test]
fn rotation_is_seen_where_no_rule_looks() {
    let rules = rules(ME);
    let wanted = format!("{LOGIN}\n3<-3 {PROFILE}");
    let lines = [
        "0 POST /login sid=visitor-1 | email=a@x | 302 /",
        "1 GET /page sid=visitor-1 | | 200 set=sid=visitor-2",
        "2 GET /page sid=visitor-2 | | 200 set=sid=visitor-3",
        "3 POST /profile sid=visitor-3 | name=Ann",
    ];
    check(&rules, &[(&lines, &wanted)]);
}

#[test]
fn two_sessions_that_meet_are_one_and_the_newer_write_wins() {
    let rules = rules(
        "
[learn.note]
on = 'POST /note'
remember.a = '{{ form.a }}'
remember.b = '{{ form.b }}'
[event.tell]
on = 'GET /tell'
topic = 'action.tell'
resource = 'note'
id = '1'
arg = '{{ session.a }}-{{ session.b }}'
",
    );
    let told = |line: usize, arg: &str| format!("{line}<-{line} action.tell {{\"action\":\"tell\",\"arg\":\"{arg}\"}}");
    check(
        &rules,
        &[(
            &[
                "0 POST /note sid=visitor-1 | a=old&b=left",
                "5 POST /note cart_1=basket-11 | a=new",
                "6 GET /tell cart_1=basket-11 sid=visitor-1",
                "7 GET /tell sid=visitor-1",
                "8 GET /tell cart_1=basket-11",
            ],
            &[told(2, "new-left"), told(3, "new-left"), told(4, "new-left")].join("\n"),
        )],
    );
}

#[test]
fn memory_merges_forgets_and_ends() {
    let rules = rules(
        "
[learn.add]
on = 'POST /add'
for_each = 'form.qty'
remember.cart = \"{{ {item.key: item.value} }}\"
[learn.set]
on = 'POST /set'
forget = ['cart']
for_each = 'form.qty'
remember.cart = \"{{ {item.key: item.value} }}\"
[learn.less]
on = 'POST /less'
forget = ['cart.a']
[learn.none]
on = 'POST /none'
forget = ['ca*']
[learn.most]
on = 'POST /most'
forget = ['cart.*b']
[event.tell]
on = 'GET /tell'
topic = 'action.tell'
resource = 'cart'
id = '1'
arg = '{{ session.cart }}'
",
    );
    let told = |line: usize, arg: &str| format!("{line}<-{line} action.tell {{\"action\":\"tell\",\"arg\":{arg}}}");
    let add = "0 POST /add sid=visitor-1 | qty[a]=1&qty[b]=2";
    let tell = "9 GET /tell sid=visitor-1";
    check(
        &rules,
        &[
            (&[add, tell], &told(1, r#"{"a":"1","b":"2"}"#)),
            (&[add, "1 POST /add sid=visitor-1 | qty[b]=3", tell], &told(2, r#"{"a":"1","b":"3"}"#)),
            (&[add, "1 POST /set sid=visitor-1 | qty[c]=3", tell], &told(2, r#"{"c":"3"}"#)),
            (&[add, "1 POST /less sid=visitor-1 | x=1", tell], &told(2, r#"{"b":"2"}"#)),
            (&[add, "1 POST /none sid=visitor-1 | x=1", tell], &told(2, "1")),
            (&[add, "1 POST /most sid=visitor-1 | x=1", tell], &told(2, r#"{"a":"1"}"#)),
            // Two days of idleness end it; a visit in between moves the end on.
            (&[add, "172799 GET /tell sid=visitor-1"], &told(1, r#"{"a":"1","b":"2"}"#)),
            (&[add, "172801 GET /tell sid=visitor-1"], &told(1, "1")),
            (
                &[add, "100000 GET /tell sid=visitor-1", "260000 GET /tell sid=visitor-1"],
                &[told(1, r#"{"a":"1","b":"2"}"#), told(2, r#"{"a":"1","b":"2"}"#)].join("\n"),
            ),
        ],
    );
}

#[test]
fn all_rules_of_an_exchange_see_memory_as_before_it() {
    let rules = rules(
        "
[event.first]
on = 'POST /x'
topic = 'action.first'
resource = 'x'
id = '1'
arg = '{{ session.n or 0 }}'
remember.n = '{{ form.n }}'
[event.second]
on = 'POST /x'
topic = 'action.second'
resource = 'x'
id = '1'
arg = '{{ session.n or 0 }}'
remember.n = '{{ form.n }}{{ form.n }}'
",
    );
    let told = |line: usize, name: &str, arg: &str| {
        format!("{line}<-{line} action.{name} {{\"action\":\"{name}\",\"arg\":{arg}}}")
    };
    check(
        &rules,
        &[(
            &["0 POST /x sid=visitor-1 | n=7", "1 POST /x sid=visitor-1 | n=8"],
            &[told(0, "first", "0"), told(0, "second", "0"), told(1, "first", "\"77\""), told(1, "second", "\"77\"")]
                .join("\n"),
        )],
    );
}

#[test]
fn too_much_memory_is_refused_and_told() {
    let rules = rules(
        "
[learn.keep]
on = 'POST /keep'
remember.me = '{{ form.me }}'
remember.big = '{{ form.big }}'
[event.tell]
on = 'GET /tell'
topic = 'action.tell'
resource = 'x'
id = '1'
arg = \"{{ session.me }}{{ session.big | default('-') }}\"
",
    );
    let big = "b".repeat(17 * 1024);
    check(
        &rules,
        &[(
            &[
                "0 POST /keep sid=visitor-1 | me=a&big=x",
                &format!("1 POST /keep sid=visitor-1 | me=a&big={big}"),
                "2 GET /tell sid=visitor-1",
            ],
            "! keep: remember.big: the visitor's memory would come to more than 16384 bytes, so it is forgotten\n\
             2<-2 action.tell {\"action\":\"tell\",\"arg\":\"a-\"}",
        )],
    );
}

#[test]
fn no_key_is_kept_as_it_came() {
    let rules = rules(ME);
    let reading = Reading::new(
        exchange(
            "0 GET /x?token=secret-token sid=secret-sid authorization:Bearer_secret-bearer | | 200 set=sid=secret-new",
        ),
        ReadOptions::default(),
    );
    let keys = rules.session_keys(&reading);
    assert_eq!((keys.request.len(), keys.added.len(), keys.removed.len()), (3, 1, 0));
    let all = keys.request.iter().chain(&keys.added);
    assert!(all.into_iter().all(|key| key.len() == 32 && !key.contains("secret")));
    let response = reading.exchange().response.as_ref().expect("a response");
    assert!(rules.session_cookie_set(response));
    let other = exchange("0 GET /x | | 200 set=lang=de");
    assert!(!rules.session_cookie_set(other.response.as_ref().expect("a response")));
}
