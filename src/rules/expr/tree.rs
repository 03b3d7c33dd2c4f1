//! Tables of JSON that others hold, as values: what no expression asks for is never converted.

use std::sync::{Arc, Mutex, PoisonError};

use minijinja::Value;
use minijinja::value::{Enumerator, Object};
use serde_json::{Map, Value as Json};

use super::value::{Table, from_json, key_text};
use crate::exchange::Fields;

/// Who holds the JSON.
#[derive(Clone, Debug)]
pub(super) enum Held {
    /// It alone.
    Json(Arc<Json>),
    /// The fields of a form or query.
    Fields(Fields),
}

/// A table in it. Keys are text; a number finds the key it reads as (`a[1]`, `a['1']`).
#[derive(Debug)]
pub(super) struct Tree {
    held: Held,
    /// Where it stands; `None` at the top.
    place: Option<Arc<Place>>,
    /// Tables and lists below it that were asked for.
    converted: Mutex<Table>,
}

/// A way from the top, last step first.
#[derive(Debug)]
struct Place {
    above: Option<Arc<Place>>,
    step: Step,
}

#[derive(Debug)]
enum Step {
    Key(Box<str>),
    At(usize),
}

impl Held {
    fn json(&self) -> &Json {
        match self {
            Self::Json(json) => json,
            Self::Fields(fields) => fields.tree(),
        }
    }

    /// What stands at a key of the top.
    fn top(&self, key: &str) -> Option<&Json> {
        match self {
            Self::Json(json) => json.get(key),
            Self::Fields(fields) => fields.top(key),
        }
    }

    /// All of it as a value.
    pub(super) fn value(&self) -> Value {
        self.convert(self.json(), &|| None)
    }

    /// Of it what stands at a place.
    fn convert(&self, json: &Json, place: &dyn Fn() -> Option<Arc<Place>>) -> Value {
        let is_table = |json: &Json| matches!(json, Json::Object(_) | Json::Array(_));
        match json {
            Json::Object(_) => Value::from_object(Tree::new(self.clone(), place())),
            Json::Array(items) if items.iter().any(is_table) => {
                let above = place();
                let item = |(at, item)| self.convert(item, &|| Some(Place::below(above.as_ref(), Step::At(at))));
                items.iter().enumerate().map(item).collect::<Vec<_>>().into()
            }
            flat => from_json(flat),
        }
    }
}

impl Place {
    fn below(above: Option<&Arc<Self>>, step: Step) -> Arc<Self> {
        Arc::new(Self { above: above.cloned(), step })
    }

    /// What stands there; as deep as the JSON.
    fn of<'a>(&self, held: &'a Held) -> Option<&'a Json> {
        match (&self.above, &self.step) {
            (None, Step::Key(key)) => held.top(key),
            (None, Step::At(at)) => held.json().get(at),
            (Some(above), Step::Key(key)) => above.of(held)?.get(&**key),
            (Some(above), Step::At(at)) => above.of(held)?.get(at),
        }
    }
}

impl Tree {
    /// The table that stands at a place of it.
    fn new(held: Held, place: Option<Arc<Place>>) -> Self {
        Self { held, place, converted: Mutex::default() }
    }

    /// The fields of a form or query.
    pub(super) fn of_fields(fields: &Fields) -> Self {
        Self::new(Held::Fields(fields.clone()), None)
    }

    /// The JSON.
    pub(super) fn json(&self) -> Option<&Json> {
        self.place.as_ref().map_or_else(|| Some(self.held.json()), |place| place.of(&self.held))
    }

    /// What stands at a key.
    pub(super) fn get(&self, key: &str) -> Option<Value> {
        let found = match &self.place {
            Some(place) => place.of(&self.held)?.get(key)?,
            None => self.held.top(key)?,
        };
        if !matches!(found, Json::Object(_) | Json::Array(_)) {
            return Some(from_json(found));
        }
        let mut converted = self.converted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = converted.get(key) {
            return Some(value.clone());
        }
        let place = || Some(Place::below(self.place.as_ref(), Step::Key(key.into())));
        let value = self.held.convert(found, &place);
        converted.insert(key, value.clone());
        Some(value)
    }

    /// Its keys in order.
    pub(super) fn keys(&self) -> Enumerator {
        let keys = self.json().and_then(Json::as_object).into_iter().flat_map(Map::keys);
        Enumerator::Values(keys.map(|key| Value::from(key.as_str())).collect())
    }
}

impl Object for Tree {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str() {
            Some(key) => self.get(key),
            None => self.get(&key_text(key)?),
        }
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.get(key)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.keys()
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.json().and_then(Json::as_object).map_or(0, Map::len))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::value::to_json;
    use super::*;

    fn tree(json: Json) -> Value {
        Held::Json(Arc::new(json)).value()
    }

    #[test]
    fn what_stands_below_is_found_however_deep() {
        let json = json!({"a": {"1": {"n": [{"x": [1, {"y": "z"}]}, "t"]}}, "b": [], "c": {}, "d": null, "e": 2.5});
        let value = tree(json.clone());
        assert_eq!(to_json(&value).unwrap(), Some(json));
        let below = |value: &Value, key: Value| value.get_item(&key).expect("it is lenient");
        let list = below(&below(&below(&value, "a".into()), 1.into()), "n".into());
        assert_eq!(list.len(), Some(2));
        let inner = below(&below(&below(&list, 0.into()), "x".into()), 1.into());
        assert_eq!(below(&inner, "y".into()).as_str(), Some("z"));
        assert!(below(&inner, "none".into()).is_undefined());
        assert!(below(&value, "d".into()).is_none());
        assert_eq!(value.len(), Some(5));
        for flat in [json!(3), json!("x"), json!([1, "2", null])] {
            assert_eq!(to_json(&tree(flat.clone())).unwrap(), Some(flat));
        }
    }

    #[test]
    fn two_of_the_same_are_equal_and_others_are_not() {
        let one = json!({"a": {"b": [1, {"c": 2}]}});
        assert_eq!(tree(one.clone()), tree(one.clone()));
        assert_eq!(tree(one.clone()), from_json(&one));
        assert_ne!(tree(one), tree(json!({"a": {"b": [1, {"c": 3}]}})));
    }
}
