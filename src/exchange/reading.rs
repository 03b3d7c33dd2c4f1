//! One exchange read lazily: every view is computed at most once, whoever asks.

use encoding_rs::Encoding;
use http::HeaderMap;
use serde_json::Value;

use super::{Exchange, Fields, Part, Url};

/// How a shop's bytes are to be read.
#[derive(Clone, Copy, Debug)]
pub struct ReadOptions {
    /// Charset of form bodies and queries that carry no label (`[shop] charset`).
    pub charset: &'static Encoding,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { charset: encoding_rs::UTF_8 }
    }
}

/// An exchange with its views.
#[derive(Debug)]
pub struct Reading {
    exchange: Exchange,
    options: ReadOptions,
}

impl Reading {
    /// Wraps an exchange; nothing is decoded yet.
    pub fn new(exchange: Exchange, options: ReadOptions) -> Self {
        Self { exchange, options }
    }

    /// The exchange itself.
    pub fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// How its bytes are read.
    pub fn options(&self) -> ReadOptions {
        self.options
    }

    /// The query's fields.
    pub fn query(&self) -> &Fields {
        todo!()
    }

    /// The request body as form fields (urlencoded or multipart).
    pub fn form(&self) -> Part<&Fields> {
        todo!()
    }

    /// The request body as JSON.
    pub fn json(&self) -> Part<&Value> {
        todo!()
    }

    /// Request headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.exchange.request.headers
    }

    /// Request cookies in order, values percent-decoded.
    pub fn cookies(&self) -> &[(String, String)] {
        todo!()
    }

    /// The `Referer`, taken apart.
    pub fn referer(&self) -> Option<&Url> {
        todo!()
    }

    /// The response's `Location`, resolved and taken apart.
    pub fn location(&self) -> Option<&Url> {
        todo!()
    }

    /// Response headers; empty if no response came.
    pub fn response_headers(&self) -> &HeaderMap {
        todo!()
    }

    /// Cookies the response sets, in order, values percent-decoded; a deleted one has an empty value.
    pub fn response_cookies(&self) -> &[(String, String)] {
        todo!()
    }

    /// The response body as text, content coding undone, in its charset. `NotThis` for an empty body.
    pub fn response_text(&self) -> Part<&str> {
        todo!()
    }

    /// The response body as JSON, whatever its label says (legacy shops label JSON as HTML).
    pub fn response_json(&self) -> Part<&Value> {
        todo!()
    }
}
