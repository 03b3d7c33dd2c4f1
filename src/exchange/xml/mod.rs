//! XML documents, and the paths that read them.

mod path;

use std::fmt;

use roxmltree::{Document, Node, ParsingOptions};

use super::Damage;
pub use path::XmlPath;
use path::{End, Step, Test};

/// Nodes of one document: each takes some 60 to 100 bytes.
const MAX_NODES: u32 = 500_000;
/// Elements within each other.
const MAX_DEPTH: usize = 256;
/// Namespaces declared: every element that declares one holds all that are in force above it.
const MAX_NAMESPACES: usize = 1_000;
/// Comparisons of attribute names, each with all before it in one tag.
const MAX_COMPARISONS: usize = 50_000_000;
/// Bytes of text that one path gives.
const MAX_TEXT: usize = 16 * 1024 * 1024;

/// A parsed document.
pub struct Xml(Tree);

self_cell::self_cell! {
    /// The tree with the text it points into.
    struct Tree {
        owner: String,
        #[covariant]
        dependent: Document,
    }
}

impl Xml {
    /// Texts one path gives; there are no more.
    pub const MAX_MATCHES: usize = 10_000;

    /// Parses. [`Damage::Undecodable`] for a text that is not well-formed or declares a document type (entity bombs come that
    /// way), [`Damage::TooLarge`] for one beyond the limits.
    pub fn parse(text: &str) -> Result<Self, Damage> {
        let text = text.trim_start_matches(|c: char| c == '\u{feff}' || c.is_whitespace());
        if text.matches("xmlns").count() > MAX_NAMESPACES || comparisons(text) > MAX_COMPARISONS {
            return Err(Damage::TooLarge);
        }
        let xml = Tree::try_new(text.to_owned(), |text| {
            let options = ParsingOptions { nodes_limit: MAX_NODES, ..ParsingOptions::default() };
            Document::parse_with_options(text, options)
        });
        let xml = xml.map(Self).map_err(|fault| match fault {
            roxmltree::Error::NodesLimitReached | roxmltree::Error::NamespacesLimitReached => Damage::TooLarge,
            _ => Damage::Undecodable,
        })?;
        if xml.is_too_deep() { Err(Damage::TooLarge) } else { Ok(xml) }
    }

    /// The texts a path finds, in the document's order: [`Self::MAX_MATCHES`] and 16 MiB at most.
    pub fn find(&self, path: &XmlPath) -> Vec<String> {
        let mut found = vec![self.0.borrow_dependent().root()];
        for step in &path.steps {
            found = walk(&found, step);
        }
        let texts = found.into_iter().filter_map(|node| match &path.end {
            End::Content => Some(content(node)),
            End::Text => Some(own_text(node)),
            End::Attribute(name) => attribute(node, name).map(str::to_owned),
        });
        let mut room = MAX_TEXT;
        let within = texts.take(Self::MAX_MATCHES).map_while(|text| {
            room = room.checked_sub(text.len())?;
            Some(text)
        });
        within.collect()
    }

    fn is_too_deep(&self) -> bool {
        let mut open = Vec::new();
        self.0.borrow_dependent().root().descendants().any(|node| {
            while open.last().is_some_and(|above| Some(*above) != node.parent().map(|parent| parent.id())) {
                open.pop();
            }
            open.push(node.id());
            open.len() > MAX_DEPTH
        })
    }
}

impl fmt::Debug for Xml {
    /// Says how large it is: a document's content belongs into no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Xml({} bytes)", self.0.borrow_owner().len())
    }
}

/// Comparisons that the parser makes to find attributes that come twice: in the worst case all text between two `<` is one
/// tag, in which every `="` begins a value.
fn comparisons(text: &str) -> usize {
    let tags = text.split('<').map(|tag| {
        let values = tag.split('=').skip(1).filter(|after| after.trim_start().starts_with(['"', '\'']));
        values.count()
    });
    tags.map(|values| values.saturating_mul(values)).fold(0, usize::saturating_add)
}

/// One step from each of these nodes, which are in the document's order.
fn walk<'a>(from: &[Node<'a, 'a>], step: &Step) -> Vec<Node<'a, 'a>> {
    let mut found = Vec::new();
    let mut searched = None;
    for node in from {
        // One below another that was searched through adds nothing.
        if step.anywhere && searched.is_some_and(|last| node.id().get() <= last) {
            continue;
        }
        let parents = node.descendants().take(if step.anywhere { usize::MAX } else { 1 });
        for parent in parents {
            let mut fitting: Vec<_> =
                parent.children().filter(|child| is_named(*child, step.name.as_deref())).collect();
            for test in &step.tests {
                fitting = keep(test, fitting);
            }
            found.extend(fitting);
        }
        searched = node.descendants().next_back().map(|last| last.id().get());
    }
    found.sort_unstable_by_key(|node| node.id().get());
    found.dedup_by_key(|node| node.id());
    found
}

/// Elements by their local name; `None` is any.
fn is_named(node: Node<'_, '_>, name: Option<&str>) -> bool {
    node.is_element() && name.is_none_or(|name| node.tag_name().name() == name)
}

fn keep<'a>(test: &Test, fitting: Vec<Node<'a, 'a>>) -> Vec<Node<'a, 'a>> {
    let is = |found: &str, wanted: &Option<String>| wanted.as_ref().is_none_or(|wanted| found == wanted);
    let fits = |node: &Node<'a, 'a>| match test {
        Test::Place(_) => true,
        Test::Attribute(name, wanted) => attribute(*node, name).is_some_and(|found| is(found, wanted)),
        Test::Child(name, wanted) => {
            node.children().any(|child| is_named(child, Some(name)) && is(own_text(child).trim(), wanted))
        }
    };
    match test {
        Test::Place(place) => fitting.into_iter().skip(place.saturating_sub(1)).take(1).collect(),
        _ => fitting.into_iter().filter(fits).collect(),
    }
}

fn attribute<'a>(node: Node<'a, 'a>, name: &str) -> Option<&'a str> {
    node.attributes().find(|attribute| attribute.name() == name).map(|attribute| attribute.value())
}

fn own_text(node: Node<'_, '_>) -> String {
    node.children().filter(Node::is_text).filter_map(|child| child.text()).collect()
}

/// All text below, cut at the ends. CDATA is text: what HTML stands in it is given as written.
fn content(node: Node<'_, '_>) -> String {
    let text: String = node.descendants().filter(Node::is_text).filter_map(|child| child.text()).collect();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "<?xml version='1.0'?>
        <s:answer xmlns:s='urn:x' xmlns='urn:y' ok='yes'><row id='1' s:kind='a'><name>Tea &amp; co</name><price>3</price></row>
        <row id='2'><name>Cup</name><price>  4 </price></row>
        <group><row id='3'><name>Pot<b> big</b></name></row><html><![CDATA[<p>x</p>]]></html></group></s:answer>";

    #[test]
    fn paths_find_texts() {
        let xml = Xml::parse(DOCUMENT).unwrap();
        for (path, expected) in [
            ("/answer/row/name", &["Tea & co", "Cup"][..]),
            ("//row/@id", &["1", "2", "3"]),
            ("/answer/row[2]/name", &["Cup"]),
            ("//row[@id='3']/name", &["Pot big"]),
            ("//row[@id='3']/name/text()", &["Pot"]),
            ("/answer/row[price='4']/@id", &["2"]),
            ("/answer/row[price]/@id", &["1", "2"]),
            ("/answer/*/@kind", &["a"]),
            ("/s:answer/@ok", &["yes"]),
            ("//row[@kind][1]/price", &["3"]),
            ("//html", &["<p>x</p>"]),
            ("//answer//name//b", &["big"]),
            ("//group/row[1]/@id", &["3"]),
            ("/row", &[]),
            ("//row/@none", &[]),
        ] {
            assert_eq!(xml.find(&XmlPath::parse(path).unwrap()), expected, "{path}");
        }
    }

    #[test]
    fn hostile_documents_are_refused() {
        let all = |count: usize, text: &dyn Fn(usize) -> String| (0..count).map(text).collect::<String>();
        for (name, text, expected) in [
            ("not xml", "<a><b></a>".to_owned(), Damage::Undecodable),
            ("empty", String::new(), Damage::Undecodable),
            ("html", "<p>a<br>b".to_owned(), Damage::Undecodable),
            ("entities", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>".to_owned(), Damage::Undecodable),
            ("deep", format!("{}{}", "<a>".repeat(300_000), "</a>".repeat(300_000)), Damage::TooLarge),
            ("wide", format!("<a>{}</a>", "<b/>".repeat(600_000)), Damage::TooLarge),
            ("attributes", format!("<a {}/>", all(50_000, &|n| format!(" a{n} = ''"))), Damage::TooLarge),
            ("namespaces", format!("<a {}/>", all(2_000, &|n| format!(" xmlns:a{n}='x'"))), Damage::TooLarge),
        ] {
            assert_eq!(Xml::parse(&text).err(), Some(expected), "{name}");
        }
        let nested = format!("{}x{}", "<a>".repeat(200), "</a>".repeat(200));
        assert_eq!(Xml::parse(&nested).unwrap().find(&XmlPath::parse("//a//a").unwrap()).len(), 199);
        let wide = Xml::parse(&format!("<a>{}</a>", "<b/>".repeat(100_000))).unwrap();
        assert_eq!(wide.find(&XmlPath::parse("//b").unwrap()).len(), Xml::MAX_MATCHES);
    }
}
