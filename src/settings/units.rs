//! Times and sizes as people write them. The errors are for people.

use std::time::Duration;

use jiff::SignedDuration;

/// The smallest budget of a journal, in bytes: below it a few partitions would not fit.
const MIN_BUDGET: u64 = 16 << 20;

/// The shortest time journals are kept, in hours: below it nobody could look at what went wrong.
const MIN_RETENTION_HOURS: u64 = 1;

/// Units of sizes, with their bytes.
const SIZES: [(&str, u64); 6] = [
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

/// A number with one of these units behind it, as so many of the smallest.
pub fn amount(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let of_unit =
        |(unit, factor): &(&str, u64)| text.strip_suffix(unit)?.trim().parse::<u64>().ok()?.checked_mul(*factor);
    units.iter().find_map(of_unit)
}

/// `30s`, `5m`, `1h 30m`, `30d`. The error is for people.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    let days = text.strip_suffix('d').and_then(|days| days.trim().parse::<u64>().ok());
    let time = match days {
        Some(days) => days.checked_mul(86_400).map(Duration::from_secs),
        None => text.parse::<SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok()),
    };
    time.ok_or_else(|| format!("`{text}` is no time: write a number with its unit, such as 30s, 5m, 1h or 30d"))
}

/// A time for which journals are kept.
pub(super) fn parse_retention(text: &str) -> Result<Duration, String> {
    let time = parse_time(text)?;
    if time < Duration::from_hours(MIN_RETENTION_HOURS) {
        return Err(format!("`{text}` is too short: journals are kept for {MIN_RETENTION_HOURS} hour at least"));
    }
    Ok(time)
}

/// A journal's budget: `512MiB`, `10GiB`. Gives bytes.
pub(super) fn parse_budget(text: &str) -> Result<u64, String> {
    let none = || format!("`{text}` is no size: write a number with its unit, such as 512MiB or 10GiB");
    let bytes = amount(text, &SIZES).ok_or_else(none)?;
    if bytes < MIN_BUDGET {
        return Err(format!("`{text}` is too small: a journal needs {} MiB at least", MIN_BUDGET >> 20));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_read_or_refused_with_a_reason() {
        let times = [("30s", Some(30)), ("1h 30m", Some(5_400)), ("30d", Some(2_592_000)), ("10", None), ("-1s", None)];
        for (text, seconds) in times {
            assert_eq!(parse_time(text).ok(), seconds.map(Duration::from_secs), "{text}");
        }
        assert_eq!(parse_time("999999999999999999d").ok(), None);
        assert_eq!(parse_retention("12h"), Ok(Duration::from_hours(12)));
        assert!(parse_retention("59m").unwrap_err().contains("1 hour at least"));
        let sizes = [
            ("16MiB", Some(16 << 20)),
            ("10 GiB", Some(10 << 30)),
            ("2TB", Some(2_000_000_000_000)),
            ("5", None),
            ("GiB", None),
            ("99999999999TiB", None),
        ];
        for (text, bytes) in sizes {
            assert_eq!(parse_budget(text).ok(), bytes, "{text}");
        }
        assert!(parse_budget("1MiB").unwrap_err().contains("16 MiB at least"));
    }
}
