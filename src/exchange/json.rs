//! JSON bodies, whatever their label says.

use serde_json::Value;

use super::{Damage, Part};

/// Commas and brackets in one text: a bound on the values it can make, each of which costs some 30 to 100 bytes.
const MAX_MARKS: usize = 500_000;

/// Reads a text as JSON. One that is labelled so but is none is damaged; one with another label is JSON only if it starts
/// with a bracket and reads well (legacy shops label JSON as HTML). Of keys that come twice the last counts.
pub(super) fn read_json(text: &str, labelled: bool, damage: Option<Damage>) -> Part<Value> {
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    // A guard against scripts that include other sites' JSON.
    let text = text.strip_prefix(")]}'").map_or(text, |rest| rest.trim_start_matches(',').trim_start());
    if !labelled && !text.starts_with(['{', '[']) {
        return Part::NotThis;
    }
    if let Some(damage) = damage {
        return Part::Damaged(damage);
    }
    if text.bytes().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count() > MAX_MARKS {
        return Part::Damaged(Damage::TooLarge);
    }
    match serde_json::from_str(text.trim_end_matches(|c: char| c.is_whitespace() || c == '\0')) {
        Ok(value) => Part::Is(value),
        Err(fault) if fault.to_string().starts_with("recursion limit") => Part::Damaged(Damage::TooLarge),
        Err(_) if labelled => Part::Damaged(Damage::Undecodable),
        Err(_) => Part::NotThis,
    }
}

/// Whether a content type says JSON: `application/json`, `text/json`, anything that ends in `+json` (RFC 6839).
pub(super) fn is_json(essence: &str) -> bool {
    essence.ends_with("/json") || essence.ends_with("+json") || essence.ends_with("/x-json")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_is_known_by_label_or_look() {
        let (undecodable, large) = (Part::Damaged(Damage::Undecodable), Part::Damaged(Damage::TooLarge));
        let deep = "[".repeat(9_000);
        let wide = format!("[{}1]", "1,".repeat(MAX_MARKS));
        for (text, labelled, expected) in [
            ("{\"a\":1,\"a\":2}", true, Part::Is(json!({"a": 2}))),
            (" \n{\"a\":1}\n", false, Part::Is(json!({"a": 1}))),
            ("\u{feff}[1]", false, Part::Is(json!([1]))),
            (")]}',\n{\"a\":1}", false, Part::Is(json!({"a": 1}))),
            ("{\"id\":9007199254740993}", false, Part::Is(json!({"id": 9_007_199_254_740_993_u64}))),
            ("{\"id\":18446744073709551615}", false, Part::Is(json!({"id": u64::MAX}))),
            // The nearest double, which is written as the same again.
            ("[1.1111111111111109e83]", true, Part::Is(json!([1.111_111_111_111_110_9e83]))),
            ("{\"a\":\"\u{fffd}\"}", true, Part::Is(json!({"a": "\u{fffd}"}))),
            ("true", true, Part::Is(json!(true))),
            ("true", false, Part::NotThis),
            ("<html>{}", false, Part::NotThis),
            ("<html>{}", true, undecodable.clone()),
            ("[shortcode]", false, Part::NotThis),
            ("{\"a\":1} trailing", true, undecodable),
            (&deep, false, large.clone()),
            (&wide, true, large),
        ] {
            assert_eq!(read_json(text, labelled, None), expected, "{text:.40}");
        }
        assert_eq!(read_json("{\"a\":1}", false, Some(Damage::Cut)), Part::Damaged(Damage::Cut));
        assert_eq!(read_json("<p>", false, Some(Damage::Cut)), Part::NotThis);
    }

    #[test]
    fn labels() {
        for (essence, is) in
            [("application/json", true), ("application/problem+json", true), ("text/html", false), ("", false)]
        {
            assert_eq!(is_json(essence), is, "{essence}");
        }
    }
}
