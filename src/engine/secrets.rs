//! Where secrets come from: the file itself, the environment, or a file of their own.

use std::path::Path;

use super::directory::read_file;
use crate::model::Secret;
use crate::rules::SecretSource;

/// Bytes a secret file may have.
pub(super) const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// The secret, or what is wrong with its source, for people (never the secret itself).
pub(super) fn resolve(source: &SecretSource) -> Result<Secret, String> {
    match source {
        SecretSource::Literal(secret) => Ok(secret.clone()),
        SecretSource::Env(name) => from_environment(name),
        SecretSource::File(path) => from_file(path),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "rules name variables that settings cannot know; read when a ruleset is loaded"
)]
fn from_environment(name: &str) -> Result<Secret, String> {
    match std::env::var(name) {
        Ok(text) if !text.is_empty() => Ok(Secret::new(text)),
        Ok(_) => Err(format!("the environment variable {name} is empty")),
        Err(std::env::VarError::NotPresent) => Err(format!("the environment variable {name} is not set")),
        Err(std::env::VarError::NotUnicode(_)) => Err(format!("the environment variable {name} is not UTF-8")),
    }
}

fn from_file(path: &str) -> Result<Secret, String> {
    let bytes = read_file(Path::new(path), MAX_SECRET_BYTES)
        .map_err(|error| format!("the secret file {path} cannot be read: {error}"))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("the secret file {path} is not UTF-8"))?;
    let text = text.strip_suffix('\n').map_or(text.as_str(), |cut| cut.strip_suffix('\r').unwrap_or(cut));
    if text.is_empty() { Err(format!("the secret file {path} is empty")) } else { Ok(Secret::new(text.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_trailing_newline_is_cut_and_faults_name_the_source() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, "a b \n\n").unwrap();
        let source = SecretSource::File(path.display().to_string());
        assert_eq!(resolve(&source).unwrap().expose(), "a b \n");
        let missing = resolve(&SecretSource::File("/nowhere/secret".into())).unwrap_err();
        assert!(missing.contains("/nowhere/secret"), "{missing}");
        for (path, why) in
            [("/dev/zero", "no regular file"), ("/", "no regular file"), ("/dev/null", "no regular file")]
        {
            let odd = resolve(&SecretSource::File(path.into())).unwrap_err();
            assert!(odd.contains(why), "{odd}");
        }
        let unset = resolve(&SecretSource::Env("SHOPBELL_TEST_UNSET".into())).unwrap_err();
        assert!(unset.contains("SHOPBELL_TEST_UNSET is not set"), "{unset}");
    }
}
