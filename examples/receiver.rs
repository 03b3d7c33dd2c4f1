//! Receives webhooks, checks their signatures and prints them.
//!
//! `cargo run --example receiver -- --listen 127.0.0.1:9000 --secret s3cr3t`, and in the rules:
//! `[webhook.mine]` with `url = "http://127.0.0.1:9000/"` and the same secret; start shopbell with
//! `--allow-delivery-to 127.0.0.0/8`, since receivers on this machine are refused otherwise.

#![expect(clippy::print_stdout, reason = "printing is all it does")]

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::any;
use shopbell::mac;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut listen, mut secret) = ("127.0.0.1:9000".to_owned(), None);
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        match (name.as_str(), arguments.next()) {
            ("--listen", Some(value)) => listen = value,
            ("--secret", Some(value)) => secret = Some(value),
            (name, _) => return Err(format!("`{name}`: use --listen ADDRESS and --secret TEXT").into()),
        }
    }
    let secret: Arc<str> = secret.ok_or("--secret is missing: the secret of the webhook")?.into();
    let listener = tokio::net::TcpListener::bind(&listen).await?;
    println!("listening on http://{}/", listener.local_addr()?);
    axum::serve(listener, Router::new().fallback(any(receive)).with_state(secret)).await?;
    Ok(())
}

/// Answers soon and with 2xx: whatever takes long belongs behind a queue of the receiver's own.
async fn receive(State(secret): State<Arc<str>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let text = String::from_utf8_lossy(&body);
    // The ping is a form field, has no headers of WooCommerce's and is not signed.
    if header("x-wc-webhook-id").is_empty() && text.starts_with("webhook_id=") {
        println!("ping       {text}");
        return StatusCode::OK;
    }
    // Over the bytes as they came: JSON that was read and written again is not the same text.
    if !mac::verify_base64(secret.as_bytes(), &body, header("x-wc-webhook-signature")) {
        println!("refused    signature of {} is wrong", header("x-wc-webhook-delivery-id"));
        return StatusCode::UNAUTHORIZED;
    }
    // The same delivery may come twice (the answer got lost): its id is the same then.
    println!("{:<10} {} {text}", header("x-wc-webhook-topic"), header("x-wc-webhook-delivery-id"));
    StatusCode::NO_CONTENT
}
