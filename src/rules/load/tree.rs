//! A file as a tree of values that know their place: TOML without the parser's types.

use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::report::At;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// The value's own place, quotes and braces included. For a table that is spread over headers or dotted keys: the
    /// place of its name.
    pub(super) at: At,
    /// What it is.
    pub(super) toml: Toml,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(super) enum Toml {
    /// A string, escapes undone.
    Text(String),
    /// An integer; `None` where it does not fit 64 bits.
    Integer(Option<i64>),
    /// A float, and its text.
    Float(f64, String),
    /// A boolean.
    Bool(bool),
    /// A date or time, as written.
    Date(String),
    /// A list.
    List(Vec<Node>),
    /// A table.
    Table(Table),
}

/// A table: its entries in the order of the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    /// The entries.
    pub(super) entries: Vec<Entry>,
    /// Whether it is written in braces.
    pub(super) inline: bool,
}

/// One entry of a table.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The key, quotes undone.
    pub(super) key: String,
    /// Where the key stands.
    pub(super) at: At,
    /// Its value.
    pub(super) node: Node,
}

impl Table {
    /// From what the TOML parser gives of a file's `text`.
    pub(super) fn of(file: usize, text: &str, table: &DeTable<'_>) -> Self {
        let entries = table.iter().map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            at: At::new(file, key.span()),
            node: Node::of(file, text, value),
        });
        Self { entries: entries.collect(), inline: false }
    }

    /// The entry of a key.
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Its keys in order.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.key.as_str())
    }
}

impl Node {
    fn of(file: usize, text: &str, value: &Spanned<DeValue<'_>>) -> Self {
        let toml = match value.get_ref() {
            DeValue::String(value) => Toml::Text(value.to_string()),
            DeValue::Integer(integer) => Toml::Integer(integer_of(integer)),
            DeValue::Float(float) => Toml::Float(float.as_str().parse().unwrap_or(f64::NAN), float.as_str().to_owned()),
            DeValue::Boolean(flag) => Toml::Bool(*flag),
            DeValue::Datetime(moment) => Toml::Date(moment.to_string()),
            DeValue::Array(items) => Toml::List(items.iter().map(|item| Self::of(file, text, item)).collect()),
            DeValue::Table(table) => {
                // A table's place is its braces, its header or the first key that made it.
                let inline = text.get(value.span()).is_some_and(|source| source.starts_with('{'));
                Toml::Table(Table { inline, ..Table::of(file, text, table) })
            }
        };
        Self { at: At::new(file, value.span()), toml }
    }

    /// The table, if it is one.
    pub(super) fn table(&self) -> Option<&Table> {
        match &self.toml {
            Toml::Table(table) => Some(table),
            _ => None,
        }
    }

    /// Whether it is `[]`.
    pub(super) fn is_empty_list(&self) -> bool {
        matches!(&self.toml, Toml::List(items) if items.is_empty())
    }

    /// The text of a scalar, as matchers compare it: booleans, lists and tables have none.
    pub(super) fn scalar(&self) -> Option<String> {
        match &self.toml {
            Toml::Text(text) | Toml::Float(_, text) | Toml::Date(text) => Some(text.clone()),
            Toml::Integer(integer) => integer.map(|integer| integer.to_string()),
            Toml::Bool(_) | Toml::List(_) | Toml::Table(_) => None,
        }
    }

    /// What stands here, for "found …".
    pub(super) fn found(&self) -> String {
        match &self.toml {
            Toml::Text(text) if text.chars().count() <= 40 => format!("the string \"{text}\""),
            Toml::Text(_) => "a string".to_owned(),
            Toml::Integer(Some(integer)) => format!("the integer {integer}"),
            Toml::Integer(None) => "an integer that does not fit 64 bits".to_owned(),
            Toml::Float(_, text) => format!("the number {text}"),
            Toml::Bool(flag) => format!("the boolean {flag}"),
            Toml::Date(text) => format!("the date {text}"),
            Toml::List(_) => "a list".to_owned(),
            Toml::Table(_) => "a table".to_owned(),
        }
    }

    /// The value as JSON: dates become text, numbers JSON cannot hold become null.
    pub(super) fn json(&self) -> Value {
        match &self.toml {
            Toml::Text(text) | Toml::Date(text) => Value::String(text.clone()),
            Toml::Integer(integer) => integer.map_or(Value::Null, Value::from),
            Toml::Float(float, _) => Number::from_f64(*float).map_or(Value::Null, Value::Number),
            Toml::Bool(flag) => Value::Bool(*flag),
            Toml::List(items) => Value::Array(items.iter().map(Self::json).collect()),
            Toml::Table(table) => Value::Object(table.json()),
        }
    }
}

impl Table {
    /// The table as a JSON object.
    pub(super) fn json(&self) -> Map<String, Value> {
        self.entries.iter().map(|entry| (entry.key.clone(), entry.node.json())).collect()
    }
}

fn integer_of(integer: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}
