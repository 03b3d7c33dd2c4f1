//! Keys: big-endian, so that order of bytes is order of sequences; in the state a first byte tells what a row is.

use sha2::{Digest as _, Sha256};

use crate::model::{EventUid, Identity};

/// The longest text part of a key, in bytes; longer ones end in a hash, so that a hostile id costs no more than a long one.
const MAX_TEXT_BYTES: usize = 200;

/// First bytes of the state's rows.
pub(super) mod row {
    /// The one row of marks and totals.
    pub(in crate::store) const META: u8 = b'M';
    /// A known resource.
    pub(in crate::store) const KNOWN: u8 = b'K';
    /// A natural key's id.
    pub(in crate::store) const ALIAS: u8 = b'A';
    /// Age → key of whatever leaves when it is the least recently changed: known resources, aliases, sessions, `once` keys.
    pub(in crate::store) const AGE: u8 = b'G';
    /// A webhook's NAME.
    pub(in crate::store) const NAME: u8 = b'N';
    /// A webhook's cursor.
    pub(in crate::store) const CURSOR: u8 = b'C';
    /// Done above a cursor.
    pub(in crate::store) const FINISHED: u8 = b'F';
    /// A waiting delivery.
    pub(in crate::store) const WAITING: u8 = b'W';
    /// A deferred delivery.
    pub(in crate::store) const DEFERRED: u8 = b'D';
    /// A webhook's health.
    pub(in crate::store) const HEALTH: u8 = b'H';
    /// What is remembered of a visitor.
    pub(in crate::store) const SESSION: u8 = b'S';
    /// A visitor's key.
    pub(in crate::store) const SESSION_KEY: u8 = b'Y';
    /// A rule's `once` key.
    pub(in crate::store) const ONCE: u8 = b'O';
    /// A match that waits.
    pub(in crate::store) const PENDING: u8 = b'P';
    /// A run that sends deliveries again.
    pub(in crate::store) const RUN: u8 = b'R';
}

/// Key of one value of a journal's record.
pub(super) fn record(seq: u64, chunk: u16) -> Vec<u8> {
    let mut key = seq.to_be_bytes().to_vec();
    key.extend_from_slice(&chunk.to_be_bytes());
    key
}

/// The sequence and the chunk of a journal's key; `None` if it is none.
pub(super) fn parse_record(key: &[u8]) -> Option<(u64, u16)> {
    let (seq, chunk) = key.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*seq), u16::from_be_bytes(chunk.try_into().ok()?)))
}

/// Key of a row by number: a webhook, an age or a sequence.
pub(super) fn number(row: u8, number: u64) -> Vec<u8> {
    let mut key = vec![row];
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// Key of a row by webhook and event.
pub(super) fn pair(row: u8, webhook: u64, event: u64) -> Vec<u8> {
    let mut key = number(row, webhook);
    key.extend_from_slice(&event.to_be_bytes());
    key
}

/// The last number of a key made by [`number`] or [`pair`].
pub(super) fn last_number(key: &[u8]) -> Option<u64> {
    key.last_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes))
}

/// The first number of a key made by [`number`] or [`pair`].
pub(super) fn first_number(key: &[u8]) -> Option<u64> {
    key.get(1..)?.first_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes))
}

/// The least key after all that begin with `prefix`; `None` if there is none.
pub(super) fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let keep = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=keep].to_vec();
    end[keep] += 1;
    Some(end)
}

/// Key of a known resource.
pub(super) fn known(resource: &str, identity: &Identity) -> Vec<u8> {
    match identity {
        Identity::Id(id) => text(row::KNOWN, &[resource, "i", id]),
        Identity::Key { name, value } => text(row::KNOWN, &[resource, "k", name, value]),
        Identity::None => text(row::KNOWN, &[resource, "n"]),
    }
}

/// Key of a natural key.
pub(super) fn alias(resource: &str, name: &str, value: &str) -> Vec<u8> {
    text(row::ALIAS, &[resource, name, value])
}

/// Key of a webhook's NAME.
pub(super) fn name(name: &str) -> Vec<u8> {
    text(row::NAME, &[name])
}

/// Key of what is remembered of a visitor.
pub(super) fn session(session: &str) -> Vec<u8> {
    text(row::SESSION, &[session])
}

/// Key of a visitor's key.
pub(super) fn session_key(key: &str) -> Vec<u8> {
    text(row::SESSION_KEY, &[key])
}

/// Key of a rule's `once` key.
pub(super) fn once(rule: &str, key: &str) -> Vec<u8> {
    text(row::ONCE, &[rule, key])
}

/// Key of a match that waits.
pub(super) fn pending(uid: EventUid) -> Vec<u8> {
    let mut key = vec![row::PENDING];
    key.extend_from_slice(&uid.0);
    key
}

/// A key of texts. Each is led by its length, so that no two lists make the same key.
fn text(row: u8, parts: &[&str]) -> Vec<u8> {
    let mut key = vec![row];
    for part in parts {
        key.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        key.extend_from_slice(part.as_bytes());
    }
    if key.len() > MAX_TEXT_BYTES {
        let hash = Sha256::digest(&key);
        key.truncate(MAX_TEXT_BYTES);
        key.extend_from_slice(&hash);
    }
    key
}

/// The texts of such a key; `None` if it was too long to hold them.
pub(super) fn texts(key: &[u8]) -> Option<Vec<String>> {
    let (mut rest, mut texts) = (key.get(1..)?, Vec::new());
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (text, after) = after.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        texts.push(String::from_utf8(text.to_vec()).ok()?);
        rest = after;
    }
    Some(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_their_order_and_come_back() {
        assert!(record(1, 2) < record(2, 0) && record(255, 0) < record(256, 0));
        assert_eq!(parse_record(&record(9, 3)), Some((9, 3)));
        assert_eq!(parse_record(b"short"), None);
        assert_eq!(first_number(&pair(row::WAITING, 7, 9)), Some(7));
        assert_eq!(last_number(&pair(row::WAITING, 7, 9)), Some(9));
    }

    #[test]
    fn texts_of_a_key_come_back_unless_it_is_too_long() {
        assert_eq!(texts(&alias("order", "", "ü")), Some(vec!["order".into(), String::new(), "ü".into()]));
        assert_eq!(texts(&alias("order", "number", &"x".repeat(1_000))), None);
        assert_eq!(texts(b""), None);
    }

    #[test]
    fn different_things_have_different_keys() {
        let id = |id: &str| Identity::Id(id.to_owned());
        let key = |name: &str, value: &str| Identity::Key { name: name.to_owned(), value: value.to_owned() };
        let (long, longer) = ("x".repeat(1_000), "x".repeat(1_001));
        let rows = [
            known("order", &id("1")),
            known("order", &id("12")),
            known("orde", &id("r1")),
            known("order", &key("1", "")),
            known("order", &Identity::None),
            known("order", &id(&long)),
            known("order", &id(&longer)),
            alias("order", "a", "bc"),
            alias("order", "ab", "c"),
        ];
        for (at, one) in rows.iter().enumerate() {
            assert!(one.len() <= MAX_TEXT_BYTES + 32);
            assert!(rows[at + 1..].iter().all(|other| other != one), "{at}");
        }
    }
}
