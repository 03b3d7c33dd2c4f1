//! `money`: an amount as people write it, as the text WooCommerce carries (`1.234,50 €` → `1234.50`).

use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use super::super::value::is_nothing;
use super::wrong;

/// Decimals an amount has at least; more are kept where they say something.
const MIN_DECIMALS: usize = 2;

/// The filter. Text that holds no single amount gives undefined.
pub(super) fn filter(value: &Value, decimal: char) -> Result<Value, Error> {
    if is_nothing(value) {
        return Ok(value.clone());
    }
    let amount = match value.kind() {
        ValueKind::Number => plain(&value.to_string(), '.'),
        ValueKind::String => plain(value.as_str().unwrap_or_default(), decimal),
        _ => return Err(wrong("money", "text or a number", value)),
    };
    Ok(amount.map_or(Value::UNDEFINED, Value::from))
}

/// The one amount in `text`. `decimal` is the shop's decimal sign, which decides where both readings are possible.
fn plain(text: &str, decimal: char) -> Option<String> {
    let first = text.find(|letter: char| letter.is_ascii_digit())?;
    let last = text.rfind(|letter: char| letter.is_ascii_digit())?;
    let amount = text.get(first..=last)?;
    let fits =
        |letter: char| letter.is_ascii_digit() || matches!(letter, '.' | ',' | '\'' | '’' | '_') || is_blank(letter);
    if !amount.chars().all(fits) {
        return None;
    }
    // `.50` is how some systems print half a unit.
    let before = text.get(..first)?;
    let leading = before.chars().next_back().filter(|sign| *sign == decimal || *sign == '.');
    let negative = before.contains(['-', '−']);
    let amount = match leading {
        Some(sign) if !amount.contains(['.', ',']) => format!("0{sign}{amount}"),
        _ => amount.to_owned(),
    };
    let (whole, part) = match decimal_sign(&amount, decimal) {
        Some(at) => (&amount[..at], &amount[at + 1..]),
        None => (amount.as_str(), ""),
    };
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let (whole, part) = (digits(whole), digits(part));
    let whole = whole.trim_start_matches('0');
    let part = part.trim_end_matches('0');
    let zero = whole.is_empty() && part.is_empty();
    let sign = if negative && !zero { "-" } else { "" };
    let whole = if whole.is_empty() { "0" } else { whole };
    Some(format!("{sign}{whole}.{part:0<MIN_DECIMALS$}"))
}

/// Where the decimal sign of an amount stands, in bytes.
fn decimal_sign(amount: &str, decimal: char) -> Option<usize> {
    let (dot, comma) = (amount.rfind('.'), amount.rfind(','));
    let at = match (dot, comma) {
        (Some(dot), Some(comma)) => return Some(dot.max(comma)),
        (at, None) | (None, at) => at?,
    };
    let sign = char::from(amount.as_bytes()[at]);
    if amount.matches(sign).count() > 1 {
        return None;
    }
    let after = amount.len() - at - 1;
    let before = amount[..at].chars().filter(char::is_ascii_digit).count();
    let looks_like_thousands = after == 3 && (1..=3).contains(&before) && !amount.starts_with('0');
    (sign == decimal || !looks_like_thousands).then_some(at)
}

/// Blanks that stand between thousands: plain, no-break, narrow no-break, thin.
const fn is_blank(letter: char) -> bool {
    matches!(letter, ' ' | '\u{a0}' | '\u{202f}' | '\u{2009}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_people_write_them() {
        let rows = [
            ("1.234,50 €", ',', Some("1234.50")),
            ("1.234,50 €", '.', Some("1234.50")),
            ("$1,234.50", '.', Some("1234.50")),
            ("$1,234.50", ',', Some("1234.50")),
            ("1.234", '.', Some("1.234")),
            ("1.234", ',', Some("1234.00")),
            ("1,234", ',', Some("1.234")),
            ("1,234", '.', Some("1234.00")),
            ("1.234.567", ',', Some("1234567.00")),
            ("12,5", '.', Some("12.50")),
            ("100.0000", '.', Some("100.00")),
            ("100.0000", ',', Some("100.00")),
            ("0.125", ',', Some("0.125")),
            ("CHF 1'234.50", '.', Some("1234.50")),
            ("1\u{a0}234,50 kr", ',', Some("1234.50")),
            ("5,-", ',', Some("5.00")),
            ("-3", '.', Some("-3.00")),
            ("€ −3,10", ',', Some("-3.10")),
            ("-0.00", '.', Some("0.00")),
            (".50", '.', Some("0.50")),
            ("007", '.', Some("7.00")),
            ("2 x 10.00", '.', None),
            ("free", '.', None),
            ("", '.', None),
        ];
        for (text, decimal, wanted) in rows {
            assert_eq!(plain(text, decimal).as_deref(), wanted, "{text} {decimal}");
        }
        assert_eq!(filter(&Value::from(19.9), ',').unwrap().as_str(), Some("19.90"));
        assert_eq!(filter(&Value::from(7), ',').unwrap().as_str(), Some("7.00"));
        assert!(filter(&Value::UNDEFINED, '.').unwrap().is_undefined());
    }
}
