//! Who the visitor is, told to the shop: `X-Forwarded-For`, `-Proto`, `-Host`, and `Forwarded` (RFC 7239) where it stood. Pure.

use std::net::IpAddr;

use http::header::{FORWARDED, HOST};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

use super::Visitor;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const NAMED: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Whether a peer is one of the proxies before us.
pub(super) fn trusted(peer: IpAddr, proxies: &[IpNet]) -> bool {
    proxies.iter().any(|net| net.contains(&peer.to_canonical()))
}

/// Writes the forwarding headers. What an untrusted peer says of itself is dropped, in every spelling that a CGI or PHP shop
/// reads as the same name (`_` and `-` are one there); a trusted proxy's words are kept and its own address is added.
pub(super) fn write(headers: &mut HeaderMap, peer: IpAddr, secure: bool, trusted: bool) {
    let peer = peer.to_canonical();
    drop_claims(headers, trusted);
    let address = peer.to_string();
    let line = match joined(headers, &FOR) {
        Some(mut line) => {
            line.extend_from_slice(b", ");
            line.extend_from_slice(address.as_bytes());
            line
        }
        None => address.into_bytes(),
    };
    set(headers, FOR, &line);
    if !headers.contains_key(PROTO) {
        headers.insert(PROTO, HeaderValue::from_static(if secure { "https" } else { "http" }));
    }
    if !headers.contains_key(NAMED)
        && let Some(host) = headers.get(HOST).cloned()
    {
        headers.insert(NAMED, host);
    }
    if let Some(mut line) = joined(headers, &FORWARDED) {
        let node = if peer.is_ipv6() { format!(", for=\"[{peer}]\"") } else { format!(", for={peer}") };
        line.extend_from_slice(node.as_bytes());
        set(headers, FORWARDED, &line);
    }
}

/// Whether the visitor spoke TLS with a proxy before us, by the words of one that is trusted: `X-Forwarded-Proto`, or `proto` of
/// `Forwarded` (RFC 7239 section 5.4). Where several proxies spoke, the first stands next to the visitor.
pub fn is_secure(request: &Parts) -> bool {
    if !request.extensions.get::<Visitor>().is_some_and(Visitor::is_trusted) {
        return false;
    }
    let first = |name: &HeaderName| {
        let line = request.headers.get(name).and_then(|value| value.to_str().ok());
        line.and_then(|line| line.split(',').next()).map(str::trim)
    };
    match first(&PROTO) {
        Some(proto) => proto.eq_ignore_ascii_case("https"),
        None => first(&FORWARDED).into_iter().flat_map(|element| element.split(';')).any(|pair| {
            let pair = pair.split_once('=').map(|(name, value)| (name.trim(), value.trim().trim_matches('"')));
            pair.is_some_and(|(name, value)| name.eq_ignore_ascii_case("proto") && value.eq_ignore_ascii_case("https"))
        }),
    }
}

/// Drops what the peer may not claim: everything when it is untrusted, else only the underscore spellings.
fn drop_claims(headers: &mut HeaderMap, trusted: bool) {
    let claimed: Vec<HeaderName> = headers.keys().filter(|name| claim(name.as_str(), trusted)).cloned().collect();
    for name in claimed {
        headers.remove(name);
    }
}

fn claim(name: &str, trusted: bool) -> bool {
    const PREFIX: &[u8] = b"x-forwarded-";
    if name == "forwarded" {
        return !trusted;
    }
    let Some(start) = name.as_bytes().get(..PREFIX.len()) else { return false };
    let spelled = start.iter().zip(PREFIX).all(|(got, wanted)| got == wanted || (*got == b'_' && *wanted == b'-'));
    spelled && (!trusted || name.contains('_'))
}

fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<u8>> {
    let lines: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    (!lines.is_empty()).then(|| lines.join(&b", "[..]))
}

fn set(headers: &mut HeaderMap, name: HeaderName, line: &[u8]) {
    if let Ok(value) = HeaderValue::from_bytes(line) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(lines: &[(&'static str, &'static str)], peer: &str, trusted: bool) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        write(&mut headers, peer.parse().unwrap(), false, trusted);
        let mut shown: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        shown.sort();
        shown.join(" | ")
    }

    #[test]
    fn an_untrusted_peer_is_taken_at_its_address() {
        let ours = "x-forwarded-for: 9.9.9.9 | x-forwarded-proto: http";
        let rows: [&[(&str, &str)]; 5] = [
            &[],
            &[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "2.2.2.2"), ("x-forwarded-proto", "https")],
            &[("forwarded", "for=1.1.1.1"), ("x-forwarded-host", "evil"), ("x-forwarded-port", "443")],
            &[("x_forwarded_for", "1.1.1.1"), ("x-forwarded_proto", "https"), ("x_forwarded-host", "evil")],
            &[("x-forwarded-prefix", "/evil")],
        ];
        for lines in rows {
            assert_eq!(after(lines, "9.9.9.9", false), ours, "{lines:?}");
        }
        assert_eq!(
            after(&[("host", "shop:81"), ("x-other", "1")], "::ffff:9.9.9.9", false),
            "host: shop:81 | x-forwarded-for: 9.9.9.9 | x-forwarded-host: shop:81 | x-forwarded-proto: http | x-other: 1"
        );
    }

    #[test]
    fn a_trusted_proxy_is_believed_and_added_to() {
        assert_eq!(
            after(
                &[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "2.2.2.2"), ("x-forwarded-proto", "https")],
                "10.0.0.1",
                true
            ),
            "x-forwarded-for: 1.1.1.1, 2.2.2.2, 10.0.0.1 | x-forwarded-proto: https"
        );
        assert_eq!(
            after(&[("forwarded", "for=1.1.1.1"), ("x_forwarded_for", "3.3.3.3")], "fd00::1", true),
            "forwarded: for=1.1.1.1, for=\"[fd00::1]\" | x-forwarded-for: fd00::1 | x-forwarded-proto: http"
        );
    }

    #[test]
    fn tls_before_us_is_believed_of_a_trusted_proxy() {
        type Lines<'a> = &'a [(&'a str, &'a str)];
        let rows: [(Lines<'_>, bool, bool); 9] = [
            (&[("x-forwarded-proto", "https")], true, true),
            (&[("x-forwarded-proto", "https")], false, false),
            (&[("x-forwarded-proto", "HTTPS, http")], true, true),
            (&[("x-forwarded-proto", "http, https")], true, false),
            (&[("forwarded", "for=1.1.1.1; Proto=\"https\", for=2.2.2.2;proto=http")], true, true),
            (&[("forwarded", "for=1.1.1.1;proto=http, for=2.2.2.2;proto=https")], true, false),
            (&[("x-forwarded-proto", "http"), ("forwarded", "proto=https")], true, false),
            (&[("forwarded", "proto")], true, false),
            (&[], true, false),
        ];
        for (lines, trusted, secure) in rows {
            let mut request = http::Request::new(());
            for (name, value) in lines {
                let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
                request.headers_mut().append(name, value.parse().unwrap());
            }
            request.extensions_mut().insert(Visitor::new(
                "10.0.0.1".parse().unwrap(),
                trusted,
                std::sync::Arc::default(),
            ));
            assert_eq!(is_secure(&request.into_parts().0), secure, "{lines:?} {trusted}");
        }
    }

    #[test]
    fn trusted_networks() {
        let nets = ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        for (peer, expected) in [("10.1.2.3", true), ("::ffff:10.1.2.3", true), ("::1", true), ("11.0.0.1", false)] {
            assert_eq!(trusted(peer.parse().unwrap(), &nets), expected, "{peer}");
        }
    }
}
