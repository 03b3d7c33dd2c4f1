//! The tree PHP makes of field names, built pair by pair in linear time.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::fields::{is_number, split};

/// What stands under one top name.
#[derive(Debug)]
pub(super) struct Branch {
    pub(super) value: Value,
    /// All values of names that came more than once without brackets, by the parts below the top name: the tree holds only
    /// the last.
    pub(super) repeats: HashMap<Vec<String>, Value>,
}

/// The branch that pairs of one top name make.
pub(super) fn grow<'a>(pairs: impl Iterator<Item = &'a (String, String)>) -> Branch {
    let mut node = Node::fresh();
    let mut repeated = false;
    for (name, value) in pairs {
        let keys = split(name).map(|(_, keys)| keys);
        let place = keys.into_iter().flatten().try_fold(&mut node, Node::below);
        repeated |= place.is_some_and(|place| place.set(value));
    }
    let mut repeats = HashMap::new();
    if repeated {
        node.repeats(&mut Vec::new(), &mut repeats);
    }
    Branch { value: node.finish(), repeats }
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

/// Entries of a map that are looked through rather than looked up.
const FEW: usize = 16;

/// An ordered map.
#[derive(Debug, Default)]
struct Entries {
    items: Vec<(String, Node)>,
    /// Where each key stands, once there are more than [`FEW`].
    places: HashMap<String, usize>,
    /// The number `[]` takes next: the highest so far and one. `None`: there is no higher.
    next: Option<i64>,
}

impl Node {
    /// A place nothing has been put into yet.
    const fn fresh() -> Self {
        Self::List(Vec::new())
    }

    /// What a bracket leads to: the element `key`, or with none a new one.
    fn below<'a>(&'a mut self, key: &str) -> Option<&'a mut Self> {
        if key.is_empty() { self.append() } else { self.at(key) }
    }

    /// The element `key`; text gives way to an array, a list becomes a map.
    fn at(&mut self, key: &str) -> Option<&mut Self> {
        Some(self.become_map()?.at(key))
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
                Some(entries.at(&number.to_string()))
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
                    *entries.at(&number.to_string()) = node;
                }
                *self = Self::Map(entries);
            }
            Self::Text { .. } => *self = Self::Map(Box::new(Entries::new())),
        }
        if let Self::Map(entries) = self { Some(entries) } else { None }
    }

    /// The last value wins; a former text is remembered as an earlier one. Whether there was one.
    fn set(&mut self, text: &str) -> bool {
        if let Self::Text { value, earlier } = self {
            earlier.push(std::mem::replace(value, text.to_owned()));
            return true;
        }
        *self = Self::Text { value: text.to_owned(), earlier: Vec::new() };
        false
    }

    fn repeats<'a>(&'a self, path: &mut Vec<&'a str>, repeats: &mut HashMap<Vec<String>, Value>) {
        match self {
            Self::Text { earlier, .. } if earlier.is_empty() => {}
            Self::Text { value, earlier } => {
                let path = path.iter().map(|part| (*part).to_owned()).collect();
                let all = earlier.iter().chain([value]).map(|text| Value::from(text.as_str())).collect();
                repeats.insert(path, all);
            }
            // What is appended never meets a second value of its own, so no path leads through a list.
            Self::List(list) => list.iter().for_each(|node| node.repeats(path, repeats)),
            Self::Map(entries) => entries.repeats(path, repeats),
        }
    }

    fn finish(self) -> Value {
        match self {
            Self::Text { value, .. } => Value::String(value),
            Self::List(list) => list.into_iter().map(Self::finish).collect(),
            Self::Map(entries) => entries.finish(),
        }
    }
}

impl Entries {
    fn new() -> Self {
        Self { next: Some(0), ..Self::default() }
    }

    fn at(&mut self, key: &str) -> &mut Node {
        let known = if self.places.is_empty() {
            self.items.iter().position(|(own, _)| own == key)
        } else {
            self.places.get(key).copied()
        };
        let at = known.unwrap_or_else(|| self.push(key));
        &mut self.items[at].1
    }

    /// A new entry, and where it stands.
    fn push(&mut self, key: &str) -> usize {
        // Keys that PHP takes for integers move the next number on.
        let number = if is_number(key) { key.parse::<i64>().ok() } else { None };
        if let (Some(number), Some(next)) = (number, self.next)
            && number >= next
        {
            self.next = number.checked_add(1);
        }
        let at = self.items.len();
        self.items.push((key.to_owned(), Node::fresh()));
        if at >= FEW {
            let (items, had) = (self.items.iter().enumerate(), self.places.len());
            self.places.extend(items.skip(had).map(|(at, (key, _))| (key.clone(), at)));
        }
        at
    }

    fn repeats<'a>(&'a self, path: &mut Vec<&'a str>, repeats: &mut HashMap<Vec<String>, Value>) {
        for (key, node) in &self.items {
            path.push(key);
            node.repeats(path, repeats);
            path.pop();
        }
    }

    fn finish(self) -> Value {
        let mut map = Map::with_capacity(self.items.len());
        map.extend(self.items.into_iter().map(|(key, node)| (key, node.finish())));
        Value::Object(map)
    }
}
