//! A document as an arena of its own: it points into no text and holds only what paths read.

use std::ops::Range;

use crate::exchange::Damage;

/// Elements within each other.
const MAX_DEPTH: usize = 256;

/// Elements and texts in the document's order. The first is the root, above the document's element.
#[derive(Debug)]
pub(super) struct Tree(Vec<Node>);

#[derive(Debug)]
struct Node {
    /// Where the next begins that is not below this one.
    end: usize,
    what: What,
}

#[derive(Debug)]
enum What {
    Root,
    /// Local names.
    Element {
        name: Box<str>,
        attributes: Box<[(Box<str>, Box<str>)]>,
    },
    Text(Box<str>),
}

impl Tree {
    /// The place of the root.
    pub(super) const ROOT: usize = 0;

    /// Copies a document; comments and instructions are left out.
    pub(super) fn of(document: &roxmltree::Document<'_>) -> Result<Self, Damage> {
        let mut nodes = vec![Node { end: 0, what: What::Root }];
        // Open elements: their place here, and their name there.
        let mut open = vec![(Self::ROOT, document.root().id())];
        for node in document.root().descendants().skip(1) {
            let parent = node.parent().map(|parent| parent.id());
            while open.last().is_some_and(|(_, id)| Some(*id) != parent) {
                close(&mut nodes, open.pop());
            }
            let what = if node.is_element() {
                if open.len() > MAX_DEPTH {
                    return Err(Damage::TooLarge);
                }
                open.push((nodes.len(), node.id()));
                let attributes = node.attributes().map(|attribute| (attribute.name().into(), attribute.value().into()));
                What::Element { name: node.tag_name().name().into(), attributes: attributes.collect() }
            } else if node.is_text() {
                What::Text(node.text().unwrap_or_default().into())
            } else {
                continue;
            };
            nodes.push(Node { end: nodes.len() + 1, what });
        }
        while let Some(last) = open.pop() {
            close(&mut nodes, Some(last));
        }
        Ok(Self(nodes))
    }

    /// A node and all below it, in order.
    pub(super) fn below(&self, at: usize) -> Range<usize> {
        at..self.0.get(at).map_or(at, |node| node.end)
    }

    /// What stands directly below a node, in order.
    pub(super) fn children(&self, at: usize) -> impl Iterator<Item = usize> {
        let end = self.below(at).end;
        let first = Some(at + 1).filter(|first| *first < end);
        std::iter::successors(first, move |child| Some(self.below(*child).end).filter(|next| *next < end))
    }

    /// An element's local name.
    pub(super) fn name(&self, at: usize) -> Option<&str> {
        match &self.0.get(at)?.what {
            What::Element { name, .. } => Some(name),
            What::Root | What::Text(_) => None,
        }
    }

    /// An element's attribute by its local name.
    pub(super) fn attribute(&self, at: usize, name: &str) -> Option<&str> {
        match &self.0.get(at)?.what {
            What::Element { attributes, .. } => {
                attributes.iter().find(|(own, _)| **own == *name).map(|(_, value)| &**value)
            }
            What::Root | What::Text(_) => None,
        }
    }

    /// The texts of these nodes, one behind the other.
    pub(super) fn text(&self, nodes: impl Iterator<Item = usize>) -> String {
        let texts = nodes.filter_map(|at| match &self.0.get(at)?.what {
            What::Text(text) => Some(&**text),
            What::Root | What::Element { .. } => None,
        });
        texts.collect()
    }
}

fn close<T>(nodes: &mut [Node], open: Option<(usize, T)>) {
    let end = nodes.len();
    if let Some(node) = open.and_then(|(at, _)| nodes.get_mut(at)) {
        node.end = end;
    }
}
