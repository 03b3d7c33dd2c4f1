//! Paths split into segments, and templates matched against them.

use std::borrow::Cow;

use encoding_rs::Encoding;

use crate::exchange::decode_segment;

use super::rule::{PathTemplate, Segment};

/// The segments of a path between its raw slashes, each percent-decoded once. `/` is one empty segment, a trailing slash
/// an empty last one; `//` and dot segments stay as they came.
pub(super) fn segments<'p>(path: &'p str, charset: &'static Encoding) -> Vec<Cow<'p, str>> {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.split('/').map(|raw| decode(raw, charset)).collect()
}

/// One segment percent-decoded; borrowed where there is nothing to decode.
pub(super) fn decode<'p>(raw: &'p str, charset: &'static Encoding) -> Cow<'p, str> {
    if raw.contains('%') { Cow::Owned(decode_segment(raw, charset)) } else { Cow::Borrowed(raw) }
}

/// Whether a segment is what `{x:int}` stands for.
pub(super) fn is_int(segment: &str) -> bool {
    !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit())
}

/// What templates captured, in order.
pub(super) type Captures = Vec<(String, String)>;

impl PathTemplate {
    /// The names of its captures.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Any(name) | Segment::Int(name) => Some(name.as_str()),
            Segment::Literal(_) | Segment::Rest => None,
        })
    }

    /// What the template captures of a path that fits it; `None` if it does not fit.
    ///
    /// `/**` takes as few segments as will do. Time is bounded by segments of the path × segments of the template.
    pub(super) fn captures(&self, path: &[Cow<'_, str>]) -> Option<Captures> {
        let mut captures = Captures::new();
        let (mut at, mut taken) = (0, 0);
        // Where to go on when the way since the last `**` fails: behind it in the template, one segment further in the
        // path, with the captures made before it.
        let mut retry: Option<(usize, usize, usize)> = None;
        loop {
            match (self.segments.get(at), path.get(taken)) {
                (Some(Segment::Rest), _) => {
                    retry = Some((at + 1, taken, captures.len()));
                    at += 1;
                }
                (None, None) => return Some(captures),
                (Some(segment), Some(text)) if segment.fits(text) => {
                    if let Segment::Any(name) | Segment::Int(name) = segment {
                        captures.push((name.clone(), text.clone().into_owned()));
                    }
                    (at, taken) = (at + 1, taken + 1);
                }
                _ => {
                    let (behind, from, kept) = retry?;
                    if from >= path.len() {
                        return None;
                    }
                    captures.truncate(kept);
                    retry = Some((behind, from + 1, kept));
                    (at, taken) = (behind, from + 1);
                }
            }
        }
    }
}

impl Segment {
    /// Whether one segment of a path fits. `{x}` wants at least one character: a trailing slash is literal.
    pub(super) fn fits(&self, text: &str) -> bool {
        match self {
            Self::Literal(literal) => literal == text,
            Self::Any(_) => !text.is_empty(),
            Self::Int(_) => is_int(text),
            Self::Rest => true,
        }
    }
}
