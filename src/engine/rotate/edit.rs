//! The edit of a rules file that a rotation makes: text in, text out. Only the bytes that change are written anew, so comments,
//! order, spacing and line ends of everything else stay.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::model::Timestamp;
use crate::rules::{OldSecretSource, SecretSource};

/// What changes in the table of one webhook.
#[derive(Debug, Default)]
pub(super) struct Change<'a> {
    /// The webhook's new secret, written out; `None`: what `secret` says stays.
    pub(super) secret: Option<&'a str>,
    /// The first entry that `secret_previous` gets.
    pub(super) old: Option<&'a OldSecretSource>,
    /// Entries of `secret_previous` that go, by their place in the list.
    pub(super) ended: &'a [usize],
}

/// Why a text cannot be edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EditError {
    /// There is no such webhook in it, or it is no TOML.
    NotFound,
    /// `secret_previous` stands in tables of its own: `[[webhook.NAME.secret_previous]]`.
    TablesOfTheirOwn,
}

type Key<'t> = Spanned<DeString<'t>>;
type Value<'t> = Spanned<DeValue<'t>>;
/// A range of bytes, and what stands there afterwards.
type Piece = (Range<usize>, String);

/// The text of a rules file with `[webhook.NAME]` changed.
pub(super) fn edit(text: &str, name: &str, change: &Change<'_>) -> Result<String, EditError> {
    let document = DeTable::parse(text).map_err(|_| EditError::NotFound)?;
    let kind = entry(document.get_ref(), "webhook").ok_or(EditError::NotFound)?.1;
    let webhook = table(kind).and_then(|table| entry(table, name)).ok_or(EditError::NotFound)?.1;
    let table = table(webhook).ok_or(EditError::NotFound)?;
    let inline = [kind, webhook].iter().any(|value| text[value.span()].starts_with('{'));
    let (secret, previous) = (entry(table, "secret"), entry(table, "secret_previous"));
    let (mut pieces, mut added) = (Vec::new(), Vec::new());
    match (change.secret, secret) {
        (Some(new), Some((_, value))) => pieces.push((value.span(), string(new))),
        (Some(new), None) => added.push(("secret", string(new))),
        (None, _) => {}
    }
    let old = change.old.map(previous_entry);
    match (previous, old) {
        (Some((key, value)), old) if old.is_some() || !change.ended.is_empty() => {
            let items = value.get_ref().as_array().filter(|_| is_assigned(text, key));
            let items: Vec<_> = items.ok_or(EditError::TablesOfTheirOwn)?.iter().map(Spanned::span).collect();
            pieces.extend(list(text, value.span(), &items, change.ended, old));
        }
        (None, Some(old)) => added.push(("secret_previous", format!("[{old}]"))),
        _ => {}
    }
    if !added.is_empty() {
        // `url` is in every webhook, and always one line of it.
        let beside = secret.filter(|(key, _)| is_assigned(text, key)).or_else(|| entry(table, "url"));
        let (key, value) = beside.ok_or(EditError::NotFound)?;
        pieces.push(beside_of(text, &key.span(), &value.span(), inline, &added));
    }
    Ok(with(text, pieces))
}

fn entry<'d, 't>(table: &'d DeTable<'t>, name: &str) -> Option<(&'d Key<'t>, &'d Value<'t>)> {
    table.iter().find(|(key, _)| key.get_ref() == name)
}

fn table<'d, 't>(value: &'d Value<'t>) -> Option<&'d DeTable<'t>> {
    value.get_ref().as_table()
}

/// Whether `=` follows the key: its value stands there, and not below a header or in dotted keys.
fn is_assigned(text: &str, key: &Key<'_>) -> bool {
    text[key.span().end..].trim_start_matches([' ', '\t']).starts_with('=')
}

/// A text as TOML writes it.
pub(super) fn string(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// One entry of `secret_previous`.
pub(super) fn previous_entry(old: &OldSecretSource) -> String {
    let secret = match &old.secret {
        SecretSource::Literal(secret) => string(secret.expose()),
        SecretSource::Env(name) => format!("{{ env = {} }}", string(name)),
        SecretSource::File(path) => format!("{{ file = {} }}", string(path)),
    };
    format!("{{ secret = {secret}, until = \"{}\" }}", until_text(old.until))
}

/// A moment as `until` gives it; milliseconds are cut.
pub(super) fn until_text(at: Timestamp) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ", &jiff::tz::TimeZone::UTC)
}

fn with(text: &str, mut pieces: Vec<Piece>) -> String {
    // From behind, so that what is still to do stays where it is. They do not overlap.
    pieces.sort_by_key(|(range, _)| (range.start, range.end));
    let mut edited = text.to_owned();
    for (range, new) in pieces.into_iter().rev() {
        edited.replace_range(range, &new);
    }
    edited
}

/// Further keys beside one that is there: on lines of their own below it, or behind it in an inline table. They are written
/// as deep as it is: below `erp.url` stands `erp.secret`.
fn beside_of(text: &str, key: &Range<usize>, value: &Range<usize>, inline: bool, added: &[(&str, String)]) -> Piece {
    let start = start_of_path(text, key.start);
    let path = &text[start..key.start];
    let lines = |before: &str, after: &str| {
        let lines: Vec<_> = added.iter().map(|(key, value)| format!("{before}{path}{key} = {value}{after}")).collect();
        lines.concat()
    };
    if inline {
        return (value.end..value.end, lines(", ", ""));
    }
    let indent = &text[start_of_line(text, start)..start];
    let indent = &indent[indent.trim_end_matches([' ', '\t']).len()..];
    match text[value.end..].find('\n').map(|at| value.end + at + 1) {
        Some(at) => (at..at, lines(indent, line_end(text, at))),
        None => (text.len()..text.len(), lines(&format!("\n{indent}"), "")),
    }
}

/// Where the dotted path begins whose last part is the key at `key`.
fn start_of_path(text: &str, key: usize) -> usize {
    let mut start = key;
    while let Some(before) = text[..start].trim_end_matches([' ', '\t']).strip_suffix('.') {
        let before = before.trim_end_matches([' ', '\t']);
        start = match before.as_bytes().last() {
            Some(b'\'') => before[..before.len() - 1].rfind('\'').unwrap_or(0),
            Some(b'"') => opening_quote(&before[..before.len() - 1]),
            _ => before.trim_end_matches(|letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter)).len(),
        };
    }
    start
}

/// The last `"` that no backslash escapes.
fn opening_quote(text: &str) -> usize {
    let escaped = |at: usize| text[..at].bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1;
    text.rmatch_indices('"').map(|(at, _)| at).find(|at| !escaped(*at)).unwrap_or(0)
}

/// What changes in `secret_previous = […]`: a new first entry, and entries that go.
fn list(text: &str, list: Range<usize>, items: &[Range<usize>], ended: &[usize], new: Option<String>) -> Vec<Piece> {
    let goes = |at: usize| ended.contains(&at);
    let Some(first) = (0..items.len()).find(|at| !goes(*at)).map(|at| items[at].start) else {
        return vec![(list, new.map_or_else(|| "[]".to_owned(), |new| format!("[{new}]")))];
    };
    let mut pieces = Vec::new();
    if let Some(new) = new {
        let indent = &text[start_of_line(text, first)..first];
        let own_line = indent.trim().is_empty() && first > indent.len();
        let between =
            if own_line { format!(",{}{indent}", line_end(text, first - indent.len())) } else { ", ".to_owned() };
        pieces.push((first..first, new + &between));
    }
    let mut at = 0;
    while at < items.len() {
        let run = (at..items.len()).take_while(|at| goes(*at)).count();
        if run > 0 {
            let before = at.checked_sub(1).map(|at| items[at].end);
            pieces.push((removal(text, before, items[at].start..items[at + run - 1].end), String::new()));
        }
        at += run.max(1);
    }
    pieces
}

/// What goes with entries that go: their comma, and their lines with the comments on them if nothing else stands there.
/// `before`: where the entry before them ends.
fn removal(text: &str, before: Option<usize>, items: Range<usize>) -> Range<usize> {
    let comma = after_blanks(text, items.end);
    let has_comma = text[comma..].starts_with(',');
    let end = if has_comma { comma + 1 } else { items.end };
    let line = start_of_line(text, items.start);
    let rest = text[end..].split_inclusive('\n').next().unwrap_or_default();
    let is_rest = rest.trim().is_empty() || rest.trim_start().starts_with('#');
    if text[line..items.start].trim().is_empty() && is_rest && rest.ends_with('\n') {
        return line..end + rest.len();
    }
    if has_comma {
        return items.start..end + (rest.len() - rest.trim_start_matches([' ', '\t']).len());
    }
    // The last one: the comma before it goes too, unless a comment stands between.
    before.filter(|before| text[*before..items.start].trim() == ",").unwrap_or(items.start)..end
}

/// Behind white space, line ends and comments.
fn after_blanks(text: &str, mut at: usize) -> usize {
    loop {
        at = text.len() - text[at..].trim_start().len();
        if !text[at..].starts_with('#') {
            return at;
        }
        at += text[at..].find('\n').unwrap_or(text.len() - at);
    }
}

fn start_of_line(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |end| end + 1)
}

/// How the line before `at` ends.
fn line_end(text: &str, at: usize) -> &'static str {
    if text[..at].ends_with("\r\n") { "\r\n" } else { "\n" }
}

#[cfg(test)]
mod tests;
