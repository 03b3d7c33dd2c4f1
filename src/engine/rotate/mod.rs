//! A new secret for a webhook, the old one signing beside it for a while.
//!
//! [`plan`] reads the rules directory, makes the edit (`edit`) and compiles the directory as it would be; nothing is written.
//! [`Rotation::stage`] writes every file aside, so that what cannot be written shows before anything has changed. Then they
//! are put in place one after the other (`aside`).
//!
//! **The order.** A secret in the rules file is one change of one file: whoever reads sees the old secret, or the new one with
//! the old one beside it. A secret in a file of its own takes three, and a process may read between any two of them, or the
//! machine may stop there:
//!
//! 1. the copy of the old secret: nobody names it yet;
//! 2. the rules file, which names the copy: `secret` and `secret_previous` are both the old secret, so deliveries are signed
//!    with it, twice;
//! 3. the secret file: deliveries are signed with the new secret and the old one.
//!
//! The other way round (3 before 2) deliveries would carry no signature that the receiver knows. For the same reason a running
//! process must have taken the rules file before the secret file follows: a process that refuses the directory reads secret
//! files all the same.

mod aside;
mod edit;
mod new_secret;
mod origin;
mod plan;

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use crate::diagnostic::Diagnostic;
use crate::model::{Secret, Timestamp};

use super::secrets::MAX_SECRET_BYTES;
use aside::Aside;
pub use plan::plan;

/// How long an old secret may sign beside the new one, at most.
pub const MAX_KEEP: Duration = Duration::from_hours(7 * 24);

/// What an operator asks for.
#[derive(Clone, Debug)]
pub struct Wish {
    webhook: String,
    given: Option<Secret>,
    made: Option<Secret>,
    keep: Duration,
}

impl Wish {
    /// For the webhook of this NAME: the new secret, or `None` for a random one; the secret of now where shopbell has made and
    /// kept it; and how long the secret of now signs beside the new one (0: no longer; at most [`MAX_KEEP`]).
    pub fn new(webhook: String, given: Option<String>, made: Option<String>, keep: Duration) -> Self {
        Self { webhook, given: given.map(Secret::new), made: made.map(Secret::new), keep }
    }
}

/// Why there is no new secret. Nothing has been changed.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// The directory does not load, so no edit of it would take effect.
    #[error("the rules have faults, and no edit would take effect: mend them first")]
    Faults(Vec<Diagnostic>),
    /// It cannot be done; the text says why, and what to do.
    #[error("{0}")]
    Refused(String),
    /// A file cannot be read or written.
    #[error("{path} cannot be changed: {source}")]
    File {
        /// Which.
        path: String,
        /// Why not.
        source: io::Error,
    },
}

/// Where the secret of now is, if a program may change it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Written out in the rules file.
    Literal,
    /// In a file of its own, named as the rules name it.
    File(String),
    /// Made by shopbell and kept in the state.
    Made,
    /// None: it is that of the default key, `[key.NAME]`.
    Key(String),
}

/// A change of a file that is there: its path, what it holds, and what it is to hold.
#[derive(Debug)]
struct Edited {
    path: PathBuf,
    before: Vec<u8>,
    after: Vec<u8>,
}

/// A new secret, planned and checked; nothing is written yet.
#[derive(Debug)]
pub struct Rotation {
    /// The webhook's NAME.
    pub webhook: String,
    /// Where its secret was.
    pub origin: Origin,
    /// Until when the secret of now signs beside the new one; `None`: no longer.
    pub until: Option<Timestamp>,
    /// Until when secrets of before that sign too.
    pub earlier: Vec<Timestamp>,
    /// Secret files that only entries named that have ended: nothing of these rules needs them any more.
    pub leftover: Vec<String>,
    /// Fingerprints of the rules directory, now and afterwards.
    pub fingerprints: (String, String),
    secret: Secret,
    rules: Option<Edited>,
    kept: Option<(PathBuf, Vec<u8>)>,
    own: Option<Edited>,
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> RotateError {
    let path = path.display().to_string();
    move |source| RotateError::File { path, source }
}

impl Rotation {
    /// The new secret.
    pub fn secret(&self) -> &str {
        self.secret.expose()
    }

    /// The files that change, in the order in which they do.
    pub fn files(&self) -> Vec<&Path> {
        let kept = self.kept.iter().map(|(path, _)| path.as_path());
        let edited = self.rules.iter().chain(&self.own).map(|file| file.path.as_path());
        kept.chain(edited).collect()
    }

    /// The rules file that changes.
    pub fn rules_file(&self) -> Option<&Path> {
        self.rules.as_ref().map(|file| file.path.as_path())
    }

    /// Writes everything aside. If this fails, nothing has changed.
    pub fn stage(&self) -> Result<Staged, RotateError> {
        let change = |file: &Edited| {
            let aside = Aside::change(&file.path, file.before.clone(), &file.after);
            aside.map(|aside| (file.path.clone(), aside)).map_err(at(&file.path))
        };
        let kept = self.kept.as_ref().zip(self.own.as_ref()).map(|((path, text), own)| {
            let aside = Aside::create(path, text, &own.path);
            aside.map(|aside| (path.clone(), aside)).map_err(at(path))
        });
        let kept = kept.transpose()?;
        let rules = self.rules.as_ref().map(change).transpose()?;
        let own = self.own.as_ref().map(change).transpose()?;
        Ok(Staged { kept, rules, own })
    }
}

/// Written aside, to be put in place.
#[derive(Debug)]
pub struct Staged {
    kept: Option<(PathBuf, Aside)>,
    rules: Option<(PathBuf, Aside)>,
    own: Option<(PathBuf, Aside)>,
}

impl Staged {
    /// Puts the copy of the old secret and the rules file in place; if this fails, nothing has changed. Gives what then
    /// follows once a running process has taken them: the secret file, where there is one.
    pub fn put(self) -> Result<Option<SecretFile>, RotateError> {
        let copy = self.kept.as_ref().map(|(path, _)| path.clone());
        if let Some((path, aside)) = self.kept {
            aside.put().map_err(at(&path))?;
        }
        if let Some((path, aside)) = self.rules {
            aside.put().inspect_err(|_| copy.iter().for_each(|copy| _ = fs::remove_file(copy))).map_err(at(&path))?;
        }
        Ok(self.own.map(SecretFile))
    }
}

/// A secret file with the new secret, to be put in place when the old one signs beside it.
#[derive(Debug)]
pub struct SecretFile((PathBuf, Aside));

impl SecretFile {
    /// Puts it in place.
    pub fn put(self) -> Result<(), RotateError> {
        let (path, aside) = self.0;
        aside.put().map_err(at(&path))
    }
}
