//! What a delivery is signed with: WooCommerce's header carries one signature, that of Standard Webhooks as many as there are
//! secrets in force.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::clock::Timestamp;
use crate::mac;
use crate::model::Webhook;

/// How the secrets of Standard Webhooks begin (specification 1.0.0, "signature scheme"); base64 follows.
const STANDARD_PREFIX: &str = "whsec_";

/// Base64 with or without its padding, as the libraries take it.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// `X-WC-Webhook-Signature`: base64(HMAC-SHA256(secret, body)), the secret as it is written.
pub(super) fn woocommerce(webhook: &Webhook, body: &[u8]) -> String {
    mac::sign_base64(webhook.secret.expose().as_bytes(), &[body])
}

/// `webhook-signature`: `v1,` and base64(HMAC-SHA256(key, `id.timestamp.body`)) for the secret and each one of before that
/// still signs at `now`, with spaces between them. The key is the secret as it is written, or, where it begins with
/// `whsec_`, the bytes its base64 stands for.
pub(super) fn standard(webhook: &Webhook, id: &str, at: &str, body: &[u8], now: Timestamp) -> String {
    let old = webhook.old_secrets.iter().filter(|old| old.until > now).map(|old| &old.secret);
    let signed: [&[u8]; 5] = [id.as_bytes(), b".", at.as_bytes(), b".", body];
    let signatures = std::iter::once(&webhook.secret).chain(old).map(|secret| {
        let signature = mac::sign_base64(&key(secret.expose()), &signed);
        format!("v1,{signature}")
    });
    signatures.collect::<Vec<_>>().join(" ")
}

fn key(secret: &str) -> Cow<'_, [u8]> {
    let decoded = secret.strip_prefix(STANDARD_PREFIX).and_then(|text| LENIENT.decode(text).ok());
    decoded.map_or(Cow::Borrowed(secret.as_bytes()), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{OldSecret, Secret, WebhookId};

    /// The vector of the libraries' own tests (npm and PyPI `standardwebhooks`).
    #[test]
    fn a_standard_secret_is_read_as_its_libraries_read_it() {
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into());
        let webhook = Webhook { secret, ..Webhook::new(WebhookId(1), "erp", "https://erp.example/") };
        let body = br#"{"test": 2432232314}"#;
        let signature = standard(&webhook, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body, Timestamp::default());
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn old_secrets_sign_beside_the_new_one_until_their_moment() {
        let old =
            |text: &str, until| OldSecret { secret: Secret::new(text.into()), until: Timestamp::from_millis(until) };
        let webhook = Webhook {
            secret: Secret::new("new".into()),
            old_secrets: vec![old("old", 1_000), old("older", 500)],
            ..Webhook::new(WebhookId(1), "erp", "https://erp.example/")
        };
        let sign = |secret: &str| format!("v1,{}", mac::sign_base64(secret.as_bytes(), &[b"i.1.{}"]));
        let at = |millis| standard(&webhook, "i", "1", b"{}", Timestamp::from_millis(millis));
        assert_eq!(at(499), [sign("new"), sign("old"), sign("older")].join(" "));
        assert_eq!(at(500), [sign("new"), sign("old")].join(" "));
        assert_eq!(at(1_000), sign("new"));
        assert_eq!(woocommerce(&webhook, b"{}"), mac::sign_base64(b"new", &[b"{}"]), "one secret, the new one");
    }
}
