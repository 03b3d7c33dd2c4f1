//! Moments as people write them.

use crate::model::{Timestamp, span};

use super::error::ApiError;

/// A moment as people write it: `15m`, `2h`, `3d` ago, or RFC 3339 (`2026-11-03T16:07:00Z`), or milliseconds since 1970.
pub(super) fn moment(text: &str, now: Timestamp) -> Result<Timestamp, ApiError> {
    let text = text.trim();
    if let Ok(millis) = text.parse() {
        return Ok(Timestamp::from_millis(millis));
    }
    if let Some(span) = span::parse(text) {
        return Ok(now.minus(span));
    }
    // A date, or a date and a time without a zone, is in UTC, as the log prints it.
    if let Ok(civil) = text.parse::<jiff::civil::DateTime>()
        && !text.ends_with(['Z', 'z'])
        && text.parse::<jiff::Timestamp>().is_err()
        && let Ok(at) = format!("{civil}Z").parse::<jiff::Timestamp>()
    {
        return Ok(Timestamp::from_millis(at.as_millisecond()));
    }
    let parsed: Result<jiff::Timestamp, _> = text.parse();
    parsed.map(|at| Timestamp::from_millis(at.as_millisecond())).map_err(|_| {
        ApiError::BadRequest(format!(
            "`{text}` is no time: write 15m, 2h or 3d (ago), 2026-11-03, or 2026-11-03T16:07:00Z"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_people_write_them() {
        let now = Timestamp::from_millis(1_793_722_020_000);
        let rows = [
            ("15m", 1_793_722_020_000 - 900_000),
            ("2d", 1_793_722_020_000 - 2 * 86_400_000),
            ("1793722020000", 1_793_722_020_000),
            ("2026-11-03T16:07:00Z", 1_793_722_020_000),
            ("2026-11-03T17:07:00+01:00", 1_793_722_020_000),
            ("2026-11-03 16:07", 1_793_722_020_000),
            ("2026-11-03", 1_793_664_000_000),
        ];
        for (text, millis) in rows {
            assert_eq!(moment(text, now), Ok(Timestamp::from_millis(millis)), "{text}");
        }
        for odd in ["", "yesterday", "m", "ü", "99999999999999999999d"] {
            assert!(moment(odd, now).is_err(), "{odd}");
        }
    }
}
