//! When a failed delivery is tried again. Pure: chance is an argument.

use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;

use crate::clock::Timestamp;
use crate::model::{Breaker, FailureClass, RetrySchedule, Verdict};

/// Jitter adds up to this share of the gap; it never makes an attempt earlier.
const JITTER: f64 = 0.2;

/// The longest a receiver may ask us to stay away.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// The least gap after an answer or a silence that says "too much", unless `Retry-After` says less.
const OVERLOADED: Duration = Duration::from_mins(1);

/// What a failed attempt says about the next one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wish {
    /// What the receiver asked for.
    pub(super) retry_after: Option<Duration>,
    /// It has too much to do: 429, 502, 503, 504, or no answer in time.
    pub(super) overloaded: bool,
}

impl Wish {
    /// From an attempt's status and failure, and its `Retry-After` as it came, at `now`.
    pub(super) fn of(status: Option<u16>, verdict: &Verdict, header: Option<&str>, now: Timestamp) -> Self {
        use FailureClass::{ConnectTimeout, Timeout};
        let late = matches!(verdict, Verdict::Failed { class: Timeout | ConnectTimeout, .. });
        let overloaded = late || matches!(status, Some(429 | 502 | 503 | 504));
        Self { retry_after: header.and_then(|value| retry_after(value, now)), overloaded }
    }

    /// The least gap.
    fn least(self) -> Duration {
        self.retry_after.unwrap_or(if self.overloaded { OVERLOADED } else { Duration::ZERO })
    }
}

/// The gap after the attempt number `made` (1 is the first): the schedule's, longer by up to 20 % as `chance` (0 up to 1)
/// says, and never shorter than what `wish` says. `None` where the schedule is at its end.
pub(super) fn gap(schedule: &RetrySchedule, made: u32, chance: f64, wish: Wish) -> Option<Duration> {
    let index = usize::try_from(made).ok()?.checked_sub(1)?;
    schedule.0.get(index).map(|gap| jittered(*gap, chance).max(wish.least()))
}

/// The gap before the breaker's next probe when `probes` have failed.
pub(super) fn probe_gap(schedule: &RetrySchedule, probes: u32, chance: f64, wish: Wish) -> Duration {
    jittered(Breaker::probe_gap(schedule, probes), chance).max(wish.least())
}

fn jittered(gap: Duration, chance: f64) -> Duration {
    gap.mul_f64(1.0 + JITTER * chance.clamp(0.0, 1.0))
}

/// What `Retry-After` asks for at `now`: seconds or a date (RFC 9110, section 10.2.3; in each of the three forms of section
/// 5.6.7), at most 24 hours; `None` if it is neither.
fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    let asked = if value.starts_with(|first: char| first.is_ascii_digit()) {
        // Parts of a second are no valid wish, and a clear one; more than fits is still a wish to be left alone.
        Duration::try_from_secs_f64(value.parse::<f64>().ok()?.ceil()).unwrap_or(Duration::MAX)
    } else {
        let date = httpdate::parse_http_date(value).map(Timestamp::from).ok().or_else(|| {
            let lenient = DateTimeParser::new().parse_timestamp(value).ok()?;
            Some(Timestamp::from_millis(lenient.as_millisecond()))
        });
        date?.since(now)
    };
    Some(asked.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_follow_the_schedule_and_are_never_early() {
        let schedule = RetrySchedule::default();
        let rows = [
            (1, 0.0, 0, Some(5_000)),
            (1, 1.0, 0, Some(6_000)),
            (1, 7.0, 0, Some(6_000)),
            (2, 0.5, 0, Some(33_000)),
            (11, 0.0, 0, Some(86_400_000)),
            (12, 0.0, 0, None),
            (0, 0.0, 0, None),
            (1, 0.0, 120, Some(120_000)),
            (6, 0.0, 120, Some(3_600_000)),
        ];
        for (made, chance, asked, millis) in rows {
            let expected = millis.map(Duration::from_millis);
            let wish = Wish { retry_after: Some(Duration::from_secs(asked)), overloaded: false };
            assert_eq!(gap(&schedule, made, chance, wish), expected, "{made} {chance}");
        }
        assert_eq!(gap(&RetrySchedule(Vec::new()), 1, 0.0, Wish::default()), None, "no schedule: one attempt");
    }

    #[test]
    fn who_has_too_much_to_do_is_left_alone_for_a_minute() {
        let failed = |class| Verdict::Failed { class, text: String::new() };
        let rows = [
            (Some(429), FailureClass::Status, None, 60),
            (Some(502), FailureClass::Status, None, 60),
            (Some(503), FailureClass::Status, None, 60),
            (Some(504), FailureClass::Status, None, 60),
            (None, FailureClass::Timeout, None, 60),
            (None, FailureClass::ConnectTimeout, None, 60),
            (Some(503), FailureClass::Status, Some("20"), 20),
            (Some(503), FailureClass::Status, Some("1"), 5),
            (Some(503), FailureClass::Status, Some("600"), 600),
            (Some(503), FailureClass::Status, Some("99999999999999999999"), 86_400),
            (Some(503), FailureClass::Status, Some("soon"), 60),
            (Some(500), FailureClass::Status, None, 5),
            (Some(500), FailureClass::Status, Some("90"), 90),
            (None, FailureClass::Connect, None, 5),
        ];
        for (status, class, header, seconds) in rows {
            let wish = Wish::of(status, &failed(class), header, Timestamp::default());
            let expected = Duration::from_secs(seconds);
            assert_eq!(gap(&RetrySchedule::default(), 1, 0.0, wish), Some(expected), "{status:?} {class:?} {header:?}");
            assert_eq!(probe_gap(&RetrySchedule::default(), 0, 0.0, wish), expected, "{status:?} {class:?} {header:?}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = Timestamp::from_millis(784_111_777_000); // Sun, 06 Nov 1994 08:49:37 GMT
        let rows = [
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("0", Some(0)),
            ("99999999999999999999999", Some(86_400)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("Sun, 06 Nov 2044 08:00:00 GMT", Some(86_400)),
            ("Sunday, 06-Nov-94 08:50:37 GMT", Some(60)),
            ("Sun Nov  6 08:50:37 1994", Some(60)),
            ("Sun, 06 Nov 1994 09:50:37 +0100", Some(60)),
            ("600.5", Some(601)),
            ("-5", None),
            ("5 minutes", None),
            ("soon", None),
            ("", None),
        ];
        for (value, seconds) in rows {
            assert_eq!(retry_after(value, now), seconds.map(Duration::from_secs), "{value}");
        }
    }
}
