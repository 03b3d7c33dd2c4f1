//! The views of an exchange that need a document parsed: HTML, XML, GraphQL. Each is parsed once, whoever asks.

use std::sync::OnceLock;

use super::json::is_json;
use super::reading::{content_type, essence};
use super::{Damage, GraphqlCall, Page, Part, PersistedDocuments, Reading, Xml, graphql};

/// What has been parsed so far.
#[derive(Debug, Default)]
pub(super) struct Documents {
    html: OnceLock<Part<Page>>,
    response_xml: OnceLock<Part<Xml>>,
    request_xml: OnceLock<Part<Xml>>,
    graphql: OnceLock<Part<Vec<GraphqlCall>>>,
    persisted: PersistedDocuments,
}

impl Reading {
    /// The response body as a page: what is labelled HTML, or has no label and begins like it. JSON under an HTML label is
    /// none. A page that is not whole is damaged, for what is missing in it cannot be told from what was cut.
    pub fn response_html(&self) -> Part<&Page> {
        let read = || {
            let kind = essence(&content_type(self.response_headers()));
            let labelled = kind == "text/html" || kind == "application/xhtml+xml";
            if !labelled && !matches!(kind.as_str(), "" | "text/plain") {
                return Part::NotThis;
            }
            let text = match self.response_text() {
                Part::Is(text) => text,
                Part::NotThis => return Part::NotThis,
                Part::Damaged(damage) => return Part::Damaged(damage),
            };
            let looks = text.trim_start_matches(is_blank).starts_with('<');
            if !looks && (!labelled || matches!(self.response_json(), Part::Is(_))) {
                return Part::NotThis;
            }
            parsed(Page::parse(text))
        };
        self.documents.html.get_or_init(read).as_ref()
    }

    /// The response body as XML, by its label or its look.
    pub fn response_xml(&self) -> Part<&Xml> {
        let read = || {
            let kind = essence(&content_type(self.response_headers()));
            match self.response_text() {
                Part::Is(text) => read_xml(text, &kind, None),
                Part::NotThis => Part::NotThis,
                Part::Damaged(damage) if is_xml(&kind) => Part::Damaged(damage),
                Part::Damaged(damage) => {
                    if kind.is_empty() {
                        Part::Damaged(damage)
                    } else {
                        Part::NotThis
                    }
                }
            }
        };
        self.documents.response_xml.get_or_init(read).as_ref()
    }

    /// The request body as XML, by its label or its look.
    pub fn xml(&self) -> Part<&Xml> {
        let read = || match self.request_text() {
            Part::Is((text, damage)) => read_xml(&text, &essence(&content_type(self.headers())), damage),
            Part::NotThis => Part::NotThis,
            Part::Damaged(damage) => Part::Damaged(damage),
        };
        self.documents.request_xml.get_or_init(read).as_ref()
    }

    /// With the documents that clients name by their hash: those of this exchange are added when [`Self::graphql`] reads it.
    #[must_use]
    pub fn with_persisted(mut self, persisted: &PersistedDocuments) -> Self {
        self.documents.persisted = persisted.clone();
        self
    }

    /// The root fields of GraphQL that the exchange ran: a JSON body or batch, a query string, a form with `operations`, or
    /// `application/graphql`. Empty where the shop could not choose an operation. Damaged if the document or the answer
    /// cannot be read, or a hash is not known.
    pub fn graphql(&self) -> Part<&[GraphqlCall]> {
        let read = || match self.graphql_asked() {
            Part::Is(asked) => graphql::calls(&asked, self.response_json(), &self.documents.persisted),
            Part::NotThis => Part::NotThis,
            Part::Damaged(damage) => Part::Damaged(damage),
        };
        match self.documents.graphql.get_or_init(read) {
            Part::Is(calls) => Part::Is(calls),
            Part::NotThis => Part::NotThis,
            Part::Damaged(damage) => Part::Damaged(*damage),
        }
    }

    fn graphql_asked(&self) -> Part<Vec<graphql::Asked>> {
        let kind = essence(&content_type(self.headers()));
        let asked = if self.exchange().request.method == http::Method::GET {
            graphql::from_query(self.query())
        } else if kind == "application/graphql" {
            match self.request_text() {
                Part::Is((text, None)) => graphql::from_text(&text, self.query()),
                Part::Is((_, Some(damage))) | Part::Damaged(damage) => return Part::Damaged(damage),
                Part::NotThis => Vec::new(),
            }
        } else {
            match (self.json(), self.form()) {
                (Part::Is(body), _) => graphql::from_request_json(body),
                (_, Part::Is(form)) => graphql::from_form(form),
                (Part::Damaged(damage), Part::NotThis) => return Part::Damaged(damage),
                _ => Vec::new(),
            }
        };
        if asked.is_empty() { Part::NotThis } else { Part::Is(asked) }
    }
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() || c == '\u{feff}'
}

/// `application/xml`, `text/xml`, anything that ends in `+xml` (RFC 7303).
fn is_xml(kind: &str) -> bool {
    kind.ends_with("/xml") || kind.ends_with("+xml")
}

/// One that is labelled so but is none is damaged; one with another label is XML only if it begins with a declaration and
/// reads well.
fn read_xml(text: &str, kind: &str, damage: Option<Damage>) -> Part<Xml> {
    let labelled = is_xml(kind);
    let looks = text.trim_start_matches(is_blank).starts_with("<?xml") && !is_json(kind);
    if text.trim_matches(is_blank).is_empty() || !(labelled || looks) {
        return Part::NotThis;
    }
    if let Some(damage) = damage {
        return Part::Damaged(damage);
    }
    match Xml::parse(text) {
        Err(Damage::Undecodable) if !labelled => Part::NotThis,
        parse => parsed(parse),
    }
}

fn parsed<T>(parse: Result<T, Damage>) -> Part<T> {
    match parse {
        Ok(document) => Part::Is(document),
        Err(damage) => Part::Damaged(damage),
    }
}
