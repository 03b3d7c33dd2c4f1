//! Times and sizes as people write them.

use std::time::Duration;

use crate::settings::{self, amount};

/// Units of a size, in bytes.
const SIZES: [(&str, u64); 8] = [
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("b", 1),
];

/// `30s`, `10m`, `2h`: how long something goes on. The error is for people.
pub(in crate::cli) fn parse_time(text: &str) -> Result<Duration, String> {
    match settings::parse_time(text.trim()) {
        Ok(Duration::ZERO) => Err(format!("`{text}` is no time: it would end before it began")),
        other => other,
    }
}

/// `500KB`, `50MB`, `1GB`. The error is for people.
pub(in crate::cli) fn parse_size(text: &str) -> Result<u64, String> {
    amount(text.trim(), &SIZES)
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| format!("`{text}` is no size: write 500KB, 50MB or 1GB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_read() {
        for (text, seconds) in [("30s", 30), ("10m", 600), ("2h", 7_200), (" 1d", 86_400)] {
            assert_eq!(parse_time(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for (text, bytes) in [("500KB", 500_000), ("50mb", 50_000_000), ("1GB", 1_000_000_000), ("7B", 7)] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for odd in ["", "10", "0s", "0MB", "m", "-5m", "99999999999999999999h", "9999999999999999GB"] {
            assert!(parse_time(odd).is_err() && parse_size(odd).is_err(), "{odd}");
        }
    }
}
