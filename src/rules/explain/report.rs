//! An explanation as data: what `explain --json` prints, and what its text is made of.

use serde::Serialize;
use serde_json::{Map, Value, value::RawValue};

use super::super::derive::{Note, Traced, TracedEvent};
use super::super::matching::Checks;
use super::super::replay::{Progress, ReplayedEvent, shown};
use super::super::view::{MemoryState, View};
use crate::exchange::{Damage, Part, Reading};
use crate::model::{Otherwise, Pending, WaitsFor, id_json};

/// One exchange, explained.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// Its number, from 0.
    pub seq: usize,
    /// Its time in virtual milliseconds.
    pub at_ms: i64,
    /// What was asked.
    pub asked: Asked,
    /// What was answered; `None`: nothing.
    pub answered: Option<Answered>,
    /// Who asked; `None` where nobody is followed or the exchange carries no key.
    pub visitor: Option<Visitor>,
    /// What ended before it because its time was up.
    #[serde(skip_serializing_if = "Outcome::is_empty")]
    pub before: Outcome,
    /// Rules whose path fits: those that matched, then the nearest first.
    pub rules: Vec<RuleReport>,
    /// Where no path fits: the one that looks most like it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest: Option<String>,
    /// What came of it.
    pub outcome: Outcome,
}

/// A request.
#[derive(Debug, Serialize)]
pub struct Asked {
    /// Method.
    pub method: String,
    /// Target as sent.
    pub target: String,
    /// Host and port.
    pub host: String,
    /// What kind of body it has, in one word; `None`: none.
    pub body: Option<&'static str>,
    /// Its form's fields, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub form: Vec<(String, String)>,
}

/// An answer.
#[derive(Debug, Serialize)]
pub struct Answered {
    /// Status.
    pub status: u16,
    /// The resolved location.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// `Content-Type` as sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Bytes of its body.
    pub bytes: u64,
    /// What is wrong with the captured body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage: Option<&'static str>,
}

/// A visitor.
#[derive(Debug, Serialize)]
pub struct Visitor {
    /// The session, in short.
    pub session: String,
    /// What was remembered before the exchange.
    pub memory: Map<String, Value>,
    /// What is remembered anew after it; `null`: forgotten.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub changed: Remembered,
}

/// Changes of a memory by name.
pub type Remembered = Map<String, Value>;

/// One rule near an exchange.
#[derive(Debug, Serialize)]
pub struct RuleReport {
    /// NAME.
    pub name: String,
    /// `event`, `learn`, or `wait`: what an event rule waits for.
    pub kind: &'static str,
    /// `file:line`.
    pub place: String,
    /// How it stands.
    pub verdict: Verdict,
    /// Its conditions.
    #[serde(flatten)]
    pub checks: Checks,
    /// Captures of its path.
    #[serde(skip)]
    pub params: Map<String, Value>,
    /// Captures of the location's path.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub location_params: Map<String, Value>,
    /// What its finds gave.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub finds: Map<String, Value>,
    /// The GraphQL root field it ran for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<Value>,
    /// What it worked out, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Traced>,
}

/// How a rule stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Verdict {
    /// It matched.
    Matched,
    /// A condition does not hold: the first of them.
    Failed {
        /// As written.
        wanted: String,
        /// What was found.
        found: String,
    },
    /// A `when` is false.
    When {
        /// The expression.
        source: String,
        /// Why it could not be computed.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// An earlier rule with `stop` matched.
    Stopped {
        /// NAME.
        by: String,
    },
    /// `[shop] ignore` drops the exchange unseen.
    Unseen,
}

/// What came of something.
#[derive(Debug, Default, Serialize)]
pub struct Outcome {
    /// Rules whose late half ran: what they waited for has come, or their time was up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub late: Vec<LateReport>,
    /// Events, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventReport>,
    /// Candidates of which no event came.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub silent: Vec<TracedEvent>,
    /// Matches that wait now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<WaitReport>,
    /// What was learnt of resources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub learnt: Vec<LearntReport>,
    /// What rules have to say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<NoteReport>,
}

impl Outcome {
    /// Whether nothing came.
    pub fn is_empty(&self) -> bool {
        self.late.is_empty()
            && self.events.is_empty()
            && self.silent.is_empty()
            && self.waiting.is_empty()
            && self.learnt.is_empty()
            && self.notes.is_empty()
    }
}

/// The late half of a rule.
#[derive(Debug, Serialize)]
pub struct LateReport {
    /// NAME.
    pub rule: String,
    /// What it worked out.
    pub steps: Vec<Traced>,
}

/// An event.
#[derive(Debug, Serialize)]
pub struct EventReport {
    /// Number of the exchange whose rule matched.
    pub seq: usize,
    /// NAME of the rule.
    pub rule: String,
    /// Topic, `saved` decided.
    pub topic: String,
    /// Id.
    pub id: Option<Value>,
    /// Natural keys.
    pub key: Map<String, Value>,
    /// Body.
    pub payload: Box<RawValue>,
    /// What state said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<TracedEvent>,
}

/// A match that waits.
#[derive(Debug, Serialize)]
pub struct WaitReport {
    /// NAME of the rule.
    pub rule: String,
    /// For what, in words.
    pub missing: String,
    /// Path and query of its look-ups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub look_ups: Vec<String>,
    /// For how long at most, in milliseconds.
    pub for_ms: i64,
    /// `send` or `drop`.
    pub otherwise: &'static str,
    /// Its natural keys.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub key: Map<String, Value>,
    /// It waits no longer: something in this very exchange, or an answer, has completed it.
    pub settled: bool,
}

/// What a rule learnt of a resource.
#[derive(Debug, Serialize)]
pub struct LearntReport {
    /// NAME of the rule.
    pub rule: String,
    /// The resource.
    pub resource: String,
    /// Its id.
    pub id: Option<Value>,
    /// Its keys.
    pub key: Map<String, Value>,
}

/// A note.
#[derive(Debug, Serialize)]
pub struct NoteReport {
    /// NAME of the rule; empty: the exchange as a whole.
    pub rule: String,
    /// What it says.
    pub text: String,
}

impl Asked {
    pub(super) fn of(reading: &Reading) -> Self {
        let request = &reading.exchange().request;
        let target = request.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let mut fields = Vec::new();
        let body = match (reading.form(), reading.json()) {
            (Part::Is(form), _) => {
                fields = form.pairs().to_vec();
                Some("form")
            }
            (_, Part::Is(_)) => Some("json"),
            (Part::Damaged(_), _) | (_, Part::Damaged(_)) => Some("damaged"),
            _ if reading.exchange().request_body.total > 0 => Some("other"),
            _ => None,
        };
        Self { method: request.method.to_string(), target: target.to_owned(), host: request.host(), body, form: fields }
    }
}

impl Answered {
    pub(super) fn of(reading: &Reading) -> Option<Self> {
        let exchange = reading.exchange();
        let response = exchange.response.as_ref()?;
        let kind = response.headers.get(http::header::CONTENT_TYPE);
        Some(Self {
            status: response.status.as_u16(),
            location: reading.location().map(|url| url.url.clone()),
            content_type: kind.map(|kind| String::from_utf8_lossy(kind.as_bytes()).into_owned()),
            bytes: exchange.response_body.total,
            damage: exchange.response_body.damage.map(Damage::as_str),
        })
    }
}

impl Visitor {
    pub(super) fn of(session: &str, memory: Map<String, Value>, after: &MemoryState) -> Option<Self> {
        if session.is_empty() {
            return None;
        }
        let now = after.session(session).map(|session| session.memory).unwrap_or_default();
        let mut changed: Remembered = now
            .iter()
            .filter(|(name, value)| memory.get(*name) != Some(value))
            .map(|(a, b)| (a.clone(), b.clone()))
            .collect();
        let gone = memory.keys().filter(|name| !now.contains_key(*name));
        changed.extend(gone.map(|name| (name.clone(), Value::Null)));
        let short: String = session.chars().take(8).collect();
        Some(Self { session: short, memory, changed })
    }
}

/// What a step of the replay came to. `early`: rules that have a report of their own.
pub(super) fn outcome(progress: Progress, early: &[String], state: &MemoryState) -> Outcome {
    let Progress { events, notes, waiting, settled, trace } = progress;
    let late = super::runs(&trace).into_iter().filter(|(name, late, _)| *late || !early.iter().any(|own| own == name));
    let late =
        late.map(|(rule, _, steps)| LateReport { rule: rule.to_owned(), steps: steps.into_iter().cloned().collect() });
    let late = late.filter(|report| !report.steps.is_empty()).collect();
    let said = trace.iter().filter_map(|step| match step {
        Traced::Settled(event) => Some((**event).clone()),
        _ => None,
    });
    let (sent, silent): (Vec<TracedEvent>, Vec<TracedEvent>) = said.partition(|event| event.topic.is_some());
    let mut sent = sent.into_iter();
    let events = events.into_iter().map(|event| EventReport::of(event, sent.next())).collect();
    let learnt = trace.iter().filter_map(|step| match step {
        Traced::Learnt { rule, resource, id, key } => Some(LearntReport {
            rule: rule.clone(),
            resource: resource.clone(),
            id: id.as_deref().map(id_json),
            key: key.clone(),
        }),
        _ => None,
    });
    let learnt = learnt.collect();
    let waits = |pending: Pending| {
        let over = settled.contains(&pending.uid) || !state.open().any(|open| open.uid == pending.uid);
        WaitReport::of(pending, over)
    };
    let waiting = waiting.into_iter().map(waits).collect();
    let notes = notes.into_iter().map(|Note { rule, text }| NoteReport { rule, text }).collect();
    Outcome { late, events, silent, waiting, learnt, notes }
}

impl EventReport {
    fn of(replayed: ReplayedEvent, state: Option<TracedEvent>) -> Self {
        let ReplayedEvent { seq, draft, .. } = replayed;
        Self {
            seq,
            rule: draft.rule,
            topic: draft.topic.as_str().to_owned(),
            id: draft.id.as_deref().map(id_json),
            key: draft.key,
            payload: draft.body,
            state,
        }
    }
}

impl WaitReport {
    fn of(pending: Pending, settled: bool) -> Self {
        let look_ups = pending.waits.iter().filter_map(|wait| match &wait.waits_for {
            WaitsFor::LookUp(look_up) => Some(shown(look_up)),
            _ => None,
        });
        Self {
            look_ups: look_ups.collect(),
            for_ms: pending.deadline.as_millis().saturating_sub(pending.at.as_millis()),
            otherwise: if pending.otherwise == Otherwise::Send { "send" } else { "drop" },
            key: pending.keys.into_iter().map(|(name, value)| (name, value.into())).collect(),
            rule: pending.rule,
            missing: pending.missing,
            settled,
        }
    }
}
