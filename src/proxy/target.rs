//! The request line towards the shop. Pure.

use http::uri::PathAndQuery;
use http::{HeaderValue, Uri, header, request::Parts};

/// Turns an absolute target (HTTP/2, or a proxy-style HTTP/1 request) into a path and a `Host` line (RFC 9112 3.2.1, RFC 9113
/// 8.3.1). A `Host` that is there stays byte for byte; `admit` has seen to it that both name the same.
pub(super) fn origin_form(parts: &mut Parts) {
    let Some(authority) = parts.uri.authority() else { return };
    if !parts.headers.contains_key(header::HOST)
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        parts.headers.insert(header::HOST, host);
    }
    let path = parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    parts.uri = Uri::from(path);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let rows = [
            ("/a?b=c", None, "/a?b=c", None),
            ("*", Some("h"), "*", Some("h")),
            ("http://shop.example", None, "/", Some("shop.example")),
            ("http://shop.example:81/a?b", None, "/a?b", Some("shop.example:81")),
            ("http://shop.example?b", Some("Shop.Example"), "/?b", Some("Shop.Example")),
        ];
        for (target, host, path, expected) in rows {
            let mut request = http::Request::builder().uri(target);
            if let Some(host) = host {
                request = request.header("host", host);
            }
            let mut parts = request.body(()).unwrap().into_parts().0;
            origin_form(&mut parts);
            assert_eq!(parts.uri.to_string(), path, "{target}");
            let host = parts.headers.get("host").map(|value| value.to_str().unwrap());
            assert_eq!(host, expected, "{target}");
        }
    }
}
