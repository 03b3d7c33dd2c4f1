//! The packs in `rules/`: each loads without a word, and each of its cases comes to what it says.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use shopbell::app::read_rules_dir;
use shopbell::exchange::{CaseText, CaseWhat, Exchange};
use shopbell::rules::{Replay, ReplayedEvent, Ruleset, VirtualTime, load};

use super::{Seen, rendered};

fn packs() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let mut packs: Vec<PathBuf> =
        fs::read_dir(root).expect("rules/").map(|entry| entry.expect("an entry").path()).collect();
    packs.retain(|path| path.is_dir());
    packs.sort();
    assert!(!packs.is_empty());
    packs
}

fn loaded(pack: &Path) -> Ruleset {
    let files = read_rules_dir(pack).unwrap_or_else(|faults| panic!("{}", rendered(&faults)));
    let loaded = load(&files);
    assert!(loaded.diagnostics.is_empty(), "{}:\n{}", pack.display(), rendered(&loaded.diagnostics));
    loaded.ruleset.expect("no faults, so a ruleset")
}

#[test]
fn packs_load_without_faults_and_warnings() {
    for pack in packs() {
        loaded(&pack);
    }
}

#[test]
fn cases_of_packs_come_to_what_they_say() {
    let mut wrong = Vec::new();
    for pack in packs() {
        let ruleset = loaded(&pack);
        let Ok(cases) = fs::read_dir(pack.join("cases")) else { continue };
        let mut cases: Vec<PathBuf> = cases.map(|entry| entry.expect("an entry").path()).collect();
        cases.sort();
        assert!(!cases.is_empty(), "{} has no cases", pack.display());
        for path in cases {
            let text = fs::read_to_string(&path).expect("a case is text");
            let case = CaseText::parse(&text).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
            if let Err(difference) = outcome(&ruleset, case) {
                wrong.push(format!("{}\n{difference}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Runs a case; what differs, if anything does.
fn outcome(ruleset: &Ruleset, case: CaseText) -> Result<(), String> {
    let expected = case.expected.as_ref().ok_or("it states no events")?;
    let lines = expected.text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let wanted: Vec<Value> = lines.map(|line| serde_json::from_str(line).expect("an event a line")).collect();
    let got: Vec<Value> = events(ruleset, case).iter().map(shown).collect();
    let same = wanted.len() == got.len() && wanted.iter().zip(&got).all(|(wanted, got)| is_part(wanted, got));
    let listed = |events: &[Value]| events.iter().map(|event| format!("  {event}")).collect::<Vec<_>>().join("\n");
    if same { Ok(()) } else { Err(format!("expected:\n{}\ngot:\n{}", listed(&wanted), listed(&got))) }
}

/// The events of a case, in the order of the exchanges that caused them.
fn events(ruleset: &Ruleset, case: CaseText) -> Vec<ReplayedEvent> {
    let mut replay = Replay::new(ruleset);
    let mut time = VirtualTime::default();
    let mut events: BTreeMap<usize, Vec<ReplayedEvent>> = BTreeMap::new();
    let mut exchanges = Vec::new();
    for step in case.steps {
        match step.what {
            CaseWhat::Exchange { t, exchange } => exchanges.push((t, exchange)),
            CaseWhat::Answer { target, response, body } => {
                let blank = Seen { request: "GET /", ..Seen::default() }.exchange();
                replay.answer(&target, Exchange { response, response_body: body, ..blank });
            }
        }
    }
    let mut keep = |(found, _): (Vec<ReplayedEvent>, _)| {
        for event in found {
            events.entry(event.seq).or_default().push(event);
        }
    };
    for (seq, (t, mut exchange)) in exchanges.into_iter().enumerate() {
        exchange.at = time.next(t);
        keep(replay.feed(seq, *exchange));
    }
    keep(replay.finish());
    events.into_values().flatten().collect()
}

fn shown(event: &ReplayedEvent) -> Value {
    let draft = &event.draft;
    let payload: Value = serde_json::from_str(draft.body.get()).expect("a body is JSON");
    let id = draft.id.as_deref().map(|id| id.parse::<u64>().map_or_else(|_| Value::from(id), Value::from));
    serde_json::json!({ "topic": draft.topic.to_string(), "id": id, "key": draft.key, "payload": payload })
}

/// Whether all that is wanted stands in what came; tables may hold more.
fn is_part(wanted: &Value, got: &Value) -> bool {
    match (wanted, got) {
        (Value::Object(wanted), Value::Object(got)) => {
            wanted.iter().all(|(name, wanted)| got.get(name).is_some_and(|got| is_part(wanted, got)))
        }
        _ => wanted == got,
    }
}
