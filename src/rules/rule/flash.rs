//! `[flash]` and the conditions on it: one-time messages by which a shop says how something went.

use crate::exchange::Selector;

use super::Matcher;

/// `[flash]`.
#[derive(Clone, Debug)]
pub struct Flash {
    /// The cookie that carries messages to the next page, in Django's format.
    pub cookie: Option<String>,
    /// Levels and the boxes a page shows messages of that level in, in written order.
    pub page: Vec<(String, Selector)>,
}

/// What one message must be: all that is stated.
#[derive(Clone, Debug)]
pub struct FlashWanted {
    /// Its level.
    pub level: Option<Matcher>,
    /// Its text.
    pub text: Option<Matcher>,
}
