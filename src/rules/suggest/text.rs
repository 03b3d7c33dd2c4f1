//! Writing recorded names into TOML, expressions and comments so that they stay what they are.

use std::fmt::Write as _;

use crate::exchange::FieldPath;

/// Letters of a recorded name that a comment shows.
const SHOWN: usize = 80;

/// A TOML key: bare where it can be.
pub(super) fn key(name: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if !name.is_empty() && name.bytes().all(bare) { name.to_owned() } else { string(name) }
}

/// A TOML basic string (TOML 1.0, "String").
pub(super) fn string(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            odd if odd.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(odd));
            }
            plain => out.push(plain),
        }
    }
    out.push('"');
    out
}

/// A name in a comment: one line, not too long, nothing that commands a terminal.
pub(super) fn shown(name: &str) -> String {
    let odd = |letter: char| letter.is_control() || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    name.chars().take(SHOWN).map(|letter| if odd(letter) { ' ' } else { letter }).collect()
}

/// How an expression reads a form or query field: `form.price`, `form['user-email']`, `form['ids[]']`. A numbered level
/// below the first name (a language, a store) is the shop's own and is not named: the first one is taken. `None` for names
/// that cannot be written so.
pub(super) fn field(root: &str, name: &str) -> Option<String> {
    let path = FieldPath::parse(name);
    let plain = |part: &String| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || "-_.: ".contains(c));
    if path.parts.is_empty() || !path.parts.iter().all(plain) {
        return None;
    }
    if path.list {
        // Written as on the wire: the list of all values.
        let (first, rest) = path.parts.split_first()?;
        let wire = rest.iter().fold(first.clone(), |wire, part| wire + "[" + part + "]");
        return Some(format!("{root}['{wire}[]']"));
    }
    let mut text = root.to_owned();
    for (level, part) in path.parts.iter().enumerate() {
        if level > 0 && part.bytes().all(|byte| byte.is_ascii_digit()) {
            text = format!("({text} | items | first | last)");
        } else {
            text.push_str(&step(part));
        }
    }
    Some(text)
}

/// How an expression reads a value in JSON.
pub(super) fn json(root: &str, path: &[String]) -> Option<String> {
    let plain = |part: &String| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || "-_".contains(c));
    path.iter().all(plain).then(|| path.iter().fold(root.to_owned(), |text, part| text + &step(part)))
}

fn step(part: &str) -> String {
    let name = part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && part.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    if name { format!(".{part}") } else { format!("['{part}']") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_they_are() {
        for (name, expected) in [
            ("price", Some("form.price")),
            ("user-email", Some("form['user-email']")),
            ("product_description[1][name]", Some("(form.product_description | items | first | last).name")),
            ("selected[]", Some("form['selected[]']")),
            ("a[b][]", Some("form['a[b][]']")),
            ("a[b][c]", Some("form.a.b.c")),
            ("it's", None),
            ("a\"b", None),
            ("", None),
        ] {
            assert_eq!(field("form", name).as_deref(), expected, "{name}");
        }
        assert_eq!(string("a\"\\\n\u{7}"), "\"a\\\"\\\\\\n\\u0007\"");
        assert_eq!((key("wc-ajax").as_str(), key("a.b").as_str(), key("").as_str()), ("wc-ajax", "\"a.b\"", "\"\""));
        assert_eq!(shown("a\nb\u{202e}"), "a b ");
    }
}
