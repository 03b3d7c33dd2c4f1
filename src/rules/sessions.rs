//! Who a visitor is: the values of configured cookies, query fields and headers, of which only hashes are kept.

use sha2::{Digest, Sha256};

use crate::exchange::{FieldPath, Fields, Reading, ResponseHead};
use crate::model::glob;

use super::matching::texts_at;
use super::rule::{Ruleset, SessionConfig};

/// Values shorter than this, in characters, are no keys: `1` or `en` would throw strangers together.
pub(super) const MIN_KEY_CHARS: usize = 8;

/// Keys taken from one side of an exchange.
const MAX_KEYS: usize = 16;

/// Bytes of the hash that are kept.
const HASH_BYTES: usize = 16;

/// The keys an exchange carries: hashes of values, which compare across sources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionKeys {
    /// Those the request came with, in the order of the file.
    pub request: Vec<String>,
    /// Those the answer adds.
    pub added: Vec<String>,
    /// Those the answer deletes.
    pub removed: Vec<String>,
}

impl SessionKeys {
    /// The keys the visitor is found by: the request's, without any the answer's.
    pub fn finding(&self) -> &[String] {
        if self.request.is_empty() { &self.added } else { &self.request }
    }
}

impl Ruleset {
    /// The keys of an exchange, by `[session]`.
    pub fn session_keys(&self, reading: &Reading) -> SessionKeys {
        let config = &self.session;
        let mut keys = SessionKeys { request: request_keys(config, reading), ..SessionKeys::default() };
        let set = reading.response_cookies();
        for (name, value) in set.iter().filter(|(name, _)| is_one_of(&config.cookies, name)) {
            if value.is_empty() {
                // What is deleted is what the visitor had under this name.
                let had = reading.cookies().iter().filter(|(had, _)| had == name);
                had.for_each(|(_, value)| add(&mut keys.removed, value));
            } else {
                add(&mut keys.added, value);
            }
        }
        for (name, value) in reading.response_headers() {
            if is_one_of(&config.headers, name.as_str()) {
                add(&mut keys.added, &String::from_utf8_lossy(value.as_bytes()));
            }
        }
        // A redirect that hands out a token in its query leads this visitor there.
        if let Some(location) = reading.location() {
            from_query(&config.query, &location.query, &mut keys.added);
        }
        keys.removed.retain(|key| !keys.added.contains(key));
        keys.added.retain(|key| !keys.request.contains(key));
        keys
    }

    /// Whether an answer sets or deletes a `[session]` cookie, or carries such a header: such an exchange is always noted,
    /// its heads alone, so that the visitor is followed.
    pub fn session_cookie_set(&self, response: &ResponseHead) -> bool {
        let named = |name: &str| is_one_of(&self.session.cookies, name);
        let cookies = response.headers.get_all(http::header::SET_COOKIE).iter();
        let sets = cookies.filter_map(|line| line.as_bytes().split(|byte| *byte == b'=').next());
        let mut names = sets.map(|name| String::from_utf8_lossy(name.trim_ascii()).into_owned());
        names.any(|name| named(&name))
            || response.headers.keys().any(|name| is_one_of(&self.session.headers, name.as_str()))
    }
}

impl SessionConfig {
    /// Whether nobody is followed.
    pub fn is_empty(&self) -> bool {
        self.cookies.is_empty() && self.query.is_empty() && self.headers.is_empty()
    }
}

/// The keys of a request, from its head alone.
pub(super) fn request_keys(config: &SessionConfig, reading: &Reading) -> Vec<String> {
    let mut keys = Vec::new();
    for pattern in &config.cookies {
        let fitting = reading.cookies().iter().filter(|(name, _)| glob(pattern, name));
        fitting.for_each(|(_, value)| add(&mut keys, value));
    }
    from_query(&config.query, reading.query(), &mut keys);
    for pattern in &config.headers {
        let fitting = reading.headers().iter().filter(|(name, _)| glob(pattern, name.as_str()));
        fitting.for_each(|(_, value)| add(&mut keys, &String::from_utf8_lossy(value.as_bytes())));
    }
    keys
}

fn from_query(paths: &[FieldPath], query: &Fields, keys: &mut Vec<String>) {
    for path in paths {
        for value in texts_at(query, path) {
            add(keys, &value);
        }
    }
}

fn is_one_of(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| glob(pattern, name))
}

/// Adds the hash of a value that is long enough, once.
fn add(keys: &mut Vec<String>, value: &str) {
    let value = value.trim();
    let scheme = value.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("bearer "));
    let value = scheme.and_then(|scheme| value.get(scheme.len()..)).unwrap_or(value).trim();
    if value.chars().count() < MIN_KEY_CHARS || keys.len() >= MAX_KEYS {
        return;
    }
    let key = hash(value.as_bytes());
    if !keys.contains(&key) {
        keys.push(key);
    }
}

/// The first [`HASH_BYTES`] bytes of SHA-256, as hex digits.
pub(super) fn hash(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble & 15)]);
    Sha256::digest(bytes).iter().take(HASH_BYTES).flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}
