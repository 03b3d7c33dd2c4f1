//! Building a page's tree under a meter: what it costs in memory and steps is known while it grows.

use std::borrow::Cow;
use std::cell::{Cell, Ref};

use html5ever::tendril::StrTendril;
use html5ever::tree_builder::{ElementFlags, NodeOrText, QuirksMode, TreeSink};
use html5ever::{Attribute, QualName};
use scraper::{Html, HtmlTreeSink};

/// A node's place in the tree.
pub(super) type NodeId = <HtmlTreeSink as TreeSink>::Handle;

/// Bytes a node costs beside its text, about.
const NODE: usize = 200;
/// Bytes an attribute costs beside its value, about.
const ATTRIBUTE: usize = 64;

/// The browser's tree builder fills this. It passes everything on to scraper's tree and counts.
#[derive(Debug)]
pub(super) struct Meter {
    tree: HtmlTreeSink,
    /// Bytes held, about.
    weight: Cell<usize>,
    /// From here on nodes are made without attributes and text: the page is given up at the next look.
    max_weight: usize,
    /// Looks at a node: the builder walks its stack of open elements for nearly every tag.
    steps: Cell<u64>,
    /// The element made last.
    newest: Cell<Option<NodeId>>,
}

impl Meter {
    pub(super) fn new(max_weight: usize) -> Self {
        let tree = HtmlTreeSink::new(Html::new_document());
        Self { tree, weight: Cell::new(0), max_weight, steps: Cell::new(0), newest: Cell::new(None) }
    }

    /// Bytes held, about.
    pub(super) fn weight(&self) -> usize {
        self.weight.get()
    }

    /// Looks at nodes so far.
    pub(super) fn steps(&self) -> u64 {
        self.steps.get()
    }

    /// How deep the newest element stands, counted up to `limit`.
    pub(super) fn depth(&self, limit: usize) -> usize {
        let tree = self.tree.0.borrow();
        let newest = self.newest.get().and_then(|id| tree.tree.get(id));
        newest.map_or(0, |node| node.ancestors().take(limit).count())
    }

    fn step(&self) {
        self.steps.set(self.steps.get().saturating_add(1));
    }

    /// Adds to the weight. False: it is above the limit.
    fn add(&self, weight: usize) -> bool {
        self.step();
        self.weight.set(self.weight.get().saturating_add(weight));
        self.weight.get() <= self.max_weight
    }

    fn text(&self, text: StrTendril) -> StrTendril {
        if self.add(text.len()) { text } else { StrTendril::new() }
    }

    fn attributes(&self, attributes: Vec<Attribute>) -> Vec<Attribute> {
        let weights = attributes.iter().map(|attribute| ATTRIBUTE + attribute.value.len());
        if self.add(weights.sum()) { attributes } else { Vec::new() }
    }

    fn child(&self, child: NodeOrText<NodeId>) -> NodeOrText<NodeId> {
        match child {
            NodeOrText::AppendText(text) => NodeOrText::AppendText(self.text(text)),
            node @ NodeOrText::AppendNode(_) => node,
        }
    }
}

impl TreeSink for Meter {
    type Handle = NodeId;
    type Output = Html;
    type ElemName<'a> = Ref<'a, QualName>;

    fn finish(self) -> Html {
        self.tree.finish()
    }

    fn parse_error(&self, _: Cow<'static, str>) {}

    fn get_document(&self) -> NodeId {
        self.tree.get_document()
    }

    fn elem_name<'a>(&'a self, target: &'a NodeId) -> Ref<'a, QualName> {
        self.step();
        self.tree.elem_name(target)
    }

    fn create_element(&self, name: QualName, attributes: Vec<Attribute>, flags: ElementFlags) -> NodeId {
        self.add(NODE);
        let id = self.tree.create_element(name, self.attributes(attributes), flags);
        self.newest.set(Some(id));
        id
    }

    fn create_comment(&self, _: StrTendril) -> NodeId {
        // Nobody reads comments; that one stood here still parts the texts around it.
        self.add(NODE);
        self.tree.create_comment(StrTendril::new())
    }

    fn create_pi(&self, _: StrTendril, _: StrTendril) -> NodeId {
        self.add(NODE);
        self.tree.create_pi(StrTendril::new(), StrTendril::new())
    }

    fn append(&self, parent: &NodeId, child: NodeOrText<NodeId>) {
        self.tree.append(parent, self.child(child));
    }

    fn append_based_on_parent_node(&self, element: &NodeId, previous: &NodeId, child: NodeOrText<NodeId>) {
        self.tree.append_based_on_parent_node(element, previous, self.child(child));
    }

    fn append_doctype_to_document(&self, name: StrTendril, public_id: StrTendril, system_id: StrTendril) {
        self.add(NODE);
        self.tree.append_doctype_to_document(name, public_id, system_id);
    }

    fn get_template_contents(&self, target: &NodeId) -> NodeId {
        self.tree.get_template_contents(target)
    }

    fn same_node(&self, x: &NodeId, y: &NodeId) -> bool {
        self.step();
        self.tree.same_node(x, y)
    }

    fn set_quirks_mode(&self, mode: QuirksMode) {
        self.tree.set_quirks_mode(mode);
    }

    fn append_before_sibling(&self, sibling: &NodeId, child: NodeOrText<NodeId>) {
        self.tree.append_before_sibling(sibling, self.child(child));
    }

    fn add_attrs_if_missing(&self, target: &NodeId, attributes: Vec<Attribute>) {
        self.tree.add_attrs_if_missing(target, self.attributes(attributes));
    }

    fn remove_from_parent(&self, target: &NodeId) {
        self.step();
        self.tree.remove_from_parent(target);
    }

    fn reparent_children(&self, node: &NodeId, new_parent: &NodeId) {
        self.step();
        self.tree.reparent_children(node, new_parent);
    }
}
