//! The schema says what the loader knows: its keys are asked of the loader itself, and every file that loads fits it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use shopbell::app::read_rules_dir;
use shopbell::rules::schema::schema;
use shopbell::rules::{SourceFile, load};

/// A key that nobody knows, and that is near to none.
const BOGUS: &str = "zzzzzzzzzzzzqq";

/// A step from a table to one below it: a key, or the first of a list.
#[derive(Clone, Debug)]
enum Step {
    Key(String),
    Item,
}

/// Every table in the schema with keys of its own: where it stands, and which keys it has.
fn tables(schema: &Value, path: &[Step], found: &mut Vec<(Vec<Step>, BTreeSet<String>)>) {
    let closed = schema["additionalProperties"] == false;
    if let Some(properties) = schema["properties"].as_object() {
        if closed {
            found.push((path.to_vec(), properties.keys().cloned().collect()));
        }
        for (key, below) in properties {
            tables(below, &[path, &[Step::Key(key.clone())]].concat(), found);
        }
    }
    if schema["additionalProperties"].is_object() {
        tables(&schema["additionalProperties"], &[path, &[Step::Key("name".to_owned())]].concat(), found);
    }
    if schema["items"].is_object() {
        tables(&schema["items"], &[path, &[Step::Item]].concat(), found);
    }
    for shape in schema["anyOf"].as_array().into_iter().flatten() {
        tables(shape, path, found);
    }
}

/// A file with a table at a path that holds one bogus key.
fn file(path: &[Step], in_login: bool) -> toml::Value {
    match path.split_first() {
        None => toml::Value::Table([(BOGUS.to_owned(), toml::Value::Boolean(true))].into_iter().collect()),
        Some((Step::Key(key), rest)) => {
            let mut table: toml::Table = [(key.clone(), file(rest, key == "login"))].into_iter().collect();
            // What must stand beside it before the loader looks below it.
            for (name, other, text) in [("cols", "rows", "tr"), ("form", "post", "/login"), ("keep", "post", "/login")]
            {
                if key == name && (name == "cols" || in_login) {
                    table.insert(other.to_owned(), text.into());
                }
            }
            let mut below = table.get_mut(key).filter(|_| key == "wait");
            if let Some(toml::Value::Array(items)) = below {
                below = items.first_mut();
            }
            if let Some(toml::Value::Table(wait)) = below.filter(|_| !rest.is_empty()) {
                wait.insert("on".to_owned(), "GET /".into());
            }
            toml::Value::Table(table)
        }
        Some((Step::Item, rest)) => toml::Value::Array(vec![file(rest, false)]),
    }
}

/// The keys the loader lists when it finds the bogus one; `None` where it takes any key.
fn known(path: &[Step]) -> Option<BTreeSet<String>> {
    let text = toml::to_string(&file(path, false)).unwrap();
    // Without [session] and [flash] the loader speaks of those instead.
    let own = |name: &str| matches!(path.first(), Some(Step::Key(key)) if key == name);
    let session = if own("session") { "" } else { "[session]\ncookies = [\"sid\"]\n" };
    let flash = if own("flash") { "" } else { "[flash]\ncookie = \"messages\"\n" };
    let source = |path: &str, text: &str| SourceFile { path: path.to_owned(), bytes: text.as_bytes().to_vec() };
    // The wait of a part is read where the part is used.
    let used = "[event.user]\nuse = \"name\"\non = \"GET /\"\ntopic = \"a.b\"\nid = \"1\"\n";
    let used = if own("part") { used } else { "" };
    let loaded = load(&[source("a.toml", &format!("{session}{flash}{used}")), source("b.toml", &text)]);
    let about = |message: &str| message.contains(&format!("`{BOGUS}`"));
    let unknown = loaded.diagnostics.iter().filter(|fault| fault.file == "b.toml" && about(&fault.message));
    let hint = unknown.filter(|fault| fault.message.starts_with("unknown")).find_map(|fault| fault.hint.clone())?;
    let hint = hint.split_once(" takes ").map_or(hint.as_str(), |(_, keys)| keys);
    Some(hint.split('`').skip(1).step_by(2).filter(|word| !word.contains([' ', '.', '['])).map(str::to_owned).collect())
}

fn shown(path: &[Step]) -> String {
    let step = |step: &Step| match step {
        Step::Key(key) => key.clone(),
        Step::Item => "[]".to_owned(),
    };
    path.iter().map(step).collect::<Vec<_>>().join(".")
}

#[test]
fn its_keys_are_those_the_loader_knows() {
    let mut found = Vec::new();
    tables(&schema(), &[], &mut found);
    assert!(found.len() > 50, "{}", found.len());
    let operators: BTreeSet<&str> =
        ["is", "present", "not", "has", "regex", "starts", "ends", "contains", "gt", "ge", "lt", "le"].into();
    let (mut wrong, mut asked) = (Vec::new(), 0);
    for (path, keys) in &found {
        // Of operators the loader lists them all; a URL may have parts or operators in the same place.
        let own = |key: &String| !operators.contains(key.as_str());
        let Some(known) = known(path) else {
            if keys.iter().any(own) {
                wrong.push(format!("{}: the loader takes any key, the schema {keys:?}", shown(path)));
            }
            continue;
        };
        asked += 1;
        if !keys.iter().any(own) && known.iter().any(own) {
            continue;
        }
        // In a table of `any` or `none` the loader lists all keys and refuses those that are no conditions.
        let in_table = matches!(path.as_slice(), [.., Step::Item, Step::Key(key)] if key == "graphql");
        if in_table && keys.is_subset(&known) && keys.len() == 2 {
            continue;
        }
        // `env` and `file` are told in words.
        if *keys == BTreeSet::from(["env".to_owned(), "file".to_owned()]) && known.is_superset(keys) {
            continue;
        }
        if known != *keys {
            let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect::<Vec<_>>();
            wrong.push(format!(
                "{}: only the loader knows {:?}, only the schema {:?}",
                shown(path),
                only(&known, keys),
                only(keys, &known)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(asked > 50, "{asked} of {} tables were asked for", found.len());
}

/// Whether a value fits the part of JSON Schema that ours uses; what is wrong and where.
pub(super) fn fits(schema: &Value, value: &Value, place: &str) -> Result<(), String> {
    let fault = |what: String| Err(format!("{place}: {what}"));
    if let Some(shapes) = schema["anyOf"].as_array() {
        let faults: Vec<String> = shapes.iter().filter_map(|shape| fits(shape, value, place).err()).collect();
        if faults.len() == shapes.len() {
            return fault(format!("no shape fits: {}", faults.join(" | ")));
        }
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let is = |kind: &str| match kind {
        "string" => value.is_string(),
        "integer" => value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        odd => panic!("type {odd}"),
    };
    if !types.is_empty() && !types.iter().any(|kind| is(kind)) {
        return fault(format!("{value} is none of {types:?}"));
    }
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        return fault(format!("{value} is none of {}", schema["enum"]));
    }
    if let (Some(pattern), Some(text)) = (schema["pattern"].as_str(), value.as_str())
        && !regex::Regex::new(pattern).unwrap().is_match(text)
    {
        return fault(format!("{text} does not fit {pattern}"));
    }
    let (least, most) = (schema["minimum"].as_i64(), schema["maximum"].as_i64());
    if let Some(number) = value.as_i64()
        && (least.is_some_and(|least| number < least) || most.is_some_and(|most| number > most))
    {
        return fault(format!("{number} is out of bounds"));
    }
    for (at, item) in value.as_array().into_iter().flatten().enumerate() {
        if schema["items"].is_object() {
            fits(&schema["items"], item, &format!("{place}[{at}]"))?;
        }
    }
    for (key, below) in value.as_object().into_iter().flatten() {
        let below_place = format!("{place}.{key}");
        match (&schema["properties"][key], &schema["additionalProperties"]) {
            (own, _) if own.is_object() => fits(own, below, &below_place)?,
            (_, Value::Bool(false)) => return fault(format!("unknown key {key}")),
            (_, any) if any.is_object() => fits(any, below, &below_place)?,
            _ => {}
        }
    }
    if let (Some(required), Some(table)) = (schema["required"].as_array(), value.as_object())
        && let Some(missing) = required.iter().filter_map(Value::as_str).find(|key| !table.contains_key(*key))
    {
        return fault(format!("`{missing}` is missing"));
    }
    Ok(())
}

/// A file as JSON, as editors hold it against a schema.
pub(super) fn as_json(text: &str) -> Value {
    let table: toml::Table = text.parse().unwrap_or_else(|fault| panic!("{fault}\n{text}"));
    let mut value = serde_json::to_value(table).unwrap();
    dates(&mut value);
    value
}

/// Dates of TOML are texts to a schema.
fn dates(value: &mut Value) {
    if let Some(date) = value.get("$__toml_private_datetime") {
        *value = date.clone();
    }
    match value {
        Value::Object(table) => table.values_mut().for_each(dates),
        Value::Array(items) => items.iter_mut().for_each(dates),
        _ => {}
    }
}

#[test]
fn files_that_load_fit_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut dirs = vec![root.join("tests/it/rules/good"), root.join("src/cli/init")];
    dirs.extend(
        fs::read_dir(root.join("rules")).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()),
    );
    let (schema, mut seen) = (schema(), 0);
    for file in dirs.iter().flat_map(|dir| read_rules_dir(dir).unwrap()) {
        let text = String::from_utf8(file.bytes).unwrap();
        fits(&schema, &as_json(&text), &file.path).unwrap_or_else(|fault| panic!("{fault}"));
        seen += 1;
    }
    assert!(seen > 8, "{seen}");
}

#[test]
fn what_cannot_be_right_does_not_fit() {
    let schema = schema();
    for (text, part) in [
        ("[event.x]\nom = 'GET /'", "unknown key om"),
        ("[event.x]\nstatus = true", "no shape fits"),
        ("[event.x]\nany = [{ quary.a = 1 }]", "unknown key quary"),
        ("[event.x]\nstatus = '3x'", "no shape fits"),
        ("[webhook.x]\nurl = 'http://a/'", "`topic` is missing"),
        ("[webhook.x]\nurl = 'http://a/'\ntopic = '*'\nretry = ['5']", "does not fit"),
        ("[event.x]\nform.a = { contains = true }", "no shape fits"),
        ("[event.x]\nwait = { on = 'GET /', for = 5 }", "no shape fits"),
        ("[learn.x]\ntopic = 'a.b'", "unknown key topic"),
        ("[shop]\ndecimal = ';'", "is none of"),
        ("[event.x]\npriority = 2000000", "out of bounds"),
    ] {
        let fault = fits(&schema, &as_json(text), "").expect_err(text);
        assert!(fault.contains(part), "{text}: {fault}");
    }
    assert_eq!(fits(&schema, &json!({}), ""), Ok(()));
}
