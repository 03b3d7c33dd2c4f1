//! Query, urlencoded and multipart fields as one tree, read as PHP does.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use indexmap::IndexMap;
use indexmap::map::Entry;
use serde_json::Value;

use super::Damage;
use super::field_tree::{Branch, grow};

/// Fields of a query or form: the ordered flat list as sent, and the tree PHP would make of it, each branch of which grows
/// when it is first asked for. A clone shares them.
#[derive(Clone, Debug, Default)]
pub struct Fields(Arc<Kept>);

#[derive(Debug, Default)]
struct Kept {
    pairs: Vec<(String, String)>,
    /// By top name, in the order in which these first came.
    tops: IndexMap<String, Top>,
    tree: OnceLock<Value>,
    damage: Option<Damage>,
}

/// The pairs that share a top name, by their places.
#[derive(Debug)]
struct Top {
    first: usize,
    more: Vec<usize>,
    branch: OnceLock<Branch>,
}

/// A field's name as on the wire, taken apart: `product_description[1][name]`, `selected[]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FieldPath {
    /// The name's parts: `product_description`, `1`, `name`. An empty one is a `[]` in the middle: every element. No part
    /// at all is a name PHP ignores.
    pub parts: Vec<String>,
    /// Whether it ends in `[]`: the list of all values.
    pub list: bool,
}

impl FieldPath {
    /// Takes a name apart the way PHP does (`.` and space in the top name become `_`): a bracket that never closes belongs
    /// to the top name (as `_`), text behind a closing bracket is dropped, and so is a name that starts with a bracket.
    pub fn parse(name: &str) -> Self {
        let Some((top, keys)) = split(name) else { return Self { parts: Vec::new(), list: false } };
        let mut path = Self { parts: vec![top.into_owned()], list: false };
        // One more than allowed is enough to be refused by the tree.
        for key in keys.take(Fields::MAX_DEPTH + 2) {
            if path.list {
                path.parts.push(String::new());
            }
            path.list = key.is_empty();
            if !path.list {
                path.parts.push(key.to_owned());
            }
        }
        path
    }
}

/// The top name as PHP spells it, and the keys in the brackets behind it, empty for `[]`; nothing where PHP ignores the name.
pub(super) fn split(name: &str) -> Option<(Cow<'_, str>, Keys<'_>)> {
    if !name.is_empty() && !name.bytes().any(is_odd) {
        return Some((Cow::Borrowed(name), Keys("")));
    }
    let name = name.trim_start_matches(' ');
    let name = name.split('\0').next().unwrap_or_default();
    let (top, brackets) = name.split_at(name.find('[').unwrap_or(name.len()));
    if top.is_empty() {
        None
    } else if brackets.is_empty() || Keys(brackets).next().is_some() {
        Some((variable(top), Keys(brackets)))
    } else {
        Some((variable(name), Keys("")))
    }
}

/// The keys of brackets that follow each other, up to the first that is none.
#[derive(Debug)]
pub(super) struct Keys<'a>(&'a str);

impl<'a> Iterator for Keys<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let inner = self.0.strip_prefix('[')?;
        // PHP skips one blank before it looks for the closing bracket: `[ ]` is `[]`.
        let blank = usize::from(inner.starts_with(|first: char| first.is_ascii_whitespace()));
        let close = inner.get(blank..)?.find(']')?;
        let (key, closing) = inner.split_at(blank + close);
        self.0 = closing.get(1..).unwrap_or_default();
        Some(if close == 0 { "" } else { key })
    }
}

/// What a top name cannot hold, and what ends it.
fn is_odd(byte: u8) -> bool {
    matches!(byte, b'.' | b' ' | b'[' | 0)
}

/// A top name as PHP spells it: it cannot hold a dot, a blank or an opening bracket.
fn variable(name: &str) -> Cow<'_, str> {
    if name.bytes().any(is_odd) { name.replace(['.', ' ', '['], "_").into() } else { name.into() }
}

impl Fields {
    /// Pairs kept of one query or form. PHP stops at 1,000 (`max_input_vars`), but shops with large admin forms raise that.
    pub const MAX_PAIRS: usize = 5_000;
    /// Brackets followed in one name: PHP's `max_input_nesting_level`. Deeper pairs stay in the flat list only, as PHP drops
    /// them.
    pub const MAX_DEPTH: usize = 64;
    /// Bytes of one field's name; a pair with a longer one is left out.
    pub const MAX_NAME: usize = 1_024;

    /// Takes pairs in order. `damage` tells that pairs may be missing; more than [`Self::MAX_PAIRS`] pairs, or a name beyond
    /// [`Self::MAX_NAME`] or [`Self::MAX_DEPTH`], is damage too: [`Damage::TooLarge`], with the first ones kept.
    pub fn from_pairs(mut pairs: Vec<(String, String)>, damage: Option<Damage>) -> Self {
        let sent = pairs.len();
        pairs.retain(|(name, _)| name.len() <= Fields::MAX_NAME);
        pairs.truncate(Fields::MAX_PAIRS);
        let mut complete = pairs.len() == sent;
        let mut tops: IndexMap<String, Top> = IndexMap::with_capacity(pairs.len().min(ROOM));
        for (at, (name, _)) in pairs.iter().enumerate() {
            let Some((top, keys)) = split(name) else { continue };
            if keys.count() > Fields::MAX_DEPTH {
                complete = false;
                continue;
            }
            match tops.last_mut() {
                Some((known, last)) if *known == top => last.more.push(at),
                _ => match tops.entry(top.into_owned()) {
                    Entry::Occupied(mut known) => known.get_mut().more.push(at),
                    Entry::Vacant(new) => {
                        new.insert(Top { first: at, more: Vec::new(), branch: OnceLock::new() });
                    }
                },
            }
        }
        let damage = damage.or((!complete).then_some(Damage::TooLarge));
        Self(Arc::new(Kept { pairs, tops, tree: OnceLock::new(), damage }))
    }

    /// The pairs as sent.
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0.pairs
    }

    /// The names at the top of the tree, in order.
    pub fn tops(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.tops.keys().map(String::as_str)
    }

    /// Whether the tree has this name at the top.
    pub fn has_top(&self, name: &str) -> bool {
        self.0.tops.contains_key(name)
    }

    /// What stands at the top of the tree under a name.
    pub fn top(&self, name: &str) -> Option<&Value> {
        self.branch(name).map(|branch| &branch.value)
    }

    /// The tree: an object of strings, objects (numbered keys too) and arrays (`x[]`).
    pub fn tree(&self) -> &Value {
        let whole = || self.tops().filter_map(|name| Some((name.to_owned(), self.top(name)?.clone()))).collect();
        self.0.tree.get_or_init(|| Value::Object(whole()))
    }

    /// What stands at a path; for one that ends in `[]` always an array (empty if nothing is there), whether the values
    /// came with brackets, with keys, or under one plain name repeated.
    pub fn get(&self, path: &FieldPath) -> Option<Cow<'_, Value>> {
        let branch = path.parts.first().and_then(|top| self.branch(top));
        let found = branch.and_then(|branch| lookup(&branch.value, path.parts.get(1..)?));
        if !path.list {
            return found;
        }
        if let Some(all) = branch.and_then(|branch| branch.repeats.get(path.parts.get(1..)?)) {
            return Some(Cow::Borrowed(all));
        }
        Some(match found {
            None => Cow::Owned(Value::Array(Vec::new())),
            Some(list) if list.is_array() => list,
            Some(one) => Cow::Owned(Value::Array(match one.into_owned() {
                Value::Object(map) => map.into_iter().map(|(_, value)| value).collect(),
                scalar => vec![scalar],
            })),
        })
    }

    fn branch(&self, name: &str) -> Option<&Branch> {
        let top = self.0.tops.get(name)?;
        let pairs = || std::iter::once(&top.first).chain(&top.more).filter_map(|at| self.0.pairs.get(*at));
        Some(top.branch.get_or_init(|| grow(pairs())))
    }

    /// Why fields may be missing.
    pub fn damage(&self) -> Option<Damage> {
        self.0.damage
    }
}

/// Top names for which there is room from the start.
const ROOM: usize = 64;

/// Whether PHP takes a key for a number: digits without leading zeros.
pub(super) fn is_number(key: &str) -> bool {
    key.bytes().all(|byte| byte.is_ascii_digit()) && (key == "0" || !key.starts_with('0'))
}

/// Walks down; an empty part goes into every element and gives the list of what is found there.
fn lookup<'a>(value: &'a Value, parts: &[String]) -> Option<Cow<'a, Value>> {
    let Some((first, rest)) = parts.split_first() else { return Some(Cow::Borrowed(value)) };
    if first.is_empty() {
        let below: Vec<&Value> = match value {
            Value::Array(list) => list.iter().collect(),
            Value::Object(map) => map.values().collect(),
            _ => return None,
        };
        let found = below.into_iter().filter_map(|element| lookup(element, rest));
        return Some(Cow::Owned(found.map(Cow::into_owned).collect()));
    }
    let next = match value {
        Value::Object(map) => map.get(first),
        // PHP's keys have no leading zeros, `a[01]` is not `a[1]`.
        Value::Array(list) => first.parse::<usize>().ok().filter(|_| is_number(first)).and_then(|n| list.get(n)),
        _ => None,
    };
    lookup(next?, rest)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(wire: &str) -> Fields {
        let pairs = wire.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        Fields::from_pairs(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(), None)
    }

    #[test]
    fn trees_are_phps() {
        for (wire, tree) in [
            ("", json!({})),
            ("a=1&b=2&a=3", json!({"a": "3", "b": "2"})),
            ("a[]=1&a[]=2", json!({"a": ["1", "2"]})),
            ("a[ ]=1", json!({"a": ["1"]})),
            ("p[1][name]=x&p[2][name]=y", json!({"p": {"1": {"name": "x"}, "2": {"name": "y"}}})),
            ("a[][x]=1&a[][y]=2", json!({"a": [{"x": "1"}, {"y": "2"}]})),
            ("a[b][]=1&a[b][]=2", json!({"a": {"b": ["1", "2"]}})),
            ("a.b c=1&d[e.f g]=2", json!({"a_b_c": "1", "d": {"e.f g": "2"}})),
            ("  a=1", json!({"a": "1"})),
            ("a[b=1", json!({"a_b": "1"})),
            ("a[b]c=1&d[e]f[g]=2&h[i][j=3", json!({"a": {"b": "1"}, "d": {"e": "2"}, "h": {"i": "3"}})),
            ("a[b[c]=1", json!({"a": {"b[c": "1"}})),
            ("[a]=1&=2", json!({})),
            ("a=1&a[b]=2", json!({"a": {"b": "2"}})),
            ("a[b]=1&a=2", json!({"a": "2"})),
            ("a[]=1&a[k]=2&a[]=3", json!({"a": {"0": "1", "k": "2", "1": "3"}})),
            ("a[5]=1&a[]=2&a[07]=3&a[]=4", json!({"a": {"5": "1", "6": "2", "07": "3", "7": "4"}})),
            ("a[]=1&a[0]=2", json!({"a": {"0": "2"}})),
            ("a[9223372036854775807]=1&a[]=2", json!({"a": {"9223372036854775807": "1"}})),
        ] {
            assert_eq!(*fields(wire).tree(), tree, "{wire}");
        }
    }

    #[test]
    fn paths_find_values() {
        let wire = "a=1&a=2&b[]=3&c[x]=4&c[y]=5&d[0]=6&e.f=7&g[][h]=8&g[][h]=9&i=&j[k]=1&j[k]=2&l=1&l=2&l[]=3";
        for (path, found) in [
            ("a", Some(json!("2"))),
            ("a[]", Some(json!(["1", "2"]))),
            ("b", Some(json!(["3"]))),
            ("b[]", Some(json!(["3"]))),
            ("b[0]", Some(json!("3"))),
            ("b[00]", None),
            ("c[]", Some(json!(["4", "5"]))),
            ("d[0]", Some(json!("6"))),
            ("e.f", Some(json!("7"))),
            ("e_f", Some(json!("7"))),
            ("e.f[]", Some(json!(["7"]))),
            ("g[1][h]", Some(json!("9"))),
            ("g[][h]", Some(json!(["8", "9"]))),
            ("i", Some(json!(""))),
            ("i[]", Some(json!([""]))),
            ("j[k][]", Some(json!(["1", "2"]))),
            ("l[]", Some(json!(["3"]))),
            ("none", None),
            ("none[]", Some(json!([]))),
            ("[]", None),
            ("a[b]", None),
        ] {
            assert_eq!(fields(wire).get(&FieldPath::parse(path)).map(Cow::into_owned), found, "{path}");
        }
    }

    #[test]
    fn limits_keep_the_first_and_say_so() {
        let many: Vec<_> = (0..10_000).map(|n| (format!("f{n}"), n.to_string())).collect();
        let kept = Fields::from_pairs(many, None);
        assert_eq!((kept.pairs().len(), kept.damage()), (Fields::MAX_PAIRS, Some(Damage::TooLarge)));
        assert_eq!(kept.get(&FieldPath::parse("f0")).unwrap().as_str(), Some("0"));

        for (brackets, damage) in [
            (Fields::MAX_DEPTH, None),
            (Fields::MAX_DEPTH + 1, Some(Damage::TooLarge)),
            (9_000, Some(Damage::TooLarge)),
        ] {
            let name = format!("a{}", "[]".repeat(brackets));
            assert_eq!(fields(&format!("{name}=1")).damage(), damage, "{brackets}");
        }
        let long = fields(&format!("{}=1&b=2", "n".repeat(Fields::MAX_NAME + 1)));
        assert_eq!((long.tree(), long.damage()), (&json!({"b": "2"}), Some(Damage::TooLarge)));
        assert_eq!(Fields::from_pairs(Vec::new(), Some(Damage::Cut)).damage(), Some(Damage::Cut));
    }
}
