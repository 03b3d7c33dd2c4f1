//! One-time messages: those an answer added, and the boxes of the page that shows them.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::exchange::{Damage, Page, Reading, flash_messages};

use super::super::rule::{Flash, FlashWanted};
use super::fit::matches_texts;

/// Messages read of one page.
const MAX_MESSAGES: usize = 100;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// `success`, `error`, or what the shop calls it.
    pub level: String,
    /// Its text, as a reader sees it or with markup, as the shop sends it.
    pub text: String,
}

/// What can be said of the messages an answer added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Flashed {
    /// These, or none.
    Added(Vec<Message>),
    /// No cookie came: the session's next page shows them, if there are any.
    NextPage,
    /// The cookie cannot be read.
    Damaged(Damage),
}

impl Flashed {
    /// The root `flash` of expressions; `None` where it is not known.
    pub(in super::super) fn value(&self) -> Option<Arc<Value>> {
        let Self::Added(messages) = self else { return None };
        let table = |message: &Message| json!({ "level": message.level, "text": message.text });
        Some(Arc::new(messages.iter().map(table).collect()))
    }
}

/// The messages the answer added: those of its cookie less those of the request's, for a cookie carries on what no page has
/// shown yet.
pub(super) fn added(reading: &Reading, table: Option<&Flash>) -> Flashed {
    let Some(table) = table else { return Flashed::Added(Vec::new()) };
    let set = table.cookie.as_ref().and_then(|name| {
        // Set twice, the later counts.
        reading.response_cookies().iter().rev().find(|(found, _)| found == name).map(|(_, value)| value)
    });
    let Some(set) = set else {
        return if table.page.is_empty() { Flashed::Added(Vec::new()) } else { Flashed::NextPage };
    };
    let Some(mut messages) = decoded(set) else { return Flashed::Damaged(Damage::Undecodable) };
    let sent = reading.cookies().iter().find(|(found, _)| table.cookie.as_ref() == Some(found));
    for earlier in sent.and_then(|(_, value)| decoded(value)).unwrap_or_default() {
        if let Some(at) = messages.iter().position(|message| *message == earlier) {
            messages.remove(at);
        }
    }
    Flashed::Added(messages)
}

/// An empty cookie is one that is deleted: no messages.
fn decoded(value: &str) -> Option<Vec<Message>> {
    if value.is_empty() {
        return Some(Vec::new());
    }
    let messages = flash_messages(value)?;
    Some(messages.into_iter().map(|message| Message { level: message.level, text: message.text }).collect())
}

/// The messages a page shows in the boxes of `[flash] page`, by level in written order; blank boxes are none.
pub fn boxes(page: &Page, table: &Flash) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    for (level, selector) in &table.page {
        let texts = page.select(selector).into_iter().map(|node| node.text()).filter(|text| !text.is_empty());
        messages.extend(texts.map(|text| Message { level: level.clone(), text }).take(MAX_MESSAGES));
    }
    messages
}

/// Whether one message is one of those wanted.
pub(super) fn fits(messages: &[Message], wanted: &[FlashWanted]) -> bool {
    let fits = |message: &Message, wanted: &FlashWanted| {
        wanted.level.as_ref().is_none_or(|level| matches_texts(level, &message.level))
            && wanted.text.as_ref().is_none_or(|text| matches_texts(text, &message.text))
    };
    messages.iter().any(|message| wanted.iter().any(|wanted| fits(message, wanted)))
}
