//! Between JSON and MiniJinja's values: tables that keep their order and know numbered keys, and the bounded way back.

use std::collections::HashMap;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Enumerator, Object, ValueKind};
use serde_json::{Map, Number, Value as Json};

use super::tree::Tree;
use crate::model::MAX_BODY_BYTES;

/// The most a value may come to as JSON, in bytes: more than a body may hold is of no use.
pub(super) const MAX_VALUE_BYTES: usize = MAX_BODY_BYTES;

/// What each part of a value counts for beside its text, in bytes: about what it takes in memory.
const NODE_BYTES: usize = 32;

/// How deep a value may nest on its way back to JSON, in levels.
const MAX_DEPTH: usize = 128;

/// Entries up to which a table is looked through from the start: that is as quick as hashing.
const FEW: usize = 8;

/// A table in written order. Keys are text; a number finds the key it reads as (`a[1]`, `a['1']`).
#[derive(Debug, Default)]
pub(super) struct Table {
    entries: Vec<(Arc<str>, Value)>,
    /// Of a table with more than [`FEW`] entries.
    places: HashMap<Arc<str>, usize>,
}

impl Table {
    /// Adds or replaces.
    pub(super) fn insert(&mut self, key: &str, value: Value) {
        let known = self.place(key).and_then(|place| self.entries.get_mut(place));
        if let Some((_, known)) = known {
            *known = value;
            return;
        }
        self.entries.push((key.into(), value));
        let new = match self.entries.len() {
            ..=FEW => return,
            many if many == FEW + 1 => 0,
            many => many - 1,
        };
        let new = self.entries.iter().enumerate().skip(new);
        self.places.extend(new.map(|(place, (key, _))| (Arc::clone(key), place)));
    }

    fn place(&self, key: &str) -> Option<usize> {
        if self.entries.len() > FEW {
            return self.places.get(key).copied();
        }
        self.entries.iter().position(|(known, _)| **known == *key)
    }

    /// The value at a key.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.place(key).and_then(|place| self.entries.get(place)).map(|(_, value)| value)
    }

    /// The keys in order.
    pub(super) fn keys(&self) -> Vec<Value> {
        self.entries.iter().map(|(key, _)| Value::from(Arc::clone(key))).collect()
    }

    /// As a value.
    pub(super) fn into_value(self) -> Value {
        Value::from_object(self)
    }
}

impl<K: AsRef<str>> FromIterator<(K, Value)> for Table {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(pairs: I) -> Self {
        let mut table = Self::default();
        pairs.into_iter().for_each(|(key, value)| table.insert(key.as_ref(), value));
        table
    }
}

impl Object for Table {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get(&key_text(key)?).cloned()
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.get(key).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.keys())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.entries.len())
    }
}

/// The text of a key: text as it stands, whole numbers as digits.
pub(super) fn key_text(key: &Value) -> Option<String> {
    match key.kind() {
        ValueKind::String => key.as_str().map(str::to_owned),
        ValueKind::Number if key.is_integer() => Some(key.to_string()),
        _ => None,
    }
}

/// JSON as a value.
pub(super) fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(value) => Value::from(*value),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => Value::from(whole),
            (None, Some(whole)) => Value::from(whole),
            (None, None) => number.as_f64().map_or(Value::UNDEFINED, Value::from),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => items.iter().map(from_json).collect::<Vec<_>>().into(),
        Json::Object(map) => from_map(map),
    }
}

/// A JSON object as a value.
pub(super) fn from_map(map: &Map<String, Json>) -> Value {
    map.iter().map(|(key, value)| (key, from_json(value))).collect::<Table>().into_value()
}

/// Why a value cannot become JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoJson {
    #[error("it comes to more than {MAX_VALUE_BYTES} bytes")]
    TooLarge,
    #[error("it nests deeper than {MAX_DEPTH} levels")]
    TooDeep,
    #[error("it holds something that is no data")]
    NotData,
}

/// A value as JSON; `None` where it is undefined. Undefined parts of lists and tables are left out.
pub(super) fn to_json(value: &Value) -> Result<Option<Json>, NoJson> {
    let mut room = MAX_VALUE_BYTES;
    json_within(value, &mut room, MAX_DEPTH)
}

fn json_within(value: &Value, room: &mut usize, depth: usize) -> Result<Option<Json>, NoJson> {
    if let Some(json) = value.downcast_object_ref::<Tree>().and_then(Tree::json) {
        return bounded(json, room, depth).map(|()| Some(json.clone()));
    }
    take(room, NODE_BYTES)?;
    Ok(Some(match value.kind() {
        ValueKind::Undefined => return Ok(None),
        ValueKind::None => Json::Null,
        ValueKind::Bool => Json::Bool(value.is_true()),
        ValueKind::Number => match number(value) {
            Some(number) => Json::Number(number),
            None => return Ok(None),
        },
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            take(room, text.len())?;
            Json::String(text.to_owned())
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let depth = depth.checked_sub(1).ok_or(NoJson::TooDeep)?;
            let mut list = Vec::new();
            for item in value.try_iter().map_err(|_| NoJson::NotData)? {
                list.extend(json_within(&item, room, depth)?);
            }
            Json::Array(list)
        }
        ValueKind::Map => {
            let depth = depth.checked_sub(1).ok_or(NoJson::TooDeep)?;
            let mut map = Map::new();
            for key in value.try_iter().map_err(|_| NoJson::NotData)? {
                let item = value.get_item(&key).map_err(|_| NoJson::NotData)?;
                let key = key_text(&key).unwrap_or_else(|| key.to_string());
                take(room, key.len())?;
                if let Some(item) = json_within(&item, room, depth)? {
                    map.insert(key, item);
                }
            }
            Json::Object(map)
        }
        _ => return Err(NoJson::NotData),
    }))
}

fn take(room: &mut usize, bytes: usize) -> Result<(), NoJson> {
    *room = room.checked_sub(bytes).ok_or(NoJson::TooLarge)?;
    Ok(())
}

/// The same bounds on what is JSON already.
fn bounded(json: &Json, room: &mut usize, depth: usize) -> Result<(), NoJson> {
    take(room, NODE_BYTES)?;
    let below = || depth.checked_sub(1).ok_or(NoJson::TooDeep);
    match json {
        Json::String(text) => take(room, text.len()),
        Json::Array(items) => {
            let depth = below()?;
            items.iter().try_for_each(|item| bounded(item, room, depth))
        }
        Json::Object(map) => {
            let depth = below()?;
            map.iter().try_for_each(|(key, value)| {
                take(room, key.len())?;
                bounded(value, room, depth)
            })
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => Ok(()),
    }
}

fn number(value: &Value) -> Option<Number> {
    if let Some(whole) = value.as_i64().filter(|_| value.is_integer()) {
        return Some(whole.into());
    }
    if let Some(whole) = u64::try_from(value.clone()).ok().filter(|_| value.is_integer()) {
        return Some(whole.into());
    }
    f64::try_from(value.clone()).ok().and_then(Number::from_f64)
}

/// A scalar as text, as ids, keys and mixed text carry it; `None` for undefined, none, lists and tables.
pub(super) fn scalar_text(value: &Value) -> Option<String> {
    match value.kind() {
        ValueKind::String => value.as_str().map(str::to_owned),
        ValueKind::Number => Some(value.to_string()),
        ValueKind::Bool => Some(value.is_true().to_string()),
        _ => None,
    }
}

/// Whether nothing stands there.
pub(super) fn is_nothing(value: &Value) -> bool {
    value.is_undefined() || value.is_none()
}

#[cfg(test)]
mod tests {
    use super::super::tree::Held;
    use super::*;

    #[test]
    fn json_survives_the_way_there_and_back() {
        for text in [
            r#"{"b":1,"a":[1,2.5,"x",null,true,{"z":{},"y":[]}],"10":"n"}"#,
            "18446744073709551615",
            "-3",
            "\"\"",
            "3.0",
        ] {
            let json: Json = serde_json::from_str(text).unwrap();
            assert_eq!(to_json(&from_json(&json)).unwrap().map(|json| json.to_string()).as_deref(), Some(text));
        }
    }

    #[test]
    fn numbered_keys_are_found_by_number_and_by_text() {
        let value = from_json(&serde_json::json!({"1": "one", "x": "y"}));
        for key in [Value::from(1), Value::from("1")] {
            assert_eq!(value.get_item(&key).unwrap().as_str(), Some("one"));
        }
        assert!(value.get_item(&Value::from(2)).unwrap().is_undefined());
    }

    #[test]
    fn a_value_beyond_the_bounds_is_refused() {
        let large = Value::from("x".repeat(1024 * 1024));
        let many: Value = vec![large; 17].into();
        assert_eq!(to_json(&many), Err(NoJson::TooLarge));
        for large in ["x".repeat(MAX_VALUE_BYTES).into(), vec![Json::Null; MAX_VALUE_BYTES / NODE_BYTES].into()] {
            let large: Json = large;
            let held = Held::Json(Arc::new(serde_json::json!({ "a": large })));
            assert_eq!(to_json(&held.value()), Err(NoJson::TooLarge));
        }
        let deep = (0..200).fold(Value::from(1), |inner, _| vec![inner].into());
        assert_eq!(to_json(&deep), Err(NoJson::TooDeep));
        let deep = (0..200).fold(Json::Null, |inner, _| serde_json::json!({"a": inner}));
        assert_eq!(to_json(&Held::Json(Arc::new(deep)).value()), Err(NoJson::TooDeep));
    }
}
