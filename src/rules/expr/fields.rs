//! Objects over what a wire carries as named lines: form and query fields, headers, cookies.

use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Enumerator, Object};

use super::tree::Tree;
use super::value::{Table, from_json, key_text};
use crate::exchange::{FieldPath, Fields};

/// `form` and `query`: the tree PHP would make, and `form['x[]']`, which is always the list of x's values.
#[derive(Debug)]
pub(super) struct FieldTable {
    fields: Fields,
    tree: Tree,
}

impl FieldTable {
    pub(super) fn of(fields: &Fields) -> Value {
        Value::from_object(Self { fields: fields.clone(), tree: Tree::of_fields(fields) })
    }
}

impl Object for FieldTable {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(&key_text(key)?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        if let Some(value) = self.tree.get(key) {
            return Some(value);
        }
        let path = FieldPath::parse(key);
        match self.fields.get(&path) {
            Some(value) => Some(from_json(&value)),
            None if path.list => Some(Vec::<Value>::new().into()),
            None => None,
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.tree.keys()
    }
}

/// Which of several lines with one name counts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Repeated {
    /// All, joined with commas (RFC 9110 section 5.3).
    Joined,
    /// The first: a browser sends the most specific cookie first (RFC 6265 section 5.4).
    First,
    /// The last: a cookie that is set twice.
    Last,
}

/// Headers (names in lower case, looked up in any case) or cookies. A name may hold `*`: the first that fits.
#[derive(Debug)]
pub(super) struct Lines {
    table: Table,
    any_case: bool,
}

impl Lines {
    pub(super) fn of<'a>(
        lines: impl IntoIterator<Item = (&'a str, std::borrow::Cow<'a, str>)>,
        repeated: Repeated,
        any_case: bool,
    ) -> Value {
        let mut table = Table::default();
        for (name, value) in lines {
            let name = if any_case { name.to_ascii_lowercase() } else { name.to_owned() };
            let value = match (table.get(&name), repeated) {
                (Some(_), Repeated::First) => continue,
                (Some(before), Repeated::Joined) => Value::from(format!("{before}, {value}")),
                _ => Value::from(value.as_ref()),
            };
            table.insert(&name, value);
        }
        Value::from_object(Self { table, any_case })
    }
}

impl Object for Lines {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(&key_text(key)?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let folded = if self.any_case { key.to_ascii_lowercase() } else { key.to_owned() };
        if folded.contains('*') {
            let keys = self.table.keys();
            let name = keys.iter().filter_map(Value::as_str).find(|name| crate::model::glob(&folded, name))?;
            return self.table.get(name).cloned();
        }
        self.table.get(&folded).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.table.keys())
    }
}
