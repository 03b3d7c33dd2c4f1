//! Webhooks as they deliver: what the files say, with ids given and secrets, certificates and keys read.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::diagnostic::Diagnostic;
use crate::model::{Alert, OldSecret, Redaction, Secret, Timestamp, TlsKeys, Webhook, WebhookName};
use crate::rules::{AlertSource, Place, Ruleset, SecretSource, TlsSource, WebhookConfig};

use super::secrets;

/// Files that secrets, certificates and keys are read from, whether or not they are there now.
pub(super) fn source_files(ruleset: &Ruleset) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut see = |source: &SecretSource| {
        if let SecretSource::File(path) = source {
            files.push(PathBuf::from(path));
        }
    };
    ruleset.keys.iter().for_each(|key| see(&key.secret));
    ruleset.shop.alert.iter().for_each(|alert| see(&alert.secret));
    for config in &ruleset.webhooks {
        config.secret.iter().for_each(&mut see);
        config.old_secrets.iter().for_each(|old| see(&old.secret));
        if let Some(tls) = &config.tls {
            tls.ca.iter().for_each(&mut see);
            tls.client.iter().flat_map(|(certificate, key)| [certificate, key]).for_each(&mut see);
        }
    }
    files.sort();
    files.dedup();
    files
}

/// Reads everything at `now`. A source that fails gives a diagnostic, and its webhook is held where it cannot do without;
/// whether that is a fault is the caller's to say (at start it is not: everything else works).
pub(super) fn resolve_webhooks(
    ruleset: &Ruleset,
    rows: &[WebhookName],
    now: Timestamp,
) -> (Vec<Arc<Webhook>>, Vec<Diagnostic>) {
    let mut faults = Vec::new();
    let default_key = ruleset.keys.iter().find(|key| key.default).map(|key| &key.secret);
    let alert = ruleset.shop.alert.as_ref().and_then(|source| alert(source, &mut faults));
    let webhooks = ruleset.webhooks.iter().zip(rows).map(|(config, row)| {
        let secret = match config.secret.as_ref().or(default_key) {
            Some(source) => {
                secrets::resolve(source).map_err(|text| format!("webhook `{}` has no secret: {text}", config.name))
            }
            None => Ok(Secret::new(row.secret.clone().unwrap_or_default())),
        };
        let tls = config.tls.as_ref().map(tls).transpose();
        let tls = tls.map_err(|text| format!("webhook `{}` cannot use its `tls`: {text}", config.name));
        let held = secret.as_ref().err().or(tls.as_ref().err()).cloned();
        if let Some(text) = &held {
            let hint = "set it where shopbell runs; until then the webhook is held and its events are kept";
            faults.push(fault(&config.place, text.clone(), hint));
        }
        Arc::new(Webhook {
            secret: secret.unwrap_or_default(),
            old_secrets: old_secrets(config, now, &mut faults),
            tls: tls.ok().flatten(),
            alert: alert.clone(),
            held,
            ..webhook(ruleset, config, row)
        })
    });
    (webhooks.collect(), faults)
}

fn fault(place: &Place, message: String, hint: &str) -> Diagnostic {
    let mut fault = Diagnostic::of_file(&place.file, message);
    fault.line = place.line;
    fault.hint(hint)
}

fn alert(source: &AlertSource, faults: &mut Vec<Diagnostic>) -> Option<Arc<Alert>> {
    match secrets::resolve(&source.secret) {
        Ok(secret) => Some(Arc::new(Alert { url: source.url.clone(), secret })),
        Err(text) => {
            let hint = "set it where shopbell runs; until then alerts only stand in the log";
            faults.push(fault(&source.place, format!("`[shop] alert` has no secret: {text}"), hint));
            None
        }
    }
}

/// Those that still sign. One that cannot be read is left out.
fn old_secrets(config: &WebhookConfig, now: Timestamp, faults: &mut Vec<Diagnostic>) -> Vec<OldSecret> {
    let mut old_secrets = Vec::new();
    for old in config.old_secrets.iter().filter(|old| old.until > now) {
        match secrets::resolve(&old.secret) {
            Ok(secret) => old_secrets.push(OldSecret { secret, until: old.until }),
            Err(text) => {
                let text = format!("webhook `{}` has lost a secret of `secret_previous`: {text}", config.name);
                faults.push(fault(&config.place, text, "set it where shopbell runs, or take the entry out"));
            }
        }
    }
    old_secrets
}

/// Reads PEM texts, and sees that they hold what they should.
fn tls(source: &TlsSource) -> Result<Arc<TlsKeys>, String> {
    let read = |what: &str, source: &SecretSource| {
        secrets::resolve(source).map_err(|text| format!("{what}: {}", text.replace("the secret file", "the file")))
    };
    let mut keys = TlsKeys::default();
    if let Some(source) = &source.ca {
        let pem = read("tls.ca", source)?.expose().to_owned();
        certificates("tls.ca", &pem)?;
        keys.ca = Some(pem);
    }
    if let Some((certificate, key)) = &source.client {
        let (chain, key) = (read("tls.client_cert", certificate)?.expose().to_owned(), read("tls.client_key", key)?);
        let certificates = certificates("tls.client_cert", &chain)?;
        let private = PrivateKeyDer::from_pem_slice(key.expose().as_bytes())
            .map_err(|_| "tls.client_key holds no private key in PEM form".to_owned())?;
        CertifiedKey::from_der(certificates, private, &rustls::crypto::aws_lc_rs::default_provider())
            .map_err(|error| format!("tls.client_key does not fit tls.client_cert: {error}"))?;
        keys.client = Some((chain, key));
    }
    Ok(Arc::new(keys))
}

fn certificates(what: &str, pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    match CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>() {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(format!("{what} holds no certificate in PEM form")),
    }
}

/// What is the same whatever could be read.
fn webhook(ruleset: &Ruleset, config: &WebhookConfig, row: &WebhookName) -> Webhook {
    let shop = &ruleset.shop;
    // WooCommerce's default name, in its own spelling of a date.
    let made_title =
        || format!("Webhook created on {}", row.created.format("%b %d, %Y @ %I:%M %p", &jiff::tz::TimeZone::UTC));
    Webhook {
        id: row.id,
        name: config.name.clone(),
        title: config.title.clone().unwrap_or_else(made_title),
        topics: config.topics.clone(),
        url: config.url.clone(),
        secret: Secret::default(),
        status: config.status,
        old_secrets: Vec::new(),
        tls: None,
        api_version: config.api_version,
        created_by: config.created_by.clone(),
        alert: None,
        headers: config.headers.clone(),
        retry: config.retry.clone(),
        timeout: config.timeout,
        concurrency: config.concurrency,
        rate: config.rate,
        ordering: config.ordering,
        max_delivery_failures: config.max_delivery_failures,
        hold_when_paused: config.hold_when_paused,
        wordpress_json: config.wordpress_json,
        redact: Redaction::new(&shop.redact),
        held: None,
        source: shop.url.clone(),
        user_agent: format!("WooCommerce/{} Hookshot (WordPress/{})", shop.wc_version, shop.wp_version),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::active::name_webhooks;
    use crate::rules::{SourceFile, load};

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000); // in 2027

    fn resolved(text: &str) -> (Vec<Arc<Webhook>>, Vec<String>, Vec<PathBuf>) {
        let loaded = load(&[SourceFile { path: "w.toml".into(), bytes: text.as_bytes().to_vec() }]);
        let ruleset = loaded.ruleset.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
        let rows = name_webhooks(&ruleset.webhooks, &[], 1, NOW).rows;
        let (webhooks, faults) = resolve_webhooks(&ruleset, &rows, NOW);
        (webhooks, faults.into_iter().map(|fault| fault.message).collect(), source_files(&ruleset))
    }

    #[test]
    fn everything_a_file_says_reaches_the_webhook() {
        let (webhooks, faults, files) = resolved(
            r#"
            [shop]
            alert = { url = "https://ops.example/", secret = "ops" }
            [webhook.a]
            topic = "*"
            url = "https://a.example/"
            secret = "new"
            secret_previous = [
                { secret = "old", until = "2030-01-01T00:00:00Z" },
                { secret = { file = "/nowhere/older" }, until = "2020-01-01T00:00:00Z" },
            ]
            rate = "600/m"
            ordering = "webhook"
            api_version = "wp_api_v2"
            id = 42
            created_by = "erp-key"
            "#,
        );
        assert!(faults.is_empty(), "a secret that signs no longer need not be there: {faults:?}");
        assert_eq!(files, [PathBuf::from("/nowhere/older")]);
        let webhook = webhooks[0].as_ref().clone();
        assert_eq!((webhook.id.0, webhook.api_version, webhook.created_by.as_deref()), (42, 2, Some("erp-key")));
        assert_eq!(webhook.ordering, crate::model::Ordering::Webhook);
        assert_eq!(webhook.rate.map(|rate| (rate.count, rate.per.as_secs())), Some((600, 60)));
        assert_eq!(webhook.old_secrets.iter().map(|old| old.secret.expose()).collect::<Vec<_>>(), ["old"]);
        assert_eq!(webhook.alert.map(|alert| alert.secret.expose().to_owned()).as_deref(), Some("ops"));
        assert_eq!(webhook.held, None);
    }

    #[test]
    fn what_cannot_be_read_is_named_and_holds_only_what_needs_it() {
        let table = "[webhook.a]\ntopic = \"*\"\nurl = \"https://a.example/\"\nsecret = \"s\"\n";
        let rows = [
            (
                "tls.ca = \"/nowhere/ca.pem\"",
                "webhook `a` cannot use its `tls`: tls.ca: the file /nowhere/ca.pem cannot be read",
                true,
            ),
            (
                "tls.ca = \"-----BEGIN NONSENSE\"",
                "webhook `a` cannot use its `tls`: tls.ca holds no certificate in PEM form",
                true,
            ),
            (
                "secret_previous = [{ secret = { file = \"/nowhere/old\" }, until = \"2030-01-01T00:00:00Z\" }]",
                "webhook `a` has lost a secret of `secret_previous`: the secret file /nowhere/old cannot be read",
                false,
            ),
            (
                "[shop]\nalert = { url = \"https://o.example/\", secret = { file = \"/nowhere/ops\" } }",
                "`[shop] alert` has no secret: the secret file /nowhere/ops cannot be read",
                false,
            ),
        ];
        for (more, says, held) in rows {
            let (webhooks, faults, _) = resolved(&format!("{table}{more}\n"));
            assert!(faults.len() == 1 && faults[0].starts_with(says), "{faults:?}");
            assert_eq!(webhooks[0].held.is_some(), held, "{more}");
        }
    }
}
