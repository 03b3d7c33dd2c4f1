//! What is kept out of logs and of kept answers: fields by their name.

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

    /// Puts a mark in the place of every value with such a name, at every depth.
    pub fn json(&self, value: &mut Value) {
        match value {
            Value::Object(map) if !self.fields.is_empty() => {
                for (name, value) in map.iter_mut() {
                    if self.hits(name) { *value = MARK.into() } else { self.json(value) }
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|value| self.json(value)),
            _ => {}
        }
    }

    /// The same in a text that may be JSON, whole or cut short. What is no JSON stays as it is.
    pub fn text(&self, text: &str) -> String {
        if self.fields.is_empty() {
            return text.to_owned();
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('"') {
            out.push_str(&rest[..at]);
            rest = &rest[at..];
            let (name, after) = rest.split_at(string_end(rest));
            out.push_str(name);
            rest = after;
            let value = rest.trim_start().strip_prefix(':').map(str::trim_start);
            let Some(value) = value.filter(|_| self.hits(&unquoted(name))) else { continue };
            out.push_str(&rest[..rest.len() - value.len()]);
            out.push('"');
            out.push_str(MARK);
            out.push('"');
            rest = &value[value_end(value)..];
        }
        out.push_str(rest);
        out
    }

    fn hits(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        self.fields.iter().any(|pattern| glob(pattern, &name))
    }
}

/// The name a JSON string stands for.
fn unquoted(string: &str) -> String {
    serde_json::from_str(string).unwrap_or_else(|_| string.trim_matches('"').to_owned())
}

/// Where the JSON string ends that begins here, in bytes; the end of the text if it does not end.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().enumerate().skip(1).find(|(_, byte)| {
        let end = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        end
    });
    end.map_or(text.len(), |(at, _)| at + 1)
}

/// Where the JSON value ends that begins here, in bytes.
fn value_end(text: &str) -> usize {
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(byte) = text.as_bytes().get(at) {
        match byte {
            b'"' => {
                at += string_end(&text[at..]);
                if depth == 0 {
                    return at;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth <= 1 => return at + depth,
            b'}' | b']' => depth -= 1,
            b',' | b'\n' if depth == 0 => return at,
            _ => {}
        }
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(Redaction::default().text(r#"{"iban":1}"#), r#"{"iban":1}"#);
    }
}
