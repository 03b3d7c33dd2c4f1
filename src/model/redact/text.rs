//! Fields in a text that nobody promised to be anything: JSON, JSON within its strings, a form or a query, XML or HTML; whole
//! or cut short.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::{MARK, Redaction};

/// JSON in a string of JSON in a string: looked into so deep.
const DEPTH: usize = 4;

/// The text with a mark in the place of every value whose field's name hits.
pub(super) fn redacted(redaction: &Redaction, text: &str, depth: usize) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.bytes().next() {
        let taken = match first {
            b'"' => string(redaction, rest, depth, &mut out),
            b'<' => element(redaction, rest, &mut out),
            byte if is_word(byte) => word(redaction, rest, &mut out),
            _ => {
                let end = rest.bytes().position(|byte| matches!(byte, b'"' | b'<') || is_word(byte));
                let end = end.unwrap_or(rest.len());
                out.push_str(&rest[..end]);
                end
            }
        };
        rest = &rest[taken..];
    }
    out
}

/// A JSON string, and the value behind it if it is a name that hits. Gives how much of the text that was, in bytes.
fn string(redaction: &Redaction, text: &str, depth: usize, out: &mut String) -> usize {
    let end = string_end(text);
    let (string, after) = text.split_at(end);
    let value = after.trim_start().strip_prefix(':').map(str::trim_start);
    let Some(value) = value.filter(|_| redaction.hits(&unquoted(string))) else {
        out.push_str(&within(redaction, string, depth));
        return end;
    };
    let value_at = text.len() - value.len();
    out.push_str(&text[..value_at]);
    put(out, ["\"", MARK, "\""]);
    value_at + value_end(value)
}

/// A JSON string, with fields in what it holds marked: other JSON, a query.
fn within<'a>(redaction: &Redaction, string: &'a str, depth: usize) -> Cow<'a, str> {
    if depth >= DEPTH || !string.contains(['=', '<', '\\']) {
        return string.into();
    }
    // One that was cut short is closed, behind its last whole character.
    let is_whole = string.len() > 1 && string.ends_with('"') && string_end(string) == string.len();
    let closed = if is_whole { string.into() } else { Cow::from(format!("{}\"", string.trim_end_matches('\\'))) };
    let Ok(inner) = serde_json::from_str::<String>(&closed) else { return string.into() };
    let marked = redacted(redaction, &inner, depth + 1);
    if marked == inner {
        return string.into();
    }
    serde_json::to_string(&marked).map_or_else(|_| format!("\"{MARK}\"").into(), Into::into)
}

/// A tag of XML or HTML, and what it holds if its name hits. Attributes are left to [`word`].
fn element(redaction: &Redaction, text: &str, out: &mut String) -> usize {
    let name = &text[1..];
    let name = &name[..name.bytes().position(|byte| !is_word(byte)).unwrap_or(name.len())];
    let is_named = !name.is_empty() && redaction.hits_part(name);
    let opened = is_named.then(|| text.find('>')).flatten();
    let Some(at) = opened.filter(|at| text.as_bytes().get(at - 1) != Some(&b'/')) else {
        out.push('<');
        return 1;
    };
    put(out, ["<", name, ">", MARK]);
    let close = format!("</{name}");
    text[at..].find(&close).map_or(text.len(), |end| at + end)
}

/// A word, and the value behind it if it is a name that hits: `name=value` of a form, a query or an attribute.
fn word(redaction: &Redaction, text: &str, out: &mut String) -> usize {
    let end = text.bytes().position(|byte| !is_word(byte)).unwrap_or(text.len());
    out.push_str(&text[..end]);
    let Some(value) = text[end..].strip_prefix('=') else { return end };
    out.push('=');
    if !redaction.hits_part(&text[..end]) {
        return end + 1 + encoded(redaction, value, out);
    }
    let quoted = value.chars().next().filter(|first| matches!(first, '"' | '\''));
    let length = match quoted {
        Some(mark) => value[1..].find(mark).map_or(value.len(), |at| at + 2),
        None => value.find(|c: char| c.is_whitespace() || "&;\"'<>\\".contains(c)).unwrap_or(value.len()),
    };
    let mark = quoted.map_or("", |_| &value[..1]);
    put(out, [mark, MARK, mark]);
    end + 1 + length
}

/// The value of a form's field that holds something else: JSON, another query. Gives how much of the text that was.
fn encoded(redaction: &Redaction, value: &str, out: &mut String) -> usize {
    let length = value.find(|c: char| c.is_whitespace() || "&;\"'<>\\".contains(c)).unwrap_or(value.len());
    let text = &value[..length];
    if !text.contains('%') {
        return 0;
    }
    let spaced = text.replace('+', " ");
    let inner = percent_decode_str(&spaced).decode_utf8_lossy();
    let marked = redacted(redaction, &inner, DEPTH);
    if marked == inner {
        return 0;
    }
    out.extend(form_urlencoded::byte_serialize(marked.as_bytes()));
    length
}

fn put<const PARTS: usize>(out: &mut String, parts: [&str; PARTS]) {
    for part in parts {
        out.push_str(part);
    }
}

/// What names of fields are made of, also percent-encoded and with brackets (`card%5Biban%5D`).
const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':' | b'%' | b'[' | b']') || byte >= 0x80
}

impl Redaction {
    /// Whether a name hits as it is or in a part of it: `card[iban]`, `ns:iban`.
    fn hits_part(&self, name: &str) -> bool {
        let name = percent_decode_str(name).decode_utf8_lossy();
        self.hits(&name) || name.split(['[', ']', ':', '.']).any(|part| !part.is_empty() && self.hits(part))
    }
}

/// The name a JSON string stands for.
fn unquoted(string: &str) -> String {
    serde_json::from_str(string).unwrap_or_else(|_| string.trim_matches('"').to_owned())
}

/// Where the JSON string ends that begins here, in bytes; the end of the text if it does not end.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().enumerate().skip(1).find(|(_, byte)| {
        let end = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        end
    });
    end.map_or(text.len(), |(at, _)| at + 1)
}

/// Where the JSON value ends that begins here, in bytes.
fn value_end(text: &str) -> usize {
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(byte) = text.as_bytes().get(at) {
        match byte {
            b'"' => {
                at += string_end(&text[at..]);
                if depth == 0 {
                    return at;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth <= 1 => return at + depth,
            b'}' | b']' => depth -= 1,
            b',' | b'\n' if depth == 0 => return at,
            _ => {}
        }
        at += 1;
    }
    at
}
