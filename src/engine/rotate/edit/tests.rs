//! Tables of texts before and after.

use super::*;
use crate::model::Secret;

const OLD: &str = "{ secret = \"old\", until = \"2026-11-04T12:00:00Z\" }";

fn old(secret: SecretSource) -> OldSecretSource {
    OldSecretSource { secret, until: "2026-11-04T12:00:00Z".parse::<jiff::Timestamp>().map(millis).unwrap() }
}

fn millis(at: jiff::Timestamp) -> Timestamp {
    Timestamp::from_millis(at.as_millisecond())
}

/// The text with `erp`'s secret `new`, `old` beside it and these entries gone; it is TOML still.
fn edited(text: &str, ended: &[usize]) -> String {
    let old = old(SecretSource::Literal(Secret::new("old".into())));
    let edited = edit(text, "erp", &Change { secret: Some("new"), old: Some(&old), ended });
    let edited = edited.unwrap_or_else(|error| panic!("{error:?} of\n{text}"));
    DeTable::parse(&edited).unwrap_or_else(|error| panic!("{error} in\n{edited}"));
    edited
}

#[test]
fn the_secret_changes_and_the_old_one_is_named_below_it() {
    let rows = [
        // Comments, spacing and what stands around stay.
        (
            "# mine\n[webhook.erp] # who\nurl    = \"u\"\nsecret = 'old' # keep it safe\n\n# others\n[webhook.b]\nsecret = \"old\"\n",
            "# mine\n[webhook.erp] # who\nurl    = \"u\"\nsecret = \"new\" # keep it safe\nsecret_previous = [OLD]\n\n# others\n\
             [webhook.b]\nsecret = \"old\"\n",
        ),
        // No line end at the end; indented.
        ("[webhook.erp]\n  secret = \"old\"", "[webhook.erp]\n  secret = \"new\"\n  secret_previous = [OLD]"),
        // Line ends of another system.
        (
            "[webhook.erp]\r\nsecret = \"old\"\r\nurl = \"u\"\r\n",
            "[webhook.erp]\r\nsecret = \"new\"\r\nsecret_previous = [OLD]\r\nurl = \"u\"\r\n",
        ),
        // A byte order mark, and dotted keys at the top.
        (
            "\u{feff}webhook.erp.secret = \"old\"\nwebhook.erp.url = \"u\"\n",
            "\u{feff}webhook.erp.secret = \"new\"\nwebhook.erp.secret_previous = [OLD]\nwebhook.erp.url = \"u\"\n",
        ),
        // Dotted and quoted keys below a header.
        (
            "[webhook]\na.secret = \"x\"\n\"erp\" . secret=\"old\"\n'erp'.url = \"u\"\n",
            "[webhook]\na.secret = \"x\"\n\"erp\" . secret=\"new\"\n\"erp\" . secret_previous = [OLD]\n'erp'.url = \"u\"\n",
        ),
        // Inline tables, one in a row and one over several lines.
        (
            "webhook.erp = { url = \"u\", secret = \"old\" } # one\n",
            "webhook.erp = { url = \"u\", secret = \"new\", secret_previous = [OLD] } # one\n",
        ),
        (
            "[webhook]\nerp = {\n  secret = \"old\", # of erp\n  url = \"u\",\n}\n",
            "[webhook]\nerp = {\n  secret = \"new\", secret_previous = [OLD], # of erp\n  url = \"u\",\n}\n",
        ),
        (
            "webhook = { erp = { secret = \"old\", url = \"u\" }, b.secret = \"x\" }\n",
            "webhook = { erp = { secret = \"new\", secret_previous = [OLD], url = \"u\" }, b.secret = \"x\" }\n",
        ),
        // A secret over several lines.
        (
            "[webhook.erp]\nsecret = \"\"\"\nol\\\nd\"\"\" # x\nurl = \"u\"\n",
            "[webhook.erp]\nsecret = \"new\" # x\nsecret_previous = [OLD]\nurl = \"u\"\n",
        ),
        // None in the file: it goes below `url`, and not into a table that follows.
        (
            "[webhook.erp]\ntopic = \"*\"\nurl = \"u\" # where\n[webhook.erp.headers]\nsecret = \"h\"\n",
            "[webhook.erp]\ntopic = \"*\"\nurl = \"u\" # where\nsecret = \"new\"\nsecret_previous = [OLD]\n[webhook.erp.headers]\n\
             secret = \"h\"\n",
        ),
        (
            "webhook.erp = { url = \"u\" }\n",
            "webhook.erp = { url = \"u\", secret = \"new\", secret_previous = [OLD] }\n",
        ),
    ];
    for (before, after) in rows {
        assert_eq!(edited(before, &[]), after.replace("OLD", OLD), "{before}");
    }
}

#[test]
fn the_old_one_comes_first_and_those_that_have_ended_go() {
    let rows: [(&str, &[usize], &str); 12] = [
        ("[]", &[], "[OLD]"),
        ("[{ a = 1 }]", &[], "[OLD, { a = 1 }]"),
        ("[{ a = 1 }]", &[0], "[OLD]"),
        ("[ { a = 1 }, { b = 1 } ]", &[0], "[ OLD, { b = 1 } ]"),
        ("[ { a = 1 }, { b = 1 } ]", &[1], "[ OLD, { a = 1 } ]"),
        ("[{ a = 1 }, { b = 1 }, { c = 1 }]", &[1], "[OLD, { a = 1 }, { c = 1 }]"),
        ("[{ a = 1 }, { b = 1 }, { c = 1 }]", &[1, 2], "[OLD, { a = 1 }]"),
        ("[\n  # newest first\n  { a = 1 }, # a\n]", &[], "[\n  # newest first\n  OLD,\n  { a = 1 }, # a\n]"),
        ("[\n\t{ a = 1 }, # a\n\t{ b = 1 }, # b, gone\n]", &[1], "[\n\tOLD,\n\t{ a = 1 }, # a\n]"),
        ("[\n\t{ a = 1 }, # a, gone\n\t# of b\n\t{ b = 1 } # b\n]", &[0], "[\n\t# of b\n\tOLD,\n\t{ b = 1 } # b\n]"),
        ("[\r\n  { a = 1 },\r\n  { b = 1 }\r\n]", &[1], "[\r\n  OLD,\r\n  { a = 1 },\r\n]"),
        ("[{ a = 1 }, # a,\n  { b = 1 }]", &[1], "[OLD, { a = 1 }, # a,\n  ]"),
    ];
    for (before, ended, after) in rows {
        let text = |list: &str, secret| format!("[webhook.erp]\nsecret_previous = {list} # x\nsecret = \"{secret}\"\n");
        assert_eq!(edited(&text(before, "old"), ended), text(&after.replace("OLD", OLD), "new"), "{before} {ended:?}");
    }
}

#[test]
fn what_is_written_can_be_read_again() {
    for secret in
        ["plain", "with \"quotes\" and 'others'", "back\\slash", "#{},=[]", "é <>&", "\"\"\"'''", "tab\tline\nend"]
    {
        let (text, source) = ("[webhook.erp]\nsecret = \"\"\n", SecretSource::Literal(Secret::new(secret.into())));
        for source in [source, SecretSource::Env(secret.into()), SecretSource::File(secret.into())] {
            let old = old(source);
            let edited = edit(text, "erp", &Change { secret: Some(secret), old: Some(&old), ended: &[] }).unwrap();
            let table: toml::Table = edited.parse().unwrap_or_else(|error| panic!("{error} in\n{edited}"));
            let erp = &table["webhook"]["erp"];
            let previous = &erp["secret_previous"][0]["secret"];
            let previous = previous.get("env").or(previous.get("file")).unwrap_or(previous);
            assert_eq!((erp["secret"].as_str(), previous.as_str()), (Some(secret), Some(secret)), "{edited}");
        }
    }
}

#[test]
fn a_secret_that_is_elsewhere_stays_as_it_is() {
    let old = old(SecretSource::File("/s.old".into()));
    let entry = "[{ secret = { file = \"/s.old\" }, until = \"2026-11-04T12:00:00Z\" }]";
    let rows = [
        (
            "[webhook.erp]\nurl = \"u\"\nsecret = { file = \"/s\" }\ntopic = \"*\"\n",
            "[webhook.erp]\nurl = \"u\"\nsecret = { file = \"/s\" }\nsecret_previous = ENTRY\ntopic = \"*\"\n",
        ),
        // Its table or its dotted key is no line to write below.
        (
            "[webhook.erp]\nurl = \"u\"\nsecret.file = \"/s\"\ntopic = \"*\"\n",
            "[webhook.erp]\nurl = \"u\"\nsecret_previous = ENTRY\nsecret.file = \"/s\"\ntopic = \"*\"\n",
        ),
        (
            "[webhook.erp]\nurl = \"u\"\n[webhook.erp.secret]\nfile = \"/s\"\n",
            "[webhook.erp]\nurl = \"u\"\nsecret_previous = ENTRY\n[webhook.erp.secret]\nfile = \"/s\"\n",
        ),
    ];
    for (before, after) in rows {
        let edited = edit(before, "erp", &Change { secret: None, old: Some(&old), ended: &[] }).unwrap();
        assert_eq!(edited, after.replace("ENTRY", entry));
        toml::from_str::<toml::Table>(&edited).unwrap();
        assert_eq!(edit(before, "erp", &Change::default()).as_deref(), Ok(before), "nothing to change");
    }
}

#[test]
fn what_cannot_be_edited_is_told_apart() {
    let change = Change { secret: Some("new"), old: None, ended: &[0] };
    let tables = "[webhook.erp]\nurl = \"u\"\nsecret = \"old\"\n[[webhook.erp.secret_previous]]\nsecret = \"a\"\n";
    let rows = [
        (tables, EditError::TablesOfTheirOwn),
        ("[webhook.other]\nurl = \"u\"\n", EditError::NotFound),
        ("webhook = 1\n", EditError::NotFound),
        ("[webhook.erp\n", EditError::NotFound),
    ];
    for (text, error) in rows {
        assert_eq!(edit(text, "erp", &change), Err(error), "{text}");
    }
}
