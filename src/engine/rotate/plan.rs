//! Planning: the edit is made in memory, and the directory compiled as it would be.

use std::path::Path;

use crate::diagnostic::{Severity, nearest};
use crate::model::{Secret, Timestamp};
use crate::rules::{OLD_SECRETS, OldSecretSource, Ruleset, SecretSource, SourceFile, WebhookConfig};

use super::super::directory::{fingerprint, read_directory};
use super::super::loader::compile_aside;
use super::edit::{Change, EditError, edit, until_text};
use super::origin::{old_secret, own_file};
use super::{Edited, Origin, RotateError, Rotation, Wish, new_secret};

/// Plans it for the rules in `dir`; secret files with relative paths are below `base`, the directory the process runs in.
pub async fn plan(dir: &Path, base: &Path, wish: Wish, now: Timestamp) -> Result<Rotation, RotateError> {
    let files = read_directory(dir).map_err(RotateError::Faults)?;
    if files.is_empty() {
        let text = format!("there are no rules in {}: name the rules directory with --rules", dir.display());
        return Err(RotateError::Refused(text));
    }
    let before = fingerprint(&files);
    let (mut files, ruleset) = compiled(files).await?;
    let config = webhook(&ruleset, &wish.webhook)?;
    let (origin, old) = old_secret(&ruleset, config, wish.made, now)?;
    let own = own_file(&ruleset, config, &origin, base)?;
    let of_now = own.as_ref().map(|(_, secret)| secret).or_else(|| literal(old.as_ref()));
    let secret = new_secret::choose(wish.given, of_now).map_err(RotateError::Refused)?;

    // The secret of a file is to be found in a copy of that file.
    let copy = match &origin {
        Origin::File(path) => Some(format!("{path}.old-{}", now.format("%Y%m%dT%H%M%SZ", &jiff::tz::TimeZone::UTC))),
        Origin::Literal | Origin::Made | Origin::Key(_) => None,
    };
    let until = (!wish.keep.is_zero()).then(|| whole_second(now.plus(wish.keep)));
    let old = copy.clone().map(SecretSource::File).or(old).zip(until);
    let old = old.map(|(secret, until)| OldSecretSource { secret, until });
    let (ended, standing): (Vec<_>, Vec<_>) =
        config.old_secrets.iter().enumerate().partition(|(_, entry)| entry.until <= now);
    let standing: Vec<&OldSecretSource> = standing.into_iter().map(|(_, entry)| entry).collect();
    room(config, old.as_ref(), &standing)?;

    let written = own.is_none().then(|| SecretSource::Literal(secret.clone()));
    let places: Vec<usize> = ended.iter().map(|(at, _)| *at).collect();
    let change = Change { secret: own.is_none().then(|| secret.expose()), old: old.as_ref(), ended: &places };
    let rules = edited(dir, &mut files, config, &change)?;
    let fingerprints = (before, fingerprint(&files));
    let previous: Vec<OldSecretSource> = old.iter().chain(standing.iter().copied()).cloned().collect();
    check(files, config, written.as_ref().or(config.secret.as_ref()), &previous).await?;

    let kept = own.as_ref().zip(copy).filter(|_| old.is_some());
    let kept = kept.map(|((file, _), path)| (base.join(path), file.before.clone()));
    let own =
        own.map(|(file, _)| Edited { after: [secret.expose().as_bytes(), line_end(&file.before)].concat(), ..file });
    Ok(Rotation {
        webhook: config.name.clone(),
        origin,
        until: old.map(|old| old.until),
        earlier: standing.iter().map(|entry| entry.until).collect(),
        leftover: leftover(&ended, &previous),
        fingerprints,
        secret,
        rules,
        kept,
        own,
    })
}

fn literal(source: Option<&SecretSource>) -> Option<&Secret> {
    match source {
        Some(SecretSource::Literal(secret)) => Some(secret),
        _ => None,
    }
}

async fn compiled(files: Vec<SourceFile>) -> Result<(Vec<SourceFile>, Ruleset), RotateError> {
    let (files, loaded) = compile_aside(files).await;
    match loaded.ruleset {
        Some(ruleset) => Ok((files, ruleset)),
        None => Err(RotateError::Faults(
            loaded.diagnostics.into_iter().filter(|fault| fault.severity == Severity::Error).collect(),
        )),
    }
}

fn webhook<'r>(ruleset: &'r Ruleset, name: &str) -> Result<&'r WebhookConfig, RotateError> {
    ruleset.webhooks.iter().find(|config| config.name == name).ok_or_else(|| {
        let near = nearest(name, ruleset.webhooks.iter().map(|config| config.name.as_str()));
        let hint = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        RotateError::Refused(format!("there is no webhook `{name}` in the rules{hint}"))
    })
}

/// Refuses a secret too many: one that was promised to sign on is not cut short.
fn room(
    config: &WebhookConfig,
    old: Option<&OldSecretSource>,
    standing: &[&OldSecretSource],
) -> Result<(), RotateError> {
    if old.is_none() || standing.len() < OLD_SECRETS {
        return Ok(());
    }
    let first = standing.iter().map(|entry| entry.until).min().map(until_text).unwrap_or_default();
    Err(RotateError::Refused(format!(
        "webhook `{}` has {OLD_SECRETS} old secrets that still sign, and there may be no more; the first ends at {first}. \
         Wait, take one out of `secret_previous` in {}, or let the secret of now end at once with --keep 0",
        config.name, config.place.file
    )))
}

/// Edits the webhook's file among `files`. `None` if there is nothing to edit.
fn edited(
    dir: &Path,
    files: &mut [SourceFile],
    config: &WebhookConfig,
    change: &Change<'_>,
) -> Result<Option<Edited>, RotateError> {
    let (name, file) = (&config.name, &config.place.file);
    let found = files.iter_mut().find(|source| source.path == *file);
    let source = found.ok_or_else(|| fault_of_ours(name))?;
    let text = std::str::from_utf8(&source.bytes).map_err(|_| fault_of_ours(name))?;
    let after = edit(text, name, change).map_err(|error| match error {
        EditError::NotFound => fault_of_ours(name),
        EditError::TablesOfTheirOwn => RotateError::Refused(format!(
            "`secret_previous` of webhook `{name}` stands in tables of its own in {file}; write it as a list, \
             secret_previous = [{{ secret = …, until = … }}], and try again"
        )),
    })?;
    let before = std::mem::replace(&mut source.bytes, after.into_bytes());
    let after = source.bytes.clone();
    Ok((before != after).then(|| Edited { path: dir.join(file), before, after }))
}

/// Compiles the directory as it would be, and sees that the webhook comes out of it as it is meant to.
async fn check(
    files: Vec<SourceFile>,
    before: &WebhookConfig,
    secret: Option<&SecretSource>,
    previous: &[OldSecretSource],
) -> Result<(), RotateError> {
    let (_, ruleset) = compiled(files).await?;
    let config = webhook(&ruleset, &before.name)?;
    let as_meant = config.secret.as_ref() == secret && config.old_secrets == previous;
    if as_meant { Ok(()) } else { Err(fault_of_ours(&before.name)) }
}

fn fault_of_ours(name: &str) -> RotateError {
    RotateError::Refused(format!(
        "the table of webhook `{name}` cannot be edited by this program; this is a fault of shopbell. Change `secret` by hand, \
         and put the old one into `secret_previous`"
    ))
}

/// Files that only entries that have ended name.
fn leftover(ended: &[(usize, &OldSecretSource)], standing: &[OldSecretSource]) -> Vec<String> {
    let stands = |path: &String| standing.iter().any(|entry| entry.secret == SecretSource::File(path.clone()));
    let files = ended.iter().filter_map(|(_, entry)| match &entry.secret {
        SecretSource::File(path) => Some(path.clone()),
        _ => None,
    });
    files.filter(|path| !stands(path)).collect()
}

fn line_end(bytes: &[u8]) -> &'static [u8] {
    match bytes {
        [.., b'\r', b'\n'] => b"\r\n",
        [.., b'\n'] => b"\n",
        _ => b"",
    }
}

/// `until` is written in whole seconds: rounded up, so that the window is as long as was asked for.
fn whole_second(at: Timestamp) -> Timestamp {
    let millis = at.as_millis();
    Timestamp::from_millis(millis + (1_000 - millis.rem_euclid(1_000)) % 1_000)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::engine::active::name_webhooks;
    use crate::engine::receivers::resolve_webhooks;
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_millis(1_793_722_020_001); // 2026-11-03T16:07:00.001Z

    /// What deliveries would be signed with, the secret first, by whoever reads the directory now.
    async fn signing(dir: &Path) -> Vec<String> {
        let (_, ruleset) = compiled(read_directory(dir).unwrap()).await.unwrap();
        let rows = name_webhooks(&ruleset.webhooks, &[], 1, NOW).rows;
        let (webhooks, faults) = resolve_webhooks(&ruleset, &rows, NOW);
        assert!(faults.is_empty(), "{faults:?}");
        let old = webhooks[0].old_secrets.iter().map(|old| old.secret.expose().to_owned());
        std::iter::once(webhooks[0].secret.expose().to_owned()).chain(old).collect()
    }

    fn wish(keep: u64) -> Wish {
        Wish::new("erp".into(), Some("new".into()), None, Duration::from_secs(keep))
    }

    #[tokio::test]
    async fn at_every_step_a_known_secret_signs() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        fs::write(&file, "old\r\n").unwrap();
        let secret = format!("secret = {{ file = \"{}\" }}\n", file.display());
        let more = format!(
            "secret_previous = [\n  {{ secret = {{ file = \"{}/gone\" }}, until = 2026-11-03T16:07:00Z }},\n  \
             {{ secret = \"older\", until = 2026-11-03T16:08:00Z }},\n]\n",
            dir.path().display()
        );
        let table = format!("[webhook.erp]\ntopic = \"*\"\nurl = \"https://erp.example/\"\n{secret}{more}");
        fs::write(dir.path().join("w.toml"), table).unwrap();

        let rotation = plan(dir.path(), Path::new(""), wish(60), NOW).await.unwrap();
        assert_eq!(rotation.until.map(until_text).as_deref(), Some("2026-11-03T16:08:01Z"), "a whole minute at least");
        assert_eq!(rotation.leftover, [format!("{}/gone", dir.path().display())]);
        let staged = rotation.stage().unwrap();
        assert_eq!(signing(dir.path()).await, ["old", "older"], "nothing has changed");
        let last = staged.put().unwrap().expect("the secret file");
        assert_eq!(signing(dir.path()).await, ["old", "old", "older"], "the receiver knows it");
        last.put().unwrap();
        assert_eq!(signing(dir.path()).await, ["new", "old", "older"]);
        assert_eq!(fs::read(&file).unwrap(), b"new\r\n");
        assert!(!fs::read_to_string(dir.path().join("w.toml")).unwrap().contains("gone"));

        let rotation = plan(dir.path(), Path::new(""), Wish { given: None, ..wish(0) }, NOW).await.unwrap();
        assert_eq!(rotation.files(), [file.as_path()], "the old secret ends, and the rules say nothing new");
    }

    #[tokio::test]
    async fn relative_secret_files_are_below_the_base() {
        let (dir, base) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(base.path().join("s"), "old").unwrap();
        let table = "[webhook.erp]\ntopic = \"*\"\nurl = \"https://erp.example/\"\nsecret = { file = \"s\" }\n";
        fs::write(dir.path().join("w.toml"), table).unwrap();
        let rotation = plan(dir.path(), base.path(), wish(1), NOW).await.unwrap();
        let copy = base.path().join("s.old-20261103T160700Z");
        assert_eq!(rotation.files(), [copy.as_path(), &dir.path().join("w.toml"), &base.path().join("s")]);
        rotation.stage().unwrap().put().unwrap().unwrap().put().unwrap();
        let rules = fs::read_to_string(dir.path().join("w.toml")).unwrap();
        assert!(rules.contains("{ file = \"s.old-20261103T160700Z\" }"), "{rules}");
        assert_eq!(
            (fs::read(copy).unwrap(), fs::read(base.path().join("s")).unwrap()),
            (b"old".to_vec(), b"new".to_vec())
        );
    }

    #[tokio::test]
    async fn what_somebody_has_edited_meanwhile_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (rules, secret) = (dir.path().join("w.toml"), dir.path().join("s"));
        fs::write(&secret, "old").unwrap();
        let table = "[webhook.erp]\ntopic = \"*\"\nurl = \"https://erp.example/\"\nsecret = { file = \"s\" }\n";
        fs::write(&rules, table).unwrap();
        let staged = plan(dir.path(), dir.path(), wish(1), NOW).await.unwrap().stage().unwrap();
        fs::write(&rules, format!("# mine\n{table}")).unwrap();
        let refused = staged.put().unwrap_err();
        assert!(
            matches!(&refused, RotateError::File { source, .. } if source.to_string().contains("meanwhile")),
            "{refused}"
        );
        assert_eq!(fs::read_to_string(&rules).unwrap(), format!("# mine\n{table}"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "the copy of the secret is gone again");
    }
}
