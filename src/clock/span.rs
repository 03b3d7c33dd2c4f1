//! Spans of time as people write them in files and requests: `30s`, `5m`, `1h`, `2d`.

use std::time::Duration;

const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// A whole number and one unit, without a space between; `None` for anything else and beyond the range.
pub fn parse(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let (_, seconds) = UNITS.into_iter().find(|(letter, _)| *letter == unit)?;
    let digits = text.strip_suffix(unit)?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(seconds).map(Duration::from_secs)
}

/// The shortest way to write a span of whole seconds.
pub fn show(span: Duration) -> String {
    let whole = span.as_secs();
    let (unit, seconds) =
        UNITS.into_iter().find(|(_, seconds)| whole > 0 && whole.is_multiple_of(*seconds)).unwrap_or(('s', 1));
    format!("{}{unit}", whole / seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_a_number_and_a_unit() {
        for (text, seconds) in [("30s", 30), ("5m", 300), ("1h", 3_600), ("2d", 172_800), ("0s", 0)] {
            assert_eq!(parse(text), Some(Duration::from_secs(seconds)), "{text}");
            assert_eq!(show(Duration::from_secs(seconds)), text);
        }
        for text in ["", "s", "30", "30 s", "1.5h", "-5s", "5w", "ß", "99999999999999999999d", "999999999999999999d"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
