//! The breaker: a receiver that fails again and again is left alone but for one probe at a time, so that its outage costs
//! a cursor that stands still and nothing else.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{RetrySchedule, Timestamp, Webhook};

/// What the breaker says while it is not closed. Kept in [`super::Health`], so that a restart does not forget it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Breaker {
    /// Only probes go out, one at a time. No attempt of a delivery is used up.
    Open {
        /// The address that failed: another one in the file closes the breaker.
        url: String,
        /// Since when; from the first probe that failed on, the start of what may last for the schedule's length.
        since: Timestamp,
        /// Probes that failed.
        #[serde(default)]
        probes: u32,
        /// When the next probe may go out.
        due: Timestamp,
    },
    /// The receiver answers again: so many attempts at once. Each success doubles it.
    SlowStart {
        /// Attempts it may have at once.
        allowance: u32,
    },
}

/// What a failed attempt did to the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trip {
    /// Nothing, or it was open already.
    Nothing,
    /// It opened.
    Opened,
    /// It was open for the whole schedule's length: the webhook is unreachable.
    Spent,
}

impl Breaker {
    /// Straight failed attempts, of more than one delivery, that open it.
    pub const OPENS_AFTER: u32 = 5;
    /// The longest gap between two probes (a receiver may ask for more in `Retry-After`).
    pub const PROBE_GAP_MAX: Duration = Duration::from_mins(30);
    /// The last allowance of slow start, in attempts at once; a success under it closes the breaker.
    const SLOW_START_LAST: u32 = 8;

    /// Slow start from its beginning: one attempt at a time.
    pub const fn slow_start() -> Self {
        Self::SlowStart { allowance: 1 }
    }

    /// The gap before a probe when `probes` have failed, without jitter: the schedule's, at most
    /// [`Breaker::PROBE_GAP_MAX`], and the last one for ever.
    pub fn probe_gap(schedule: &RetrySchedule, probes: u32) -> Duration {
        let gap = usize::try_from(probes).ok().and_then(|index| schedule.0.get(index));
        gap.or(schedule.0.last()).copied().unwrap_or_default().min(Self::PROBE_GAP_MAX)
    }

    /// What becomes of it when an attempt of `webhook` (a `probe`, or one of a delivery's own) fails at `at`, the
    /// `failed`-th in a row. `gap` gives the pause before the next probe when so many have failed.
    pub(super) fn fail(
        this: &mut Option<Self>,
        webhook: &Webhook,
        (at, failed): (Timestamp, u32),
        probe: bool,
        gap: impl FnOnce(u32) -> Duration,
    ) -> Trip {
        match this {
            // One attempt for each delivery, as WooCommerce does: there is nothing to break.
            _ if webhook.retry.0.is_empty() => Trip::Nothing,
            Some(Self::Open { since, probes, due, .. }) if probe => {
                if *probes == 0 {
                    *since = at;
                }
                *probes = probes.saturating_add(1);
                *due = at.plus(gap(*probes));
                if at.since(*since) >= webhook.retry.length() { Trip::Spent } else { Trip::Nothing }
            }
            Some(Self::Open { .. }) => Trip::Nothing,
            None if failed < Self::OPENS_AFTER => Trip::Nothing,
            None | Some(Self::SlowStart { .. }) => {
                *this = Some(Self::Open { url: webhook.url.clone(), since: at, probes: 0, due: at.plus(gap(0)) });
                Trip::Opened
            }
        }
    }

    /// What becomes of it when a delivery succeeds.
    pub(super) fn succeed(this: &mut Option<Self>) {
        *this = match this.take() {
            Some(Self::Open { .. }) => Some(Self::slow_start()),
            Some(Self::SlowStart { allowance }) if allowance < Self::SLOW_START_LAST => {
                Some(Self::SlowStart { allowance: allowance.saturating_mul(2).max(1) })
            }
            Some(Self::SlowStart { .. }) | None => None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::WebhookId;

    fn webhook(gaps: &[u64]) -> Webhook {
        let retry = RetrySchedule(gaps.iter().copied().map(Duration::from_secs).collect());
        Webhook { retry, ..Webhook::new(WebhookId(1), "erp", "https://erp.example/in") }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn it_opens_probes_and_gives_up_after_the_schedules_length() {
        let (webhook, mut breaker) = (webhook(&[10, 100]), None);
        let mut fail = |seconds, failed, probe| {
            let gap = |probes| Breaker::probe_gap(&webhook.retry, probes);
            let trip = Breaker::fail(&mut breaker, &webhook, (at(seconds), failed), probe, gap);
            let due = if let Some(Breaker::Open { due, .. }) = &breaker { due.as_millis() / 1000 } else { 0 };
            (trip, due)
        };
        assert_eq!(fail(0, 4, false), (Trip::Nothing, 0));
        assert_eq!(fail(1, 5, false), (Trip::Opened, 11));
        assert_eq!(fail(2, 6, false), (Trip::Nothing, 11), "what was in flight changes nothing");
        assert_eq!(fail(1_000, 7, true), (Trip::Nothing, 1_100), "nobody could be probed before");
        assert_eq!(fail(1_100, 8, true), (Trip::Nothing, 1_200), "the last gap again");
        assert_eq!(fail(1_110, 9, true).0, Trip::Spent);
    }

    #[test]
    fn slow_start_doubles_and_falls_back() {
        let (webhook, mut breaker) = (webhook(&[10]), Some(Breaker::slow_start()));
        for allowance in [2, 4, 8] {
            Breaker::succeed(&mut breaker);
            assert_eq!(breaker, Some(Breaker::SlowStart { allowance }));
        }
        Breaker::succeed(&mut breaker);
        assert_eq!(breaker, None);
        breaker = Some(Breaker::SlowStart { allowance: 4 });
        let gap = |_| Duration::ZERO;
        assert_eq!(Breaker::fail(&mut breaker, &webhook, (at(0), 1), false, gap), Trip::Opened);
        Breaker::succeed(&mut breaker);
        assert_eq!(breaker, Some(Breaker::slow_start()));
    }

    #[test]
    fn gaps_of_probes_are_the_schedules_up_to_half_an_hour() {
        let schedule = RetrySchedule::default();
        let gaps: Vec<u64> = (0..14).map(|probes| Breaker::probe_gap(&schedule, probes).as_secs()).collect();
        assert_eq!(gaps[..6], [5, 30, 120, 600, 1_800, 1_800]);
        assert!(gaps[6..].iter().all(|gap| *gap == 1_800));
        let mut breaker = None;
        let none = Breaker::fail(&mut breaker, &webhook(&[]), (at(0), 99), false, |_| Duration::ZERO);
        assert_eq!((none, breaker), (Trip::Nothing, None), "no schedule, no breaker");
    }
}
