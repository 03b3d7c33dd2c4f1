//! Any traffic through the packs in `rules/`.

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use shopbell::exchange::{CaseText, CaseWhat, Exchange};
use shopbell::rules::{Replay, Ruleset, SourceFile, VirtualTime, load};

use super::text;

thread_local! {
    static PACKS: OnceCell<Vec<Ruleset>> = const { OnceCell::new() };
}

/// A case's exchanges through every pack. What an event carries is JSON with an id or a key.
pub(super) fn packs(data: &[u8]) {
    let Ok(case) = CaseText::parse(&text(data)) else { return };
    PACKS.with(|packs| {
        for ruleset in packs.get_or_init(all) {
            run(ruleset, &case);
        }
    });
}

fn run(ruleset: &Ruleset, case: &CaseText) {
    let (mut replay, mut time) = (Replay::new(ruleset), VirtualTime::default());
    let mut events = Vec::new();
    for (seq, step) in case.steps.iter().take(50).enumerate() {
        match &step.what {
            CaseWhat::Exchange { t, exchange } => {
                let exchange = Exchange { at: time.next(*t), ..(**exchange).clone() };
                events.extend(replay.feed(seq, exchange).0);
            }
            CaseWhat::Answer { target, response, body } => {
                let blank = super::exchange(b"", b"", b"");
                replay.answer(target, Exchange { response: response.clone(), response_body: body.clone(), ..blank });
            }
        }
    }
    events.extend(replay.finish().0);
    for event in events {
        let body: Value = serde_json::from_str(event.draft.body.get()).expect("a body is JSON");
        assert!(body.is_object(), "{body}");
    }
}

/// The packs, loaded.
fn all() -> Vec<Ruleset> {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let root = above.map(|dir| dir.join("rules")).find(|dir| dir.is_dir()).expect("the packs");
    let packs = fs::read_dir(root).expect("rules/").map(|entry| entry.expect("an entry").path());
    packs.filter(|pack| pack.is_dir()).map(|pack| load(&files(&pack)).ruleset.expect("a pack loads")).collect()
}

fn files(pack: &Path) -> Vec<SourceFile> {
    let entries = fs::read_dir(pack).expect("a pack").map(|entry| entry.expect("an entry").path());
    let rules = entries.filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
    let file = |path: PathBuf| SourceFile {
        path: path.file_name().expect("a name").to_string_lossy().into_owned(),
        bytes: fs::read(&path).expect("a rules file"),
    };
    rules.map(file).collect()
}
