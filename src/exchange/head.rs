//! The heads of request and response, kept as received.

use http::{HeaderMap, Method, StatusCode, Uri, header};

/// A request's head.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// Method as sent.
    pub method: Method,
    /// Target as sent (origin-form as a rule).
    pub uri: Uri,
    /// Header lines in order of arrival.
    pub headers: HeaderMap,
    /// Whether the visitor spoke TLS (to us, or to a trusted proxy before us).
    pub secure: bool,
}

impl RequestHead {
    /// Copies what rules may read from a request on its way.
    pub fn of(parts: &http::request::Parts) -> Self {
        let (method, uri, headers) = (parts.method.clone(), parts.uri.clone(), parts.headers.clone());
        Self { method, uri, headers, secure: false }
    }

    /// Host and port as the visitor named them, in lower case: the `Host` header, else the target's authority.
    pub fn host(&self) -> String {
        let named = self.headers.get(header::HOST).and_then(|value| value.to_str().ok());
        let named = named.or_else(|| self.uri.authority().map(http::uri::Authority::as_str));
        named.unwrap_or_default().to_ascii_lowercase()
    }

    /// The path as sent, percent signs and all.
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// The query as sent, without the question mark.
    pub fn query(&self) -> &str {
        self.uri.query().unwrap_or_default()
    }
}

/// A response's head.
#[derive(Clone, Debug)]
pub struct ResponseHead {
    /// Status.
    pub status: StatusCode,
    /// Header lines in order of arrival.
    pub headers: HeaderMap,
}

impl ResponseHead {
    /// Copies what rules may read from a response on its way.
    pub fn of(parts: &http::response::Parts) -> Self {
        Self { status: parts.status, headers: parts.headers.clone() }
    }
}
