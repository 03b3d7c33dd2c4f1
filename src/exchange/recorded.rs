//! What all recorded forms have in common: targets, header lines and bodies as text.

use std::borrow::Cow;

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};

/// Bytes that stand raw in old shops' links and that [`Uri`] refuses.
const REFUSED: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'`').add(b'\\').add(b'^').add(b'{').add(b'|').add(b'}');

/// Standard base64, padded or not.
pub(super) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A target as sent. What [`Uri`] refuses is percent-escaped: the shop reads the same either way.
pub(super) fn parse_target(url: &str) -> Result<Uri, String> {
    let target = url.split('#').next().unwrap_or_default();
    let escaped = match target.parse::<Uri>() {
        Ok(uri) if target.is_ascii() => return Ok(uri),
        _ => percent_encode(&wire_bytes(target), REFUSED).to_string(),
    };
    escaped.parse().map_err(|fault| format!("{url:?} is no request target: {fault}"))
}

/// Header lines. Names that start with a colon are HTTP/2's own and left out: the rest says the same.
pub(super) fn parse_headers<S: AsRef<str>>(lines: &[(S, S)]) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::with_capacity(lines.len());
    for (name, value) in lines.iter().map(|(name, value)| (name.as_ref(), value.as_ref())) {
        if name.starts_with(':') {
            continue;
        }
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("{name:?} is no header name"))?;
        let value = HeaderValue::from_bytes(&wire_bytes(value))
            .map_err(|_| format!("the value of {name:?} holds a control character"))?;
        headers.append(key, value);
    }
    Ok(headers)
}

/// The bytes a recorder saw. Many recorders write each byte as one char; if a text is UTF-8 seen through such eyes, it was
/// UTF-8 on the wire.
pub(super) fn wire_bytes(value: &str) -> Cow<'_, [u8]> {
    if !value.is_ascii() {
        let bytes: Option<Vec<u8>> = value.chars().map(|c| u8::try_from(c).ok()).collect();
        if let Some(bytes) = bytes.filter(|bytes| std::str::from_utf8(bytes).is_ok()) {
            return Cow::Owned(bytes);
        }
    }
    Cow::Borrowed(value.as_bytes())
}

/// A header's value as recorders write it: each byte as one char.
pub(super) fn header_text(value: &HeaderValue) -> String {
    value.as_bytes().iter().copied().map(char::from).collect()
}
