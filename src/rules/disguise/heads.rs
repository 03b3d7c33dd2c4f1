//! Heads: cookies, headers, targets.

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};

use super::Disguise;
use crate::exchange::{RequestHead, ResponseHead};

/// Headers whose value is a right.
const RIGHTS: [HeaderName; 2] = [header::AUTHORIZATION, header::PROXY_AUTHORIZATION];

impl Disguise {
    pub(super) fn request_head(&mut self, head: &mut RequestHead) {
        self.headers(&mut head.headers);
        if let Some(query) = head.uri.query() {
            let query = self.pairs(query);
            let target = format!("{}?{query}", head.uri.path());
            set_target(&mut head.uri, &target);
        }
    }

    pub(super) fn response_head(&mut self, head: &mut ResponseHead) {
        self.headers(&mut head.headers);
    }

    fn headers(&mut self, headers: &mut HeaderMap) {
        for (name, value) in headers.iter_mut() {
            let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
            let changed = if name == header::COOKIE {
                text.split(';').map(|crumb| self.cookie(crumb)).collect::<Vec<_>>().join(";")
            } else if name == header::SET_COOKIE {
                let (crumb, attributes) = text.split_once(';').map_or((text.as_str(), None), |(a, b)| (a, Some(b)));
                let crumb = self.cookie(crumb);
                attributes.map_or_else(|| crumb.clone(), |attributes| format!("{crumb};{attributes}"))
            } else if RIGHTS.contains(name) {
                let (scheme, right) = text.split_once(' ').map_or(("", text.as_str()), |(a, b)| (a, b));
                format!("{scheme} {}", self.whole(right)).trim_start().to_owned()
            } else if self.is_secret(name.as_str()) {
                self.whole(&text)
            } else {
                self.links(&text)
            };
            if changed != text {
                // A pseudonym has letters and digits alone, so what was a header's value is one still.
                *value = HeaderValue::from_bytes(changed.as_bytes()).unwrap_or(HeaderValue::from_static(""));
            }
        }
    }

    fn cookie(&mut self, crumb: &str) -> String {
        let Some((name, value)) = crumb.split_once('=') else { return crumb.to_owned() };
        if self.kept_cookies.iter().any(|kept| kept == name.trim()) {
            return crumb.to_owned();
        }
        let changed = self.token(value);
        // Short, but named like a secret.
        let changed = if changed == value && self.is_secret(name.trim()) { self.whole(value) } else { changed };
        format!("{name}={changed}")
    }
}

/// Sets path and query, if they are any.
pub(super) fn set_target(uri: &mut Uri, target: &str) {
    let mut parts = uri.clone().into_parts();
    if let Ok(path) = target.parse() {
        parts.path_and_query = Some(path);
        if let Ok(changed) = Uri::from_parts(parts) {
            *uri = changed;
        }
    }
}
