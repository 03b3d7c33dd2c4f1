//! Content codings undone, within limits.

use std::io::{ErrorKind, Read};

use bytes::Bytes;
use flate2::bufread::{DeflateDecoder, GzDecoder, ZlibDecoder};
use http::{HeaderMap, header};
use ruzstd::decoding::StreamingDecoder;

use super::{CapturedBody, Damage, Exchange};

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

impl Exchange {
    /// The same with content codings undone, as people want to read and compare it: bodies decoded within the limits, and
    /// headers without `Content-Encoding`, `Content-Length` and `Transfer-Encoding`. A body whose coding cannot be undone
    /// stays as it is, with its headers.
    #[must_use]
    pub fn decoded(mut self) -> Self {
        decode_part(&mut self.request.headers, &mut self.request_body);
        if let Some(response) = &mut self.response {
            decode_part(&mut response.headers, &mut self.response_body);
        }
        self
    }
}

fn decode_part(headers: &mut HeaderMap, body: &mut CapturedBody) {
    let coded = headers.contains_key(header::CONTENT_ENCODING);
    let decoded = decode(headers, body);
    if coded && decoded.damage == Some(Damage::Undecodable) {
        return;
    }
    if coded {
        let missing = body.total.saturating_sub(body.bytes.len() as u64);
        let total = missing + decoded.bytes.len() as u64;
        *body = CapturedBody { bytes: decoded.bytes, total, damage: decoded.damage };
    }
    for name in [header::CONTENT_ENCODING, header::CONTENT_LENGTH, header::TRANSFER_ENCODING] {
        headers.remove(name);
    }
}

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
        let limit = input.len().saturating_mul(MAX_RATIO).clamp(RATIO_FREE, MAX_DECODED);
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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use http::HeaderValue;

    use super::*;

    const PAGE: &[u8] = b"<p>Tee</p><p>Tee</p><p>Tee</p><p>Tee</p><p>Tee</p><p>Tee</p>";
    /// `PAGE`, by Node's zlib.
    const PAGE_BROTLI: &[u8] = &[
        27, 59, 0, 248, 141, 211, 101, 180, 85, 250, 166, 228, 41, 131, 75, 159, 23, 170, 48, 42, 20, 128, 237, 210, 0,
    ];
    /// 64 MiB of zeros, by Node's zlib.
    const ZEROS_BROTLI: &[u8] = &[
        203, 255, 255, 63, 248, 39, 0, 226, 177, 64, 32, 247, 254, 143, 255, 255, 127, 240, 79, 0, 196, 97, 17, 128,
        238, 253, 31, 255, 255, 255, 224, 159, 0, 136, 195, 2, 0, 221, 251, 63, 254, 255, 255, 193, 63, 1, 16, 135, 5,
        0, 186, 247, 127, 252, 255, 255, 131, 127, 2, 32, 14, 11, 0, 116, 239, 255, 248, 255, 255, 7, 255, 4, 64, 28,
        22, 0, 232, 222, 255, 241, 255, 255, 15, 254, 9, 128, 56, 44, 0, 208, 189, 255, 203, 255, 255, 63, 252, 19, 0,
        113, 88, 0, 160, 123, 255, 7,
    ];

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(plain: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn deflate(plain: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(plain: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(plain, ruzstd::encoding::CompressionLevel::Fastest)
    }

    fn decoded(codings: &[&'static str], body: &CapturedBody) -> (Vec<u8>, Option<Damage>) {
        let lines = codings.iter().map(|line| (header::CONTENT_ENCODING, HeaderValue::from_static(line)));
        let decoded = decode(&lines.collect(), body);
        (decoded.bytes.to_vec(), decoded.damage)
    }

    #[test]
    fn codings_are_undone_last_first() {
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 1, 2], &zstd(PAGE)[..]].concat();
        for (codings, sent) in [
            (&[][..], PAGE.to_vec()),
            (&["identity"], PAGE.to_vec()),
            (&["gzip"], gzip(PAGE)),
            (&["X-GZip"], gzip(PAGE)),
            (&["gzip"], [gzip(&PAGE[..9]), gzip(b""), gzip(&PAGE[9..])].concat()),
            (&["gzip"], [gzip(PAGE), b"\0\0junk".to_vec()].concat()),
            (&["deflate"], zlib(PAGE)),
            (&["deflate"], deflate(PAGE)),
            (&["br"], PAGE_BROTLI.to_vec()),
            (&["zstd"], zstd(PAGE)),
            (&["zstd"], [zstd(&PAGE[..9]), zstd(&PAGE[9..])].concat()),
            (&["zstd"], skippable),
            (&["deflate, gzip"], gzip(&zlib(PAGE))),
            (&["zstd", "identity, gzip"], gzip(&zstd(PAGE))),
        ] {
            assert_eq!(decoded(codings, &CapturedBody::whole(sent)), (PAGE.to_vec(), None), "{codings:?}");
        }
    }

    #[test]
    fn what_cannot_be_decoded_gives_nothing() {
        for (codings, sent) in [
            (&["dcb"][..], PAGE.to_vec()),
            (&["gzip"], PAGE.to_vec()),
            (&["br"], b"\xff\xff\xff\xff".to_vec()),
            (&["zstd"], [PAGE, PAGE].concat()),
            (&["gzip, gzip, gzip, gzip, gzip"], gzip(&gzip(&gzip(&gzip(&gzip(PAGE)))))),
        ] {
            assert_eq!(
                decoded(codings, &CapturedBody::whole(sent)),
                (Vec::new(), Some(Damage::Undecodable)),
                "{codings:?}"
            );
        }
    }

    #[test]
    fn a_cut_body_gives_its_start() {
        let plain: Vec<u8> = (0..60_000_u32).flat_map(|n| (n.wrapping_mul(2_654_435_761) >> 9).to_le_bytes()).collect();
        for (coding, sent) in
            [("gzip", gzip(&plain)), ("deflate", zlib(&plain)), ("deflate", deflate(&plain)), ("zstd", zstd(&plain))]
        {
            let half = sent[..sent.len() / 2].to_vec();
            for (known, expected) in [(None, Damage::Incomplete), (Some(Damage::Cut), Damage::Cut)] {
                let (bytes, damage) =
                    decoded(&[coding], &CapturedBody { damage: known, ..CapturedBody::whole(half.clone()) });
                assert_eq!(damage, Some(expected), "{coding}");
                assert!(plain.starts_with(&bytes), "{coding}");
            }
        }
        for (coding, sent) in
            [("gzip", gzip(PAGE)), ("deflate", zlib(PAGE)), ("br", PAGE_BROTLI.to_vec()), ("zstd", zstd(PAGE))]
        {
            for end in 1..sent.len() {
                let (bytes, damage) = decoded(&[coding], &CapturedBody::whole(sent[..end].to_vec()));
                assert!(damage.is_some() && PAGE.starts_with(&bytes), "{coding} {end}");
            }
        }
    }

    #[test]
    fn an_exchange_is_decoded_with_its_headers() {
        let line = |coding: &str, sent: &[u8]| {
            let body = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, sent);
            format!(
                r#"{{"request":{{"method":"GET","url":"/"}},"response":{{"status":200,"headers":[["Content-Encoding","{coding}"],
                ["Content-Length","9"],["Vary","x"]],"body_base64":"{body}"}}}}"#
            )
        };
        for (coding, sent, expected, headers) in
            [("gzip", gzip(PAGE), PAGE.to_vec(), 1), ("dcb", PAGE.to_vec(), PAGE.to_vec(), 3)]
        {
            let found = crate::exchange::parse_line(&line(coding, &sent)).unwrap().exchange.decoded();
            let body = found.response_body;
            assert_eq!((body.bytes.to_vec(), body.total, body.damage), (expected, PAGE.len() as u64, None), "{coding}");
            assert_eq!(found.response.unwrap().headers.len(), headers, "{coding}");
        }
    }

    #[test]
    fn bombs_stop_at_the_limits() {
        let gigabyte = gzip(&vec![0; 1 << 20]).repeat(1 << 10);
        let small = gzip(&vec![0; 2 << 20]);
        let ratio = small.len() * MAX_RATIO;
        for (coding, sent, size) in [
            ("gzip", gigabyte.clone(), MAX_DECODED),
            ("gzip, gzip", gzip(&gigabyte), MAX_DECODED),
            ("gzip", small, ratio.max(RATIO_FREE)),
            ("br", ZEROS_BROTLI.to_vec(), RATIO_FREE),
            ("gzip", gzip(b"").repeat(MAX_MEMBERS + 1), 0),
            ("zstd", zstd(b"").repeat(MAX_MEMBERS + 1), 0),
        ] {
            let (bytes, damage) = decoded(&[coding], &CapturedBody::whole(sent));
            assert_eq!((bytes.len(), damage), (size, Some(Damage::TooLarge)), "{coding}");
        }
    }
}
