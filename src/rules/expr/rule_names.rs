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
pub(super) const ASKED: [&str; 4] = ["find", "flash", "field", "graphql"];

/// What the rule at hand defines.
#[derive(Debug)]
pub(super) struct RuleNames {
    finds: Vec<String>,
    graphql: bool,
    flash: bool,
    used: BTreeSet<String>,
}

impl RuleNames {
    pub(super) fn new(finds: Vec<String>, graphql: bool, flash: bool) -> Self {
        Self { finds, graphql, flash, used: BTreeSet::new() }
    }

    /// The finds something read.
    pub(super) fn into_used(self) -> BTreeSet<String> {
        self.used
    }

    /// Takes down that a find is read; whether there is one.
    pub(super) fn use_find(&mut self, name: &str) -> bool {
        self.used.insert(name.to_owned());
        self.finds.iter().any(|find| find == name)
    }

    pub(super) fn nearest(&self, name: &str) -> Option<&str> {
        nearest(name, self.finds.iter().map(String::as_str))
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
                self.used.extend(self.finds.iter().cloned());
                None
            }
            ("field" | "graphql", _) if !self.graphql => {
                let message = format!("`{}` is known only where the rule names GraphQL fields", ask.root);
                Some(ExprFault::error(ask.range, message).hint("add `graphql.mutation = \"…\"` or `graphql.query`"))
            }
            ("flash", _) if !self.flash => {
                let fault = ExprFault::error(ask.range, "no [flash] says where this shop's messages are");
                Some(fault.hint("write a table [flash] with `cookie = \"messages\"`"))
            }
            _ => None,
        }
    }
}
