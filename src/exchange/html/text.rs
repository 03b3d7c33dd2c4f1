//! An element's text as a reader sees it.

use ego_tree::iter::Edge;
use scraper::{ElementRef, Node};

/// Elements whose content no reader sees as text.
const UNSEEN: [&str; 6] = ["script", "style", "template", "noscript", "head", "iframe"];
/// Elements that run on within a line. All others part the words around them.
const INLINE: [&str; 36] = [
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins",
    "kbd", "label", "mark", "nobr", "output", "q", "rp", "rt", "ruby", "s", "samp", "small", "span", "strike",
    "strong", "sub", "sup", "time", "tt", "u",
];

/// The text within an element: blanks of every kind collapsed to one and cut at the ends; blocks, cells and line breaks part
/// words; scripts and styles are left out, unless the element is one itself.
pub(super) fn text(element: ElementRef<'_>) -> String {
    let mut out = Words::default();
    let mut hidden_below = None;
    for edge in element.traverse() {
        match edge {
            Edge::Open(node) => match node.value() {
                Node::Text(text) if hidden_below.is_none() => out.push(text),
                Node::Element(tag) => {
                    let unseen = UNSEEN.contains(&tag.name()) && node.id() != element.id();
                    hidden_below = hidden_below.or(unseen.then(|| node.id()));
                    out.part_unless_inline(tag.name());
                }
                _ => {}
            },
            Edge::Close(node) => {
                if let Node::Element(tag) = node.value() {
                    hidden_below = hidden_below.filter(|below| *below != node.id());
                    out.part_unless_inline(tag.name());
                }
            }
        }
    }
    out.text
}

#[derive(Default)]
struct Words {
    text: String,
    blank: bool,
}

impl Words {
    fn push(&mut self, text: &str) {
        for c in text.chars() {
            if c.is_whitespace() {
                self.blank = true;
                continue;
            }
            if self.blank && !self.text.is_empty() {
                self.text.push(' ');
            }
            self.blank = false;
            self.text.push(c);
        }
    }

    fn part_unless_inline(&mut self, tag: &str) {
        self.blank |= !INLINE.contains(&tag);
    }
}
