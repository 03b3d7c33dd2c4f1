//! URLs in `Location` and `Referer`, resolved and taken apart.

use encoding_rs::Encoding;

use super::Fields;
use super::urlencoded::{read_query, unescape_text};

/// A URL taken apart.
#[derive(Clone, Debug, Default)]
pub struct Url {
    /// The whole, absolute where it could be resolved; without fragment, user and password.
    pub url: String,
    /// Host and port in lower case; empty where there is none.
    pub host: String,
    /// The path as it stands, dot segments removed.
    pub path: String,
    /// The query's fields.
    pub query: Fields,
}

impl Url {
    /// Resolves `reference` against the request's own URL (RFC 3986 section 5.2) and takes it apart. Blanks around it and
    /// line breaks in it are overlooked, as browsers do; any other byte that does not belong there stays as it is.
    pub fn resolve(
        reference: &str,
        base_host: &str,
        base_path: &str,
        secure: bool,
        charset: &'static Encoding,
    ) -> Self {
        let reference = reference.trim_matches(|c: char| c <= ' ').replace(['\t', '\r', '\n'], "");
        let reference = reference.split('#').next().unwrap_or_default();
        let (scheme, rest) = split_scheme(reference);
        let (hierarchy, query) = rest.split_once('?').map_or((rest, None), |(before, query)| (before, Some(query)));
        let fields = query.map(|query| read_query(query, charset)).unwrap_or_default();
        let after_slashes = hierarchy.strip_prefix("//");
        if let (Some(scheme), None) = (&scheme, after_slashes) {
            // `mailto:` and its like have no hierarchy.
            let (url, path) = (format!("{scheme}:{rest}"), hierarchy.to_owned());
            return Self { url, host: String::new(), path, query: fields };
        }
        let (authority, path) = match after_slashes {
            Some(after) => {
                let (authority, path) = after.split_at(after.find('/').unwrap_or(after.len()));
                (authority, without_dots(path))
            }
            None => (if is_host(base_host) { base_host } else { "" }, merged(base_path, hierarchy)),
        };
        let host = authority.rsplit('@').next().unwrap_or_default().to_lowercase();
        let scheme = scheme.as_deref().unwrap_or(if secure { "https" } else { "http" });
        let origin = if host.is_empty() { String::new() } else { format!("{scheme}://{host}") };
        let tail = query.map(|query| format!("?{query}")).unwrap_or_default();
        Self { url: format!("{origin}{path}{tail}"), host, path, query: fields }
    }
}

/// Whether a `Host` header may stand in a URL: anybody can send one that ends the authority (RFC 3986 section 3.2).
fn is_host(host: &str) -> bool {
    !host.contains(|c: char| matches!(c, '/' | '?' | '#' | '@' | '\\') || c <= ' ')
}

/// The scheme in lower case, and what follows its colon. `http:path`, as sloppy shops write it, has none.
fn split_scheme(reference: &str) -> (Option<String>, &str) {
    let Some((scheme, rest)) = reference.split_once(':') else { return (None, reference) };
    let valid = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    if !valid {
        return (None, reference);
    }
    let scheme = scheme.to_ascii_lowercase();
    let sloppy = matches!(scheme.as_str(), "http" | "https") && !rest.starts_with("//");
    (Some(scheme).filter(|_| !sloppy), rest)
}

/// An absolute path, a relative one on the base's directory (RFC 3986 section 5.2.3), or for an empty one the base's own.
fn merged(base_path: &str, path: &str) -> String {
    if path.is_empty() || path.starts_with('/') {
        return without_dots(if path.is_empty() { base_path } else { path });
    }
    let directory = base_path.rfind('/').and_then(|end| base_path.get(..=end)).unwrap_or("/");
    without_dots(&format!("{directory}{path}"))
}

/// Takes `.` and `..` out (RFC 3986 section 5.2.4). The result starts with a slash.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            other => {
                kept.push(other);
                continue;
            }
        }
        // A directory keeps its closing slash.
        if segments.peek().is_none() {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

/// A path segment percent-decoded once and read in `charset` (UTF-8 first where it is valid).
pub fn decode_segment(raw: &str, charset: &'static Encoding) -> String {
    unescape_text(raw.as_bytes(), charset)
}

#[cfg(test)]
mod tests {
    use encoding_rs::{UTF_8, WINDOWS_1252};

    use super::*;

    #[test]
    fn references_are_resolved() {
        for (reference, url, path) in [
            ("https://Other.Example:8443/a/b?x=1#f", "https://other.example:8443/a/b?x=1", "/a/b"),
            ("HTTP://other.example", "http://other.example/", "/"),
            ("http://other.example?x=1", "http://other.example/?x=1", "/"),
            ("http://user:pw@other.example/a", "http://other.example/a", "/a"),
            ("//other.example/a", "https://other.example/a", "/a"),
            ("/a/./b/../c/..", "https://shop.example/a/", "/a/"),
            (
                "users.php?update=add&id=3",
                "https://shop.example/wp-admin/users.php?update=add&id=3",
                "/wp-admin/users.php",
            ),
            ("../x", "https://shop.example/x", "/x"),
            ("../../../x/.", "https://shop.example/x/", "/x/"),
            ("?a=b", "https://shop.example/wp-admin/user-new.php?a=b", "/wp-admin/user-new.php"),
            ("", "https://shop.example/wp-admin/user-new.php", "/wp-admin/user-new.php"),
            ("#top", "https://shop.example/wp-admin/user-new.php", "/wp-admin/user-new.php"),
            (" /a b\r\n ", "https://shop.example/a b", "/a b"),
            ("/caf\u{e9}//x", "https://shop.example/caf\u{e9}//x", "/caf\u{e9}//x"),
            ("http:x", "https://shop.example/wp-admin/x", "/wp-admin/x"),
            ("index.php/a:b", "https://shop.example/wp-admin/index.php/a:b", "/wp-admin/index.php/a:b"),
            ("1:2", "https://shop.example/wp-admin/1:2", "/wp-admin/1:2"),
            ("mailto:a@b.example?subject=x", "mailto:a@b.example?subject=x", "a@b.example"),
        ] {
            let found = Url::resolve(reference, "shop.example", "/wp-admin/user-new.php", true, UTF_8);
            assert_eq!((found.url.as_str(), found.path.as_str()), (url, path), "{reference}");
        }
    }

    #[test]
    fn without_a_host_the_rest_is_still_read() {
        let found = Url::resolve("b?c=%FC", "", "*", false, WINDOWS_1252);
        assert_eq!((found.url.as_str(), found.host.as_str(), found.path.as_str()), ("/b?c=%FC", "", "/b"));
        assert_eq!(found.query.tree()["c"], "\u{fc}");
        for odd in ["#", "a/b", "a?b", "u@a", "a b", "a\\b"] {
            let found = Url::resolve("b", odd, "/", false, UTF_8);
            assert_eq!((found.url.as_str(), found.host.as_str()), ("/b", ""), "{odd}");
        }
    }

    #[test]
    fn segments_are_decoded_once() {
        for (raw, text) in
            [("a%2Fb", "a/b"), ("%2525", "%25"), ("a+b", "a+b"), ("%C3%BC", "\u{fc}"), ("%FC", "\u{fc}"), ("%", "%")]
        {
            assert_eq!(decode_segment(raw, WINDOWS_1252), text, "{raw}");
        }
    }
}
