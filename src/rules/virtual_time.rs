//! The time of a recording.

use std::time::Duration;

use crate::exchange::Timestamp;

/// The time of a recording: what its lines say, else a second a line; it never runs back.
#[derive(Debug, Default)]
pub struct VirtualTime {
    last: Option<Timestamp>,
}

impl VirtualTime {
    /// The time of the last line; that of the start before the first.
    pub fn now(&self) -> Timestamp {
        self.last.unwrap_or_default()
    }

    /// The time of the next line, which says it is so many seconds after the start.
    pub fn next(&mut self, seconds: Option<f64>) -> Timestamp {
        let said = seconds.filter(|seconds| seconds.is_finite()).map(|seconds| {
            #[expect(clippy::cast_possible_truncation, reason = "a cast from float stops at the ends of the range")]
            let millis = (seconds * 1000.0).round() as i64;
            Timestamp::from_millis(millis)
        });
        let at = match (self.last, said) {
            (None, said) => said.unwrap_or_default(),
            (Some(last), Some(said)) => last.max(said),
            (Some(last), None) => last.plus(Duration::from_secs(1)),
        };
        self.last = Some(at);
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_time_never_runs_back() {
        let mut time = VirtualTime::default();
        let lines = [None, None, Some(10.5), Some(3.0), None, Some(f64::NAN), Some(1e300)];
        let seen: Vec<i64> = lines.into_iter().map(|line| time.next(line).as_millis()).collect();
        assert_eq!(seen, [0, 1_000, 10_500, 10_500, 11_500, 12_500, i64::MAX]);
    }
}
