//! Pages, as the tree a browser builds of them (HTML Standard, "parsing"): implied `tbody`, cells nobody closed.
//!
//! A page is parsed once and read by any number of rules on any thread. Its tree is bounded in depth, memory and the work
//! it takes, so that no page, however made, holds up what reads it.

mod meter;
mod parse;
mod selector;
mod text;

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use scraper::{ElementRef, Html};

use super::Damage;
use meter::NodeId;
pub use selector::Selector;

/// A parsed page, or a piece of one.
pub struct Page {
    /// scraper's tree may move between threads, but not be read by two at a time.
    tree: Mutex<Html>,
}

/// An element of a page.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    page: &'a Page,
    id: NodeId,
}

impl Page {
    /// Elements one selection gives; there are no more.
    pub const MAX_MATCHES: usize = 10_000;

    /// Parses a text as a browser does a page. One that begins with a row, a cell or an option is read as such, as scripts
    /// do with pieces they fetch. [`Damage::TooLarge`]: it is deeper, larger or more tangled than the limits allow.
    pub fn parse(text: &str) -> Result<Self, Damage> {
        parse::parse(text).map(|tree| Self { tree: Mutex::new(tree) })
    }

    /// Elements that fit, in the page's order; [`Self::MAX_MATCHES`] at most.
    pub fn select(&self, selector: &Selector) -> Vec<Node<'_>> {
        let tree = self.tree();
        let roots = tree.tree.root().children().filter_map(ElementRef::wrap);
        let found = roots.flat_map(|root| {
            let itself = selector.0.matches(&root).then_some(root);
            itself.into_iter().chain(root.select(&selector.0))
        });
        self.nodes(found)
    }

    fn nodes<'t>(&self, found: impl Iterator<Item = ElementRef<'t>>) -> Vec<Node<'_>> {
        let found = found.filter(|element| !in_template(*element)).take(Self::MAX_MATCHES);
        found.map(|element| Node { page: self, id: element.id() }).collect()
    }

    fn tree(&self) -> MutexGuard<'_, Html> {
        // Readers change nothing: a tree that one panicked over is whole.
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What stands in a `template` is no part of the page.
fn in_template(element: ElementRef<'_>) -> bool {
    element.ancestors().any(|node| node.value().is_fragment() && node.parent().is_some())
}

impl<'a> Node<'a> {
    /// Elements below this one that fit, in the page's order. As in browsers the selector may name elements above it;
    /// `:scope` is this one.
    pub fn select(&self, selector: &Selector) -> Vec<Node<'a>> {
        let (tree, page) = (self.page.tree(), self.page);
        self.element(&tree).map(|element| page.nodes(element.select(&selector.0))).unwrap_or_default()
    }

    /// The text as a reader sees it: blanks collapsed and cut, scripts left out; what fields are filled in with is no text,
    /// but for a `textarea`.
    pub fn text(&self) -> String {
        self.element(&self.page.tree()).map(text::text).unwrap_or_default()
    }

    /// The element as HTML, itself and all below it, as a browser would write it.
    pub fn html(&self) -> String {
        self.element(&self.page.tree()).map(|element| element.html()).unwrap_or_default()
    }

    /// An attribute as written, entities undone. Names are in lower case, as the parser makes them.
    pub fn attr(&self, name: &str) -> Option<String> {
        self.element(&self.page.tree())?.attr(name).map(str::to_owned)
    }

    /// The element's name in lower case.
    pub fn name(&self) -> String {
        self.element(&self.page.tree()).map(|element| element.value().name().to_owned()).unwrap_or_default()
    }

    fn element<'t>(&self, tree: &'t Html) -> Option<ElementRef<'t>> {
        tree.tree.get(self.id).and_then(ElementRef::wrap)
    }
}

impl fmt::Debug for Page {
    /// Says how large it is: a page's content belongs into no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Page({} nodes)", self.tree().tree.values().len())
    }
}

impl fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({})", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(html: &str, css: &str) -> Vec<String> {
        let page = Page::parse(html).unwrap();
        page.select(&Selector::parse(css).unwrap()).iter().map(Node::text).collect()
    }

    #[test]
    fn the_tree_is_a_browsers() {
        for (html, css, expected) in [
            ("<table><tr><td>1<td>2<tr><td>3<td>4</table>", "table > tbody > tr > td:nth-child(2)", &["2", "4"][..]),
            ("<ul><li>a<li>b</ul>", "li", &["a", "b"]),
            ("<p>a<p>b<div>c", "p", &["a", "b"]),
            ("<P ID=X>a</P>", "p#X", &["a"]),
            ("<b>1<p>2</b>3", "p", &["23"]),
            ("<table><b>out</b><tr><td>in</table>", "b, td", &["out", "in"]),
            ("<template><p>no</p></template><p>yes", "p", &["yes"]),
            ("<tr class=r><td>1</td><td>2</td></tr><tr class=r><td>3</td></tr>", "tr.r > td:first-child", &["1", "3"]),
            ("<option value=1>one<option value=2>two", "option", &["one", "two"]),
            ("<html class=x><body>t", "html.x", &["t"]),
            ("", "body", &[""]),
            ("<div><a>1</a></div><div><i>2</i></div>", "div:has(a)", &["1"]),
            ("<p>a</p></body></html><p>late", "body p", &["a", "late"]),
        ] {
            assert_eq!(texts(html, css), expected, "{html} {css}");
        }
    }

    #[test]
    fn text_is_what_a_reader_sees() {
        for (html, css, expected) in [
            ("<p> a \n\t b&nbsp;&nbsp;c </p>", "p", "a b c"),
            ("<td>1.234,50&nbsp;&euro;</td>", "td", "1.234,50 \u{20ac}"),
            ("<div>a<br>b<p>c</p>d</div>", "div", "a b c d"),
            ("<div>a<b>b</b>c <i>d</i></div>", "div", "abc d"),
            ("<table><tr><td>1<td>2<tr><td>3</table>", "table", "1 2 3"),
            ("<div>a<script>x()</script><style>y</style>b</div>", "div", "a b"),
            ("<script>var id = 3;</script>", "script", "var id = 3;"),
            ("<input value=x>", "input", ""),
            ("<textarea> two\nlines </textarea>", "textarea", "two lines"),
            ("<select><option>a<option>b</select>", "select", "a b"),
            ("<p>a<!-- no -->b", "p", "ab"),
        ] {
            assert_eq!(texts(html, css), [expected], "{html}");
        }
    }

    #[test]
    fn attributes_and_scopes() {
        let page = Page::parse(
            "<div class=outer><table><tr><td><input type=checkbox name='selected[]' value=17><td>A &amp; B<tr><td><input \
             name='selected[]' value='18'><td>C</table></div>",
        )
        .unwrap();
        let css = |css: &str| Selector::parse(css).unwrap();
        let rows = page.select(&css("tr"));
        let read = rows.iter().map(|row| {
            let id = row.select(&css("input[name='selected[]']"))[0].attr("value");
            (id.unwrap(), row.select(&css(".outer td:nth-child(2)"))[0].text())
        });
        assert_eq!(
            read.collect::<Vec<_>>(),
            [("17".to_owned(), "A & B".to_owned()), ("18".to_owned(), "C".to_owned())]
        );
        assert_eq!(rows[0].select(&css(":scope > td")).len(), 2);
        assert_eq!((rows[0].name().as_str(), rows[0].attr("class")), ("tr", None));
        assert!(rows[0].select(&css("tr")).is_empty());
    }

    #[test]
    fn hostile_pages_are_left() {
        let many = (0..60_000).fold(String::from("<a"), |page, n| page + &format!(" a{n}"));
        let fonts = |count: usize| (0..count).fold(String::from("<p>"), |page, n| page + &format!("<font size={n}>"));
        let clones = format!("{}{}", fonts(400), "<p>x".repeat(400_000));
        for (name, page) in [
            ("deep", "<div>".repeat(1_000_000)),
            ("deep formatting", "<b>".repeat(1_000_000)),
            ("deep behind the end", "<div></body><!-- -->".repeat(100_000)),
            ("tables", "<table><tr><td>".repeat(100_000)),
            ("svg", "<svg>".repeat(100_000)),
            ("adoption", "<a><div>".repeat(100_000)),
            ("fonts", fonts(5_000)),
            ("clones", clones),
            ("attributes", many),
        ] {
            assert_eq!(Page::parse(&page).err(), Some(Damage::TooLarge), "{name}");
        }
        // What is only long is read.
        for (name, page, css, count) in [
            ("rows", "<tr><td>x".repeat(20_000), "td", Page::MAX_MATCHES),
            ("depth", "<div>".repeat(500), "div", 500),
            ("text", "x ".repeat(1_000_000), "body", 1),
            (
                "data",
                format!("<img src='data:x;base64,{}'>", "Abcdefghijklmnop0123456789+/zyxw".repeat(15_000)),
                "img",
                1,
            ),
            ("comment", format!("<!-- {} --><p>", "a b ".repeat(4_000)), "p", 1),
        ] {
            assert_eq!(
                Page::parse(&page).map(|page| page.select(&Selector::parse(css).unwrap()).len()),
                Ok(count),
                "{name}"
            );
        }
    }
}
