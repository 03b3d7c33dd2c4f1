//! Exchanges without their secrets, for files that people hand around: every secret value is replaced by a pseudonym that is
//! the same wherever the value stands, so that sessions still join and forms still fit the pages they came of.
//!
//! What counts as secret: cookies, `Authorization` and headers named like a token; fields, JSON values, query values and
//! hidden inputs whose name says password, hash, token, nonce, session or card (the list of `payload_from`), or stands in
//! `[shop] redact`; card numbers by their look; and each of these values wherever else it stands. Names, addresses, e-mail
//! addresses and what else a shop's pages hold stays: they are what rules are about.

mod bodies;
mod heads;
mod text;

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;

use regex::bytes::Regex;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::derive::{is_card, is_secret};
use crate::exchange::Exchange;
use crate::model::glob;

/// Values that are looked for in everything that follows; the oldest leave.
const MAX_KNOWN: usize = 1_000;
/// Values shorter than this, in bytes, are replaced only where their name says what they are.
const LEAST_KNOWN: usize = 8;
/// Most characters of a pseudonym.
const LONGEST: usize = 32;
/// The session keys of rules begin at 8 characters: a pseudonym is one if its value was.
const SHORT: usize = 6;
/// Parts of a cookie that are digits alone and no longer than this are no secrets: numbers and times.
const NUMBER: usize = 10;

/// Names beside those of `payload_from`: WordPress calls its nonces so in requests of scripts.
const ALSO: [&str; 1] = ["security"];

/// What a head of a file says about it.
pub const REDACTED: [&str; 6] = [
    "cookies",
    "Authorization and headers named like a token",
    "fields named like a password, hash, token, nonce or session",
    "card data",
    "fields named in [shop] redact",
    "each of these values wherever else it stands",
];

/// Replaces secrets; one for all exchanges of a file.
#[derive(Debug)]
pub struct Disguise {
    salt: [u8; 32],
    /// Names beside the built-in list, lower case globs.
    redact: Vec<String>,
    /// Cookies that stay as they are: one-time messages are no secrets, and rules read them.
    kept_cookies: Vec<String>,
    known: Known,
}

/// Secret values seen so far.
#[derive(Debug, Default)]
struct Known {
    pseudonyms: HashMap<Vec<u8>, String>,
    order: VecDeque<Vec<u8>>,
    /// Finds any of them; made anew when there is a new one.
    finder: Option<Regex>,
}

impl Disguise {
    /// Pseudonyms depend on `salt`: with a random one they tell nothing of the values, and two files do not join. `redact`
    /// are names of fields (globs), `kept_cookies` names of cookies that hold no secret.
    pub fn new(salt: [u8; 32], redact: &[String], kept_cookies: &[String]) -> Self {
        let redact = redact.iter().map(|name| name.to_lowercase()).collect();
        Self { salt, redact, kept_cookies: kept_cookies.to_vec(), known: Known::default() }
    }

    /// The exchange without its secrets. Content codings are undone; a body that cannot be read is left out.
    pub fn exchange(&mut self, exchange: &Exchange) -> Exchange {
        let mut exchange = exchange.clone().decoded();
        // First all that is secret by its place, then these values wherever else they stand.
        self.request_head(&mut exchange.request);
        self.request_body(&mut exchange);
        if let Some(response) = &mut exchange.response {
            self.response_head(response);
        }
        self.response_body(&mut exchange);
        self.everywhere(&mut exchange);
        exchange
    }

    /// A table of values without its secrets.
    pub fn table(&mut self, table: Map<String, Value>) -> Map<String, Value> {
        match self.json_value(Value::Object(table)) {
            Value::Object(table) => table,
            _ => Map::new(),
        }
    }

    fn is_secret(&self, name: &str) -> bool {
        let lower = name.to_lowercase();
        let of = |part: &str| self.redact.iter().any(|pattern| glob(pattern, part));
        ALSO.contains(&lower.as_str())
            || is_secret(&lower.replace('-', "_"))
            || is_secret(&lower)
            || of(&lower)
            || lower.split(['[', ']']).any(of)
    }

    /// What stands for a value whose name says that it is secret.
    fn whole(&mut self, value: &str) -> String {
        let parts: Vec<&str> = value.split(is_delimiter).collect();
        if parts.len() > 1 && parts.iter().all(|part| part.len() >= LEAST_KNOWN) {
            return self.token(value);
        }
        if is_flag(value) { value.to_owned() } else { self.pseudonym(value) }
    }

    /// What stands for a value of a cookie or a header: its secret parts replaced, its form kept.
    fn token(&mut self, value: &str) -> String {
        let mut out = String::with_capacity(value.len());
        let mut rest = value;
        while !rest.is_empty() {
            let end = rest.find(is_delimiter).unwrap_or(rest.len());
            let (part, behind) = rest.split_at(end);
            let number = part.len() <= NUMBER && part.bytes().all(|byte| byte.is_ascii_digit());
            if part.len() < LEAST_KNOWN || number {
                out.push_str(part);
            } else {
                out.push_str(&self.pseudonym(part));
            }
            let mut letters = behind.chars();
            out.extend(letters.next());
            rest = letters.as_str();
        }
        out
    }

    fn pseudonym(&mut self, value: &str) -> String {
        let pseudonym = if is_card(value) { self.digits(value) } else { self.letters(value) };
        if value.len() >= LEAST_KNOWN {
            self.known.add(value.as_bytes(), &pseudonym);
        }
        pseudonym
    }

    fn hash(&self, value: &str) -> [u8; 32] {
        Sha256::new().chain_update(self.salt).chain_update(value.as_bytes()).finalize().into()
    }

    fn letters(&self, value: &str) -> String {
        let length = if value.len() < LEAST_KNOWN { SHORT } else { value.len().min(LONGEST) };
        let mut text = "x".to_owned();
        for byte in self.hash(value) {
            // Writing to a string never fails.
            let _ = write!(text, "{byte:02x}");
        }
        text.truncate(length);
        text
    }

    /// As many digits, which are no card number.
    fn digits(&self, value: &str) -> String {
        let hash = self.hash(value);
        let digit = |(at, letter): (usize, char)| match letter {
            _ if !letter.is_ascii_digit() => letter,
            _ if at == 0 => '0',
            _ => char::from(b'0' + hash[at % hash.len()] % 10),
        };
        value.chars().enumerate().map(digit).collect()
    }
}

impl Known {
    fn add(&mut self, value: &[u8], pseudonym: &str) {
        if self.pseudonyms.insert(value.to_vec(), pseudonym.to_owned()).is_some() {
            return;
        }
        self.finder = None;
        self.order.push_back(value.to_vec());
        if self.order.len() > MAX_KNOWN
            && let Some(oldest) = self.order.pop_front()
        {
            self.pseudonyms.remove(&oldest);
        }
    }

    /// The bytes with every known value replaced; `None` where none stands in them.
    fn replaced(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        if self.order.is_empty() {
            return None;
        }
        if self.finder.is_none() {
            // The longest first: one may begin another.
            let mut values: Vec<&Vec<u8>> = self.order.iter().collect();
            values.sort_by_key(|value| std::cmp::Reverse(value.len()));
            let escaped = values.iter().map(|value| regex::escape(&String::from_utf8_lossy(value)));
            self.finder = Regex::new(&escaped.collect::<Vec<_>>().join("|")).ok();
        }
        let finder = self.finder.as_ref()?;
        if !finder.is_match(bytes) {
            return None;
        }
        let with = |found: &regex::bytes::Captures<'_>| match self.pseudonyms.get(&found[0]) {
            Some(pseudonym) => pseudonym.clone().into_bytes(),
            None => found[0].to_vec(),
        };
        Some(finder.replace_all(bytes, with).into_owned())
    }
}

/// What parts a cookie's value into pieces.
fn is_delimiter(letter: char) -> bool {
    matches!(letter, '|' | ':' | '.' | ',' | ';' | '&' | '=' | '%' | '"' | ' ' | '{' | '}')
}

/// A box that is ticked is no secret, whatever it is called.
fn is_flag(value: &str) -> bool {
    matches!(
        value.to_ascii_lowercase().as_str(),
        "" | "0" | "1" | "on" | "off" | "yes" | "no" | "true" | "false" | "null"
    )
}

#[cfg(test)]
mod tests;
