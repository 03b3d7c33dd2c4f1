//! A fault in a user's file, told so that they can mend it: where, what, and what to do.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::{Deserialize, Serialize};

/// How bad a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file cannot take effect.
    Error,
    /// It takes effect, but probably not as meant.
    Warning,
}

/// One fault in one place of one file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Diagnostic {
    /// Path as the user knows it (relative to the rules directory, or as given on the command line).
    pub file: String,
    /// 1-based line; 0 where the fault is about the file as a whole.
    pub line: usize,
    /// 1-based column in characters; 0 where the fault is about the whole line or file.
    pub column: usize,
    /// How many characters are meant, at least 1 where there is a column.
    pub width: usize,
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The text of the line, for the caret.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source_line: String,
}

impl Diagnostic {
    /// A fault of `range` (byte offsets) in `text`, the contents of `file`.
    pub fn at(file: &str, text: &str, range: std::ops::Range<usize>, message: impl Into<String>) -> Self {
        let start = floor_char_boundary(text, range.start);
        let end = floor_char_boundary(text, range.end.max(start));
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        Self {
            file: file.to_owned(),
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            width: text[start..end.min(line_end).max(start)].chars().count().max(1),
            severity: Severity::Error,
            message: message.into(),
            hint: None,
            source_line: text[line_start..line_end].trim_end_matches('\r').to_owned(),
        }
    }

    /// A fault of a file as a whole (it cannot be read, it is missing).
    pub fn of_file(file: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        let (line, column, width) = (0, 0, 0);
        Self {
            file: file.to_owned(),
            line,
            column,
            width,
            severity: Severity::Error,
            message,
            hint: None,
            source_line: String::new(),
        }
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same as a warning.
    #[must_use]
    pub fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// `file:line:column`, as editors and terminals make clickable.
    pub fn place(&self) -> String {
        match (self.line, self.column) {
            (0, _) => self.file.clone(),
            (line, 0) => format!("{}:{line}", self.file),
            (line, column) => format!("{}:{line}:{column}", self.file),
        }
    }

    /// The fault with its line, a caret and the hint; in colour if `styled`.
    pub fn render(&self, styled: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let start = self.source_line.char_indices().nth(self.column.saturating_sub(1));
        let start = start.map_or(self.source_line.len(), |(at, _)| at);
        let end = self.source_line[start..]
            .char_indices()
            .nth(self.width)
            .map_or(self.source_line.len(), |(at, _)| start + at);
        let title = level.clone().primary_title(self.message.as_str());
        let group = if self.source_line.is_empty() {
            let place = annotate_snippets::Origin::path(self.file.as_str());
            title.element(if self.line == 0 { place } else { place.line(self.line) })
        } else {
            title.element(
                Snippet::source(self.source_line.as_str())
                    .line_start(self.line)
                    .path(self.file.as_str())
                    .annotation(AnnotationKind::Primary.span(start..end)),
            )
        };
        let group = match &self.hint {
            Some(hint) => group.element(Level::HELP.message(hint.as_str())),
            None => group,
        };
        let renderer = if styled { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&[group])
    }
}

impl std::fmt::Display for Diagnostic {
    /// One line: `file:line:column: message (hint)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place(), self.message)?;
        self.hint.iter().try_for_each(|hint| write!(f, " ({hint})"))
    }
}

/// The nearest of `known` to a word that is none of them, for "did you mean" hints.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(1);
    let scored = known.into_iter().map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate));
    scored.filter(|(distance, _)| *distance <= limit).min_by_key(|(distance, _)| *distance).map(|(_, word)| word)
}

fn floor_char_boundary(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_counted_in_characters_from_one() {
        let text = "a = 1\nnäme = \"x\"\n";
        let fault = Diagnostic::at("shop.toml", text, 6..11, "unknown key `näme`").hint("did you mean `name`?");
        assert_eq!((fault.line, fault.column, fault.width), (2, 1, 4));
        assert_eq!(fault.to_string(), "shop.toml:2:1: unknown key `näme` (did you mean `name`?)");
        let shown = fault.render(false);
        let lined = Diagnostic { line: 3, ..Diagnostic::of_file("shop.toml", "no secret") }.render(false);
        assert!(lined.contains("--> shop.toml:3") && !lined.contains('^'), "{lined}");
        assert!(shown.contains("^^^^") && shown.contains("shop.toml:2:1") && shown.contains("did you mean"), "{shown}");
    }

    #[test]
    fn the_nearest_word_is_offered_only_when_near() {
        assert_eq!(nearest("staus", ["status", "location"]), Some("status"));
        assert_eq!(nearest("xyz", ["status", "location"]), None);
    }
}
