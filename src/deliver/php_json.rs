//! JSON text as PHP's `json_encode` writes it, for receivers that compare bytes (WooCommerce, `reference` section 3.2).

use std::fmt::Write as _;

/// The same compact JSON with `/` as `\/` and everything outside ASCII as `\uXXXX` (lower-case hex, surrogate pairs).
pub(super) fn escape(json: &str) -> String {
    let mut text = String::with_capacity(json.len() + json.len() / 8);
    let mut escaped = false;
    for char in json.chars() {
        match char {
            // Outside strings JSON holds neither of the two, so there is no need to know where a string begins.
            '/' if !escaped => text.push_str("\\/"),
            char if char.is_ascii() => text.push(char),
            char => {
                for unit in char.encode_utf16(&mut [0; 2]) {
                    let _ = write!(text, "\\u{unit:04x}");
                }
            }
        }
        escaped = char == '\\' && !escaped;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_as_php_does() {
        let rows = [
            (r#"{"id":7}"#, r#"{"id":7}"#),
            (
                r#"{"name":"緑茶 100g","permalink":"https://shop.example/p/7"}"#,
                r#"{"name":"\u7dd1\u8336 100g","permalink":"https:\/\/shop.example\/p\/7"}"#,
            ),
            (r#"["é","😀"]"#, r#"["\u00e9","\ud83d\ude00"]"#),
            (r#"["a\"/b","c\\/d","e\/f","\n"]"#, r#"["a\"\/b","c\\\/d","e\/f","\n"]"#),
        ];
        for (json, php) in rows {
            assert_eq!(escape(json), php);
            let value = |text| serde_json::from_str::<serde_json::Value>(text).unwrap();
            assert_eq!(value(json), value(php), "it says the same");
        }
    }
}
