//! Where the parts of a multipart body begin and end, found as the body streams by (RFC 2046 section 5.1.1).
//!
//! Lenient as the readers of shops are: lines may end in LF alone, and what stands before the first delimiter is passed
//! over. A delimiter is `--` and the boundary at the beginning of a line, followed by a blank, a line's end or `--`.

use std::borrow::Cow;

use super::charset::parameter;

/// Bytes of a boundary. RFC 2046 allows 70.
const MAX_BOUNDARY: usize = 256;
/// Bytes of one part's header lines that are looked at.
const MAX_HEAD: usize = 8 * 1024;

/// What the scanner has found. Pieces are slices of the body, in order; all of them together are the body (but for what
/// is held back at its end).
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Between contents: preamble, delimiters with the line break that belongs to them, header lines, epilogue.
    Frame(&'a [u8]),
    /// A part's header lines are complete; its content follows.
    Begin(PartHead),
    /// Some of the part's content.
    Content(&'a [u8]),
    /// The part's content is complete.
    End,
}

/// What a part's header lines say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PartHead {
    lines: Vec<u8>,
    /// Whether its lines were more than is looked at.
    pub(super) cut: bool,
}

impl PartHead {
    /// The field's name, bytes as sent. `None` for a part without one.
    pub(super) fn name(&self) -> Option<Vec<u8>> {
        let disposition = self.line("content-disposition")?;
        Some(to_bytes(&parameter(&disposition, "name")?))
    }

    /// Whether it is a file: it has a file name, even an empty one.
    pub(super) fn is_file(&self) -> bool {
        let disposition = self.line("content-disposition").unwrap_or_default();
        ["filename", "filename*"].iter().any(|name| parameter(&disposition, name).is_some())
    }

    /// The charset its `Content-Type` names.
    pub(super) fn charset_label(&self) -> Option<String> {
        Some(parameter(&self.line("content-type")?, "charset")?.into_owned())
    }

    /// A header's value, folded lines joined; every byte is one char, as the charset is not known yet.
    fn line(&self, wanted: &str) -> Option<String> {
        let text: String = self.lines.iter().copied().map(char::from).collect();
        let unfolded = text.replace("\r\n", "\n").replace("\n ", " ").replace("\n\t", " ");
        let found = unfolded.lines().filter_map(|line| line.split_once(':'));
        let mut found = found.filter(|(name, _)| name.trim().eq_ignore_ascii_case(wanted));
        found.next().map(|(_, value)| value.trim().to_owned())
    }
}

/// Undoes "every byte is one char".
fn to_bytes(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect()
}

/// The boundary of a `multipart/…` content type.
pub(super) fn boundary(content_type: &str) -> Option<Cow<'_, str>> {
    let kind = content_type.trim_start().get(..10)?;
    let boundary = parameter(content_type, "boundary")?;
    (kind.eq_ignore_ascii_case("multipart/") && (1..=MAX_BOUNDARY).contains(&boundary.len())).then_some(boundary)
}

/// The scanner: feed it chunks cut anywhere.
#[derive(Debug)]
pub(super) struct PartScanner {
    /// `--` and the boundary.
    delimiter: Vec<u8>,
    place: Place,
    /// Bytes that may belong to a delimiter: a line break and what of the delimiter has been seen. At most the
    /// delimiter's length and four.
    held: Vec<u8>,
    /// How much of the delimiter the current line has matched; `None` if it is none.
    matched: Option<usize>,
    head: PartHead,
    /// Whether the current header line is empty so far.
    line_empty: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Preamble,
    /// Behind a delimiter, up to the end of its line.
    Delimiter,
    Head,
    Content,
    Epilogue,
}

impl PartScanner {
    pub(super) fn new(boundary: &str) -> Self {
        Self {
            delimiter: format!("--{boundary}").into_bytes(),
            place: Place::Preamble,
            held: Vec::new(),
            matched: Some(0),
            head: PartHead::default(),
            line_empty: true,
        }
    }

    /// Whether the closing delimiter has been seen.
    pub(super) fn closed(&self) -> bool {
        self.place == Place::Epilogue
    }

    /// Takes the next bytes and gives the pieces they complete.
    pub(super) fn push(&mut self, chunk: &[u8], mut give: impl FnMut(Piece<'_>)) {
        let mut rest = chunk;
        while !rest.is_empty() {
            let taken = match self.place {
                Place::Preamble | Place::Content => self.lines(rest, &mut give),
                Place::Delimiter => self.delimiter_line(rest, &mut give),
                Place::Head => self.header(rest, &mut give),
                Place::Epilogue => {
                    give(Piece::Frame(rest));
                    rest.len()
                }
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
    }

    /// The body has ended: gives what was held back, as it was no delimiter.
    pub(super) fn finish(&mut self, mut give: impl FnMut(Piece<'_>)) {
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() {
            self.text(&held, &mut give);
        }
    }

    /// Content or preamble: gives what is surely not part of a delimiter. Returns how many bytes were taken.
    fn lines(&mut self, rest: &[u8], give: &mut impl FnMut(Piece<'_>)) -> usize {
        if !self.held.is_empty() || self.matched.is_some() {
            return self.maybe_delimiter(rest, give);
        }
        let newline = rest.iter().position(|byte| *byte == b'\n');
        let line = rest.get(..newline.unwrap_or(rest.len())).unwrap_or(rest);
        let sure = line.strip_suffix(b"\r").unwrap_or(line);
        if !sure.is_empty() {
            self.text(sure, give);
        }
        let taken = line.len() + usize::from(newline.is_some());
        self.held.extend_from_slice(rest.get(sure.len()..taken).unwrap_or_default());
        self.matched = newline.map(|_| 0);
        taken
    }

    /// One more byte of what may be a delimiter. Returns 0 if the byte is to be looked at again.
    fn maybe_delimiter(&mut self, rest: &[u8], give: &mut impl FnMut(Piece<'_>)) -> usize {
        let Some(&byte) = rest.first() else { return 0 };
        let goes_on = match self.matched {
            // A CR at the end of a chunk.
            None => byte == b'\n',
            Some(count) if count < self.delimiter.len() => self.delimiter.get(count) == Some(&byte),
            Some(count) if count == self.delimiter.len() => match byte {
                b' ' | b'\t' | b'\r' | b'\n' => {
                    self.found(Place::Delimiter, give);
                    return 0;
                }
                _ => byte == b'-',
            },
            Some(_) if byte == b'-' => {
                self.held.push(byte);
                self.found(Place::Epilogue, give);
                return 1;
            }
            Some(_) => false,
        };
        if goes_on {
            self.held.push(byte);
            self.matched = Some(self.matched.map_or(0, |count| count + 1));
            return 1;
        }
        let held = std::mem::take(&mut self.held);
        self.matched = None;
        if !held.is_empty() {
            self.text(&held, give);
        }
        0
    }

    fn text(&self, bytes: &[u8], give: &mut impl FnMut(Piece<'_>)) {
        give(if self.place == Place::Preamble { Piece::Frame(bytes) } else { Piece::Content(bytes) });
    }

    fn found(&mut self, next: Place, give: &mut impl FnMut(Piece<'_>)) {
        if self.place == Place::Content {
            give(Piece::End);
        }
        give(Piece::Frame(&std::mem::take(&mut self.held)));
        self.place = next;
        self.matched = None;
    }

    fn delimiter_line(&mut self, rest: &[u8], give: &mut impl FnMut(Piece<'_>)) -> usize {
        let newline = rest.iter().position(|byte| *byte == b'\n');
        let taken = newline.map_or(rest.len(), |at| at + 1);
        give(Piece::Frame(rest.get(..taken).unwrap_or(rest)));
        if newline.is_some() {
            self.place = Place::Head;
            self.head = PartHead::default();
            self.line_empty = true;
        }
        taken
    }

    fn header(&mut self, rest: &[u8], give: &mut impl FnMut(Piece<'_>)) -> usize {
        let newline = rest.iter().position(|byte| *byte == b'\n');
        let taken = newline.map_or(rest.len(), |at| at + 1);
        let line = rest.get(..taken).unwrap_or(rest);
        give(Piece::Frame(line));
        let room = MAX_HEAD.saturating_sub(self.head.lines.len());
        self.head.cut |= room < taken;
        self.head.lines.extend_from_slice(line.get(..room).unwrap_or(line));
        self.line_empty &= line.iter().all(|byte| matches!(byte, b'\r' | b'\n'));
        if newline.is_none() {
            return taken;
        }
        if self.line_empty {
            give(Piece::Begin(std::mem::take(&mut self.head)));
            self.place = Place::Content;
            // A part without content may be followed by the delimiter at once.
            self.matched = Some(0);
        }
        self.line_empty = true;
        taken
    }
}
