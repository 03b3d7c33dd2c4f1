//! Rows of the state: what stands behind a key, checked.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::StoreError;
use super::record::{deflate, inflate};
use crate::model::Known;

/// Version of the layout of a row.
const VERSION: u8 = 1;

/// Head of a row: version, 1 if the JSON is deflated, CRC-32, age, length of the JSON. In bytes.
const HEAD: usize = 18;

/// JSON longer than this is deflated, in bytes.
const DEFLATE_BYTES: usize = 512;

/// The largest known resource, as stored, in bytes: above it only its dates are kept.
const MAX_KNOWN_BYTES: usize = 8 * 1024;

/// The longest JSON of one row, in bytes.
const MAX_PLAIN_BYTES: usize = 16 << 20;

/// The one row of marks and totals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Meta {
    /// The last record of the events journal that was applied.
    pub(super) events: u64,
    /// The last record of the log journal that was applied.
    pub(super) log: u64,
    /// The next webhook id to give away; 0 stands for 1.
    pub(super) next_webhook: u64,
    /// The next number of a run; 0 stands for 1.
    pub(super) next_run: u32,
    /// Known resources and aliases.
    pub(super) remembered: u64,
    /// Bytes of their keys and values.
    pub(super) remembered_bytes: u64,
    /// The last age given to one of them.
    pub(super) age: u64,
    /// All other rows but this one and the ages.
    pub(super) rows: u64,
}

/// Encodes a row.
pub(super) fn encode(age: u64, value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    let json = serde_json::to_vec(value).map_err(|error| damaged(&format!("a row cannot be written: {error}")))?;
    let plain_len = u32::try_from(json.len()).ok().filter(|_| json.len() <= MAX_PLAIN_BYTES);
    let plain_len = plain_len.ok_or(StoreError::TooLarge { bytes: json.len() })?;
    let deflated = json.len() > DEFLATE_BYTES;
    let body = if deflated { deflate(&json) } else { json };
    let mut row = Vec::with_capacity(HEAD + body.len());
    row.extend_from_slice(&[VERSION, u8::from(deflated), 0, 0, 0, 0]);
    row.extend_from_slice(&age.to_be_bytes());
    row.extend_from_slice(&plain_len.to_be_bytes());
    row.extend_from_slice(&body);
    let crc = crc32fast::hash(&row);
    row[2..6].copy_from_slice(&crc.to_be_bytes());
    Ok(row)
}

/// Decodes a row.
pub(super) fn decode<T: DeserializeOwned>(row: &[u8]) -> Result<T, StoreError> {
    let (deflated, plain_len, body) = check(row).ok_or_else(|| damaged("a row's checksum is wrong"))?;
    let plain;
    let json = if deflated {
        plain = inflate(body, plain_len.min(MAX_PLAIN_BYTES)).ok_or_else(|| damaged("a row does not inflate"))?;
        &plain
    } else {
        body
    };
    serde_json::from_slice(json).map_err(|error| damaged(&format!("a row is not what was written: {error}")))
}

/// The age in a row's head.
pub(super) fn age(row: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(row.get(6..14)?.try_into().ok()?))
}

/// Encodes a known resource; one too large for its bound is cut to its dates.
pub(super) fn encode_known(age: u64, known: &Known) -> Result<Vec<u8>, StoreError> {
    match encode(age, known) {
        Ok(row) if row.len() <= MAX_KNOWN_BYTES => return Ok(row),
        Ok(_) | Err(StoreError::TooLarge { .. }) => {}
        Err(other) => return Err(other),
    }
    encode(
        age,
        &Known {
            created: known.created,
            modified: known.modified,
            deleted: known.deleted,
            trimmed: true,
            seen: known.seen,
            learnt: known.learnt,
            ..Known::default()
        },
    )
}

fn check(row: &[u8]) -> Option<(bool, usize, &[u8])> {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(row.get(..2)?);
    hasher.update(&[0; 4]);
    hasher.update(row.get(6..)?);
    let crc = u32::from_be_bytes(row.get(2..6)?.try_into().ok()?);
    let plain_len = u32::from_be_bytes(row.get(14..HEAD)?.try_into().ok()?);
    let fits = row[0] == VERSION && hasher.finalize() == crc;
    fits.then_some((row[1] == 1, usize::try_from(plain_len).ok()?, row.get(HEAD..)?))
}

fn damaged(text: &str) -> StoreError {
    StoreError::Corrupt { place: "state".to_owned(), text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::noise;
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn rows_come_back_and_bent_ones_do_not() {
        for text in [String::new(), "short".to_owned(), "long ".repeat(10_000)] {
            let row = encode(9, &text).unwrap();
            assert_eq!((decode::<String>(&row).unwrap(), age(&row)), (text, Some(9)));
            for at in 0..row.len() {
                let mut bent = row.clone();
                bent[at] ^= 1;
                assert!(decode::<String>(&bent).is_err(), "byte {at}");
            }
        }
        assert!(decode::<String>(&[]).is_err());
    }

    #[test]
    fn large_resources_keep_their_dates() {
        let noise: String = (0u64..40_000).map(|at| char::from(b'!' + (at * at * 7 % 89) as u8)).collect();
        let mut known = Known { created: Timestamp::from_millis(5), deleted: true, ..Known::default() };
        known.fields.insert("small".to_owned(), "value".into());
        assert_eq!(decode::<Known>(&encode_known(1, &known).unwrap()).unwrap(), known);
        known.fields.insert("noise".to_owned(), (0..40u32).map(|at| format!("{at}{noise}{}", at * 7919)).collect());
        known.fields.insert("random".to_owned(), noise::noise(60_000).into());
        let row = encode_known(1, &known).unwrap();
        let back: Known = decode(&row).unwrap();
        assert!(row.len() <= MAX_KNOWN_BYTES && back.trimmed && back.fields.is_empty());
        assert_eq!((back.created, back.deleted), (known.created, true));
    }
}
