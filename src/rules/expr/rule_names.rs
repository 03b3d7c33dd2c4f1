//! What a rule defines for its expressions, held against what they name.

use std::collections::BTreeSet;
use std::ops::Range;

use super::ExprFault;
use crate::diagnostic::nearest;

/// A root that means something only in some rules, as an expression names it.
#[derive(Debug)]
pub(super) struct Ask {
    /// The root.
    pub(super) root: &'static str,
    /// Where it stands.
    pub(super) range: Range<usize>,
    /// The constant key behind it, if one follows.
    pub(super) child: Option<(String, Range<usize>)>,
}

/// Those roots.
pub(super) const ASKED: [&str; 6] = ["find", "flash", "field", "graphql", "params", "vars"];

/// What the expressions of a rule may name.
#[derive(Debug)]
pub struct Defined {
    /// Names of its finds.
    pub finds: Vec<String>,
    /// It runs for GraphQL fields.
    pub graphql: bool,
    /// The shop's messages can be read.
    pub flash: bool,
    /// What the paths of its `on` capture; `None` where these are not known.
    pub params: Option<Vec<String>>,
    /// Names of `[vars]`; `None` where these are not known.
    pub vars: Option<Vec<String>>,
}

/// What the rule at hand defines.
#[derive(Debug)]
pub(super) struct RuleNames {
    defined: Defined,
    used: BTreeSet<String>,
}

impl RuleNames {
    pub(super) fn new(defined: Defined) -> Self {
        Self { defined, used: BTreeSet::new() }
    }

    /// The finds something read.
    pub(super) fn into_used(self) -> BTreeSet<String> {
        self.used
    }

    /// Takes down that a find is read; whether there is one.
    pub(super) fn use_find(&mut self, name: &str) -> bool {
        self.used.insert(name.to_owned());
        self.defined.finds.iter().any(|find| find == name)
    }

    pub(super) fn nearest(&self, name: &str) -> Option<&str> {
        nearest(name, self.defined.finds.iter().map(String::as_str))
    }

    /// What is wrong with naming it here.
    pub(super) fn answer(&mut self, ask: Ask) -> Option<ExprFault> {
        match (ask.root, ask.child) {
            ("find", Some((name, range))) if !self.use_find(&name) => {
                let hint = match self.nearest(&name) {
                    Some(near) => format!("did you mean `find.{near}`?"),
                    None => format!("define it in the rule: `find.{name} = {{ css = \"…\" }}`"),
                };
                Some(ExprFault::error(range, format!("the rule has no `find.{name}`")).hint(hint))
            }
            ("find", None) => {
                self.used.extend(self.defined.finds.iter().cloned());
                None
            }
            ("field" | "graphql", _) if !self.defined.graphql => {
                let message = format!("`{}` is known only where the rule names GraphQL fields", ask.root);
                Some(ExprFault::error(ask.range, message).hint("add `graphql.mutation = \"…\"` or `graphql.query`"))
            }
            ("flash", _) if !self.defined.flash => {
                let fault = ExprFault::error(ask.range, "no [flash] says where this shop's messages are");
                Some(fault.hint("write a table [flash] with `cookie = \"messages\"`"))
            }
            ("params", Some((name, range))) => {
                let known = self.defined.params.as_ref().filter(|known| !known.contains(&name))?;
                let hint = match nearest(&name, known.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `params.{near}`?"),
                    None => format!("write `{{{name}}}` into the path of `on`, where it stands"),
                };
                Some(ExprFault::error(range, format!("no path of `on` captures `{name}`")).hint(hint))
            }
            ("vars", Some((name, range))) => {
                let known = self.defined.vars.as_ref().filter(|known| !known.contains(&name))?;
                let hint = match nearest(&name, known.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `vars.{near}`?"),
                    None => format!("give it a value: [vars] {name} = \"…\", or [shop.vars] for this shop alone"),
                };
                Some(ExprFault::error(range, format!("unknown variable `{name}`")).hint(hint))
            }
            _ => None,
        }
    }
}
