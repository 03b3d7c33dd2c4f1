//! Waits over a restart and over a change of the rules.

use shopbell::rules::{MemoryState, Replay};

use super::{exchange, rules, shown};

const RULES: &str = "
[event.order]
on = 'POST /order'
topic = 'order.created'
key.email = '{{ form.email }}'
id = '{{ then.find.number }}'
payload.note = 'early'
payload.late = 'L{{ then.find.number }}'
wait = { on = 'GET /thanks', find.number = { css = '#number' }, else = 'send' }
[learn.orders]
on = 'GET /orders'
resource = 'order'
id = '{{ query.id }}'
key.email = '{{ query.email }}'
";

/// One exchange under one ruleset, a restart, the rest under another one.
fn over(before: &str, after: &str, rest: &[&str]) -> String {
    let first = rules(before);
    let mut replay = Replay::new(&first);
    let events = shown(replay.feed(0, exchange("0 POST /order sid=visitor-1 | email=a@x")));
    assert!(events.is_empty(), "it waits: {events:?}");
    let kept = replay.state().to_json().expect("it can be kept");
    let state = MemoryState::from_json(&kept).expect("it can be read back");
    assert_eq!(&state, replay.state());
    let second = rules(after);
    let mut replay = Replay::resume(&second, state);
    let mut all = Vec::new();
    for (seq, line) in (1..).zip(rest) {
        all.extend(shown(replay.feed(seq, exchange(line))));
    }
    all.extend(shown(replay.finish()));
    all.join("\n")
}

#[test]
fn a_wait_survives_a_restart_and_a_change_of_the_rules() {
    let thanks = "5 GET /thanks sid=visitor-1 | | 200 | <p id=number>71</p>";
    let changed = RULES.replace("'early'", "'other'");
    let elsewhere = format!("{RULES}[event.other]\non = 'GET /z'\ntopic = 'a.b'\nid = '1'\n");
    let gone = RULES.replace("event.order", "event.renamed");
    let whole = r#"1<-1 order.created {"id":71,"note":"early","late":"L71"}"#;
    let known = r#"order.created {"email":"a@x","note":"early"}"#;
    for (after, rest, wanted) in [
        (RULES, &[thanks][..], whole.to_owned()),
        (&elsewhere, &[thanks], whole.to_owned()),
        // What was kept is all there is, when its time is up.
        (&changed, &[thanks], format!("1<-1 {known}")),
        (&gone, &[thanks], format!("1<-1 {known}")),
        (&gone, &[], format!("0<-0 {known}")),
        // An id that is learnt needs no rule.
        (&changed, &["5 GET /orders?id=9&email=a@x"], r#"1<-1 order.created {"id":9,"note":"early"}"#.to_owned()),
    ] {
        assert_eq!(over(RULES, after, rest), wanted, "{rest:?}");
    }
}
