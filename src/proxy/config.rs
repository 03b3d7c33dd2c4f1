//! Where the shop is, and the limits of the proxy.

use std::path::PathBuf;
use std::time::Duration;

use http::Uri;

/// Where the shop is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `http://host:port`; the name is resolved at each connect.
    Tcp {
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// `unix:/path`.
    Unix(PathBuf),
}

/// Limits and switches of the proxy. Every time is that of one step, not of the whole.
#[derive(Clone, Debug)]
pub struct Config {
    /// The shop.
    pub upstream: Origin,
    /// Until a connection to the shop stands.
    pub connect_timeout: Duration,
    /// Until the shop's answer begins, counted from the last piece of the request it was sent.
    pub answer_timeout: Duration,
    /// Between two frames of a body, either way.
    pub body_idle_timeout: Duration,
    /// Without a byte either way on an upgraded connection.
    pub tunnel_idle_timeout: Duration,
    /// Until a request's head is whole, and between requests of one connection.
    pub head_timeout: Duration,
    /// Idle connections kept to the shop, over all cores.
    pub idle_connections: usize,
    /// How long one is kept idle: below the shop's own keep-alive.
    pub idle_timeout: Duration,
    /// Connections from visitors at once, over all cores.
    pub max_connections: usize,
    /// Peers whose `X-Forwarded-*` and `Forwarded` headers are believed and added to; others' are replaced.
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// How long open requests may take after a stop was asked for.
    pub drain: Duration,
}

impl Config {
    /// The defaults in front of a shop.
    pub fn new(upstream: Origin) -> Self {
        Self {
            upstream,
            connect_timeout: Duration::from_secs(5),
            answer_timeout: Duration::from_mins(1),
            body_idle_timeout: Duration::from_mins(1),
            tunnel_idle_timeout: Duration::from_hours(1),
            head_timeout: Duration::from_mins(1),
            idle_connections: 32,
            idle_timeout: Duration::from_secs(3),
            max_connections: 10_000,
            trusted_proxies: Vec::new(),
            drain: Duration::from_secs(30),
        }
    }
}

/// Port of an `http://` origin that names none.
const HTTP_PORT: u16 = 80;

/// Parses `--upstream`: `http://host[:port]` or `unix:/path`. The error is for people.
pub fn parse_origin(text: &str) -> Result<Origin, String> {
    let text = text.trim();
    if let Some(path) = text.strip_prefix("unix:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        if !path.starts_with('/') {
            return Err(format!("{text:?} names no absolute path: write unix:/run/shop.sock"));
        }
        return Ok(Origin::Unix(PathBuf::from(path)));
    }
    let uri: Uri =
        text.parse().map_err(|error| format!("{text:?} is no URL ({error}): write http://127.0.0.1:8000"))?;
    match uri.scheme_str() {
        Some("http") => {}
        Some("https") => {
            return Err(format!("{text:?}: the shop is reached by plain http or a Unix socket, not https"));
        }
        Some(other) => return Err(format!("{text:?}: {other} is not http: write http://host:port or unix:/path")),
        None => return Err(format!("{text:?} has no scheme: write http://{text}")),
    }
    let authority = uri.authority().ok_or_else(|| format!("{text:?} names no host"))?;
    if authority.as_str().contains('@') {
        return Err(format!("{text:?}: a user and password do not belong in the shop's address"));
    }
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err(format!(
            "{text:?}: paths are passed on unchanged, so the shop's address has none: write http://{authority}"
        ));
    }
    let named = authority.as_str().len() > authority.host().len();
    let port = match authority.port_u16() {
        Some(0) => return Err(format!("{text:?}: port 0 is no port")),
        Some(port) => port,
        None if named => return Err(format!("{text:?}: the port is not a number from 1 to 65535")),
        None => HTTP_PORT,
    };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() {
        return Err(format!("{text:?} names no host"));
    }
    Ok(Origin::Tcp { host: host.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins() {
        let tcp = |host: &str, port| Ok(Origin::Tcp { host: host.to_owned(), port });
        let rows: [(&str, Result<Origin, &str>); 15] = [
            ("http://127.0.0.1:8000", tcp("127.0.0.1", 8000)),
            ("http://shop.internal", tcp("shop.internal", 80)),
            (" http://shop.internal:81/ ", tcp("shop.internal", 81)),
            ("http://[::1]:8000", tcp("::1", 8000)),
            ("unix:/run/shop.sock", Ok(Origin::Unix("/run/shop.sock".into()))),
            ("unix:///run/shop.sock", Ok(Origin::Unix("/run/shop.sock".into()))),
            ("unix:shop.sock", Err("absolute path")),
            ("https://shop.example", Err("not https")),
            ("ftp://shop.example", Err("ftp is not http")),
            ("127.0.0.1:8000", Err("has no scheme")),
            ("http://u:p@shop.example", Err("user and password")),
            ("http://shop.example/store", Err("has none")),
            ("http://shop.example:0", Err("port 0")),
            ("http://shop.example:70000", Err("port")),
            ("", Err("is no URL")),
        ];
        for (text, expected) in rows {
            match (parse_origin(text), expected) {
                (Ok(got), Ok(expected)) => assert_eq!(got, expected, "{text}"),
                (Err(got), Err(part)) => assert!(got.contains(part), "{text}: {got}"),
                (got, expected) => panic!("{text}: got {got:?}, expected {expected:?}"),
            }
        }
    }
}
