//! `multipart/form-data`: reading fields, and leaving out what files hold while a body passes.

use std::borrow::Cow;

use encoding_rs::Encoding;

use super::charset::charset_of_label;
use super::part_scanner::{PartHead, PartScanner, Piece, boundary};
use super::urlencoded::read_pairs;
use super::{Damage, Fields};

/// Copies a multipart body as it streams by, without the contents of file parts, so that fields after an upload are
/// still within the capture limit. What it gives is valid multipart again, with empty files. It looks at entity bytes: a
/// body with a content coding passes whole.
///
/// It holds back at most a line break and a delimiter until it knows what they are; [`FilePartSkipper::finish`] gives what
/// is still held where a body ends without its closing delimiter.
#[derive(Debug)]
pub struct FilePartSkipper {
    scanner: PartScanner,
    in_file: bool,
    overflowed: bool,
}

impl FilePartSkipper {
    /// For a body of this `Content-Type`; `None` if it is not multipart.
    pub fn for_content_type(content_type: &str) -> Option<Self> {
        let scanner = PartScanner::new(&boundary(content_type)?);
        Some(Self { scanner, in_file: false, overflowed: false })
    }

    /// Appends what is to be kept of the next chunk to `kept`, never more than `room` bytes; false once something that
    /// should have been kept did not fit. From then on nothing is appended, so that what is kept has no holes.
    pub fn push(&mut self, chunk: &[u8], kept: &mut Vec<u8>, room: usize) -> bool {
        let Self { scanner, in_file, overflowed } = self;
        let mut keeper = Keeper { kept, room, in_file, overflowed };
        scanner.push(chunk, |piece| keeper.take(piece));
        !self.overflowed
    }

    /// The body has ended: appends what was held back, under the same terms.
    pub fn finish(&mut self, kept: &mut Vec<u8>, room: usize) -> bool {
        let Self { scanner, in_file, overflowed } = self;
        let mut keeper = Keeper { kept, room, in_file, overflowed };
        scanner.finish(|piece| keeper.take(piece));
        !self.overflowed
    }
}

/// Where pieces are kept.
struct Keeper<'a> {
    kept: &'a mut Vec<u8>,
    room: usize,
    in_file: &'a mut bool,
    overflowed: &'a mut bool,
}

impl Keeper<'_> {
    fn take(&mut self, piece: Piece<'_>) {
        let bytes = match piece {
            Piece::Begin(head) => return *self.in_file = head.is_file(),
            Piece::End => return *self.in_file = false,
            Piece::Content(_) if *self.in_file => return,
            Piece::Frame(bytes) | Piece::Content(bytes) => bytes,
        };
        if *self.overflowed {
            return;
        }
        let fits = bytes.get(..self.room).unwrap_or(bytes);
        self.kept.extend_from_slice(fits);
        self.room -= fits.len();
        *self.overflowed = fits.len() < bytes.len();
    }
}

/// Reads the fields of a captured body; files are no fields (PHP keeps them apart, in `$_FILES`). A missing closing
/// delimiter is damage, and so is a part whose header lines are too long to be understood. A part cut by the end of the
/// body is a field only where nothing is known to be missing (`damage` is `None`). `None` if the type names no boundary.
pub(super) fn read_multipart(
    body: &[u8],
    content_type: &str,
    charset: &'static Encoding,
    damage: Option<Damage>,
) -> Option<Fields> {
    let mut scanner = PartScanner::new(&boundary(content_type)?);
    let mut parts = Parts::default();
    scanner.push(body, |piece| parts.take(piece));
    if damage.is_none() {
        parts.finish();
    }
    let damage = damage.or((!scanner.closed()).then_some(Damage::Incomplete));
    let damage = damage.or(parts.oversized.then_some(Damage::TooLarge));
    let labelled = parts.labelled.iter().filter_map(|(place, label)| {
        let (_, bytes) = parts.pairs.get(*place)?;
        Some((*place, label.decode_without_bom_handling(bytes).0.into_owned()))
    });
    let labelled: Vec<(usize, String)> = labelled.collect();
    let pairs = parts.pairs.into_iter().map(|(name, value)| (Cow::Owned(name), Cow::Owned(value)));
    let mut pairs = read_pairs(pairs.collect(), charset);
    for (place, text) in labelled {
        if let Some((_, value)) = pairs.get_mut(place) {
            *value = text;
        }
    }
    Some(Fields::from_pairs(pairs, damage))
}

/// The fields as they are found.
#[derive(Debug, Default)]
struct Parts {
    /// Name and value, bytes as sent.
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Values that name their own charset.
    labelled: Vec<(usize, &'static Encoding)>,
    open: Option<(PartHead, Vec<u8>)>,
    oversized: bool,
}

impl Parts {
    fn take(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::Frame(_) => {}
            Piece::Begin(head) => {
                self.oversized |= head.cut;
                // One more than is kept, so that the limit is seen to be passed.
                let wanted = !head.is_file() && self.pairs.len() <= Fields::MAX_PAIRS;
                self.open = wanted.then(|| (head, Vec::new()));
            }
            Piece::Content(bytes) => {
                if let Some((_, value)) = &mut self.open {
                    value.extend_from_slice(bytes);
                }
            }
            Piece::End => self.finish(),
        }
    }

    fn finish(&mut self) {
        let Some((head, value)) = self.open.take() else { return };
        let Some(name) = head.name() else { return };
        if let Some(charset) = head.charset_label().and_then(|label| charset_of_label(&label)) {
            self.labelled.push((self.pairs.len(), charset));
        }
        self.pairs.push((name, value));
    }
}

#[cfg(test)]
mod tests {
    use encoding_rs::{UTF_8, WINDOWS_1252};

    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=\"b d\"";
    const WHOLE: &str = "preamble\r\n--b d\r\nContent-Disposition: form-data; name=\"a[x]\"\r\n\r\none\r\n--b dx\r\ntwo\r\n--b d  \r\n\
        content-disposition: form-data;\r\n name=\"f\"; filename=\"C:\\p.png\"\r\nContent-Type: image/png\r\n\r\n\x01\r\n--b\r\n\x02\r\n--b d\r\n\
        Content-Disposition: form-data; name=\"c\"\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\n\u{fc}\r\n--b d\r\n\
        Content-Disposition: form-data; name=empty\r\n\r\n\r\n--b d--\r\nepilogue";

    fn latin(text: &str) -> Vec<u8> {
        WINDOWS_1252.encode(text).0.into_owned()
    }

    fn pairs(body: &[u8], damage: Option<Damage>) -> (Vec<(String, String)>, Option<Damage>) {
        let fields = read_multipart(body, TYPE, UTF_8, damage).unwrap();
        (fields.pairs().to_vec(), fields.damage())
    }

    fn skip(body: &[u8], chunk: usize) -> Vec<u8> {
        let mut skipper = FilePartSkipper::for_content_type(TYPE).unwrap();
        let mut kept = Vec::new();
        assert!(body.chunks(chunk).all(|chunk| skipper.push(chunk, &mut kept, usize::MAX)));
        kept
    }

    #[test]
    fn fields_are_read_and_files_left_out() {
        let expected = [("a[x]", "one\r\n--b dx\r\ntwo"), ("c", "\u{fc}"), ("empty", "")];
        let expected: Vec<_> = expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(pairs(&latin(WHOLE), None), (expected, None));
        let unix = WHOLE.replace("\r\n", "\n");
        let (found, damage) = pairs(&latin(&unix), None);
        assert_eq!((found[0].1.as_str(), found.len(), damage), ("one\n--b dx\ntwo", 3, None));
    }

    #[test]
    fn a_skipped_file_leaves_a_valid_body() {
        for body in [latin(WHOLE), latin(&WHOLE.replace("\r\n", "\n"))] {
            let whole = skip(&body, body.len());
            assert_eq!(pairs(&whole, None), pairs(&body, None));
            let text = String::from_utf8_lossy(&whole);
            assert!(!text.contains(['\x01', '\x02']) && text.contains("filename=\"C:\\p.png\""), "{text}");
            for chunk in 1..40 {
                assert_eq!(skip(&body, chunk), whole, "{chunk}");
            }
        }
    }

    #[test]
    fn nothing_is_kept_beyond_the_room() {
        let body = latin(WHOLE);
        let whole = skip(&body, 7);
        for room in 0..=whole.len() {
            let mut skipper = FilePartSkipper::for_content_type(TYPE).unwrap();
            let mut kept = Vec::new();
            let mut fits = true;
            for chunk in body.chunks(9) {
                let left = room - kept.len();
                fits &= skipper.push(chunk, &mut kept, left);
            }
            assert_eq!((kept.as_slice(), fits), (&whole[..room], room == whole.len()));
        }
    }

    #[test]
    fn broken_ends_are_damage() {
        let head = "--b d\r\nContent-Disposition: form-data; name=a\r\n\r\n";
        for (body, known, count, damage) in [
            (format!("{head}one"), None, 1, Some(Damage::Incomplete)),
            (format!("{head}one"), Some(Damage::Cut), 0, Some(Damage::Cut)),
            (format!("{head}one\r\n--b d\r\n"), Some(Damage::Cut), 1, Some(Damage::Cut)),
            (format!("{head}one\r\n--b d--"), None, 1, None),
            (format!("{head}--b d--"), None, 1, None),
            ("nothing of the kind".to_owned(), None, 0, Some(Damage::Incomplete)),
            (format!("--b d\r\nX: {}\r\n\r\none\r\n--b d--", "x".repeat(9_000)), None, 0, Some(Damage::TooLarge)),
        ] {
            let (found, got) = pairs(body.as_bytes(), known);
            assert_eq!((found.len(), got), (count, damage), "{body:.80}");
        }
    }

    #[test]
    fn only_multipart_has_a_skipper() {
        for (content_type, is) in [
            ("multipart/form-data; boundary=x", true),
            ("Multipart/Mixed; Boundary=\"x y\"", true),
            ("multipart/form-data", false),
            ("multipart/form-data; boundary=", false),
            ("application/x-www-form-urlencoded; boundary=x", false),
            ("", false),
        ] {
            assert_eq!(FilePartSkipper::for_content_type(content_type).is_some(), is, "{content_type}");
        }
    }
}
