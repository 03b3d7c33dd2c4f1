//! A text to the tree a browser builds of it, within limits.

use html5ever::tendril::{StrTendril, TendrilSink};
use html5ever::{LocalName, Namespace, Parser, QualName, driver};
use scraper::Html;

use super::meter::Meter;
use crate::exchange::Damage;

/// Elements within each other. Chromium stops at 512 too.
const MAX_DEPTH: usize = 512;
/// Bytes a page's tree may take, about: nodes, attributes, texts.
const MAX_WEIGHT: usize = 96 * 1024 * 1024;
/// Steps spent on one page: looks at open elements, and comparisons of attribute names (four of these are a step). A page of
/// 200 KB takes some 100,000; half a second of work is the most that can be.
const MAX_STEPS: u64 = 50_000_000;
/// Bytes given to the parser between two looks at the limits.
const PIECE: usize = 1_024;
/// What a text begins with that can only stand within a table or a list of options. Scripts fetch such pieces by
/// themselves; read as a page, they would lose their tags.
const PIECES: [&str; 9] = ["<tr", "<td", "<th", "<tbody", "<thead", "<tfoot", "<caption", "<col", "<option"];

/// Parses a page, or a piece of one. [`Damage::TooLarge`] if it passes a limit.
pub(super) fn parse(text: &str) -> Result<Html, Damage> {
    let mut parser = parser_for(text);
    let whole = StrTendril::from_slice(text);
    let mut unseen = Separators::default();
    let mut rest = text;
    let mut at = 0_u32;
    while !rest.is_empty() {
        let (piece, next) = rest.split_at(rest.floor_char_boundary(PIECE));
        let length = u32::try_from(piece.len()).map_err(|_| Damage::TooLarge)?;
        let before = parser.tokenizer.sink.sink.steps();
        parser.process(whole.subtendril(at, length));
        let meter = &parser.tokenizer.sink.sink;
        unseen.count(piece, meter.steps() == before);
        let deep = meter.depth(MAX_DEPTH + 1) > MAX_DEPTH;
        if deep || meter.weight() > MAX_WEIGHT || meter.steps().saturating_add(unseen.steps) > MAX_STEPS {
            return Err(Damage::TooLarge);
        }
        (rest, at) = (next, at.checked_add(length).ok_or(Damage::TooLarge)?);
    }
    let html = parser.finish();
    // Clones and moved elements may stand deeper than what was made last.
    let too_deep = html.tree.nodes().any(|node| !node.has_children() && node.ancestors().nth(2 * MAX_DEPTH).is_some());
    if too_deep { Err(Damage::TooLarge) } else { Ok(html) }
}

fn parser_for(text: &str) -> Parser<Meter> {
    let start = text.trim_start();
    let is_piece = PIECES.iter().any(|tag| {
        let head = start.get(..tag.len()).is_some_and(|head| head.eq_ignore_ascii_case(tag));
        head && start.get(tag.len()..).is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_alphanumeric()))
    });
    if !is_piece {
        return driver::parse_document(Meter::new(MAX_WEIGHT), driver::ParseOpts::default());
    }
    let html = Namespace::from("http://www.w3.org/1999/xhtml");
    let context = QualName::new(None, html, LocalName::from("template"));
    driver::parse_fragment(Meter::new(MAX_WEIGHT), driver::ParseOpts::default(), context, Vec::new(), false)
}

/// The cost of a tag with very many attributes: each name is compared with all before it, which no tree sees until the tag
/// ends. Blanks, slashes and quotes part attributes, so as many as there are of them since the tree moved last, so many
/// attributes there may be.
#[derive(Debug, Default)]
struct Separators {
    waiting: u64,
    steps: u64,
}

impl Separators {
    fn count(&mut self, piece: &str, silent: bool) {
        let separators = piece.bytes().filter(|byte| matches!(byte, b'/' | b'"' | b'\'') || byte.is_ascii_whitespace());
        let separators = u64::try_from(separators.count()).unwrap_or(u64::MAX);
        self.waiting = if silent { self.waiting + separators } else { separators };
        if silent {
            self.steps = self.steps.saturating_add(self.waiting.saturating_mul(separators) / 4);
        }
    }
}
