//! The body of a webhook: dates, order of keys, size. WooCommerce's forms: `reference` woocommerce.md 2.3 and 9.

use jiff::tz::TimeZone;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::candidate::Key;
use crate::model::{MAX_BODY_BYTES, Timestamp, id_json};
use crate::rules::expr::date_seconds;

/// Fields that every body but those of `deleted` and actions carries, and that `known` does not keep among its fields.
pub(in crate::rules) const DATES: [&str; 4] =
    ["date_created", "date_created_gmt", "date_modified", "date_modified_gmt"];

/// When a resource was made and last changed, in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dates {
    pub(super) created: Timestamp,
    pub(super) modified: Timestamp,
}

impl Dates {
    /// Takes the dates out of a rule's payload and completes them: `first_seen` where it gives no date of making. `modified` grows by at least a second with every event
    /// of a resource, as real clients de-duplicate on it (delivery.md 4c.7).
    pub(super) fn take(
        payload: &mut Map<String, Value>,
        first_seen: Timestamp,
        last_modified: Option<Timestamp>,
        now: Timestamp,
        zone: &TimeZone,
    ) -> Self {
        let [created, created_gmt, modified, modified_gmt] = DATES.map(|name| payload.shift_remove(name));
        let given = |gmt: Option<Value>, local: Option<Value>| {
            let gmt = gmt.as_ref().and_then(Value::as_str).and_then(|text| date_seconds(text, &TimeZone::UTC));
            gmt.or_else(|| local.as_ref().and_then(Value::as_str).and_then(|text| date_seconds(text, zone)))
        };
        let created = given(created_gmt, created).unwrap_or_else(|| first_seen.as_secs());
        let modified = given(modified_gmt, modified).unwrap_or_else(|| now.as_secs());
        let least = last_modified.map_or(i64::MIN, |last| last.as_secs().saturating_add(1));
        Self { created: seconds(created), modified: seconds(modified.max(least)) }
    }
}

fn seconds(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds.saturating_mul(1000))
}

/// The body of created, updated, restored and others that carry the resource: id (or, without one, the key), dates, then
/// the fields in their order.
pub(super) fn resource(
    id: Option<&str>,
    keys: &[Key],
    dates: Dates,
    zone: &TimeZone,
    fields: &Map<String, Value>,
) -> Map<String, Value> {
    let mut body = identity(id, keys);
    let moments = [(DATES[0], DATES[1], dates.created), (DATES[2], DATES[3], dates.modified)];
    for (local, gmt, moment) in moments {
        body.insert(local.to_owned(), moment.wc_in(zone).into());
        body.insert(gmt.to_owned(), moment.wc_gmt().into());
    }
    body.extend(fields.iter().map(|(name, value)| (name.clone(), value.clone())));
    body
}

/// The body of deleted: `{"id":N}`, or the key's table where no id is known.
pub(super) fn identity(id: Option<&str>, keys: &[Key]) -> Map<String, Value> {
    match id {
        Some(id) => [("id".to_owned(), id_json(id))].into_iter().collect(),
        None => keys.iter().map(|key| (key.name.clone(), key.value.clone())).collect(),
    }
}

/// The body of an action.
pub(super) fn action(name: &str, arg: Option<Value>, id: Option<&str>, keys: &[Key]) -> Map<String, Value> {
    let arg = arg.or_else(|| id.map(id_json)).unwrap_or_else(|| match keys {
        [] => Value::Null,
        keys => Value::Object(identity(None, keys)),
    });
    [("action".to_owned(), name.into()), ("arg".to_owned(), arg)].into_iter().collect()
}

/// As compact JSON, `/` and non-ASCII as they are; `None` above [`MAX_BODY_BYTES`].
pub(super) fn compact(body: &Map<String, Value>) -> Option<Box<RawValue>> {
    let text = serde_json::to_string(body).ok()?;
    if text.len() > MAX_BODY_BYTES {
        return None;
    }
    RawValue::from_string(text).ok()
}
