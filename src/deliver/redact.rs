//! What an answer must not keep: a receiver may send back what we sent it.

use http::header::{AUTHORIZATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue};

use super::attempt::Report;
use crate::model::{Secret, Verdict, Webhook};

/// Stands where something was.
const MARK: &str = "[redacted]";

/// Headers of ours that prove who we are; their values are looked for in the answer.
const OURS: [&str; 3] = ["x-wc-webhook-signature", "webhook-signature", "authorization"];

/// No longer than the name of a scheme (`Basic`, `v1`), in bytes.
const SCHEME: usize = 6;

/// A secret shorter than this, in bytes, would be found in words that have nothing to do with it.
const LEAST_SECRET: usize = 4;

/// The same for the values of a webhook's own headers, most of which are no secrets.
const LEAST_HEADER: usize = 12;

/// What was sent that the answer must not keep, beside what the webhook's table says.
#[derive(Debug)]
pub(super) struct Sent([Option<HeaderValue>; OURS.len()]);

impl Sent {
    /// Of a request with these headers.
    pub(super) fn with(headers: &HeaderMap) -> Self {
        Self(OURS.map(|name| headers.get(name).cloned()))
    }

    fn values(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flatten().filter_map(|value| value.to_str().ok()).flat_map(|value| {
            // `v1,… v1,…` and `Basic …`: the parts that matter are also found without their scheme.
            std::iter::once(value).chain(value.split([',', ' '])).filter(|part| part.len() > SCHEME)
        })
    }
}

/// How a secret that is not made of letters and digits alone stands in a form, in JSON (PHP escapes slashes) and in HTML.
fn spellings(secret: &str) -> Vec<String> {
    if secret.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Vec::new();
    }
    let form: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let json = serde_json::Value::from(secret).to_string();
    let json = json.trim_matches('"').to_owned();
    let html = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let slashes = json.replace('/', "\\/");
    [form, json, slashes, html].into_iter().filter(|written| written != secret).collect()
}

/// Takes secrets and the fields of `[shop] redact` out of what is kept of the answer to what was sent.
pub(super) fn answer(report: &mut Report, webhook: &Webhook, sent: &Sent) {
    let clean = |text: &mut String| {
        let own = webhook.headers.iter().map(|(_, value)| value.as_str()).filter(|value| value.len() >= LEAST_HEADER);
        let old = webhook.old_secrets.iter().map(|old| &old.secret);
        let secrets = std::iter::once(&webhook.secret).chain(old).map(Secret::expose);
        for secret in sent.values().chain(own).chain(secrets).filter(|secret| secret.len() >= LEAST_SECRET) {
            // Most of what is looked through is shorter than any secret, and preparing a search costs more than the search.
            if secret.len() > text.len() {
                continue;
            }
            if text.contains(secret) {
                *text = text.replace(secret, MARK);
            }
            for written in spellings(secret) {
                if text.contains(&written) {
                    *text = text.replace(&written, MARK);
                }
            }
        }
    };
    clean(&mut report.answer);
    report.answer = webhook.redact.text(&report.answer);
    for (name, value) in &mut report.headers {
        *value = webhook.redact.header(name, value);
        if [SET_COOKIE.as_str(), AUTHORIZATION.as_str()].contains(&name.as_str()) {
            MARK.clone_into(value);
        } else {
            clean(value);
        }
    }
    if let Verdict::Failed { text, .. } = &mut report.verdict {
        clean(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FailureClass, Redaction, WebhookId};

    #[test]
    fn what_comes_back_of_ours_is_not_kept() {
        let webhook = Webhook {
            secret: Secret::new("s3cr3t".to_owned()),
            redact: Redaction::new(&["iban".to_owned()]),
            headers: vec![("x-api-key".into(), "k-0123456789".into()), ("x-tenant".into(), "yes".into())],
            ..Webhook::new(WebhookId(1), "erp", "https://erp.example/")
        };
        let mut headers = HeaderMap::new();
        headers.insert("x-wc-webhook-signature", "abc123=".parse().unwrap());
        headers.insert("webhook-signature", "v1,xyz789=".parse().unwrap());
        headers.insert("authorization", "Basic dTpwYXNz".parse().unwrap());
        let sent = Sent::with(&headers);
        let mut report = Report::failed(FailureClass::Status, "refused s3cr3t");
        report.answer =
            r#"{"sig":"abc123=","std":"xyz789=","auth":"dTpwYXNz","key":"s3cr3t k-0123456789","iban":"DE1","ok":"yes"}"#
                .into();
        report.headers = vec![("set-cookie".into(), "sid=1".into()), ("x-echo".into(), "Basic dTpwYXNz".into())];
        answer(&mut report, &webhook, &sent);
        let mark = r#""[redacted]""#;
        assert_eq!(
            report.answer,
            format!(
                r#"{{"sig":{mark},"std":{mark},"auth":{mark},"key":"[redacted] [redacted]","iban":{mark},"ok":"yes"}}"#
            )
        );
        assert!(report.headers.iter().all(|(_, value)| value == MARK), "{:?}", report.headers);
        assert_eq!(report.failure(), "refused [redacted]");
    }

    #[test]
    fn a_secret_is_found_however_it_is_written() {
        let secret = "a/b+c=\"<d>&";
        let webhook = Webhook {
            secret: Secret::new(secret.to_owned()),
            ..Webhook::new(WebhookId(1), "erp", "https://e.example/")
        };
        for written in
            ["a%2Fb%2Bc%3D%22%3Cd%3E%26", r#"a/b+c=\"<d>&"#, r#"a\/b+c=\"<d>&"#, "a/b+c=&quot;&lt;d&gt;&amp;", secret]
        {
            let mut report = Report::failed(FailureClass::Status, "refused");
            report.answer = format!("sig: {written};");
            answer(&mut report, &webhook, &Sent::with(&HeaderMap::new()));
            assert_eq!(report.answer, "sig: [redacted];", "{written}");
        }
    }
}
