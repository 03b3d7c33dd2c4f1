//! `find.NAME`: what is looked for, and where.

use std::sync::Arc;

use regex::Regex;

use crate::exchange::{Selector, XmlPath};

use super::Subject;

/// `find.NAME` of a rule.
#[derive(Clone, Debug)]
pub struct Find {
    /// NAME.
    pub name: String,
    /// What it looks for. Equal finds of a ruleset share it.
    pub extract: Arc<Extract>,
    /// The rule matches without it.
    pub optional: bool,
    /// The rule matches only without it.
    pub absent: bool,
    /// As written, for `explain`.
    pub text: String,
}

/// What is looked for, and where.
#[derive(Debug)]
pub struct Extract {
    /// Its number in the ruleset: results are kept under it, so that each is computed once for an exchange.
    pub number: usize,
    /// Where: the first that yields wins.
    pub sources: Vec<Source>,
    /// What.
    pub what: What,
}

/// Where a find looks.
#[derive(Clone, Debug)]
pub enum Source {
    /// The response's body.
    Body,
    /// The request's body.
    Request,
    /// The resolved location.
    Location,
    /// The texts of the flash messages that the answer added.
    Flash,
    /// A field. Keys that go on below a text read that text: as JSON where it is, else as a urlencoded form.
    Field {
        /// The root.
        root: Subject,
        /// The keys below it.
        below: Vec<String>,
    },
}

/// What a find gives.
#[derive(Debug)]
pub enum What {
    /// A text, or with `all` a list of texts.
    Value(Pick),
    /// A list of tables.
    Rows {
        /// Where each row is.
        rows: Selector,
        /// Its columns.
        cols: Vec<Column>,
    },
}

/// One column of `cols`.
#[derive(Debug)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What stands in it.
    pub pick: Pick,
    /// A row without it is not left out.
    pub optional: bool,
}

/// How texts are taken out of a text.
#[derive(Debug)]
pub struct Pick {
    /// By which markup.
    pub markup: Markup,
    /// An element's attribute instead of its text.
    pub attr: Option<String>,
    /// Its first group, or else the whole match, instead of the text.
    pub regex: Option<Regex>,
    /// All of them, instead of the first.
    pub all: bool,
}

/// The markup a text is read by.
#[derive(Clone, Debug)]
pub enum Markup {
    /// None: the text itself.
    Plain,
    /// HTML.
    Css(Selector),
    /// XML.
    Xml(XmlPath),
}

impl Extract {
    /// Whether it reads the shop's messages.
    pub fn reads_flash(&self) -> bool {
        self.sources.iter().any(|source| matches!(source, Source::Flash))
    }

    /// Whether it needs the response's body.
    pub fn reads_response_body(&self) -> bool {
        let of = |source: &Source| match source {
            Source::Body => true,
            Source::Field { root, .. } => matches!(root, Subject::ResponseJson(_)),
            Source::Request | Source::Location | Source::Flash => false,
        };
        self.sources.iter().any(of)
    }
}
