//! What an answer must not keep: a receiver may send back what we sent it.

use http::HeaderMap;
use http::header::{AUTHORIZATION, SET_COOKIE};

use super::attempt::Report;
use crate::model::{Verdict, Webhook};

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

/// Values that the answer to this request must not keep.
pub(super) fn secrets(webhook: &Webhook, headers: &HeaderMap) -> Vec<String> {
    let sent = OURS.iter().filter_map(|name| headers.get(*name)?.to_str().ok()).flat_map(|value| {
        // `v1,… v1,…` and `Basic …`: the parts that matter are also found without their scheme.
        std::iter::once(value).chain(value.split([',', ' '])).map(str::to_owned).filter(|part| part.len() > SCHEME)
    });
    let own = webhook.headers.iter().map(|(_, value)| value.clone()).filter(|value| value.len() >= LEAST_HEADER);
    let old = webhook.old_secrets.iter().map(|old| &old.secret);
    let secrets = std::iter::once(&webhook.secret).chain(old).map(|secret| secret.expose().to_owned());
    let all = sent.chain(own).chain(secrets);
    all.filter(|secret| secret.len() >= LEAST_SECRET).collect()
}

/// Takes secrets and the fields of `[shop] redact` out of what is kept of an answer.
pub(super) fn answer(report: &mut Report, webhook: &Webhook, secrets: &[String]) {
    // Most of what is looked through is shorter than any secret, and preparing a search costs more than the search.
    let clean = |text: &str| {
        let fits = secrets.iter().filter(|secret| secret.len() <= text.len());
        fits.fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), MARK))
    };
    report.answer = webhook.redact.text(&clean(&report.answer));
    for (name, value) in &mut report.headers {
        let is_secret = [SET_COOKIE.as_str(), AUTHORIZATION.as_str()].contains(&name.as_str());
        *value = if is_secret { MARK.to_owned() } else { clean(value) };
    }
    if let Verdict::Failed { text, .. } = &mut report.verdict {
        *text = clean(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FailureClass, Redaction, Secret, WebhookId};

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
        let secrets = secrets(&webhook, &headers);
        let mut report = Report::failed(FailureClass::Status, "refused s3cr3t");
        report.answer =
            r#"{"sig":"abc123=","std":"xyz789=","auth":"dTpwYXNz","key":"s3cr3t k-0123456789","iban":"DE1","ok":"yes"}"#
                .into();
        report.headers = vec![("set-cookie".into(), "sid=1".into()), ("x-echo".into(), "Basic dTpwYXNz".into())];
        answer(&mut report, &webhook, &secrets);
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
}
