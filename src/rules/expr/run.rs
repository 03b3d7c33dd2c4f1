//! Compiled expressions with the environment they run in, within bounds of time and memory.

use std::fmt;

use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value};
use serde_json::{Map, Value as Json};

use super::builder::{self, Source};
use super::context::{Item, RuleContext, filter_variables, path_root};
use super::lookups::MAX_LOOKUPS;
use super::names::Reads;
use super::program::{Compiled, Program};
use super::value::{self, is_nothing, scalar_text, to_json};
use super::{Expr, Piece, Template, filters, functions};
use crate::exchange::Damage;
use crate::model::MAX_BODY_BYTES;
use crate::rules::rule::Shop;

/// What one run of one expression may spend: about one unit an instruction and one for 64 bytes of data made.
pub const FUEL: u64 = 20_000;

/// How deep calls may nest while an expression runs.
const MAX_RECURSION: usize = 64;

/// The most elements a `for_each` may give.
pub const MAX_ITEMS: usize = 10_000;

/// Compiled expressions with the environment they run in.
pub struct Expressions {
    program: Program,
    sources: Vec<Source>,
}

/// Why an expression gave nothing at run time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunError {
    /// The expression.
    pub source: String,
    /// What went wrong, for people.
    pub message: String,
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.source, self.message)
    }
}

impl fmt::Debug for Expressions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expressions").field("sources", &self.sources).finish_non_exhaustive()
    }
}

impl Expressions {
    pub(super) fn compile(sources: Vec<Source>, shop: &Shop) -> Self {
        // The builder has parsed every source on such a stack before, so none fails here.
        let program = builder::with_parser_stack(|| Program::new(environment(shop), |env| compiled(env, &sources)));
        let program = program.unwrap_or_else(|| Program::new(environment(shop), |_| Vec::new()));
        Self { program, sources }
    }

    /// The text of an expression.
    pub fn source(&self, expr: Expr) -> &str {
        self.sources.get(expr.0).map_or("", |source| &source.text)
    }

    /// A value as it is written, blanks in its braces aside.
    pub fn written(&self, template: &Template) -> String {
        let hole = |expr: Expr| format!("{{{{ {} }}}}", self.source(expr).trim());
        match template {
            Template::Literal(text) => text.clone(),
            Template::Single(expr) => hole(*expr),
            Template::Mixed(pieces) => pieces
                .iter()
                .map(|piece| match piece {
                    Piece::Text(text) => text.clone(),
                    Piece::Hole(expr) => hole(*expr),
                })
                .collect(),
        }
    }

    pub(super) fn source_of(&self, expr: Expr) -> Option<&Source> {
        self.sources.get(expr.0)
    }

    /// Whether an expression reads the response's body.
    pub fn reads_response_body(&self, expr: Expr) -> bool {
        self.sources.get(expr.0).is_some_and(|source| builder::reads_response_body(source.reads))
    }

    /// The body an expression reads, itself or by an optional find, that is cut or cannot be decoded: its root and why.
    pub fn damage(&self, expr: Expr, context: &RuleContext<'_>) -> Option<(&'static str, Damage)> {
        let source = self.sources.get(expr.0)?;
        let damage = context.damage(source.reads).or_else(|| context.find_damage(&source.paths));
        damage.map(|(root, damage)| (root.word(), damage))
    }

    /// The same where something that the expression names does not stand in what is known of the body, and may stand in the
    /// rest.
    pub fn unknown(&self, expr: Expr, context: &RuleContext<'_>) -> Option<(&'static str, Damage)> {
        let source = self.sources.get(expr.0)?;
        context.damage(source.reads)?;
        source.reads.iter().find_map(|root| {
            let (_, damage) = context.damage(Reads::of(root))?;
            let lacks =
                |path: &Vec<String>| path_root(path).is_some_and(|(own, _)| own == root) && !context.tells(path);
            source.paths.iter().any(lacks).then(|| (root.word(), damage))
        })
    }

    /// Whether a condition holds.
    pub fn truth(&self, expr: Expr, context: &RuleContext<'_>) -> Result<bool, RunError> {
        self.run(expr, context).map(|value| value.is_true())
    }

    /// What a `for_each` gives: the items of a list, `{key, value}` of a table, one text; nothing for what is undefined or
    /// empty. More than [`MAX_ITEMS`] are an error.
    pub fn elements(&self, expr: Expr, context: &RuleContext<'_>) -> Result<Vec<Item>, RunError> {
        use minijinja::value::ValueKind;
        let list = self.run(expr, context)?;
        let fault = |message: String| self.error(expr, message);
        let iterate = || list.try_iter().map_err(|error| fault(describe(&error)));
        let mut items = Vec::new();
        match list.kind() {
            ValueKind::Undefined | ValueKind::None => {}
            ValueKind::String if list.as_str().is_some_and(|text| text.trim().is_empty()) => {}
            ValueKind::Map => {
                for key in iterate()?.take(MAX_ITEMS + 1) {
                    let value = list.get_item(&key).unwrap_or(Value::UNDEFINED);
                    let pair: value::Table = [("key", key), ("value", value)].into_iter().collect();
                    items.push(Item(pair.into_value()));
                }
            }
            ValueKind::Seq | ValueKind::Iterable => items.extend(iterate()?.take(MAX_ITEMS + 1).map(Item)),
            _ => items.push(Item(list)),
        }
        if items.len() > MAX_ITEMS {
            return Err(fault(format!("`for_each` gives more than {MAX_ITEMS} items")));
        }
        Ok(items)
    }

    /// A value: text for literals and mixed text, of its own type for a lone hole; `None` where it is undefined.
    pub fn value(&self, template: &Template, context: &RuleContext<'_>) -> Result<Option<Json>, RunError> {
        match template {
            Template::Single(expr) => {
                let value = self.run(*expr, context)?;
                to_json(&value).map_err(|error| self.error(*expr, error.to_string()))
            }
            Template::Literal(_) | Template::Mixed(_) => Ok(self.text(template, context)?.map(Json::String)),
        }
    }

    /// A value as text; `None` where it is undefined or none. A list or a table is an error.
    pub fn text(&self, template: &Template, context: &RuleContext<'_>) -> Result<Option<String>, RunError> {
        let pieces = match template {
            Template::Literal(text) => return Ok(Some(text.clone())),
            Template::Single(expr) => return self.hole(*expr, context),
            Template::Mixed(pieces) => pieces,
        };
        let mut out = String::new();
        let mut whole = true;
        for piece in pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                // Every hole runs, so that each error is told.
                Piece::Hole(expr) => match self.hole(*expr, context)? {
                    Some(text) if out.len().saturating_add(text.len()) > MAX_BODY_BYTES => {
                        return Err(self.error(*expr, format!("the text comes to more than {MAX_BODY_BYTES} bytes")));
                    }
                    Some(text) => out.push_str(&text),
                    None => whole = false,
                },
            }
        }
        Ok(whole.then_some(out))
    }

    fn hole(&self, expr: Expr, context: &RuleContext<'_>) -> Result<Option<String>, RunError> {
        let value = self.run(expr, context)?;
        if is_nothing(&value) {
            return Ok(None);
        }
        let text = scalar_text(&value);
        text.map(Some).ok_or_else(|| self.error(expr, format!("a {} is no text", value.kind())))
    }

    /// Whether a webhook's filter lets an event through; a run-time error lets it through (losing is worse), and is told.
    pub fn filter(&self, expr: Expr, event: &Map<String, Json>) -> Result<bool, String> {
        let value = self.eval(expr, filter_variables(event));
        value.map(|value| value.is_true()).map_err(|error| self.error(expr, describe(&error)).to_string())
    }

    fn run(&self, expr: Expr, context: &RuleContext<'_>) -> Result<Value, RunError> {
        let source = self.sources.get(expr.0);
        if let Some((root, below)) = source.and_then(|source| source.plain.as_ref()) {
            return Ok(context.plain(*root, below));
        }
        let reads = source.map(|source| source.reads).unwrap_or_default();
        let variables = context.variables(reads);
        let lookups = &context.exchange.lookups;
        lookups.begin();
        for _ in 0..MAX_LOOKUPS {
            match self.eval(expr, variables.clone()) {
                Ok(value) => return Ok(value),
                // A question to state was open: it has its answer now, and the expression runs again.
                Err(_) if lookups.answer(context.exchange.view()) => {}
                Err(error) => return Err(self.error(expr, describe(&error))),
            }
        }
        self.eval(expr, variables).map_err(|error| self.error(expr, describe(&error)))
    }

    fn eval(&self, expr: Expr, variables: Value) -> Result<Value, minijinja::Error> {
        self.program.with_dependent(|_, compiled| match compiled.get(expr.0) {
            Some(Some(expression)) => expression.eval(variables),
            _ => Err(minijinja::Error::new(ErrorKind::InvalidOperation, "it was not compiled")),
        })
    }

    fn error(&self, expr: Expr, message: String) -> RunError {
        RunError { source: self.source(expr).to_owned(), message }
    }
}

fn compiled<'env>(env: &'env Environment<'static>, sources: &[Source]) -> Compiled<'env> {
    sources.iter().map(|source| env.compile_expression_owned(source.text.clone()).ok()).collect()
}

/// The environment all expressions of a ruleset run in.
fn environment(shop: &Shop) -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Chainable);
    env.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    env.set_fuel(Some(FUEL));
    env.set_recursion_limit(MAX_RECURSION);
    env.set_debug(false);
    env.add_function("changed", functions::changed);
    filters::install(&mut env, shop);
    env
}

/// What MiniJinja says, without the place in a source of one line.
fn describe(error: &minijinja::Error) -> String {
    match (error.kind(), error.detail()) {
        (ErrorKind::OutOfFuel, _) => "it takes too much work or memory".to_owned(),
        (kind, None) => kind.to_string(),
        (_, Some(detail)) => detail.to_owned(),
    }
}
