//! Faults as they are found, with the files they point into.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::diagnostic::{Diagnostic, Severity};

/// Bytes `start..end` of file number `file`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct At {
    /// Index of the file in the [`Report`].
    pub(super) file: usize,
    /// First byte.
    pub(super) start: usize,
    /// Behind the last byte.
    pub(super) end: usize,
}

impl At {
    /// A place in a file.
    pub(super) fn new(file: usize, range: Range<usize>) -> Self {
        Self { file, start: range.start, end: range.end }
    }
}

/// One file's text while it is read.
#[derive(Debug)]
struct Text {
    path: String,
    source: String,
    /// 1-based lines that TOML itself could not read: what else is wrong there is only a consequence.
    broken: BTreeSet<usize>,
    /// From this byte on the parser may have put things where they do not belong.
    mangled_from: usize,
}

/// All files and all faults.
#[derive(Debug, Default)]
pub(super) struct Report {
    files: Vec<Text>,
    faults: Vec<Diagnostic>,
}

impl Report {
    /// Takes a file in; gives its number.
    pub(super) fn add_file(&mut self, path: &str, text: String) -> usize {
        self.files.push(Text {
            path: path.to_owned(),
            source: text,
            broken: BTreeSet::new(),
            mangled_from: usize::MAX,
        });
        self.files.len() - 1
    }

    /// A file's path.
    pub(super) fn path(&self, file: usize) -> &str {
        self.files.get(file).map_or("", |file| file.path.as_str())
    }

    /// A file's text.
    pub(super) fn text(&self, file: usize) -> &str {
        self.files.get(file).map_or("", |file| file.source.as_str())
    }

    /// What stands at a place.
    pub(super) fn source(&self, at: At) -> &str {
        self.text(at.file).get(at.start..at.end).unwrap_or_default()
    }

    /// 1-based line of a place.
    pub(super) fn line(&self, at: At) -> usize {
        let before = self.text(at.file).bytes().take(at.start);
        before.filter(|byte| *byte == b'\n').count() + 1
    }

    /// `file:line`, to name another place in a message.
    pub(super) fn place(&self, at: At) -> String {
        format!("{}:{}", self.path(at.file), self.line(at))
    }

    /// An error with what to do about it.
    pub(super) fn error(&mut self, at: At, message: impl Into<String>, hint: impl Into<Option<String>>) {
        self.push(at, message.into(), hint.into(), Severity::Error);
    }

    /// A warning with what to do about it.
    pub(super) fn warn(&mut self, at: At, message: impl Into<String>, hint: impl Into<Option<String>>) {
        self.push(at, message.into(), hint.into(), Severity::Warning);
    }

    /// Something that is not there. Not told of a file that TOML could not read whole: it may stand on the broken line.
    pub(super) fn missing(&mut self, at: At, message: impl Into<String>, hint: impl Into<Option<String>>) {
        if !self.is_broken(at.file) {
            self.error(at, message, hint);
        }
    }

    /// The same as a warning.
    pub(super) fn missing_warn(&mut self, at: At, message: impl Into<String>, hint: impl Into<Option<String>>) {
        if !self.is_broken(at.file) {
            self.warn(at, message, hint);
        }
    }

    /// A fault TOML itself found; one a line is enough.
    pub(super) fn syntax(&mut self, at: At, message: impl Into<String>, hint: Option<String>) {
        let line = self.line(at);
        let fresh = self.files.get_mut(at.file).is_some_and(|file| file.broken.insert(line));
        if fresh {
            let fault = self.diagnostic(at, message.into(), hint);
            self.faults.push(fault);
        }
    }

    /// From this place on nothing but syntax is told of the file: braces or brackets do not close.
    pub(super) fn mangled(&mut self, at: At) {
        if let Some(file) = self.files.get_mut(at.file) {
            file.mangled_from = file.mangled_from.min(at.start);
        }
    }

    /// A fault about a file or the whole directory.
    pub(super) fn push_whole(&mut self, fault: Diagnostic) {
        self.faults.push(fault);
    }

    /// Whether TOML could not read all of a file.
    pub(super) fn is_broken(&self, file: usize) -> bool {
        self.files.get(file).is_some_and(|file| !file.broken.is_empty())
    }

    /// Whether TOML could not read all of some file.
    pub(super) fn any_broken(&self) -> bool {
        self.files.iter().any(|file| !file.broken.is_empty())
    }

    /// Whether there is any error.
    pub(super) fn has_errors(&self) -> bool {
        self.faults.iter().any(|fault| fault.severity == Severity::Error)
    }

    /// The faults by file and line, each once.
    pub(super) fn finish(mut self) -> Vec<Diagnostic> {
        self.faults.sort();
        self.faults.dedup();
        self.faults
    }

    fn push(&mut self, at: At, message: String, hint: Option<String>, severity: Severity) {
        let line = self.line(at);
        if self.files.get(at.file).is_some_and(|file| file.broken.contains(&line) || at.start >= file.mangled_from) {
            return;
        }
        let fault = self.diagnostic(at, message, hint);
        self.faults.push(if severity == Severity::Warning { fault.warning() } else { fault });
    }

    fn diagnostic(&self, at: At, message: String, hint: Option<String>) -> Diagnostic {
        let mut fault = Diagnostic::at(self.path(at.file), self.text(at.file), at.start..at.end, message);
        fault.source_line = masked(&fault.source_line);
        match hint {
            Some(hint) => fault.hint(hint),
            None => fault,
        }
    }
}

/// A line without the secrets written out in it: diagnostics reach logs and pages. Places stay where they are.
fn masked(line: &str) -> String {
    static SECRET: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r#"(?i)(\b(?:sec\w*|client_key)\s*[=:]\s*\[?\s*["'])([^"']*)"#).ok());
    let Some(secret) = &*SECRET else { return line.to_owned() };
    let stars = |found: &Captures<'_>| format!("{}{}", &found[1], "*".repeat(found[2].chars().count()));
    secret.replace_all(line, stars).into_owned()
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn secrets_do_not_leave_their_file() {
        let rows = [
            ("secret = \"hunter2\" x", "secret = \"*******\" x"),
            ("a = { url = \"u\", secret = 'é1' }", "a = { url = \"u\", secret = '**' }"),
            ("secrt='x'", "secrt='*'"),
            ("secret = { env = \"NAME\" }", "secret = { env = \"NAME\" }"),
            ("secret_previous = [\"old\"]", "secret_previous = [\"***\"]"),
            ("tls.client_key = \"key\"", "tls.client_key = \"***\""),
            ("on = \"GET /\"", "on = \"GET /\""),
        ];
        for (line, expected) in rows {
            assert_eq!(masked(line), expected);
        }
    }
}
