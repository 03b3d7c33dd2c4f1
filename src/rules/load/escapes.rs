//! From a place inside a string's value to the place in the file: exact for literal strings, and through the escapes of
//! basic ones.

use std::ops::Range;

/// Where bytes `range` of a string's value stand within `raw`, the string as written with its quotes.
pub(super) fn locate(raw: &str, range: Range<usize>) -> Range<usize> {
    let map = marks(raw);
    let place = |at: usize| {
        let behind = map.partition_point(|(decoded, _)| *decoded <= at);
        behind.checked_sub(1).and_then(|index| map.get(index)).map_or(0, |(decoded, written)| written + (at - decoded))
    };
    let start = place(range.start).min(raw.len());
    // The end is taken behind the last byte meant, so that a range that ends before an escape does not swallow it.
    let end = if range.end > range.start { place(range.end).max(start) } else { start };
    start..end.min(raw.len())
}

/// Pairs (byte of the value, byte as written), one for each character and one for the end; ascending.
fn marks(raw: &str) -> Vec<(usize, usize)> {
    let (quotes, literal) = match raw {
        _ if raw.starts_with("'''") => (3, true),
        _ if raw.starts_with("\"\"\"") => (3, false),
        _ if raw.starts_with('\'') => (1, true),
        _ if raw.starts_with('"') => (1, false),
        // The parser takes text without quotes too, after it has told of the fault.
        _ => (0, true),
    };
    let mut written = quotes.min(raw.len());
    let end = raw.len().saturating_sub(quotes).max(written);
    if quotes == 3 {
        // A newline right behind the opening quotes is no part of the value.
        let rest = raw.get(written..).unwrap_or_default();
        written += if rest.starts_with("\r\n") { 2 } else { usize::from(rest.starts_with('\n')) };
    }
    let mut marks = Vec::new();
    let mut decoded = 0;
    while let Some(rest) = raw.get(written..end).filter(|rest| !rest.is_empty()) {
        let (taken, gave) = if literal { plain(rest) } else { basic(rest) };
        if gave > 0 {
            marks.push((decoded, written));
        }
        (written, decoded) = (written + taken, decoded + gave);
    }
    marks.push((decoded, written.min(end)));
    marks
}

/// One character as written: bytes taken, bytes of the value it gives.
fn plain(rest: &str) -> (usize, usize) {
    let length = rest.chars().next().map_or(1, char::len_utf8);
    (length, length)
}

fn basic(rest: &str) -> (usize, usize) {
    let Some(escape) = rest.strip_prefix('\\') else { return plain(rest) };
    let digits = |count: usize| {
        let code = escape.get(1..=count).and_then(|hex| u32::from_str_radix(hex, 16).ok());
        (2 + count, code.and_then(char::from_u32).map_or(1, char::len_utf8))
    };
    match escape.chars().next() {
        Some('x') => digits(2),
        Some('u') => digits(4),
        Some('U') => digits(8),
        Some(blank) if blank.is_whitespace() => {
            // A backslash at a line's end swallows all white space up to the next character.
            (1 + escape.len() - escape.trim_start().len(), 0)
        }
        Some(letter) => (1 + letter.len_utf8(), 1),
        None => (1, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_inside_strings_are_found_again() {
        // The string as written, what is looked for in its value, what must stand there as written.
        let rows = [
            (r"'{{ form.x }}'", 3..9, "form.x"),
            (r#""{{ form.x }}""#, 3..9, "form.x"),
            (r#""a\"b form""#, 4..8, "form"),
            (r#""\u00e9 form""#, 3..7, "form"),
            (r#""\x41 form""#, 2..6, "form"),
            ("'''\nform.x'''", 0..6, "form.x"),
            ("'''\r\nform.x'''", 0..6, "form.x"),
            ("\"\"\"a \\\n   form\"\"\"", 2..6, "form"),
            ("'ä form'", 3..7, "form"),
            (r#""\t""#, 0..1, r"\t"),
            ("“x” form", 8..12, "form"),
        ];
        for (raw, range, expected) in rows {
            assert_eq!(&raw[locate(raw, range.clone())], expected, "{raw} {range:?}");
        }
    }

    #[test]
    fn a_place_behind_the_end_is_the_end() {
        assert_eq!(locate("'ab'", 2..2), 3..3);
        assert!(locate("'ab'", 7..9).end <= 4);
        assert_eq!(locate("", 0..4), 0..0);
    }
}
