//! One-time messages: those an answer added, and the boxes of the page that shows them.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::exchange::{Damage, FlashMessage, Page, Part, Reading};

use super::super::rule::{EventRule, Flash, FlashWanted, Matcher, Ruleset, Subject};
use super::extract::{Outcome, of_boxes};
use super::fit::{Truth, Why, matches_text};
use super::sight::Sight;
use super::whole::missed;

/// Boxes read of one page for each level.
const MAX_BOXES: usize = 100;

/// Bytes of HTML kept of the boxes of one page; those above it are known by their text alone.
const MAX_HTML_BYTES: usize = 256 * 1024;

/// What can be said of the messages an answer added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Flashed {
    /// Those that are known, in order.
    pub(in super::super) messages: Vec<FlashMessage>,
    /// Why there may be others.
    pub(in super::super) open: Option<Why>,
}

impl Flashed {
    /// The root `flash` of expressions; `None` where nothing is known yet.
    pub(in super::super) fn value(&self) -> Option<Arc<Value>> {
        if self.messages.is_empty() && self.open.is_some() {
            return None;
        }
        Some(Arc::new(value(&self.messages)))
    }

    /// Whether the messages fit. What is not among those that are known may be among the others.
    pub(super) fn fits(&self, matcher: &Matcher) -> Truth {
        let (wanted, fits) = match matcher {
            Matcher::Filled(wanted) => (*wanted, !self.messages.is_empty()),
            Matcher::Flash(wanted) => (true, self.messages.iter().any(|message| one_of(message, wanted))),
            _ => return Truth::Fails,
        };
        match self.open {
            Some(why) if !fits => Truth::Open(why),
            _ => Truth::from(fits == wanted),
        }
    }
}

/// Messages as the root `flash` gives them.
pub(in super::super) fn value<'m>(messages: impl IntoIterator<Item = &'m FlashMessage>) -> Value {
    let table = |message: &FlashMessage| json!({ "level": message.level, "text": message.text });
    messages.into_iter().map(table).collect()
}

/// A message as a page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its level, and its text as a reader sees it.
    pub message: FlashMessage,
    /// Its box as HTML, with the links in it.
    pub html: String,
}

impl EventRule {
    /// Whether messages fit the rule's own `flash`: all that a rule that waits for the next page still asks.
    pub fn flash_fits(&self, shown: &[Shown]) -> bool {
        let messages = shown.iter().map(|shown| shown.message.clone()).collect();
        let flashed = Flashed { messages, open: None };
        let mut own = self.conditions.iter().filter(|condition| condition.subject == Subject::Flash);
        own.all(|condition| flashed.fits(&condition.matcher) == Truth::Holds)
    }
}

impl Ruleset {
    /// The messages that the exchange's answer shows, if it is a page that can be read: a rule that waits for the session's
    /// next page is decided by them.
    pub fn shown_flash(&self, reading: &Reading) -> Option<Vec<Shown>> {
        let table = self.flash.as_ref().filter(|table| !table.page.is_empty())?;
        reading.response_html().ok().map(|page| table.boxes(page))
    }

    /// What finds of a rule (`names`) find in messages that a page shows, by NAME; `told` says which of them other sources
    /// tell already. `None`: the rule does not match, for one that it needs finds nothing, or one that must not finds
    /// something.
    pub fn shown_finds(
        &self,
        rule: &EventRule,
        names: &[String],
        shown: &[Shown],
        reading: &Reading,
        told: impl Fn(&str) -> bool,
    ) -> Option<Vec<(String, Arc<Value>)>> {
        let sight = Sight::new(reading, self.flash.as_ref());
        let mut found = Vec::new();
        for find in rule.finds.iter().filter(|find| names.contains(&find.name)) {
            match of_boxes(&sight, &find.extract, shown) {
                outcome if told(&find.name) && !matches!(outcome, Outcome::Found(_)) => {}
                outcome => match (missed(find, &outcome), outcome) {
                    (Some(_), _) => return None,
                    (None, Outcome::Found(value)) => found.push((find.name.clone(), value)),
                    (None, _) => {}
                },
            }
        }
        Some(found)
    }
}

/// The messages the answer added. Where no cookie came, or not all stands in it, the rest is known only where `page` says how
/// the next page shows it.
pub(super) fn added(reading: &Reading, table: Option<&Flash>) -> Flashed {
    let Some(table) = table else { return Flashed::default() };
    let next_page = (!table.page.is_empty()).then_some(Why::NextPage);
    let came = table.cookie.as_ref().map_or(Part::NotThis, |cookie| reading.django_flash(cookie));
    match came {
        Part::Is(flash) => {
            let rest = || Some(next_page.unwrap_or(Why::Damaged(Damage::Incomplete)));
            let open = if flash.complete { None } else { rest() };
            Flashed { messages: flash.messages, open }
        }
        Part::NotThis => Flashed { messages: Vec::new(), open: next_page },
        Part::Damaged(damage) => Flashed { messages: Vec::new(), open: Some(Why::Damaged(damage)) },
    }
}

impl Flash {
    /// The messages a page shows in the boxes of `page`: by level in written order, blank boxes left out.
    pub fn boxes(&self, page: &Page) -> Vec<Shown> {
        let mut shown = Vec::new();
        let mut left = MAX_HTML_BYTES;
        for (level, selector) in &self.page {
            let boxes = page.select(selector).into_iter().map(|node| (node, node.text()));
            for (node, text) in boxes.filter(|(_, text)| !text.is_empty()).take(MAX_BOXES) {
                // Where boxes stand within each other each carries those below it.
                let html = Some(node.html()).filter(|html| html.len() <= left).unwrap_or_default();
                left -= html.len();
                shown.push(Shown { message: FlashMessage { level: level.clone(), text }, html });
            }
        }
        shown
    }
}

/// Whether one message is one of those wanted.
fn one_of(message: &FlashMessage, wanted: &[FlashWanted]) -> bool {
    wanted.iter().any(|wanted| {
        wanted.level.as_ref().is_none_or(|level| matches_text(level, &message.level))
            && wanted.text.as_ref().is_none_or(|text| matches_text(text, &message.text))
    })
}
