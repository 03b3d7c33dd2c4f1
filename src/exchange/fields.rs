//! Query, urlencoded and multipart fields as one tree, read as PHP does.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::Damage;
use super::field_tree::Builder;

/// Fields of a query or form: the ordered flat list as sent, and the tree PHP would make of it. A clone shares them.
#[derive(Clone, Debug)]
pub struct Fields(Arc<Kept>);

#[derive(Debug)]
struct Kept {
    pairs: Vec<(String, String)>,
    tree: Value,
    /// All values of names that came more than once without brackets: the tree holds only the last.
    repeats: HashMap<Vec<String>, Value>,
    damage: Option<Damage>,
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
        let name = name.trim_start_matches(' ');
        let name = name.split('\0').next().unwrap_or_default();
        let (top, mut rest) = name.split_at(name.find('[').unwrap_or(name.len()));
        if top.is_empty() {
            return Self { parts: Vec::new(), list: false };
        }
        let mut path = Self { parts: vec![variable(top)], list: false };
        // One more than allowed is enough to be refused by the tree.
        while path.parts.len() <= Fields::MAX_DEPTH + 1 {
            let Some(inner) = rest.strip_prefix('[') else { break };
            // PHP skips one blank before it looks for the closing bracket: `[ ]` is `[]`.
            let blank = usize::from(inner.starts_with(|first: char| first.is_ascii_whitespace()));
            let Some(close) = inner.get(blank..).and_then(|from| from.find(']')) else {
                if path.parts.len() == 1 && !path.list {
                    path.parts = vec![variable(name)];
                }
                break;
            };
            if path.list {
                path.parts.push(String::new());
            }
            path.list = close == 0;
            let (key, closing) = inner.split_at(blank + close);
            if !path.list {
                path.parts.push(key.to_owned());
            }
            rest = closing.get(1..).unwrap_or_default();
        }
        path
    }
}

/// Whether a name is one part and no more, which most are.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.starts_with(' ') && !name.bytes().any(|byte| matches!(byte, b'[' | 0))
}

/// A top name as PHP spells it: it cannot hold a dot, a blank or an opening bracket.
fn variable(name: &str) -> String {
    let odd = |byte: u8| matches!(byte, b'.' | b' ' | b'[');
    if name.bytes().any(odd) { name.replace(['.', ' ', '['], "_") } else { name.to_owned() }
}

impl Default for Fields {
    fn default() -> Self {
        let (pairs, tree, repeats) = (Vec::new(), Value::Object(Map::new()), HashMap::new());
        Self(Arc::new(Kept { pairs, tree, repeats, damage: None }))
    }
}

impl Fields {
    /// Pairs kept of one query or form. PHP stops at 1,000 (`max_input_vars`), but shops with large admin forms raise that.
    pub const MAX_PAIRS: usize = 5_000;
    /// Brackets followed in one name: PHP's `max_input_nesting_level`. Deeper pairs stay in the flat list only, as PHP drops
    /// them.
    pub const MAX_DEPTH: usize = 64;
    /// Bytes of one field's name; a pair with a longer one is left out.
    pub const MAX_NAME: usize = 1_024;

    /// Builds the tree from pairs in order. `damage` tells that pairs may be missing; more than [`Self::MAX_PAIRS`] pairs, or a
    /// name beyond [`Self::MAX_NAME`] or [`Self::MAX_DEPTH`], is damage too: [`Damage::TooLarge`], with the first ones kept.
    pub fn from_pairs(mut pairs: Vec<(String, String)>, damage: Option<Damage>) -> Self {
        let sent = pairs.len();
        pairs.retain(|(name, _)| name.len() <= Fields::MAX_NAME);
        pairs.truncate(Fields::MAX_PAIRS);
        let mut complete = pairs.len() == sent;
        let mut builder = Builder::for_pairs(pairs.len());
        for (name, value) in &pairs {
            if is_plain(name) {
                builder.insert_top(variable(name), value);
            } else {
                complete &= builder.insert(FieldPath::parse(name), value);
            }
        }
        let (tree, repeats) = builder.finish();
        let damage = damage.or((!complete).then_some(Damage::TooLarge));
        Self(Arc::new(Kept { pairs, tree, repeats, damage }))
    }

    /// The pairs as sent.
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0.pairs
    }

    /// The tree: an object of strings, objects (numbered keys too) and arrays (`x[]`).
    pub fn tree(&self) -> &Value {
        &self.0.tree
    }

    /// What stands at a path; for one that ends in `[]` always an array (empty if nothing is there), whether the values
    /// came with brackets, with keys, or under one plain name repeated.
    pub fn get(&self, path: &FieldPath) -> Option<Cow<'_, Value>> {
        let found = if path.parts.is_empty() { None } else { lookup(&self.0.tree, &path.parts) };
        if !path.list {
            return found;
        }
        if let Some(all) = self.0.repeats.get(&path.parts) {
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

    /// Why fields may be missing.
    pub fn damage(&self) -> Option<Damage> {
        self.0.damage
    }
}

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
