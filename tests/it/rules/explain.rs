//! What `explain` tells is what happened: over the cases of all packs, and of a few rules step by step.

use std::fs;

use serde_json::{Value, json};
use shopbell::app::{case_files, read_rules_dir};
use shopbell::exchange::{CaseText, CaseWhat, Exchange, ReadOptions, Reading};
use shopbell::rules::explain::{Explainer, Explanation, Verdict};
use shopbell::rules::{Replay, Ruleset, VirtualTime, answer_exchange, load};

use super::ruleset;

fn case(text: &str) -> CaseText {
    CaseText::parse(text).unwrap_or_else(|fault| panic!("{fault}\n{text}"))
}

fn explained(rules: &Ruleset, text: &str) -> Vec<Value> {
    let (mut explainer, mut time) = (Explainer::new(rules), VirtualTime::default());
    let mut told = Vec::new();
    for step in case(text).steps {
        match step.what {
            CaseWhat::Exchange { t, exchange } => {
                let exchange = Exchange { at: time.next(t), ..*exchange };
                told.push(serde_json::to_value(explainer.exchange(told.len(), exchange)).unwrap());
            }
            CaseWhat::Answer { target, response, body } => {
                drop(explainer.answer(&target, answer_exchange(time.now(), response, body)));
            }
        }
    }
    told.push(serde_json::to_value(explainer.finish()).unwrap());
    told
}

/// Every verdict agrees with `failure`, and every event is that of a replay.
#[test]
fn verdicts_and_events_are_those_of_the_rules() {
    let packs = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/rules")).unwrap();
    let mut asked = 0;
    for pack in packs.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        let rules = load(&read_rules_dir(&pack).unwrap()).ruleset.unwrap();
        for file in case_files(&pack).unwrap() {
            let text = fs::read_to_string(&file.path).unwrap();
            let (mut replay, mut explainer) = (Replay::new(&rules), Explainer::new(&rules));
            let mut time = VirtualTime::default();
            for (seq, step) in case(&text).steps.into_iter().enumerate() {
                let CaseWhat::Exchange { t, exchange } = step.what else {
                    let CaseWhat::Answer { target, response, body } = step.what else { continue };
                    replay.answer(&target, answer_exchange(time.now(), response.clone(), body.clone()));
                    drop(explainer.answer(&target, answer_exchange(time.now(), response, body)));
                    continue;
                };
                let exchange = Exchange { at: time.next(t), ..*exchange };
                let told = explainer.exchange(seq, exchange.clone());
                let (events, _) = replay.feed(seq, exchange.clone());
                let came = |topic: &str, id: &Option<String>| format!("{topic} {id:?}");
                let came: Vec<_> = events.iter().map(|e| came(e.draft.topic.as_str(), &e.draft.id)).collect();
                let events = told.before.events.iter().chain(&told.outcome.events);
                let text = |id: &Value| id.as_str().map_or_else(|| id.to_string(), str::to_owned);
                let said: Vec<_> =
                    events.map(|event| format!("{} {:?}", event.topic, event.id.as_ref().map(text))).collect();
                assert_eq!(came, said, "{} exchange {seq}", file.path.display());
                asked += agree(&rules, &told, exchange);
            }
        }
    }
    assert!(asked > 10, "the packs have cases: {asked}");
}

fn agree(rules: &Ruleset, told: &Explanation, exchange: Exchange) -> usize {
    let reading = Reading::new(exchange, ReadOptions::default());
    let own = told.rules.iter().filter(|report| report.kind != "wait");
    let mut asked = 0;
    for report in own {
        let number =
            rules.events.iter().position(|rule| rule.name == report.name && kind(rule) == report.kind).unwrap();
        let failure = rules.failure(number, &reading);
        match (&report.verdict, failure) {
            // Memory is not asked by `failure`.
            (Verdict::Failed { wanted, .. }, _) if wanted.contains("session.") => {}
            (Verdict::Failed { wanted, found }, Some(failure)) => {
                assert_eq!((wanted, found), (&failure.wanted, &failure.found), "{}", report.name);
            }
            (Verdict::Failed { wanted, .. }, None) => panic!("{}: {wanted}", report.name),
            (_, failure) => assert_eq!(failure, None, "{}", report.name),
        }
        asked += 1;
    }
    asked
}

fn kind(rule: &shopbell::rules::rule::EventRule) -> &'static str {
    match (rule.is_event(), rule.is_learn()) {
        (true, _) => "event",
        (_, true) => "learn",
        _ => "wait",
    }
}

const RULES: &str = r#"
[session]
cookies = ["sid"]

[event.login]
on = "POST /login"
status = 302
topic = "action.wc_customer_login"
resource = "customer"
key.email = "{{ form.email }}"
remember.me.email = "{{ form.email }}"

[event.order]
on = "POST /checkout"
session.me.email = true
when = "form.total | int > 0"
topic = "order.created"
key.email = "{{ session.me.email }}"
id = "{{ then.find.number }}"
payload.total = "{{ form.total | money }}"
payload.note = "{{ form.nothing }}"
[event.order.wait]
on = "GET /thanks"
find.number = { css = "b", regex = '\d+' }
for = "1m"

[event.rows]
on = "POST /rows"
stop = true
for_each = "form['id[]']"
when = "item != '2'"
topic = "product.saved"
id = "{{ item }}"
payload_from = "form"
omit = ["note"]

[event.rows-again]
on = "POST /rows"
topic = "product.updated"
id = "1"
"#;

/// Parts of a JSON object, by their paths.
fn at<'v>(value: &'v Value, path: &str) -> &'v Value {
    value.pointer(path).unwrap_or_else(|| panic!("no {path} in {value:#}"))
}

#[test]
fn memory_waits_and_stops_are_told() {
    let rules = ruleset(RULES);
    let post = |path: &str, form: &str, status: u16| {
        format!(">>> POST {path}\nCookie: sid=visitor-0001\n\nform:\n{form}\n\n<<< {status}\n\n")
    };
    let text = [
        post("/checkout", "total = 5", 200),
        post("/login", "email = a@x", 200),
        post("/login", "email = a@x", 302),
        post("/checkout", "total = 0", 200),
        post("/checkout", "total = 5", 200),
        ">>> GET /thanks\nCookie: sid=visitor-0001\n<<< 200\nContent-Type: text/html\n\n<b>No 17</b>\n\n".to_owned(),
        post("/rows", "id[] = 1\nid[] = 2\nid[] = 1\nnote = n\npassword = p\nname = N", 200),
    ]
    .concat();
    let told = explained(&rules, &text);
    let verdict = |seq: usize, rule: usize| at(&told[seq], &format!("/rules/{rule}/verdict")).clone();
    assert_eq!(verdict(0, 0), json!({"is": "failed", "wanted": "session.me.email = true", "found": "absent"}));
    assert_eq!(verdict(1, 0), json!({"is": "failed", "wanted": "status = 302", "found": "200"}));
    assert_eq!(verdict(2, 0), json!({"is": "matched"}));
    assert_eq!(at(&told[2], "/visitor/changed"), &json!({"me": {"email": "a@x"}}));
    assert_eq!(verdict(3, 0), json!({"is": "when", "source": "form.total | int > 0"}));
    let wait = at(&told[4], "/outcome/waiting/0");
    assert_eq!(
        (at(wait, "/rule"), at(wait, "/for_ms"), at(wait, "/settled")),
        (&json!("order"), &json!(60_000), &json!(false))
    );
    let steps = at(&told[4], "/rules/0/steps");
    let note = steps.as_array().unwrap().iter().find(|step| step["place"] == "payload.note").unwrap();
    assert_eq!((&note["value"], &note["source"]), (&Value::Null, &json!("{{ form.nothing }}")));
    // The page that completes it: the late half, and the event of the exchange before.
    assert_eq!((at(&told[5], "/rules/0/kind"), verdict(5, 0)), (&json!("wait"), json!({"is": "matched"})));
    assert_eq!(at(&told[5], "/rules/0/finds"), &json!({"number": "17"}));
    let late = at(&told[5], "/outcome/late/0/steps/0");
    assert_eq!((at(late, "/place"), at(late, "/value")), (&json!("id"), &json!("17")));
    let event = at(&told[5], "/outcome/events/0");
    assert_eq!((at(event, "/seq"), at(event, "/id"), at(event, "/state/known")), (&json!(4), &json!(17), &Value::Null));
    // Items, `saved` decided, secrets left out, and the rule behind the one that stops.
    let steps: Vec<String> = at(&told[6], "/rules/0/steps").as_array().unwrap().iter().map(step).collect();
    let one = ["when true", "topic", "id", "copied id,name without note,password"];
    let items: Vec<String> = ["3 items".to_owned(), "item 0 \"1\"".to_owned()]
        .into_iter()
        .chain(one.map(str::to_owned))
        .chain(["item 1 \"2\"".to_owned(), "when false".to_owned(), "item 2 \"1\"".to_owned()])
        .chain(one.map(str::to_owned))
        .collect();
    assert_eq!(steps, items);
    let topics: Vec<&Value> = at(&told[6], "/outcome/events").as_array().unwrap().iter().map(|e| &e["topic"]).collect();
    assert_eq!(topics, ["product.created", "product.updated"]);
    assert_eq!(at(&told[6], "/outcome/events/1/state/known"), &json!(false));
    assert_eq!(verdict(6, 1), json!({"is": "stopped", "by": "rows"}));
}

fn step(step: &Value) -> String {
    let names = |key: &str| {
        let names = step[key].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
        names.collect::<Vec<_>>().join(",")
    };
    match step["step"].as_str().unwrap() {
        "items" => format!("{} items", step["count"]),
        "item" => format!("item {} {}", step["index"], step["value"]),
        "when" => format!("when {}", step["held"]),
        "copied" => format!("copied {} without {}", names("kept"), names("left_out")),
        _ => step["place"].as_str().unwrap().to_owned(),
    }
}

#[test]
fn a_path_that_no_rule_has_is_held_against_those_that_people_wrote() {
    let text = "[session]\ncookies = ['sid']\n[flash]\npage.success = '.ok'\n[event.add]\non = 'POST /cart/add'\n\
                flash = 'success'\ntopic = 'a.b'\nid = 1\nwait.get = '/x'\nwait.query.x = false\nwait.else = 'drop'\n";
    let told = explained(&ruleset(text), ">>> POST /cart/ad\n<<< 200\n\n>>> GET /\n<<< 200\n");
    assert_eq!((&told[0]["nearest"], &told[1]["nearest"]), (&json!("POST /cart/add"), &Value::Null));
}
