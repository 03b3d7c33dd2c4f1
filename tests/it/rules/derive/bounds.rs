//! Hostile exchanges and rules: what derive refuses, and what it does to webhooks' filters.

use std::fmt::Write as _;

use shopbell::exchange::{Damage, ReadOptions, Reading, Timestamp};
use shopbell::model::{Identity, Write};
use shopbell::rules::{Derived, MemoryState, OpenWaits, Ruleset};

use super::{at, post, rule};
use crate::rules::ruleset;

fn derive(rules: &Ruleset, exchange: shopbell::exchange::Exchange) -> Derived {
    let reading = Reading::new(exchange, ReadOptions::default());
    let candidates = rules.wants(&reading.exchange().request, &OpenWaits::default()).expect("a rule wants it");
    let matched = rules.matches(&reading, &candidates);
    rules.derive(&reading, &matched, &MemoryState::default(), Timestamp::from_millis(0))
}

fn notes(derived: &Derived) -> Vec<&str> {
    derived.notes.iter().map(|note| note.text.as_str()).collect()
}

#[test]
fn absence_is_not_concluded_from_a_body_that_was_cut() {
    let rules = rule("topic = 'product.updated'\nid = '{{ query.id }}'\nwhen = \"form.draft is not defined\"");
    let mut seen = post("name=Tea&draft=1");
    seen.request = "POST /save?id=1";
    let mut exchange = at(seen.exchange(), 0);
    exchange.request_body.bytes = exchange.request_body.bytes.slice(..8);
    exchange.request_body.damage = Some(Damage::Cut);
    let derived = derive(&rules, exchange);
    assert!(derived.steps.is_empty());
    assert_eq!(
        notes(&derived),
        ["did not match: `when` reads `form`, which is longer than the capture limit (shop.toml:1)"]
    );
}

#[test]
fn nor_is_it_by_an_optional_find_or_by_a_condition_that_is_decided_later() {
    let find =
        "find.x = { css = '#x', optional = true }\nfind.y = { regex = 'list', from = 'location', optional = true }\n";
    for (rest, steps, note) in [
        ("when = 'find.x is not defined'", 0, Some("did not match: `when` reads `find`")),
        ("when = 'find | length == 1'", 0, Some("did not match: `when` reads `find`")),
        ("when = \"find.y == 'list'\"", 1, None),
        ("when = 'then.status and form.draft is not defined'", 0, Some("did not match: `when` reads `form`")),
        ("when = 'then.status and query.draft is not defined'", 1, None),
    ] {
        let wait = if rest.contains("then") { "wait.on = 'GET /done'\n" } else { "" };
        let rules = ruleset(&format!(
            "[session]\ncookies = ['sid']\n[event.r]\non = 'POST /save'\ntopic = 'product.updated'\n\
             id = '{{{{ query.id }}}}'\nkey.n = 'k'\n{find}{wait}{rest}"
        ));
        let mut seen = post("name=Tea&draft=1");
        (seen.request, seen.response_body) = ("POST /save?id=1", "<p>Tea");
        seen.headers = &[("cookie", "sid=0123456789"), ("content-type", "application/x-www-form-urlencoded")];
        let mut exchange = at(seen.exchange(), 0);
        exchange.request_body.bytes = exchange.request_body.bytes.slice(..11);
        exchange.request_body.damage = Some(Damage::Cut);
        exchange.response_body.damage = Some(Damage::Cut);
        let derived = derive(&rules, exchange);
        assert_eq!(derived.steps.len(), steps, "{rest}");
        let told = |note: &str| notes(&derived).iter().any(|text| text.starts_with(note));
        assert!(note.is_none_or(told), "{rest}: {:?}", notes(&derived));
    }
}

#[test]
fn a_value_that_rests_on_what_is_missing_is_undefined_and_told() {
    let unknown = "payload.x is undefined: `form` is longer than the capture limit";
    for (value, wanted, note) in [
        ("{{ form.name }}", Some("Tea"), None),
        ("{{ 'a' if form.name is defined else 'b' }}", Some("a"), None),
        ("{{ form.name | upper }}", Some("TEA"), None),
        ("{{ query.none | default('b') }}", Some("b"), None),
        ("{{ form.draft }}", None, Some(unknown)),
        ("{{ 'a' if form.draft is defined else 'b' }}", None, Some(unknown)),
        ("{{ form.draft | default('b') }} {{ query.id }}", None, Some(unknown)),
        // There may be more of them.
        ("{{ form['name[]'] | length }}", None, Some(unknown)),
        ("{{ form | length }}", None, Some(unknown)),
    ] {
        let rules = rule(&format!("topic = 'product.updated'\nid = '{{{{ query.id }}}}'\npayload.x = \"{value}\""));
        let mut seen = post("name=Tea&draft=1");
        seen.request = "POST /save?id=1";
        let mut exchange = at(seen.exchange(), 0);
        exchange.request_body.bytes = exchange.request_body.bytes.slice(..11);
        exchange.request_body.damage = Some(Damage::Cut);
        let derived = derive(&rules, exchange);
        let body: serde_json::Value = serde_json::from_str(derived.steps[0].drafts()[0].body.get()).unwrap();
        assert_eq!(body["x"].as_str(), wanted, "{value}");
        let told: Vec<_> =
            notes(&derived).into_iter().map(|text| text.split(" (").next().unwrap_or_default()).collect();
        assert_eq!(told, Vec::from_iter(note), "{value}");
    }
}

#[test]
fn a_record_too_large_to_remember_keeps_its_dates_only() {
    let rules =
        rule("topic = 'product.updated'\nid = '1'\npayload.description = '{{ form.text }}'\npayload.name = 'Tea'");
    // Digits of a simple generator: they do not compress below the bound.
    let mut state = 1_u64;
    let mut text = String::new();
    while text.len() < 60_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let _ = write!(text, "{:x}", state >> 32);
    }
    let derived = derive(&rules, at(post(&format!("text={text}")).exchange(), 0));
    assert!(derived.steps[0].drafts()[0].body.get().contains(&text), "the event itself is whole");
    let [Write::Known { identity: Identity::Id(id), known: Some(known), .. }] = derived.writes.as_slice() else {
        panic!("{:?}", derived.writes)
    };
    assert_eq!((id.as_str(), known.trimmed, known.fields.len()), ("1", true, 0));
    assert_eq!(notes(&derived), ["one product is too large to remember: only its dates are kept"]);

    let derived = derive(&rules, at(post(&format!("text={}", "a".repeat(60_000))).exchange(), 0));
    let [Write::Known { known: Some(known), .. }] = derived.writes.as_slice() else { panic!("{:?}", derived.writes) };
    assert!(!known.trimmed && known.fields.len() == 2, "what compresses well is kept");
}

#[test]
fn work_and_output_are_bounded() {
    let body = format!("n={}", "x".repeat(200_000));
    for (value, wanted) in [
        ("{{ range(99999) | sum }}", "it takes too much work or memory"),
        (
            "{{ [form.n, form.n] | join('-') | upper | lower | upper | lower | upper }}",
            "it takes too much work or memory",
        ),
    ] {
        let rules = rule(&format!("topic = 'product.updated'\nid = '1'\npayload.a = \"{value}\"\npayload.b = 1"));
        let derived = derive(&rules, at(post(&body).exchange(), 0));
        assert_eq!(derived.steps[0].drafts()[0].body.get().matches("\"b\":1").count(), 1, "{value}");
        assert!(notes(&derived)[0].contains(wanted), "{value}: {:?}", notes(&derived));
    }
    // One value of nearly the largest size, in many fields: the body is refused, and nothing is remembered of it.
    let mut many = String::new();
    for at in 0..200 {
        let _ = writeln!(many, "payload.f{at} = '{{{{ form.n }}}}'");
    }
    let rules = rule(&format!("topic = 'product.updated'\nid = '1'\n{many}"));
    let derived = derive(&rules, at(post(&body).exchange(), 0));
    assert!(derived.steps.is_empty() && derived.writes.is_empty());
    assert_eq!(notes(&derived), ["no event product.updated: its body is larger than 16777216 bytes"]);
}

#[test]
fn an_id_as_long_as_a_body_is_refused() {
    let rules = rule("topic = 'product.updated'\nid = '{{ form.id }}'\nkey.k = '{{ form.id }}'");
    let derived = derive(&rules, at(post(&format!("id={}", "9".repeat(5000))).exchange(), 0));
    assert!(derived.steps.is_empty() && derived.writes.is_empty());
    assert!(notes(&derived)[0].starts_with("id: it is longer than 512 bytes"), "{:?}", notes(&derived));
}

#[test]
fn webhooks_take_what_their_topics_and_filters_want() {
    let rules = ruleset(
        "
[event.r]
on = 'POST /save'
topic = 'order.created'
id = '{{ form.id }}'
key.email = '{{ form.email }}'
payload.total = '{{ form.total | money }}'
[webhook.a-all]
topic = 'order.*'
url = 'https://a.example/'
[webhook.b-large]
topic = 'order.created'
url = 'https://b.example/'
filter = \"payload.total | float > 100 and key.email is endingwith '@b2b.example' and id == 5\"
[webhook.c-broken]
topic = '*'
url = 'https://c.example/'
filter = 'key.email | int > 1'
[webhook.d-other]
topic = 'product.*'
url = 'https://d.example/'
",
    );
    let wanting = |body: &str| {
        let derived = derive(&rules, at(post(body).exchange(), 0));
        let (webhooks, notes) = rules.wanting(&derived.steps[0].drafts()[0]);
        let names: Vec<_> = webhooks.iter().map(|at| rules.webhooks[*at].name.clone()).collect();
        (names.join(" "), notes.len())
    };
    assert_eq!(wanting("id=5&email=a@b2b.example&total=150"), ("a-all b-large c-broken".to_owned(), 1));
    assert_eq!(wanting("id=6&email=a@b2b.example&total=150"), ("a-all c-broken".to_owned(), 1));
    assert_eq!(wanting("id=5&email=a@b2b.example&total="), ("a-all c-broken".to_owned(), 1));
}

#[test]
fn state_is_asked_as_often_as_a_rule_needs_but_not_without_end() {
    let rules = rule(
        "topic = 'product.updated'\nfor_each = \"form['ids[]']\"\nid = '{{ item }}'\n\
         when = \"not known('product', item).deleted_before\"\n\
         payload.many = \"{{ [known('p', 1), known('p', 2), known('p', 3)] | length }}\"",
    );
    let ids = (1..=1000).map(|id| format!("ids%5B%5D={id}")).collect::<Vec<_>>().join("&");
    let derived = derive(&rules, at(post(&ids).exchange(), 0));
    assert_eq!((derived.drafts().count(), notes(&derived)), (1000, Vec::new()));
    assert!(derived.drafts().nth(999).unwrap().body.get().contains("\"many\":3"));

    let many = (0..45).map(|id| format!("known('p', {id})")).collect::<Vec<_>>().join(" or ");
    let rules = rule(&format!("topic = 'product.updated'\nid = '1'\npayload.a = \"{{{{ {many} }}}}\""));
    let derived = derive(&rules, at(post("x=1").exchange(), 0));
    assert!(notes(&derived)[0].contains("too many look-ups"), "{:?}", notes(&derived));
}

#[test]
fn more_items_than_the_bound_give_no_events_at_all() {
    let rules = rule("topic = 'product.deleted'\nfor_each = 'range(10001)'\nid = '{{ item }}'");
    let derived = derive(&rules, at(post("x=1").exchange(), 0));
    assert!(derived.drafts().next().is_none());
    assert!(notes(&derived)[0].contains("more than 10000 items"), "{:?}", notes(&derived));
}
