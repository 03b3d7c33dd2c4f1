//! A receiver as WooCommerce clients are: takes POSTs and believes only what is signed with its secret.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::mac::verify_base64;

/// Something that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// WooCommerce's ping: a form body, unsigned.
    Ping(String),
    /// A delivery.
    Delivery(Delivery),
}

/// One delivery as the receiver saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Delivery {
    /// `X-WC-Webhook-Topic`.
    pub(super) topic: String,
    /// What it is about: the body's `id`, or the `arg` of an action.
    pub(super) about: String,
    /// `X-WC-Webhook-Delivery-ID`.
    pub(super) id: String,
    /// Whether `X-WC-Webhook-Signature` is that of the body.
    pub(super) signed: bool,
    /// How long the body is.
    pub(super) bytes: usize,
}

#[derive(Clone, Debug)]
struct Receiver {
    secret: String,
    sender: mpsc::Sender<Received>,
}

/// A receiver that tells `sender` what arrives.
pub(super) fn router(secret: String, sender: mpsc::Sender<Received>) -> Router {
    Router::new().route("/webhook", post(receive)).with_state(Receiver { secret, sender })
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let received = read(&receiver.secret, &headers, &body);
    let fine = !matches!(&received, Received::Delivery(delivery) if !delivery.signed);
    // Nobody listens any more: the demo ends.
    if receiver.sender.send(received).await.is_err() {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    if fine { StatusCode::OK } else { StatusCode::UNAUTHORIZED }
}

fn read(secret: &str, headers: &HeaderMap, body: &[u8]) -> Received {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let topic = header("x-wc-webhook-topic");
    if topic.is_empty() {
        return Received::Ping(String::from_utf8_lossy(body).chars().take(80).collect());
    }
    let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
    let about = match parsed.get("id").or_else(|| parsed.get("arg")) {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => String::new(),
    };
    Received::Delivery(Delivery {
        topic: topic.to_owned(),
        about,
        id: header("x-wc-webhook-delivery-id").to_owned(),
        signed: verify_base64(secret.as_bytes(), body, header("x-wc-webhook-signature")),
        bytes: body.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mac::sign_base64;

    #[test]
    fn a_forged_delivery_is_told_from_a_signed_one() {
        let body = br#"{"id":7,"name":"Tea"}"#;
        let mut headers = HeaderMap::new();
        headers.insert("x-wc-webhook-topic", "product.updated".parse().unwrap());
        headers.insert("x-wc-webhook-signature", sign_base64(b"right", &[body]).parse().unwrap());
        for (secret, fine) in [("right", true), ("wrong", false)] {
            let Received::Delivery(delivery) = read(secret, &headers, body) else { panic!("no delivery") };
            assert_eq!((delivery.signed, delivery.about.as_str()), (fine, "7"));
        }
        assert_eq!(read("right", &HeaderMap::new(), b"webhook_id=1"), Received::Ping("webhook_id=1".to_owned()));
    }
}
