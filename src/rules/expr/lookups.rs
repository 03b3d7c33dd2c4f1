//! `known(…)` and `id_of(…)`: state as it was before the exchange. MiniJinja's functions cannot borrow a [`View`], so a
//! function that lacks an answer names its question and fails; the answer is fetched and the expression, which is pure, runs
//! again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::value::{Object, ObjectRepr};
use minijinja::{Error, ErrorKind, State, Value};

use super::tree::Held;
use super::value::scalar_text;
use crate::model::Identity;
use crate::rules::view::{View, fold};

/// The most new questions one run of an expression may put to state; it runs again for each.
pub(super) const MAX_LOOKUPS: usize = 32;

/// The most answers kept for later expressions of the exchange.
const MAX_ANSWERS: usize = 4096;

/// A question to state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Question {
    Known { resource: String, id: String },
    IdOf { resource: String, key: String, value: String },
}

/// Questions and answers of one exchange.
#[derive(Debug, Default)]
struct Asked {
    answers: HashMap<Question, Value>,
    open: Option<Question>,
    notes: Vec<String>,
}

/// Shared between the functions in an expression's context and the loop that runs it.
#[derive(Clone, Debug, Default)]
pub(super) struct Lookups(Arc<Mutex<Asked>>);

impl Lookups {
    fn with<T>(&self, work: impl FnOnce(&mut Asked) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A new expression begins.
    pub(super) fn begin(&self) {
        self.with(|asked| {
            asked.open = None;
            if asked.answers.len() > MAX_ANSWERS {
                asked.answers.clear();
            }
        });
    }

    /// Answers the question the last run stopped at; false if there was none.
    pub(super) fn answer(&self, view: &dyn View) -> bool {
        let Some(question) = self.with(|asked| asked.open.take()) else { return false };
        let answer = match &question {
            Question::Known { resource, id } => view.known(resource, &Identity::Id(id.clone())).map(|known| {
                let mut fields = known.fields;
                fields.insert("facts".to_owned(), known.facts.into());
                Held::Json(Arc::new(fields.into())).value()
            }),
            Question::IdOf { resource, key, value } => view.id_of(resource, key, value).map(Value::from),
        };
        self.with(|asked| asked.answers.insert(question, answer.unwrap_or(Value::UNDEFINED)));
        true
    }

    /// What functions had to say, once.
    pub(super) fn take_notes(&self) -> Vec<String> {
        self.with(|asked| std::mem::take(&mut asked.notes))
    }

    pub(super) fn note(&self, text: &str) {
        self.with(|asked| asked.notes.push(text.to_owned()));
    }

    fn ask(&self, question: Question) -> Result<Value, Error> {
        self.with(|asked| {
            if let Some(answer) = asked.answers.get(&question) {
                return Ok(answer.clone());
            }
            asked.open = Some(question);
            Err(Error::new(ErrorKind::InvalidOperation, "too many look-ups of what is known"))
        })
    }
}

/// The function `known`.
#[derive(Debug)]
pub(super) struct Known(pub(super) Lookups);

/// The function `id_of`.
#[derive(Debug)]
pub(super) struct IdOf(pub(super) Lookups);

impl Object for Known {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let [resource, id] = args else { return Err(wrong("known(resource, id)")) };
        let (Some(resource), Some(id)) = (scalar_text(resource), scalar_text(id)) else { return Ok(Value::UNDEFINED) };
        match id.trim() {
            "" => Ok(Value::UNDEFINED),
            id => self.0.ask(Question::Known { resource, id: id.to_owned() }),
        }
    }
}

impl Object for IdOf {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let [resource, key, value] = args else { return Err(wrong("id_of(resource, key, value)")) };
        match (scalar_text(resource), scalar_text(key), scalar_text(value).map(|value| fold(&value))) {
            (Some(resource), Some(key), Some(value)) if !value.is_empty() => {
                self.0.ask(Question::IdOf { resource, key, value })
            }
            _ => Ok(Value::UNDEFINED),
        }
    }
}

fn wrong(form: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("this function is called as {form}"))
}
