//! Secrets in running text: links, assignments, hidden inputs, card numbers.

use std::sync::LazyLock;

use form_urlencoded::byte_serialize;
use percent_encoding::percent_decode_str;
use regex::{Captures, Regex};

use super::super::derive::is_card;
use super::Disguise;

/// `?name=value` of a link in a text.
static LINK: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"((?:[?&#;]|&amp;|\\u0026)([\w.\-\[\]%]+)=)([^&#;\s"'<>\\]+)"#).ok());
/// `name: "value"`, `"name":"value"`, `name = 'value'`, with quotes escaped or not: JSON, scripts, GraphQL, attributes.
static ASSIGNED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(([A-Za-z_][\w.\-]*)\\?["']?\s*[:=]\s*\\?["'])([^"'\\<>\r\n]{1,512})(\\?["'])"#).ok()
});
/// An input or meta tag.
static TAG: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?is)<(?:input|meta|textarea)\b[^>]{0,2000}>").ok());
/// An attribute of one.
static ATTRIBUTE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(?is)\b(name|id|type|value|content)\s*=\s*("[^"]*"|'[^']*'|[^\s"'>]+)"#).ok());

impl Disguise {
    /// A urlencoded text with the values of secret fields replaced; nested forms are looked into.
    pub(super) fn pairs(&mut self, text: &str) -> String {
        let pairs = text.split('&').map(|pair| {
            let Some((name, value)) = pair.split_once('=') else { return pair.to_owned() };
            let decoded = decode(value);
            let changed = self.field(&decode(name), &decoded);
            if changed == decoded {
                return pair.to_owned();
            }
            format!("{name}={}", byte_serialize(changed.as_bytes()).collect::<String>())
        });
        pairs.collect::<Vec<_>>().join("&")
    }

    /// The value of a field.
    pub(super) fn field(&mut self, name: &str, value: &str) -> String {
        if self.is_secret(name) {
            self.whole(value)
        } else if is_card(value) {
            self.pseudonym(value)
        } else if value.contains('=') && value.contains('&') && !value.contains(['<', ' ']) {
            // A form inside a field.
            self.pairs(value)
        } else {
            self.assignments(value)
        }
    }

    /// A text with the secret values of its links replaced.
    pub(super) fn links(&mut self, text: &str) -> String {
        let Some(link) = &*LINK else { return text.to_owned() };
        if !text.contains('=') {
            return text.to_owned();
        }
        let changed = link.replace_all(text, |found: &Captures<'_>| {
            let value = decode(&found[3]);
            if self.is_secret(&decode(&found[2])) && !is_number(&value) {
                let whole = self.whole(&value);
                format!("{}{}", &found[1], byte_serialize(whole.as_bytes()).collect::<String>())
            } else {
                found[0].to_owned()
            }
        });
        changed.into_owned()
    }

    /// A text with the values of secret names replaced where it assigns them.
    pub(super) fn assignments(&mut self, text: &str) -> String {
        let Some(assigned) = &*ASSIGNED else { return text.to_owned() };
        if !text.contains([':', '=']) {
            return text.to_owned();
        }
        let changed = assigned.replace_all(text, |found: &Captures<'_>| {
            if self.is_secret(&found[2]) && !is_words(&found[3]) {
                format!("{}{}{}", &found[1], self.whole(&found[3]), &found[4])
            } else {
                found[0].to_owned()
            }
        });
        changed.into_owned()
    }

    /// A page with the values of inputs and metas with secret names replaced, and of passwords.
    pub(super) fn inputs(&mut self, page: &str) -> String {
        let (Some(tag), Some(attribute)) = (&*TAG, &*ATTRIBUTE) else { return page.to_owned() };
        let changed = tag.replace_all(page, |found: &Captures<'_>| {
            let tag = &found[0];
            let secret = attribute.captures_iter(tag).any(|one| match &one[1].to_ascii_lowercase()[..] {
                "name" | "id" => self.is_secret(unquoted(&one[2])),
                "type" => unquoted(&one[2]).eq_ignore_ascii_case("password"),
                _ => false,
            });
            if !secret {
                return tag.to_owned();
            }
            let value = |one: &Captures<'_>, this: &mut Self| {
                let given = unquoted(&one[2]);
                match &one[1].to_ascii_lowercase()[..] {
                    "value" | "content" if !is_words(given) => one[0].replace(given, &this.whole(given)),
                    _ => one[0].to_owned(),
                }
            };
            attribute.replace_all(tag, |one: &Captures<'_>| value(one, self)).into_owned()
        });
        changed.into_owned()
    }
}

fn unquoted(value: &str) -> &str {
    value.trim_matches(['"', '\''])
}

/// A label or a sentence, not a token.
fn is_words(value: &str) -> bool {
    value.trim().is_empty() || value.contains(' ')
}

fn is_number(value: &str) -> bool {
    value.len() <= super::NUMBER && value.bytes().all(|byte| byte.is_ascii_digit())
}

pub(super) fn decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}
