//! Content codings undone, within limits.

use std::io::{ErrorKind, Read};

use bytes::Bytes;
use flate2::bufread::{DeflateDecoder, GzDecoder, ZlibDecoder};
use http::{HeaderMap, header};
use ruzstd::decoding::StreamingDecoder;

use super::{CapturedBody, Damage};

/// Bytes a body may decode to.
pub(super) const MAX_DECODED: usize = 8 * 1024 * 1024;
/// How many times its size a body may decode to, once it has passed [`RATIO_FREE`]. Deflate cannot do more than 1,032.
const MAX_RATIO: usize = 300;
/// Decoded bytes for which the ratio does not count.
const RATIO_FREE: usize = 1024 * 1024;
/// Codings laid over each other.
const MAX_CODINGS: usize = 4;
/// Bytes of a zstd window (RFC 9659).
const ZSTD_WINDOW: u64 = 8 * 1024 * 1024;
/// Members of a gzip body, or frames of a zstd body: each costs a decoder.
const MAX_MEMBERS: usize = 1_000;
/// Bytes decoded at a time.
const STEP: usize = 16 * 1024;

/// A body without its content codings, as far as it could be decoded.
#[derive(Debug)]
pub(super) struct Decoded {
    /// What came out.
    pub(super) bytes: Bytes,
    /// Why that may not be all.
    pub(super) damage: Option<Damage>,
}

/// Undoes what `Content-Encoding` names, last coding first. A body that ends too early, or decodes to too much, gives
/// what came out so far; one that cannot be decoded gives nothing.
pub(super) fn decode(headers: &HeaderMap, body: &CapturedBody) -> Decoded {
    let mut decoded = Decoded { bytes: body.bytes.clone(), damage: body.damage };
    let lines = headers.get_all(header::CONTENT_ENCODING).iter().map(|line| String::from_utf8_lossy(line.as_bytes()));
    let codings = lines.collect::<Vec<_>>().join(",").to_ascii_lowercase();
    let codings = codings.split(',').map(str::trim).filter(|coding| !matches!(*coding, "" | "identity"));
    for (count, coding) in codings.rev().enumerate() {
        if decoded.bytes.is_empty() {
            break;
        }
        let (bytes, fault) =
            if count < MAX_CODINGS { undo(coding, &decoded.bytes) } else { (Vec::new(), Some(Damage::Undecodable)) };
        decoded.bytes = Bytes::from(bytes);
        decoded.damage = match fault {
            // That it ends too early may have a reason known before; the other faults are its own.
            None | Some(Damage::Incomplete) => decoded.damage.or(fault),
            Some(_) => fault,
        };
    }
    decoded
}

fn undo(coding: &str, bytes: &[u8]) -> (Vec<u8>, Option<Damage>) {
    let mut sink = Sink::for_input(bytes);
    let outcome = match coding {
        "gzip" | "x-gzip" => gunzip(bytes, &mut sink),
        "deflate" => inflate(bytes, &mut sink),
        "br" => sink.fill(&mut brotli_decompressor::Decompressor::new(bytes, STEP)),
        "zstd" => unzstd(bytes, &mut sink),
        _ => Err(Damage::Undecodable),
    };
    match outcome {
        Ok(()) => (sink.bytes, None),
        Err(Damage::Undecodable) => (Vec::new(), Some(Damage::Undecodable)),
        Err(damage) => (sink.bytes, Some(damage)),
    }
}

/// Decoded bytes and how many there may be.
struct Sink {
    bytes: Vec<u8>,
    limit: usize,
}

impl Sink {
    fn for_input(input: &[u8]) -> Self {
        let limit = input.len().saturating_mul(MAX_RATIO).max(RATIO_FREE).min(MAX_DECODED);
        Self { bytes: Vec::with_capacity(input.len().saturating_mul(4).min(limit)), limit }
    }

    /// Reads a decoder to its end.
    fn fill(&mut self, decoder: &mut impl Read) -> Result<(), Damage> {
        let mut step = [0; STEP];
        loop {
            match decoder.read(&mut step) {
                Ok(0) => return Ok(()),
                Ok(count) => {
                    let room = self.limit - self.bytes.len();
                    let got = step.get(..count).unwrap_or_default();
                    self.bytes.extend_from_slice(got.get(..room).unwrap_or(got));
                    if count > room {
                        return Err(Damage::TooLarge);
                    }
                }
                Err(fault) if fault.kind() == ErrorKind::Interrupted => {}
                Err(fault) if fault.kind() == ErrorKind::UnexpectedEof => return Err(Damage::Incomplete),
                Err(_) => return Err(Damage::Undecodable),
            }
        }
    }
}

/// Any number of members (RFC 1952 section 2.2); what follows them and is none is passed over, as browsers do.
fn gunzip(bytes: &[u8], sink: &mut Sink) -> Result<(), Damage> {
    let mut rest = bytes;
    for _ in 0..MAX_MEMBERS {
        let mut member = GzDecoder::new(rest);
        sink.fill(&mut member)?;
        rest = member.into_inner();
        if !rest.starts_with(&[0x1f, 0x8b]) {
            return Ok(());
        }
    }
    Err(Damage::TooLarge)
}

/// RFC 9110 says zlib; old servers send raw deflate under the same name.
fn inflate(bytes: &[u8], sink: &mut Sink) -> Result<(), Damage> {
    if is_zlib(bytes) {
        match sink.fill(&mut ZlibDecoder::new(bytes)) {
            Err(Damage::Undecodable) => sink.bytes.clear(),
            done => return done,
        }
    }
    sink.fill(&mut DeflateDecoder::new(bytes))
}

/// RFC 1950 section 2.2: method 8, and a header that is a multiple of 31.
fn is_zlib(bytes: &[u8]) -> bool {
    matches!(bytes, [method, flags, ..] if method & 0x0f == 8 && (u16::from(*method) << 8 | u16::from(*flags)) % 31 == 0)
}

/// Frames one after the other (RFC 8878 section 3.1), skippable ones left out; no dictionaries.
fn unzstd(bytes: &[u8], sink: &mut Sink) -> Result<(), Damage> {
    let mut rest = bytes;
    let mut members = 0..MAX_MEMBERS;
    while let Some(start) = rest.first_chunk::<4>() {
        members.next().ok_or(Damage::TooLarge)?;
        if u32::from_le_bytes(*start) & 0xffff_fff0 == 0x184d_2a50 {
            let length = rest.get(4..).and_then(|from| from.first_chunk::<4>()).ok_or(Damage::Incomplete)?;
            let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| Damage::TooLarge)?;
            rest = rest.get(8..).and_then(|from| from.get(length..)).ok_or(Damage::Incomplete)?;
            continue;
        }
        let before = rest.len();
        let Ok(mut frame) = StreamingDecoder::new_with_max_window_size(&mut rest, ZSTD_WINDOW) else {
            return Err(if before < ZSTD_HEADER { Damage::Incomplete } else { Damage::Undecodable });
        };
        let outcome = sink.fill(&mut frame);
        drop(frame);
        // The decoder wraps every fault alike: one that has read to the end ended too early.
        outcome.map_err(
            |damage| if damage == Damage::Undecodable && rest.is_empty() { Damage::Incomplete } else { damage },
        )?;
    }
    if rest.is_empty() { Ok(()) } else { Err(Damage::Incomplete) }
}

/// Bytes of the longest zstd frame header.
const ZSTD_HEADER: usize = 18;
