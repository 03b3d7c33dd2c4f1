//! The tree PHP makes of field names, built pair by pair in linear time.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{FieldPath, Fields};

/// The tree while it grows: the top level is a map like any below.
#[derive(Debug, Default)]
pub(super) struct Builder {
    top: Entries,
}

/// A PHP value: text, or an array, which stays a list for as long as nobody names a key.
#[derive(Debug)]
enum Node {
    /// `earlier` holds the values the same name had before.
    Text {
        value: String,
        earlier: Vec<String>,
    },
    List(Vec<Node>),
    Map(Box<Entries>),
}

/// An ordered map. Keys are kept twice, so that finding one costs no walk.
#[derive(Debug, Default)]
struct Entries {
    items: Vec<(String, Node)>,
    places: HashMap<String, usize>,
    /// The number `[]` takes next: the highest so far and one. `None`: there is no higher.
    next: Option<i64>,
}

impl Builder {
    /// Puts a value in its place. False if the name is too deep; names without a place are passed over.
    pub(super) fn insert(&mut self, path: &FieldPath, value: &str) -> bool {
        let Some((top, below)) = path.parts.split_first() else { return true };
        if below.len() + usize::from(path.list) > Fields::MAX_DEPTH {
            return false;
        }
        let mut node = self.top.at(top);
        for part in below {
            node = if part.is_empty() { node.and_then(Node::append) } else { node.and_then(|node| node.at(part)) };
        }
        if path.list {
            node = node.and_then(Node::append);
        }
        if let Some(node) = node {
            node.set(value);
        }
        true
    }

    /// The tree as JSON, and every list of values of a plain name that came more than once.
    pub(super) fn finish(self) -> (Value, HashMap<Vec<String>, Value>) {
        let mut repeats = HashMap::new();
        let tree = self.top.finish(&mut Vec::new(), &mut repeats);
        (tree, repeats)
    }
}

impl Node {
    /// A place nothing has been put into yet.
    const fn fresh() -> Self {
        Self::List(Vec::new())
    }

    /// The element `key`; text gives way to an array, a list becomes a map.
    fn at(&mut self, key: &str) -> Option<&mut Self> {
        self.become_map()?.at(key)
    }

    /// A new last element; text gives way to a list. `None` where PHP has no number left.
    fn append(&mut self) -> Option<&mut Self> {
        if matches!(self, Self::Text { .. }) {
            *self = Self::fresh();
        }
        match self {
            Self::List(list) => {
                list.push(Self::fresh());
                list.last_mut()
            }
            Self::Map(entries) => {
                let number = entries.next?;
                entries.at(&number.to_string())
            }
            Self::Text { .. } => None,
        }
    }

    fn become_map(&mut self) -> Option<&mut Entries> {
        match self {
            Self::Map(_) => {}
            Self::List(list) => {
                let mut entries = Box::new(Entries::new());
                for (number, node) in std::mem::take(list).into_iter().enumerate() {
                    if let Some(place) = entries.at(&number.to_string()) {
                        *place = node;
                    }
                }
                *self = Self::Map(entries);
            }
            Self::Text { .. } => *self = Self::Map(Box::new(Entries::new())),
        }
        if let Self::Map(entries) = self { Some(entries) } else { None }
    }

    /// The last value wins; a former text is remembered as an earlier one.
    fn set(&mut self, text: &str) {
        match self {
            Self::Text { value, earlier } => earlier.push(std::mem::replace(value, text.to_owned())),
            Self::List(_) | Self::Map(_) => *self = Self::Text { value: text.to_owned(), earlier: Vec::new() },
        }
    }

    fn finish(self, path: &mut Vec<String>, repeats: &mut HashMap<Vec<String>, Value>) -> Value {
        match self {
            Self::Text { value, earlier } => {
                if !earlier.is_empty() {
                    let all = earlier.into_iter().chain([value.clone()]).map(Value::String).collect();
                    repeats.insert(path.clone(), all);
                }
                Value::String(value)
            }
            // What is appended never meets a second value of its own, so no path leads through a list.
            Self::List(list) => list.into_iter().map(|node| node.finish(path, repeats)).collect(),
            Self::Map(entries) => entries.finish(path, repeats),
        }
    }
}

impl Entries {
    fn new() -> Self {
        Self { next: Some(0), ..Self::default() }
    }

    fn at(&mut self, key: &str) -> Option<&mut Node> {
        let place = if let Some(place) = self.places.get(key) {
            *place
        } else {
            let place = self.items.len();
            self.places.insert(key.to_owned(), place);
            self.items.push((key.to_owned(), Node::fresh()));
            self.count(key);
            place
        };
        self.items.get_mut(place).map(|(_, node)| node)
    }

    /// Keys that PHP takes for integers move the next number on.
    fn count(&mut self, key: &str) {
        let number = key.parse::<i64>().ok().filter(|number| *number >= 0 && number.to_string() == *key);
        if let (Some(number), Some(next)) = (number, self.next)
            && number >= next
        {
            self.next = number.checked_add(1);
        }
    }

    fn finish(self, path: &mut Vec<String>, repeats: &mut HashMap<Vec<String>, Value>) -> Value {
        let mut map = Map::with_capacity(self.items.len());
        for (key, node) in self.items {
            path.push(key.clone());
            let value = node.finish(path, repeats);
            path.pop();
            map.insert(key, value);
        }
        Value::Object(map)
    }
}
