//! What a find gives: texts of a source, narrowed by markup, attribute and expression.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::exchange::{Damage, Node, Page, Part, Xml};

use super::super::rule::{Column, Extract, Markup, Pick, Source, What};
use super::fit::Why;
use super::flash::{Flashed, Shown};
use super::look::{Look, Stage, look};
use super::nested::{descend, texts_of};
use super::sight::Sight;

/// Values one find gives.
pub(super) const MAX_VALUES: usize = 10_000;
/// Bytes the values of one find come to.
const MAX_BYTES: usize = 1024 * 1024;

/// What a find gave.
#[derive(Clone, Debug)]
pub(in super::super) enum Outcome {
    /// A text, a list of texts, or a list of tables.
    Found(Arc<Value>),
    /// Its sources are there, and nothing of the kind in them.
    Nothing,
    /// There is no body of the kind it reads.
    NoSource,
    /// Its source cannot be read, or it gives more than a find may.
    Damaged(Damage),
    /// The messages on the session's next page may tell it; until then what the sources behind them give.
    NextPage(Option<Arc<Value>>),
}

/// Works a find out: the first source that yields wins.
pub(super) fn extract(sight: &Sight<'_>, extract: &Extract) -> Outcome {
    let mut outcome = Outcome::NoSource;
    let mut open = false;
    for source in &extract.sources {
        match from(sight, source, &extract.what) {
            Outcome::NoSource => {}
            Outcome::Nothing => outcome = Outcome::Nothing,
            Outcome::Found(value) if open => return Outcome::NextPage(Some(value)),
            Outcome::Damaged(_) if open => return Outcome::NextPage(None),
            decided => return decided,
        }
        open |= matches!(source, Source::Flash) && sight.flashed().open == Some(Why::NextPage);
    }
    if open { Outcome::NextPage(None) } else { outcome }
}

/// What a find gives of messages that a page shows. An expression is held against a message's text, and where that gives
/// nothing against its HTML, for the links in it; all else reads the HTML.
pub(super) fn of_boxes(sight: &Sight<'_>, extract: &Extract, boxes: &[Shown]) -> Outcome {
    let plain = matches!(&extract.what, What::Value(Pick { markup: Markup::Plain, .. }));
    let mut out = Collector::of(&extract.what);
    for shown in boxes {
        let before = out.values.len();
        let texts = [plain.then_some(&shown.message.text), Some(&shown.html)];
        for text in texts.into_iter().flatten() {
            if out.values.len() == before
                && let Err(damage) = out.text(sight, text)
            {
                return Outcome::Damaged(damage);
            }
        }
        if out.done() {
            break;
        }
    }
    out.finish()
}

fn from(sight: &Sight<'_>, source: &Source, what: &What) -> Outcome {
    let reading = sight.reading;
    let markup = match what {
        What::Value(pick) => &pick.markup,
        What::Rows { rows, .. } => &Markup::Css(rows.clone()),
    };
    let mut out = Collector::of(what);
    match (source, markup) {
        (Source::Body, Markup::Css(_)) => match reading.response_html() {
            Part::Is(page) => out.page(page),
            Part::NotThis => return Outcome::NoSource,
            Part::Damaged(damage) => return Outcome::Damaged(damage),
        },
        (Source::Body | Source::Request, Markup::Xml(_)) => {
            let body = if matches!(source, Source::Body) { reading.response_xml() } else { reading.xml() };
            match body {
                Part::Is(xml) => out.xml(xml),
                Part::NotThis => return Outcome::NoSource,
                Part::Damaged(damage) => return Outcome::Damaged(damage),
            }
        }
        _ => {
            let texts = match texts(sight, source) {
                Texts::Are(texts) => texts,
                Texts::NoSource => return Outcome::NoSource,
                Texts::Damaged(damage) => return Outcome::Damaged(damage),
            };
            for text in texts {
                if let Err(damage) = out.text(sight, &text) {
                    return Outcome::Damaged(damage);
                }
                if out.done() {
                    break;
                }
            }
        }
    }
    out.finish()
}

/// The texts of a source.
enum Texts<'a> {
    Are(Vec<Cow<'a, str>>),
    NoSource,
    Damaged(Damage),
}

fn texts<'a>(sight: &'a Sight<'a>, source: &Source) -> Texts<'a> {
    let reading = sight.reading;
    match source {
        Source::Body => match reading.response_text() {
            Part::Is(text) => Texts::Are(vec![Cow::Borrowed(text)]),
            Part::NotThis => Texts::NoSource,
            Part::Damaged(damage) => Texts::Damaged(damage),
        },
        Source::Request => match reading.request_text() {
            Part::Is((text, None)) => Texts::Are(vec![Cow::Owned(text)]),
            Part::NotThis => Texts::NoSource,
            Part::Is((_, Some(damage))) | Part::Damaged(damage) => Texts::Damaged(damage),
        },
        Source::Location => {
            Texts::Are(reading.location().map(|url| Cow::Borrowed(url.url.as_str())).into_iter().collect())
        }
        Source::Flash => match sight.flashed() {
            Flashed { open: Some(Why::Damaged(damage)), messages } if messages.is_empty() => Texts::Damaged(*damage),
            Flashed { messages, .. } => {
                Texts::Are(messages.iter().map(|message| Cow::Borrowed(message.text.as_str())).collect())
            }
        },
        Source::Field { root, below } => {
            let charset = reading.options().charset;
            match look(root, sight.scene(Stage::Whole)) {
                Look::Texts(texts) if below.is_empty() => Texts::Are(texts),
                Look::Texts(texts) => {
                    let whole = texts.iter().map(|text| Value::String(text.clone().into_owned())).collect::<Vec<_>>();
                    let found = whole.iter().filter_map(|text| descend(text, below, charset));
                    Texts::Are(found.flat_map(|value| texts_of(&value)).take(MAX_VALUES).map(Cow::Owned).collect())
                }
                Look::Tree { value, damage, .. } => {
                    let found = value.as_deref().and_then(|value| descend(value, below, charset));
                    match (found, damage) {
                        (Some(value), _) => Texts::Are(texts_of(&value).into_iter().map(Cow::Owned).collect()),
                        (None, Some(damage)) => Texts::Damaged(damage),
                        (None, None) => Texts::Are(Vec::new()),
                    }
                }
                Look::Damaged(damage) => Texts::Damaged(damage),
                _ => Texts::NoSource,
            }
        }
    }
}

/// What has been found so far, within bounds.
struct Collector<'w> {
    what: &'w What,
    values: Vec<Value>,
    bytes: usize,
}

impl<'w> Collector<'w> {
    fn of(what: &'w What) -> Self {
        Self { what, values: Vec::new(), bytes: 0 }
    }

    fn full(&self) -> bool {
        self.values.len() >= MAX_VALUES || self.bytes > MAX_BYTES
    }

    fn done(&self) -> bool {
        self.full() || matches!(self.what, What::Value(pick) if !pick.all && !self.values.is_empty())
    }

    fn push(&mut self, value: Value) {
        self.bytes = self.bytes.saturating_add(size(&value));
        self.values.push(value);
    }

    fn page(&mut self, page: &Page) {
        match self.what {
            What::Value(pick) => {
                let Markup::Css(css) = &pick.markup else { return };
                for node in page.select(css) {
                    self.piece(pick, read(node, pick));
                    if self.done() {
                        return;
                    }
                }
            }
            What::Rows { rows, cols } => {
                for row in page.select(rows) {
                    if let Some(table) = table(row, cols) {
                        self.push(Value::Object(table));
                    }
                    if self.full() {
                        return;
                    }
                }
            }
        }
    }

    fn xml(&mut self, xml: &Xml) {
        let What::Value(pick) = self.what else { return };
        let Markup::Xml(path) = &pick.markup else { return };
        for text in xml.find(path) {
            self.piece(pick, Some(text));
            if self.done() {
                return;
            }
        }
    }

    fn text(&mut self, sight: &Sight<'_>, text: &str) -> Result<(), Damage> {
        match self.what {
            What::Rows { .. } | What::Value(Pick { markup: Markup::Css(_), .. }) => match &*sight.page_of(text) {
                Ok(page) => self.page(page),
                Err(damage) => return Err(*damage),
            },
            // A text that is no XML holds nothing of it.
            What::Value(Pick { markup: Markup::Xml(_), .. }) => match Xml::parse(text) {
                Ok(xml) => self.xml(&xml),
                Err(Damage::Undecodable) => {}
                Err(damage) => return Err(damage),
            },
            What::Value(pick) => self.piece(pick, Some(text.to_owned())),
        }
        Ok(())
    }

    /// One element's text, and what the expression makes of it.
    fn piece(&mut self, pick: &Pick, text: Option<String>) {
        for value in text.into_iter().flat_map(|text| matches(pick, text)) {
            self.push(Value::String(value));
            if self.done() {
                return;
            }
        }
    }

    fn finish(mut self) -> Outcome {
        if self.bytes > MAX_BYTES {
            return Outcome::Damaged(Damage::TooLarge);
        }
        let single = matches!(self.what, What::Value(pick) if !pick.all);
        match (self.values.is_empty(), single) {
            (true, _) => Outcome::Nothing,
            (false, true) => Outcome::Found(Arc::new(self.values.swap_remove(0))),
            (false, false) => Outcome::Found(Arc::new(Value::Array(self.values))),
        }
    }
}

/// An element's text or attribute.
fn read(node: Node<'_>, pick: &Pick) -> Option<String> {
    match &pick.attr {
        Some(name) => node.attr(name),
        None => Some(node.text()),
    }
}

/// What an expression gives of a text: the first match, or with `all` each.
fn matches(pick: &Pick, text: String) -> Vec<String> {
    let Some(regex) = &pick.regex else { return vec![text] };
    let most = if pick.all { MAX_VALUES } else { 1 };
    let value = |found: regex::Captures<'_>| {
        let group = found.iter().skip(1).flatten().next();
        // Groups of which none took part gave nothing.
        let whole = if found.len() == 1 { found.get(0) } else { None };
        group.or(whole).map(|value| value.as_str().to_owned())
    };
    regex.captures_iter(&text).filter_map(value).take(most).collect()
}

/// A row's columns; `None` where one is missing that must be there.
fn table(row: Node<'_>, cols: &[Column]) -> Option<Map<String, Value>> {
    let mut table = Map::new();
    for column in cols {
        match cell(row, &column.pick) {
            Some(value) => {
                table.insert(column.name.clone(), value);
            }
            None if column.optional => {}
            None => return None,
        }
    }
    Some(table)
}

fn cell(row: Node<'_>, pick: &Pick) -> Option<Value> {
    let nodes = match &pick.markup {
        Markup::Css(css) => row.select(css),
        Markup::Plain | Markup::Xml(_) => vec![row],
    };
    let mut values =
        nodes.into_iter().filter_map(|node| read(node, pick)).flat_map(|text| matches(pick, text)).map(Value::String);
    if !pick.all {
        return values.next();
    }
    let all: Vec<Value> = values.take(MAX_VALUES).collect();
    (!all.is_empty()).then_some(Value::Array(all))
}

fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(table) => table.iter().map(|(name, value)| name.len() + size(value)).sum(),
        _ => 0,
    }
}
