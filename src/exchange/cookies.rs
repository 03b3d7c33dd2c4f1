//! Cookies of requests and responses.

use std::cell::LazyCell;

use encoding_rs::Encoding;
use http::{HeaderMap, header};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::Timestamp;
use super::urlencoded::unescape_text;

/// An expiry up to here means "delete", whatever the time is: shops write the epoch, give or take a zone.
const EPOCH_DAY: i64 = 86_400;

/// Cookies of all `Cookie` lines, in order; values unquoted and percent-decoded.
pub(super) fn request_cookies(headers: &HeaderMap, charset: &'static Encoding) -> Vec<(String, String)> {
    let lines = headers.get_all(header::COOKIE).iter();
    let crumbs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    crumbs.filter_map(|crumb| pair(crumb, charset)).collect()
}

/// Cookies of all `Set-Cookie` lines, in order; one that is deleted (RFC 6265 section 5.3: `Max-Age` goes before `Expires`)
/// has an empty value. "Now" is the answer's own `Date`, else `at`.
pub(super) fn response_cookies(
    headers: &HeaderMap,
    at: Timestamp,
    charset: &'static Encoding,
) -> Vec<(String, String)> {
    let now = LazyCell::new(|| {
        let date = headers.get(header::DATE).and_then(|date| parse_date(date.as_bytes()));
        date.unwrap_or_else(|| at.as_secs())
    });
    let lines = headers.get_all(header::SET_COOKIE).iter();
    let read = lines.filter_map(|line| {
        let mut crumbs = line.as_bytes().split(|byte| *byte == b';');
        let (name, value) = pair(crumbs.next()?, charset)?;
        Some((name, if is_deleted(crumbs, *now) { String::new() } else { value }))
    });
    read.collect()
}

fn pair(crumb: &[u8], charset: &'static Encoding) -> Option<(String, String)> {
    let mut halves = crumb.splitn(2, |byte| *byte == b'=');
    let name = halves.next()?.trim_ascii();
    let value = halves.next().unwrap_or_default().trim_ascii();
    if name.is_empty() {
        return None;
    }
    let name = std::str::from_utf8(name).map_or_else(|_| charset.decode(name).0.into_owned(), str::to_owned);
    Some((name, read_value(value, charset)))
}

/// A value without quotes and escapes. A quoted one with backslashes was written by a writer that escapes nothing by
/// percent signs (Python's `http.cookies`): `\"`, and three octal digits for a byte.
fn read_value(value: &[u8], charset: &'static Encoding) -> String {
    let inner = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    match inner {
        Some(inner) if inner.contains(&b'\\') => {
            let bytes = without_backslashes(inner);
            String::from_utf8(bytes).unwrap_or_else(|fault| charset.decode(fault.as_bytes()).0.into_owned())
        }
        _ => unescape_text(inner.unwrap_or(value), charset),
    }
}

fn without_backslashes(quoted: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(quoted.len());
    let mut rest = quoted;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (first, after) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', next @ ..]) => {
                plain.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = next;
            }
            (b'\\', [escaped, next @ ..]) => {
                plain.push(*escaped);
                rest = next;
            }
            _ => plain.push(*first),
        }
    }
    plain
}

fn is_deleted<'a>(attributes: impl Iterator<Item = &'a [u8]>, now: i64) -> bool {
    let mut expired = false;
    let mut aged = None;
    for attribute in attributes {
        let mut halves = attribute.splitn(2, |byte| *byte == b'=');
        let name = halves.next().unwrap_or_default().trim_ascii();
        let value = halves.next().unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"max-age") {
            let seconds = std::str::from_utf8(value).ok().and_then(|text| text.parse::<i64>().ok());
            aged = seconds.map(|seconds| seconds <= 0).or(aged);
        } else if name.eq_ignore_ascii_case(b"expires") {
            expired = parse_date(value).is_some_and(|expiry| expiry <= now.max(EPOCH_DAY));
        }
    }
    aged.unwrap_or(expired)
}

/// Seconds since the Unix epoch of a date in any of the spellings of RFC 6265 section 5.1.1.
fn parse_date(text: &[u8]) -> Option<i64> {
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    for token in text.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b':') {
        let Ok(token) = std::str::from_utf8(token) else { continue };
        if token.contains(':') {
            time = time.or_else(|| clock(token));
        } else if token.starts_with(|first: char| first.is_ascii_digit()) {
            let Ok(number) = token.parse::<i16>() else { continue };
            if token.len() <= 2 && day.is_none() {
                day = i8::try_from(number).ok();
            } else {
                year = year.or(Some(number));
            }
        } else {
            month = month.or_else(|| month_number(token));
        }
    }
    let year = match year? {
        short @ 70..=99 => short + 1900,
        short @ 0..=69 => short + 2000,
        long => long,
    };
    let (hour, minute, second) = time.unwrap_or_default();
    let date = DateTime::new(year, month?, day?, hour, minute, second, 0).ok()?;
    Some(TimeZone::UTC.to_timestamp(date).ok()?.as_second())
}

fn clock(token: &str) -> Option<(i8, i8, i8)> {
    let mut numbers = token.split(':').map(|number| number.parse::<i8>().ok());
    Some((numbers.next()??, numbers.next()??, numbers.next().flatten().unwrap_or(0).min(59)))
}

fn month_number(token: &str) -> Option<i8> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let start = token.get(..3)?.to_ascii_lowercase();
    MONTHS.iter().zip(1..).find(|(name, _)| **name == start).map(|(_, number)| number)
}

#[cfg(test)]
mod tests {
    use encoding_rs::UTF_8;
    use http::HeaderValue;

    use super::*;

    fn lines(name: &'static str, lines: &[&[u8]]) -> HeaderMap {
        let values =
            lines.iter().map(|line| (header::HeaderName::from_static(name), HeaderValue::from_bytes(line).unwrap()));
        values.collect()
    }

    #[test]
    fn request_cookies_are_read() {
        for (sent, expected) in [
            (&[&b"a=1; b=x%20y;c="[..], b"a=2"][..], &[("a", "1"), ("b", "x y"), ("c", ""), ("a", "2")][..]),
            (&[b"a=\"q%41\"; b=admin|17|x+y"], &[("a", "qA"), ("b", "admin|17|x+y")]),
            (&[b"m=\"[\\\"x\\\"\\054 \\303\\274 100%25]\""], &[("m", "[\"x\", \u{fc} 100%25]")]),
            (&[b"a=\xc3\xbc; b=\xfc"], &[("a", "\u{fc}"), ("b", "\u{fffd}")]),
            (&[b" ;;=x; flag; e=a=b; q=\""], &[("flag", ""), ("e", "a=b"), ("q", "\"")]),
        ] {
            let found = request_cookies(&lines("cookie", sent), UTF_8);
            let found: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn deleted_cookies_are_empty() {
        for (sent, value) in [
            ("s=abc; Path=/; HttpOnly", "abc"),
            ("s=abc; Max-Age=3600", "abc"),
            ("s=deleted; Max-Age=0", ""),
            ("s=deleted; max-age=-1; expires=Fri, 01 Jan 2100 00:00:00 GMT", ""),
            ("s=abc; Expires=Thu, 01-Jan-1970 00:00:01 GMT; Max-Age=60", "abc"),
            ("s=deleted; expires=Thu, 01-Jan-1970 00:00:01 GMT", ""),
            ("s=deleted; expires=Thu, 01-Jan-70 00:00:01 GMT", ""),
            ("s=deleted; expires=Wed, 31 Dec 1969 23:59:59 GMT", ""),
            ("s=deleted; Expires=Mon Nov  2 10:00:00 2026", ""),
            ("s=abc; Expires=Wed, 04 Nov 2026 10:00:00 GMT", "abc"),
            ("s=abc; Expires=99 Foo 99999; Max-Age=x", "abc"),
        ] {
            let mut headers = lines("set-cookie", &[sent.as_bytes()]);
            headers.insert(header::DATE, HeaderValue::from_static("Tue, 03 Nov 2026 16:07:00 GMT"));
            let found = response_cookies(&headers, Timestamp::default(), UTF_8);
            assert_eq!(found, [("s".to_owned(), value.to_owned())], "{sent}");
            // Without a `Date` it is the exchange's own time that counts.
            headers.remove(header::DATE);
            let at = Timestamp::from_millis(1_793_722_020_000);
            assert_eq!(response_cookies(&headers, at, UTF_8), found, "{sent}");
        }
    }
}
