//! Every shipped pack: its rules load without a word, and its cases pass.

use std::fs;
use std::path::{Path, PathBuf};

use shopbell::app::{case_files, read_rules_dir};
use shopbell::exchange::CaseText;
use shopbell::rules::cases::Row;
use shopbell::rules::load;

use super::rendered;

fn packs() -> Vec<PathBuf> {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let entries = fs::read_dir(rules).unwrap().map(|entry| entry.unwrap().path());
    let mut packs: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    packs.sort();
    packs
}

#[test]
fn packs_load_and_their_cases_pass() {
    let mut wrong = Vec::new();
    for pack in packs() {
        let files = read_rules_dir(&pack).unwrap_or_else(|faults| panic!("{}", rendered(&faults)));
        let loaded = load(&files);
        if !loaded.diagnostics.is_empty() {
            wrong.push(format!("{}\n{}", pack.display(), rendered(&loaded.diagnostics)));
        }
        let Some(ruleset) = loaded.ruleset else { continue };
        let cases = case_files(&pack).unwrap();
        if cases.is_empty() {
            wrong.push(format!("{}: no cases", pack.display()));
        }
        for case in cases {
            let shown = case.path.display();
            let text = fs::read_to_string(&case.path).unwrap();
            let parsed = CaseText::parse(&text).unwrap_or_else(|fault| panic!("{shown}: {fault}"));
            let result = ruleset.run_case(&parsed).unwrap_or_else(|fault| panic!("{shown}: {fault}"));
            if !result.passed() {
                let rows = result.comparison.rows.iter().filter(|row| !matches!(row, Row::Same { .. }));
                let rows: Vec<String> = rows.map(|row| format!("{row:?}")).collect();
                wrong.push(format!("{shown} (see `shopbell test {}`):\n{}", pack.display(), rows.join("\n")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
