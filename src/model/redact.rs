//! What is kept out of logs and of kept answers: fields by their name.

mod text;

use std::sync::Arc;

use serde_json::Value;

use super::glob;

/// Stands where something was.
const MARK: &str = "[redacted]";

/// Names of fields whose values nobody sees in a log: `[shop] redact`.
#[derive(Clone, Debug, Default)]
pub struct Redaction {
    /// Lower case; `*` stands for any run of characters.
    fields: Arc<[String]>,
}

impl Redaction {
    /// Of these names (globs), whatever their case.
    pub fn new(fields: &[String]) -> Self {
        Self { fields: fields.iter().map(|name| name.to_lowercase()).collect() }
    }

    /// Puts a mark in the place of every value with such a name, at every depth, and in strings as [`Redaction::text`] does.
    pub fn json(&self, value: &mut Value) {
        match value {
            Value::Object(map) if !self.fields.is_empty() => {
                for (name, value) in map.iter_mut() {
                    if self.hits(name) { *value = MARK.into() } else { self.json(value) }
                }
            }
            Value::String(text) if !self.fields.is_empty() => *text = self.text(text),
            Value::Array(list) => list.iter_mut().for_each(|value| self.json(value)),
            _ => {}
        }
    }

    /// The same in a text that may be JSON, a form, a query, XML or any of these within another, whole or cut short. What
    /// is none of these stays as it is.
    pub fn text(&self, text: &str) -> String {
        if self.fields.is_empty() { text.to_owned() } else { text::redacted(self, text, 0) }
    }

    /// A header's value likewise.
    pub fn header(&self, name: &str, value: &str) -> String {
        if self.hits(name) { MARK.to_owned() } else { self.text(value) }
    }

    fn hits(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        self.fields.iter().any(|pattern| glob(pattern, &name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        /// Whatever a receiver sends.
        #[test]
        fn no_text_is_too_strange(text in "[ai\"\\\\<>/=&:{}é%, ]{0,40}") {
            Redaction::new(&["a".to_owned()]).text(&text);
        }
    }

    #[test]
    fn fields_are_marked_at_every_depth_whole_or_cut_short() {
        let redaction = Redaction::new(&["IBAN".to_owned(), "card_*".to_owned()]);
        let rows = [
            (
                r#"{"iban":"DE1","a":{"card_no":4,"b":[{"Iban":{"x":[1,"}"]}}]}}"#,
                r#"{"iban":"[redacted]","a":{"card_no":"[redacted]","b":[{"Iban":"[redacted]"}]}}"#,
            ),
            (r#"{"a": 1, "iban" : "D\"E", "b": "iban""#, r#"{"a": 1, "iban" : "[redacted]", "b": "iban""#),
            (r#"{"a":1,"iban":"DE cut of"#, r#"{"a":1,"iban":"[redacted]""#),
            (r#"{"a":1,"iban":{"n":"cut"#, r#"{"a":1,"iban":"[redacted]""#),
            (r#"{"id":"q:\"","iban":1,"b":"\\"}"#, r#"{"id":"q:\"","iban":"[redacted]","b":"\\"}"#),
            (
                r#"{"echo":"{\"iban\":\"DE1\",\"deep\":\"{\\\"iban\\\":2}\",\"b\":\"ü\"}","ok":1}"#,
                r#"{"echo":"{\"iban\":\"[redacted]\",\"deep\":\"{\\\"iban\\\":\\\"[redacted]\\\"}\",\"b\":\"ü\"}","ok":1}"#,
            ),
            (r#"{"echo":"{\"a\":1,\"iban\":\"DE cu"#, r#"{"echo":"{\"a\":1,\"iban\":\"[redacted]\"""#),
            (r#"{"echo":"{\"iban\":\"DE\"#, r#"{"echo":"{\"iban\":\"[redacted]\"""#),
            (r#"{"url":"/x?iban=DE1&b=2"}"#, r#"{"url":"/x?iban=[redacted]&b=2"}"#),
            ("iban=DE1&a=2", "iban=[redacted]&a=2"),
            ("a=2&order%5BIBAN%5D=D%20E1", "a=2&order%5BIBAN%5D=[redacted]"),
            ("b=%7B%22iban%22%3A%22DE1%22%7D&c=%20", "b=%7B%22iban%22%3A%22%5Bredacted%5D%22%7D&c=%20"),
            ("biban=1 ibans=2 iban =3 iban==4", "biban=1 ibans=2 iban =3 iban=[redacted]"),
            ("<o><ns:iban t='x'>DE1</ns:iban><b>2</b></o>", "<o><ns:iban>[redacted]</ns:iban><b>2</b></o>"),
            (
                "<o iban=\"DE 1\" b='2'/><iban/><card_no>4 cut",
                "<o iban=\"[redacted]\" b='2'/><iban/><card_no>[redacted]",
            ),
            ("a < b <iban", "a < b <iban"),
            (r#"x "ü" ünd "iban""#, r#"x "ü" ünd "iban""#),
            ("plain", "plain"),
        ];
        for (text, wanted) in rows {
            assert_eq!(redaction.text(text), wanted);
            if let Ok(mut value) = serde_json::from_str::<Value>(text) {
                redaction.json(&mut value);
                assert_eq!(value, serde_json::from_str::<Value>(wanted).unwrap());
            }
        }
        assert_eq!(redaction.header("IBAN", "DE1"), MARK);
        assert_eq!(redaction.header("location", "/x?iban=DE1"), "/x?iban=[redacted]");
        assert_eq!(Redaction::default().text(r#"{"iban":1}"#), r#"{"iban":1}"#);
    }
}
