//! `date` and `gmt`: moments as WooCommerce writes them, local in the shop's zone or in UTC, without zone and fraction.

use jiff::civil::DateTime;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};
use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

use super::super::value::is_nothing;
use super::wrong;

/// The form of WooCommerce's date fields (`2026-11-03T16:07:00`).
const WOOCOMMERCE: &str = "%Y-%m-%dT%H:%M:%S";

/// Texts that stand for no date at all in legacy shops.
const NO_DATES: [&str; 4] = ["", "0000-00-00", "0000-00-00 00:00:00", "0001-01-01 00:00:00"];

/// `date`: text in `format` (strptime; without one ISO 8601, RFC 2822 or Unix seconds), read in the zone `tz` or the shop's,
/// as local time of the shop.
pub(super) fn local(value: &Value, format: Option<&str>, tz: Option<&str>, shop: &TimeZone) -> Result<Value, Error> {
    let zone = match tz {
        Some(name) => TimeZone::get(name).map_err(|_| failed(format!("there is no time zone `{name}`")))?,
        None => shop.clone(),
    };
    shown(moment(value, format, &zone)?, shop)
}

/// `gmt`: a local date of the shop in UTC.
pub(super) fn gmt(value: &Value, shop: &TimeZone) -> Result<Value, Error> {
    shown(moment(value, None, shop)?, &TimeZone::UTC)
}

/// Seconds since the Unix epoch of a date field as a rule may give it; `None` if it is no date.
pub(in crate::rules) fn seconds(text: &str, zone: &TimeZone) -> Option<i64> {
    moment(&Value::from(text), None, zone).ok().flatten().map(|zoned| zoned.timestamp().as_second())
}

fn shown(moment: Option<ZonedDateTime>, zone: &TimeZone) -> Result<Value, Error> {
    let Some(moment) = moment else { return Ok(Value::UNDEFINED) };
    let moment = moment.with_time_zone(zone.clone());
    jiff::fmt::strtime::format(WOOCOMMERCE, &moment).map(Value::from).map_err(|error| failed(error.to_string()))
}

fn moment(value: &Value, format: Option<&str>, zone: &TimeZone) -> Result<Option<ZonedDateTime>, Error> {
    if is_nothing(value) {
        return Ok(None);
    }
    match value.kind() {
        ValueKind::Number => {
            let seconds = value.as_i64().or_else(|| i64::try_from(value.clone()).ok());
            let moment = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
            moment
                .map(|moment| Some(moment.to_zoned_datetime(zone.clone())))
                .ok_or_else(|| failed("this number is no date".to_owned()))
        }
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default().trim();
            if NO_DATES.contains(&text) {
                return Ok(None);
            }
            let read = match format {
                Some(format) => with_format(text, format, zone),
                None => without_format(text, zone),
            };
            let wanted = format.map_or_else(|| "a date".to_owned(), |format| format!("a date in the form `{format}`"));
            read.map(Some).ok_or_else(|| failed(format!("the text is not {wanted}")))
        }
        _ => Err(wrong("date", "text or a number", value)),
    }
}

fn with_format(text: &str, format: &str, zone: &TimeZone) -> Option<ZonedDateTime> {
    let parts = BrokenDownTime::parse(format, text).ok()?;
    if let Ok(zoned) = parts.to_zoned_datetime() {
        return Some(zoned);
    }
    if let Ok(moment) = parts.to_timestamp() {
        return Some(moment.to_zoned_datetime(zone.clone()));
    }
    let civil = parts.to_datetime().or_else(|_| parts.to_date().map(|date| date.at(0, 0, 0, 0))).ok()?;
    civil.to_zoned_datetime(zone.clone()).ok()
}

fn without_format(text: &str, zone: &TimeZone) -> Option<ZonedDateTime> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment.to_zoned_datetime(zone.clone()));
    }
    if let Ok(civil) = text.parse::<DateTime>() {
        return civil.to_zoned_datetime(zone.clone()).ok();
    }
    if let Ok(zoned) = jiff::fmt::rfc2822::parse(text) {
        return Some(zoned);
    }
    let seconds = text.parse::<i64>().ok().filter(|_| text.len() >= 9)?;
    Timestamp::from_second(seconds).ok().map(|moment| moment.to_zoned_datetime(zone.clone()))
}

fn failed(text: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Value, format, zone and what comes of them.
    type Row<'a> = (Value, Option<&'a str>, Option<&'a str>, Option<&'a str>);

    #[test]
    fn dates_become_woocommerces() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let rows: [Row<'_>; 12] = [
            ("03.11.2026".into(), Some("%d.%m.%Y"), None, Some("2026-11-03T00:00:00")),
            ("11/03/2026 4:07 PM".into(), Some("%m/%d/%Y %I:%M %p"), None, Some("2026-11-03T16:07:00")),
            ("2026-11-03 16:07".into(), Some("%Y-%m-%d %H:%M"), Some("UTC"), Some("2026-11-03T17:07:00")),
            ("2026-11-03T16:07:00Z".into(), None, None, Some("2026-11-03T17:07:00")),
            ("2026-11-03 16:07:09".into(), None, None, Some("2026-11-03T16:07:09")),
            ("2026-11-03".into(), None, None, Some("2026-11-03T00:00:00")),
            ("Tue, 03 Nov 2026 16:07:00 +0000".into(), None, None, Some("2026-11-03T17:07:00")),
            (1_793_722_020.into(), None, None, Some("2026-11-03T17:07:00")),
            ("1793722020".into(), None, None, Some("2026-11-03T17:07:00")),
            ("0000-00-00".into(), None, None, None),
            (Value::UNDEFINED, Some("%d"), None, None),
            ("2026-11-03 10:00 +05:00".into(), Some("%Y-%m-%d %H:%M %:z"), None, Some("2026-11-03T06:00:00")),
        ];
        for (value, format, tz, wanted) in rows {
            let got = local(&value, format, tz, &berlin).unwrap();
            assert_eq!(got.as_str(), wanted, "{value:?}");
        }
        assert_eq!(gmt(&"2026-07-03T16:07:00".into(), &berlin).unwrap().as_str(), Some("2026-07-03T14:07:00"));
        for (value, format, tz) in
            [("soon", None, None), ("3.4.", Some("%d.%m.%Y"), None), ("2026-11-03", None, Some("Mars"))]
        {
            assert!(local(&value.into(), format, tz, &berlin).is_err(), "{value}");
        }
    }
}
