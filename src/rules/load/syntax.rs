//! Bytes to a tree, and TOML's own faults in words that help.

use toml::de::{DeTable, Error};

use super::report::{At, Report};
use super::tree::Table;

/// Quotes that word processors and web pages make of `"` and `'`.
const TYPOGRAPHIC: [char; 10] = ['“', '”', '„', '‟', '‘', '’', '‚', '«', '»', '″'];

/// Reads one file as far as it can be read; faults go to the report.
pub(super) fn parse(report: &mut Report, path: &str, bytes: &[u8]) -> Table {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let file = report.add_file(path, text);
    if let Err(error) = std::str::from_utf8(bytes) {
        let start = error.valid_up_to();
        let byte = bytes.get(start).copied().unwrap_or_default();
        let at = At { file, start, end: start + char::REPLACEMENT_CHARACTER.len_utf8() };
        report.syntax(at, format!("this file is not UTF-8 (byte 0x{byte:02X})"), Some("save the file as UTF-8".into()));
    }
    let text = report.text(file).to_owned();
    let (table, errors) = DeTable::parse_recoverable(&text);
    let mut errors: Vec<&Error> = errors.iter().collect();
    errors.sort_by_key(|error| start_of(error));
    // Where something does not close, the parser may have put all that follows in the wrong place.
    let unclosed = errors.iter().any(|error| error.message().contains("unclosed"));
    let mut mangled = false;
    // Below a header that stands twice each key is a second one: only the header is told of.
    let mut twice = None;
    for error in errors {
        let start = start_of(error);
        if unclosed && is_nesting(error.message()) {
            report.mangled(At { file, start, end: start });
            if std::mem::replace(&mut mangled, true) {
                continue;
            }
        }
        if error.message() == "duplicate key" {
            let header = header_before(&text, start);
            if line_of(&text, start).trim_start().starts_with('[') {
                twice = Some(start);
            } else if twice.is_some_and(|at| header <= at && at < start) {
                continue;
            }
        }
        tell(report, file, &text, error);
    }
    Table::of(file, &text, table.get_ref())
}

fn start_of(error: &Error) -> usize {
    error.span().map_or(0, |span| span.start)
}

/// Faults of brackets and braces, of which one brings others with it.
fn is_nesting(message: &str) -> bool {
    ["unclosed", "inline table", "array", "missing comma"].iter().any(|word| message.contains(word))
}

/// Where the last header before a place begins.
fn header_before(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    before.rfind("\n[").map_or(0, |start| start + 1)
}

fn tell(report: &mut Report, file: usize, text: &str, error: &Error) {
    let span = error.span().unwrap_or(0..0);
    let at = At::new(file, span.clone());
    let word = text.get(span.clone()).unwrap_or_default();
    let message = error.message();
    if message == "duplicate key" {
        let (message, hint) = duplicate(text, span.start, word);
        return report.syntax(at, message, Some(hint));
    }
    if message.starts_with("cannot extend value of type") {
        let (message, hint) = extended(text, span.start, word, message);
        return report.syntax(at, message, Some(hint));
    }
    if message.starts_with("missing escaped value") {
        let end = span.start + text.get(span.start..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        let at = At { file, start: span.start.saturating_sub(1), end };
        let hint = "in double quotes a backslash begins an escape: write the text in single quotes, '…'";
        return report.syntax(at, "unknown escape", Some(hint.into()));
    }
    let line = line_of(text, span.start);
    if line.contains(TYPOGRAPHIC) {
        let hint = "type the straight quotes \" or ' instead";
        return report.syntax(at, "typographic quotes do not begin or end a string", Some(hint.into()));
    }
    report.syntax(at, message, hint(message, line).map(str::to_owned));
}

/// What to do about a fault of TOML's own words.
fn hint(message: &str, line: &str) -> Option<&'static str> {
    let hint = if line.contains("= {{") {
        "a value with `{{ … }}` stands in quotes: \"{{ … }}\""
    } else if message.starts_with("string values must be quoted") {
        "put the text in quotes"
    } else if message.starts_with("invalid boolean") {
        "write `true` or `false`, without quotes and in lower case"
    } else if message.starts_with("key with no value") || message.starts_with("invalid unquoted key") {
        "a line reads `key = value`; a key with other characters than letters, digits, `-` and `_` stands in quotes"
    } else if message.contains("basic string") || message.contains("literal string") {
        "the closing quote is missing"
    } else if message.starts_with("unclosed table") || message.starts_with("unclosed array table") {
        "a header reads `[event.NAME]`"
    } else if is_nesting(message) {
        "something above does not close: look for a missing `}`, `]` or comma"
    } else if message.starts_with("unexpected key or value") && line.matches('\'').count() > 2 {
        "a text that holds `'` stands in double quotes: \"it's\""
    } else {
        return None;
    };
    Some(hint)
}

/// A key or a header that stands twice.
fn duplicate(text: &str, start: usize, word: &str) -> (String, String) {
    let line = line_of(text, start).trim();
    let before = text.get(..start).unwrap_or_default();
    if line.starts_with('[') {
        let header = line.split('#').next().unwrap_or_default().trim();
        if let Some(first) = before.lines().position(|line| line.split('#').next().unwrap_or_default().trim() == header)
        {
            let hint = format!("the first stands in line {}: give one of them another name, or join them", first + 1);
            return (format!("`{header}` stands here a second time"), hint);
        }
        let hint = format!("write all of `{word}` with dotted keys under the header above");
        return (format!("`{word}` was already begun with dotted keys or braces"), hint);
    }
    let first = earlier(before, word);
    let place = first.map_or(String::new(), |(line, _)| format!(" (first in line {line})"));
    let in_braces = |line: &str| line.split_once('=').is_some_and(|(_, value)| value.trim_start().starts_with('{'));
    let dotted = first.is_some_and(|(_, line)| line.trim_start().starts_with(&format!("{word}.")));
    let hint = if in_braces(line) || first.is_some_and(|(_, line)| in_braces(line)) || dotted {
        let key = dotted_to(line, word);
        format!("write all of it with dotted keys: `{key}.name = …`, one line each, and no braces")
    } else {
        "leave one of them out; several values stand in a list, [\"a\", \"b\"]".to_owned()
    };
    (format!("`{word}` stands here a second time{place}"), hint)
}

/// A dotted key into something that is closed.
fn extended(text: &str, start: usize, word: &str, message: &str) -> (String, String) {
    let place = earlier(text.get(..start).unwrap_or_default(), word)
        .map_or(String::new(), |(line, _)| format!(" in line {line}"));
    if message.contains("inline table") {
        let hint = format!("write all of it with dotted keys: `{word}.name = …`, one line each, and no braces");
        return (format!("`{word}` was closed by its braces{place} and takes no more keys"), hint);
    }
    let hint = "a value and keys below it do not go together: keep one of them".to_owned();
    (format!("`{word}` already has a value{place}"), hint)
}

/// The last line before `before`'s end that gives `word` a value, and its 1-based number.
fn earlier<'a>(before: &'a str, word: &str) -> Option<(usize, &'a str)> {
    let lines: Vec<&str> = before.lines().collect();
    let names = |line: &str| {
        let key = line.split('=').next().unwrap_or_default();
        key.split('.').any(|part| part.trim() == word)
    };
    // The last of `lines` is the start of the faulty line itself, unless the fault stands at a line's start.
    let whole = if before.ends_with('\n') { lines.len() } else { lines.len().saturating_sub(1) };
    (0..whole).rev().find(|at| names(lines[*at])).map(|at| (at + 1, lines[at]))
}

/// The dotted key of a line up to one of its words.
fn dotted_to<'a>(line: &'a str, word: &str) -> &'a str {
    line.find(word).and_then(|at| line.get(..at + word.len())).unwrap_or(line).trim()
}

fn line_of(text: &str, at: usize) -> &str {
    let before = text.get(..at).unwrap_or_default();
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    text.get(start..).unwrap_or_default().lines().next().unwrap_or_default()
}
