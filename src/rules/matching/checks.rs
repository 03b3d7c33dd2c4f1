//! Every condition of a rule against an exchange, each on its own: what `explain` shows beside the first that failed.

use serde::Serialize;
use serde_json::Value;

use super::super::path::{Captures, segments};
use super::super::rule::{Condition, EventRule, FieldPart, Find, Ruleset, Subject};
use super::decide::{Cause, captures, group_holds, one, table};
use super::extract::Outcome;
use super::failure::{on_text, tell};
use super::fit::{Truth, Why};
use super::graphql::Operations;
use super::look::Stage;
use super::sight::{Scene, Sight};
use super::whole::{about, missed, went};
use crate::exchange::{End, Reading};

/// How one condition stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// It holds.
    Yes,
    /// It does not.
    No,
    /// It cannot be decided: a body is damaged, or the session's next page shows it.
    Open,
}

/// What a condition is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// What the visitor asked.
    Request,
    /// What the shop answered.
    Answer,
    /// What is remembered of the visitor.
    Memory,
}

/// One condition of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// As written: `query.route = "catalog/product/edit"`.
    pub wanted: String,
    /// What was found; empty where that is what was wanted and nothing more can be said.
    pub found: String,
    /// How it stands.
    pub held: Held,
    /// What it is about.
    pub side: Side,
}

/// A rule's conditions, and what led to them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checks {
    /// In the order in which they are asked.
    #[serde(rename = "conditions")]
    pub all: Vec<Check>,
    /// Whether a path of its `on` fits, whatever the method.
    pub path_fits: bool,
    /// What its path captured.
    pub params: Captures,
}

impl Checks {
    /// The first that keeps the rule from matching: one that fails, or else one that is open.
    pub fn first_failed(&self) -> Option<&Check> {
        let first = |held: Held| self.all.iter().find(|check| check.held == held);
        first(Held::No).or_else(|| first(Held::Open))
    }

    /// Whether all that it asks of the request holds.
    pub fn is_asked(&self) -> bool {
        self.all.iter().all(|check| check.side != Side::Request || check.held == Held::Yes)
    }

    /// How many hold.
    pub fn held(&self) -> usize {
        self.all.iter().filter(|check| check.held == Held::Yes).count()
    }
}

impl Ruleset {
    /// How each condition of rule `number` stands; `when` is not asked here. `memory` is what is remembered of the visitor.
    pub fn checks(&self, number: usize, reading: &Reading, memory: &Value) -> Checks {
        let Some(rule) = self.events.get(number) else { return Checks::default() };
        let sight = Sight::new(reading, self.flash.as_ref());
        let request = &reading.exchange().request;
        let path = segments(request.path(), reading.options().charset);
        let params = captures(rule, &request.method, &path);
        let path_fits = rule.on.iter().any(|on| on.path.captures(&path).is_some());
        let mut checks = Checks { path_fits, params: params.clone().unwrap_or_default(), all: Vec::new() };
        checks.all.push(Check {
            wanted: on_text(rule),
            found: format!("{} {}", request.method, request.path()),
            held: if params.is_some() { Held::Yes } else { Held::No },
            side: Side::Request,
        });
        if !path_fits {
            return checks;
        }
        let run = match (&rule.graphql, sight.operations()) {
            (Some(graphql), Operations::Are(runs)) => Some((graphql, runs.iter().find(|run| about(graphql, run)))),
            (Some(graphql), _) => Some((graphql, None)),
            (None, _) => None,
        };
        let field = run.and_then(|(_, run)| run.map(|run| &*run.value));
        let scene = Scene { field, memory: Some(memory), ..sight.scene_of(Stage::Whole, rule) };
        let mut asked = Asked { rule, scene, checks: &mut checks.all };
        if let Some((graphql, run)) = run {
            asked.push(Cause::Graphql(graphql), if run.is_some() { Truth::Holds } else { Truth::Fails });
            let fits = run.is_none_or(|run| went(rule, run));
            asked.push(Cause::GraphqlOk(graphql.ok), Truth::from(fits));
        }
        asked.conditions();
        checks
    }
}

struct Asked<'r, 'a> {
    rule: &'r EventRule,
    scene: Scene<'a>,
    checks: &'r mut Vec<Check>,
}

impl Asked<'_, '_> {
    fn conditions(&mut self) {
        let (rule, exchange) = (self.rule, self.scene.sight.reading.exchange());
        let whole = exchange.end == End::Complete && exchange.response.is_some();
        if !whole {
            self.push(Cause::End, Truth::Fails);
        }
        let status = exchange.response.as_ref().map(|response| response.status.as_u16());
        self.push(Cause::Status, Truth::from(status.is_some_and(|status| rule.status.contains(status))));
        let outcomes: Vec<(&Find, Outcome)> =
            rule.finds.iter().map(|find| (find, self.scene.sight.find(&find.extract))).collect();
        let finds: Vec<(String, Outcome)> =
            outcomes.iter().map(|(find, outcome)| (find.name.clone(), outcome.clone())).collect();
        let scene = Scene { finds: Some(&finds), ..self.scene };
        // What takes its value of the exchange that matched is asked of each match.
        let bound = |group: &[Condition]| group.iter().any(|condition| condition.matcher.is_bound());
        for condition in rule.conditions.iter().filter(|condition| !condition.matcher.is_bound()) {
            self.push(Cause::Condition(condition), one(condition, scene));
        }
        for (at, group) in rule.any.iter().enumerate().filter(|(_, group)| !group.iter().any(|table| bound(table))) {
            self.push(Cause::Any(at), group_holds(group, scene));
        }
        for (at, group) in rule.none.iter().enumerate().filter(|(_, table)| !bound(table)) {
            let truth = match table(group, scene) {
                Truth::Holds => Truth::Fails,
                Truth::Fails => Truth::Holds,
                open @ Truth::Open(_) => open,
            };
            self.push(Cause::None(at), truth);
        }
        for (find, outcome) in outcomes {
            self.push(Cause::Find(find), missed(find, &outcome).unwrap_or(Truth::Holds));
        }
    }

    fn push(&mut self, cause: Cause<'_>, truth: Truth) {
        let failure = tell(self.rule, cause, self.scene);
        let held = match truth {
            Truth::Holds => Held::Yes,
            Truth::Fails => Held::No,
            Truth::Open(_) => Held::Open,
        };
        let found = match (truth, cause) {
            (Truth::Holds, Cause::Any(_)) => "one of them holds".to_owned(),
            (Truth::Holds, Cause::None(_)) => "it does not hold".to_owned(),
            (Truth::Holds, Cause::GraphqlOk(_)) => String::new(),
            (Truth::Open(Why::NextPage), Cause::Any(_) | Cause::None(_)) => {
                "the session's next page shows it".to_owned()
            }
            (Truth::Open(Why::Damaged(damage)), Cause::Any(_) | Cause::None(_)) => {
                format!("it cannot be decided: a body is {}", damage.as_str())
            }
            _ => failure.found,
        };
        self.checks.push(Check { wanted: failure.wanted, found, held, side: side(self.rule, cause) });
    }
}

fn side(rule: &EventRule, cause: Cause<'_>) -> Side {
    let of = |condition: &Condition| match condition.subject {
        Subject::Session(_) => Side::Memory,
        Subject::Host
        | Subject::Query(_)
        | Subject::Form(_)
        | Subject::Json(_)
        | Subject::Header(_)
        | Subject::Cookie(_)
        | Subject::Referer(_)
        | Subject::Graphql(FieldPart::Args, _) => Side::Request,
        _ => Side::Answer,
    };
    // A table is about the last that comes of what it looks at.
    let last = |conditions: &mut dyn Iterator<Item = &Condition>| conditions.map(of).max().unwrap_or(Side::Request);
    match cause {
        Cause::Graphql(_) => Side::Request,
        Cause::End | Cause::Status | Cause::GraphqlOk(_) | Cause::Find(_) => Side::Answer,
        Cause::Condition(condition) => of(condition),
        Cause::Any(at) => last(&mut rule.any.get(at).into_iter().flatten().flatten()),
        Cause::None(at) => last(&mut rule.none.get(at).into_iter().flatten()),
    }
}
