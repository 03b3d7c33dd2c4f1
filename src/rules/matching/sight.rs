//! One exchange as all rules see it: what costs something is worked out once, when a rule first asks for it.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::Value;

use crate::exchange::{Damage, Page, Reading};

use super::super::rule::{EventRule, Extract, Flash};
use super::extract::Outcome;
use super::flash::{Flashed, added};
use super::graphql::{Operations, operations};
use super::look::Stage;

/// Pages parsed of other texts than the body, kept for other finds in the same text.
const MAX_PAGES: usize = 16;

/// A page parsed, or why it cannot be.
type Parsed = Rc<Result<Page, Damage>>;

/// One exchange.
pub(in super::super) struct Sight<'a> {
    pub(in super::super) reading: &'a Reading,
    flash_table: Option<&'a Flash>,
    flashed: OnceCell<Flashed>,
    operations: OnceCell<Operations>,
    pages: RefCell<Vec<(String, Parsed)>>,
    found: RefCell<HashMap<usize, Outcome>>,
}

/// What a condition is asked about: the exchange, as far as it has come, and the rule it stands in.
#[derive(Clone, Copy)]
pub(in super::super) struct Scene<'a> {
    pub(in super::super) sight: &'a Sight<'a>,
    /// How much of the exchange there is to be seen.
    pub(in super::super) stage: Stage,
    /// The rule: its templates say what `location.params` and `referer.params` mean.
    pub(in super::super) rule: Option<&'a EventRule>,
    /// The GraphQL root field it runs for.
    pub(in super::super) field: Option<&'a Value>,
    /// What its finds gave, once they have been asked.
    pub(in super::super) finds: Option<&'a [(String, Outcome)]>,
    /// What is remembered of the visitor, once state is asked.
    pub(in super::super) memory: Option<&'a Value>,
    /// Of a wait: what its conditions took of the exchange that matched, once a match is asked.
    pub(in super::super) texts: Option<&'a [String]>,
}

impl<'a> Sight<'a> {
    /// Nothing is worked out yet. `flash` is the ruleset's table.
    pub(in super::super) fn new(reading: &'a Reading, flash: Option<&'a Flash>) -> Self {
        let (flashed, operations) = (OnceCell::new(), OnceCell::new());
        let (pages, found) = (RefCell::default(), RefCell::default());
        Self { reading, flash_table: flash, flashed, operations, pages, found }
    }

    /// The exchange up to a stage, for conditions outside of rules.
    pub(in super::super) fn scene(&'a self, stage: Stage) -> Scene<'a> {
        Scene { sight: self, stage, rule: None, field: None, finds: None, memory: None, texts: None }
    }

    /// The same for a rule.
    pub(in super::super) fn scene_of(&'a self, stage: Stage, rule: &'a EventRule) -> Scene<'a> {
        Scene { rule: Some(rule), ..self.scene(stage) }
    }

    /// The flash messages that the answer added.
    pub(in super::super) fn flashed(&self) -> &Flashed {
        self.flashed.get_or_init(|| added(self.reading, self.flash_table))
    }

    /// The executed root fields.
    pub(in super::super) fn operations(&self) -> &Operations {
        self.operations.get_or_init(|| operations(self.reading))
    }

    /// What a find gives; equal ones are computed once.
    pub(in super::super) fn find(&self, extract: &Extract) -> Outcome {
        if let Some(outcome) = self.found.borrow().get(&extract.number) {
            return outcome.clone();
        }
        let outcome = super::extract::extract(self, extract);
        self.found.borrow_mut().insert(extract.number, outcome.clone());
        outcome
    }

    /// A text that is no body, as a page; equal texts are parsed once.
    pub(super) fn page_of(&self, text: &str) -> Parsed {
        if let Some((_, page)) = self.pages.borrow().iter().find(|(known, _)| known == text) {
            return Rc::clone(page);
        }
        let page = Rc::new(Page::parse(text));
        let mut pages = self.pages.borrow_mut();
        if pages.len() < MAX_PAGES {
            pages.push((text.to_owned(), Rc::clone(&page)));
        }
        page
    }
}

/// What a rule's finds gave, and the GraphQL field and flash messages it saw: the roots `find`, `field` and `flash` of its
/// expressions.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// By NAME; those that found nothing are left out.
    pub finds: Vec<(String, Arc<Value>)>,
    /// Optional ones whose source is cut or cannot be decoded: that they found nothing says nothing.
    pub damaged: Vec<(String, Damage)>,
    /// The GraphQL root field it runs for: `name alias args data errors`.
    pub field: Option<Arc<Value>>,
    /// The messages the answer added: a list of `level text`; absent where that is not known.
    pub flash: Option<Arc<Value>>,
    /// What is left to the session's next page.
    pub page: NextPage,
}

/// What the messages on the session's next page decide about a match; nothing where only its values name them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NextPage {
    /// Whether there is one: its own `flash` is open.
    pub asked: bool,
    /// The finds that they may tell.
    pub finds: Vec<String>,
}
