//! URLs in `Location` and `Referer`, resolved and taken apart.

use encoding_rs::Encoding;

use super::Fields;

/// A URL taken apart.
#[derive(Clone, Debug, Default)]
pub struct Url {
    /// The whole, absolute where it could be resolved.
    pub url: String,
    /// Host and port in lower case; empty where there is none.
    pub host: String,
    /// The path as it stands.
    pub path: String,
    /// The query's fields.
    pub query: Fields,
}

impl Url {
    /// Resolves `reference` against the request's own URL (RFC 3986 section 5.2) and takes it apart.
    pub fn resolve(
        _reference: &str,
        _base_host: &str,
        _base_path: &str,
        _secure: bool,
        _charset: &'static Encoding,
    ) -> Self {
        todo!()
    }
}

/// A path segment percent-decoded once and read in `charset` (UTF-8 first where it is valid).
pub fn decode_segment(_raw: &str, _charset: &'static Encoding) -> String {
    todo!()
}
