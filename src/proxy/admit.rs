//! Which requests are refused before anything of ours or the shop's sees them: those that two HTTP readers could take
//! differently (request smuggling), and those a reverse proxy has no use for.

use http::uri::{Authority, Scheme};
use http::{HeaderMap, Method, StatusCode, Version, header, request::Parts};

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// HTTP/1.1 without `Host`, or HTTP/2 without an authority.
    NoHost,
    /// More than one `Host` line.
    TwoHosts,
    /// `Host` is no host.
    BadHost,
    /// The target's authority and `Host` differ.
    OtherHost,
    /// The target is neither a path, an absolute http URL, nor `*` for OPTIONS.
    Target,
    /// `CONNECT`: we are no forward proxy.
    Connect,
    /// A transfer coding we do not know.
    Coding,
    /// `chunked` more than once.
    Framing,
}

impl Refusal {
    /// RFC 9112 3.2 (Host), 6.1 (codings); RFC 9110 15.5.6 (405), 15.6.2 (501).
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Connect => StatusCode::METHOD_NOT_ALLOWED,
            Self::Coding => StatusCode::NOT_IMPLEMENTED,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// What the visitor is told.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::NoHost => "The request names no host.\n",
            Self::TwoHosts => "The request names more than one host.\n",
            Self::BadHost => "The request's Host is not a host name.\n",
            Self::OtherHost => "The request's target and Host differ.\n",
            Self::Target => "The request's target is not a path.\n",
            Self::Connect => "CONNECT is not available here.\n",
            Self::Coding => "The request uses a transfer coding other than chunked.\n",
            Self::Framing => "The request's length is not clear.\n",
        }
    }
}

/// Whether a request may go on to the shop.
pub(super) fn admit(parts: &Parts) -> Result<(), Refusal> {
    if parts.method == Method::CONNECT {
        return Err(Refusal::Connect);
    }
    target(parts)?;
    host(parts)?;
    coding(&parts.headers)
}

fn target(parts: &Parts) -> Result<(), Refusal> {
    let uri = &parts.uri;
    let fits = match (uri.scheme(), uri.authority()) {
        (None, None) => uri.path().starts_with('/') || (uri.path() == "*" && parts.method == Method::OPTIONS),
        (Some(scheme), Some(authority)) => {
            (*scheme == Scheme::HTTP || *scheme == Scheme::HTTPS) && !authority.as_str().contains('@')
        }
        // HTTP/2 may leave the scheme out of what hyper hands us; in HTTP/1 this is CONNECT's form of a target.
        (None, Some(_)) => parts.version == Version::HTTP_2,
        (Some(_), None) => false,
    };
    if fits { Ok(()) } else { Err(Refusal::Target) }
}

fn host(parts: &Parts) -> Result<(), Refusal> {
    let mut lines = parts.headers.get_all(header::HOST).iter();
    let authority = parts.uri.authority();
    let Some(host) = lines.next() else {
        let needed = parts.version == Version::HTTP_11 || (parts.version == Version::HTTP_2 && authority.is_none());
        return if needed { Err(Refusal::NoHost) } else { Ok(()) };
    };
    if lines.next().is_some() {
        return Err(Refusal::TwoHosts);
    }
    if !is_host(host.as_bytes()) {
        return Err(Refusal::BadHost);
    }
    match authority {
        Some(authority) if !same(authority, host.as_bytes()) => Err(Refusal::OtherHost),
        _ => Ok(()),
    }
}

/// Bytes that stand in no host and port (RFC 3986 3.2.2). Raw bytes above 127 pass, as they do through nginx: some shops' own
/// links carry them.
fn is_host(host: &[u8]) -> bool {
    !host.is_empty() && !host.iter().any(|byte| matches!(byte, 0..=b' ' | 127) || br#"/\?#@,"<>^`{|}"#.contains(byte))
}

fn same(authority: &Authority, host: &[u8]) -> bool {
    let plain = |text: &'_ [u8]| text.strip_suffix(b":80").map_or(text.len(), <[u8]>::len);
    let named = authority.as_str().as_bytes();
    named[..plain(named)].eq_ignore_ascii_case(&host[..plain(host)])
}

fn coding(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut chunked = 0;
    for line in headers.get_all(header::TRANSFER_ENCODING) {
        for coding in line.as_bytes().split(|byte| *byte == b',') {
            if !coding.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                return Err(Refusal::Coding);
            }
            chunked += 1;
        }
    }
    if chunked > 1 { Err(Refusal::Framing) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: &str, target: &str, version: Version, lines: &[(&str, &str)]) -> Result<(), Refusal> {
        let mut request = http::Request::builder().method(method).uri(target).version(version);
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        admit(&request.body(()).unwrap().into_parts().0)
    }

    type Row<'a> = (&'a str, &'a str, Version, &'a [(&'a str, &'a str)], Result<(), Refusal>);

    #[test]
    fn requests_by_target_and_host() {
        let (one, ten, two) = (Version::HTTP_11, Version::HTTP_10, Version::HTTP_2);
        let rows: [Row<'_>; 25] = [
            ("GET", "/", one, &[("Host", "shop.example")], Ok(())),
            ("GET", "/", one, &[("host", "SHOP.example:8080")], Ok(())),
            ("GET", "/", one, &[("host", "[::1]:80")], Ok(())),
            ("GET", "/", one, &[("host", "a_b.example")], Ok(())),
            ("GET", "/", one, &[], Err(Refusal::NoHost)),
            ("GET", "/", ten, &[], Ok(())),
            ("GET", "/", two, &[], Err(Refusal::NoHost)),
            ("GET", "http://shop.example/", two, &[], Ok(())),
            ("GET", "http://shop.example/", two, &[("host", "other")], Err(Refusal::OtherHost)),
            ("GET", "/", one, &[("host", "a"), ("host", "a")], Err(Refusal::TwoHosts)),
            ("GET", "/", one, &[("host", "")], Err(Refusal::BadHost)),
            ("GET", "/", one, &[("host", "a b")], Err(Refusal::BadHost)),
            ("GET", "/", one, &[("host", "a/b")], Err(Refusal::BadHost)),
            ("GET", "/", one, &[("host", "u@a")], Err(Refusal::BadHost)),
            ("GET", "/", one, &[("host", "a,b")], Err(Refusal::BadHost)),
            ("GET", "http://shop.example/x", one, &[("host", "Shop.Example")], Ok(())),
            ("GET", "http://shop.example:80/x", one, &[("host", "shop.example")], Ok(())),
            ("GET", "http://shop.example/x", one, &[("host", "other")], Err(Refusal::OtherHost)),
            ("GET", "http://u@shop.example/x", one, &[("host", "shop.example")], Err(Refusal::Target)),
            ("GET", "ftp://shop.example/x", one, &[("host", "shop.example")], Err(Refusal::Target)),
            ("GET", "shop.example:80", one, &[("host", "shop.example")], Err(Refusal::Target)),
            ("OPTIONS", "*", one, &[("host", "a")], Ok(())),
            ("GET", "*", one, &[("host", "a")], Err(Refusal::Target)),
            ("CONNECT", "shop.example:443", one, &[("host", "shop.example:443")], Err(Refusal::Connect)),
            ("PURGE", "/x", one, &[("host", "a")], Ok(())),
        ];
        for (method, target, version, lines, expected) in rows {
            assert_eq!(asked(method, target, version, lines), expected, "{method} {target} {version:?} {lines:?}");
        }
    }

    #[test]
    fn transfer_codings() {
        let rows: [(&[&str], Result<(), Refusal>); 8] = [
            (&["chunked"], Ok(())),
            (&[" Chunked "], Ok(())),
            (&["chunked, chunked"], Err(Refusal::Framing)),
            (&["chunked", "chunked"], Err(Refusal::Framing)),
            (&["gzip, chunked"], Err(Refusal::Coding)),
            (&["identity", "chunked"], Err(Refusal::Coding)),
            (&["xchunked"], Err(Refusal::Coding)),
            (&[""], Err(Refusal::Coding)),
        ];
        for (values, expected) in rows {
            let mut lines = vec![("host", "a")];
            lines.extend(values.iter().map(|value| ("transfer-encoding", *value)));
            assert_eq!(asked("POST", "/", Version::HTTP_11, &lines), expected, "{values:?}");
        }
    }
}
