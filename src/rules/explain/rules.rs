//! The rules near an exchange: those whose path fits, and those that wait for it.

use serde_json::{Map, Value};

use super::super::derive::Traced;
use super::super::index::Candidates;
use super::super::matching::Matched;
use super::super::rule::{EventRule, RuleKind, Ruleset};
use super::report::{RuleReport, Verdict};
use crate::exchange::Reading;

/// What is known of one exchange's rules.
pub(super) struct Near<'a> {
    pub(super) ruleset: &'a Ruleset,
    pub(super) reading: &'a Reading,
    /// Of the visitor, as before the exchange.
    pub(super) memory: &'a Value,
    pub(super) matched: &'a Matched,
    pub(super) candidates: &'a Candidates,
    pub(super) trace: &'a [Traced],
}

impl Near<'_> {
    /// Those that matched first, in their order; then the others, nearest first.
    pub(super) fn reports(&self) -> Vec<RuleReport> {
        let numbered = self.ruleset.events.iter().enumerate();
        let mut reports: Vec<RuleReport> = numbered.filter_map(|(number, rule)| self.report(number, rule)).collect();
        let farness = |report: &RuleReport| match report.verdict {
            Verdict::Matched => 0,
            _ => 1 + report.checks.all.len() - report.checks.held(),
        };
        reports.sort_by_key(farness);
        reports
    }

    fn report(&self, number: usize, rule: &EventRule) -> Option<RuleReport> {
        let at = u32::try_from(number).ok()?;
        let kind = match rule.stateful.kind {
            RuleKind::Event => "event",
            RuleKind::Learn => "learn",
            // What nobody waits for is not near.
            RuleKind::Wait { look_up: true, .. } | RuleKind::FlashPage => return None,
            RuleKind::Wait { .. } if !self.candidates.rules.contains(&at) => return None,
            RuleKind::Wait { .. } => "wait",
        };
        let checks = self.ruleset.checks(number, self.reading, self.memory);
        if !checks.path_fits {
            return None;
        }
        let hit = self.matched.rules.iter().find(|hit| hit.rule == at);
        let runs = super::runs(self.trace);
        let late = kind == "wait";
        let steps: Vec<Traced> = runs
            .iter()
            .filter(|(name, is_late, _)| !late && !is_late && *name == rule.name)
            .flat_map(|(_, _, steps)| steps.iter().map(|step| (*step).clone()))
            .collect();
        let table = |pairs: &[(String, String)]| -> Map<String, Value> {
            pairs.iter().map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect()
        };
        let finds = hit.map_or_else(Map::new, |hit| {
            hit.found.finds.iter().map(|(name, value)| (name.clone(), (**value).clone())).collect()
        });
        Some(RuleReport {
            name: rule.name.clone(),
            kind,
            place: format!("{}:{}", rule.place.file, rule.place.line),
            verdict: self.verdict(rule, hit.is_some(), &checks, &steps),
            params: table(&checks.params),
            location_params: hit.map_or_else(Map::new, |hit| table(&hit.location_params)),
            field: hit.and_then(|hit| hit.found.field.as_deref().cloned()),
            checks,
            finds,
            steps,
        })
    }

    fn verdict(
        &self,
        rule: &EventRule,
        hit: bool,
        checks: &super::super::matching::Checks,
        steps: &[Traced],
    ) -> Verdict {
        let stopped = self.trace.iter().find_map(|step| match step {
            Traced::Stopped { rule: name, by } if *name == rule.name => Some(by.clone()),
            _ => None,
        });
        if let (Some(by), true) = (stopped, rule.is_event()) {
            return Verdict::Stopped { by };
        }
        if let Some(failed) = checks.first_failed() {
            return Verdict::Failed { wanted: failed.wanted.clone(), found: failed.found.clone() };
        }
        if !hit {
            return Verdict::Unseen;
        }
        // Behind a `when` that does not hold nothing is computed, be it for the rule or for one of its items.
        let went_on =
            steps.iter().any(|step| !matches!(step, Traced::When { .. } | Traced::Item { .. } | Traced::Items { .. }));
        let when = steps.iter().find_map(|step| match step {
            Traced::When { source, held: false, error } => Some((source.clone(), error.clone())),
            _ => None,
        });
        match when {
            Some((source, error)) if !went_on => Verdict::When { source, error },
            _ => Verdict::Matched,
        }
    }
}
