//! Whether a line of the log fits what is asked.

use super::{LogLine, LogQuery};
use crate::id::WebhookId;
use crate::model::record::LogEntry;
use crate::model::{Attempt, DeliveryEnd, Topic, TopicPattern, Verdict};
use crate::store::StoreError;
use crate::store::record::Stored;
use crate::store::shared::Shared;

pub(super) struct Filter<'a> {
    pub(super) query: &'a LogQuery,
    /// The query's topic, if it is one: nothing fits what is none.
    topic: Option<TopicPattern>,
    /// The id that the query's webhook stands for, if there is one.
    webhook: Option<WebhookId>,
    words: Vec<String>,
}

impl<'a> Filter<'a> {
    pub(super) fn new(shared: &Shared, query: &'a LogQuery) -> Result<Self, StoreError> {
        let mut webhook = None;
        if let Some(text) = &query.webhook {
            let (names, _) = shared.state.names()?;
            let named = names.into_iter().find(|name| name.name == *text).map(|name| name.id);
            webhook = named.or_else(|| text.parse().ok().map(WebhookId));
        }
        let words = query.text.iter().flat_map(|text| text.split_whitespace()).map(str::to_lowercase).collect();
        Ok(Self { query, topic: query.topic.as_ref().and_then(|text| text.parse().ok()), webhook, words })
    }

    pub(super) fn kind(&self, kind: &str) -> bool {
        self.query.kinds.is_empty() || self.query.kinds.iter().any(|wanted| wanted == kind)
    }

    pub(super) fn fits(&self, line: &LogLine, stored: &Stored) -> bool {
        let seen = Seen::of(line);
        let in_time = self.query.before.is_none_or(|before| line.at() < before)
            && self.query.since.is_none_or(|since| line.at() >= since);
        in_time
            && self.kind(seen.kind)
            && (self.query.topic.is_none()
                || self.topic.as_ref().zip(seen.topic).is_some_and(|(fits, topic)| fits.matches(topic)))
            && self.query.webhook.as_ref().is_none_or(|name| {
                self.webhook.is_some_and(|id| seen.webhooks.contains(&id))
                    || (!name.is_empty() && seen.webhook_name == name)
            })
            && self.query.id.as_ref().is_none_or(|id| seen.is_about(id))
            && self.query.resource.as_ref().is_none_or(|resource| seen.is_of(resource))
            && self.query.delivery.as_ref().is_none_or(|delivery| seen.delivery == delivery)
            && self.query.ended_well.is_none_or(|well| seen.well == Some(well))
            && self.query.status.is_none_or(|codes| seen.status.is_some_and(|status| codes.holds(status)))
            && (self.words.is_empty() || text_of(line, stored).is_some_and(|text| has_all(&text, &self.words)))
    }
}

/// What a search for words looks through. The record of a delivery's last attempt tells of two lines, and each is only
/// searched for what it says itself.
fn text_of(line: &LogLine, stored: &Stored) -> Option<String> {
    match line {
        LogLine::Log { entry: entry @ LogEntry::Outcome(_), .. } => serde_json::to_string(entry).ok(),
        LogLine::Log { entry: LogEntry::Attempt(attempt), .. } if attempt.ended.is_some() => {
            serde_json::to_string(&Attempt { ended: None, ..attempt.as_ref().clone() }).ok()
        }
        _ => stored.text(),
    }
}

fn has_all(text: &str, words: &[String]) -> bool {
    let text = text.to_lowercase();
    words.iter().all(|word| text.contains(word.as_str()))
}

/// What a filter looks at in a line.
struct Seen<'a> {
    kind: &'static str,
    topic: Option<&'a Topic>,
    webhooks: &'a [WebhookId],
    webhook_name: &'a str,
    id: Option<&'a str>,
    resource: &'a str,
    about: &'a str,
    delivery: &'a str,
    /// Whether an attempt or a delivery did its work.
    well: Option<bool>,
    status: Option<u16>,
}

impl<'a> Seen<'a> {
    fn of(line: &'a LogLine) -> Self {
        let none = Self {
            kind: "notice",
            topic: None,
            webhooks: &[],
            webhook_name: "",
            id: None,
            resource: "",
            about: "",
            delivery: "",
            well: None,
            status: None,
        };
        match line {
            LogLine::Event { event, .. } => Self {
                kind: "event",
                topic: Some(&event.topic),
                webhooks: &event.webhooks,
                id: event.id.as_deref(),
                resource: &event.resource,
                ..none
            },
            LogLine::Log { entry: LogEntry::Attempt(attempt), .. } => Self {
                kind: "attempt",
                topic: attempt.topic.as_ref(),
                webhooks: std::slice::from_ref(&attempt.webhook),
                webhook_name: &attempt.webhook_name,
                about: &attempt.about,
                delivery: &attempt.delivery,
                well: Some(attempt.verdict == Verdict::Ok),
                status: attempt.status,
                ..none
            },
            LogLine::Log { entry: LogEntry::Outcome(outcome), .. } => Self {
                kind: "outcome",
                topic: Some(&outcome.topic),
                webhooks: std::slice::from_ref(&outcome.webhook),
                webhook_name: &outcome.webhook_name,
                about: &outcome.about,
                delivery: &outcome.delivery,
                well: Some(outcome.end == DeliveryEnd::Delivered),
                ..none
            },
            LogLine::Log { entry: LogEntry::Notice(notice), .. } => {
                Self { webhooks: notice.webhook.as_slice(), ..none }
            }
        }
    }

    /// Whether it is about such a resource.
    fn is_of(&self, resource: &str) -> bool {
        self.resource == resource
            || self.about.strip_prefix(resource).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    }

    /// Whether it is about the resource with this id. `about` is the resource and its id: `order 7`.
    fn is_about(&self, id: &str) -> bool {
        self.id == Some(id)
            || self.about == id
            || self.about.strip_suffix(id).is_some_and(|rest| rest.ends_with([' ', '/', '#', ':']))
    }
}
