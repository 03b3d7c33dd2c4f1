//! Values inside values: a path that goes on below a text reads that text, as JSON where it is, else as a form.

use std::borrow::Cow;

use encoding_rs::Encoding;
use serde_json::Value;

use crate::exchange::read_query;

use super::extract::MAX_VALUES;
use super::fit::text_of;

/// What stands at `keys` below a value. Each key that meets a text reads it: as JSON where it begins like a table or a list
/// and is whole, else as a urlencoded form.
pub(super) fn descend<'v>(value: &'v Value, keys: &[String], charset: &'static Encoding) -> Option<Cow<'v, Value>> {
    let Some((key, rest)) = keys.split_first() else { return Some(Cow::Borrowed(value)) };
    match value {
        Value::Object(entries) => descend(entries.get(key)?, rest, charset),
        Value::Array(items) => descend(items.get(key.parse::<usize>().ok()?)?, rest, charset),
        Value::String(text) => {
            let tree = read(text, charset)?;
            descend(&tree, keys, charset).map(|found| Cow::Owned(found.into_owned()))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// A text as a table or a list, so that the way down always gets one level deeper.
fn read(text: &str, charset: &'static Encoding) -> Option<Value> {
    let json = text.trim_start().starts_with(['{', '[']);
    if let Some(tree) = json.then(|| serde_json::from_str::<Value>(text).ok()).flatten() {
        return Some(tree);
    }
    text.contains('=').then(|| read_query(text, charset).tree().clone())
}

/// The texts in a value: itself, or those of a list or a table at any depth, in order.
pub(super) fn texts_of(value: &Value) -> Vec<String> {
    let mut texts = Vec::new();
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Value::Array(items) => open.extend(items.iter().rev()),
            Value::Object(entries) => open.extend(entries.values().rev()),
            scalar => texts.extend(text_of(scalar).map(Cow::into_owned)),
        }
        if texts.len() >= MAX_VALUES {
            break;
        }
    }
    texts
}

#[cfg(test)]
mod tests {
    use encoding_rs::{UTF_8, WINDOWS_1252};
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_go_on_inside_of_texts() {
        let form = json!({
            "post_data": "billing_email=a%40b.c&item%5B7%5D%5Bqty%5D=2&nested=x%3D1%26y%3D2",
            "data": " {\"items\": [{\"id\": 5}]}", "odd": "{broken=1", "plain": "text", "latin": "n=Gr%FCn",
        });
        for (path, charset, expected) in [
            ("post_data.billing_email", UTF_8, Some(json!("a@b.c"))),
            ("post_data.item.7.qty", UTF_8, Some(json!("2"))),
            ("post_data.nested.y", UTF_8, Some(json!("2"))),
            ("post_data.none", UTF_8, None),
            ("data.items.0.id", UTF_8, Some(json!(5))),
            ("data.items.1", UTF_8, None),
            ("odd.{broken", UTF_8, Some(json!("1"))),
            ("plain.text", UTF_8, None),
            ("plain", UTF_8, Some(json!("text"))),
            ("latin.n", WINDOWS_1252, Some(json!("Gr\u{fc}n"))),
        ] {
            let keys: Vec<String> = path.split('.').map(str::to_owned).collect();
            assert_eq!(descend(&form, &keys, charset).map(Cow::into_owned), expected, "{path}");
        }
    }

    #[test]
    fn texts_come_in_order() {
        let value = json!({"b": ["x", {"c": 2}, null], "a": [true, [["y"]]]});
        assert_eq!(texts_of(&value), ["x", "2", "true", "y"]);
    }
}
