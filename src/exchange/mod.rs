//! What was seen: one request with its response, and the views rules read it through.
//!
//! Foreign bytes enter here. Every reader is bounded in size and depth, never panics, and says *damaged* instead of
//! guessing where a body was cut or cannot be decoded.

mod body;
mod case_text;
mod charset;
mod cookies;
mod decoding;
mod documents;
mod field_tree;
mod fields;
mod flash;
mod graphql;
mod har;
mod head;
mod html;
mod json;
mod lines;
mod multipart;
mod part_scanner;
mod reading;
mod recorded;
mod url;
mod urlencoded;
mod xml;

pub use crate::clock::{Clock, Timestamp};
pub use body::{CapturedBody, Damage, Part};
pub use case_text::{CaseFault, CaseStep, CaseText, CaseWhat, ExpectedText};
pub use charset::{charset_of_content_type, charset_of_label};
pub use fields::{FieldPath, Fields};
pub use flash::{Flash, FlashMessage};
pub use graphql::{GraphqlCall, GraphqlKind, PersistedDocuments};
pub use har::{HAR_HEAD, HAR_TAIL, har_entry, parse_har};
pub use head::{RequestHead, ResponseHead};
pub use html::{Node, Page, Selector};
pub use lines::{RecordedLine, parse_line, to_line};
pub use multipart::FilePartSkipper;
pub use reading::{HeadViews, ReadOptions, Reading};
pub use url::{Url, decode_segment};
pub use urlencoded::read_query;
pub use xml::{Xml, XmlPath};

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The shop's whole answer was seen (or, held at the head, all of it that any rule reads).
    Complete,
    /// The shop failed to answer, or its answer broke off.
    Failed,
    /// The visitor left before the request was whole.
    Aborted,
}

impl End {
    /// One word, as recordings and cases carry it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
        }
    }

    /// The end of a [`Self::word`].
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::Complete, Self::Failed, Self::Aborted].into_iter().find(|end| end.word() == word)
    }

    /// How an exchange ended of which nothing else is said: without a response the shop failed.
    const fn usual(answered: bool) -> Self {
        if answered { Self::Complete } else { Self::Failed }
    }
}

/// One request with its response, as captured.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// When the request's head had been read.
    pub at: Timestamp,
    /// The request's head.
    pub request: RequestHead,
    /// The request's body as far as it was captured.
    pub request_body: CapturedBody,
    /// The response's head; absent if none came.
    pub response: Option<ResponseHead>,
    /// The response's body as far as it was captured; [`CapturedBody::unread`] if no rule reads it.
    pub response_body: CapturedBody,
    /// How it ended.
    pub end: End,
}
