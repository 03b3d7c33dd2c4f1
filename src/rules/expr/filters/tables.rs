//! `yes`, `pick`, `keyed` and `tojson`: flags and small tables.

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, State, Value};

use super::super::value::{Table, is_nothing, key_text, scalar_text, to_json};
use super::wrong;

/// `yes`: whether a form's flag is set. `1 on yes true y t`, any case, and numbers but 0 are.
pub(super) fn yes(value: &Value) -> Result<Value, Error> {
    Ok(match value.kind() {
        ValueKind::Undefined | ValueKind::None | ValueKind::Bool => value.clone(),
        ValueKind::Number => Value::from(value.is_true()),
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default().trim().to_lowercase();
            Value::from(matches!(text.as_str(), "1" | "on" | "yes" | "true" | "y" | "t"))
        }
        _ => return Err(wrong("yes", "text, a number or a truth value", value)),
    })
}

/// `pick({…})`: what the table lists for the value; undefined if it lists nothing.
pub(super) fn pick(state: &State<'_, '_>, value: &Value, table: &Value) -> Result<Value, Error> {
    if is_nothing(value) || is_nothing(table) {
        return Ok(Value::UNDEFINED);
    }
    if table.kind() != ValueKind::Map {
        return Err(wrong("pick", "a table", table));
    }
    let wanted = scalar_text(value).ok_or_else(|| wrong("pick", "text or a number before it", value))?;
    for key in table.try_iter()? {
        state.consume_fuel(1)?;
        if key_text(&key).is_some_and(|key| key == wanted) {
            return table.get_item(&key);
        }
    }
    Ok(Value::UNDEFINED)
}

/// `keyed('k'[, 'v'])`: a list of tables as one table, by the field `k` of each; the values are the tables or their `v`.
pub(super) fn keyed(state: &State<'_, '_>, rows: &Value, by: &str, value: Option<&str>) -> Result<Value, Error> {
    if is_nothing(rows) {
        return Ok(rows.clone());
    }
    let mut table = Table::default();
    for row in rows.try_iter().map_err(|_| wrong("keyed", "a list of tables", rows))? {
        state.consume_fuel(1)?;
        let Some(key) = row.get_attr(by).ok().and_then(|key| scalar_text(&key)) else { continue };
        let value = match value {
            Some(name) => row.get_attr(name).unwrap_or(Value::UNDEFINED),
            None => row,
        };
        table.insert(key.trim(), value);
    }
    Ok(table.into_value())
}

/// `tojson`: compact JSON. MiniJinja's own would indent by any number of blanks.
pub(super) fn tojson(value: &Value) -> Result<Value, Error> {
    let json = to_json(value).map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))?;
    Ok(json.map_or(Value::UNDEFINED, |json| Value::from(json.to_string())))
}

#[cfg(test)]
mod tests {
    use super::super::super::value::{from_json, to_json};
    use super::*;
    use serde_json::{Value as Json, json};

    #[test]
    fn flags_are_read() {
        for (text, wanted) in
            [("1", true), ("On", true), (" yes ", true), ("0", false), ("off", false), ("", false), ("no", false)]
        {
            assert_eq!(yes(&text.into()).unwrap().is_true(), wanted, "{text}");
        }
        assert!(yes(&Value::UNDEFINED).unwrap().is_undefined());
    }

    #[test]
    fn tables_are_picked_from_and_made() {
        let env = minijinja::Environment::new();
        let state = &env.empty_state();
        let rows: [(Json, Json, Option<Json>); 4] = [
            (json!("1"), json!({"1": "publish", "0": "draft"}), Some(json!("publish"))),
            (json!(0), json!({"1": "publish", "0": "draft"}), Some(json!("draft"))),
            (json!("2"), json!({"1": "publish"}), None),
            (json!(null), json!({"1": "publish"}), None),
        ];
        for (value, table, wanted) in rows {
            assert_eq!(
                to_json(&pick(state, &from_json(&value), &from_json(&table)).unwrap()).unwrap(),
                wanted,
                "{value}"
            );
        }
        let list = from_json(&json!([{"k": "b", "v": 1}, {"k": 2, "v": 2}, {"v": 3}]));
        let by = keyed(state, &list, "k", Some("v")).unwrap();
        assert_eq!(to_json(&by).unwrap(), Some(json!({"b": 1, "2": 2})));
        let whole = keyed(state, &list, "k", None).unwrap();
        assert_eq!(to_json(&whole.get_attr("b").unwrap()).unwrap(), Some(json!({"k": "b", "v": 1})));
        assert!(keyed(state, &Value::from(3), "k", None).is_err());
    }
}
