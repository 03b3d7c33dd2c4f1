//! What stands on a page that may name an id: its title, its links, elements that say so.

use std::collections::BTreeSet;

use super::identity::{is_id, names_id};
use super::words::Noun;

/// Bytes of one page that are looked at.
const MAX_PAGE: usize = 512 * 1024;

/// Numbers kept of one page.
const MAX_NUMBERS: usize = 64;

/// Numbers of one page, each with the place it stands at.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// Place and number.
    pub(super) numbers: Vec<(Spot, String)>,
}

/// Where on a page a number stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Spot {
    /// In an element with an id that speaks of a number or an order.
    Element(String),
    /// In the title.
    Title,
    /// In the address of a link, as the value of a field that names an order's id.
    Link(String),
}

impl Page {
    /// Looks through a page; `None` where there is nothing to be had.
    pub(super) fn of(text: &str) -> Option<Self> {
        let mut end = text.len().min(MAX_PAGE);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let text = text.get(..end)?;
        let mut page = Self::default();
        page.elements(text);
        if let Some(title) = between(text, "<title", "</title") {
            page.add(&Spot::Title, title.split_once('>').map_or("", |(_, text)| text));
        }
        page.links(text);
        (!page.numbers.is_empty()).then_some(page)
    }

    fn elements(&mut self, text: &str) {
        let mut rest = text;
        while let Some((_, after)) = rest.split_once(" id=\"") {
            rest = after;
            let Some((id, after)) = after.split_once('"') else { return };
            let lower = id.to_ascii_lowercase();
            let speaks = ["order", "number", "invoice"].iter().any(|word| lower.contains(word));
            let plain =
                id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'_'));
            if speaks && plain {
                let inner = after.split_once('>').map_or("", |(_, inner)| inner);
                self.add(&Spot::Element(id.to_owned()), inner.split('<').next().unwrap_or_default());
            }
        }
    }

    /// `href="…?order_id=261125-1042"`: the whole value, which a regular expression finds behind the name.
    fn links(&mut self, text: &str) {
        for link in text.split(" href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            let query = link.split_once('?').map_or("", |(_, query)| query);
            for (name, value) in query.split(['&', ';']).filter_map(|pair| pair.split_once('=')) {
                let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
                let value = value.split('#').next().unwrap_or_default();
                if plain
                    && names_id(name, Some(Noun::Order))
                    && name.len() > 2
                    && is_id(value)
                    && self.numbers.len() < MAX_NUMBERS
                {
                    self.numbers.push((Spot::Link(name.to_owned()), value.to_owned()));
                }
            }
        }
    }

    fn add(&mut self, spot: &Spot, text: &str) {
        for number in text.split(|letter: char| !letter.is_ascii_digit()).filter(|number| !number.is_empty()) {
            if self.numbers.len() < MAX_NUMBERS && number.len() <= 16 {
                self.numbers.push((spot.clone(), number.to_owned()));
            }
        }
    }
}

/// Classes of boxes that tell of success or failure.
pub(super) fn boxes(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut end = text.len().min(MAX_PAGE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut rest = text.get(..end).unwrap_or_default();
    while let Some((_, after)) = rest.split_once(" class=\"") {
        let Some((classes, after)) = after.split_once('"') else { break };
        rest = after;
        let plain =
            |class: &&str| class.len() <= 64 && class.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        let told = classes.split_ascii_whitespace().filter(plain).filter(|class| is_good(class) || is_bad(class));
        found.extend(told.map(str::to_owned).take(MAX_NUMBERS.saturating_sub(found.len())));
    }
    found
}

/// Whether a class is that of a box for success.
pub(super) fn is_good(class: &str) -> bool {
    let lower = class.to_ascii_lowercase();
    !is_bad(class) && (lower.contains("success") || lower.ends_with("message"))
}

fn is_bad(class: &str) -> bool {
    let lower = class.to_ascii_lowercase();
    ["error", "danger", "failure", "invalid"].iter().any(|sign| lower.contains(sign))
}

/// The text between two marks, whose case is overlooked.
fn between<'t>(text: &'t str, open: &str, close: &str) -> Option<&'t str> {
    // Letters keep their place: only ASCII changes its case.
    let lower = text.to_ascii_lowercase();
    let start = lower.find(open)? + open.len();
    let end = start + lower.get(start..)?.find(close)?;
    text.get(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_where_they_are_named() {
        let html = "<TITLE lang=x>Order 100004: thanks</TITLE><p id=\"other\">7</p><b id=\"orderNumber\">No. 12</b>";
        let page = Page::of(html).unwrap();
        let found = [(Spot::Element("orderNumber".to_owned()), "12".to_owned()), (Spot::Title, "100004".to_owned())];
        assert_eq!(page.numbers, found);
        let html = "<a href=\"/i.php?a=1&amp;order_id=261125-145204-3090\">receipt</a><a href=\"/?order_id=no\">";
        assert_eq!(
            Page::of(html).unwrap().numbers,
            [(Spot::Link("order_id".to_owned()), "261125-145204-3090".to_owned())]
        );
        for nothing in ["", "<title>", "<title", "no number", " id=\"", "<title>é</title>"] {
            assert!(Page::of(nothing).is_none(), "{nothing}");
        }
    }
}
