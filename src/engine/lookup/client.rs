//! One request to the shop for a look-up or a login, and its answer as an exchange.

use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, Limited};
use serde_json::{Map, Value};
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

use crate::clock::Clock;
use crate::exchange::{CapturedBody, End, Exchange, RequestHead, ResponseHead};
use crate::model::LookUp;
use crate::rules::Ruleset;

/// Bytes of an answer that are read; a longer one counts as no answer.
const MAX_ANSWER_BYTES: usize = 2 * 1024 * 1024;
/// Limit of one request, whatever `for` says.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of the shop's answer to a look-up.
pub type LookUpBody = UnsyncBoxBody<Bytes, std::io::Error>;

/// What sends one request to the shop, on the runtime it is called on; `app` builds it on the proxy's upstream.
pub type LookUpClient = BoxCloneSyncService<Request<Full<Bytes>>, Response<LookUpBody>, BoxError>;

/// The shop as look-ups see it.
pub(super) struct Shop<'a> {
    pub(super) client: &'a LookUpClient,
    pub(super) clock: &'a Clock,
    pub(super) ruleset: &'a Ruleset,
    /// The host to name; that of `[shop] url` where no visitor named one.
    pub(super) host: Option<&'a HeaderValue>,
}

impl Shop<'_> {
    /// Makes a look-up. `kept`: what a login kept; `rights`: headers that carry the rights.
    pub(super) async fn get(
        &self,
        look_up: &LookUp,
        kept: &Map<String, Value>,
        rights: &HeaderMap,
    ) -> Result<Exchange, String> {
        let target = look_up.target(kept).ok_or_else(|| "what the login was to keep is missing".to_owned())?;
        self.send(Method::GET, &target, rights.clone(), Bytes::new()).await
    }

    /// Sends one request; redirects are answers like any other.
    pub(super) async fn send(
        &self,
        method: Method,
        target: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Exchange, String> {
        let uri: Uri = target.parse().map_err(|_| format!("`{target}` is no path"))?;
        if !target.starts_with('/') || uri.authority().is_some() {
            return Err(format!("`{target}` is no path: a look-up goes to the shop itself"));
        }
        let mut request = Request::new(Full::new(body));
        (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) = (method, uri, headers);
        let host = self
            .host
            .cloned()
            .or_else(|| host_of(&self.ruleset.shop.url))
            .ok_or_else(|| "no host is known: set `[shop] url`".to_owned())?;
        request.headers_mut().insert(header::HOST, host);
        let (head, body) = request.into_parts();
        let (at, seen) = (self.clock.now(), RequestHead::of(&head));
        let answered = async {
            let answer = self
                .client
                .clone()
                .oneshot(Request::from_parts(head, body))
                .await
                .map_err(|error| error.to_string())?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, MAX_ANSWER_BYTES)
                .collect()
                .await
                .map_err(|error| format!("the answer cannot be read: {error}"))?;
            Ok::<_, String>((ResponseHead::of(&head), body.to_bytes()))
        };
        let answered = tokio::time::timeout(REQUEST_TIMEOUT, answered).await;
        let (response, body) = answered.map_err(|_| "the shop did not answer in time".to_owned())??;
        Ok(Exchange {
            at,
            request: seen,
            request_body: CapturedBody::default(),
            response: Some(response),
            response_body: CapturedBody::whole(body),
            end: End::Complete,
        })
    }
}

fn host_of(url: &str) -> Option<HeaderValue> {
    let uri: Uri = url.parse().ok()?;
    HeaderValue::from_str(uri.authority()?.as_str()).ok()
}

/// Cookies by name, in order.
pub(super) type Cookies = Vec<(String, String)>;

/// The cookies of a request's `Cookie` lines.
pub(super) fn cookies_of(headers: &HeaderMap) -> Cookies {
    let lines = headers.get_all(header::COOKIE);
    let pairs = lines.iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(';'));
    let pair = |pair: &str| pair.split_once('=').map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
    pairs.filter_map(pair).collect()
}

/// Takes in what an answer sets: a cookie of the same name is replaced, an emptied one leaves (RFC 6265 section 5.3, as far
/// as one visitor of one host needs it).
pub(super) fn take_set_cookies(cookies: &mut Cookies, headers: &HeaderMap) {
    for line in headers.get_all(header::SET_COOKIE).iter().filter_map(|line| line.to_str().ok()) {
        let pair = line.split(';').next().unwrap_or_default();
        let Some((name, value)) = pair.split_once('=') else { continue };
        cookies.retain(|(known, _)| known != name.trim());
        if !value.trim().is_empty() {
            cookies.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
}

/// A `Cookie` header of them; `None` if there are none.
pub(super) fn cookie_header(cookies: &Cookies) -> Option<HeaderValue> {
    let pairs: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    if pairs.is_empty() { None } else { HeaderValue::from_str(&pairs.join("; ")).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_visitors_cookies_follow_what_the_answer_sets() {
        let mut request = HeaderMap::new();
        request.append(header::COOKIE, HeaderValue::from_static("a=1; b=2"));
        request.append(header::COOKIE, HeaderValue::from_static("c=3"));
        let mut answer = HeaderMap::new();
        for line in ["b=; Max-Age=0", "c=4; Path=/; HttpOnly", "d=5"] {
            answer.append(header::SET_COOKIE, HeaderValue::from_static(line));
        }
        let mut cookies = cookies_of(&request);
        take_set_cookies(&mut cookies, &answer);
        assert_eq!(cookie_header(&cookies).unwrap(), "a=1; c=4; d=5");
        assert_eq!(cookie_header(&Vec::new()), None);
    }
}
