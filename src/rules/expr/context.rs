//! What expressions see of an exchange: each root is converted when an expression first names it, and only once.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Enumerator, Object};
use serde_json::{Map, Value as Json};

use super::fields::{FieldTable, Lines, Repeated};
use super::functions::Rows;
use super::late::Late;
use super::lookups::{IdOf, Known, Lookups};
use super::names::{Reads, Root};
use super::tree::Held;
use super::value::{Table, from_map, to_json};
use crate::exchange::{Damage, Fields, Part, Reading, Url};
use crate::model::Timestamp;
use crate::rules::matching::Found;
use crate::rules::rule::Shop;
use crate::rules::view::View;

/// An exchange as its rules' expressions see it.
pub struct Context<'a> {
    reading: &'a Reading,
    shop: &'a Shop,
    view: &'a dyn View,
    now: Timestamp,
    session: Value,
    converted: RefCell<HashMap<&'static str, Value>>,
    shared: RefCell<HashMap<usize, (Arc<Json>, Value)>>,
    pub(super) lookups: Lookups,
}

/// The same for one rule, and for one of its items.
#[derive(Clone)]
pub struct RuleContext<'a> {
    pub(super) exchange: &'a Context<'a>,
    params: &'a [(String, String)],
    location_params: &'a [(String, String)],
    referer_params: &'a [(String, String)],
    found: Option<&'a Found>,
    item: Option<(Value, usize)>,
    late: Option<&'a Late>,
}

/// One element of a `for_each`.
#[derive(Clone, Debug)]
pub struct Item(pub(super) Value);

impl Item {
    /// As JSON; `None` where it is undefined or too large.
    pub fn json(&self) -> Option<Json> {
        to_json(&self.0).ok().flatten()
    }
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for RuleContext<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RuleContext").field("item", &self.item).finish_non_exhaustive()
    }
}

impl<'a> Context<'a> {
    /// For one exchange; `view` is state as before it, `now` the root of that name.
    pub fn new(reading: &'a Reading, shop: &'a Shop, view: &'a dyn View, now: Timestamp) -> Self {
        let (converted, shared, session) = (RefCell::default(), RefCell::default(), Value::UNDEFINED);
        Self { reading, shop, view, now, session, converted, shared, lookups: Lookups::default() }
    }

    /// The same with what is remembered of the visitor.
    #[must_use]
    pub fn with_session(self, memory: &Arc<Json>) -> Self {
        Self { session: shared(memory), ..self }
    }

    /// For a rule, with what its paths captured.
    pub fn rule(&'a self, params: &'a [(String, String)], location_params: &'a [(String, String)]) -> RuleContext<'a> {
        let referer_params = &[];
        RuleContext { exchange: self, params, location_params, referer_params, found: None, item: None, late: None }
    }

    pub(super) fn view(&self) -> &dyn View {
        self.view
    }

    /// The exchange read.
    pub fn reading(&self) -> &'a Reading {
        self.reading
    }

    fn once(&self, word: &'static str, make: impl FnOnce() -> Value) -> Value {
        if let Some(value) = self.converted.borrow().get(word) {
            return value.clone();
        }
        let value = make();
        self.converted.borrow_mut().insert(word, value.clone());
        value
    }

    /// What several rules may have found alike, converted once.
    fn shared(&self, json: &Arc<Json>) -> Value {
        let place = Arc::as_ptr(json).addr();
        if let Some((_, value)) = self.shared.borrow().get(&place) {
            return value.clone();
        }
        let value = shared(json);
        // The JSON is kept with it, so that no other ever stands in its place.
        self.shared.borrow_mut().insert(place, (Arc::clone(json), value.clone()));
        value
    }

    fn root(&self, root: Root) -> Value {
        let reading = self.reading;
        let exchange = reading.exchange();
        self.once(root.word(), || match root {
            Root::Host => exchange.request.host().into(),
            Root::Method => exchange.request.method.as_str().into(),
            Root::Path => crate::exchange::decode_segment(exchange.request.path(), self.shop.charset).into(),
            Root::Status => exchange.response.as_ref().map_or(Value::UNDEFINED, |head| head.status.as_u16().into()),
            Root::Query => FieldTable::of(reading.query()),
            Root::Form => reading.form().ok().map_or(Value::UNDEFINED, FieldTable::of),
            Root::Json => reading.shared_json().ok().map_or(Value::UNDEFINED, shared),
            Root::ResponseJson => reading.shared_response_json().ok().map_or(Value::UNDEFINED, shared),
            Root::ResponseBody => reading.response_text().ok().map_or(Value::UNDEFINED, Value::from),
            Root::Headers => headers(reading.headers()),
            Root::ResponseHeaders => headers(reading.response_headers()),
            Root::Cookies => cookies(reading.cookies(), Repeated::First),
            Root::ResponseCookies => cookies(reading.response_cookies(), Repeated::Last),
            Root::Vars => shared(&self.shop.vars),
            Root::Shop => shop(self.shop),
            Root::Now => self.now.wc_in(&self.shop.timezone).into(),
            Root::Session => self.session.clone(),
            Root::Known => Value::from_object(Known(self.lookups.clone())),
            Root::IdOf => Value::from_object(IdOf(self.lookups.clone())),
            Root::Rows => Value::from_object(Rows(self.lookups.clone())),
            // Roots of a rule, of an item, and of a webhook's filter.
            _ => Value::UNDEFINED,
        })
    }

    /// What is missing of the bodies that `reads` names, from which absence must not be concluded.
    pub(super) fn damage(&self, reads: Reads) -> Option<(Root, Damage)> {
        fn of<T>(part: &Part<T>) -> Option<Damage> {
            if let Part::Damaged(damage) = part { Some(*damage) } else { None }
        }
        let form = || match self.reading.form() {
            Part::Is(fields) => Fields::damage(fields),
            part => of(&part),
        };
        let parts: [(Root, &dyn Fn() -> Option<Damage>); 4] = [
            (Root::Form, &form),
            (Root::Json, &|| of(&self.reading.json())),
            (Root::ResponseJson, &|| of(&self.reading.response_json())),
            (Root::ResponseBody, &|| of(&self.reading.response_text())),
        ];
        parts.iter().filter(|(root, _)| reads.has(*root)).find_map(|(root, damage)| Some((*root, damage()?)))
    }
}

impl<'a> RuleContext<'a> {
    /// The same for one element of the rule's `for_each`.
    #[must_use]
    pub fn with_item(&self, item: &Item, index: usize) -> Self {
        Self { item: Some((item.0.clone(), index)), ..self.clone() }
    }

    /// The same for late values: the exchange is what was stored of it.
    #[must_use]
    pub fn with_late(&self, late: &'a Late) -> Self {
        Self { late: Some(late), ..self.clone() }
    }

    /// The same with what the rule's path templates captured of the referer.
    #[must_use]
    pub fn with_referer(&self, referer_params: &'a [(String, String)]) -> Self {
        Self { referer_params, ..self.clone() }
    }

    /// The same with what the rule's finds gave.
    #[must_use]
    pub fn with_found(&self, found: &'a Found) -> Self {
        Self { found: Some(found), ..self.clone() }
    }

    /// Whether one of the rule's finds gave something.
    pub fn has_found(&self, name: &str) -> bool {
        self.found.is_some_and(|found| found.finds.iter().any(|(own, _)| own == name))
    }

    /// The exchange read.
    pub fn reading(&self) -> &'a Reading {
        self.exchange.reading
    }

    /// What functions had to say since the last call (`rows` over lists of uneven length).
    pub fn take_notes(&self) -> Vec<String> {
        self.exchange.lookups.take_notes()
    }

    /// What is missing of the body a path starts from.
    pub fn path_damage(&self, parts: &[String]) -> Option<Damage> {
        let mut reads = Reads::default();
        reads.add(path_root(parts)?.0);
        self.exchange.damage(reads).map(|(_, damage)| damage)
    }

    /// What stands at a path of the exchange (`form`, `response.json.product`) as JSON; `None` if nothing, or if it is too
    /// large.
    pub fn path(&self, parts: &[String]) -> Option<Json> {
        let (root, below) = path_root(parts)?;
        let value = below.iter().try_fold(self.root(root), |value, key| value.get_attr(key).ok())?;
        to_json(&value).ok().flatten()
    }

    /// The variables an expression names, as one table.
    pub(super) fn variables(&self, reads: Reads) -> Value {
        let mut variables = Variables(Vec::new());
        let mut response = Table::default();
        for root in reads.iter() {
            match root.word().strip_prefix("response.") {
                Some(part) => response.insert(part, self.root(root)),
                None => variables.0.push((root.word(), self.root(root))),
            }
        }
        variables.0.push(("response", response.into_value()));
        Value::from_object(variables)
    }

    /// What stands at a plain path of words: what an expression that is nothing else gives.
    pub(super) fn plain(&self, root: Root, below: &[String]) -> Value {
        // Below what is not there nothing is: the roots are lenient.
        below.iter().fold(self.root(root), |value, key| value.get_attr(key).unwrap_or(Value::UNDEFINED))
    }

    /// What is missing of the bodies that `reads` names; nothing of what was stored.
    pub(super) fn damage(&self, reads: Reads) -> Option<(Root, Damage)> {
        if self.late.is_some() { None } else { self.exchange.damage(reads) }
    }

    /// The same of the finds that paths name, all of them where one names just `find`.
    pub(super) fn find_damage(&self, paths: &[Vec<String>]) -> Option<(Root, Damage)> {
        let damaged = &self.found.filter(|_| self.late.is_none())?.damaged;
        let of = |path: &Vec<String>| match path.as_slice() {
            [root] if root == Root::Find.word() => damaged.first(),
            [root, name, ..] if root == Root::Find.word() => damaged.iter().find(|(own, _)| own == name),
            _ => None,
        };
        paths.iter().find_map(of).map(|(_, damage)| (Root::Find, *damage))
    }

    pub(super) fn root(&self, root: Root) -> Value {
        if let (Root::Item, Some((item, _))) = (root, &self.item) {
            return item.clone();
        }
        if let (Root::Index, Some((_, index))) = (root, &self.item) {
            return (*index).into();
        }
        if let Some(value) = self.late.and_then(|late| late.root(root)) {
            return value;
        }
        match root {
            Root::Params => captures(self.params),
            Root::Location => self.url(root, self.exchange.reading.location(), self.location_params),
            Root::Referer => self.url(root, self.exchange.reading.referer(), self.referer_params),
            Root::Find | Root::Flash | Root::Graphql | Root::Field => self.found(root),
            _ => self.exchange.root(root),
        }
    }

    fn found(&self, root: Root) -> Value {
        let Some(found) = self.found else { return Value::UNDEFINED };
        let shared =
            |value: &Option<Arc<Json>>| value.as_ref().map_or(Value::UNDEFINED, |value| self.exchange.shared(value));
        match root {
            Root::Find => {
                let finds = found.finds.iter().map(|(name, value)| (name, self.exchange.shared(value)));
                finds.collect::<Table>().into_value()
            }
            Root::Flash => shared(&found.flash),
            _ => shared(&found.field),
        }
    }

    /// `location` or `referer`, with what the rule's path templates captured of it.
    fn url(&self, root: Root, url: Option<&Url>, params: &[(String, String)]) -> Value {
        let Some(url) = url else { return Value::UNDEFINED };
        let shared = self.exchange.once(root.word(), || url_parts(url).into_value());
        if params.is_empty() {
            return shared;
        }
        let Some(parts) = shared.downcast_object::<Table>() else { return shared };
        let mut table: Table = parts
            .keys()
            .iter()
            .filter_map(|key| Some((key.as_str()?.to_owned(), parts.get(key.as_str()?)?.clone())))
            .collect();
        table.insert("params", captures(params));
        table.into_value()
    }
}

/// The few roots that one expression names.
#[derive(Debug)]
struct Variables(Vec<(&'static str, Value)>);

impl Object for Variables {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.0.iter().find(|(name, _)| *name == key).map(|(_, value)| value.clone())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.iter().map(|(name, _)| Value::from(*name)).collect())
    }
}

/// JSON that is kept elsewhere too.
fn shared(json: &Arc<Json>) -> Value {
    Held::Json(Arc::clone(json)).value()
}

/// The root a path starts from, and the keys below it.
pub(super) fn path_root(parts: &[String]) -> Option<(Root, &[String])> {
    let (word, below) = match parts {
        [first, second, below @ ..] if first == "response" => (format!("response.{second}"), below),
        [first, below @ ..] => (first.clone(), below),
        [] => return None,
    };
    Root::ALL.iter().copied().find(|root| root.word() == word).map(|root| (root, below))
}

/// The variables of a webhook's filter.
pub(super) fn filter_variables(event: &Map<String, Json>) -> Value {
    from_map(event)
}

fn captures(pairs: &[(String, String)]) -> Value {
    pairs.iter().map(|(name, value)| (name, Value::from(value.as_str()))).collect::<Table>().into_value()
}

fn headers(headers: &http::HeaderMap) -> Value {
    let lines = headers.iter().map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())));
    Lines::of(lines, Repeated::Joined, true)
}

fn cookies(pairs: &[(String, String)], repeated: Repeated) -> Value {
    Lines::of(pairs.iter().map(|(name, value)| (name.as_str(), Cow::Borrowed(value.as_str()))), repeated, false)
}

fn url_parts(url: &Url) -> Table {
    let text = |text: &str| Value::from(Arc::<str>::from(text));
    let parts = [
        ("url", text(&url.url)),
        ("host", text(&url.host)),
        ("path", text(&url.path)),
        ("query", FieldTable::of(&url.query)),
    ];
    parts.into_iter().collect()
}

fn shop(shop: &Shop) -> Value {
    let parts = [
        ("name", Value::from(shop.name.as_str())),
        ("url", Value::from(shop.url.as_str())),
        ("charset", Value::from(shop.charset.name())),
        ("decimal", Value::from(shop.decimal.to_string())),
        ("timezone", Value::from(shop.timezone.iana_name().unwrap_or("UTC"))),
    ];
    parts.into_iter().collect::<Table>().into_value()
}
