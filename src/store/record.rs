//! How a record of the journals lies on disk.
//!
//! A head of 32 bytes, then JSON, deflated where it is long. The first value holds the head; what does not fit one value
//! of 16 KiB follows in further values under the same sequence. Small records share a value: see `pack.rs`.
//!
//! | bytes | what |
//! |---|---|
//! | 0 | version of this layout: 1 |
//! | 1 | kind of the journal's entry |
//! | 2 | 1: the JSON is deflated |
//! | 3 | 0 |
//! | 4–7 | CRC-32 of the sequence, the rest of the head and the body as stored |
//! | 8–9 | records of the same group entry that follow this one |
//! | 10–11 | values this record takes |
//! | 12–15 | length of the JSON in bytes |
//! | 16–23 | log: the last record of the events journal applied before this one |
//! | 24–31 | 0 |
//!
//! Integers are big-endian.

use std::borrow::Cow;
use std::io::{Read, Write as _};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StoreError;
use super::keys;

/// Version of the layout of a record.
pub(super) const VERSION: u8 = 1;

/// Length of the head, in bytes.
const HEAD: usize = 32;

/// The largest value given to the database, in bytes: above it the engine leaks disk space.
pub(super) const MAX_VALUE_BYTES: usize = 16 * 1024;

/// JSON longer than this is deflated, in bytes.
const DEFLATE_BYTES: usize = 16 * 1024;

/// The longest JSON of one record, in bytes: a body of 16 MiB, what is remembered with it, and room.
pub(super) const MAX_RECORD_BYTES: usize = 64 * 1024 * 1024;

/// Room that the JSON of most records fits in, in bytes: growing by doubling copies it four times.
const USUAL_JSON: usize = 1024;

/// Kind of a record that only carries state writes.
pub(super) const BARE: u8 = 0;

/// A record without its place.
#[derive(Debug)]
pub(super) struct Encoded {
    /// Kind of its entry.
    pub(super) kind: u8,
    deflated: bool,
    plain_len: u32,
    body: Vec<u8>,
}

/// Where a record stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Its sequence.
    pub(super) seq: u64,
    /// Records of the same group entry that follow.
    pub(super) left: u16,
    /// The last record of the events journal applied before it (log only).
    pub(super) after: u64,
}

/// A record as found on disk, its checksum verified.
#[derive(Debug)]
pub(super) struct Stored {
    /// Where it stands.
    pub(super) place: Place,
    /// Kind of its entry.
    pub(super) kind: u8,
    /// Its checksum.
    pub(super) crc: u32,
    deflated: bool,
    plain_len: u32,
    body: Vec<u8>,
}

/// Encodes what a record says.
pub(super) fn encode(kind: u8, value: &impl Serialize) -> Result<Encoded, StoreError> {
    let mut json = Vec::with_capacity(USUAL_JSON);
    serde_json::to_writer(&mut json, value).map_err(|error| StoreError::Corrupt {
        place: "a new record".to_owned(),
        text: format!("it cannot be written as JSON: {error}"),
    })?;
    let plain_len = u32::try_from(json.len()).ok().filter(|_| json.len() <= MAX_RECORD_BYTES);
    let Some(plain_len) = plain_len else { return Err(StoreError::TooLarge { bytes: json.len() }) };
    if json.len() <= DEFLATE_BYTES {
        return Ok(Encoded { kind, deflated: false, plain_len, body: json });
    }
    Ok(Encoded { kind, deflated: true, plain_len, body: deflate(&json) })
}

/// Deflates bytes in memory.
pub(super) fn deflate(plain: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::with_capacity(plain.len() / 4), Compression::fast());
    let written = encoder.write_all(plain).and_then(|()| encoder.finish());
    written.expect("writing to memory does not fail")
}

/// Inflates to exactly `len` bytes; `None` if that is not what comes out.
pub(super) fn inflate(deflated: &[u8], len: usize) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    let limit = u64::try_from(len).ok()?.checked_add(1)?;
    DeflateDecoder::new(deflated).take(limit).read_to_end(&mut plain).ok()?;
    (plain.len() == len).then_some(plain)
}

impl Encoded {
    /// Bytes it takes on disk, about.
    pub(super) fn len(&self) -> usize {
        HEAD + self.body.len()
    }

    /// The record at `place` as it stands on disk, and its checksum.
    pub(super) fn whole(&self, place: Place) -> (Vec<u8>, u32) {
        let mut whole = Vec::with_capacity(self.len());
        let values = self.len().div_ceil(MAX_VALUE_BYTES);
        whole.extend_from_slice(&[VERSION, self.kind, u8::from(self.deflated), 0, 0, 0, 0, 0]);
        whole.extend_from_slice(&place.left.to_be_bytes());
        // At most MAX_RECORD_BYTES / MAX_VALUE_BYTES + 1 = 4,097 values.
        whole.extend_from_slice(&u16::try_from(values).unwrap_or(u16::MAX).to_be_bytes());
        whole.extend_from_slice(&self.plain_len.to_be_bytes());
        whole.extend_from_slice(&place.after.to_be_bytes());
        whole.extend_from_slice(&[0; 8]);
        whole.extend_from_slice(&self.body);
        let crc = checksum(place.seq, &whole);
        whole[4..8].copy_from_slice(&crc.to_be_bytes());
        (whole, crc)
    }
}

/// The pairs to put for a whole record.
pub(super) fn pairs(seq: u64, whole: Vec<u8>) -> Vec<super::disk::Pair> {
    if whole.len() <= MAX_VALUE_BYTES {
        return vec![(keys::record(seq, 0), whole)];
    }
    let chunks = whole.chunks(MAX_VALUE_BYTES).zip(0u16..);
    chunks.map(|(value, chunk)| (keys::record(seq, chunk), value.to_vec())).collect()
}

impl Stored {
    /// What the record says.
    pub(super) fn decode<T: DeserializeOwned>(&self) -> Result<T, StoreError> {
        let damaged = |text: String| StoreError::Corrupt { place: format!("record {}", self.place.seq), text };
        let json = self.json().ok_or_else(|| damaged("its body does not inflate".to_owned()))?;
        serde_json::from_slice(&json).map_err(|error| damaged(format!("its JSON is not what was written: {error}")))
    }

    /// The JSON as text; `None` if it is none.
    pub(super) fn text(&self) -> Option<String> {
        String::from_utf8(self.json()?.into_owned()).ok()
    }

    fn json(&self) -> Option<Cow<'_, [u8]>> {
        if !self.deflated {
            return Some(Cow::Borrowed(&self.body));
        }
        let len = usize::try_from(self.plain_len).unwrap_or(usize::MAX).min(MAX_RECORD_BYTES);
        inflate(&self.body, len).map(Cow::Owned)
    }

    /// Bytes of the body as stored.
    pub(super) fn len(&self) -> usize {
        self.body.len()
    }

    /// The same record without its place, to be put elsewhere.
    pub(super) fn into_encoded(self) -> Encoded {
        Encoded { kind: self.kind, deflated: self.deflated, plain_len: self.plain_len, body: self.body }
    }
}

/// How many values the record takes whose first value this is; `None` if it is no head of ours.
pub(super) fn value_count(first: &[u8]) -> Option<u16> {
    let head = first.get(..HEAD)?;
    (head[0] == VERSION).then(|| u16::from_be_bytes([head[10], head[11]])).filter(|count| *count > 0)
}

/// Reads a record put together from its values; `None` if it is not what was written at `seq`.
pub(super) fn parse(seq: u64, mut whole: Vec<u8>) -> Option<Stored> {
    let head: [u8; HEAD] = whole.get(..HEAD)?.try_into().ok()?;
    let crc = u32::from_be_bytes(head[4..8].try_into().ok()?);
    whole[4..8].fill(0);
    if head[0] != VERSION || checksum(seq, &whole) != crc {
        return None;
    }
    let left = u16::from_be_bytes([head[8], head[9]]);
    let after = u64::from_be_bytes(head[16..24].try_into().ok()?);
    Some(Stored {
        place: Place { seq, left, after },
        kind: head[1],
        crc,
        deflated: head[2] == 1,
        plain_len: u32::from_be_bytes(head[12..16].try_into().ok()?),
        body: whole.split_off(HEAD),
    })
}

fn checksum(seq: u64, whole: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&seq.to_be_bytes());
    hasher.update(whole);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::super::noise::noise;
    use super::*;

    fn there_and_back(text: &str) -> (usize, String) {
        let place = Place { seq: 7, left: 3, after: 11 };
        let (whole, crc) = encode(2, &text).unwrap().whole(place);
        let pairs = pairs(7, whole);
        assert!(pairs.iter().all(|(_, value)| value.len() <= MAX_VALUE_BYTES));
        assert_eq!(value_count(&pairs[0].1), u16::try_from(pairs.len()).ok());
        let stored = parse(7, pairs.iter().flat_map(|(_, value)| value.clone()).collect()).unwrap();
        assert_eq!((stored.kind, stored.crc, stored.place.left, stored.place.after), (2, crc, 3, 11));
        (pairs.len(), stored.decode().unwrap())
    }

    #[test]
    fn records_come_back() {
        let noise = noise(200_000);
        for (text, many) in [("", false), ("short", false), (&"a".repeat(100_000), false), (&noise, true)] {
            let (values, back) = there_and_back(text);
            assert_eq!(back, *text);
            assert_eq!(values > 1, many, "{values} values for {} bytes", text.len());
        }
    }

    #[test]
    fn every_flipped_bit_is_seen() {
        let (whole, _) = encode(1, &"some text").unwrap().whole(Place { seq: 1, left: 0, after: 0 });
        assert!(parse(1, whole.clone()).is_some());
        assert!(parse(2, whole.clone()).is_none(), "a record belongs to its sequence");
        for at in 0..whole.len() {
            let mut bent = whole.clone();
            bent[at] ^= 0x10;
            assert!(parse(1, bent).is_none(), "byte {at}");
        }
        assert!(parse(1, Vec::new()).is_none());
    }

    #[test]
    fn a_record_has_a_limit() {
        let text = "x".repeat(MAX_RECORD_BYTES);
        assert!(matches!(encode(1, &text), Err(StoreError::TooLarge { .. })));
    }
}
