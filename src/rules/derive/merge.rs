//! One table laid over another.

use serde_json::{Map, Value};

/// `over` laid over `base`: tables merge deeply, all else is replaced. What `over` names comes first, in its order.
pub(super) fn laid_over(over: Map<String, Value>, base: &Map<String, Value>) -> Map<String, Value> {
    if base.is_empty() {
        return over;
    }
    let mut merged = Map::new();
    for (name, value) in over {
        let value = match (value, base.get(&name)) {
            (Value::Object(over), Some(Value::Object(base))) => Value::Object(laid_over(over, base)),
            (value, _) => value,
        };
        merged.insert(name, value);
    }
    for (name, value) in base {
        if !merged.contains_key(name) {
            merged.insert(name.clone(), value.clone());
        }
    }
    merged
}

/// `more` added to `base`, in whose order the names stay: tables merge deeply, all else is replaced.
pub(super) fn added(mut base: Map<String, Value>, more: Map<String, Value>) -> Map<String, Value> {
    for (name, value) in more {
        match (base.get_mut(&name), value) {
            (Some(Value::Object(own)), Value::Object(more)) => *own = added(std::mem::take(own), more),
            (Some(own), value) => *own = value,
            (None, value) => drop(base.insert(name, value)),
        }
    }
    base
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tables_merge_deeply_and_the_rest_is_replaced() {
        let rows = [
            (json!({"b": 1}), json!({"a": 0, "b": 0}), r#"{"b":1,"a":0}"#),
            (json!({"t": {"x": 1}}), json!({"t": {"x": 0, "y": {"z": 2}}}), r#"{"t":{"x":1,"y":{"z":2}}}"#),
            (json!({"l": [3]}), json!({"l": [1, 2]}), r#"{"l":[3]}"#),
            (json!({"n": null}), json!({"n": {"x": 1}}), r#"{"n":null}"#),
            (json!({"t": {"x": 1}}), json!({"t": "text"}), r#"{"t":{"x":1}}"#),
        ];
        for (over, base, wanted) in rows {
            let (Value::Object(over), Value::Object(base)) = (over, base) else { panic!("rows are tables") };
            assert_eq!(Value::Object(laid_over(over, &base)).to_string(), wanted);
        }
    }
}
