//! A delivery: one event for one webhook, until it is delivered or given up.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Attempt, EventUid, Identity, Seq, Timestamp, Topic, Verdict, WebhookId};

/// A delivery that was tried and is not yet due again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Attempts made so far.
    pub attempts: u32,
    /// The event's uid, so that the delivery can be named when the event is gone; absent in data of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<EventUid>,
    /// When the last of them ended; 0 where that was not kept. Tells at a start whether the clock was set back meanwhile.
    #[serde(default)]
    pub since: Timestamp,
    /// When the next is due.
    pub due: Timestamp,
    /// The group whose later events wait behind it.
    pub group: (String, Identity),
}

/// How a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryEnd {
    /// The receiver took it.
    Delivered,
    /// Every attempt of the schedule failed.
    Exhausted,
    /// The receiver answered 410 Gone.
    Gone,
    /// The body could not be sent at all.
    Unencodable,
    /// The journal dropped it: the disk budget was spent.
    Dropped,
    /// Its event was erased.
    Erased,
    /// Its event stood where the disk is damaged.
    Damaged,
    /// The webhook was paused or removed, or somebody cancelled it.
    Cancelled,
}

impl DeliveryEnd {
    /// Whether it counts towards `failure_count`.
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Exhausted | Self::Gone | Self::Unencodable)
    }
}

/// What follows from one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The delivery is done.
    Delivered,
    /// It is tried again.
    Retry {
        /// Not before this moment.
        due: Timestamp,
    },
    /// It is given up.
    GiveUp(DeliveryEnd),
}

impl Decision {
    /// 410 Gone: the receiver says that it will never come back (RFC 9110, section 15.5.11).
    pub const GONE: u16 = 410;

    /// What follows from an attempt that ended at `now` with `status` (where an answer came) and `verdict`, when the
    /// schedule's next gap is `gap` (`None`: it was the last attempt).
    pub fn after(verdict: &Verdict, status: Option<u16>, gap: Option<Duration>, now: Timestamp) -> Self {
        match (verdict, gap) {
            (Verdict::Ok, _) => Self::Delivered,
            (Verdict::Failed { .. }, _) if status == Some(Self::GONE) => Self::GiveUp(DeliveryEnd::Gone),
            (Verdict::Failed { .. }, Some(gap)) => Self::Retry { due: now.plus(gap) },
            (Verdict::Failed { .. }, None) => Self::GiveUp(DeliveryEnd::Exhausted),
        }
    }
}

/// The end of a delivery, as the record of its last attempt keeps it: beside what [`Outcome`] repeats of that attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When it ended.
    pub at: Timestamp,
    /// How it ended.
    pub end: DeliveryEnd,
    /// Its replay number: 0 for the first delivery of the event, else the run that made it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub replay: u32,
    /// The webhook's `failure_count` after it.
    pub failure_count: u32,
}

/// The end of a delivery, as the log shows it. It is a record of its own where it came without an attempt, and in data of
/// earlier versions; else the record of the last attempt holds an [`Ended`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// When it ended.
    pub at: Timestamp,
    /// Whose delivery.
    pub webhook: WebhookId,
    /// Name of the webhook then.
    #[serde(default)]
    pub webhook_name: String,
    /// The event.
    pub event: Seq,
    /// Its uid.
    pub uid: EventUid,
    /// Its topic.
    pub topic: Topic,
    /// Resource and id, for the search.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// Id of the delivery.
    pub delivery: String,
    /// Its replay number: 0 for the first delivery of the event, else the run that made it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub replay: u32,
    /// The run that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<u32>,
    /// Attempts made.
    pub attempts: u32,
    /// How it ended.
    pub end: DeliveryEnd,
    /// The webhook's `failure_count` after it.
    pub failure_count: u32,
}

impl Attempt {
    /// The end of its delivery, where it was the last attempt.
    pub fn outcome(&self) -> Option<Outcome> {
        let Ended { at, end, replay, failure_count } = self.ended?;
        Some(Outcome {
            at,
            webhook: self.webhook,
            webhook_name: self.webhook_name.clone(),
            event: self.event?,
            uid: self.uid?,
            topic: self.topic.clone()?,
            about: self.about.clone(),
            delivery: self.delivery.clone(),
            replay,
            run: self.run,
            attempts: self.number,
            end,
            failure_count,
        })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FailureClass;

    #[test]
    fn an_attempt_decides_what_follows() {
        let (now, gap) = (Timestamp::from_millis(1_000), Duration::from_secs(5));
        let failed = Verdict::Failed { class: FailureClass::Status, text: String::new() };
        let retry = Decision::Retry { due: Timestamp::from_millis(6_000) };
        let rows = [
            (Verdict::Ok, Some(200), Some(gap), Decision::Delivered),
            (Verdict::Ok, Some(302), None, Decision::Delivered),
            (failed.clone(), Some(500), Some(gap), retry),
            (failed.clone(), None, Some(gap), retry),
            (failed.clone(), Some(404), None, Decision::GiveUp(DeliveryEnd::Exhausted)),
            (failed, Some(410), Some(gap), Decision::GiveUp(DeliveryEnd::Gone)),
        ];
        for (verdict, status, gap, decision) in rows {
            assert_eq!(Decision::after(&verdict, status, gap, now), decision, "{verdict:?} {status:?}");
        }
    }
}
