//! The charset of forms that carry no label: the shop's setting, else what the host's last HTML answer named, for that is
//! what a browser sends its forms in (HTML Standard, "picking an encoding for the form").

use std::collections::HashMap;

use encoding_rs::Encoding;
use http::header;

use crate::exchange::{ReadOptions, RequestHead, ResponseHead, charset_of_content_type};

use super::rule::Ruleset;

/// Hosts whose charset is remembered. A shop has few; names beyond come of clients that make them up.
const MAX_HOSTS: usize = 256;

/// What the HTML answers of each host named last.
#[derive(Clone, Debug, Default)]
pub struct HostCharsets {
    by_host: HashMap<String, &'static Encoding>,
}

impl HostCharsets {
    /// Takes an answer in, if it is HTML and its label names a charset; whether that is news.
    pub fn note(&mut self, request: &RequestHead, response: &ResponseHead) -> bool {
        let Some(charset) = named(response) else { return false };
        let host = request.host();
        if self.by_host.len() >= MAX_HOSTS && !self.by_host.contains_key(&host) {
            return false;
        }
        self.by_host.insert(host, charset) != Some(charset)
    }

    /// The charset of the host a request is for.
    pub fn of(&self, request: &RequestHead) -> Option<&'static Encoding> {
        self.by_host.get(&request.host()).copied()
    }
}

/// The charset an HTML answer's label names.
fn named(response: &ResponseHead) -> Option<&'static Encoding> {
    let label = response.headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let kind = label.split(';').next().unwrap_or_default().trim();
    let html = kind.eq_ignore_ascii_case("text/html") || kind.eq_ignore_ascii_case("application/xhtml+xml");
    if html { charset_of_content_type(label) } else { None }
}

impl Ruleset {
    /// How an exchange's bytes are read; `learnt` is what its host's pages named so far.
    pub fn read_options(&self, learnt: Option<&'static Encoding>) -> ReadOptions {
        let charset = if self.shop.states_charset { None } else { learnt };
        ReadOptions { charset: charset.unwrap_or(self.shop.charset) }
    }
}
