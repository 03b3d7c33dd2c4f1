//! XML documents, and the paths that read them.

mod path;
mod tree;

use std::fmt;

use roxmltree::{Document, ParsingOptions};

use super::Damage;
pub use path::XmlPath;
use path::{End, Step, Test};
use tree::Tree;

/// Nodes of one document: each takes some 100 bytes.
const MAX_NODES: u32 = 500_000;
/// Namespaces declared: while it is parsed, every element that declares one holds all that are in force above it.
const MAX_NAMESPACES: usize = 1_000;
/// Comparisons of attribute names, each with all before it in one tag.
const MAX_COMPARISONS: usize = 50_000_000;
/// Bytes of text that one path gives.
const MAX_TEXT: usize = 16 * 1024 * 1024;

/// A parsed document.
pub struct Xml(Tree);

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
        let options = ParsingOptions { nodes_limit: MAX_NODES, ..ParsingOptions::default() };
        match Document::parse_with_options(text, options) {
            Ok(document) => Tree::of(&document).map(Self),
            Err(roxmltree::Error::NodesLimitReached | roxmltree::Error::NamespacesLimitReached) => {
                Err(Damage::TooLarge)
            }
            Err(_) => Err(Damage::Undecodable),
        }
    }

    /// The texts a path finds, in the document's order: [`Self::MAX_MATCHES`] and 16 MiB at most.
    pub fn find(&self, path: &XmlPath) -> Vec<String> {
        let tree = &self.0;
        let mut found = vec![Tree::ROOT];
        for step in &path.steps {
            found = walk(tree, &found, step);
        }
        let texts = found.into_iter().filter_map(|at| match &path.end {
            // CDATA is text: what HTML stands in it is given as written.
            End::Content => Some(tree.text(tree.below(at)).trim().to_owned()),
            End::Text => Some(tree.text(tree.children(at))),
            End::Attribute(name) => tree.attribute(at, name).map(str::to_owned),
        });
        let mut room = MAX_TEXT;
        let within = texts.take(Self::MAX_MATCHES).map_while(|text| {
            room = room.checked_sub(text.len())?;
            Some(text)
        });
        within.collect()
    }
}

impl fmt::Debug for Xml {
    /// Says how large it is: a document's content belongs into no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Xml({} nodes)", self.0.below(Tree::ROOT).len())
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
fn walk(tree: &Tree, from: &[usize], step: &Step) -> Vec<usize> {
    let mut found = Vec::new();
    let mut searched = 0;
    for &node in from {
        // One below another that was searched through adds nothing.
        if step.anywhere && node < searched {
            continue;
        }
        let below = tree.below(node);
        searched = below.end;
        for parent in below.take(if step.anywhere { usize::MAX } else { 1 }) {
            let mut fitting: Vec<_> =
                tree.children(parent).filter(|at| is_named(tree, *at, step.name.as_deref())).collect();
            for test in &step.tests {
                fitting = keep(tree, test, fitting);
            }
            found.extend(fitting);
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Elements by their local name; `None` is any.
fn is_named(tree: &Tree, at: usize, name: Option<&str>) -> bool {
    tree.name(at).is_some_and(|own| name.is_none_or(|name| own == name))
}

fn keep(tree: &Tree, test: &Test, fitting: Vec<usize>) -> Vec<usize> {
    let is = |found: &str, wanted: &Option<String>| wanted.as_ref().is_none_or(|wanted| found == wanted);
    let fits = |at: &usize| match test {
        Test::Place(_) => true,
        Test::Attribute(name, wanted) => tree.attribute(*at, name).is_some_and(|found| is(found, wanted)),
        Test::Child(name, wanted) => tree
            .children(*at)
            .any(|child| is_named(tree, child, Some(name)) && is(tree.text(tree.children(child)).trim(), wanted)),
    };
    match test {
        Test::Place(place) => fitting.into_iter().skip(place.saturating_sub(1)).take(1).collect(),
        _ => fitting.into_iter().filter(fits).collect(),
    }
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
