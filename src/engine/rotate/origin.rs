//! Where the secret of now is.

use std::path::Path;
use std::time::Duration;

use crate::model::{Secret, Timestamp};
use crate::rules::{OldSecretSource, Ruleset, SecretSource, WebhookConfig};

use super::super::directory::read_file;
use super::super::secrets::{MAX_SECRET_BYTES, resolve};
use super::edit::previous_entry;
use super::{Edited, Origin, RotateError, at};

/// Where the secret of now is, and how `secret_previous` can name it. (That of a file gets a file of its own.)
pub(super) fn old_secret(
    ruleset: &Ruleset,
    config: &WebhookConfig,
    made: Option<Secret>,
    now: Timestamp,
) -> Result<(Origin, Option<SecretSource>), RotateError> {
    match &config.secret {
        Some(literal @ SecretSource::Literal(_)) => Ok((Origin::Literal, Some(literal.clone()))),
        Some(SecretSource::File(path)) => Ok((Origin::File(path.clone()), None)),
        Some(SecretSource::Env(variable)) => Err(RotateError::Refused(by_hand(config, variable, now))),
        // The webhook gets a secret of its own: the key's is also what a client of the API logs in with.
        None => match ruleset.keys.iter().find(|key| key.default) {
            Some(key) => Ok((Origin::Key(key.name.clone()), Some(key.secret.clone()))),
            None => Ok((Origin::Made, made.map(SecretSource::Literal))),
        },
    }
}

/// What to do where the secret comes from the environment, which no other program can change.
fn by_hand(config: &WebhookConfig, variable: &str, now: Timestamp) -> String {
    let old = format!("{variable}_OLD");
    let until = now.plus(Duration::from_hours(24));
    let entry = previous_entry(&OldSecretSource { secret: SecretSource::Env(old.clone()), until });
    let (name, file, line) = (&config.name, &config.place.file, config.place.line);
    format!(
        "webhook `{name}` has its secret from the environment variable {variable}, which only whoever starts shopbell can \
         change. By hand:\n\
         \x20 1. where shopbell gets its environment, set {old} to the secret of now, and {variable} to the new one\n\
         \x20 2. in [webhook.{name}] ({file}:{line}), write below `secret`:\n\
         \x20    secret_previous = [{entry}]\n\
         \x20 3. restart shopbell at once: until then it refuses the edit, as it does not have {old}\n\
         A secret in a file, secret = {{ file = \"…\" }}, can be rotated without a restart."
    )
}

/// The secret's own file and the secret it holds, where it has one.
pub(super) fn own_file(
    ruleset: &Ruleset,
    config: &WebhookConfig,
    origin: &Origin,
    base: &Path,
) -> Result<Option<(Edited, Secret)>, RotateError> {
    let Origin::File(named) = origin else { return Ok(None) };
    let path = base.join(named);
    if let Some(other) = shared(ruleset, config, &path, base) {
        return Err(RotateError::Refused(format!(
            "webhook `{}` has its secret from the file {named}, and so has {other}, which would change with it: give one of them \
             a file of its own first",
            config.name
        )));
    }
    let secret = resolve(&SecretSource::File(path.display().to_string())).map_err(RotateError::Refused)?;
    let before = read_file(&path, MAX_SECRET_BYTES).map_err(at(&path))?;
    Ok(Some((Edited { path, before, after: Vec::new() }, secret)))
}

/// Who else has a secret from this file.
fn shared(ruleset: &Ruleset, config: &WebhookConfig, path: &Path, base: &Path) -> Option<String> {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let own = real(path);
    let is_own = |source: &SecretSource| matches!(source, SecretSource::File(path) if real(&base.join(path)) == own);
    let webhooks = ruleset.webhooks.iter().filter(|webhook| webhook.name != config.name);
    let webhooks = webhooks.map(|webhook| (format!("webhook `{}`", webhook.name), webhook.secret.as_ref()));
    let keys = ruleset.keys.iter().map(|key| (format!("[key.{}]", key.name), Some(&key.secret)));
    let alert = ruleset.shop.alert.iter().map(|alert| ("[shop] `alert`".to_owned(), Some(&alert.secret)));
    let access = ruleset.access.iter().flat_map(|access| {
        let form = access.login.iter().flat_map(|login| &login.form);
        let named = access.headers.iter().chain(form).map(|(_, source)| source).chain(&access.basic);
        named.map(|source| (format!("[access.{}]", access.name), Some(source)))
    });
    let mut all = webhooks.chain(keys).chain(alert).chain(access);
    all.find(|(_, source)| source.is_some_and(is_own)).map(|(who, _)| who)
}
