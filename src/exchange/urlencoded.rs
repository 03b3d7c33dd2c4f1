//! `application/x-www-form-urlencoded`, in queries and bodies, and percent-decoding.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8};
use percent_encoding::percent_decode;

use super::charset::charset_of_label;
use super::{Damage, Fields};

/// The field by which a form tells its own charset (HTML Standard, "constructing an entry list").
const CHARSET_FIELD: &str = "_charset_";

/// Reads `a=1&b=2`. Escapes are undone to bytes first, the bytes are then read in `charset`, or in the one a `_charset_`
/// field names. If `damage` says that the end is missing, the last pair is left out: its value may be cut in two.
pub(super) fn read_urlencoded(raw: &[u8], charset: &'static Encoding, damage: Option<Damage>) -> Fields {
    let whole = match (damage, raw.iter().rposition(|byte| *byte == b'&')) {
        (None, _) => raw,
        (Some(_), end) => raw.get(..end.unwrap_or(0)).unwrap_or_default(),
    };
    let pairs: Vec<_> = whole
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
        // One more than is kept, so that the limit is seen to be passed.
        .take(Fields::MAX_PAIRS + 1)
        .map(|pair| {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let (name, value) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
            (unescape_field(name), unescape_field(value))
        })
        .collect();
    Fields::from_pairs(read_pairs(&pairs, charset), damage)
}

/// Reads a query. One with raw letters beyond ASCII is UTF-8: that is how text came to be in it.
pub fn read_query(raw: &str, charset: &'static Encoding) -> Fields {
    read_urlencoded(raw.as_bytes(), if raw.is_ascii() { charset } else { UTF_8 }, None)
}

/// Reads pairs of bytes in `charset`, or in the one a `_charset_` field among them names.
pub(super) fn read_pairs<B: AsRef<[u8]>>(pairs: &[(B, B)], charset: &'static Encoding) -> Vec<(String, String)> {
    let told = pairs.iter().find(|(name, _)| name.as_ref() == CHARSET_FIELD.as_bytes());
    let told = told.and_then(|(_, label)| charset_of_label(&String::from_utf8_lossy(label.as_ref())));
    let charset = told.unwrap_or(charset);
    let read = |bytes: &B| charset.decode_without_bom_handling(bytes.as_ref()).0.into_owned();
    pairs.iter().map(|(name, value)| (read(name), read(value))).collect()
}

/// `+` is a blank here, and only here.
fn unescape_field(raw: &[u8]) -> Cow<'_, [u8]> {
    if raw.contains(&b'+') {
        let blanks: Vec<u8> = raw.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
        return Cow::Owned(percent_decode(&blanks).collect());
    }
    percent_decode(raw).into()
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
