//! Foreign bytes never bring a reader down, and what it gives holds together.

use std::io::Write;

use proptest::prelude::*;
use serde_json::Value;
use shopbell::exchange::{
    CapturedBody, Damage, FieldPath, Fields, Part, Url, charset_of_label, decode_segment, parse_line,
};

use super::targets::bodies::{fields_hold, multipart_holds};
use super::{Lines, answered, exchange, read};

const BOUNDARY: &str = "Bo-un";
const CHARSETS: [&str; 5] = ["utf-8", "iso-8859-1", "Shift_JIS", "EUC-JP", "ISO-2022-JP"];

/// Names made of what has a meaning in names.
fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[ab.0-3 \\[\\]]{0,12}", "[ab](\\[[ab0-3]?\\]){0,4}", any::<String>()]
}

/// Bodies of multipart: pieces of structure between bytes of any kind.
fn multipart() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(format!("--{BOUNDARY}\r\n").into_bytes()),
        Just(format!("\r\n--{BOUNDARY}\n").into_bytes()),
        Just(format!("\r\n--{BOUNDARY}").into_bytes()),
        Just(format!("\r\n--{BOUNDARY}--").into_bytes()),
        Just(b"Content-Disposition: form-data; name=\"a\"\r\n\r\n".to_vec()),
        Just(b"Content-Disposition: form-data; name=b; filename=\"f\"\r\n\r\n".to_vec()),
        Just(b"content-disposition:form-data;\n name=c; filename*=UTF-8''f\n\n".to_vec()),
        "[\r\n-]{0,3}".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..20),
    ];
    proptest::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn fields_keep_pairs_and_agree_with_their_tree(pairs in proptest::collection::vec((name(), any::<String>()), 0..40)) {
        fields_hold(&pairs);
    }

    #[test]
    fn a_plain_name_repeated_is_a_list_of_all(values in proptest::collection::vec("[a-z]{0,3}", 1..20), brackets in any::<bool>()) {
        let wire = if brackets { "x[]" } else { "x" };
        let fields = Fields::from_pairs(values.iter().map(|value| (wire.to_owned(), value.clone())).collect(), None);
        let list = fields.get(&FieldPath::parse("x[]")).expect("always a list").into_owned();
        prop_assert_eq!(list, Value::from(values));
    }

    #[test]
    fn skipping_files_loses_no_field(body in multipart(), sizes in proptest::collection::vec(1_usize..12, 1..6)) {
        multipart_holds(BOUNDARY, &body, &sizes);
    }

    #[test]
    fn every_view_survives_every_byte(
        request in proptest::collection::vec(any::<u8>(), 0..200), response in proptest::collection::vec(any::<u8>(), 0..200),
        kind in prop::sample::select(&["application/x-www-form-urlencoded", "multipart/form-data; boundary=-", "application/json", "\u{fc}"][..]),
        coding in prop::sample::select(&["gzip", "deflate", "br", "zstd", "identity", "x"][..]),
        header in "[\t\\x20-\\x7e\\x80-\\xff]{0,80}", charset in prop::sample::select(&CHARSETS[..]),
        damage in prop::sample::select(&[None, Some(Damage::Cut), Some(Damage::Unread)][..]),
    ) {
        let header = header.as_bytes();
        let lines: Lines<'_> = &[("content-type", kind.as_bytes()), ("cookie", header), ("referer", header), ("host", header)];
        let answer: Lines<'_> = &[
            ("content-type", header), ("content-encoding", coding.as_bytes()), ("location", header), ("set-cookie", header), ("date", header),
        ];
        let mut exchange = exchange("/?a=%fc", lines, &request, answer, &response);
        exchange.request_body = CapturedBody { damage, ..exchange.request_body };
        let reading = read(exchange, charset);
        let damaged = [
            matches!(reading.form(), Part::Damaged(_)), matches!(reading.json(), Part::Damaged(_)),
            matches!(reading.response_text(), Part::Damaged(_)), matches!(reading.response_json(), Part::Damaged(_)),
        ];
        let urls = (reading.location().is_some(), reading.referer().is_some());
        prop_assert_eq!(urls, (true, true), "{:?}", damaged);
        prop_assert!(reading.cookies().len() + reading.response_cookies().len() <= header.len() + 1);
    }

    #[test]
    fn text_comes_back_from_every_coding(text in "\\PC{0,300}", end in any::<prop::sample::Index>()) {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        let zstd = ruzstd::encoding::compress_to_vec(text.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest);
        for (coding, sent) in [("gzip", encoder.finish().unwrap()), ("zstd", zstd)] {
            let lines: Lines<'_> = &[("content-encoding", coding.as_bytes()), ("content-type", b"text/plain; charset=utf-8")];
            let expected = if text.is_empty() { Part::NotThis } else { Part::Is(text.trim_start_matches('\u{feff}')) };
            let reading = answered(lines, &sent, None, "utf-8");
            prop_assert_eq!(reading.response_text(), expected);
            // A cut body is never taken for a whole one.
            let cut = end.index(sent.len());
            let reading = answered(lines, &sent[..cut], None, "utf-8");
            prop_assert!(matches!(reading.response_text(), Part::Damaged(_)) || cut == 0, "{} {}", coding, cut);
        }
    }

    #[test]
    fn urls_resolve_to_something(
        reference in prop_oneof!["[a-z:/?#.@%\\[\\] \\\\é]{0,40}", any::<String>()], host in "[a-z.:]{0,12}", path in "/?[a-z./]{0,20}",
        charset in prop::sample::select(&CHARSETS[..]),
    ) {
        let charset = charset_of_label(charset).unwrap();
        let url = Url::resolve(&reference, &host, &path, false, charset);
        prop_assert!(url.url.contains(&url.path) && !url.url.contains('#'));
        // What is resolved stays as it is.
        let again = Url::resolve(&url.url, &host, &path, false, charset);
        if !host.is_empty() && url.url.starts_with("http://") && !url.host.is_empty() && !url.url.ends_with(|c: char| c <= ' ') {
            prop_assert_eq!(again.url, url.url);
        }
        decode_segment(&reference, charset);
    }

    #[test]
    fn lines_are_read_or_refused(
        url in any::<String>(), name in "[!-~]{0,8}", value in any::<String>(), body in "[A-Za-z0-9+/=]{0,12}", junk in any::<String>(),
    ) {
        let line = serde_json::json!({
            "t": 1.5, "request": { "method": "GET", "url": format!("/{url}"), "headers": [[name, value]], "body_base64": body },
        });
        if let Ok(line) = parse_line(&line.to_string()) {
            prop_assert!(line.exchange.request.path().starts_with('/'));
        }
        prop_assert!(parse_line(&junk).is_err());
    }
}

proptest! {
    #[test]
    fn every_target_comes_back(data in proptest::collection::vec(any::<u8>(), 0..200)) {
        for (_, target) in super::targets::ALL {
            target(&data);
        }
    }
}
