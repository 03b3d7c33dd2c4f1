//! When a failed delivery is tried again. Pure: chance is an argument.

use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;

use crate::clock::Timestamp;
use crate::model::RetrySchedule;

/// Jitter adds up to this share of the gap; it never makes an attempt earlier.
const JITTER: f64 = 0.2;

/// The longest a receiver may ask us to stay away.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// The gap after the attempt number `made` (1 is the first): the schedule's, longer by up to 20 % as `chance` (0 up to 1)
/// says, and never shorter than what the receiver asked for in `retry_after`. `None` where the schedule is at its end.
pub(super) fn gap(schedule: &RetrySchedule, made: u32, chance: f64, retry_after: Option<Duration>) -> Option<Duration> {
    let index = usize::try_from(made).ok()?.checked_sub(1)?;
    let gap = schedule.0.get(index)?.mul_f64(1.0 + JITTER * chance.clamp(0.0, 1.0));
    Some(gap.max(retry_after.unwrap_or_default()))
}

/// What `Retry-After` asks for at `now`: seconds or a date (RFC 9110, section 10.2.3), at most 24 hours; `None` if it is
/// neither.
pub(super) fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    let asked = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // Digits beyond 64 bits are still a wish to be left alone.
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        let date = DateTimeParser::new().parse_timestamp(value).ok()?;
        Timestamp::from_millis(date.as_millisecond()).since(now)
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
            assert_eq!(gap(&schedule, made, chance, Some(Duration::from_secs(asked))), expected, "{made} {chance}");
        }
        assert_eq!(gap(&RetrySchedule(Vec::new()), 1, 0.0, Some(RETRY_AFTER_MAX)), None, "no schedule: one attempt");
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
            ("-5", None),
            ("soon", None),
            ("", None),
        ];
        for (value, seconds) in rows {
            assert_eq!(retry_after(value, now), seconds.map(Duration::from_secs), "{value}");
        }
    }
}
