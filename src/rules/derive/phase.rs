//! When a rule's values are computed: with the match, with the visitor's next page, or with what the rule waits for.

use super::evaluate::Run;
use crate::rules::expr::{Expr, Template, names_find};
use crate::rules::rule::SourcePath;

/// Which values are computed now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Those that the exchange tells alone.
    Early,
    /// Those that name the messages of the visitor's next page.
    Page,
    /// Those that name what the rule waits for.
    Late,
    /// All.
    All,
}

/// When a value can be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// At the match.
    Match,
    /// With the visitor's next page.
    Page,
    /// When what the rule waits for has come, or its time is up.
    Late,
}

impl<'r> Run<'r, '_> {
    /// The same for a match that waits for the visitor's next page, which tells these finds.
    pub(super) fn of_page(mut self, finds: &'r [String]) -> Self {
        self.page = Some(finds);
        self.items = self.rule.for_each.map_or(self.items, |list| self.stage(list));
        self
    }

    /// When an expression can be computed.
    pub(super) fn stage(&self, expr: Expr) -> Stage {
        let expressions = &self.ruleset.expressions;
        if expressions.is_late(expr, self.items == Stage::Late) {
            return Stage::Late;
        }
        let of_page = self.page.is_some_and(|finds| expressions.is_of_page(expr, finds, self.items == Stage::Page));
        if of_page { Stage::Page } else { Stage::Match }
    }

    /// When a table can be copied.
    pub(super) fn stage_of_copy(&self, source: &SourcePath) -> Stage {
        match self.page {
            _ if source.is_late() => Stage::Late,
            Some(finds) if names_find(&source.parts, finds) => Stage::Page,
            _ => Stage::Match,
        }
    }

    /// When a value can be: the last of its holes decides.
    pub(super) fn stage_of(&self, template: &Template) -> Stage {
        template.holes().map(|hole| self.stage(hole)).max().unwrap_or(Stage::Match)
    }

    pub(super) fn is_due(&self, stage: Stage) -> bool {
        match self.phase {
            Phase::Early => stage == Stage::Match,
            Phase::Page => stage == Stage::Page,
            Phase::Late => stage == Stage::Late,
            Phase::All => true,
        }
    }

    pub(super) fn template_is_due(&self, template: &Template) -> bool {
        self.is_due(self.stage_of(template))
    }
}
