//! The bytes of a delivery and of a ping, as WooCommerce's receivers expect them.
//!
//! `X-WC-Webhook-*`, `User-Agent` and `Content-Type` are WooCommerce's own (its `WC_Webhook::deliver`); beside them stand the
//! three headers of Standard Webhooks 1.0.0, which verifiers of that kind read and others overlook.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::uri::{Authority, Scheme};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use percent_encoding::percent_decode_str;

use super::{php_json, sign};
use crate::clock::Timestamp;
use crate::id::{EventUid, WebhookId, hex};
use crate::mac;
use crate::model::{Event, Webhook};

/// Hex digits of a delivery id.
const DELIVERY_ID_DIGITS: usize = 32;

/// Names of the headers we send, spelt as WooCommerce spells them. Some receivers look a name up by its exact letters.
pub(super) const SPELLING: &[&str] = &[
    "Host",
    "User-Agent",
    "Accept",
    "Content-Type",
    "Content-Length",
    "Authorization",
    "X-WC-Webhook-Source",
    "X-WC-Webhook-Topic",
    "X-WC-Webhook-Resource",
    "X-WC-Webhook-Event",
    "X-WC-Webhook-Signature",
    "X-WC-Webhook-ID",
    "X-WC-Webhook-Delivery-ID",
    "X-Webhook-Replay-Of",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
];

/// The id of the delivery of event `uid` to `webhook`: the same over retries and crashes, another for each `replay`
/// (0: none). 32 hex digits, like WooCommerce's, but never the same for two deliveries.
pub fn delivery_id(instance: &[u8; 32], uid: EventUid, webhook: WebhookId, replay: u32) -> String {
    let parts: [&[u8]; 3] = [&uid.0, &webhook.0.to_be_bytes(), &replay.to_be_bytes()];
    let mut id = hex(&mac::hmac_sha256(instance, &parts));
    id.truncate(DELIVERY_ID_DIGITS);
    id
}

/// The body of `event` for `webhook`.
pub(super) fn body(webhook: &Webhook, event: &Event) -> Bytes {
    let json = event.body.get();
    if webhook.wordpress_json { php_json::escape(json).into() } else { json.to_owned().into() }
}

/// What is the same in every delivery of a webhook's, made once for each table: reading a URL and checking headers costs more
/// than copying them.
#[derive(Debug)]
pub(super) struct Draft {
    request: Request<()>,
}

const TOPIC: HeaderName = HeaderName::from_static("x-wc-webhook-topic");
const RESOURCE: HeaderName = HeaderName::from_static("x-wc-webhook-resource");
const EVENT: HeaderName = HeaderName::from_static("x-wc-webhook-event");
const SIGNATURE: HeaderName = HeaderName::from_static("x-wc-webhook-signature");
const DELIVERY_ID: HeaderName = HeaderName::from_static("x-wc-webhook-delivery-id");
const STANDARD_ID: HeaderName = HeaderName::from_static("webhook-id");
const STANDARD_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const STANDARD_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

impl Draft {
    /// Of a webhook as it stands. `spelling` is what [`super::spelling::learn`] gave. `Err` says which part of the webhook
    /// cannot be put into a request.
    pub(super) fn new(webhook: &Webhook, spelling: &Extensions) -> Result<Self, String> {
        let mut request = post(webhook, spelling)?;
        let headers = request.headers_mut();
        let id = webhook.id.to_string();
        // What each delivery puts in has its place here: the order is WooCommerce's.
        let ours = [
            (CONTENT_TYPE, "application/json"),
            (HeaderName::from_static("x-wc-webhook-source"), &webhook.source),
            (TOPIC, ""),
            (RESOURCE, ""),
            (EVENT, ""),
            (SIGNATURE, ""),
            (HeaderName::from_static("x-wc-webhook-id"), &id),
            (DELIVERY_ID, ""),
            (STANDARD_ID, ""),
            (STANDARD_TIMESTAMP, ""),
            (STANDARD_SIGNATURE, ""),
        ];
        for (name, text) in ours {
            let value = value(name.as_str(), text)?;
            headers.insert(name, value);
        }
        Ok(Self { request })
    }

    /// The request that delivers `event` at `now`. `Err` as for [`Draft::new`].
    pub(super) fn delivery(
        &self,
        webhook: &Webhook,
        event: &Event,
        delivery: &str,
        now: Timestamp,
    ) -> Result<Request<Full<Bytes>>, String> {
        let body = body(webhook, event);
        let at = now.as_secs().to_string();
        let ours = [
            (TOPIC, event.topic.as_str()),
            (RESOURCE, event.topic.resource()),
            (EVENT, event.topic.event()),
            (SIGNATURE, &sign::woocommerce(webhook, &body)),
            (DELIVERY_ID, delivery),
            (STANDARD_ID, delivery),
            (STANDARD_TIMESTAMP, &at),
            (STANDARD_SIGNATURE, &sign::standard(webhook, delivery, &at, &body, now)),
        ];
        let mut request = self.request.clone();
        for (name, text) in ours {
            let value = value(name.as_str(), text)?;
            request.headers_mut().insert(name, value);
        }
        Ok(request.map(|()| Full::new(body)))
    }
}

/// WooCommerce's ping: the form field `webhook_id` and nothing else, unsigned. Receivers such as n8n take a request with
/// an `X-WC-Webhook-…` header for a delivery and refuse it. The webhook's own headers go with it: a gateway before the
/// receiver may ask for them.
pub(super) fn ping(webhook: &Webhook, spelling: &Extensions) -> Result<Request<Full<Bytes>>, String> {
    let mut request = post(webhook, spelling)?;
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    Ok(request.map(|()| Full::from(format!("webhook_id={}", webhook.id))))
}

/// A webhook's URL as logs and views show it: without user and password. A text without `://` is given as it is.
pub fn shown_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

/// Whether a name belongs to the connection or to us, so that a webhook's own headers cannot set it.
fn is_reserved(name: &HeaderName) -> bool {
    const NAMES: &[&str] = &[
        "connection",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
        "x-webhook-replay-of",
    ];
    NAMES.contains(&name.as_str()) || name.as_str().starts_with("x-wc-webhook-")
}

/// What deliveries and pings have in common. Host comes first: some receivers want it there.
fn post(webhook: &Webhook, spelling: &Extensions) -> Result<Request<()>, String> {
    let (uri, login) = target(&webhook.url)?;
    let host = uri.authority().map(ToString::to_string).unwrap_or_default();
    let mut headers = HeaderMap::new();
    headers.insert(HOST, value("host", &host)?);
    for (name, text) in &webhook.headers {
        let key = HeaderName::try_from(name.as_str()).map_err(|_| format!("`{name}` is no header name"))?;
        if !is_reserved(&key) {
            headers.append(key, value(name, text)?);
        }
    }
    // Unless the webhook's own headers say something else.
    headers.entry(USER_AGENT).or_insert(value("user-agent", &webhook.user_agent)?);
    headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
    if let Some(login) = login {
        headers.entry(AUTHORIZATION).or_insert(value("authorization", &login)?);
    }
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    *request.extensions_mut() = spelling.clone();
    if let Some(keys) = &webhook.tls {
        request.extensions_mut().insert(Arc::clone(keys));
    }
    Ok(request)
}

/// Where a URL leads, and what its `user:password@` says in `Authorization` (RFC 7617), as curl and WordPress do it.
fn target(url: &str) -> Result<(Uri, Option<String>), String> {
    let fault = |why: &str| format!("the delivery URL {} {why}", shown_url(url));
    let mut parts = url.parse::<Uri>().map_err(|_| fault("is no valid URL"))?.into_parts();
    if !matches!(&parts.scheme, Some(scheme) if *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS) {
        return Err(fault("must begin with http:// or https://"));
    }
    let authority = parts.authority.take().ok_or_else(|| fault("names no host"))?;
    let (login, host) = match authority.as_str().rsplit_once('@') {
        Some((login, host)) => (Some(login.to_owned()), host.parse::<Authority>().map_err(|_| fault("names no host"))?),
        None => (None, authority),
    };
    if host.host().is_empty() {
        return Err(fault("names no host"));
    }
    // Without its default port, as browsers and curl write it.
    let default = if parts.scheme == Some(Scheme::HTTPS) { 443 } else { 80 };
    let bare = (host.port_u16() == Some(default)).then(|| host.host().parse()).transpose();
    parts.authority = Some(bare.map_err(|_| fault("names no host"))?.unwrap_or(host));
    if parts.path_and_query.is_none() {
        parts.path_and_query = Some(http::uri::PathAndQuery::from_static("/"));
    }
    let basic = |login: String| {
        let login = if login.contains(':') { login } else { login + ":" };
        format!("Basic {}", STANDARD.encode(percent_decode_str(&login).collect::<Vec<u8>>()))
    };
    Ok((Uri::from_parts(parts).map_err(|_| fault("is no valid URL"))?, login.map(basic)))
}

fn value(name: &str, text: &str) -> Result<HeaderValue, String> {
    // Bytes, so that UTF-8 passes as it does with curl. The value stays out of the message: it may be a secret.
    HeaderValue::from_bytes(text.as_bytes())
        .map_err(|_| format!("the header `{name}` holds a line break or a control character"))
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use serde_json::value::RawValue;

    use super::*;
    use crate::model::{Identity, Secret};

    fn event(topic: &str, body: &str) -> Event {
        Event {
            uid: EventUid([0xab; 16]),
            at: Timestamp::default(),
            topic: topic.parse().unwrap(),
            resource: "product".into(),
            id: None,
            key: serde_json::Map::new(),
            group: ("product".into(), Identity::None),
            body: RawValue::from_string(body.into()).unwrap(),
            rule: "r".into(),
            webhooks: Vec::new(),
            source: String::new(),
        }
    }

    fn webhook() -> Webhook {
        Webhook {
            secret: Secret::new("s3cr3t".into()),
            source: "https://shop.example/".into(),
            user_agent: "WooCommerce/8.0.2 Hookshot (WordPress/6.3)".into(),
            ..Webhook::new(WebhookId(7), "erp", "https://erp.example/in/woo?x=1")
        }
    }

    const NOW: Timestamp = Timestamp::from_millis(1_614_265_330_999);

    fn delivery(webhook: &Webhook, event: &Event, id: &str) -> Result<Request<Full<Bytes>>, String> {
        Draft::new(webhook, &Extensions::new())?.delivery(webhook, event, id, NOW)
    }

    fn lines(request: &Request<Full<Bytes>>) -> Vec<String> {
        let line = |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}", value.to_str().unwrap());
        request.headers().iter().map(line).collect()
    }

    #[tokio::test]
    async fn a_delivery_is_woocommerces_to_the_byte() {
        let own =
            [("X-Tenant", "tea"), ("Host", "evil.example"), ("X-WC-Webhook-Topic", "x.y"), ("Accept", "text/plain")];
        let headers = own.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let webhook = Webhook { headers, ..webhook() };
        let request = delivery(&webhook, &event("product.updated", r#"{"id":42}"#), "d1").unwrap();
        assert_eq!(
            (request.method(), request.uri().to_string().as_str()),
            (&Method::POST, "https://erp.example/in/woo?x=1")
        );
        let standard =
            format!("webhook-signature: v1,{}", mac::sign_base64(b"s3cr3t", &[br#"d1.1614265330.{"id":42}"#]));
        assert_eq!(
            lines(&request),
            [
                "host: erp.example",
                "x-tenant: tea",
                "accept: text/plain",
                "user-agent: WooCommerce/8.0.2 Hookshot (WordPress/6.3)",
                "content-type: application/json",
                "x-wc-webhook-source: https://shop.example/",
                "x-wc-webhook-topic: product.updated",
                "x-wc-webhook-resource: product",
                "x-wc-webhook-event: updated",
                "x-wc-webhook-signature: BlC9eAwYftWQW6M4tS2+l6hKfG4GB3gS5a9Kc7u90G0=",
                "x-wc-webhook-id: 7",
                "x-wc-webhook-delivery-id: d1",
                "webhook-id: d1",
                "webhook-timestamp: 1614265330",
                &standard,
            ]
        );
        assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), r#"{"id":42}"#);
    }

    /// Vectors computed with Python's `hmac`: over a body with escapes, and the Standard Webhooks text over it.
    #[test]
    fn phps_form_is_what_gets_signed() {
        let webhook = Webhook { wordpress_json: true, ..webhook() };
        let event = event(
            "action.woocommerce_add_to_cart",
            r#"{"id":7,"name":"緑茶 100g","permalink":"https://shop.example/p/7"}"#,
        );
        let request = delivery(&webhook, &event, "d1").unwrap();
        let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("x-wc-webhook-signature"), "v1Hm6uCZBWYJXsGsNZ+jTWB2tfgB+OmET6qumkX9ivQ=");
        assert_eq!(header("webhook-signature"), "v1,YHik5+vAC/L2+SUeu29/SUqG9dQJ22FoOBwP7DrBSrk=");
        assert_eq!(
            (header("x-wc-webhook-resource"), header("x-wc-webhook-event")),
            ("action".into(), "woocommerce_add_to_cart".into())
        );
    }

    #[tokio::test]
    async fn a_ping_is_a_form_field_and_nothing_else() {
        let webhook = Webhook { headers: vec![("X-WC-Webhook-ID".into(), "1".into())], ..webhook() };
        let request = ping(&webhook, &Extensions::new()).unwrap();
        let expected = [
            "host: erp.example",
            "user-agent: WooCommerce/8.0.2 Hookshot (WordPress/6.3)",
            "accept: */*",
            "content-type: application/x-www-form-urlencoded",
        ];
        assert_eq!(lines(&request), expected);
        assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), "webhook_id=7");
    }

    #[test]
    fn ids_tell_deliveries_apart_and_stay() {
        let id = |uid, webhook, replay| delivery_id(&[3; 32], EventUid([uid; 16]), WebhookId(webhook), replay);
        assert_eq!(id(1, 1, 0), "73e118d5e0d0a9ecf4c8fe9deda7f69c");
        let all = [id(1, 1, 0), id(2, 1, 0), id(1, 2, 0), id(1, 1, 1)];
        assert!(all.iter().all(|one| all.iter().filter(|other| *other == one).count() == 1), "{all:?}");
    }

    #[test]
    fn urls_are_taken_apart() {
        let rows = [
            ("https://erp.example", Ok(("https://erp.example/", None))),
            ("http://erp.example:80/a", Ok(("http://erp.example/a", None))),
            ("http://[::1]:9000/a?b", Ok(("http://[::1]:9000/a?b", None))),
            ("https://u:p%40ss@erp.example:8443/", Ok(("https://erp.example:8443/", Some("Basic dTpwQHNz")))),
            ("ftp://erp.example/", Err("the delivery URL ftp://erp.example/ must begin with http:// or https://")),
            ("/in", Err("the delivery URL /in must begin with http:// or https://")),
            ("https://u:p@erp example/", Err("the delivery URL https://erp example/ is no valid URL")),
        ];
        for (url, expected) in rows {
            let got = target(url).map(|(uri, login)| (uri.to_string(), login));
            let expected =
                expected.map(|(uri, login)| (uri.to_owned(), login.map(str::to_owned))).map_err(str::to_owned);
            assert_eq!(got, expected, "{url}");
        }
    }

    #[test]
    fn a_header_that_cannot_be_sent_is_named_without_its_value() {
        let webhook = Webhook { headers: vec![("X-Token".into(), "a\r\nb".into())], ..webhook() };
        let fault = delivery(&webhook, &event("order.created", "{}"), "d").unwrap_err();
        assert_eq!(fault, "the header `X-Token` holds a line break or a control character");
    }
}
