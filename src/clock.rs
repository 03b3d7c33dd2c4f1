//! Time as an argument. The only file that asks the machine what time it is.

pub mod span;

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// A moment: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This moment and `span` more; stops at the end of the range instead of wrapping.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This moment less `span`.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This moment moved by `millis` either way.
    #[must_use]
    pub const fn shifted(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// How long after `earlier` this is; zero if it is before.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// `2026-11-03T16:07:00` in UTC: the form of WooCommerce's `date_…_gmt` fields (no zone, no fraction).
    pub fn wc_gmt(self) -> String {
        self.wc_in(&TimeZone::UTC)
    }

    /// The same in the shop's zone: the form of WooCommerce's `date_created` and `date_modified`.
    pub fn wc_in(self, zone: &TimeZone) -> String {
        let Ok(moment) = jiff::Timestamp::from_millisecond(self.0) else { return String::new() };
        format!("{:.0}", zone.to_datetime(moment))
    }

    /// Formats with `strftime` directives in a zone; empty if the moment is outside the calendar.
    pub fn format(self, directives: &str, zone: &TimeZone) -> String {
        let Ok(moment) = jiff::Timestamp::from_millisecond(self.0) else { return String::new() };
        moment.to_zoned_datetime(zone.clone()).strftime(directives).to_string()
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 with milliseconds in UTC, as logs and `--json` print it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format("%Y-%m-%dT%H:%M:%S.%3fZ", &TimeZone::UTC))
    }
}

/// Where the time comes from: the machine, or tokio's (pausable) clock in tests.
#[derive(Clone, Copy, Debug, Default)]
pub enum Clock {
    /// The machine's wall clock.
    #[default]
    System,
    /// `base` plus what tokio's clock has run since `start`: with paused time all our time stands still.
    Simulated {
        /// The time at `start`.
        base: Timestamp,
        /// tokio's clock at creation.
        start: Instant,
        /// Milliseconds that somebody has set the clock forward (back: negative) since.
        set: &'static AtomicI64,
    },
}

impl Clock {
    /// A clock that shows `base` now and follows tokio's clock from here on.
    pub fn simulated(base: Timestamp) -> Self {
        static NEVER_SET: AtomicI64 = AtomicI64::new(0);
        Self::simulated_set_by(base, &NEVER_SET)
    }

    /// The same, but it can be set: forward or back by the milliseconds in `set`, as an administrator or a time server may
    /// do with the machine's clock.
    pub fn simulated_set_by(base: Timestamp, set: &'static AtomicI64) -> Self {
        Self::Simulated { base, start: Instant::now(), set }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => system_now(),
            Self::Simulated { base, start, set } => base.plus(start.elapsed()).shifted(set.load(Ordering::Relaxed)),
        }
    }

    /// The instant at which this clock will show `at` (now, if that has passed), for `tokio::time::sleep_until`.
    pub fn instant(&self, at: Timestamp) -> Instant {
        Instant::now() + at.since(self.now())
    }
}

/// Notices that somebody has set a clock: it compares it with the one that is never set.
#[derive(Clone, Copy, Debug)]
pub struct ClockWatch {
    clock: Clock,
    /// What both clocks showed last.
    seen: (Timestamp, Instant),
}

impl ClockWatch {
    /// A clock may stray so far from the one that is never set before it counts as set.
    const SLACK: Duration = Duration::from_secs(2);

    /// Watches `clock` from now on.
    pub fn new(clock: Clock) -> Self {
        Self { clock, seen: (clock.now(), Instant::now()) }
    }

    /// By how many milliseconds the clock was set forward (back: negative) since the last look; `None`: it was not.
    pub fn look(&mut self) -> Option<i64> {
        let (now, instant) = (self.clock.now(), Instant::now());
        let expected = self.seen.0.plus(instant.duration_since(self.seen.1));
        self.seen = (now, instant);
        let set = now.as_millis().saturating_sub(expected.as_millis());
        (u128::from(set.unsigned_abs()) > Self::SLACK.as_millis()).then_some(set)
    }
}

#[expect(clippy::disallowed_methods, reason = "the one door to the machine's clock")]
fn system_now() -> Timestamp {
    std::time::SystemTime::now().into()
}

/// To the millisecond; what was before the Unix epoch is the epoch.
impl From<std::time::SystemTime> for Timestamp {
    fn from(time: std::time::SystemTime) -> Self {
        let since = time.duration_since(std::time::SystemTime::UNIX_EPOCH);
        Self(since.map_or(0, |span| i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_woocommerces_form() {
        let at = Timestamp::from_millis(1_793_722_020_999);
        assert_eq!(at.wc_gmt(), "2026-11-03T16:07:00", "cut, not rounded");
        assert_eq!(at.to_string(), "2026-11-03T16:07:00.999Z");
    }

    #[tokio::test(start_paused = true)]
    async fn simulated_time_follows_tokio() {
        let clock = Clock::simulated(Timestamp::from_millis(1_000));
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(clock.now(), Timestamp::from_millis(6_000));
    }
}
