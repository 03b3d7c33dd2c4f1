//! From the texts of a rules directory to a [`Ruleset`], or to all their faults at once.

use crate::diagnostic::Diagnostic;

use super::rule::Ruleset;

/// One file of a rules directory.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Path relative to the directory, with `/`.
    pub path: String,
    /// Its bytes (a file that is not UTF-8 is a fault with a line).
    pub bytes: Vec<u8>,
}

/// What loading gave.
#[derive(Debug)]
pub struct Loaded {
    /// The ruleset, if there was no error.
    pub ruleset: Option<Ruleset>,
    /// Errors and warnings, by file and line.
    pub diagnostics: Vec<Diagnostic>,
}

/// Compiles the files of a rules directory as one set.
pub fn load(_files: &[SourceFile]) -> Loaded {
    todo!()
}
