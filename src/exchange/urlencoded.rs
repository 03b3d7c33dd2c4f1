//! `application/x-www-form-urlencoded`, in queries and bodies, and percent-decoding.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8};
use percent_encoding::percent_decode;

use super::charset::charset_of_label;
use super::{Damage, Fields};

/// Name and value as bytes.
pub(super) type Pair<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// The field by which a form tells its own charset (HTML Standard, "constructing an entry list").
const CHARSET_FIELD: &str = "_charset_";

/// Reads `a=1&b=2`. Escapes are undone to bytes first, the bytes are then read in `charset`, or in the one a `_charset_`
/// field names. If `damage` says that the end is missing, the last pair is left out: its value may be cut in two.
pub(super) fn read_urlencoded(raw: &[u8], charset: &'static Encoding, damage: Option<Damage>) -> Fields {
    let whole = match (damage, raw.iter().rposition(|byte| *byte == b'&')) {
        (None, _) => raw,
        (Some(_), end) => raw.get(..end.unwrap_or(0)).unwrap_or_default(),
    };
    // One more than is kept, so that the limit is seen to be passed.
    let most = Fields::MAX_PAIRS + 1;
    let mut pairs = Vec::with_capacity(whole.split(|byte| *byte == b'&').count().min(most));
    pairs.extend(whole.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).take(most).map(|pair| {
        let (name, value) = match pair.iter().position(|byte| *byte == b'=') {
            Some(at) => (pair.get(..at).unwrap_or_default(), pair.get(at + 1..).unwrap_or_default()),
            None => (pair, &[][..]),
        };
        (unescape_field(name), unescape_field(value))
    }));
    Fields::from_pairs(read_pairs(pairs, charset), damage)
}

/// Reads a query. One with raw letters beyond ASCII is UTF-8: that is how text came to be in it.
pub fn read_query(raw: &str, charset: &'static Encoding) -> Fields {
    read_urlencoded(raw.as_bytes(), if raw.is_ascii() { charset } else { UTF_8 }, None)
}

/// Reads pairs of bytes in `charset`, or in the one a `_charset_` field among them names.
pub(super) fn read_pairs(pairs: Vec<Pair<'_>>, charset: &'static Encoding) -> Vec<(String, String)> {
    let told = pairs.iter().find(|(name, _)| **name == *CHARSET_FIELD.as_bytes());
    let told = told.and_then(|(_, label)| charset_of_label(&String::from_utf8_lossy(label)));
    let charset = told.unwrap_or(charset);
    pairs.into_iter().map(|(name, value)| (read(name, charset), read(value, charset))).collect()
}

/// Bytes in `charset`; what is UTF-8 and meant so is not copied again.
fn read(bytes: Cow<'_, [u8]>, charset: &'static Encoding) -> String {
    let bytes = match bytes {
        Cow::Owned(bytes) if charset == UTF_8 => match String::from_utf8(bytes) {
            Ok(text) => return text,
            Err(fault) => Cow::Owned(fault.into_bytes()),
        },
        bytes => bytes,
    };
    charset.decode_without_bom_handling(&bytes).0.into_owned()
}

/// `+` is a blank here, and only here.
fn unescape_field(raw: &[u8]) -> Cow<'_, [u8]> {
    if !raw.iter().any(|byte| matches!(byte, b'+' | b'%')) {
        return Cow::Borrowed(raw);
    }
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        out.push(match (byte, behind) {
            (b'+', _) => b' ',
            // An escape that is none stays as it is.
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                rest = after;
                (digit(*high) << 4) | digit(*low)
            }
            _ => *byte,
        });
    }
    Cow::Owned(out)
}

/// What a hexadecimal digit counts.
fn digit(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        _ => (byte | 0x20).saturating_sub(b'a').saturating_add(10) & 15,
    }
}

/// Percent-decodes once and reads the bytes as UTF-8 where they are, else in `charset`: browsers send paths in UTF-8
/// whatever the page's charset, while links written by old shops hold the shop's own bytes.
pub(super) fn unescape_text(raw: &[u8], charset: &'static Encoding) -> String {
    let bytes: Cow<'_, [u8]> = percent_decode(raw).into();
    match std::str::from_utf8(&bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => charset.decode_without_bom_handling(&bytes).0.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use encoding_rs::{EUC_JP, SHIFT_JIS, WINDOWS_1252};

    use super::*;

    #[test]
    fn bytes_are_read_in_the_charset() {
        for (raw, charset, value) in [
            (&b"a=1+2%2B3"[..], UTF_8, "1 2+3"),
            (b"a=J%C3%BCrgen", UTF_8, "J\u{fc}rgen"),
            (b"a=J%FCrgen", UTF_8, "J\u{fffd}rgen"),
            (b"a=J%FCrgen+%80", WINDOWS_1252, "J\u{fc}rgen \u{20ac}"),
            (b"a=%83e%83X%83g", SHIFT_JIS, "\u{30c6}\u{30b9}\u{30c8}"),
            (b"a=\xa5\xc6", EUC_JP, "\u{30c6}"),
            (b"a=%26%23321%3B", WINDOWS_1252, "&#321;"),
            (b"a=x=y%", UTF_8, "x=y%"),
            (b"a=%zz%4", UTF_8, "%zz%4"),
            (b"a=%2f%2F%%41%4%c3%BC%", UTF_8, "//%A%4\u{fc}%"),
            (b"&&a&", UTF_8, ""),
            (b"a=%FC&_charset_=windows-1252", UTF_8, "\u{fc}"),
        ] {
            let fields = read_urlencoded(raw, charset, None);
            assert_eq!(fields.pairs().first(), Some(&("a".to_owned(), value.to_owned())), "{raw:?}");
        }
    }

    #[test]
    fn a_cut_pair_is_left_out() {
        for (raw, count) in [(&b"a=1&b=2&c=12"[..], 2), (b"a=1", 0), (b"", 0), (b"a=1&", 1)] {
            let fields = read_urlencoded(raw, UTF_8, Some(Damage::Cut));
            assert_eq!((fields.pairs().len(), fields.damage()), (count, Some(Damage::Cut)), "{raw:?}");
        }
    }
}
