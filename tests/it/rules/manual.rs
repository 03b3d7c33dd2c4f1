//! `docs/rules.md` says nothing that does not hold: each of its rules is loaded, each case is run, each fault comes as shown.
//!
//! How its blocks are read. A section goes from one heading to the next; what follows counts within a section.
//!
//! - ` ```toml `: files of one rules directory. They load without a word.
//! - ` ```case `: a case, run against these rules; it passes.
//! - ` ```toml fault ` and the ` ```text ` behind it: a file that does not load, and what `check` says about it.
//! - ` ```values `: lines `EXPRESSION => JSON`, each a value of a rule on the sample exchange, the ` ```case sample ` above it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;

use serde_json::Value;
use shopbell::exchange::CaseText;
use shopbell::rules::cases::Row;
use shopbell::rules::{SourceFile, load, schema};

use super::rendered;

/// What a value that is not there is written as in ` ```values `.
const NOTHING: &str = "nothing";

/// A fenced block: what stands behind the fence, its first line in the manual, its text.
struct Block {
    info: String,
    line: usize,
    text: String,
}

/// A section of the manual.
#[derive(Default)]
struct Section {
    title: String,
    blocks: Vec<Block>,
    /// The first code of each row of its tables.
    rows: Vec<String>,
}

impl Section {
    fn texts<'s>(&'s self, info: &'s str) -> impl Iterator<Item = &'s Block> {
        self.blocks.iter().filter(move |block| block.info == info)
    }

    /// Its rules as files of a directory.
    fn files(&self) -> Vec<SourceFile> {
        self.texts("toml").map(|block| file(&format!("line-{}.toml", block.line), &block.text)).collect()
    }
}

fn file(path: &str, text: &str) -> SourceFile {
    SourceFile { path: path.to_owned(), bytes: text.as_bytes().to_vec() }
}

fn manual() -> Vec<Section> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/rules.md");
    let (mut sections, mut open) = (vec![Section::default()], None::<Block>);
    for (at, line) in fs::read_to_string(path).unwrap().lines().enumerate() {
        let section = sections.last_mut().unwrap();
        match (&mut open, line.strip_prefix("```")) {
            (Some(_), Some(_)) => section.blocks.extend(open.take()),
            (Some(block), None) => writeln!(block.text, "{line}").unwrap(),
            (None, Some(info)) => open = Some(Block { info: info.to_owned(), line: at + 2, text: String::new() }),
            (None, None) if line.starts_with('#') => {
                let title = line.trim_start_matches('#').trim().to_owned();
                sections.push(Section { title, ..Section::default() });
            }
            (None, None) => {
                let code = line.strip_prefix("| `").and_then(|rest| rest.split_once('`'));
                section.rows.extend(code.map(|(code, _)| code.to_owned()));
            }
        }
    }
    assert!(open.is_none(), "a block is not closed");
    sections
}

/// What is wrong with a case under the rules of its section.
fn case_fault(section: &Section, case: &Block) -> Option<String> {
    let loaded = load(&section.files());
    let ruleset = loaded.ruleset?;
    let parsed = match CaseText::parse(&case.text) {
        Ok(parsed) => parsed,
        Err(fault) => return Some(fault.to_string()),
    };
    let result = match ruleset.run_case(&parsed) {
        Ok(result) => result,
        Err(fault) => return Some(fault.to_string()),
    };
    if result.passed() {
        return None;
    }
    let rows = result.comparison.rows.iter().filter(|row| !matches!(row, Row::Same { .. }));
    let rows = rows.map(|row| format!("  {row:?}"));
    let notes = result.run.notes.iter().map(|note| format!("  {note:?}"));
    Some(rows.chain(notes).collect::<Vec<_>>().join("\n"))
}

#[test]
fn its_rules_load_and_its_cases_pass() {
    let (mut wrong, mut cases) = (Vec::new(), 0);
    for section in manual() {
        if section.texts("toml").next().is_some() {
            let mut said = load(&section.files()).diagnostics;
            // Of a directory without events `check` warns; a section may show other things.
            said.retain(|fault| fault.file != ".");
            if !said.is_empty() {
                wrong.push(format!("{}\n{}", section.title, rendered(&said)));
            }
        }
        for case in section.texts("case") {
            cases += 1;
            let fault = case_fault(&section, case);
            wrong.extend(fault.map(|fault| format!("{}, case of line {}\n{fault}", section.title, case.line)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(cases > 30, "{cases} cases");
}

#[test]
fn its_faults_come_as_shown() {
    let (mut wrong, mut faults) = (Vec::new(), 0);
    for section in manual() {
        for pair in section.blocks.windows(2) {
            let [faulty, shown] = pair else { continue };
            if faulty.info != "toml fault" {
                continue;
            }
            faults += 1;
            let said = rendered(&load(&[file("shop.toml", &faulty.text)]).diagnostics);
            if shown.info != "text" || shown.text.trim_end() != said.trim_end() {
                wrong.push(format!("{}, line {}:\n{said}", section.title, faulty.line));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(faults > 5, "{faults} faults");
}

/// The values of a section, each by a rule of its own on the sample exchange.
fn values_of(section: &Section, sample: &Block) -> (Vec<(String, String)>, BTreeMap<usize, Value>) {
    let lines = section.texts("values").flat_map(|block| block.text.lines());
    let lines = lines.filter(|line| !line.trim().is_empty());
    let rows: Vec<(String, String)> = lines
        .map(|line| line.rsplit_once(" => ").unwrap_or_else(|| panic!("no value: {line}")))
        .map(|(expression, value)| (expression.trim().to_owned(), value.trim().to_owned()))
        .collect();
    let mut rules = String::new();
    for (at, (expression, _)) in rows.iter().enumerate() {
        let value = toml::Value::from(format!("{{{{ {expression} }}}}"));
        let head = format!("[event.row-{at}]\non = \"POST /sample\"\ntopic = \"row.updated\"\nid = {at}\n");
        writeln!(rules, "{head}payload.v = {value}").unwrap();
    }
    let mut files = section.files();
    files.push(file("rows.toml", &rules));
    let loaded = load(&files);
    let ruleset = loaded.ruleset.unwrap_or_else(|| panic!("{}", rendered(&loaded.diagnostics)));
    let case = CaseText::parse(&format!("{}\n=== events\n", sample.text)).unwrap();
    let came = ruleset.run_case(&case).unwrap().run.events;
    let given = came.iter().filter(|event| event.rule.starts_with("row-")).map(|event| {
        let at = event.event["id"].as_u64().and_then(|id| usize::try_from(id).ok()).unwrap();
        (at, event.event["payload"].get("v").cloned().unwrap_or_else(|| NOTHING.into()))
    });
    (rows, given.collect())
}

#[test]
fn its_values_are_those_shown() {
    let (mut wrong, mut shown) = (Vec::new(), 0);
    for section in manual() {
        let Some(sample) = section.texts("case sample").next() else { continue };
        let (rows, given) = values_of(&section, sample);
        shown += rows.len();
        for (at, (expression, value)) in rows.iter().enumerate() {
            let wanted = if value == NOTHING {
                Value::from(NOTHING)
            } else {
                serde_json::from_str(value).unwrap_or_else(|fault| panic!("{expression} => {value}: {fault}"))
            };
            let got = given.get(&at).unwrap_or_else(|| panic!("no event of {expression}"));
            if *got != wanted {
                wrong.push(format!("{expression}\n  shown {wanted}\n  gives {got}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(shown > 40, "{shown} values");
}

/// Sections that list the keys of a table, and where the schema has that table.
const LISTS: &[(&str, &str)] = &[
    ("Keys of a file", ""),
    ("Keys of `[event.NAME]`", "/properties/event/additionalProperties"),
    ("Keys of `wait`", "/properties/event/additionalProperties/properties/wait/anyOf/0"),
    ("Keys of `once`", "/properties/event/additionalProperties/properties/once/anyOf/1"),
    ("Keys of `find.NAME`", "/properties/event/additionalProperties/properties/find/additionalProperties"),
    (
        "Keys of `cols.NAME`",
        "/properties/event/additionalProperties/properties/find/additionalProperties/properties/cols/additionalProperties",
    ),
    ("Keys of `response`", "/properties/event/additionalProperties/properties/response"),
    ("Keys of `location` and `referer`", "/properties/event/additionalProperties/properties/location/anyOf/2"),
    ("Keys of `flash`", "/properties/event/additionalProperties/properties/flash/anyOf/1/anyOf/1"),
    ("Keys of `graphql`", "/properties/event/additionalProperties/properties/graphql"),
    ("Operators", "/properties/event/additionalProperties/properties/host/anyOf/2"),
    ("Keys of `[shop]`", "/properties/shop"),
    ("Keys of `[shop] alert`", "/properties/shop/properties/alert"),
    ("Keys of `[session]`", "/properties/session"),
    ("Keys of `[flash]`", "/properties/flash"),
    ("Keys of `[access.NAME]`", "/properties/access/additionalProperties"),
    ("Keys of `login`", "/properties/access/additionalProperties/properties/login"),
    ("Keys of `[webhook.NAME]`", "/properties/webhook/additionalProperties"),
    ("Keys of `tls`", "/properties/webhook/additionalProperties/properties/tls"),
    ("Keys of `secret_previous`", "/properties/webhook/additionalProperties/properties/secret_previous/items"),
    ("Keys of `[key.NAME]`", "/properties/key/additionalProperties"),
];

#[test]
fn its_lists_of_keys_are_whole() {
    // That the schema's keys are the loader's is held by `schema.rs`.
    let (schema, sections) = (schema::schema(), manual());
    let mut wrong = Vec::new();
    for (title, pointer) in LISTS {
        let table = schema.pointer(pointer).unwrap_or_else(|| panic!("the schema has no {pointer}"));
        let known: BTreeSet<&str> = table["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        let Some(section) = sections.iter().find(|section| section.title == *title) else {
            wrong.push(format!("no section `{title}`: {known:?}"));
            continue;
        };
        let listed: BTreeSet<&str> = section.rows.iter().map(String::as_str).collect();
        if listed != known {
            let (more, less): (Vec<_>, Vec<_>) =
                (listed.difference(&known).collect(), known.difference(&listed).collect());
            wrong.push(format!("{title}: not known {more:?}, not listed {less:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn its_table_of_contents_is_its_headings() {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/rules.md")).unwrap();
    let anchor = |title: &str| -> String {
        let kept = title.to_lowercase();
        kept.chars()
            .filter(|c| c.is_alphanumeric() || "-_ ".contains(*c))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect()
    };
    let anchors: BTreeSet<String> = manual().iter().map(|section| anchor(&section.title)).collect();
    let linked: BTreeSet<&str> =
        text.split("](#").skip(1).filter_map(|rest| rest.split_once(')')).map(|(anchor, _)| anchor).collect();
    let dead: Vec<_> = linked.iter().filter(|link| !anchors.contains(**link)).collect();
    assert!(dead.is_empty(), "links to no heading: {dead:?}");
    let wanted = text.lines().filter_map(|line| line.strip_prefix("## ")).filter(|title| *title != "Contents");
    let missing: Vec<_> = wanted.map(anchor).filter(|anchor| !linked.contains(anchor.as_str())).collect();
    assert!(missing.is_empty(), "not in the contents: {missing:?}");
}
