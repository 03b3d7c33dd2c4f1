//! What matched rules make of exchanges, one after the other, over state in memory.

mod bodies;
mod bounds;
mod finds;
mod flash;
mod graphql;
mod identity;
mod rules;

use shopbell::exchange::{Exchange, ReadOptions, Reading, Timestamp};
use shopbell::rules::{MemoryState, OpenWaits, Replay, Ruleset};

use super::{Seen, ruleset};

/// 2026-11-03T16:07:00Z, the time of the first exchange.
const START_MILLIS: i64 = 1_793_722_020_000;

/// A form post that went well.
fn post(body: &str) -> Seen<'_> {
    Seen {
        request: "POST /save",
        headers: &[("content-type", "application/x-www-form-urlencoded")],
        body,
        status: 302,
        response_headers: &[("location", "/list")],
        ..Seen::default()
    }
}

fn at(exchange: Exchange, seconds: i64) -> Exchange {
    Exchange { at: Timestamp::from_millis(START_MILLIS + seconds * 1000), ..exchange }
}

/// Plays exchanges a second apart: one line for each event (topic, group, body), `!` before notes, `--` between exchanges.
fn play(rules: &Ruleset, exchanges: &[Seen<'_>]) -> String {
    let mut replay = Replay::new(rules);
    let mut shown = Vec::new();
    for (seq, seen) in exchanges.iter().enumerate() {
        let second = i64::try_from(seq).expect("few exchanges");
        let (events, notes) = replay.feed(seq, at(seen.exchange(), second));
        let events = events.iter().map(|event| {
            let draft = &event.draft;
            let identity = serde_json::to_string(&draft.group.1).expect("an identity");
            format!("{} {identity} {}", draft.topic, without_dates(draft.body.get()))
        });
        let notes = notes.iter().map(|note| format!("! {}: {}", note.rule, note.text));
        shown.push(events.chain(notes).collect::<Vec<_>>().join("\n"));
    }
    shown.join("\n--\n")
}

/// A body less its four dates, which have tests of their own.
pub(super) fn without_dates(body: &str) -> String {
    let mut body: serde_json::Value = serde_json::from_str(body).expect("a body is JSON");
    if let Some(map) = body.as_object_mut() {
        for name in ["date_created", "date_created_gmt", "date_modified", "date_modified_gmt"] {
            map.shift_remove(name);
        }
    }
    body.to_string()
}

/// The rules file around one event rule `r` on `POST /save`.
fn rule(text: &str) -> Ruleset {
    ruleset(&format!("[event.r]\non = \"POST /save\"\n{text}\n"))
}

/// Rows of (rule, form body, what it plays to).
fn check(rows: &[(&str, &str, &str)]) {
    for (text, body, wanted) in rows {
        assert_eq!(play(&rule(text), &[post(body)]), *wanted, "{text}");
    }
}

/// The bodies of one exchange on empty state.
fn bodies(rules: &Ruleset, seen: &Seen<'_>) -> Vec<String> {
    let reading = Reading::new(at(seen.exchange(), 0), ReadOptions::default());
    let mut candidates = rules.wants(&reading.exchange().request, &OpenWaits::default()).expect("a rule wants it");
    rules.narrow(
        &mut candidates,
        &reading.exchange().request,
        reading.exchange().response.as_ref().expect("a response"),
    );
    let matched = rules.matches(&reading, &candidates);
    let derived = rules.derive(&reading, &matched, &MemoryState::default(), reading.exchange().at);
    derived.drafts().map(|draft| draft.body.get().to_owned()).collect()
}
