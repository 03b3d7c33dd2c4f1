//! Path templates as a tree of segments, which gives every template that fits a path.

use std::borrow::Cow;
use std::collections::HashMap;

use super::super::path::is_int;
use super::super::rule::{PathTemplate, Segment};

/// The tree; each end of a template carries a `T`.
#[derive(Debug)]
pub(super) struct Trie<T> {
    nodes: Vec<Node<T>>,
}

#[derive(Debug)]
struct Node<T> {
    literal: HashMap<String, usize>,
    any: Option<usize>,
    int: Option<usize>,
    /// `**` behind this node.
    rest: Option<usize>,
    /// This node is a `**`: it takes any segment and stays.
    loops: bool,
    end: T,
}

impl<T: Default> Default for Trie<T> {
    fn default() -> Self {
        Self { nodes: vec![Node::new(false)] }
    }
}

impl<T: Default> Node<T> {
    fn new(loops: bool) -> Self {
        Self { literal: HashMap::new(), any: None, int: None, rest: None, loops, end: T::default() }
    }
}

impl<T: Default> Trie<T> {
    /// What stands at the end of a template; made if it is not there yet.
    pub(super) fn entry(&mut self, template: &PathTemplate) -> &mut T {
        let mut at = 0;
        for segment in &template.segments {
            let fresh = self.nodes.len();
            let node = &mut self.nodes[at];
            let next = match segment {
                Segment::Literal(text) => *node.literal.entry(text.clone()).or_insert(fresh),
                Segment::Any(_) => *node.any.get_or_insert(fresh),
                Segment::Int(_) => *node.int.get_or_insert(fresh),
                Segment::Rest => *node.rest.get_or_insert(fresh),
            };
            if next == fresh {
                self.nodes.push(Node::new(matches!(segment, Segment::Rest)));
            }
            at = next;
        }
        &mut self.nodes[at].end
    }

    /// Every end.
    pub(super) fn ends_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.nodes.iter_mut().map(|node| &mut node.end)
    }

    /// The ends of all templates that fit a path. Time: segments of the path × nodes reached at once.
    pub(super) fn find(&self, path: &[Cow<'_, str>]) -> impl Iterator<Item = &T> {
        let mut active = Vec::new();
        self.reach(0, &mut active);
        for segment in path {
            let mut next = Vec::new();
            for at in active {
                let node = &self.nodes[at];
                if node.loops {
                    self.reach(at, &mut next);
                }
                let children = [
                    node.literal.get(&**segment).copied(),
                    node.any.filter(|_| !segment.is_empty()),
                    node.int.filter(|_| is_int(segment)),
                ];
                children.into_iter().flatten().for_each(|child| self.reach(child, &mut next));
            }
            next.sort_unstable();
            next.dedup();
            active = next;
            if active.is_empty() {
                break;
            }
        }
        active.into_iter().map(|at| &self.nodes[at].end)
    }

    /// A node, and those behind it that a `**` reaches without a segment.
    fn reach(&self, mut at: usize, into: &mut Vec<usize>) {
        into.push(at);
        while let Some(rest) = self.nodes[at].rest {
            into.push(rest);
            at = rest;
        }
    }
}
