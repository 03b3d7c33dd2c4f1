//! What lives longer than one exchange: sessions, waits, learning, look-ups. Small recordings, written as lines.

mod learning;
mod look_ups;
mod next_page;
mod sessions;
mod settled;
mod waits;

use shopbell::exchange::{CapturedBody, End, Exchange, RequestHead, ResponseHead, Timestamp};
use shopbell::rules::{Replay, Replayed, Ruleset};

use super::ruleset;

/// The table that follows visitors, in most tests.
const SESSION: &str =
    "[session]\ncookies = ['sid', 'cart_*']\nquery = ['token']\nheaders = ['authorization', 'x-auth']\n";

/// Rules with a `[session]`.
fn rules(text: &str) -> Ruleset {
    ruleset(&format!("{SESSION}{text}"))
}

/// An exchange as one line of four parts, of which the last may be left out:
/// `SECONDS METHOD /target [request header: value; …] | form | status [location] [response header: value; …] | body`.
///
/// `sid=…` and other words with `=` are cookies of the request; `set=NAME=VALUE` sets one (`set=NAME=` deletes it).
fn exchange(line: &str) -> Exchange {
    let mut parts = line.split('|').map(str::trim);
    let mut words = parts.next().expect("a request").split_whitespace();
    let seconds: f64 = words.next().and_then(|text| text.parse().ok()).expect("seconds first");
    let (method, target) = (words.next().expect("a method"), words.next().expect("a target"));
    let mut request = http::Request::builder().method(method).uri(target).header("host", "shop.example");
    for word in words {
        request = match word.split_once(':') {
            Some((name, value)) => request.header(name, value.replace('_', " ")),
            None => request.header("cookie", word),
        };
    }
    let form = parts.next().unwrap_or_default();
    if !form.is_empty() {
        request = request.header("content-type", "application/x-www-form-urlencoded");
    }
    let mut words = parts.next().unwrap_or("200").split_whitespace();
    let status: u16 = words.next().and_then(|text| text.parse().ok()).unwrap_or(200);
    let mut response = http::Response::builder().status(status).header("content-type", "text/html; charset=utf-8");
    for word in words {
        response = match (word.strip_prefix("set="), word.split_once(':')) {
            (Some(cookie), _) if cookie.ends_with('=') => response.header("set-cookie", format!("{cookie}; Max-Age=0")),
            (Some(cookie), _) => response.header("set-cookie", format!("{cookie}; Path=/")),
            (None, Some((name, value))) => response.header(name, value),
            (None, None) => response.header("location", word),
        };
    }
    #[expect(clippy::cast_possible_truncation, reason = "tests are short")]
    let at = Timestamp::from_millis(1_793_722_020_000 + (seconds * 1000.0) as i64);
    Exchange {
        at,
        request: RequestHead::of(&request.body(()).expect("a request").into_parts().0),
        request_body: CapturedBody::whole(form.as_bytes().to_vec()),
        response: Some(ResponseHead::of(&response.body(()).expect("a response").into_parts().0)),
        response_body: CapturedBody::whole(parts.next().unwrap_or_default().as_bytes().to_vec()),
        end: End::Complete,
    }
}

/// Events as `settled<-seq topic payload`, then notes.
fn shown((events, notes): Replayed) -> Vec<String> {
    let events = events.iter().map(|event| {
        let body = super::derive::without_dates(event.draft.body.get());
        format!("{}<-{} {} {body}", event.settled, event.seq, event.draft.topic)
    });
    events.chain(notes.iter().map(|note| format!("! {}: {}", note.rule, note.text))).collect()
}

/// Plays lines to the end.
fn play(rules: &Ruleset, lines: &[&str]) -> String {
    let mut replay = Replay::new(rules);
    let mut all: Vec<String> = Vec::new();
    for (seq, line) in lines.iter().enumerate() {
        all.extend(shown(replay.feed(seq, exchange(line))));
    }
    all.extend(shown(replay.finish()));
    all.join("\n")
}

/// Rows of lines and what they play to.
fn check(rules: &Ruleset, rows: &[(&[&str], &str)]) {
    for (lines, wanted) in rows {
        assert_eq!(play(rules, lines), *wanted, "{lines:#?}");
    }
}
