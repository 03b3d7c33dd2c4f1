//! Aligned rows of a name, a value and where it comes from, cut to the width of the terminal or wrapped.

use std::io::{self, IsTerminal as _, Write};

use anstyle::{AnsiColor, Style};
use serde_json::{Map, Value};

use super::super::output::{clean, cut};

/// Width where there is no terminal, in characters.
const WIDTH: usize = 110;
/// The least width that is used, in characters: below it lines wrap.
const LEAST: usize = 60;
/// Most characters of a name in a row of its own.
const NAME: usize = 36;
/// Characters of a value that are shown where nothing is cut to fit.
const WHOLE: usize = 2_000;

pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const BOLD: Style = Style::new().bold();
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
pub(super) const BAD: Style = AnsiColor::Red.on_default();
pub(super) const ODD: Style = AnsiColor::Yellow.on_default();
pub(super) const CALM: Style = AnsiColor::Cyan.on_default();

/// Where it is written to.
pub(super) struct Page<W> {
    pub(super) out: W,
    pub(super) width: usize,
    /// Values are shown whole, in as many lines as they need.
    pub(super) whole: bool,
}

/// A row: what it is, what it gave, and the source.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) style: Style,
    pub(super) source: String,
}

impl<W: Write> Page<W> {
    pub(super) fn new(out: W, whole: bool) -> Self {
        let terminal = io::stdout().is_terminal().then(terminal_size::terminal_size).flatten();
        let width = terminal.map_or(WIDTH, |(width, _)| usize::from(width.0)).max(LEAST);
        Self { out, width, whole }
    }

    /// Whether a line has room for both.
    pub(super) fn fits(&self, left: &str, right: &str) -> bool {
        left.chars().count() + 2 + right.chars().count() <= self.width
    }

    /// A line of text with something at its right end, for which the text is cut unless it is shown whole.
    pub(super) fn line(&mut self, left: &[(Style, &str)], right: &str) -> io::Result<()> {
        let need = right.chars().count();
        // Where it would take more than a third, the text has all the line.
        let kept = if need > 0 && need * 3 <= self.width { need + 2 } else { 0 };
        let mut room = if self.whole { WHOLE } else { self.width - kept };
        let mut used = 0;
        for (style, text) in left.iter().filter(|(_, text)| !text.is_empty()) {
            if room == 0 {
                break;
            }
            let shown = cut(&clean(text), room);
            let chars = shown.chars().count();
            room = room.saturating_sub(chars);
            used += chars;
            write!(self.out, "{style}{shown}{style:#}")?;
        }
        if need > 0 && used + need + 2 <= self.width {
            let gap = self.width - used - need;
            write!(self.out, "{:gap$}{DIM}{right}{DIM:#}", "")?;
        }
        writeln!(self.out)
    }

    /// Rows in three columns.
    pub(super) fn rows(&mut self, indent: usize, rows: &[Row]) -> io::Result<()> {
        let longest = |of: fn(&Row) -> &str| rows.iter().map(|row| of(row).chars().count()).max().unwrap_or(0);
        let name = longest(|row| &row.name).min(NAME);
        let room = self.width.saturating_sub(indent + name + 4);
        let sources = longest(|row| &row.source).min(room / 2);
        let beside = rows.iter().filter(|row| !row.source.is_empty()).map(|row| row.value.chars().count());
        let value = beside.max().unwrap_or(0).min(room.saturating_sub(sources));
        for row in rows {
            let shown = cut(&clean(&row.name), name);
            if row.value.is_empty() && row.source.is_empty() {
                writeln!(self.out, "{:indent$}{DIM}{shown}{DIM:#}", "")?;
                continue;
            }
            write!(self.out, "{:indent$}{DIM}{shown:name$}{DIM:#}  ", "")?;
            if self.whole {
                self.wrapped(row, indent + name + 2, value)?;
            } else {
                let shown = cut(&clean(&row.value), if row.source.is_empty() { room } else { value });
                self.cells(row, &shown, value, &cut(&clean(&row.source), sources))?;
            }
        }
        Ok(())
    }

    /// Value and source beside each other.
    fn cells(&mut self, row: &Row, value: &str, width: usize, source: &str) -> io::Result<()> {
        let style = row.style;
        write!(self.out, "{style}{value}{style:#}")?;
        if !source.is_empty() {
            let gap = width.saturating_sub(value.chars().count()) + 2;
            write!(self.out, "{:gap$}{DIM}{source}{DIM:#}", "")?;
        }
        writeln!(self.out)
    }

    /// The same without a cut: what does not fit stands in lines of its own.
    fn wrapped(&mut self, row: &Row, indent: usize, width: usize) -> io::Result<()> {
        let room = self.width.saturating_sub(indent).max(LEAST / 2);
        let (value, source) = (cut(&clean(&row.value), WHOLE), clean(&row.source));
        let (style, value_chars) = (row.style, value.chars().count());
        if value_chars.max(width) + 2 + source.chars().count() <= room && value_chars <= width {
            return self.cells(row, &value, width, &source);
        }
        for (at, line) in lines(&value, room).into_iter().enumerate() {
            let indent = if at == 0 { 0 } else { indent };
            writeln!(self.out, "{:indent$}{style}{line}{style:#}", "")?;
        }
        for line in lines(&source, room).into_iter().filter(|line| !line.is_empty()) {
            writeln!(self.out, "{:indent$}{DIM}{line}{DIM:#}", "")?;
        }
        Ok(())
    }
}

/// A text in lines of so many characters; at least one.
fn lines(text: &str, width: usize) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    if letters.is_empty() {
        return vec![String::new()];
    }
    letters.chunks(width).map(|line| line.iter().collect()).collect()
}

impl Row {
    pub(super) fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into(), style: Style::new(), source: String::new() }
    }

    pub(super) fn style(self, style: Style) -> Self {
        Self { style, ..self }
    }

    pub(super) fn source(self, source: impl Into<String>) -> Self {
        Self { source: source.into(), ..self }
    }

    /// The same below the row above.
    pub(super) fn below(self) -> Self {
        Self { name: format!("  {}", self.name), ..self }
    }
}

/// Pairs of a table as `a=1 b=x`.
pub(super) fn pairs(table: &Map<String, Value>) -> String {
    let pair = |(name, value): (&String, &Value)| format!("{name}={}", plain(value));
    table.iter().map(pair).collect::<Vec<_>>().join(" ")
}

/// A value without the quotes of a text.
pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(width: usize, whole: bool, rows: &[Row]) -> String {
        let mut page = Page { out: Vec::new(), width, whole };
        page.rows(2, rows).unwrap();
        anstream::adapter::strip_str(&String::from_utf8(page.out).unwrap()).to_string()
    }

    #[test]
    fn rows_are_aligned_cut_or_wrapped() {
        let rows = || {
            [
                Row::new("id", "7").source("{{ a }}"),
                Row::new("payload.name", "0123456789012345678901234567890123456789").source("{{ form.x }}"),
                Row::new("when", "x\u{1b}[31m"),
            ]
        };
        let narrow = "  id            7                            {{ a }}\n  payload.name  01234567890123456789012345…  {{ form.x }}\n  when          x [31m\n";
        assert_eq!(shown(57, false, &rows()), narrow);
        let whole = shown(60, true, &rows());
        assert!(whole.contains("0123456789012345678901234567890123456789\n                {{ form.x }}\n"), "{whole}");
        assert!(whole.lines().all(|line| line.chars().count() <= 60), "{whole}");
    }
}
