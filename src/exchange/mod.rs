//! What was seen: one request with its response, and the views rules read it through.
//!
//! Foreign bytes enter here. Every reader is bounded in size and depth, never panics, and says *damaged* instead of
//! guessing where a body was cut or cannot be decoded.

mod body;
mod charset;
mod cookies;
mod decoding;
mod documents;
mod field_tree;
mod fields;
mod head;
mod html;
mod json;
mod lines;
mod multipart;
mod part_scanner;
mod reading;
mod url;
mod urlencoded;
mod xml;

pub use crate::clock::{Clock, Timestamp};
pub use body::{CapturedBody, Damage, Part};
pub use charset::{charset_of_content_type, charset_of_label};
pub use fields::{FieldPath, Fields};
pub use head::{RequestHead, ResponseHead};
pub use html::{Node, Page, Selector};
pub use lines::{RecordedLine, parse_line};
pub use multipart::FilePartSkipper;
pub use reading::{ReadOptions, Reading};
pub use urlencoded::read_query;
pub use url::{Url, decode_segment};
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
