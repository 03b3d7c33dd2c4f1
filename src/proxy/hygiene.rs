//! What belongs to one connection only is taken out of a head before it goes on (RFC 9110 7.6.1). Pure.

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, FORWARDED, HOST, LOCATION, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, SET_COOKIE, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// Named by no constant of `http`.
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// The protocols a request asks to switch to: the value of `Upgrade`, when `Connection` nominates it (RFC 9110 7.8).
/// `h2c` is not among them: it would let a visitor speak past us to the shop.
pub(super) fn upgrade_asked(headers: &HeaderMap) -> Option<HeaderValue> {
    let upgrade = headers.get(UPGRADE)?;
    let nominated = tokens(headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case(b"upgrade"));
    let plain = split(upgrade).all(|token| !token.eq_ignore_ascii_case(b"h2c"));
    let one = headers.get_all(UPGRADE).iter().count() == 1 && split(upgrade).next().is_some();
    (nominated && plain && one).then(|| upgrade.clone())
}

/// Whether an answer's `Upgrade` names one of the protocols asked for.
pub(super) fn upgrade_fits(asked: &HeaderValue, headers: &HeaderMap) -> bool {
    let mut taken = tokens(headers, &UPGRADE).peekable();
    taken.peek().is_some() && taken.all(|token| split(asked).any(|one| one.eq_ignore_ascii_case(token)))
}

/// Cleans a request's head. Says nothing of framing: the caller puts `Transfer-Encoding: chunked` back where it stood.
pub(super) fn request(headers: &mut HeaderMap) {
    remove_nominated(headers);
    let trailers = tokens(headers, &TE).any(|token| token.eq_ignore_ascii_case(b"trailers"));
    for name in [&KEEP_ALIVE, &PROXY_CONNECTION, &PROXY_AUTHORIZATION, &TRANSFER_ENCODING, &UPGRADE] {
        headers.remove(name);
    }
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    } else {
        headers.remove(TE);
    }
}

/// Cleans an answer's head. `false`: it is under a transfer coding other than `chunked`, and cannot be passed on.
///
/// Where `Transfer-Encoding` was used, `Content-Length` goes: hyper has decoded by the former (RFC 9112 6.3), so the latter
/// would cut the body short.
pub(super) fn answer(status: StatusCode, headers: &mut HeaderMap) -> bool {
    let upgrade = (status == StatusCode::UPGRADE_REQUIRED).then(|| headers.get(UPGRADE).cloned()).flatten();
    remove_nominated(headers);
    let coded = headers.contains_key(TRANSFER_ENCODING);
    if coded {
        let known = |token: &[u8]| [&b"chunked"[..], b"identity"].iter().any(|one| token.eq_ignore_ascii_case(one));
        if !tokens(headers, &TRANSFER_ENCODING).all(known) || tokens(headers, &TRANSFER_ENCODING).count() > 1 {
            return false;
        }
        headers.remove(TRANSFER_ENCODING);
        headers.remove(CONTENT_LENGTH);
    }
    one_length(headers);
    for name in [&KEEP_ALIVE, &PROXY_CONNECTION, &PROXY_AUTHENTICATE, &TE, &UPGRADE] {
        headers.remove(name);
    }
    if let Some(upgrade) = upgrade {
        headers.insert(UPGRADE, upgrade);
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
    true
}

/// An answer may repeat its length, which hyper has found equal; it goes on once (RFC 9112 6.3).
fn one_length(headers: &mut HeaderMap) {
    let repeated = headers.get_all(CONTENT_LENGTH).iter().nth(1).is_some();
    let Some(first) = headers.get(CONTENT_LENGTH) else { return };
    if repeated || first.as_bytes().contains(&b',') {
        let length = split(first).next().and_then(|length| HeaderValue::from_bytes(length).ok());
        match length {
            Some(length) => headers.insert(CONTENT_LENGTH, length),
            None => headers.remove(CONTENT_LENGTH),
        };
    }
}

/// HTTP/2 may split cookies over lines (RFC 9113 8.2.3); HTTP/1 servers read one line.
pub(super) fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(whole) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(COOKIE, whole);
    }
}

/// Takes out `Connection` and what it nominates. Headers that carry meaning from end to end cannot be nominated: a visitor could
/// otherwise delete what the shop, or we, rely on.
fn remove_nominated(headers: &mut HeaderMap) {
    let Some(first) = headers.get(CONNECTION) else { return };
    let usual = [&b"keep-alive"[..], b"close"].iter().any(|one| first.as_bytes().eq_ignore_ascii_case(one));
    if !usual || headers.get_all(CONNECTION).iter().nth(1).is_some() {
        let nominated: Vec<HeaderName> = tokens(headers, &CONNECTION)
            .filter_map(|token| HeaderName::from_bytes(token).ok())
            .filter(|name| !end_to_end(name) && *name != TE && *name != TRANSFER_ENCODING)
            .collect();
        for name in nominated {
            headers.remove(name);
        }
    }
    headers.remove(CONNECTION);
}

fn end_to_end(name: &HeaderName) -> bool {
    [HOST, AUTHORIZATION, COOKIE, SET_COOKIE, LOCATION, FORWARDED].contains(name)
        || name.as_str().starts_with("content-")
        || name.as_str().starts_with("x-forwarded-")
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    headers.get_all(name).iter().flat_map(split)
}

fn split(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(lines: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines.lines() {
            let (name, value) = line.trim().split_once(':').unwrap();
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.trim().parse().unwrap());
        }
        headers
    }

    fn shown(headers: &HeaderMap) -> String {
        let mut lines: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort();
        lines.join(" | ")
    }

    #[test]
    fn requests() {
        let rows = [
            ("host: a\naccept: b", "accept: b | host: a"),
            ("connection: keep-alive\nkeep-alive: timeout=5\nx: 1", "x: 1"),
            ("connection: close\nproxy-connection: keep-alive\nproxy-authorization: Basic x", ""),
            ("connection: X-Secret, close\nconnection: y\nx-secret: 1\ny: 2\nz: 3", "z: 3"),
            (
                "connection: host, cookie, content-type, authorization, x-forwarded-for\nhost: a\ncookie: b\ncontent-type: c\nauthorization: d\nx-forwarded-for: e",
                "authorization: d | content-type: c | cookie: b | host: a | x-forwarded-for: e",
            ),
            ("te: trailers, deflate\nconnection: te\ntrailer: x-sum", "te: trailers | trailer: x-sum"),
            ("te: gzip", ""),
            ("transfer-encoding: chunked\ncontent-type: a", "content-type: a"),
            ("connection: upgrade\nupgrade: websocket\nsec-websocket-key: k", "sec-websocket-key: k"),
            ("expect: 100-continue\nvia: 1.1 x", "expect: 100-continue | via: 1.1 x"),
        ];
        for (lines, expected) in rows {
            let mut headers = head(lines);
            request(&mut headers);
            assert_eq!(shown(&headers), expected, "{lines}");
        }
    }

    #[test]
    fn answers() {
        let rows = [
            (200, "connection: keep-alive\nserver: x\ndate: y", Some("date: y | server: x")),
            (
                200,
                "set-cookie: a=1\nset-cookie: b=2\nconnection: set-cookie",
                Some("set-cookie: a=1 | set-cookie: b=2"),
            ),
            (200, "transfer-encoding: chunked\ncontent-length: 3", Some("")),
            (200, "transfer-encoding: identity\ncontent-length: 3", Some("")),
            (200, "transfer-encoding: gzip, chunked", None),
            (200, "transfer-encoding: gzip", None),
            (200, "connection: upgrade\nupgrade: h2,h2c\ncontent-length: 3", Some("content-length: 3")),
            (426, "connection: upgrade\nupgrade: websocket", Some("connection: upgrade | upgrade: websocket")),
            (200, "trailer: x-sum\nkeep-alive: timeout=5", Some("trailer: x-sum")),
            (200, "content-length: 5\ncontent-length: 5", Some("content-length: 5")),
            (200, "content-length: 5, 5", Some("content-length: 5")),
        ];
        for (status, lines, expected) in rows {
            let mut headers = head(lines);
            let passes = answer(StatusCode::from_u16(status).unwrap(), &mut headers);
            assert_eq!(passes.then(|| shown(&headers)).as_deref(), expected, "{status} {lines}");
        }
    }

    #[test]
    fn upgrades() {
        let rows = [
            ("connection: Upgrade\nupgrade: websocket", Some("websocket")),
            ("connection: keep-alive, upgrade\nupgrade: WebSocket", Some("WebSocket")),
            ("upgrade: websocket", None),
            ("connection: upgrade", None),
            ("connection: upgrade\nupgrade: h2c", None),
            ("connection: upgrade\nupgrade: websocket\nupgrade: other", None),
        ];
        for (lines, expected) in rows {
            let asked = upgrade_asked(&head(lines));
            assert_eq!(asked.as_ref().map(|value| value.to_str().unwrap()), expected, "{lines}");
        }
        let asked = HeaderValue::from_static("foo/1, websocket");
        for (answer, fits) in [("upgrade: WebSocket", true), ("upgrade: bar", false), ("server: x", false)] {
            assert_eq!(upgrade_fits(&asked, &head(answer)), fits, "{answer}");
        }
    }

    #[test]
    fn cookie_crumbs() {
        let mut headers = head("cookie: a=1\ncookie: b=2\ncookie: c=3");
        join_cookies(&mut headers);
        assert_eq!(shown(&headers), "cookie: a=1; b=2; c=3");
    }
}
