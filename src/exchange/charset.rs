//! Which charset a text is in.

use std::borrow::Cow;
use std::sync::LazyLock;

use encoding_rs::{EUC_JP, Encoding, SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE};
use regex::bytes::Regex;

/// Bytes in which a page's own declaration is looked for (HTML Standard, "prescan a byte stream").
const PRESCAN: usize = 1_024;

/// The charset a label names: the WHATWG labels, and those PHP shops write beside them (`SJIS-win`, `UTF8`, …). Blanks,
/// quotes and what trails the name are overlooked. `None` for an unknown label.
pub fn charset_of_label(label: &str) -> Option<&'static Encoding> {
    let label = label.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\''));
    let end = label.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.' | ':' | '+'));
    let label = label.get(..end.unwrap_or(label.len())).unwrap_or_default().to_ascii_lowercase();
    match label.as_str() {
        "sjis-win" | "sjis_win" | "cp932" | "cp-932" | "ms_kanji" | "sjis-mac" => Some(SHIFT_JIS),
        "eucjp-win" | "eucjpwin" | "eucjp" | "euc_jp" | "cp51932" | "ujis" => Some(EUC_JP),
        "utf_8" | "utf8mb4" => Some(UTF_8),
        known => Encoding::for_label_no_replacement(known.as_bytes()),
    }
}

/// The charset a `Content-Type` names.
pub fn charset_of_content_type(content_type: &str) -> Option<&'static Encoding> {
    charset_of_label(&parameter(content_type, "charset")?)
}

/// The value of a parameter of a header like `Content-Type`, without quotes.
pub(super) fn parameter<'a>(header: &'a str, name: &str) -> Option<Cow<'a, str>> {
    let mut rest = header.get(header.find(';')?..)?;
    loop {
        rest = rest.trim_start_matches(|c: char| c == ';' || c.is_whitespace());
        let equals = rest.find(['=', ';'])?;
        let (key, after) = rest.split_at(equals);
        let Some(after) = after.strip_prefix('=') else {
            rest = after;
            continue;
        };
        let (value, next) = parameter_value(after.trim_start());
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = next;
    }
}

/// A value up to the next semicolon, or a quoted string with its backslashes undone, and what follows.
fn parameter_value(text: &str) -> (Cow<'_, str>, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, next) = text.split_at(text.find(';').unwrap_or(text.len()));
        return (Cow::Borrowed(value.trim_end()), next);
    };
    let mut escaped = false;
    let end = quoted.find(|c: char| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    let (value, next) = quoted.split_at(end.unwrap_or(quoted.len()));
    let next = next.strip_prefix('"').unwrap_or(next);
    (unquote(value), next.find(';').and_then(|at| next.get(at..)).unwrap_or_default())
}

/// Takes the backslash before a quote or a backslash away; all others stay, for old browsers sent whole Windows paths.
fn unquote(value: &str) -> Cow<'_, str> {
    if value.contains("\\\"") || value.contains("\\\\") {
        let mut plain = String::with_capacity(value.len());
        let mut chars = value.chars().peekable();
        while let Some(c) = chars.next() {
            match chars.peek() {
                Some(&next @ ('"' | '\\')) if c == '\\' => {
                    plain.push(next);
                    chars.next();
                }
                _ => plain.push(c),
            }
        }
        return Cow::Owned(plain);
    }
    Cow::Borrowed(value)
}

/// A text and its label, as a response or a JSON request carries them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Labelled<'a> {
    /// Its bytes, content coding undone.
    pub(super) bytes: &'a [u8],
    /// `Content-Type` as sent; empty if there was none.
    pub(super) content_type: &'a str,
    /// The charset of what carries no label and is no UTF-8.
    pub(super) otherwise: &'static Encoding,
}

impl<'a> Labelled<'a> {
    /// The text. Bytes that are not of the charset become U+FFFD.
    pub(super) fn text(self) -> Cow<'a, str> {
        // `decode` looks for a byte order mark before anything else and takes it away.
        self.charset().decode(self.bytes).0
    }

    /// Byte order mark, `charset=`, a page's `meta`, the XML declaration, else what the bytes look like.
    fn charset(self) -> &'static Encoding {
        if let Some((marked, _)) = Encoding::for_bom(self.bytes) {
            return marked;
        }
        charset_of_content_type(self.content_type).or_else(|| self.declared()).unwrap_or_else(|| self.guessed())
    }

    /// What a page or an XML text says of itself. One that can be read byte by byte to find that out is not UTF-16.
    fn declared(self) -> Option<&'static Encoding> {
        static META: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(r#"(?i-u)<meta[^>]{1,400}?charset\s*=\s*["']?\s*([\w.:-]+)"#).expect("a fixed pattern")
        });
        static XML: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(r#"(?-u)^\s*<\?xml[^>]{1,400}?encoding\s*=\s*["']([\w.:-]+)"#).expect("a fixed pattern")
        });
        let kind = self.content_type.to_ascii_lowercase();
        if !kind.is_empty() && !kind.contains("html") && !kind.contains("xml") {
            return None;
        }
        let head = self.bytes.get(..PRESCAN).unwrap_or(self.bytes);
        let found = META.captures(head).or_else(|| XML.captures(head))?;
        let charset = charset_of_label(std::str::from_utf8(found.get(1)?.as_bytes()).ok()?)?;
        Some(if charset == UTF_16LE || charset == UTF_16BE { UTF_8 } else { charset })
    }

    /// UTF-8 where the bytes are valid as such (unlabelled JSON and XML are), else the shop's charset. A zero among the
    /// first two bytes is the first letter of a text in UTF-16.
    fn guessed(self) -> &'static Encoding {
        match self.bytes {
            [0, second, ..] if *second != 0 => UTF_16BE,
            [first, 0, ..] if *first != 0 => UTF_16LE,
            // ISO-2022-JP looks like ASCII.
            _ if self.otherwise.is_ascii_compatible() && std::str::from_utf8(self.bytes).is_ok() => UTF_8,
            _ => self.otherwise,
        }
    }
}

#[cfg(test)]
mod tests {
    use encoding_rs::{WINDOWS_1251, WINDOWS_1252};

    use super::*;

    #[test]
    fn labels_of_the_wild_are_known() {
        for (label, name) in [
            ("UTF-8", Some("UTF-8")),
            ("UTF8", Some("UTF-8")),
            ("utf-8;", Some("UTF-8")),
            (" \"utf-8\" ", Some("UTF-8")),
            ("utf-8, text/html", Some("UTF-8")),
            ("ISO-8859-1", Some("windows-1252")),
            ("SJIS-win", Some("Shift_JIS")),
            ("cp932", Some("Shift_JIS")),
            ("x-sjis", Some("Shift_JIS")),
            ("eucJP-win", Some("EUC-JP")),
            ("CP51932", Some("EUC-JP")),
            ("none-such", None),
            ("", None),
        ] {
            assert_eq!(charset_of_label(label).map(Encoding::name), name, "{label}");
        }
    }

    #[test]
    fn parameters_are_found() {
        for (header, name, value) in [
            ("text/html; charset=utf-8", "charset", Some("utf-8")),
            ("text/html;CHARSET = \"utf-8\"; x=y", "charset", Some("utf-8")),
            ("a; b; charset=x", "charset", Some("x")),
            ("form-data; name=\"a\\\"b; c\"; filename=\"C:\\dir\\f\"", "name", Some("a\"b; c")),
            ("form-data; name=\"a;b\"; filename=\"C:\\dir\\f\"", "filename", Some("C:\\dir\\f")),
            ("form-data; name=\"open", "name", Some("open")),
            ("form-data; filename=\"name=x\"", "name", None),
            ("text/html", "charset", None),
            (";;=;", "charset", None),
        ] {
            assert_eq!(parameter(header, name).as_deref(), value, "{header}");
        }
    }

    #[test]
    fn the_nearest_label_wins() {
        let (latin, cyrillic) = (WINDOWS_1252, WINDOWS_1251);
        for (bytes, content_type, otherwise, text) in [
            (&b"\xef\xbb\xbf\xc3\xbc"[..], "text/html; charset=iso-8859-1", UTF_8, "\u{fc}"),
            (b"\xff\xfe\xfc\0", "text/html", UTF_8, "\u{fc}"),
            (b"<meta charset=utf-8>\xfc", "text/html; charset=iso-8859-1", UTF_8, "<meta charset=utf-8>\u{fc}"),
            (b"<META Charset='iso-8859-1'>\xfc", "text/html", UTF_8, "<META Charset='iso-8859-1'>\u{fc}"),
            (
                b"<?xml version='1.0' encoding='windows-1251'?>\xfc",
                "",
                latin,
                "<?xml version='1.0' encoding='windows-1251'?>\u{44c}",
            ),
            (
                b"[\"<meta charset=iso-8859-1>\xc3\xbc\"]",
                "application/json",
                UTF_8,
                "[\"<meta charset=iso-8859-1>\u{fc}\"]",
            ),
            (b"\xfc", "", cyrillic, "\u{44c}"),
            (b"\xc3\xbc", "", latin, "\u{fc}"),
            (b"\xfc", "", UTF_8, "\u{fffd}"),
            (b"\0{\0}", "application/json", UTF_8, "{}"),
            (b"{\0}\0", "application/json", UTF_8, "{}"),
            (b"\x1b$B%F\x1b(B", "", encoding_rs::ISO_2022_JP, "\u{30c6}"),
        ] {
            assert_eq!(Labelled { bytes, content_type, otherwise }.text(), text, "{bytes:?}");
        }
    }
}
